"""Normal noise."""

from __future__ import annotations

from typing import final

import attrs
from numpy.random import Generator

from evoniche._validators import float_genomes, greater_than, probability
from evoniche.arrays import like, namespace
from evoniche.batches import Batch
from evoniche.randomness import normal32
from evoniche.roles import Mutation

__all__ = ["GaussianMutation"]


@final
@attrs.frozen
class GaussianMutation(Mutation):
    """x + N(0, std**2), on every gene or on a share of them (Rechenberg 1973).

    Args:
        std: Standard deviation of the noise, in the units of the genome, > 0.
        rate: Probability that a gene gets noise, from 0 to 1.
    """

    std: float = attrs.field(validator=greater_than(0))
    rate: float = attrs.field(default=1.0, validator=probability())

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:
        """Mutate a float array of shape (n, ...).

        Raises:
            ValueError: Not a float array.
        """
        float_genomes(self, genomes)
        shape = tuple(genomes.shape)
        double = genomes.dtype == namespace(genomes).float64
        noise = rng.standard_normal(shape) if double else normal32(shape, rng=rng)
        noise *= self.std
        if self.rate < 1:
            noise *= rng.random(shape) < self.rate
        return genomes + like(noise, genomes)
