"""Bit strings."""

from __future__ import annotations

from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import whole
from evoniche.arrays import to_numpy
from evoniche.batches import Batch
from evoniche.genomes._array import ArrayGenome, read_rows

__all__ = ["BinaryGenome"]


@final
@attrs.frozen
class BinaryGenome(ArrayGenome):
    """Represent a solution by a string of `length` bits; a batch is an array (n, length) of booleans.

    Random bits are 0 or 1 with equal probability. Your own first genomes may also be numbers 0 and 1. An operator that
    makes other genes is refused, since there is no nearest bit to guess.

    Args:
        length: The number of bits in a genome, >= 1.

    >>> from evoniche import BitFlipMutation, UniformCrossover, m2n2
    >>> bits = BinaryGenome(8)
    >>> bits.distance(np.array([[0, 0, 1, 1, 0, 0, 0, 0]]), np.array([[0, 0, 0, 0, 1, 0, 0, 0]])).tolist()
    [[3.0]]
    >>> evolution = m2n2(lambda x: x, genome=bits, crossover=UniformCrossover(), mutation=BitFlipMutation(), seed=0)
    >>> evolution.run(1000, target=1.0, progress=False).best.score
    1.0
    """

    length: int = attrs.field(validator=whole(1))

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.bool_]:
        """Draw n genomes, shape (n, length)."""
        return rng.integers(0, 2, size=(n, self.length), dtype=np.bool_)

    def batch(self, genomes: Any) -> Batch:
        """Turn a user's genomes into an array (n, length) of booleans, or of the numbers 0 and 1.

        Raises:
            ValueError: The shape is another, or a gene is neither 0 nor 1.
        """
        return _bits(read_rows(self, self.length, genomes), "the genomes")

    def repair(self, batch: Batch, *, rng: Generator) -> Batch:  # noqa: ARG002 - nothing is drawn
        """Return the genomes as they are.

        Raises:
            ValueError: An operator has made a gene that is neither 0 nor 1.
        """
        return _bits(batch, "what crossover and mutation make")

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """Count the bits that differ (Hamming distance), shape (len(a), len(b))."""
        a, b = (to_numpy(batch).astype(np.float64, copy=False) for batch in (a, b))
        distance: NDArray[np.float64] = a @ (1 - b).T + (1 - a) @ b.T
        return distance


def _bits(batch: Batch, what: str) -> Batch:
    values = to_numpy(batch)
    if values.dtype != np.bool_ and (wrong := (values != 0) & (values != 1)).any():
        raise ValueError(f"BinaryGenome: {what} must be 0 or 1 in every gene, got {values[wrong][0]}: choose operators "
                         "for bits (UniformCrossover, BitFlipMutation), or another representation.")
    return batch
