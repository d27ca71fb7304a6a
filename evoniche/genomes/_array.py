"""The common ground of the representations whose batches are arrays."""

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
    """A representation whose batches are arrays, which are stored as they are."""

    __slots__ = ()

    def pack(self, batch: Batch) -> Mapping[str, NDArray[np.generic]]:
        """Return the batch as one array named "genomes"."""
        return {"genomes": np.asarray(batch)}

    def unpack(self, arrays: Mapping[str, NDArray[np.generic]]) -> Batch:
        """Return the array named "genomes"."""
        return arrays["genomes"]


def read_rows(genome: Genome[Any], length: int, genomes: Any, kinds: str = "biuf") -> Batch:
    """Turn a user's genomes into an array (n, length).

    Args:
        genome: The representation; its name appears in the messages.
        length: The number of genes in a genome.
        genomes: An array, a list of arrays, or a list of lists of numbers.
        kinds: The accepted kinds of dtype, in numpy's one-letter codes.

    Raises:
        ValueError: The shape is another, or the genes are of another kind.
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
    """Count the genes that differ between rows of (n, length) and (m, length): the Hamming distance, shape (n, m)."""
    a, b = to_numpy(a), to_numpy(b)
    if len(a) > len(b):
        return differing_genes(b, a).T
    distances = np.empty((len(a), len(b)))
    for i, row in enumerate(a):
        distances[i] = (b != row).sum(axis=1)
    return distances
