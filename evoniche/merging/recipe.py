"""A merged model, as what it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, final

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Recipe", "RecipeBatch"]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@final
@attrs.frozen(eq=False, repr=False)
class Recipe:
    """A model as a combination of seeds: sum_k coefficients[i, k] seed_k between boundaries i and i + 1."""

    boundaries: Integers
    """Shape (segments + 1,): from 0 to the number of parameters, rising."""
    coefficients: Floats
    """Shape (segments, seeds)."""

    @classmethod
    def of(cls, boundaries: ArrayLike, coefficients: ArrayLike) -> Recipe:
        """A recipe in which neighbouring segments of equal coefficients are one.

        Args:
            boundaries: Shape (segments + 1,).
            coefficients: Shape (segments, seeds).

        Raises:
            ValueError: Boundaries that do not rise from 0, coefficients that are not finite, or shapes that do not fit.
        """
        bounds = np.array(boundaries, dtype=np.int64)
        table = np.array(coefficients, dtype=np.float64)
        if table.ndim != 2 or 0 in table.shape or bounds.shape != (len(table) + 1,):
            raise ValueError("a recipe needs coefficients of shape (segments, seeds) and one boundary more than "
                             f"segments, got shapes {table.shape} and {bounds.shape}.")
        if bounds[0] or (np.diff(bounds) < 1).any() or not np.isfinite(table).all():
            raise ValueError("a recipe needs boundaries that rise from 0 and finite coefficients, "
                             f"got {bounds.tolist()} and {table.tolist()}.")
        return cls._joined(bounds, table)

    @classmethod
    def _joined(cls, bounds: Integers, table: Floats) -> Recipe:
        new = np.ones(len(table), dtype=np.bool_)
        new[1:] = (table[1:] != table[:-1]).any(axis=1)
        bounds, table = bounds[np.append(new, True)], table[new]
        bounds.flags.writeable = table.flags.writeable = False
        return cls(bounds, table)

    def __repr__(self) -> str:
        segments, seeds = self.coefficients.shape
        return f"Recipe({self.size:,} parameters in {segments} segments, {seeds} seeds)"

    @property
    def size(self) -> int:
        """Parameters of the model."""
        return int(self.boundaries[-1])

    def along(self, bounds: Integers) -> Floats:
        """The coefficients in stretches that no boundary cuts, shape (stretches, seeds)."""
        return self.coefficients[np.searchsorted(self.boundaries, bounds[:-1], side="right") - 1]

    def with_base(self) -> Recipe:
        """The same where the seeds are task vectors: with the coefficient 1 - sum of the base as one more column."""
        of_base = 1 - self.coefficients.sum(axis=1, keepdims=True)
        return attrs.evolve(self, coefficients=np.hstack([self.coefficients, of_base]))

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, Floats]]:
        """Between two positions: where each piece starts and stops, and its coefficients (seeds,)."""
        first = int(np.searchsorted(self.boundaries, start, side="right")) - 1
        for i in range(first, len(self.coefficients)):
            low, high = max(start, int(self.boundaries[i])), min(stop, int(self.boundaries[i + 1]))
            if low >= high:
                return
            yield low, high, self.coefficients[i]


class RecipeBatch(Protocol):
    """Several recipes: `Recipes`, or a list."""

    def __len__(self) -> int: ...
    def __getitem__(self, row: int, /) -> Recipe: ...
