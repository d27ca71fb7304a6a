"""Vectors of integers."""

from __future__ import annotations

from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import check_range, one_of, whole, whole_numbers
from evoniche.batches import Batch
from evoniche.genomes._array import ArrayGenome, differing_genes, read_rows
from evoniche.genomes._bounds import Boundary, bring_inside, refuse_outside

__all__ = ["IntegerGenome"]


@final
@attrs.frozen
class IntegerGenome(ArrayGenome):
    """Represent a solution by `length` integers from low to high - 1; a batch is an integer array (n, length).

    Random genomes are drawn uniformly, as int64. Children stay inside of the range, whatever the operators do.

    Args:
        length: The number of integers in a genome, >= 1.
        low: The smallest value, one number or one for each gene.
        high: One above the largest value, one number or one for each gene.
        boundary: What happens to a gene that an operator has put outside of its range: "reflect", "clip" or
            "resample", as in `RealGenome`.

    >>> digits = IntegerGenome(3, 0, 10)
    >>> digits.repair(np.array([[-1, 10, 5]]), rng=np.random.default_rng(0)).tolist()
    [[1, 8, 5]]
    """

    length: int = attrs.field(validator=whole(1))
    low: NDArray[np.int64] = attrs.field(converter=whole_numbers, eq=attrs.cmp_using(eq=np.array_equal))
    high: NDArray[np.int64] = attrs.field(converter=whole_numbers, eq=attrs.cmp_using(eq=np.array_equal))
    boundary: Boundary = attrs.field(
        default="reflect", kw_only=True, validator=one_of("reflect", "clip", "resample")
    )

    @high.validator
    def _above_low(self, _: Any, high: NDArray[np.int64]) -> None:
        check_range(self, self.low, high, self.length if max(self.low.ndim, high.ndim) else None)

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.int64]:
        """Draw n genomes, shape (n, length)."""
        return rng.integers(self.low, self.high, size=(n, self.length))

    def batch(self, genomes: Any) -> Batch:
        """Turn a user's genomes into an integer array (n, length).

        Raises:
            ValueError: The shape is another, a gene is not an integer, or a gene is outside of its range.
        """
        batch = read_rows(self, self.length, genomes, kinds="iu")
        refuse_outside("IntegerGenome(low=..., high=...)", batch, self.low, self.high - 1)
        return batch

    def repair(self, batch: Batch, *, rng: Generator) -> Batch:
        """Bring each gene into its range; genes that are inside stay as they are."""
        return bring_inside(batch, self.low, self.high - 1, self.boundary, rng=rng)

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """Count the genes that differ (Hamming distance), shape (len(a), len(b))."""
        return differing_genes(a, b)
