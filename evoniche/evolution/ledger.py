"""Calls that take place as a whole or not at all."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any, TypeVar, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche.evolution.pending import Pending, read_ids
from evoniche.population import Individual, Offspring, Population

__all__ = ["Books", "Ledger", "better"]

T = TypeVar("T")


@final
@attrs.frozen(eq=False)
class Ledger:
    """Where an evolution stands: the numbers that change together, and what the last call has changed."""

    asks: int = 0
    """How many asks there were: the number of the next one."""
    given: int = 0
    """How many ids were given out: the id of the next child."""
    evaluations: int = 0
    """Children told."""
    best: Individual[Any] | None = None
    """The best solution ever told."""
    opened: Offspring | None = None
    """Children that the last call has made."""
    closed: tuple[int, ...] = ()
    """Children that the last call was about."""
    told: Offspring | None = None
    """These children with their scores, if they were told."""
    change: object = None
    """The change of the population that the last call has made; see `Population.begin`."""


@final
class Books:
    """Keeps the ledger, and the open children and the population in step with it.

    A call takes place in the moment in which a new ledger stands for the old one. Before that nothing has happened,
    whatever has raised; what is left to do afterwards can be done again and again. So no exception and no Ctrl-C leaves
    half of a call behind, and threads that call take turns.
    """

    def __init__(self, population: Population) -> None:
        self.population = population
        self.ledger = Ledger()
        self.origin = uuid.uuid4().hex
        """The name of this evolution, which no other has, whatever the seed."""
        self.recorder: Any = None
        """Who writes calls down before they take place (`storage.Recorder`), if anybody."""
        self.kept: Any = None
        """What the last recorder knows of where it stopped."""
        self._followed = self.ledger
        self._pending = Pending()
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            self._follow()
            return {name: value for name, value in vars(self).items() if name != "_lock"} | {"recorder": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.RLock()

    def at_once(self, call: Callable[[Ledger], tuple[Ledger, T]]) -> T:
        """Do something that changes the evolution, as a whole or not at all.

        Args:
            call: Gives the next ledger, and what to return. Of the rest it may change the population alone, and that
                after `Population.begin`.

        Raises:
            RuntimeError: What is called calls the evolution itself.
        """
        before = after = None
        try:
            with self._lock:
                self._follow()
                before = self.ledger
                priced = self.population.priced
                after, answer = call(before)
                if self.ledger is not before:
                    self.ledger = before
                    raise RuntimeError("a part must not call ask, tell or give_up of the evolution that it works for.")
                if self.recorder is not None:
                    self.recorder.call(before, after, priced)
                self.ledger = after  # here it takes place
            return answer
        except BaseException:
            with self._lock:
                if before is not None and self.ledger in (before, after):
                    self.ledger = before
                    self._follow()
            raise

    def look(self, call: Callable[[], T]) -> T:
        """Look at the evolution between two calls."""
        with self._lock:
            self._follow()
            return call()

    def first(self, n: int | None = None) -> Offspring | None:
        """The first n children that are open, or all; None when there are none."""
        return self.look(lambda: self._pending.first(n) if self._pending else None)

    def open_ids(self) -> list[int]:
        """The ids of the open children."""
        return self.look(self._pending.ids)

    def find(self, children: Any, ledger: Ledger) -> tuple[Offspring, list[int]]:
        """Children that are open, as `ask` returned them or by their ids, and their ids.

        Raises:
            ValueError: They are of another evolution, or cannot be told; see `Pending.check`.
        """
        if not isinstance(children, Offspring):
            ids = read_ids(children)
            self._pending.check(ids, ledger.given)
            return self._pending.children(ids), ids
        if children.origin != self.origin:
            raise ValueError("these are children of another evolution: each evolution is told its own.")
        ids = children.ids.tolist()
        self._pending.check(ids, ledger.given)
        return children, ids

    def _follow(self) -> None:
        """Bring the open children and the population to where the ledger says the evolution stands."""
        ledger = self.ledger
        if self.population.undo is not ledger.change:
            self.population.roll_back()
        if ledger is not self._followed:
            self._pending.follow(ledger.opened, ledger.closed)
            self.population.commit()
            self._followed = ledger


def better(
    best: Individual[Any] | None, offspring: Offspring, means: NDArray[np.float64]
) -> Individual[Any] | None:
    """The best of the best so far and of these children, of which the mean scores are known; the older of equals."""
    top = int(means.argmax())
    return best if best is not None and means[top] <= best.score else offspring.individual(top, float(means[top]))
