"""Crossover of some children only."""

from __future__ import annotations

from typing import final

import attrs
import numpy as np
from numpy.random import Generator

from evoniche._validators import probability
from evoniche.batches import Batch, copied, join, take
from evoniche.function_operators import as_crossover
from evoniche.roles import Crossover

__all__ = ["OccasionalCrossover"]


@final
@attrs.frozen
class OccasionalCrossover(Crossover):
    """With probability `rate` a child of the crossover, else a copy of the first parent (De Jong 1975: rate 0.6).

    Args:
        crossover: A `Crossover`, or a function `f(a, b, rng)` on two genomes.
        rate: The crossover probability, from 0 to 1.
    """

    crossover: Crossover = attrs.field(converter=as_crossover)
    rate: float = attrs.field(default=0.6, validator=probability())

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross some of n pairs; no child is an object of its parents."""
        n = len(a)
        crossed = np.flatnonzero(rng.random(n) < self.rate)
        if not len(crossed):
            return copied(a)
        children = self.crossover.cross(take(a, crossed), take(b, crossed), rng=rng)
        place = np.arange(n)
        place[crossed] = n + np.arange(len(crossed))
        return take(join(copied(a), children), place)
