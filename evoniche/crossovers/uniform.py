"""Uniform crossover."""

from __future__ import annotations

from typing import final

import attrs
from numpy.random import Generator

from evoniche._validators import genome_arrays, probability
from evoniche.arrays import like, namespace
from evoniche.batches import Batch
from evoniche.roles import Crossover

__all__ = ["UniformCrossover"]


@final
@attrs.frozen
class UniformCrossover(Crossover):
    """Take each gene from the mate with probability `rate`, and from the first parent otherwise (Syswerda 1989).

    Args:
        rate: The expected share of genes from the mate, from 0 to 1.

    >>> import numpy as np
    >>> UniformCrossover(rate=1.0).cross(np.zeros((1, 3)), np.ones((1, 3)), rng=np.random.default_rng(0))
    array([[1., 1., 1.]])
    """

    rate: float = attrs.field(default=0.5, validator=probability())

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross two arrays of shape (n, ...); a ValueError if they are not arrays of one shape."""
        genome_arrays(self, a, b)
        xp = namespace(a, b)
        return xp.where(like(rng.random(a.shape) < self.rate, a, xp.bool), b, a)
