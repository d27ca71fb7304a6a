"""Recipes with fewer segments, and what that costs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evoniche.merging.recipe import Recipe
from evoniche.merging.seed_bank import SeedBank

__all__ = ["simplified"]

Floats = NDArray[np.float64]


def simplified(
    recipe: Recipe, seeds: SeedBank, *, segments: int | None = None, tolerance: float = 0.0
) -> tuple[Recipe, float]:
    """Merge neighbouring segments whose difference matters least, and tell how far that has moved the model.

    Two segments merge by taking the coefficients of one of them. The pair that moves the model least merges first,
    by its distance from the recipe that was given, so errors do not pile up unseen. Merging goes on while the relative
    error stays within the tolerance, and beyond while there are more segments than allowed.

    Args:
        recipe: A recipe over these seeds.
        seeds: The seeds, of which Gram matrices are asked for.
        segments: The most segments that are left, >= 1; any number when None.
        tolerance: The relative error within which segments merge in any case, >= 0.

    Returns:
        The recipe, and its relative error: the Euclidean distance of the two models divided by the length of the first
        (with a base, of the task vectors). It is exact up to rounding: less than 1e-7 cannot be told from 0.

    Raises:
        ValueError: The arguments are out of range.

    >>> from evoniche import ArraySeeds
    >>> seeds = ArraySeeds([np.ones(4), np.array([1.0, -1, 1, -1])])
    >>> recipe = Recipe.of([0, 1, 2, 4], [[1.0, 0.0], [0.9, 0.0], [0.0, 1.0]])
    >>> shorter, error = simplified(recipe, seeds, segments=2)
    >>> shorter.boundaries.tolist(), round(error, 3)
    ([0, 2, 4], 0.051)
    """
    if segments is not None and segments < 1:
        raise ValueError(f"segments must be None or a whole number >= 1, got {segments!r}.")
    if not 0 <= tolerance < np.inf:
        raise ValueError(f"tolerance must be a number >= 0, got {tolerance!r}.")
    bounds, table = recipe.boundaries, recipe.coefficients
    grams = seeds.grams(bounds[:-1], bounds[1:])  # (segments, K, K)
    groups = [_Group(table[i : i + 1], grams[i : i + 1]) for i in range(len(table))]
    ends = bounds[1:].tolist()
    whole = float(np.einsum("sk,skl,sl->", table, grams, table))
    allowed, most = tolerance**2 * whole, len(table) if segments is None else segments
    unions = [one.union(other) for one, other in pairwise(groups)]
    error = 0.0
    while unions:
        costs = [union.error - one.error - other.error
                 for union, (one, other) in zip(unions, pairwise(groups), strict=True)]  # fmt: skip
        i = int(np.argmin(costs))
        if len(groups) <= most and error + costs[i] > allowed:
            break
        groups[i : i + 2] = [unions[i]]
        del ends[i], unions[i]
        for j in {i - 1, i} & set(range(len(unions))):
            unions[j] = groups[j].union(groups[j + 1])
        error = sum(group.error for group in groups)
    merged = Recipe.of([0, *ends], [group.coefficients for group in groups])
    return merged, float(np.sqrt(error / whole)) if whole > 0 else 0.0


class _Group:
    """Segments that have merged, with the coefficients of one of them."""

    def __init__(self, table: Floats, grams: Floats, coefficients: Floats | None = None) -> None:
        self.table, self.grams = table, grams  # of the segments as they were
        self.coefficients: Floats = table[0] if coefficients is None else coefficients
        apart = self.coefficients - table
        self.error = max(0.0, float(np.einsum("sk,skl,sl->", apart, grams, apart)))

    def union(self, other: _Group) -> _Group:
        """Both as one, with the coefficients of that which costs less."""
        table, grams = np.concatenate([self.table, other.table]), np.concatenate([self.grams, other.grams])
        both = (_Group(table, grams, group.coefficients) for group in (self, other))
        return min(both, key=lambda group: group.error)
