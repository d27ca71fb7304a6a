"""Orders."""

from __future__ import annotations

from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import whole
from evoniche.arrays import to_numpy
from evoniche.batches import Batch
from evoniche.genomes._array import ArrayGenome, differing_genes, read_rows

__all__ = ["PermutationGenome"]


@final
@attrs.frozen
class PermutationGenome(ArrayGenome):
    """Permutations of 0 .. length - 1, all equally likely; a batch is an integer array (n, length), int64 if sampled.

    An operator that makes a row which is no permutation is refused: there is no nearest order to guess.

    Args:
        length: Things to put in order, >= 1.

    >>> from evoniche.randomness import generator
    >>> sorted(PermutationGenome(4).sample(1, rng=generator(0))[0].tolist())
    [0, 1, 2, 3]
    """

    length: int = attrs.field(validator=whole(1))

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.int64]:
        """Draw n genomes, shape (n, length)."""
        return rng.permuted(np.tile(np.arange(self.length), (n, 1)), axis=1)

    def batch(self, genomes: Any) -> Batch:
        """Genomes as a user has them, as an integer array (n, length).

        Raises:
            ValueError: Another shape, or a row that is no permutation.
        """
        return self._orders(read_rows(self, self.length, genomes, kinds="iu"), "the genomes")

    def repair(self, batch: Batch, *, rng: Generator) -> Batch:  # noqa: ARG002 - nothing is drawn
        """The genomes as they are.

        Raises:
            ValueError: An operator has made a row that is no permutation.
        """
        return self._orders(batch, "what crossover and mutation make")

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """How many places hold different things, shape (len(a), len(b))."""
        return differing_genes(a, b)

    def _orders(self, batch: Batch, what: str) -> Batch:
        rows = to_numpy(batch)
        wrong = (np.sort(rows, axis=1) != np.arange(self.length)).any(axis=1)
        if wrong.any():
            raise ValueError(
                f"PermutationGenome: {what} must be permutations of 0 .. {self.length - 1}, got "
                f"{rows[wrong][0].tolist()}: choose operators for orders (OrderCrossover, SwapMutation)."
            )
        return batch
