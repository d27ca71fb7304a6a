"""Repair of genes that have left their bounds."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.arrays import fitted, to_numpy
from evoniche.batches import Batch

__all__ = ["Boundary", "bring_inside", "refuse_outside"]

Boundary = Literal["reflect", "clip", "resample"]
"""What happens to a gene that an operator has put outside of its bounds."""


def bring_inside(
    batch: Batch, low: NDArray[Any], high: NDArray[Any], boundary: Boundary, *, rng: Generator
) -> Batch:
    """Bring each gene into the range from low to high, both included; genes inside stay as they are.

    Args:
        batch: An array (n, length).
        low: The smallest value, one number or one for each gene.
        high: The largest value, one number or one for each gene.
        boundary: "reflect", "clip" or "resample".
        rng: The source of randomness; nothing is drawn while all genes are inside.

    Raises:
        ValueError: A gene is NaN, which is on neither side of a bound, and `boundary` is not "resample".
    """
    values = to_numpy(batch)
    out = _outside(values, low, high)
    if not out.any():
        return batch
    x, least, most = (np.broadcast_to(array, values.shape)[out] for array in (values, low, high))
    if boundary == "resample":
        integers = values.dtype.kind in "iu"
        drawn = rng.integers(least, most, endpoint=True) if integers else rng.uniform(least, most)
        inside: NDArray[Any] = np.asarray(drawn)
    elif np.isnan(x).any():
        raise ValueError("an operator made NaN of a gene with bounds: mend the operator, or take boundary='resample'.")
    elif boundary == "clip":
        inside = np.clip(x, least, most)
    else:
        inside = _reflected(x, least, most)
    result = np.array(values)
    result[out] = fitted(inside, values, "a repair")
    return fitted(result, batch, "a repair")


def refuse_outside(name: str, batch: Batch, low: NDArray[Any], high: NDArray[Any]) -> None:
    """Check that a user's genomes, an array (n, length), are inside of the bounds.

    Raises:
        ValueError: A gene is outside.
    """
    values = to_numpy(batch)
    out = _outside(values, low, high)
    if out.any():
        i, gene = map(int, np.argwhere(out)[0])
        least, most = (np.broadcast_to(bound, values.shape[1])[gene] for bound in (low, high))
        raise ValueError(
            f"{name}: gene {gene} of genome {i} must be from {least} to {most}, got {values[i, gene]}: "
            "begin inside of the bounds, or widen them."
        )


def _outside(values: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.bool_]:
    outside: NDArray[np.bool_] = ~((values >= low) & (values <= high))  # NaN is outside
    return outside


def _reflected(x: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> NDArray[Any]:
    """Mirror values at the bounds as often as it takes; infinite values end at the nearer bound."""
    if x.dtype.kind in "iu":
        x, low, high = (array.astype(object) for array in (x, low, high))  # Python's integers do not overflow
    width = high - low
    with np.errstate(all="ignore"):
        along = (x - low) % np.where(width > 0, 2 * width, 1)
        mirrored = low + np.minimum(along, 2 * width - along)
    if x.dtype == object:
        return np.where(width > 0, mirrored, low).astype(np.int64)
    return np.clip(np.where(np.isfinite(mirrored), mirrored, x), low, high)
