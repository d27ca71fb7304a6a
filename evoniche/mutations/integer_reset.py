"""Random resetting, for integers."""

from __future__ import annotations

from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import check_range, genome_arrays, probability, whole_numbers
from evoniche.arrays import fitted, like, namespace
from evoniche.batches import Batch
from evoniche.roles import Mutation

__all__ = ["IntegerResetMutation"]


@final
@attrs.frozen
class IntegerResetMutation(Mutation):
    """Draw each gene anew, uniformly from low .. high - 1, with probability `rate`: random resetting.

    Args:
        low: The smallest value, one number or one for each gene.
        high: One above the largest value, one number or one for each gene.
        rate: The mutation probability of a gene, from 0 to 1; 1 / length when None.

    >>> mutants = IntegerResetMutation(0, 3, rate=1.0).mutate(np.full((50, 4), 9), rng=np.random.default_rng(0))
    >>> np.unique(mutants).tolist()
    [0, 1, 2]
    """

    low: NDArray[np.int64] = attrs.field(converter=whole_numbers, eq=attrs.cmp_using(eq=np.array_equal))
    high: NDArray[np.int64] = attrs.field(converter=whole_numbers, eq=attrs.cmp_using(eq=np.array_equal))
    rate: float | None = attrs.field(default=None, validator=attrs.validators.optional(probability()))

    @high.validator
    def _above_low(self, _: Any, high: NDArray[np.int64]) -> None:
        check_range(self, self.low, high)

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:
        """Mutate an integer array of shape (n, length).

        Raises:
            ValueError: The genomes are not an array, or their dtype cannot hold every value from low to high - 1.
        """
        genome_arrays(self, genomes)
        fitted(np.array([self.low.min(), self.high.max() - 1]), genomes, repr(self))  # refuses what would wrap around
        xp = namespace(genomes)
        shape = tuple(genomes.shape)
        rate = 1 / shape[-1] if self.rate is None else self.rate
        reset = like(rng.random(shape) < rate, genomes, xp.bool)
        return xp.where(reset, like(rng.integers(self.low, self.high, size=shape), genomes), genomes)
