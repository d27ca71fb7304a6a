"""Problems and methods by what a user writes: `name`, `name:option=value,option=value`, or `file.py:name`."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

from evoniche_baselines.method import Method
from evoniche_baselines.problem import Problem

__all__ = ["find_method", "find_problem", "names"]

_GROUPS = {"problem": "evoniche.problems", "method": "evoniche.methods"}


def names(kind: str) -> list[str]:
    """Every "problem" or "method" that is installed."""
    return sorted(entry_points(group=_GROUPS[kind]).names)


def find_problem(spec: str, *, population_size: int | None = None) -> Problem:
    """Make the problem that somebody asks for.

    Args:
        spec: `max-sat`, `max-sat:variables=50`, or `mine.py:problem:size=3`. The name stands for a function that
            returns a `Problem`, and the options are its arguments.
        population_size: Members; the problem's own number when None.

    Raises:
        ValueError: There is no such problem, file, or option.
        ImportError: The problem needs a library that is not installed.
    """
    name, options = _parse(spec)
    make = _find("problem", name)
    if not callable(make):
        raise ValueError(f"{name} must be a function that returns a Problem, got {make!r}.")
    _check_options(name, make, options, skipped=0)
    problem = make(**options)
    if not isinstance(problem, Problem):
        raise ValueError(f"{name} must return a Problem, got {problem!r}.")
    return problem if population_size is None else attrs.evolve(problem, population_size=population_size)


def find_method(spec: str) -> Method:
    """The method that somebody asks for, with its options set.

    Args:
        spec: `m2n2`, `m2n2:alpha=0.5`, or `mine.py:method`. The name stands for a `Method`, or for a function
            `f(problem, seed, **options)` that starts one.

    Raises:
        ValueError: There is no such method, file, or option.
        ImportError: The method needs a library that is not installed.
    """
    name, options = _parse(spec)
    found = _find("method", name)
    if not isinstance(found, Method):
        if not callable(found):
            raise ValueError(f"{name} must be a Method or a function f(problem, seed), got {found!r}.")
        plain = name.rpartition(":")[2]
        found = Method(plain, plain, found)
    _check_options(name, found.start, options, skipped=2)
    if not options:
        return found
    given = ", ".join(f"{key}={value}" for key, value in options.items())
    return attrs.evolve(found, name=spec, label=f"{found.label} ({given})", options=options)


def _parse(spec: str) -> tuple[str, dict[str, Any]]:
    """The name, and the options after its colon; the name of what is in a file is `file.py:name`."""
    parts = spec.split(":")
    length = 2 if parts[0].endswith(".py") else 1
    name = ":".join(parts[:length])
    if len(parts) > length + 1 or not all(parts):
        raise ValueError(f"{spec!r} must be name, name:option=value,option=value or file.py:name.")
    options = {}
    for item in parts[length].split(",") if len(parts) > length else ():
        key, equals, value = item.partition("=")
        if not (key and equals and value):
            raise ValueError(f"{spec!r}: an option must be option=value, got {item!r}.")
        options[key.strip().replace("-", "_")] = _value(value.strip())
    return name, options


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text.capitalize() if text in ("true", "false", "none") else text)
    except (ValueError, SyntaxError):
        return text


def _find(kind: str, name: str) -> Any:
    file, colon, attribute = name.partition(":")
    if colon:
        module = _load(Path(file))
        if not hasattr(module, attribute):
            raise ValueError(f"{file} has no {attribute!r}.")
        return getattr(module, attribute)
    for entry in entry_points(group=_GROUPS[kind], name=name):
        try:
            return entry.load()
        except ImportError as error:
            raise ImportError(f"{kind} {name} needs {error.name}: pip install 'evoniche[baselines]'.") from error
    near = get_close_matches(name, names(kind), n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(f"there is no {kind} {name!r}.{meant} There are {', '.join(names(kind))}; or file.py:name.")


def _load(file: Path) -> ModuleType:
    """A file as a module, once in a process, under a name that other processes find it by as well."""
    if not file.is_file():
        raise ValueError(f"there is no file {file}.")
    path = file.resolve()
    name = f"_evoniche_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None, "the name ends in .py"
        assert spec.loader is not None, "the name ends in .py"
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _check_options(name: str, function: Callable[..., Any], options: dict[str, Any], skipped: int) -> None:
    """Refuse options that the function does not have; the first `skipped` parameters are no options."""
    parameters = list(inspect.signature(function).parameters.values())[skipped:]
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters]
    if unknown := [key for key in options if key not in known]:
        raise ValueError(f"{name} has no option {unknown[0]!r}; it has {', '.join(known) or 'none'}.")
