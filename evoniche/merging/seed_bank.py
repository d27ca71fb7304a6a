"""The interface of the models with which a merge begins."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from evoniche.merging.recipe import Recipe, RecipeBatch

__all__ = ["SeedBank", "check_span", "one_recipe"]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@runtime_checkable
class SeedBank(Protocol):
    """K models of one architecture as flat vectors: the seeds, or with a base, what each seed adds to the base."""

    @property
    def size(self) -> int:
        """How many parameters each seed has."""

    @property
    def count(self) -> int:
        """K, the number of seeds."""

    def grams(self, starts: Integers, stops: Integers) -> Floats:
        """Compute Gram matrices: the dot products of the seeds (minus the base) between flat positions.

        Args:
            starts: The first position of each stretch, of any shape.
            stops: The position after the last, of the same shape.

        Returns:
            One Gram matrix for each stretch, shape (..., K, K), float64.
        """

    def materialise(self, recipe: Recipe | RecipeBatch, start: int = 0, stop: int | None = None) -> Any:
        """Compute the parameters of a recipe, or of a batch of one, between two flat positions, (stop - start,)."""


def check_span(start: int, stop: int | None, size: int) -> tuple[int, int]:
    """Check two flat positions, the second of which may be left out.

    Args:
        start: The first position.
        stop: The position after the last; `size` when None.
        size: The number of parameters.

    Raises:
        ValueError: The positions are out of range.
    """
    stop = size if stop is None else stop
    if not 0 <= start <= stop <= size:
        raise ValueError(f"positions must be 0 <= start <= stop <= {size}, got start={start} and stop={stop}.")
    return start, stop


def one_recipe(recipe: Recipe | RecipeBatch, seeds: SeedBank) -> Recipe:
    """Take a recipe over these seeds, or the only one of a batch.

    Raises:
        TypeError: The argument is something else.
        ValueError: The batch does not have one recipe, or the recipe is over other seeds.
    """
    if not isinstance(recipe, Recipe | str) and hasattr(recipe, "__len__"):
        if len(recipe) != 1:
            raise ValueError(f"recipe must be a single one, got a batch of {len(recipe)}: choose one, as recipes[0].")
        recipe = recipe[0]
    if not isinstance(recipe, Recipe):
        raise TypeError(f"recipe must be a Recipe, or Recipes of one row, got {type(recipe).__name__}.")
    if (recipe.size, recipe.coefficients.shape[1]) != (seeds.size, seeds.count):
        raise ValueError(f"recipe must be over these seeds, {seeds.count} of {seeds.size:,} parameters each, "
                         f"got {recipe!r}.")
    return recipe
