"""Strings of bits."""

from __future__ import annotations

from typing import final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import whole
from evoniche.batches import Batch
from evoniche.genomes._array import ArrayGenome

__all__ = ["BinaryGenome"]


@final
@attrs.frozen
class BinaryGenome(ArrayGenome):
    """Strings of `length` bits, each 0 or 1 with equal chance; a batch is a boolean array (n, length).

    Args:
        length: Bits in a genome, >= 1.
    """

    length: int = attrs.field(validator=whole(1))

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.bool_]:
        """Shape (n, length)."""
        return rng.integers(0, 2, size=(n, self.length), dtype=np.bool_)

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """Hamming distance in bits, shape (len(a), len(b))."""
        a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        distance: NDArray[np.float64] = a @ (1 - b).T + (1 - a) @ b.T
        return distance
