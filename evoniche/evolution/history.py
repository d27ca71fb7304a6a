"""What is kept of an evolution as it goes, and what it gives in the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import functional
from evoniche.population import Individual, Population

__all__ = ["History", "Result"]


@final
class History:
    """Scalars over time: a column for each name, a row for each record."""

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {}

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def record(self, row: Mapping[str, float]) -> None:
        """Add a row; what it or the rows before it lack is NaN."""
        records = len(self)
        for name in row:
            self._columns.setdefault(name, [np.nan] * records)
        for name, column in self._columns.items():
            column.append(float(row.get(name, np.nan)))

    def last(self, name: str, default: float = np.nan) -> float:
        """The newest number of a column."""
        return self._columns[name][-1] if name in self._columns else default

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Copies of all columns, each of shape (records,)."""
        return {name: np.array(column) for name, column in self._columns.items()}


def describe(population: Population) -> dict[str, float]:
    """Best and mean score, coverage and entropy of the members alive."""
    return {
        "best": float(population.means.max()),
        "mean": float(population.means.mean()),
        "coverage": functional.coverage(population.scores, importance=population.importance),
        "entropy": functional.entropy(population.scores, importance=population.importance),
    }


@final
@attrs.frozen(eq=False)
class Result:
    """What an evolution has reached.

    Attributes:
        best: The best solution ever told, with its `genome`, `scores` and mean `score`.
        population: The members alive.
        evaluations: Children told so far.
        history: Columns over time by name: evaluations, seconds, best, mean, coverage, entropy, and your metrics.
        stopped: Why the run ended.
    """

    best: Individual | None
    """The best solution ever told, by its mean score over the cases; sharing may have dropped it since."""
    population: Population = attrs.field(repr=False)
    """The members alive; the evolution's own, which a later `run` or `tell` changes."""
    evaluations: int
    """Children told so far."""
    history: Mapping[str, NDArray[np.float64]] = attrs.field(repr=False)
    """One number for each record: evaluations, seconds, best, mean, coverage, entropy (all of the members alive), and
    whatever `run(metrics=...)` named."""
    stopped: str
    """Why the run ended: "evaluations", "seconds", "target", "callback", "interrupted", or "" before its end."""
