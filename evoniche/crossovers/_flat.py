"""Helpers that read a batch of genomes as a batch of vectors."""

from __future__ import annotations

from typing import Any

from evoniche._validators import float_genomes
from evoniche.arrays import namespace
from evoniche.batches import Batch
from evoniche.functional.vectors import is_vectors

__all__ = ["flat_vectors", "reshape"]


def flat_vectors(operator: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Flatten two batches of floating-point genomes to vectors (n, size) that can be merged.

    Args:
        operator: The crossover that asks; its name appears in the messages.
        a: An array of shape (n, ...), in which everything after the leading axis is one vector; or `Vectors`, which
            are returned as they are.
        b: A batch of the same kind and shape.

    Raises:
        ValueError: The batches are neither arrays nor `Vectors`, their shapes differ, or they are not floating-point.
    """
    if is_vectors(a) and type(a) is type(b) and a.shape == b.shape:
        return a, b
    float_genomes(operator, a, b)
    xp, n = namespace(a, b), a.shape[0]
    return xp.reshape(a, (n, -1)), xp.reshape(b, (n, -1))


def reshape(batch: Batch, shape: tuple[int, ...]) -> Batch:
    """Give an array another shape; `Vectors` have only one and stay as they are."""
    return batch if is_vectors(batch) else namespace(batch).reshape(batch, shape)
