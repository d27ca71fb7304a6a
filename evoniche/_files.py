"""Writes files and folders of results, so that they are complete or not there at all.

Each is written beside its place under another name, flushed to the disk and then renamed. So neither a full disk nor a
killed process leaves half of a file behind, and somebody who reads meanwhile finds the old one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "check_writable", "new_file", "new_folder", "sha256", "sync", "write_bytes", "write_json", "write_npz",
    "write_text",
]  # fmt: skip

_HOST = re.sub(r"[^\w-]", "_", platform.node())
_active: set[Path] = set()
"""The partial folders that this process is filling."""


def sha256(path: Path | str) -> str:
    """Return the SHA-256 of a file in hexadecimal digits.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def new_file(path: Path | str) -> Iterator[BinaryIO]:
    """Open a file that takes its place when the block ends, and leaves no trace when the block fails.

    Missing folders on the way to it are made. A symbolic link is followed; a file that is replaced passes on its
    permissions; a device such as /dev/stdout is written directly.

    Args:
        path: The place of the file.

    Yields:
        A binary file, open for writing.

    Raises:
        OSError: The file cannot be written; the error names `path`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with new_file(Path(folder, "new", "greeting.txt")) as file:
    ...         count = file.write(b"hello")
    ...     Path(folder, "new", "greeting.txt").read_text()
    'hello'
    """
    place = Path(os.path.realpath(path))
    partial = place.with_name(f".evoniche-{secrets.token_hex(6)}.tmp")
    with _named(path, partial):
        if Path(path).exists() and not place.is_file():
            with open(path, "wb") as file:
                yield file
            return
        try:
            _make(place.parent)
            with partial.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if place.exists():
                shutil.copymode(place, partial)
            partial.replace(place)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
        sync(place.parent)


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a file of bytes; see `new_file`."""
    with new_file(path) as file:
        file.write(content)


def write_text(path: Path | str, text: str) -> None:
    """Write a file of UTF-8 text, with the same line ends on every system; see `new_file`."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, content: Any, *, indent: int | None = 2, sort_keys: bool = False) -> None:
    """Write a JSON file; see `new_file`.

    Raises:
        ValueError: The content holds NaN or infinity, which JSON does not have.
    """
    text = json.dumps(content, indent=indent, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_npz(path: Path | str, **arrays: ArrayLike) -> None:
    """Write a compressed file of named arrays, without pickle; see `new_file`.

    Raises:
        ValueError: An array holds Python objects.
    """
    with new_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def check_writable(folder: Path | str) -> None:
    """Check before any work that files can be written to a folder, which is made if it is missing.

    Raises:
        OSError: They cannot; the error names `folder`.
    """
    probe = Path(folder) / f".evoniche-{secrets.token_hex(6)}.tmp"
    with _named(folder, probe):
        _make(probe.parent)
        probe.touch()
        probe.unlink()


@contextmanager
def new_folder(place: Path | str, *, check: Callable[[], object] = lambda: None) -> Iterator[Path]:
    """Make a folder that takes its place when the block ends, and leaves no trace when the block fails.

    First, it removes what killed processes of this computer have left there, and puts back what they had moved away. A
    folder at `place` is replaced; where it must not be, let `check` raise an error.

    Args:
        place: The place of the folder.
        check: A function called before the block, and again just before the folder takes its place. An error that it
            raises ends the block.

    Yields:
        An empty folder to be filled.

    Raises:
        FileExistsError: This process is writing the same folder already.
        OSError: The folder cannot be written; the error names `place`.
    """
    given, place = place, Path(place).resolve()
    partial = _beside(place, "partial")
    if partial in _active:
        raise FileExistsError(f"{given} is being written by this process already.")
    _clear_up(place)
    check()
    with _named(given, partial):
        _make(place.parent)
    _active.add(partial)
    try:
        with _named(given, partial):
            partial.mkdir()
        yield partial
        with _named(given, partial):
            _sync_all(partial)
        check()  # it may have been filled meanwhile
        with _named(given, partial):
            _put(partial, place)
        sync(place.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        _active.discard(partial)


def sync(path: Path) -> None:
    """Flush a file to the disk, or a folder where the system can do that."""
    with suppress(OSError) if path.is_dir() else nullcontext():
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None


@contextmanager
def _named(path: Path | str, partial: Path) -> Iterator[None]:
    """Let errors name the path that the caller knows: a full disk names none, other errors the name used meanwhile."""
    try:
        yield
    except OSError as error:
        ours = error.filename is None or Path(os.fsdecode(error.filename)) in (partial, *partial.parents)
        if ours and error.errno is not None:
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise


def _sync_all(folder: Path) -> None:
    """Flush a folder: first its files, then the folders that list them."""
    for inner, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(Path(inner, name))
        sync(Path(inner))


def _put(partial: Path, place: Path) -> None:
    """Rename a folder to its place. A folder that was there is away for the time between two renames."""
    if not place.exists():
        partial.rename(place)
        return
    old = _beside(place, "replaced")
    place.rename(old)
    try:
        partial.rename(place)
    except BaseException:
        if not place.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(place: Path, kind: str) -> Path:
    return place.with_name(f".{place.name}.{kind}-{_HOST}-{os.getpid()}")


def _clear_up(place: Path) -> None:
    """Remove what killed processes of this computer left; put back what they had moved away."""
    for kind in ("replaced", "partial"):
        start = f".{place.name}.{kind}-{_HOST}-"
        for path in [path for path in place.parent.glob(".*") if path.name.startswith(start)]:
            number = path.name.removeprefix(start)
            if not number.isdigit() or path in _active or _alive(int(number)):
                continue
            if kind == "replaced" and not place.exists():
                path.rename(place)
            else:
                shutil.rmtree(path, ignore_errors=True)


def _alive(process: int) -> bool:
    if process == os.getpid():
        return False  # of a process before with the same number: this one's folders are in _active
    if os.name == "nt":
        return True  # there, signal 0 ends a process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
