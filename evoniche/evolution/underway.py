"""What is known of children that are open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, final

from evoniche.evolution.failures import Failure
from evoniche.population import Offspring

__all__ = ["Underway"]


@final
class Underway:
    """Attempts that have failed, and scores that have come before it was their turn to be told.

    A run that ends leaves both to the next one, which makes no attempt twice and scores nothing again.
    """

    def __init__(self) -> None:
        self.attempts: dict[int, int] = {}
        """How many attempts have failed: child -> number."""
        self.arrived: dict[int, Offspring] = {}
        """Children with their scores, each alone."""
        self.unbred: dict[int, tuple[Any, Any]] = {}
        """The parents of children that are to be bred where they are scored; see `workers.breeding`."""
        self.work: dict[str, Any] = {}
        """What a store is to know of the children told next: arrays of a number for each."""

    def __bool__(self) -> bool:
        return bool(self.attempts or self.arrived or self.unbred)

    def fail(self, child: int, failure: Failure, worker: str, seconds: float, recorder: Any = None) -> int:
        """Count an attempt that failed; how many there were of this child."""
        number = self.attempts.get(child, 0) + 1
        if recorder is not None:
            recorder.failure(child, number, failure, worker, seconds)
        self.attempts[child] = number
        return number

    def keep(self, children: Offspring, recorder: Any = None) -> None:
        """Keep the scores of children that are not told yet."""
        new = [i for i, child in enumerate(children.ids.tolist()) if child not in self.arrived]
        for i in new:
            child = children.take([i])
            if recorder is not None:
                recorder.arrival(child)
            self.arrived[int(child.ids[0])] = child

    def forget(self, ids: Iterable[int]) -> None:
        """These children are told or given up."""
        for child in ids:
            self.attempts.pop(child, None)
            self.arrived.pop(child, None)
            self.unbred.pop(child, None)
