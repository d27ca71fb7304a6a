"""k-point crossover."""

from __future__ import annotations

from typing import final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import genome_rows, whole
from evoniche.arrays import like, namespace
from evoniche.batches import Batch
from evoniche.roles import Crossover

__all__ = ["KPointCrossover"]


@final
@attrs.frozen
class KPointCrossover(Crossover):
    """Cut both parents at k distinct points and take the segments from each in turn (De Jong 1975).

    The first segment comes from the first parent or from the mate with equal probability, so neither is favoured.

    Args:
        points: k, >= 1, and less than the length of the genome.

    >>> a, b = np.zeros((1, 8), dtype=int), np.ones((1, 8), dtype=int)
    >>> child = KPointCrossover(points=2).cross(a, b, rng=np.random.default_rng(0))
    >>> int(np.count_nonzero(np.diff(child[0])))  # places where the other parent takes over
    2
    """

    points: int = attrs.field(default=2, validator=whole(1))

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross two arrays of shape (n, length).

        Raises:
            ValueError: They are not arrays of one shape (n, length), or the genomes are too short for k cuts.
        """
        genome_rows(self, a, b)
        n, length = a.shape
        if self.points >= length:
            raise ValueError(f"KPointCrossover(points={self.points}) needs genomes of more than {self.points} genes, "
                             f"got {length}.")
        turns = np.zeros((n, length), dtype=np.bool_)
        turns[:, 0] = rng.random(n) < 0.5
        np.put_along_axis(turns, _distinct(self.points, 1, length, n, rng), True, axis=1)
        from_mate = np.logical_xor.accumulate(turns, axis=1)  # (n, length)
        xp = namespace(a, b)
        return xp.where(like(from_mate, a, xp.bool), b, a)


def _distinct(k: int, low: int, high: int, n: int, rng: Generator) -> NDArray[np.int64]:
    """Draw n sets of k different numbers from low .. high - 1, all sets equally likely; shape (n, k)."""
    drawn = np.empty((n, 0), dtype=np.int64)
    for taken in range(k):
        new = rng.integers(low, high - taken, size=n)
        for earlier in drawn.T:  # ascending: step over each number that is taken
            new += new >= earlier
        drawn = np.sort(np.column_stack([drawn, new]), axis=1)
    return drawn
