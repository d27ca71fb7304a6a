"""Two complementary children of each pair, from any crossover."""

from __future__ import annotations

from typing import final

import attrs
import numpy as np
from numpy.random import Generator

from evoniche.batches import Batch, join, take
from evoniche.function_operators import as_crossover
from evoniche.randomness import generator
from evoniche.roles import Crossover

__all__ = ["ComplementaryCrossover"]


@final
@attrs.frozen
class ComplementaryCrossover(Crossover):
    """Let the two children of a pair be complementary: what one has of a parent, the other has of the other parent.

    The batch is taken in pairs of neighbours, of which the second has the parents of the first, swapped, as
    `PairMateSelector` makes them. Both are crossed with the same random numbers. With uniform and k-point crossover no
    gene of a parent is lost, which deterministic crowding relies on (Mahfoud 1992). A genome at the end of an odd batch
    is crossed for itself, and so is each child of `run(breed="worker")`, which is bred alone.

    Args:
        crossover: A `Crossover`, or a function `f(a, b, rng)` of two genomes.

    >>> from evoniche import UniformCrossover
    >>> a, b = np.zeros((1, 6), dtype=int), np.ones((1, 6), dtype=int)
    >>> crossover = ComplementaryCrossover(UniformCrossover())
    >>> one, other = crossover.cross(np.vstack([a, b]), np.vstack([b, a]), rng=np.random.default_rng(0))
    >>> one + other
    array([1, 1, 1, 1, 1, 1])
    """

    crossover: Crossover = attrs.field(converter=as_crossover)

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross n pairs, neighbours with the same random numbers."""
        n, paired = len(a), len(a) // 2 * 2
        if not paired:
            return self.crossover.cross(a, b, rng=rng)
        seed = int(rng.integers(2**63))
        first, second = (np.arange(start, paired, 2) for start in (0, 1))
        one, other = (
            self.crossover.cross(take(a, places), take(b, places), rng=generator(seed)) for places in (first, second)
        )
        children = take(join(one, other), np.arange(paired).reshape(2, -1).T.ravel())
        if paired == n:
            return children
        return join(children, self.crossover.cross(take(a, [n - 1]), take(b, [n - 1]), rng=rng))
