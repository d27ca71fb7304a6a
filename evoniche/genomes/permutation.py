"""Permutations."""

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
    """Represent a solution by an order of 0 .. length - 1; a batch is an integer array (n, length).

    Random genomes are int64, all orders equally likely. An operator that makes a row which is not a permutation is
    refused, since there is no nearest order to guess.

    Args:
        length: The number of things to put in order, >= 1.

    >>> sorted(PermutationGenome(4).sample(1, rng=np.random.default_rng(0))[0].tolist())
    [0, 1, 2, 3]
    """

    length: int = attrs.field(validator=whole(1))

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.int64]:
        """Draw n genomes, shape (n, length)."""
        return rng.permuted(np.tile(np.arange(self.length), (n, 1)), axis=1)

    def batch(self, genomes: Any) -> Batch:
        """Turn a user's genomes into an integer array (n, length).

        Raises:
            ValueError: The shape is another, or a row is not a permutation.
        """
        return self._orders(read_rows(self, self.length, genomes, kinds="iu"), "the genomes")

    def repair(self, batch: Batch, *, rng: Generator) -> Batch:  # noqa: ARG002 - nothing is drawn
        """Return the genomes as they are.

        Raises:
            ValueError: An operator has made a row that is not a permutation.
        """
        return self._orders(batch, "what crossover and mutation make")

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """Count the places that hold different things, shape (len(a), len(b))."""
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
