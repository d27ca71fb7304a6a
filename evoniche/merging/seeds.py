"""The models that a merge begins with, and what every descendant of theirs is: a recipe.

Without mutation, each merge by (split) SLERP or LERP is a combination of the seeds whose coefficients are constant
along stretches of the flat parameter index. So a population of large models is a few numbers for each member; dot
products, from which SLERP follows, come from the seeds' own (their Gram matrices); and weights exist only while a child
is scored or written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from evoniche._validators import whole_number
from evoniche.merging.gram_table import BLOCK, GramTable
from evoniche.merging.recipe import Recipe, RecipeBatch

__all__ = ["ArraySeeds", "SeedBank", "check_span", "one_recipe"]

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


@final
class ArraySeeds:
    """Seeds as numpy arrays or memory maps, which are read block by block.

    >>> seeds = ArraySeeds([np.zeros(4), np.ones(4)])
    >>> seeds.materialise(Recipe.of([0, 1, 4], [[1.0, 0.0], [0.5, 0.5]]))
    array([0. , 0.5, 0.5, 0.5])
    """

    def __init__(self, arrays: Sequence[NDArray[Any]], *, base: NDArray[Any] | None = None, block: int = BLOCK) -> None:
        """Take the seeds; they are not copied, and must not change.

        Args:
            arrays: K float arrays of one shape and dtype; each counts as one flat vector.
            base: What all seeds were fine-tuned from, in the same shape: then the differences from it are merged.
            block: Parameters in a block of the Gram table.

        Raises:
            ValueError: No seeds, different shapes, other numbers than floats, or values that are not finite.
        """
        given = [*arrays, *([] if base is None else [base])]
        whole_number("block", block, 1)
        if not len(arrays):
            raise ValueError("ArraySeeds needs at least one seed, got none.")
        for k, array in enumerate(given):
            if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or not array.size:
                raise ValueError(f"seed {k} must be a numpy array of floats, got {array!r}.")
            if (array.shape, array.dtype) != (given[0].shape, given[0].dtype):
                raise ValueError(f"seeds must be of one shape and dtype, got {given[0].shape} of {given[0].dtype} and "
                                 f"{array.shape} of {array.dtype}.")
        self._vectors = [array.reshape(-1) for array in given]
        self._base = base is not None
        with np.errstate(over="ignore", invalid="ignore"):  # found below
            self._table = GramTable.build(self._read, self.size, block=block)
        if not np.isfinite(self._table.total).all():
            raise ValueError("seeds must be finite: one of them has NaN or infinity in it, or is too large to square.")

    @property
    def size(self) -> int:
        """Parameters of each seed."""
        return int(self._vectors[0].size)

    @property
    def count(self) -> int:
        """K, how many seeds there are."""
        return len(self._vectors) - self._base

    def grams(self, starts: Integers, stops: Integers) -> Floats:
        """Gram matrices between flat positions, shape (..., K, K)."""
        return self._table.between(starts, stops)

    def materialise(
        self, recipe: Recipe | RecipeBatch, start: int = 0, stop: int | None = None
    ) -> NDArray[Any]:
        """The parameters of a recipe between two flat positions: shape (stop - start,), in the dtype of the seeds.

        Computed in at least single precision and rounded once.

        Raises:
            ValueError: A recipe over other seeds, or positions that are not there.
        """
        recipe = one_recipe(recipe, self)
        start, stop = check_span(start, stop, self.size)
        dtype = self._vectors[0].dtype
        precision = np.promote_types(dtype, np.float32)
        merged = np.empty(stop - start, dtype=precision)
        for low, high, coefficients in (recipe.with_base() if self._base else recipe).pieces(start, stop):
            piece = merged[low - start : high - start]
            piece[:] = -0.0  # plus anything is that thing, -0.0 as well
            for k in np.flatnonzero(coefficients):
                piece += self._vectors[k][low:high].astype(precision, copy=False) * precision.type(coefficients[k])
        return merged.astype(dtype, copy=False)

    def _read(self, start: int, stop: int) -> Floats:
        vectors = np.array([vector[start:stop] for vector in self._vectors], dtype=np.float64)
        return vectors[:-1] - vectors[-1] if self._base else vectors
