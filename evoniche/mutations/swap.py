"""Swap mutation, for permutations."""

from __future__ import annotations

from typing import final

import attrs
import numpy as np
from numpy.random import Generator

from evoniche._validators import genome_rows, whole
from evoniche.arrays import like, to_numpy
from evoniche.batches import Batch
from evoniche.roles import Mutation

__all__ = ["SwapMutation"]


@final
@attrs.frozen
class SwapMutation(Mutation):
    """Exchange two genes of each row, drawn uniformly, `swaps` times; a permutation remains a permutation.

    Args:
        swaps: The number of exchanges, >= 1.

    >>> order = np.array([[0, 1, 2, 3]])
    >>> mutant = SwapMutation().mutate(order, rng=np.random.default_rng(0))
    >>> sorted(mutant[0].tolist()), int((mutant != order).sum())
    ([0, 1, 2, 3], 2)
    """

    swaps: int = attrs.field(default=1, validator=whole(1))

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:
        """Mutate an array of shape (n, length).

        Raises:
            ValueError: The genomes are not an array (n, length), or have fewer than two genes.
        """
        genome_rows(self, genomes)
        mutants = np.array(to_numpy(genomes))
        n, length = mutants.shape
        if length < 2:
            raise ValueError(f"SwapMutation needs genomes of at least 2 genes, got {length}.")
        row = np.arange(n)
        for _ in range(self.swaps):
            i = rng.integers(length, size=n)
            j = rng.integers(length - 1, size=n)
            j += j >= i  # two different places
            mutants[row, i], mutants[row, j] = mutants[row, j], mutants[row, i]
        return like(mutants, genomes)
