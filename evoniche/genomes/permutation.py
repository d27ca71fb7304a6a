"""Orders."""

from __future__ import annotations

from typing import final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import whole
from evoniche.batches import Batch
from evoniche.genomes._array import ArrayGenome, differing_genes

__all__ = ["PermutationGenome"]


@final
@attrs.frozen
class PermutationGenome(ArrayGenome):
    """Permutations of 0 .. length - 1, all equally likely; a batch is an int64 array (n, length).

    Args:
        length: Things to put in order, >= 1.
    """

    length: int = attrs.field(validator=whole(1))

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.int64]:
        """Shape (n, length)."""
        return rng.permuted(np.tile(np.arange(self.length), (n, 1)), axis=1)

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """How many places hold different things, shape (len(a), len(b))."""
        return differing_genes(a, b)
