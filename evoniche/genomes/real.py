"""Vectors of real numbers."""

from __future__ import annotations

from typing import Any, Literal, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import greater_than, one_of, whole
from evoniche.batches import Batch
from evoniche.genomes._array import ArrayGenome

__all__ = ["RealGenome"]


def _same(a: Any, b: Any) -> bool:
    return (a is None and b is None) or (None not in (a, b) and all(map(np.array_equal, a, b)))


@final
@attrs.frozen
class RealGenome(ArrayGenome):
    """Vectors of `length` real numbers; a batch is a float array (n, length).

    Args:
        length: Numbers in a genome, >= 1.
        std: Random genomes are drawn from N(0, std**2), unless there are bounds.
        bounds: (low, high), each one number or one for each gene: random genomes are drawn uniformly between them.
            Operators do not know them: keep children inside where that matters by a mutation of your own.
        dtype: "float64" or "float32".
    """

    length: int = attrs.field(validator=whole(1))
    std: float = attrs.field(default=1.0, kw_only=True, validator=greater_than(0))
    bounds: tuple[Any, Any] | None = attrs.field(
        default=None, kw_only=True, eq=attrs.cmp_using(eq=_same)
    )
    dtype: Literal["float64", "float32"] = attrs.field(
        default="float64", kw_only=True, validator=one_of("float64", "float32")
    )

    @bounds.validator
    def _low_below_high(self, _: Any, bounds: tuple[Any, Any] | None) -> None:
        if bounds is None:
            return
        try:
            low, high = (np.broadcast_to(np.asarray(bound, dtype=np.float64), self.length) for bound in bounds)
            good = bool(np.all((low < high) & np.isfinite(low) & np.isfinite(high)))
        except (TypeError, ValueError):
            good = False
        if not good:
            raise ValueError(
                "RealGenome(bounds=...) must be (low, high), each a finite number or one for each gene, low < high, "
                f"got {bounds!r}."
            )

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.floating]:
        """Shape (n, length)."""
        if self.bounds is not None:
            return rng.uniform(*self.bounds, size=(n, self.length)).astype(self.dtype)
        return rng.standard_normal((n, self.length), dtype=self.dtype) * np.dtype(self.dtype).type(self.std)

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """Euclidean distance, shape (len(a), len(b))."""
        a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        if len(a) > len(b):
            return self.distance(b, a).T
        # Row by row: |a|^2 - 2 ab + |b|^2 in one product would lose the small distances to rounding.
        distances = np.empty((len(a), len(b)))
        for i, row in enumerate(a):
            distances[i] = np.linalg.norm(b - row, axis=1)
        return distances
