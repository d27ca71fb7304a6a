"""What is kept of an evolution as it goes, and what it gives in the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import functional
from evoniche.batches import G
from evoniche.evolution.underway import Underway
from evoniche.population import Individual, Population

__all__ = ["COLUMNS", "History", "Result", "describe"]

COLUMNS = frozenset(("evaluations", "seconds", "scored", "best", "best_member", "mean", "coverage", "entropy"))
"""The columns that every history has."""


@final
class History:
    """Scalars over time: a column for each name, a row for each record."""

    def __init__(self) -> None:
        self._rows: list[dict[str, float]] = []
        self.seconds = 0.0
        """What all runs have taken so far."""
        self.scored = 0
        """Scores that all runs have looked at: children x cases, less those that were spared."""
        self.spared = 0
        """Scores that the children told last were spared."""
        self.underway = Underway()
        """What is known of children that are open."""
        self.recorder: Any = None
        """Who writes rows down before they are added (`storage.Recorder`), if anybody."""

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"recorder": None}

    def __len__(self) -> int:
        return len(self._rows)

    def record(self, row: Mapping[str, float]) -> None:
        """Add a row, all of it or nothing.

        Raises:
            TypeError: A value that is no number.
        """
        numbers = {}
        for name, value in row.items():
            try:
                numbers[name] = float(value)
            except (TypeError, ValueError) as error:
                raise TypeError(f"metric {name!r} must return a number, got {value!r}.") from error
        if self.recorder is not None:
            self.recorder.record(numbers)
        self._rows.append(numbers)

    def last(self, name: str, default: float = np.nan) -> float:
        """The newest number of a column."""
        return self._rows[-1].get(name, default) if self._rows else default

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """All columns, each of shape (records,); NaN where a row lacks one."""
        names = dict.fromkeys(name for row in self._rows for name in row)
        return {name: np.array([row.get(name, np.nan) for row in self._rows]) for name in names}


def describe(population: Population, threshold: float = 0.5) -> dict[str, float]:
    """Best and mean score, coverage and entropy of the members alive.

    Args:
        population: Has members.
        threshold: From which score on a case counts as solved.
    """
    how: Any = {"threshold": threshold, "importance": population.importance}
    return {
        "best_member": float(population.means.max()),
        "mean": float(population.means.mean()),
        "coverage": functional.coverage(population.scores, **how),
        "entropy": functional.entropy(population.scores, **how),
    }


@final
@attrs.frozen(eq=False)
class Result(Generic[G]):
    """What an evolution had reached when it was asked; what it does afterwards changes nothing here."""

    best: Individual[G] | None
    """The best solution ever told, with its `genome`, `scores` and mean `score`; the population may have lost it."""
    population: Population = attrs.field(repr=False)
    """The members alive."""
    evaluations: int
    """Children told so far."""
    history: Mapping[str, NDArray[np.float64]] = attrs.field(repr=False)
    """Columns of one number for each record: evaluations, seconds, scores looked at (`scored`), the score of the best
    solution ever told (`best`), of the best and of all members alive (`best_member`, `mean`), their coverage and
    entropy, and what `run(metrics=...)` has named."""
    stopped: str
    """Why the run ended: "evaluations", "scores", "seconds", "target", "callback", "interrupted", or "" before its
    end."""
    scored: int = 0
    """Scores that all runs have looked at: children x cases, less those that `run(reject_early=...)` has spared."""

    @classmethod
    def of(cls, evolution: Any, history: History, stopped: str) -> Result[G]:
        """What an evolution has reached, with its history."""
        population, told = evolution.population.snapshot(), evolution.evaluations
        return cls(evolution.best, population, told, history.columns(), stopped, history.scored)
