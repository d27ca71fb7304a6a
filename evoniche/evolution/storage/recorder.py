"""Writes down what an evolution does, at the moment in which it takes place."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, final

import numpy as np

from evoniche.batches import Batch, take
from evoniche.evolution.failures import Failure
from evoniche.evolution.ledger import Ledger
from evoniche.evolution.storage.blobs import pack
from evoniche.evolution.storage.database import Database, Event, RunRow
from evoniche.evolution.storage.identity import digest_of, pack_genomes
from evoniche.population import Offspring

__all__ = ["Recorder"]


@final
class Recorder:
    """Appends an event to a run for each call of an evolution, before the call takes place in memory.

    The order is: the call is computed; its event is committed to the file; the new ledger takes the place of the old
    one. So there are two moments at which a run can be cut off.

    - Before the commit, the call has happened nowhere. An ask is made again, the same. A tell costs the scores of one
      step, which are computed again; earlier ones are in the file.
    - After the commit, it has happened in the file, which is what a new process goes on from. Where the process lives
      (Ctrl-C between two lines), the call has raised, so it has not taken place, and its event is withdrawn: replaced
      by the next one, or deleted at the end.

    When the file cannot be written, the call raises and nothing has happened in memory either.
    """

    def __init__(self, evolution: Any, database: Database, run: RunRow, genomes: bool) -> None:
        """Go on writing after the last event in the file, where `evolution` stands.

        Args:
            evolution: Whose calls are written.
            database: Where.
            run: The run in it.
            genomes: Whether children's genomes are kept.
        """
        self._evolution = evolution
        self._database = database
        self._run = run
        self._genomes = genomes
        self.number, self.digest = database.last(run)
        self._alive = set(evolution.population.ids.tolist())
        self._unsure: tuple[Event, Callable[[], bool], Callable[[], None]] | None = None
        self._prints: dict[int, bytes] = {}
        self._warned = False
        pending = evolution.pending
        if pending is not None:
            self._remember(pending)

    def call(self, before: Ledger, after: Ledger, priced: bool) -> None:
        """Write the call that makes `after` of `before`; see `Books.at_once`.

        Args:
            before: Where the evolution stands.
            after: Where it is going to stand.
            priced: Whether somebody had asked for the population's fitness before the call.
        """
        self._confirm()
        if after.opened is not None:
            self._ask(after, after.opened, priced)
        elif after.told is not None:
            self._tell(after, after.told, priced)
        else:
            counted = after.evaluations > before.evaluations
            data = {"ids": np.array(after.closed), "counted": counted, "priced": priced}
            self._append("give up", data, None, self._is(after), lambda: None)

    def failure(self, child: int, number: int, failure: Failure, worker: str, seconds: float) -> None:
        """Write an attempt that failed; see `Underway.fail`."""
        attempts = self._evolution._history.underway.attempts
        data = {
            "ids": np.array([child]), "attempt": number, "summary": _text(failure.summary),
            "traceback": _text(failure.traceback), "worker": worker, "took": float(seconds),
            "priced": self._evolution.population.priced,
        }  # fmt: skip
        self._append("failure", data, None, lambda: attempts.get(child) == number, lambda: None)

    def arrival(self, child: Offspring) -> None:
        """Write the scores of a child that is not told yet; see `Underway.keep`."""
        arrived, name = self._evolution._history.underway.arrived, int(child.ids[0])
        packed = self._changed(child, warns=False)
        if packed is None and not self._is_same(child)[0]:
            return  # its genome cannot be stored, so it will be scored again
        data = {"ids": child.ids, "scores": child.scores, "ask": child.ask, "priced": self._evolution.population.priced}
        self._append("arrival", data, packed, lambda: name in arrived, lambda: None)

    def record(self, row: Mapping[str, float]) -> None:
        """Write a row of the history; see `History.record`."""
        history = self._evolution._history
        length = len(history) + 1
        data = {**{f"_{name}": value for name, value in row.items()}, "priced": self._evolution.population.priced}
        self._append("record", data, None, lambda: len(history) == length, lambda: None)

    def settle(self) -> None:
        """Bring the file in step with the evolution: an event whose call did not take place is withdrawn."""
        unsure = self._confirm()
        if unsure is not None:
            self._database.withdraw(self._run, unsure)
        self._unsure = None

    def _ask(self, after: Ledger, children: Offspring, priced: bool) -> None:
        given = len(self._evolution._initial)
        bred = int(children.ids[0]) not in self._evolution._history.underway.unbred
        made = int(children.ids[0]) >= given and bred and self._genomes  # the first genomes are there anyway
        packed = pack_genomes(self._evolution.parts.genome, children.genomes) if made else None
        data = {"parents": children.parents, "priced": priced} | ({} if bred else {"unbred": True})
        self._remember(children)  # as they are now: a scorer may change them in place
        self._append("ask", data, packed, self._is(after), lambda: None)

    def _tell(self, after: Ledger, told: Offspring, priced: bool) -> None:
        ids = told.ids.tolist()
        alive = set(self._evolution.population.ids.tolist())
        left = np.array(sorted((self._alive | set(ids)) - alive), dtype=np.int64)
        means = self._evolution.population.mean_scores(told.scores)
        history = self._evolution._history
        data = {
            "ids": told.ids, "scores": told.scores, "means": means, "left": left, "ask": told.ask, "priced": priced,
            "scored": history.scored, "spared": history.spared, **history.underway.work,
        }

        def done() -> None:
            self._alive = alive
            for child in ids:
                self._prints.pop(child, None)

        self._append("tell", data, self._changed(told), self._is(after), done)

    def _is(self, after: Ledger) -> Callable[[], bool]:
        """Whether this ledger has taken its place, to be asked later."""
        books = self._evolution._books
        return lambda: books.ledger is after

    def _is_same(self, told: Offspring) -> list[bool]:
        """Whether each genome is what it was when it was asked for; what was not bred then is not."""
        unbred = self._evolution._history.underway.unbred
        return [
            child not in unbred and self._print(told.genomes, i) == self._prints.get(child)
            for i, child in enumerate(told.ids.tolist())
        ]

    def _changed(self, told: Offspring, warns: bool = True) -> Mapping[str, Any] | None:
        """The genomes of these children if one of them is not what it was when it was asked for."""
        same = self._is_same(told)
        unbred = int(told.ids[0]) in self._evolution._history.underway.unbred
        if all(same) or (unbred and not self._genomes):  # what was bred elsewhere can be bred again
            return None
        packed = pack_genomes(self._evolution.parts.genome, told.genomes)
        if packed is None and warns and not unbred and not self._warned:
            self._warned = True
            warnings.warn(
                f"the scorer seems to have changed child {int(told.ids[same.index(False)])}, and its genome cannot be "
                "stored: a run that goes on from this store will have the child as it was made. Give the genome pack "
                "and unpack (ObjectGenome: encode and decode).",
                stacklevel=2,
            )
        return packed

    def _append(
        self, kind: str, data: dict[str, Any], packed: Mapping[str, Any] | None, happened: Callable[[], bool],
        done: Callable[[], None],
    ) -> None:
        instead = self._confirm()
        seconds = float(self._evolution._history.seconds)
        event = Event.of(self.number + 1, kind, seconds, pack(data), self.digest)
        genomes = None if packed is None else pack(packed)
        self._unsure = (event, happened, done)
        sync = kind in ("tell", "give up", "arrival")
        self._database.append(self._run, event, self.digest, genomes, instead=instead, sync=sync)

    def _confirm(self) -> bytes | None:
        """Find out whether the last event's call took place; its digest if it did not."""
        if self._unsure is None:
            return None
        event, happened, done = self._unsure
        if not happened():
            return event.digest
        self.number, self.digest = event.number, event.digest
        self._unsure = None
        done()
        return None

    def _remember(self, children: Offspring) -> None:
        for i, child in enumerate(children.ids.tolist()):
            self._prints[child] = self._print(children.genomes, i)

    def _print(self, genomes: Batch, position: int) -> bytes:
        """What tells whether a genome was changed; where it cannot be packed, by its pickle, which is only digested."""
        genome = take(genomes, [position])
        packed = pack_genomes(self._evolution.parts.genome, genome)
        if packed is not None:
            return digest_of(packed).encode()
        file = io.BytesIO()
        pickler = pickle.Pickler(file)
        pickler.fast = True  # without memory, so that equal values give equal bytes
        try:
            pickler.dump(genome)
        except Exception:
            return b""  # not to be told
        return blake2b(file.getvalue(), digest_size=16).digest()


def _text(text: str) -> str:
    """Text as an array of text can hold it."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\\0")
