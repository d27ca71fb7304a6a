"""Loads objects that a user names: `file.py:name` or `package.module:name`.

A file is loaded as a module whose name follows from its path, so two files of the same name do not collide; once in a
process, and again when it was edited. Any process that has evoniche can import that name, so what the file defines can
be pickled and sent there.
"""

from __future__ import annotations

import ast
import base64
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache, reduce
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from evoniche._files import sha256

__all__ = [
    "failure", "file_digest", "load_module", "load_object", "neighbours", "own_names", "source_digests", "source_files",
    "split_name",
]  # fmt: skip

__path__: list[str] = []  # makes the modules below importable as submodules of this one, see _Finder
_MARK = "file_"
_beside: dict[Path, dict[str, ModuleType]] = {}
"""Folder -> name -> module: the modules that files of each folder have imported from beside them."""
_loaded: dict[str, dict[str, str]] = {}
"""Name of a file's module -> the digests of its source files just before it was imported."""
_known: dict[tuple[str, int, int, int], str] = {}
_SETTLED = 2.0  # seconds: a file that was changed later than this ago may change again within its time stamp


def load_object(name: str, *, what: str = "object", accepts: Callable[[Any], bool] = lambda _: True) -> Any:
    """Find an object by `file.py:name` or `package.module:name`; the name may have dots.

    Args:
        name: The text that the user wrote.
        what: A word for the object in messages, such as "scorer".
        accepts: A function that says whether an object may be the one that is meant. Messages list only those.

    Raises:
        ValueError: The name has another form, there is no such file or object, or its file cannot be imported.

    >>> load_object("math:sqrt")(9)
    3.0
    """
    place, attribute = split_name(name, what)
    module = load_module(place)
    try:
        found = reduce(getattr, attribute.split("."), module)
    except AttributeError:
        found = module  # is none that may be meant
    if found is module or not accepts(found):
        there = own_names(module, accepts)
        near = get_close_matches(attribute, there, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"{place} has no {what} {attribute!r}; it has {', '.join(there) or 'none'}.{meant}")
    return found


def split_name(name: str, what: str = "object") -> tuple[str, str]:
    """Split a name into the file or module, and the name in it.

    Raises:
        ValueError: The name has another form.

    >>> split_name("tasks.py:maths")
    ('tasks.py', 'maths')
    """
    place, _, attribute = name.rpartition(":")
    module = all(part.isidentifier() for part in place.split("."))
    if not (module or place.endswith(".py")) or not all(part.isidentifier() for part in attribute.split(".")):
        raise ValueError(f"a {what} must be given as file.py:name or package.module:name, got {name!r}.")
    return place, attribute


def load_module(place: Path | str) -> ModuleType:
    """Import a file as a module, or a module by its name.

    While a file is imported, it can import the files beside it (`from helper import X`). A file that was edited since
    it was imported, or one beside it that it imports, is imported again.

    Raises:
        ValueError: There is no such file or module, or it cannot be imported; the message says which line failed.
    """
    if isinstance(place, str) and not place.endswith(".py"):
        file, name = None, place
    else:
        file, name = Path(place), _name_of(Path(place))
        if not file.is_file():
            raise ValueError(f"there is no file {file}.")
        if name in sys.modules and _loaded.get(name) != source_digests(file):
            _forget(name, file)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if file is None and error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ValueError(f"there is no module {name}.") from error
        raise ValueError(f"{place} cannot be imported: {failure(error, file)}") from error
    except (Exception, SystemExit) as error:
        raise ValueError(f"{place} cannot be imported: {failure(error, file)}") from error


def own_names(module: ModuleType, accepts: Callable[[Any], bool] = callable) -> list[str]:
    """List the names of accepted objects that a module defines itself, rather than imports.

    >>> own_names(sys.modules[split_name.__module__])[:2]
    ['load_object', 'split_name']
    """
    return [
        name for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", module.__name__) == module.__name__
        and accepts(value)
    ]


@contextmanager
def neighbours(file: Path | str) -> Iterator[None]:
    """Let imports in this block find the files beside a file, and leave no compiled ones there.

    Modules that were imported from beside files of other folders are hidden meanwhile, so that `helper` is the file
    beside this one. A function that imports when it runs must be called in such a block too. Only one thread at a time
    may use it.

    Args:
        file: A Python file.
    """
    folder, bytecode = Path(file).resolve().parent, sys.dont_write_bytecode
    hidden = {name: module for other, modules in _beside.items() if other != folder
              for name, module in modules.items() if sys.modules.get(name) is module}
    for name in hidden:
        del sys.modules[name]
    sys.modules.update(_beside.get(folder, {}))
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    before = set(sys.modules)
    try:
        yield
    finally:
        sys.dont_write_bytecode = bytecode
        if str(folder) in sys.path:  # the file may have changed it
            sys.path.remove(str(folder))
        new = [name for name in sys.modules if name not in before and _is_neighbour(name, folder)]
        _beside.setdefault(folder, {}).update({name: sys.modules[name] for name in new})
        sys.modules.update(hidden)


def source_files(file: Path | str) -> list[Path]:
    """List a Python file and the files beside it that it imports, directly or not: a result may depend on all of them.

    The imports are read, and no file is run. A file that is not Python is listed alone.
    """
    file = Path(file).resolve()
    found, left = [], [file]
    while left:
        path = left.pop()
        if path not in found:
            found.append(path)
            left += _imported(path, file.parent, file_digest(path)) if path.suffix == ".py" else ()
    return [file, *sorted(found[1:])]


def source_digests(file: Path | str) -> dict[str, str]:
    """Return the digests of `source_files`, by their paths.

    Raises:
        OSError: A file cannot be read.
    """
    return {str(path): file_digest(path) for path in source_files(file)}


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits. A file of the same size, time and inode is not read again.

    Raises:
        OSError: It cannot be read.
    """
    stat = os.stat(path)
    key = (str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
    if key in _known:
        return _known[key]
    digest = sha256(path)
    if time.time() - stat.st_mtime > _SETTLED:
        _known[key] = digest
    return digest


def failure(error: BaseException, file: Path | str | None) -> str:
    """Describe an error: its type, its text, and the line of the user's file in which it was raised.

    >>> failure(KeyError("a"), None)
    "KeyError: 'a'"
    """
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if file is None or isinstance(error, SyntaxError):  # which says its line itself
        return text
    path = Path(file).resolve()
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return f"{text} (line {lines[-1]} of {path.name})" if lines else text


def _name_of(file: Path) -> str:
    """Name the module of a file; the path can be read back from the name."""
    code = base64.b32encode(str(file.resolve()).encode(errors="surrogateescape")).decode().rstrip("=")
    return f"{__name__}.{_MARK}{code}"


class _Loader(SourceFileLoader):
    """Imports a file while it can import its neighbours."""

    def exec_module(self, module: ModuleType) -> None:
        _loaded[module.__name__] = source_digests(self.path)  # before it is read: an edit meanwhile is noticed later
        with neighbours(self.path):
            super().exec_module(module)


class _Finder:
    """Finds the modules that `_name_of` names, in whichever process they are imported."""

    @staticmethod
    def find_spec(name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
                  ) -> ModuleSpec | None:
        start = f"{__name__}.{_MARK}"
        if not name.startswith(start):
            return None
        code = name.removeprefix(start)
        path = base64.b32decode(code + "=" * (-len(code) % 8)).decode(errors="surrogateescape")
        return spec_from_file_location(name, path, loader=_Loader(name, path))


if _Finder not in sys.meta_path:
    sys.meta_path.append(_Finder)


def _forget(name: str, file: Path) -> None:
    """Make the next import of a file read it again, and those beside it that it imports."""
    del sys.modules[name]
    for other, module in _beside.pop(file.resolve().parent, {}).items():
        if sys.modules.get(other) is module:
            del sys.modules[other]


def _is_neighbour(name: str, folder: Path) -> bool:
    """Say whether a module is a file of this folder that only the files beside it can import."""
    base = folder.joinpath(*name.split("."))
    if _file_of(name) not in (f"{base}.py", str(base / "__init__.py")):
        return False
    top = name.partition(".")[0]
    specs = [spec for finder in sys.meta_path if (spec := finder.find_spec(top, None)) is not None]
    return not specs or specs[0].origin != _file_of(top)


def _file_of(name: str) -> str | None:
    return getattr(sys.modules.get(name), "__file__", None)


def _imported(path: Path, folder: Path, digest: str) -> list[Path]:
    """List the files in a folder that a file imports."""
    return [
        file for place in _places(path, folder, digest) for file in (place.with_suffix(".py"), place / "__init__.py")
        if file.is_file()
    ]


@lru_cache(maxsize=256)
def _places(path: Path, folder: Path, _digest: str) -> list[Path]:
    """List the places, without their endings, of what a file of this content may import from a folder."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found: list[Path] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            places = [folder.joinpath(*alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level > len(path.parents):
                continue  # beyond the root of all folders
            start = folder if not node.level else path.parents[node.level - 1]
            place = start.joinpath(*node.module.split(".")) if node.module else start
            places = [place, *(place / alias.name for alias in node.names)]
        else:
            continue
        for place in places:
            found += [place, *(parent for parent in place.parents if parent != folder and folder in parent.parents)]
    return found
