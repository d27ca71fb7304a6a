"""What can be merged besides arrays."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Vectors", "is_vectors"]


@runtime_checkable
class Vectors(Protocol):
    """A batch of vectors that is no array but can be merged: all that LERP, SLERP and split SLERP ask for.

    Pieces of the vectors are given by bounds of shape (n, pieces + 1), which rise from 0 to size and may repeat.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """(n, size)."""

    def dots(self, other: Any, bounds: NDArray[np.int64]) -> tuple[
        NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]
    ]:
        """The dot products a . a, a . b and b . b within each piece, shape (n, pieces)."""

    def blend(
        self, other: Any, bounds: NDArray[np.int64], wa: NDArray[np.float64], wb: NDArray[np.float64]
    ) -> Any:
        """The sum a wa + b wb, with weights of shape (n, pieces) that are constant in each piece."""


def is_vectors(batch: Any) -> bool:
    """Whether this is no array, but a batch that can be merged; an array is told at once, a protocol takes longer."""
    return not isinstance(batch, np.ndarray) and isinstance(batch, Vectors)
