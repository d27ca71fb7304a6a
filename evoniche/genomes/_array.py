"""What the representations by arrays have in common."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from evoniche.batches import Batch
from evoniche.roles import Genome


class ArrayGenome(Genome):
    """A representation whose batches are arrays: they are stored as they are."""

    __slots__ = ()

    def pack(self, batch: Batch) -> Mapping[str, NDArray[np.generic]]:
        """One array, "genomes"."""
        return {"genomes": np.asarray(batch)}

    def unpack(self, arrays: Mapping[str, NDArray[np.generic]]) -> Batch:
        """The array "genomes"."""
        return arrays["genomes"]


def differing_genes(a: Batch, b: Batch) -> NDArray[np.floating]:
    """Hamming distance of arrays (n, length) and (m, length): how many genes differ, shape (n, m)."""
    a, b = np.asarray(a), np.asarray(b)
    if len(a) > len(b):
        return differing_genes(b, a).T
    distances = np.empty((len(a), len(b)))
    for i, row in enumerate(a):
        distances[i] = (b != row).sum(axis=1)
    return distances
