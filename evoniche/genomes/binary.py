"""Strings of bits."""

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
    """Strings of `length` bits, each 0 or 1 with equal chance; a batch is an array (n, length), boolean if sampled.

    An operator that makes anything else than 0 and 1 is refused: there is no nearest bit to guess.

    Args:
        length: Bits in a genome, >= 1.

    >>> from evoniche.randomness import generator
    >>> BinaryGenome(8).sample(2, rng=generator(0)).shape
    (2, 8)
    """

    length: int = attrs.field(validator=whole(1))

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.bool_]:
        """Draw n genomes, shape (n, length)."""
        return rng.integers(0, 2, size=(n, self.length), dtype=np.bool_)

    def batch(self, genomes: Any) -> Batch:
        """Genomes as a user has them, as an array (n, length) of booleans, or of numbers 0 and 1.

        Raises:
            ValueError: Another shape, or other genes than 0 and 1.
        """
        return _bits(read_rows(self, self.length, genomes), "the genomes")

    def repair(self, batch: Batch, *, rng: Generator) -> Batch:  # noqa: ARG002 - nothing is drawn
        """The genomes as they are.

        Raises:
            ValueError: An operator has made other genes than 0 and 1.
        """
        return _bits(batch, "what crossover and mutation make")

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """Hamming distance in bits, shape (len(a), len(b))."""
        a, b = (to_numpy(batch).astype(np.float64, copy=False) for batch in (a, b))
        distance: NDArray[np.float64] = a @ (1 - b).T + (1 - a) @ b.T
        return distance


def _bits(batch: Batch, what: str) -> Batch:
    values = to_numpy(batch)
    if values.dtype != np.bool_ and (wrong := (values != 0) & (values != 1)).any():
        raise ValueError(f"BinaryGenome: {what} must be 0 or 1 in every gene, got {values[wrong][0]}: choose operators "
                         "for bits (UniformCrossover, BitFlipMutation), or another representation.")
    return batch
