"""What the representations by arrays have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoniche.arrays import is_array_api_obj, to_numpy
from evoniche.batches import Batch, as_batch
from evoniche.roles import Genome

__all__ = ["ArrayGenome", "differing_genes", "read_rows"]


class ArrayGenome(Genome[NDArray[Any]]):
    """A representation whose batches are arrays: they are stored as they are."""

    __slots__ = ()

    def pack(self, batch: Batch) -> Mapping[str, NDArray[np.generic]]:
        """The batch as one array, "genomes"."""
        return {"genomes": np.asarray(batch)}

    def unpack(self, arrays: Mapping[str, NDArray[np.generic]]) -> Batch:
        """The array "genomes"."""
        return arrays["genomes"]


def read_rows(genome: Genome[Any], length: int, genomes: Any, kinds: str = "biuf") -> Batch:
    """Genomes as a user has them (an array, a list of arrays, a list of lists of numbers) as an array (n, length).

    Args:
        genome: The representation, for the messages.
        length: Genes in a genome.
        genomes: What the user has.
        kinds: The kinds of dtype that will do, as numpy abbreviates them.

    Raises:
        ValueError: Another shape, or genes of another kind.
    """
    batch = as_batch(genomes)
    name = type(genome).__name__
    if isinstance(batch, list):
        try:
            batch = np.array(batch)
        except ValueError as error:
            raise ValueError(f"{name}: the genomes must be rows of {length} genes: {error}.") from error
    if not is_array_api_obj(batch) or tuple(batch.shape[1:]) != (length,):
        given = tuple(batch.shape) if is_array_api_obj(batch) else type(batch).__name__
        raise ValueError(f"{name}: the genomes must be an array of shape (n, {length}), got {given}.")
    if isinstance(batch, np.ndarray) and batch.dtype.kind not in kinds:
        numbers = "numbers" if "f" in kinds else "integers"
        raise ValueError(f"{name}: the genomes must be {numbers}, got an array of {batch.dtype}.")
    return batch


def differing_genes(a: Batch, b: Batch) -> NDArray[np.floating]:
    """Hamming distance of arrays (n, length) and (m, length): how many genes differ, shape (n, m)."""
    a, b = to_numpy(a), to_numpy(b)
    if len(a) > len(b):
        return differing_genes(b, a).T
    distances = np.empty((len(a), len(b)))
    for i, row in enumerate(a):
        distances[i] = (b != row).sum(axis=1)
    return distances
