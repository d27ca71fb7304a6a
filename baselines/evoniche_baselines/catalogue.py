"""Finds problems and methods by what a user writes: `name`, `name:option=value,option=value`, or `file.py:name`.

A module may stand in place of a file: `my_package.problems:name`.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from evoniche._objects import load_module
from evoniche_baselines.method import Method
from evoniche_baselines.problem import Problem

__all__ = ["find_method", "find_problem", "names", "options"]

_GROUPS = {"problem": "evoniche.problems", "method": "evoniche.methods"}
_MEANT = {
    "problem": "a problem is a function f(**options) that returns a Problem",
    "method": "a method is a Method, or a function or class f(problem, seed, **options)",
}


def names(kind: str) -> list[str]:
    """List the installed problems (`kind="problem"`) or methods (`kind="method"`).

    >>> "max-sat" in names("problem"), "m2n2" in names("method")
    (True, True)
    """
    return sorted(_installed(_GROUPS[kind], tuple(sys.path)).names)


@lru_cache(maxsize=16)
def _installed(group: str, _path: tuple[str, ...]) -> EntryPoints:
    """Look the entry points up once: a comparison asks for the same names thousands of times."""
    return entry_points(group=group)


def options(kind: str, name: str) -> dict[str, Any]:
    """Return the options of a "problem" or "method" with their defaults.

    An option without a default has `inspect.Parameter.empty`.

    Raises:
        ValueError: There is no problem or method of this name.
        ImportError: It needs a library that is not installed.

    >>> options("method", "tournament")
    {'size': 2, 'elites': 0}
    """
    found = find_method(name).start if kind == "method" else _find(kind, name)
    return {p.name: p.default for p in _options_of(found, skipped=2 if kind == "method" else 0)}


def find_problem(spec: str, *, population_size: int | None = None) -> Problem:
    """Make the problem that a user asks for.

    Args:
        spec: `max-sat`, `max-sat:variables=50`, or `mine.py:problem:size=3`. The name stands for a function that
            returns a `Problem`, and the options are its arguments.
        population_size: The number of members; by default the problem's own.

    Raises:
        ValueError: There is no such problem, file, or option.
        ImportError: The problem needs a library that is not installed.

    >>> find_problem("max-sat:variables=20").name
    'max-sat (20 variables, 85 clauses, instance 0)'
    """
    name, options = _parse(spec)
    make = _find("problem", name)
    if isinstance(make, Problem):
        raise ValueError(f"{name} is a Problem already: {_MEANT['problem']}.")
    if isinstance(make, Method | type) or _takes_a_run(make):
        raise ValueError(f"{name} is no problem but a method: {_MEANT['problem']}.")
    if not callable(make):
        raise ValueError(f"{name} must be a function that returns a Problem, got {make!r}.")
    _check_options(name, make, options, skipped=0)
    problem = make(**options)
    if not isinstance(problem, Problem):
        raise ValueError(f"{name} must return a Problem, got {problem!r}.")
    return problem if population_size is None else attrs.evolve(problem, population_size=population_size)


def find_method(spec: str) -> Method:
    """Find the method that a user asks for, and set its options.

    Args:
        spec: `m2n2`, `m2n2:alpha=0.5`, or `mine.py:method`. The name stands for a `Method`, or for a function
            `f(problem, seed, **options)` that starts one.

    Raises:
        ValueError: There is no such method, file, or option.
        ImportError: The method needs a library that is not installed.

    >>> find_method("m2n2:alpha=0.5").label
    'M2N2 (alpha=0.5)'
    """
    name, options = _parse(spec)
    found = _find("method", name)
    if not isinstance(found, Method):
        if not callable(found):
            raise ValueError(f"{name} must be a Method or a function f(problem, seed), got {found!r}.")
        if not _binds_a_run(found):
            raise ValueError(f"{name}{inspect.signature(found)} cannot be called with a problem and a seed: "
                             f"{_MEANT['method']}.")
        plain = name.rpartition(":")[2]
        found = Method(plain, plain, found)
    _check_options(name, found.start, options, skipped=2)
    if not options:
        return found
    given = ", ".join(f"{key}={value}" for key, value in options.items())
    return attrs.evolve(found, name=spec, label=f"{found.label} ({given})", options=options)


def _parse(spec: str) -> tuple[str, dict[str, Any]]:
    """Split the name from its options. A name in a file has a colon of its own, `file.py:name`."""
    parts = spec.split(":")
    length = 2 if "." in parts[0] else 1
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
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # what ast says that it may raise
        return text


def _find(kind: str, name: str) -> Any:
    file, colon, attribute = name.partition(":")
    if colon or "." in file:
        return _find_in_file(kind, file, attribute)
    entries = list(_installed(_GROUPS[kind], tuple(sys.path)).select(name=name))
    if len({entry.value for entry in entries}) > 1:
        packages = " and ".join(sorted({_package(entry) for entry in entries}))
        raise ValueError(f"{name!r} is offered by {packages}: uninstall all but one, or give the entry point in the "
                         "pyproject.toml of a package of yours another name.")
    if entries:
        return _load_entry(kind, entries[0])
    near = get_close_matches(name, names(kind), n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(f"there is no {kind} {name!r}.{meant} There are {', '.join(names(kind))}; or file.py:name.")


def _find_in_file(kind: str, file: str, attribute: str) -> Any:
    module = load_module(Path(file) if file.endswith(".py") else file)
    if attribute and hasattr(module, attribute):
        return getattr(module, attribute)
    there = [name for name, value in vars(module).items() if not name.startswith("_") and _is(kind, value, module)]
    listed = f"of {kind}s it has {', '.join(there)}" if there else f"it has no {kind} at all ({_MEANT[kind]})"
    if not attribute:
        example = there[0] if there else "name"
        raise ValueError(f"{file} alone names no {kind}: write {file}:{example}, or {file}:{example}:option=value; "
                         f"{listed}.")
    near = get_close_matches(attribute, there or vars(module), n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(f"{file} has no {attribute!r}.{meant} {listed[0].upper()}{listed[1:]}.")


def _is(kind: str, value: Any, module: ModuleType) -> bool:
    """Say whether something in a file may be meant: it is defined there, and not of the other kind."""
    if isinstance(value, Method):
        return kind == "method"
    if not (inspect.isfunction(value) or inspect.isclass(value)) or value.__module__ != module.__name__:
        return False
    return _binds_a_run(value) if kind == "method" else not (inspect.isclass(value) or _takes_a_run(value))


def _binds_a_run(function: Callable[..., Any]) -> bool:
    """Say whether it can be called with a problem and a seed, and is not a function of options with defaults."""
    parameters = inspect.signature(function).parameters.values()
    try:
        inspect.signature(function).bind_partial(None, 0)
    except TypeError:
        return False
    return next(iter(parameters)).default is inspect.Parameter.empty


def _takes_a_run(function: Any) -> bool:
    """Say whether it is written for a problem and a seed, and not for two options without defaults."""
    if not callable(function) or not _binds_a_run(function):
        return False
    return not {"problem", "seed"}.isdisjoint(list(inspect.signature(function).parameters)[:2])


def _load_entry(kind: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:
        if isinstance(error, ModuleNotFoundError):
            ours = entry.module.partition(".")[0] == __name__.partition(".")[0]
            of, way_out = ("", ": pip install 'evoniche[baselines]'") if ours else (
                f" of {_package(entry)}", ", which is not installed")
            raise ImportError(f"{kind} {entry.name}{of} needs {error.name}{way_out}.", name=error.name) from error
        raise ValueError(f"{kind} {entry.name} of {_package(entry)} cannot be loaded: "
                         f"{type(error).__name__}: {error}") from error


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.module


def _check_options(name: str, function: Callable[..., Any], options: dict[str, Any], skipped: int) -> None:
    """Refuse options that the function does not have. Its first `skipped` parameters are not options."""
    known = _options_of(function, skipped)
    if len(known) == len(inspect.signature(function).parameters) - skipped:  # none of them takes whatever is given
        names = [parameter.name for parameter in known]
        if unknown := [key for key in options if key not in names]:
            near = get_close_matches(unknown[0], names, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise ValueError(f"{name} has no option {unknown[0]!r}; it has {', '.join(names) or 'none'}.{meant}")
    if missing := [p.name for p in known if p.default is p.empty and p.name not in options]:
        raise ValueError(f"{name} needs the option {missing[0]!r}: {name}:{missing[0]}=...")
    hints = _hints(function)
    for key, value in options.items():
        if key in hints and not _fits(value, hints[key]):
            raise ValueError(f"{name}: {key} must be {_meant(hints[key])}, got {value!r}."[:300])


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function.__init__ if inspect.isclass(function) else function)
    except Exception:  # names that are there for type checkers alone
        return {}


def _fits(value: Any, hint: Any) -> bool:
    """Say whether a value is of a plain type; of any other, the function itself has to."""
    if get_origin(hint) is Literal:
        return any(type(value) is type(word) and value == word for word in get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if hint is float:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max  # neither NaN nor infinite
    return type(value) is hint if hint in (int, bool, str, NoneType) else True


def _meant(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(map(str, get_args(hint)))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(map(_meant, get_args(hint)))
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "none"}
    return words.get(hint, str(hint))


def _options_of(function: Callable[..., Any], skipped: int) -> list[inspect.Parameter]:
    """List the parameters that a user gives by name."""
    parameters = list(inspect.signature(function).parameters.values())[skipped:]
    return [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
