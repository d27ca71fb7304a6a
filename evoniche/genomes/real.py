"""Vectors of real numbers."""

from __future__ import annotations

from typing import Any, Literal, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import greater_than, one_of, whole
from evoniche.arrays import fitted, is_floating, like, namespace, to_numpy
from evoniche.batches import Batch
from evoniche.genomes._array import ArrayGenome, read_rows
from evoniche.genomes._bounds import Boundary, bring_inside, refuse_outside

__all__ = ["RealGenome"]


def _same(a: Any, b: Any) -> bool:
    return (a is None and b is None) or (None not in (a, b) and all(map(np.array_equal, a, b)))


@final
@attrs.frozen
class RealGenome(ArrayGenome):
    """Represent a solution by `length` real numbers; a batch is a float array (n, length).

    With bounds, children stay inside of them, whatever the operators do.

    Args:
        length: The number of genes in a genome, >= 1.
        std: The standard deviation of random genes, > 0: without bounds, they are drawn from N(0, std**2).
        bounds: (low, high), each one number or one for each gene; not one pair for each gene, as SciPy has it. Random
            genes are drawn uniformly between them.
        boundary: What happens to a gene that an operator has put outside of its bounds. "reflect" mirrors it at the
            bound, which keeps small steps small; "clip" puts it on the bound, where genes then pile up; "resample"
            draws it uniformly from the whole range, as SciPy's differential evolution does.
        dtype: "float64" or "float32", of random genomes. Bounds are rounded to the precision of the genomes.

    >>> line = RealGenome(1, bounds=(0, 1))
    >>> line.repair(np.array([[1.25], [-0.5], [0.75]]), rng=np.random.default_rng(0)).tolist()
    [[0.75], [0.5], [0.75]]
    """

    length: int = attrs.field(validator=whole(1))
    std: float = attrs.field(default=1.0, kw_only=True, validator=greater_than(0))
    bounds: tuple[Any, Any] | None = attrs.field(
        default=None, kw_only=True, eq=attrs.cmp_using(eq=_same)
    )
    boundary: Boundary = attrs.field(
        default="reflect", kw_only=True, validator=one_of("reflect", "clip", "resample")
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
                "RealGenome(bounds=...) must be (low, high), each a finite number or a list with one for each gene, "
                f"low < high, got {bounds!r}."
            )

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.floating]:
        """Draw n genomes, shape (n, length)."""
        if self.bounds is not None:
            return rng.uniform(*self.bounds, size=(n, self.length)).astype(self.dtype)
        return rng.standard_normal((n, self.length), dtype=self.dtype) * np.dtype(self.dtype).type(self.std)

    def batch(self, genomes: Any) -> Batch:
        """Turn a user's genomes into a float array (n, length); integers become floats.

        Raises:
            ValueError: The shape is another, a gene is not a real number, or a gene is outside of its bounds.
        """
        batch = read_rows(self, self.length, genomes)
        if not is_floating(batch):
            xp = namespace(batch)
            batch = fitted(batch, xp.zeros(0, dtype=getattr(xp, self.dtype)), "RealGenome: the genomes")
        if self.bounds is not None:
            refuse_outside(f"RealGenome(bounds={self.bounds!r})", batch, *self._limits(batch))
        return batch

    def repair(self, batch: Batch, *, rng: Generator) -> Batch:
        """Bring each gene inside of its bounds; genes that are inside stay as they are.

        Raises:
            ValueError: An operator has made a gene NaN, and `boundary` is not "resample".
        """
        if self.bounds is None:
            return batch
        return bring_inside(batch, *self._limits(batch), self.boundary, rng=rng)

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """Measure the Euclidean distance of each pair, shape (len(a), len(b))."""
        a, b = (to_numpy(batch).astype(np.float64, copy=False) for batch in (a, b))
        if len(a) > len(b):
            return self.distance(b, a).T
        # Row by row: |a|^2 - 2 ab + |b|^2 in one product would lose the small distances to rounding.
        distances = np.empty((len(a), len(b)))
        for i, row in enumerate(a):
            distances[i] = np.linalg.norm(b - row, axis=1)
        return distances

    def _limits(self, batch: Batch) -> tuple[NDArray[Any], NDArray[Any]]:
        """The bounds in the precision of the genomes, a scalar or (length,) each."""
        assert self.bounds is not None
        low, high = (to_numpy(like(np.asarray(bound, dtype=np.float64), batch)) for bound in self.bounds)
        return low, high
