"""The SQLite file behind a store: its tables, and rows that vouch for each other.

A run is a row of `runs` and a log of `events`. Each event has a digest of itself and of the digest before it, so a row
that is damaged, missing or out of order is found, wherever it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final
from urllib.parse import quote

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche.evolution.storage.blobs import unpack
from evoniche.evolution.storage.errors import StoreError, named

__all__ = ["Database", "Event", "RunRow"]

_VERSION = 2
"""2 has two more kinds of events, "failure" and "arrival"; the tables are those of 1."""
_APPLICATION = 0x45766F4E  # "EvoN", by which `file` and other programs know it
_PATIENCE = 30.0  # seconds that a transaction waits for that of another run

_TABLES = {
    "runs": "CREATE TABLE runs (run INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, about TEXT NOT NULL, "
    "started REAL NOT NULL)",
    "events": "CREATE TABLE events (run INTEGER NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, "
    "seconds REAL NOT NULL, data BLOB NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (run, number))",
    "genomes": "CREATE TABLE genomes (run INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL, "
    "digest BLOB NOT NULL, PRIMARY KEY (run, number))",
}
KINDS = ("ask", "tell", "give up", "record", "failure", "arrival")


@final
@attrs.frozen
class RunRow:
    """A run in the file."""

    run: int
    name: str
    about: str
    """JSON of what identifies it."""
    started: float
    """Seconds since 1970."""

    @property
    def start(self) -> bytes:
        """The digest before the first event."""
        return _digest(b"", self.name, self.about)


@final
@attrs.frozen(eq=False)
class Event:
    """One call of ask, tell or give_up, a record of the history, an attempt that failed, or scores not told yet."""

    number: int
    kind: str
    """One of `KINDS`."""
    seconds: float
    """How long the run had taken."""
    blob: bytes = attrs.field(repr=False)
    digest: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, number: int, kind: str, seconds: float, blob: bytes, before: bytes) -> Event:
        """A new event after the one whose digest is `before`."""
        return cls(number, kind, seconds, blob, _digest(before, number, kind, seconds, blob))

    def data(self) -> dict[str, NDArray[Any]]:
        """What it holds, as named arrays."""
        return unpack(self.blob)


@final
class Database:
    """An open file. Every method that writes is one transaction, which is there as a whole or not at all."""

    def __init__(self, path: Path, *, write: bool, synchronous: str = "full") -> None:
        """Open it; one that is not there is made when it is to be written.

        Raises:
            StoreError: It is no store, of a newer version, or cannot be opened.
        """
        self.path = path
        self._synchronous = synchronous
        if not write and not path.is_file():
            raise StoreError(f"{path}: there is no such file.")
        with named(path):
            self._connection = _connect(path, write)
            try:
                self._check(write)
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Close it. Whoever closes it last merges the log of SQLite into the file."""
        self._connection.close()

    def runs(self) -> list[RunRow]:
        """All runs, in the order of their beginnings."""
        with named(self.path):
            rows = self._connection.execute("SELECT run, name, about, started FROM runs ORDER BY run").fetchall()
        return [self._typed(RunRow, row, (int, str, str, float)) for row in rows]

    def find(self, name: str) -> RunRow | None:
        """The run of this name."""
        return next((row for row in self.runs() if row.name == name), None)

    def create(self, name: str, about: dict[str, Any]) -> RunRow:
        """Begin a run; one that another process has begun meanwhile is taken instead."""
        row = (name, json.dumps(about), time.time())
        with self._transaction():
            self._connection.execute("INSERT OR IGNORE INTO runs (name, about, started) VALUES (?, ?, ?)", row)
        found = self.find(name)
        assert found is not None
        return found

    def begun(self, run: RunRow) -> bool:
        """Whether anything has come of the run: scores, or a child given up."""
        query = "SELECT 1 FROM events WHERE run = ? AND kind IN ('tell', 'give up', 'arrival') LIMIT 1"
        with named(self.path):
            return self._connection.execute(query, (run.run,)).fetchone() is not None

    def begin_anew(self, run: RunRow, about: dict[str, Any]) -> RunRow:
        """Let another run take the place of one from which nothing has come."""
        with self._transaction():
            for table in ("events", "genomes"):
                self._connection.execute(f"DELETE FROM {table} WHERE run = ?", (run.run,))
            row = (json.dumps(about), time.time(), run.run)
            self._connection.execute("UPDATE runs SET about = ?, started = ? WHERE run = ?", row)
        found = self.find(run.name)
        assert found is not None
        return found

    def events(self, run: RunRow) -> Iterator[tuple[Event, dict[str, NDArray[Any]] | None]]:
        """The events of a run in their order, each with the genomes that were kept of it.

        Raises:
            StoreError: One is damaged or missing.
        """
        query = (
            "SELECT events.number, kind, seconds, events.data, events.digest, genomes.data, genomes.digest FROM events "
            "LEFT JOIN genomes ON genomes.run = events.run AND genomes.number = events.number "
            "WHERE events.run = ? ORDER BY events.number"
        )
        before = run.start
        with named(self.path):
            for expected, (*row, blob, digest) in enumerate(self._connection.execute(query, (run.run,))):
                event = self._typed(Event, row, (int, str, float, bytes, bytes))
                right = Event.of(expected, event.kind, event.seconds, event.blob, before).digest
                if event.number != expected or event.digest != right or event.kind not in KINDS:
                    raise self.damaged(run, expected)
                if blob is not None and _digest(event.digest, blob) != digest:
                    raise self.damaged(run, expected)
                before = event.digest
                yield event, None if blob is None else self._unpacked(run, event, blob)

    def last(self, run: RunRow) -> tuple[int, bytes]:
        """The number and the digest of the last event; -1 where there is none."""
        query = "SELECT number, digest FROM events WHERE run = ? ORDER BY number DESC LIMIT 1"
        with named(self.path):
            row = self._connection.execute(query, (run.run,)).fetchone()
        return (-1, run.start) if row is None else row

    def append(
        self, run: RunRow, event: Event, after: bytes, genomes: bytes | None, *, instead: bytes | None, sync: bool
    ) -> None:
        """Write an event: one transaction, on the disk when this returns if `sync`.

        Args:
            run: Whose event it is.
            event: What to write.
            after: The digest of the event that must stand before it.
            genomes: Packed genomes that belong to it.
            instead: The digest of an event that it replaces, if that is there: one that was written, but did not take
                place after all.
            sync: False leaves the moment to the system; the next event that is synced carries this one with it.

        Raises:
            StoreError: Another process has written events meanwhile, or the file cannot be written.
        """
        with self._transaction(sync):
            number, digest = self.last(run)
            if instead is not None and digest == instead:
                self._delete(run, number)
                number, digest = self.last(run)
            if digest != after:
                raise StoreError(
                    f"{self.path}: somebody else has written to the run {run.name!r} meanwhile: run the script again, "
                    "which goes on from there."
                )
            row = (run.run, event.number, event.kind, event.seconds, event.blob, event.digest)
            self._connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", row)
            if genomes is not None:
                kept = (run.run, event.number, genomes, _digest(event.digest, genomes))
                self._connection.execute("INSERT INTO genomes VALUES (?, ?, ?, ?)", kept)

    def withdraw(self, run: RunRow, digest: bytes) -> None:
        """Delete the last event if it is this one."""
        number, last = self.last(run)
        if last == digest:
            with self._transaction():
                self._delete(run, number)

    def damaged(self, run: RunRow, number: int, why: object = "") -> StoreError:
        """The error to raise for an event that is not as it was written."""
        what = f" ({why})" if why else ""
        return StoreError(
            f"{self.path}: event {number} of the run {run.name!r} is damaged{what}: restore a copy of the file."
        )

    def _delete(self, run: RunRow, number: int) -> None:
        for table in ("events", "genomes"):
            self._connection.execute(f"DELETE FROM {table} WHERE run = ? AND number = ?", (run.run, number))

    def _unpacked(self, run: RunRow, event: Event, blob: bytes) -> dict[str, NDArray[Any]]:
        try:
            return unpack(blob)
        except ValueError as error:
            raise self.damaged(run, event.number, error) from error

    def _typed(self, kind: Any, row: Any, types: tuple[type, ...]) -> Any:
        if any(type(value) is not expected for value, expected in zip(row, types, strict=True)):
            raise StoreError(f"{self.path}: a row of it is damaged: restore a copy of the file.")
        return kind(*row)

    @contextmanager
    def _transaction(self, sync: bool = True) -> Iterator[None]:
        connection = self._connection
        with named(self.path):
            connection.execute(f"PRAGMA synchronous = {self._synchronous if sync else 'normal'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _check(self, write: bool) -> None:
        """Look at what the file is before anything is read by name: a view in the place of a table is code."""
        tables = self._schema()
        if write and not tables:
            with self._transaction():
                tables = self._schema()  # another process may have been first
                if not tables:
                    self._create()
                    tables = self._schema()
        application = self._connection.execute("PRAGMA application_id").fetchone()[0]
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if application == _APPLICATION and version > _VERSION:
            raise StoreError(
                f"{self.path}: it was written by a newer evoniche (schema {version}, this one knows {_VERSION}): "
                "upgrade evoniche."
            )
        if application != _APPLICATION or tables != _TABLES:
            raise StoreError(f"{self.path}: it is no store of evoniche: give the name of another file.")
        if write:
            self._use_log()
            if version < _VERSION:  # what is in it is the same; an older evoniche is to refuse what follows
                with self._transaction():
                    self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _use_log(self) -> None:
        """Switch to SQLite's write-ahead log, which needs a moment in which nobody else is at work."""
        late = time.monotonic() + _PATIENCE
        while self._connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return  # where the file system cannot have one, SQLite goes on with its older way
            except sqlite3.OperationalError:
                if time.monotonic() > late:
                    raise
                time.sleep(0.01)

    def _create(self) -> None:
        for statement in _TABLES.values():
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _schema(self) -> dict[str, str]:
        query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL LIMIT 10"
        return dict(self._connection.execute(query).fetchall())


def _connect(path: Path, write: bool) -> sqlite3.Connection:
    """A connection that begins its transactions itself, and may be used by one thread after the other."""
    mode = "rwc" if write else "ro"
    if not write and not Path(f"{path}-wal").exists() and not os.access(path.parent, os.W_OK):
        mode = "ro&immutable=1"  # SQLite could not make the files that it shares with writers
    address = f"file:{quote(str(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(
        address, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _digest(before: bytes, *content: object) -> bytes:
    """What vouches for a row: 16 bytes that follow from it and from the row before."""
    digest = hashlib.blake2b(before, digest_size=16)
    for part in content:
        raw = part if isinstance(part, bytes) else np.float64(part).tobytes() if isinstance(part, float) else None
        text = str(part).encode() if raw is None else raw
        digest.update(len(text).to_bytes(8, "little") + text)
    return digest.digest()
