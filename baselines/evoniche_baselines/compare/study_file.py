"""Reads study.toml: problems, methods and options of a comparison in a file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from evoniche._text import printable

__all__ = ["from_study_file"]

_LARGEST = 1 << 20
_OF_ONE_CALL = ("quiet", "list", "help", "runs_from")
"""What says nothing of the study itself."""


def from_study_file(ctx: click.Context, _: click.Parameter, problems: tuple[str, ...]) -> tuple[str, ...]:
    """Let a file stand for problems, methods and options; options of the command line go before those of the file.

    Args:
        ctx: The context of the command, which gets the file's options as defaults.
        problems: What was given in place of problems: a name that ends with .toml is the file.

    Returns:
        The problems.

    Raises:
        click.UsageError: The file is none, or says something that is no option; the message names it.
    """
    files = [Path(name) for name in problems if name.endswith(".toml")]
    if not files:
        return problems
    if len(problems) > 1:
        raise click.UsageError(f"{files[0]} is a study, which names its problems itself: give it alone.")
    path = files[0]
    content = dict(_read(path))
    lists = {key: _specs(path, key, content.pop(key, [])) for key in ("problems", "methods")}
    params = {(param.name or "").replace("_", "-"): param for param in ctx.command.params
              if param.name not in (*_OF_ONE_CALL, "problems")}
    values: dict[str, Any] = {"methods": lists["methods"], "out": f"runs/{path.stem}"}
    for key, value in content.items():
        name = key.replace("_", "-")
        if name not in params:
            meant = "".join(f" Did you mean {near}?" for near in get_close_matches(name, params, n=1))
            raise click.UsageError(f"{path}: there is no {printable(key)!r}: a study has problems, "
                                   f"{', '.join(params)}.{meant}")
        if not isinstance(value, str | int | float) or isinstance(value, bool) != _is_flag(params[name]):
            kind = "true or false" if _is_flag(params[name]) else "a number or text"
            raise click.UsageError(f"{path}: {name} must be {kind}, got {printable(str(value))[:60]}.")
        values[name.replace("-", "_")] = value if isinstance(value, bool) else str(value)
    ctx.default_map = values
    return tuple(lists["problems"])


def _read(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST:,} bytes")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{path} is no TOML file: {error}.") from error


def _specs(path: Path, key: str, items: Any) -> list[str]:
    """Write problems or methods as the command line has them: a table with a name and options is one of them."""
    if not isinstance(items, list) or not items:
        raise click.UsageError(f'{path} needs {key} = ["NAME", {{name = "NAME", option = VALUE}}].')
    return [_spec(path, key, item) for item in items]


def _spec(path: Path, key: str, item: Any) -> str:
    if isinstance(item, str):
        return item
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        raise click.UsageError(f"{path}: each of {key} must be a text, or a table with a name, "
                               f"got {printable(str(item))[:60]}.")
    options = {option: value for option, value in item.items() if option != "name"}
    for option, value in options.items():
        if not isinstance(value, str | int | float) or "," in str(value):
            raise click.UsageError(f"{path}: {item['name']}: {printable(option)} must be a number, true, false or a "
                                   f"text without a comma, got {printable(str(value))[:60]}.")
    shown = ",".join(f"{option}={str(value).lower() if isinstance(value, bool) else value}"
                     for option, value in options.items())
    return f"{item['name']}:{shown}" if shown else item["name"]


def _is_flag(param: click.Parameter) -> bool:
    return isinstance(param.type, click.types.BoolParamType)
