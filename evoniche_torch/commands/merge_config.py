"""merge.yaml: all options of a merge in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from evoniche._reading import parse_json
from evoniche._text import printable

__all__ = ["config_option", "config_text"]

_OF_ONE_CALL = ("config", "overwrite", "dry_run", "quiet", "push_to_hub", "help")
"""What says nothing of the merge itself."""
_PAIRS = ("weights", "harness")
_LARGEST = 1 << 20


def config_option(command: Any) -> Any:
    """Add the option --config, whose file has the other options; the command line goes before it."""
    return click.option(
        "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), is_eager=True, expose_value=False,
        callback=_take, help="A YAML file with these options, such as the merge.yaml that lies beside a merged model; "
        "options of the command line go before it.",
    )(command)  # fmt: skip


def config_text(models: tuple[Path, ...], options: Mapping[str, Any], params: list[click.Parameter]) -> str:
    """The file from which the same merge is made again, as text.

    Args:
        models: The models, as they were given.
        options: The values of the other options.
        params: Those of the command, in whose order they are written.
    """
    content: dict[str, Any] = {"models": [str(model) for model in models]}
    for param in params:
        value = options.get(param.name or "")
        if value is None or value == () or param.name in _OF_ONE_CALL:
            continue
        if param.name in _PAIRS:
            content[_key(param)] = dict(map(_pair, value))
        elif isinstance(value, tuple):
            content[_key(param)] = [str(item) for item in value]
        else:
            content[_key(param)] = str(value) if isinstance(value, Path) else value
    text: str = _yaml().safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return "# evoniche merge --config merge.yaml --out ANOTHER makes this merge again.\n" + text


def _take(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Let the file's values stand in for what the command line does not say."""
    if path is None:
        return
    params = {_key(param): param for param in ctx.command.params if param.name not in _OF_ONE_CALL}
    values = {}
    for key, value in _read(path).items():
        name = str(key).replace("_", "-")
        name = "store" if name == "record" else name
        if name not in params:
            meant = "".join(f" Did you mean {near}?" for near in get_close_matches(name, params, n=1))
            raise click.UsageError(f"{path}: there is no option {key!r}.{meant}")
        values[params[name].name] = _value(path, name, params[name], value)
    ctx.default_map = {key: value for key, value in values.items() if key and value is not None}


def _read(path: Path) -> Mapping[Any, Any]:
    yaml = _yaml()

    class Loader(yaml.SafeLoader):  # type: ignore[name-defined,misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):  # a few lines of them may stand for terabytes
                raise yaml.YAMLError("aliases (*name) are not read")
            return super().compose_node(parent, index)

    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST:,} bytes")
        content = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise click.UsageError(f"{path} is no YAML file of options: {' '.join(str(error).split())}.") from error
    if not isinstance(content, Mapping):
        raise click.UsageError(f"{path} must have a line OPTION: VALUE for each option, such as evaluations: 200.")
    return content


def _value(path: Path, name: str, param: click.Parameter, value: Any) -> Any:
    """A value of the file as the command line has it."""
    several = param.multiple or param.nargs == -1
    if param.name in _PAIRS and isinstance(value, Mapping):
        return [f"{key}={json.dumps(inner)}" for key, inner in value.items()]
    items = value if several and isinstance(value, list) else [value]
    if not all(isinstance(item, str | int | float | None) and str(item) == printable(str(item)) for item in items):
        kind = "names and values" if param.name in _PAIRS else "a list of plain values" if several else "a plain value"
        raise click.UsageError(f"{path}: {name} must be {kind}, got {printable(str(value))[:60]}.")
    if isinstance(param.type, click.types.BoolParamType) and not isinstance(value, bool):
        raise click.UsageError(f"{path}: {name} must be true or false, got {printable(str(value))[:60]}.")
    if isinstance(value, bool) and not isinstance(param.type, click.types.BoolParamType):
        raise click.UsageError(f"{path}: {name} must not be true or false, got {value}: put words in quotes.")
    if value is None:
        return None
    return [str(item) for item in items] if several else value if isinstance(value, bool) else str(value)


def _key(param: click.Parameter) -> str:
    """The name of an option in the file: its long name."""
    name = next((name for name in param.opts if name.startswith("--")), param.name or "")
    return name.removeprefix("--")


def _pair(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, parse_json(value)
    except ValueError:
        return name, value


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise click.ClickException("merge.yaml needs PyYAML: pip install 'evoniche[llm]'.") from error
    return yaml
