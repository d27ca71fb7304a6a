"""One writer for each run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evoniche.evolution.storage.errors import StoreError, named

__all__ = ["only_writer"]

_held: set[tuple[str, int]] = set()
"""What this process writes: the system's locks are between processes."""
_guard = threading.Lock()


@contextmanager
def only_writer(path: Path, run: int, name: str) -> Iterator[None]:
    """Be the only one who writes a run for the block.

    The system frees the lock of a process that dies, however it dies. It is a lock of one byte, that of the run, in an
    empty file beside the store.

    Args:
        path: The store.
        run: Number of the run.
        name: Its name, for the message.

    Raises:
        StoreError: Somebody else writes it.
    """
    key = (os.path.realpath(path), run)
    busy = (
        f"{path}: the run {name!r} is being written already: wait for its end, or give this one a name of its own, "
        "Store(..., name=...)."
    )
    with _guard:
        if key in _held:
            raise StoreError(busy)
        _held.add(key)
    try:
        with named(path):
            file = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(file, run, busy)
            yield
        finally:
            os.close(file)
    finally:
        _held.discard(key)


def _lock(file: int, place: int, busy: str) -> None:
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(file, place, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError) as error:
        raise StoreError(busy) from error
    except OSError:  # a file system without locks: the order of events still finds a second writer
        return
