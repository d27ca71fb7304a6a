"""What merges ask of a batch of vectors: dot products and weighted sums. Arrays do both by arithmetic."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from evoniche.arrays import bits, like, namespace, to_numpy

__all__ = ["Dots", "Floats", "Vectors", "blend", "dot_products", "is_vectors"]

Array = Any
Floats = NDArray[np.float64]
Dots = tuple[Floats, Floats, Floats]

_MANY = 8
"""From this many pieces on, weights for every number of the genome cost less than one step for each piece."""


@runtime_checkable
class Vectors(Protocol):
    """A batch of vectors that offers what LERP, SLERP and split SLERP need, without being an array.

    The pieces of the vectors are given by bounds of shape (n, pieces + 1), which rise from 0 to size and may repeat.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """(n, size)."""

    def dots(self, other: Any, bounds: NDArray[np.int64]) -> tuple[
        NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]
    ]:
        """Compute the dot products a . a, a . b and b . b within each piece, shape (n, pieces) each."""

    def blend(
        self, other: Any, bounds: NDArray[np.int64], wa: NDArray[np.float64], wb: NDArray[np.float64]
    ) -> Any:
        """Compute a wa + b wb, with weights of shape (n, pieces) that are constant in each piece."""


def is_vectors(batch: Any) -> bool:
    """Tell whether a batch is `Vectors`; numpy arrays are ruled out first, since checking a protocol takes longer."""
    return not isinstance(batch, np.ndarray) and isinstance(batch, Vectors)


def dot_products(a: Array, b: Array, bounds: NDArray[np.int64]) -> Dots:
    """Compute the dot products a . a, a . b and b . b of each row within given pieces.

    Args:
        a: Shape (n, size): an array or `Vectors`.
        b: Shape (n, size), of the same kind.
        bounds: The flat positions between which the pieces of each row lie, from 0 to size, shape (n, pieces + 1).

    Returns:
        Three arrays of shape (n, pieces), float64.

    >>> [dots.tolist() for dots in dot_products(np.ones((1, 4)), np.full((1, 4), 2.0), np.array([[0, 1, 4]]))]
    [[[1.0, 3.0]], [[2.0, 6.0]], [[4.0, 12.0]]]
    """
    if is_vectors(a):
        known: Dots = a.dots(b, bounds)
        return known
    xp = namespace(a, b)
    if bits(a) < 32:  # a dot product rounded to 8 or 11 bits would bend the angle
        a, b = xp.astype(a, xp.float32), xp.astype(b, xp.float32)
    found = np.zeros((3, len(bounds), bounds.shape[1] - 1))
    for rows, row in [(slice(None), bounds[0])] if _alike(bounds) else enumerate(bounds):
        for j, (start, stop) in enumerate(pairwise(row.tolist())):
            x, y = a[rows, start:stop], b[rows, start:stop]
            for dots, pair in zip(found, ((x, x), (x, y), (y, y)), strict=True):
                dots[rows, j] = to_numpy(xp.vecdot(*pair))
    return found[0], found[1], found[2]


def blend(a: Array, b: Array, bounds: NDArray[np.int64], wa: Floats, wb: Floats) -> Array:
    """Compute a wa + b wb, row by row, with weights that are constant in each piece.

    Every merge and every mutation of a recipe is such a sum. Arrays are added up in at least single precision, and
    rounded once to the dtype of a.

    Args:
        a: Shape (n, size): an array or `Vectors`.
        b: Shape (n, size), of the same kind.
        bounds: The flat positions between which the pieces of each row lie, from 0 to size, shape (n, pieces + 1).
        wa: The weights of a, shape (n, pieces).
        wb: The weights of b, shape (n, pieces).

    Returns:
        Shape (n, size), in the dtype of a.

    >>> blend(np.ones((1, 4)), np.ones((1, 4)), np.array([[0, 1, 4]]), np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]]))
    array([[1., 3., 3., 3.]])
    """
    if is_vectors(a):
        return a.blend(b, bounds, wa, wb)
    xp, dtype = namespace(a, b), a.dtype
    precision = dtype if bits(a) >= 32 else xp.float32
    wa, wb = like(wa, a, precision), like(wb, a, precision)
    if precision != dtype:
        a, b = xp.astype(a, precision), xp.astype(b, precision)
    if wa.shape[1] < _MANY and _alike(bounds):
        child = xp.empty_like(a)
        for j, (start, stop) in enumerate(pairwise(bounds[0].tolist())):
            child[:, start:stop] = a[:, start:stop] * wa[:, j : j + 1]
            child[:, start:stop] += b[:, start:stop] * wb[:, j : j + 1]
    else:
        lengths = like((bounds[:, 1:] - bounds[:, :-1]).ravel(), a, xp.int64)
        child = a * xp.reshape(xp.repeat(xp.reshape(wa, (-1,)), lengths), a.shape)
        child += b * xp.reshape(xp.repeat(xp.reshape(wb, (-1,)), lengths), a.shape)
    return child if precision == dtype else xp.astype(child, dtype)


def _alike(bounds: NDArray[np.int64]) -> bool:
    """Tell whether all rows are cut at the same places."""
    return len(bounds) == 1 or (len(bounds) > 1 and bool((bounds == bounds[0]).all()))
