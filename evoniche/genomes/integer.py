"""Vectors of integers."""

from __future__ import annotations

from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import check_range, whole, whole_numbers
from evoniche.batches import Batch
from evoniche.genomes._array import ArrayGenome, differing_genes

__all__ = ["IntegerGenome"]


@final
@attrs.frozen
class IntegerGenome(ArrayGenome):
    """Vectors of `length` integers from low to high - 1; a batch is an int64 array (n, length).

    Args:
        length: Integers in a genome, >= 1.
        low: The smallest value, one number or one for each gene.
        high: One above the largest value, one number or one for each gene.
    """

    length: int = attrs.field(validator=whole(1))
    low: NDArray[np.int64] = attrs.field(converter=whole_numbers, eq=attrs.cmp_using(eq=np.array_equal))
    high: NDArray[np.int64] = attrs.field(converter=whole_numbers, eq=attrs.cmp_using(eq=np.array_equal))

    @high.validator
    def _above_low(self, _: Any, high: NDArray[np.int64]) -> None:
        check_range(self, self.low, high, self.length if max(self.low.ndim, high.ndim) else None)

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.int64]:
        """Shape (n, length)."""
        return rng.integers(self.low, self.high, size=(n, self.length))

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """Hamming distance: how many genes differ, shape (len(a), len(b))."""
        return differing_genes(a, b)
