"""Places exchanged."""

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
    """Two genes of a row, drawn uniformly, change places; `swaps` times. A permutation stays one.

    Args:
        swaps: How many exchanges, >= 1.
    """

    swaps: int = attrs.field(default=1, validator=whole(1))

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:
        """Mutate an array of shape (n, length).

        Raises:
            ValueError: Not an array, or rows of fewer than two genes.
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
