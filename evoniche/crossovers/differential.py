"""Differential evolution as a crossover."""

from __future__ import annotations

from typing import final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import at_least, float_genomes, probability
from evoniche.arrays import like, namespace, to_numpy
from evoniche.batches import Batch, join, take
from evoniche.roles import Crossover

__all__ = ["DifferentialCrossover"]


@final
@attrs.frozen
class DifferentialCrossover(Crossover):
    """DE/rand/1/bin: the mate, moved by a difference of two others, crossed with the first parent.

        v = b + F (r - s),    each gene of the child from v with probability CR, one at least, else from a

    (Storn and Price 1997). The first parent a is the target, its mate b the base vector. Two different genomes
    r and s, neither of them a or b, are drawn uniformly from the parents of the whole batch, so it needs batches. Where
    there are fewer than two others, r and s are any two different ones, a and b included: a batch of one pair (A, B)
    gives v = B + F (A - B) or B - F (A - B). Where all parents are equal the difference is 0.

    It is a generation of differential evolution where every member is a first parent once (`ShuffleSelector`, and
    `batch_size` the size of the population). Children may leave the bounds of a `RealGenome`.

    Args:
        weight: F, >= 0; 0.5 to 0.9 are usual.
        rate: CR, from 0 to 1.
    """

    weight: float = attrs.field(default=0.5, validator=at_least(0))
    rate: float = attrs.field(default=0.9, validator=probability())

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross arrays of shape (n, ...).

        Raises:
            ValueError: Not floating-point arrays of one shape.
        """
        float_genomes(self, a, b)
        parents = join(a, b)  # (2n, ...)
        r, s = _others(parents, rng=rng)
        v = b + self.weight * (take(parents, r) - take(parents, s))
        crossed = rng.random(a.shape) < self.rate
        genes = crossed.reshape(len(r), -1)
        genes[np.arange(len(r)), rng.integers(genes.shape[1], size=len(r))] = True
        xp = namespace(a, b)
        return xp.where(like(crossed, a, xp.bool), v, a)


def _others(parents: Batch, *, rng: Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows r and s for each pair, two arrays (n,), of parents (2n, ...): those a of all pairs, then those b."""
    rows = to_numpy(parents)
    first: dict[bytes, int] = {}
    kinds = [first.setdefault(row.tobytes(), i) for i, row in enumerate(rows)]
    pool, kind = np.unique(kinds, return_inverse=True)  # a row for each distinct genome, and which one each parent is
    total, own = len(pool), np.sort(kind.reshape(2, -1), axis=0)  # (2, n)
    nobody = total
    own[1, own[0] == own[1]] = nobody
    too_few = total - (own < nobody).sum(axis=0) < 2
    own[:, too_few] = nobody
    r = _draw(total, own, rng=rng)
    s = _draw(total, np.vstack([own, r]), rng=rng) if total > 1 else r
    return pool[r], pool[s]


def _draw(total: int, avoided: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
    """Uniform numbers below the total, (n,), none of which is in its column of `avoided` (k, n)."""
    drawn: NDArray[np.intp] = rng.integers(total - (avoided < total).sum(axis=0))
    for barred in np.sort(avoided, axis=0):
        drawn += drawn >= barred
    return drawn
