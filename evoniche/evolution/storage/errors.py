"""What goes wrong with a store, in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["StoreError", "named"]

_LOCKED = "another process has been writing to it for too long: wait for it, or give each run a file of its own"
_FOLDER = "it cannot be opened: its folder must be there, and you must be allowed to write in it"

_REASONS = (
    ("disk is full", "there is no space left: make room and run the same script again; all that was told is there"),
    ("disk i/o error", "the disk cannot be read or written; what was told before is there if the disk is sound"),
    ("readonly", "it is read-only: give a file that you may write to"),
    ("unable to open", _FOLDER),
    ("locked", _LOCKED),
    ("busy", _LOCKED),
    ("not a database", "it is no store of evoniche: give the name of another file"),
    ("too big", "a batch of genomes is larger than SQLite stores (1 GB): use Store(..., genomes=False)"),
)


class StoreError(RuntimeError):
    """A store that cannot be read, written or continued; the message names the file and the rule."""


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Errors of SQLite as a `StoreError` that names the file and a way out."""
    try:
        yield
    except (sqlite3.Error, OverflowError, OSError, UnicodeError, MemoryError) as error:
        text = str(error).lower()
        known = [reason for key, reason in _REASONS if key in text]
        reason = known[0] if known else "it is damaged, or cannot be used: restore a copy, or give another file"
        raise StoreError(f"{path}: {reason} ({error}).") from error
