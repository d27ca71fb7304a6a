"""A merged model as a combination of seeds."""

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
    """A model as a combination of seeds: sum_k coefficients[i, k] seed_k between boundaries i and i + 1.

    >>> recipe = Recipe.of([0, 2, 6], [[1.0, 0.0], [0.5, 0.5]])  # two parameters of the first seed, then the mean
    >>> recipe
    Recipe(6 parameters in 2 segments, 2 seeds)
    """

    boundaries: Integers
    """The flat positions where segments begin and end, from 0 to the number of parameters, shape (segments + 1,)."""
    coefficients: Floats
    """The coefficient of each seed in each segment, shape (segments, seeds)."""

    @classmethod
    def of(cls, boundaries: ArrayLike, coefficients: ArrayLike) -> Recipe:
        """Make a recipe, and join neighbouring segments that have equal coefficients.

        Args:
            boundaries: Shape (segments + 1,).
            coefficients: Shape (segments, seeds).

        Raises:
            ValueError: The boundaries do not rise from 0, coefficients are not finite, or the shapes do not fit.
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
        segments, seeds = (f"{n} {name}{'s' * (n > 1)}"
                           for n, name in zip(self.coefficients.shape, ("segment", "seed"), strict=True))  # fmt: skip
        return f"Recipe({self.size:,} parameters in {segments}, {seeds})"

    @property
    def size(self) -> int:
        """How many parameters the model has."""
        return int(self.boundaries[-1])

    def along(self, bounds: Integers) -> Floats:
        """The coefficients between `bounds`, shape (stretches, seeds); no boundary may lie within a stretch."""
        return self.coefficients[np.searchsorted(self.boundaries, bounds[:-1], side="right") - 1]

    def with_base(self) -> Recipe:
        """The same recipe with one more column, the coefficient of the base: 1 minus the sum of the others.

        So a combination of task vectors (seed minus base) added to the base becomes one of seeds and base.
        """
        of_base = 1 - self.coefficients.sum(axis=1, keepdims=True)
        return attrs.evolve(self, coefficients=np.hstack([self.coefficients, of_base]))

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, Floats]]:
        """The pieces between two positions: where each starts and stops, and its coefficients of shape (seeds,)."""
        first = int(np.searchsorted(self.boundaries, start, side="right")) - 1
        for i in range(first, len(self.coefficients)):
            low, high = max(start, int(self.boundaries[i])), min(stop, int(self.boundaries[i + 1]))
            if low >= high:
                return
            yield low, high, self.coefficients[i]


class RecipeBatch(Protocol):
    """Several recipes, as `Recipes` or a list."""

    def __len__(self) -> int: ...
    def __getitem__(self, row: int, /) -> Recipe: ...
