"""The protocol of batches other than arrays that can be merged."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Vectors", "is_vectors"]


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
