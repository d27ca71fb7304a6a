"""Gaussian mutation."""

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
    """Add normal noise N(0, std**2) to every gene, or to each with probability `rate` (Rechenberg 1973).

    Args:
        std: The standard deviation of the noise, > 0, in the units of the genes.
        rate: The probability that a gene gets noise, from 0 to 1.

    >>> import numpy as np
    >>> mutants = GaussianMutation(std=0.1, rate=0.5).mutate(np.zeros((100, 20)), rng=np.random.default_rng(0))
    >>> mutants.shape, bool(0.4 < np.mean(mutants != 0) < 0.6)
    ((100, 20), True)
    """

    std: float = attrs.field(validator=greater_than(0))
    rate: float = attrs.field(default=1.0, validator=probability())

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:
        """Mutate a float array of shape (n, ...).

        Raises:
            ValueError: The genomes are not a float array.
        """
        float_genomes(self, genomes)
        shape = tuple(genomes.shape)
        double = genomes.dtype == namespace(genomes).float64
        noise = rng.standard_normal(shape) if double else normal32(shape, rng=rng)
        noise *= self.std
        if self.rate < 1:
            noise *= rng.random(shape) < self.rate
        children = like(noise, genomes)
        children += genomes
        return children
