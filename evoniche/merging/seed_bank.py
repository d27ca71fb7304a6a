"""The models that a merge begins with, and what every descendant of theirs is: a recipe.

Without mutation, each merge by (split) SLERP or LERP is a combination of the seeds whose coefficients are constant
along stretches of the flat parameter index. So a population of large models is a few numbers for each member; dot
products, from which SLERP follows, come from the seeds' own (their Gram matrices); and weights exist only while a child
is scored or written.
"""

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
    """Models of one architecture as vectors over one flat index: the seeds, or what each adds to a base."""

    @property
    def size(self) -> int:
        """Parameters of each."""

    @property
    def count(self) -> int:
        """K, how many seeds there are."""

    def grams(self, starts: Integers, stops: Integers) -> Floats:
        """The Gram matrices of the seeds (minus the base) between flat positions.

        Args:
            starts: Any shape.
            stops: The same shape.

        Returns:
            Shape (..., K, K), float64.
        """

    def materialise(self, recipe: Recipe | RecipeBatch, start: int = 0, stop: int | None = None) -> Any:
        """The parameters of a recipe (or of a batch of one) between two flat positions: shape (stop - start,)."""


def check_span(start: int, stop: int | None, size: int) -> tuple[int, int]:
    """Two flat positions, the second of which may be left out.

    Raises:
        ValueError: They are not there.
    """
    stop = size if stop is None else stop
    if not 0 <= start <= stop <= size:
        raise ValueError(f"positions must be 0 <= start <= stop <= {size}, got start={start} and stop={stop}.")
    return start, stop


def one_recipe(recipe: Recipe | RecipeBatch, seeds: SeedBank) -> Recipe:
    """A recipe over these seeds, given as one or as a batch of one.

    Raises:
        TypeError: Something else.
        ValueError: A batch of more or less than one, or a recipe over other seeds.
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
