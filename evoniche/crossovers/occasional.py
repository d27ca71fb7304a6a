"""A crossover probability for any crossover."""

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
    """Cross a pair with probability `rate`, and copy the first parent otherwise (De Jong 1975, with rate 0.6).

    Args:
        crossover: A `Crossover`, or a function `f(a, b, rng)` of two genomes.
        rate: The crossover probability, from 0 to 1.

    >>> sometimes = OccasionalCrossover(lambda a, b, rng: a + b, rate=0.7)
    >>> children = sometimes.cross(["a"] * 100, ["b"] * 100, rng=np.random.default_rng(0))
    >>> sorted(set(children)), 50 < children.count("ab") < 90
    (['a', 'ab'], True)
    """

    crossover: Crossover = attrs.field(converter=as_crossover)
    rate: float = attrs.field(default=0.6, validator=probability())

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross some of the n pairs and copy the first parent of the others, never sharing an object."""
        n = len(a)
        crossed = np.flatnonzero(rng.random(n) < self.rate)
        if not len(crossed):
            return copied(a)
        children = self.crossover.cross(take(a, crossed), take(b, crossed), rng=rng)
        place = np.arange(n)
        place[crossed] = n + np.arange(len(crossed))
        return take(join(copied(a), children), place)
