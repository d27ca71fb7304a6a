"""Tells which files a problem or method is made of, so that results of old code never stand under the new."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import CodeType
from typing import Any
from uuid import uuid4

import evoniche_baselines
from evoniche._objects import file_digest, source_digests
from evoniche_baselines.method import Method
from evoniche_baselines.problem import Problem

__all__ = ["Code", "code_of"]

Code = tuple[tuple[str, str], ...]
"""Pairs of the place of a file and the digest of its content; an empty place where the code is in no file."""


def code_of(what: str | Method | Callable[[], Problem]) -> Code:
    """Return what a problem or method is made of.

    By name: the file that is named, the files beside it that it imports, and files and folders that its options name.
    As an object: its function, and the file that this is in. This package and others have versions in place of that.

    Raises:
        OSError: A file cannot be read.
    """
    return tuple(_named(what) if isinstance(what, str) else _given(what))


def _named(spec: str) -> Iterator[tuple[str, str]]:
    place, *others = re.split("[:,]", spec)
    module = "." in place and not place.endswith(".py") and find_spec(place)
    for path in (Path((module and module.origin) or place), *(Path(part.rpartition("=")[2]) for part in others)):
        if path.is_dir() and path.name:  # an option without a value names the folder here
            for file in sorted(file for file in path.rglob("*") if file.is_file()):
                yield str(file), _short(f"{file.relative_to(path)} {file_digest(file)}")
        elif path.is_file():
            for name, digest in source_digests(path).items():
                yield name, digest[:16]


def _given(what: Any) -> Iterator[tuple[str, str]]:
    function = inspect.unwrap(what.start if isinstance(what, Method) else what)
    try:
        file = Path(inspect.getsourcefile(function) or "")
        if Path(evoniche_baselines.__file__).parent in file.parents:
            return
        if file.is_file():
            yield str(file), file_digest(file)[:16]
        else:
            yield "", _short(inspect.getsource(function))
    except (OSError, TypeError):
        yield "", uuid4().hex  # nobody can tell whether it is the same: it is never found again
        return
    code = getattr(function, "__code__", None)
    if code is not None:  # a file that was edited since it was imported is not what runs
        yield "", _short("\n".join(_instructions(code)))


def _instructions(code: CodeType) -> Iterator[str]:
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)
        else:  # the order of a set differs from process to process
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
