"""Bit-flip mutation."""

from __future__ import annotations

from typing import final

import attrs
from numpy.random import Generator

from evoniche._validators import genome_arrays, probability
from evoniche.arrays import like, namespace
from evoniche.batches import Batch
from evoniche.roles import Mutation

__all__ = ["BitFlipMutation"]


@final
@attrs.frozen
class BitFlipMutation(Mutation):
    """Flip each bit with probability `rate` (Holland 1975).

    Args:
        rate: The mutation probability of a bit, from 0 to 1. When None it is 1 / length, so that one bit flips on
            average (Muehlenbein 1992).

    >>> import numpy as np
    >>> BitFlipMutation(rate=1.0).mutate(np.array([[True, False, True]]), rng=np.random.default_rng(0))
    array([[False,  True, False]])
    """

    rate: float | None = attrs.field(default=None, validator=attrs.validators.optional(probability()))

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:
        """Mutate an array of shape (n, length) of booleans, or of the numbers 0 and 1.

        Raises:
            ValueError: The genomes are not an array, or contain other numbers than 0 and 1.
        """
        genome_arrays(self, genomes)
        xp = namespace(genomes)
        rate = 1 / genomes.shape[-1] if self.rate is None else self.rate
        flip = like(rng.random(tuple(genomes.shape)) < rate, genomes, xp.bool)
        if genomes.dtype == xp.bool:
            return genomes ^ flip
        if not bool(xp.all((genomes == 0) | (genomes == 1))):
            raise ValueError(
                "BitFlipMutation needs genomes of 0 and 1: use IntegerResetMutation for other integers, "
                "GaussianMutation for floats, SwapMutation for permutations."
            )
        return xp.where(flip, 1 - genomes, genomes)
