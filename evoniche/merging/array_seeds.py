"""Numpy arrays as seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from evoniche._validators import whole_number
from evoniche.merging.gram_table import GRAM_BLOCK, GramTable
from evoniche.merging.recipe import Recipe, RecipeBatch
from evoniche.merging.seed_bank import check_span, one_recipe

__all__ = ["ArraySeeds"]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@final
class ArraySeeds:
    """Numpy arrays or memory maps as seeds, which are read block by block.

    >>> seeds = ArraySeeds([np.zeros(4), np.ones(4)])
    >>> seeds.materialise(Recipe.of([0, 1, 4], [[1.0, 0.0], [0.5, 0.5]]))
    array([0. , 0.5, 0.5, 0.5])
    """

    def __init__(
        self, arrays: Sequence[NDArray[Any]], *, base: NDArray[Any] | None = None, block: int = GRAM_BLOCK
    ) -> None:
        """Take the seeds, which are not copied and must not change.

        Args:
            arrays: K float arrays of one shape and dtype, each of which counts as one flat vector.
            base: The model from which all seeds were fine-tuned, in the same shape; if given, the differences from it
                are merged.
            block: How many parameters a block of the Gram table has.

        Raises:
            ValueError: There are no seeds, their shapes or dtypes differ, or they are not finite floats.
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
        """How many parameters each seed has."""
        return int(self._vectors[0].size)

    @property
    def count(self) -> int:
        """K, the number of seeds."""
        return len(self._vectors) - self._base

    def grams(self, starts: Integers, stops: Integers) -> Floats:
        """The Gram matrices between flat positions; see `SeedBank`."""
        return self._table.between(starts, stops)

    def materialise(
        self, recipe: Recipe | RecipeBatch, start: int = 0, stop: int | None = None
    ) -> NDArray[Any]:
        """Compute the parameters of a recipe between two flat positions, shape (stop - start,).

        They are computed in at least single precision and rounded once to the dtype of the seeds.

        Raises:
            ValueError: The recipe is over other seeds, or the positions are out of range.
        """
        recipe = one_recipe(recipe, self)
        start, stop = check_span(start, stop, self.size)
        dtype = self._vectors[0].dtype
        precision = np.promote_types(dtype, np.float32)
        merged = np.empty(stop - start, dtype=precision)
        for low, high, coefficients in (recipe.with_base() if self._base else recipe).pieces(start, stop):
            piece = merged[low - start : high - start]
            piece[:] = -0.0  # the one number that changes no other when they are added, not even -0.0
            for k in np.flatnonzero(coefficients):
                piece += self._vectors[k][low:high].astype(precision, copy=False) * precision.type(coefficients[k])
        return merged.astype(dtype, copy=False)

    def _read(self, start: int, stop: int) -> Floats:
        vectors = np.array([vector[start:stop] for vector in self._vectors], dtype=np.float64)
        return vectors[:-1] - vectors[-1] if self._base else vectors
