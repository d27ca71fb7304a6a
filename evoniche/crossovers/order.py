"""Order crossover, for permutations."""

from __future__ import annotations

from typing import final

import attrs
import numpy as np
from numpy.random import Generator

from evoniche._validators import genome_rows
from evoniche.arrays import like, to_numpy
from evoniche.batches import Batch
from evoniche.roles import Crossover

__all__ = ["OrderCrossover"]


@final
@attrs.frozen
class OrderCrossover(Crossover):
    """Keep a segment of the first parent and fill in the rest in the mate's order: OX (Davis 1985).

    Both the filling and the reading of the mate start where the segment ends, and go on at the beginning of the
    genome when they reach its end.

    >>> tours = np.array([[0, 1, 2, 3, 4]]), np.array([[4, 3, 2, 1, 0]])
    >>> sorted(OrderCrossover().cross(*tours, rng=np.random.default_rng(0))[0].tolist())
    [0, 1, 2, 3, 4]
    """

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross integer arrays of shape (n, length), each row a permutation of 0 .. length - 1.

        Raises:
            ValueError: The parents are not arrays of one shape (n, length), or a row is not a permutation.
        """
        genome_rows(self, a, b)
        kind = a
        a, b = to_numpy(a), to_numpy(b)
        n, length = a.shape
        identity = np.arange(length)
        for parents in (a, b):
            if not (np.sort(parents, axis=1) == identity).all():
                raise ValueError(f"OrderCrossover needs permutations of 0 .. {length - 1} in every row.")
        start, stop = np.sort(rng.integers(0, length + 1, size=(n, 2)), axis=1).T[..., None]  # (n, 1) each
        turned = (stop + identity) % length  # (n, length): the genome as read from the end of the segment
        place_in_a = np.argsort(a, axis=1)  # (n, length): where a value sits in a
        b_turned = np.take_along_axis(b, turned, axis=1)
        where = np.take_along_axis(place_in_a, b_turned, axis=1)
        kept = (start <= where) & (where < stop)  # values of b that the segment already holds
        rest = np.take_along_axis(b_turned, np.argsort(kept, axis=1, kind="stable"), axis=1)
        # Read from `stop`, the first length - (stop - start) places are the rest's, then comes the segment.
        child_turned = np.where(identity < length - (stop - start), rest, np.take_along_axis(a, turned, axis=1))
        child = np.empty_like(a)
        np.put_along_axis(child, turned, child_turned, axis=1)
        return like(child, kind)
