"""The crossover of differential evolution."""

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
    """Cross the first parent with its mate plus a difference of two others: DE/rand/1/bin (Storn and Price 1997).

        v = b + F (r - s);    a gene of the child comes from v with probability CR (at least one does), else from a

    The first parent a is the target vector, its mate b the base vector. Two different genomes r and s, neither equal
    to a or b, are drawn uniformly from the parents of the whole batch, so use a large batch. If fewer than two such
    genomes exist, r and s may be a and b: one pair (A, B) alone gives v = B + F (A - B) or B - F (A - B). If all
    parents are equal, the difference is 0. With `ShuffleSelector` and a `batch_size` of the population's size, one
    batch is one generation of differential evolution.

    Args:
        weight: F, >= 0; values from 0.5 to 0.9 are usual.
        rate: CR, from 0 to 1.

    >>> a, b = np.array([[0.0, 0.0]]), np.array([[2.0, 4.0]])  # one pair: r and s are a and b
    >>> child = DifferentialCrossover(weight=0.5, rate=1.0).cross(a, b, rng=np.random.default_rng(0))
    >>> child.tolist() in ([[1.0, 2.0]], [[3.0, 6.0]])
    True
    """

    weight: float = attrs.field(default=0.5, validator=at_least(0))
    rate: float = attrs.field(default=0.9, validator=probability())

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross two floating-point arrays of shape (n, ...).

        Raises:
            ValueError: They are not floating-point arrays of one shape.
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
    """Draw rows r and s for each pair, two arrays (n,); parents (2n, ...) holds a of all pairs, then b."""
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
    """Draw uniform numbers below the total, shape (n,), none of which is in its column of `avoided` (k, n)."""
    drawn: NDArray[np.intp] = rng.integers(total - (avoided < total).sum(axis=0))
    for barred in np.sort(avoided, axis=0):
        drawn += drawn >= barred
    return drawn
