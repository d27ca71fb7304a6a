"""Gene by gene."""

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
    """Each gene comes from the mate with probability `rate`, else from the first parent (Syswerda 1989).

    Args:
        rate: From 0 to 1.
    """

    rate: float = attrs.field(default=0.5, validator=probability())

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross arrays of shape (n, ...).

        Raises:
            ValueError: Not arrays of one shape.
        """
        genome_arrays(self, a, b)
        xp = namespace(a, b)
        return xp.where(like(rng.random(a.shape) < self.rate, a, xp.bool), b, a)
