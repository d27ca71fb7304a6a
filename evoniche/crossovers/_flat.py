"""Batches of genomes as batches of vectors."""

from __future__ import annotations

from typing import Any

from evoniche._validators import float_genomes
from evoniche.arrays import namespace
from evoniche.batches import Batch
from evoniche.functional.vectors import is_vectors

__all__ = ["flat_vectors", "reshape"]


def flat_vectors(operator: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Two batches of floating-point genomes as vectors (n, size), to be merged.

    Args:
        operator: Who asks, for the messages.
        a: Arrays of shape (n, ...), what follows the leading axis counts as one vector; or `Vectors` as they are.
        b: The same.

    Raises:
        ValueError: Neither of the two, the shapes differ, or the numbers are not floating-point.
    """
    if is_vectors(a) and type(a) is type(b) and a.shape == b.shape:
        return a, b
    float_genomes(operator, a, b)
    xp, n = namespace(a, b), a.shape[0]
    return xp.reshape(a, (n, -1)), xp.reshape(b, (n, -1))


def reshape(batch: Batch, shape: tuple[int, ...]) -> Batch:
    """An array in another shape; `Vectors` have only one."""
    return batch if is_vectors(batch) else namespace(batch).reshape(batch, shape)
