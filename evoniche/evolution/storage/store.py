"""One run in a file: where it is kept, and from where it goes on."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, final

import attrs
from numpy.typing import NDArray

from evoniche import _log
from evoniche._reading import parse_json
from evoniche._validators import one_of
from evoniche.evolution.storage.database import Database, RunRow
from evoniche.evolution.storage.errors import StoreError
from evoniche.evolution.storage.identity import compare, identify
from evoniche.evolution.storage.lock import only_writer
from evoniche.evolution.storage.recorder import Recorder
from evoniche.evolution.storage.replay import replay
from evoniche.evolution.storage.tables import TABLES, flat, summary

__all__ = ["Store", "StoreLike", "recording"]

Arrays = dict[str, NDArray[Any]]


def _as_path(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"a store is a path, such as 'run.db', or a Store, got {path!r}.")
    return Path(path).expanduser()


@final
@attrs.frozen
class Store:
    """A run in a file, for `run(store=...)`; a path alone is `Store(path)`.

    All that is asked and told is written down as it takes place, one transaction of SQLite for each. The same script,
    started again, makes its evolution anew and goes on from the file: with the same population, best solution, history,
    open children and random numbers as if it had never been cut off, to the last bit. What has been scored is not
    scored again. Nothing is pickled.

    Args:
        path: The file; it is made when it is not there. Its folder must allow two files beside it while it is written.
        name: Of the run; a file may hold several.
        synchronous: "full" waits at each tell until the scores are on the disk, which survives a loss of power.
            "normal" does not wait: a killed process loses nothing, a loss of power the last seconds, and the file
            stays whole.
        genomes: Whether the children are kept as well, where their genome has `pack`. Otherwise they are bred again
            when the run goes on, which needs the same operators on the same kind of processor.
        accept: Names of differences that are no reason to refuse a run, as the refusal names them ("scorer").

    Raises:
        StoreError: By any method, when the file cannot be read or written, is damaged, or is no store.

    >>> import tempfile
    >>> from evoniche import BinaryGenome, m2n2
    >>> path = Path(tempfile.mkdtemp()) / "run.db"
    >>> def again():
    ...     return m2n2(lambda bits: bits, genome=BinaryGenome(8), crossover=lambda a, b, rng: a | b, seed=0)
    >>> again().run(total=50, store=path, progress=False).evaluations
    50
    >>> again().run(total=80, store=path, progress=False).evaluations  # 30 more
    80
    """

    path: Path = attrs.field(converter=_as_path)
    name: str = "main"
    synchronous: Literal["full", "normal"] = attrs.field(
        default="full", kw_only=True, validator=one_of("full", "normal")
    )
    genomes: bool = attrs.field(default=True, kw_only=True)
    accept: Collection[str] = attrs.field(default=(), kw_only=True)

    @accept.validator
    def _names(self, _: Any, accept: Collection[str]) -> None:
        if isinstance(accept, str):
            raise ValueError(f"Store(accept=...) must be a list of names, got {accept!r}: write [{accept!r}].")

    @contextmanager
    def recording(self, evolution: Any) -> Iterator[None]:
        """Keep what an evolution does in the block; `run(store=...)` is a run in such a block.

        A new evolution is first brought to where the stored run is. Then each ask is in the file before its children
        are given out, and each tell before it takes place.

        Args:
            evolution: A new one, or one that did nothing since it was last kept here.

        Raises:
            StoreError: The stored run is another one (the message says what differs) or is being written, the evolution
                has gone on without its store, or the file cannot be used.
        """
        database = Database(self.path, write=True, synchronous=self.synchronous)
        try:
            run, known = self._run(database, evolution)
            with only_writer(self.path, run.run, self.name):
                if not known:
                    run = self._continue(database, run, evolution)
                with _attached(Recorder(evolution, database, run, self.genomes), evolution, (self._key, run)):
                    yield
        finally:
            database.close()

    def history(self) -> Arrays:
        """The columns of `result.history`, as far as the run has come."""
        return self.table("history")

    def members(self) -> Arrays:
        """The members alive, oldest first.

        Returns:
            Columns "id", "first_parent", "mate" (-1 for none) and "score" of shape (members,), and "scores" of shape
            (members, cases).
        """
        return self.table("members")

    def lineage(self) -> Arrays:
        """All children of the run.

        Returns:
            Columns of shape (children,): "id", "first_parent", "mate" (-1 for none), "ask", "score" (NaN while none is
            told), and, in evaluations told at that moment, "asked", "told" and "left" (-1 if that has not happened);
            of children scored by workers also "attempts", "worker" (machine and process) and "seconds" (else NaN).
        """
        return self.table("lineage")

    def failures(self) -> Arrays:
        """All attempts to score a child that have failed; see `Failures`.

        Returns:
            Columns of shape (attempts,): "id", "attempt" (from 1), "seconds", "summary", "worker" and "traceback".
        """
        return self.table("failures")

    def table(self, name: str) -> Arrays:
        """A table by its name: one of the above, or a phylogeny in the columns of the ALife data standard.

        Args:
            name: "history", "members", "lineage", "failures", "scores" (of all children, also of those that have left;
                cases that early rejection has spared are 0), "phylogeny", or "matriline", the tree of first parents,
                for programs that know one parent alone (phylotrackpy).

        Raises:
            ValueError: Another name.
        """
        if name not in TABLES:
            raise ValueError(f"the table must be one of {', '.join(TABLES)}, got {name!r}.")
        with self._open() as database:
            return TABLES[name](database, self._existing(database))

    def to_pandas(self, table: str = "history") -> Any:
        """A table by its name as a pandas.DataFrame; scores become a column for each case.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_pandas needs pandas: pip install pandas.") from error
        return pd.DataFrame(flat(self.table(table)))

    def runs(self) -> list[dict[str, Any]]:
        """What is in the file: for each run its name, start, children asked and told, best score and seconds."""
        with self._open() as database:
            return [summary(database, run) for run in database.runs()]

    def about(self) -> dict[str, Any]:
        """What identifies the run: its parts and their arguments, seed, sizes and versions."""
        with self._open() as database:
            return _about(database, self._existing(database))

    @property
    def _key(self) -> tuple[str, str]:
        return os.path.realpath(self.path), self.name

    @contextmanager
    def _open(self) -> Iterator[Database]:
        database = Database(self.path, write=False)
        try:
            yield database
        finally:
            database.close()

    def _existing(self, database: Database) -> RunRow:
        run = database.find(self.name)
        if run is None:
            names = ", ".join(repr(row.name) for row in database.runs()) or "no run yet"
            raise StoreError(f"{self.path}: there is no run {self.name!r} in it; it holds {names}.")
        return run

    def _run(self, database: Database, evolution: Any) -> tuple[RunRow, bool]:
        """The run to be written, and whether the evolution stands at its end already."""
        books = evolution._books
        run = database.find(self.name)
        if books.ledger.asks == 0 and not len(evolution._history):
            return run or database.create(self.name, identify(evolution, evolution._initial)), False
        key, ledger, length, end = books.kept or (None, None, None, None)
        if key != self._key or ledger is not books.ledger or length != len(evolution._history):
            raise StoreError(
                f"{self.path}: this evolution has done something that is not in the store: give store=... to its first "
                "run, and to each that follows."
            )
        if run is None or database.last(run) != end:
            raise StoreError(
                f"{self.path}: the run {self.name!r} has changed since this evolution was kept in it: make the "
                "evolution anew, and it goes on from the file."
            )
        return run, True

    def _continue(self, database: Database, run: RunRow, evolution: Any) -> RunRow:
        about = identify(evolution, evolution._initial)
        try:
            refused, noted = compare(_about(database, run), about, self.accept)
        except (RecursionError, AttributeError, TypeError) as error:
            raise StoreError(f"{self.path}: the description of {self.name!r} is damaged: restore a copy.") from error
        if refused and not database.begun(run):  # such as the run of a script that has failed at once, and was mended
            _log.info("{}: nothing has come of {!r}, so this run takes its place", self.path, self.name)
            run, noted = database.begin_anew(run, about), []
        elif refused:
            words = sorted({line.split(":")[0].split(".")[0] for line in refused})
            raise StoreError(
                f"{self.path}: {self.name!r} is another run than this one. These differ:\n  "
                + "\n  ".join([*refused[:10], *(["..."] if len(refused) > 10 else [])])
                + "\nMake the evolution as it was, give this run a name of its own, Store(..., name=...)"
                + (f", or, if the differences do not matter, Store(..., accept={words})." if "seed" not in words
                   else ". Without seed=..., each evolution is another one.")
            )
        for line in noted:
            _log.warning("{}: the run goes on, but {}", self.path, line)
        replay(evolution, database, run)
        if evolution._books.ledger.asks:
            _log.info("{}: {!r} goes on after {} evaluations", self.path, self.name, evolution.evaluations)
        return run


StoreLike = Store | str | os.PathLike[str]
"""A store, or the path of one with the usual settings."""


@contextmanager
def recording(evolution: Any, store: StoreLike | None) -> Iterator[None]:
    """Keep what an evolution does in the block in a store, if there is one; see `Store.recording`."""
    if store is None:
        yield
        return
    with (store if isinstance(store, Store) else Store(store)).recording(evolution):
        yield


@contextmanager
def _attached(recorder: Recorder, evolution: Any, place: tuple[Any, RunRow]) -> Iterator[None]:
    books, lines = evolution._books, evolution._history
    try:
        books.recorder = lines.recorder = recorder
        yield
    finally:
        books.recorder = lines.recorder = None
        recorder.settle()
        books.kept = (place[0], books.ledger, len(lines), (recorder.number, recorder.digest))


def _about(database: Database, run: RunRow) -> dict[str, Any]:
    try:
        about = parse_json(run.about)
        if not isinstance(about, dict):
            raise ValueError("no object")
    except (TypeError, ValueError) as error:
        raise StoreError(f"{database.path}: the description of {run.name!r} is damaged: restore a copy.") from error
    return about
