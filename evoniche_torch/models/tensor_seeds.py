"""Seed models as named tensors, wherever they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from evoniche.merging import GramTable, Recipe, RecipeBatch, check_span, one_recipe
from evoniche_torch.files import TensorIndex

__all__ = ["MERGE_BLOCK", "TensorSeeds"]

MERGE_BLOCK = 1 << 18
"""Numbers that are merged at once: what they need fits into a cache of the processor."""

_CHUNK = 1 << 15
"""Numbers up to which torch stays on one thread, and which stay in its processor's own cache. To convert more at once,
on several, takes longer where they wait for processors that others use, and no less where the numbers are of a file."""


class TensorSeeds(ABC):
    """A `SeedBank` of models made of named tensors. Those that are no floats are the first seed's.

    Where there is a base, recipes combine what each seed adds to it (its task vector), and the base is always in.
    """

    index: TensorIndex
    """What the flat index holds."""
    labels: tuple[str, ...]
    """What each seed is called, shape (K,)."""
    base_label: str | None
    """What the base is called; None where there is none."""

    @abstractmethod
    def read(self, seed: int, name: str, low: int, high: int) -> torch.Tensor:
        """Numbers low .. high - 1 of a tensor, flat, in its own dtype; valid until the next `read` of this seed.

        Args:
            seed: 0 .. K - 1, or K for the base.
            name: A tensor of the index, merged or copied.
            low: From 0.
            high: To the size of the tensor.
        """

    @abstractmethod
    def gram_table(self) -> GramTable:
        """The sums of dot products, made or found when they are first needed."""

    @final
    @property
    def size(self) -> int:
        """Parameters of each seed."""
        return self.index.size

    @final
    @property
    def count(self) -> int:
        """K, how many seeds there are, the base not counted."""
        return len(self.labels)

    @final
    @property
    def all_labels(self) -> tuple[str, ...]:
        """The labels of the seeds, and last that of the base where there is one."""
        return self.labels if self.base_label is None else (*self.labels, self.base_label)

    @final
    def grams(self, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.float64]:
        """Gram matrices between flat positions, shape (..., K, K)."""
        return self._table.between(starts, stops)

    @final
    def materialise(self, recipe: Recipe | RecipeBatch, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """The parameters of a recipe between two flat positions: shape (stop - start,), float32 (or float64).

        Raises:
            ValueError: A recipe over other seeds, or positions that are not there.
        """
        start, stop = check_span(start, stop, self.size)
        recipe = self.complete(one_recipe(recipe, self))
        out = torch.empty(stop - start, dtype=self.precision)
        for low in range(start, stop, MERGE_BLOCK):
            self.merge_into(out[low - start : min(low + MERGE_BLOCK, stop) - start], recipe, low)
        return out

    @final
    def merge_into(self, out: torch.Tensor, recipe: Recipe, start: int) -> None:
        """Write the parameters of a recipe from a flat position on, rounded once if `out` is of less precision.

        Args:
            out: Flat, of any float dtype, on any device; best not much longer than a block.
            recipe: What `complete` made of a recipe over these seeds.
            start: Flat position of its first number.
        """
        for low, high, coefficients in recipe.pieces(start, start + out.numel()):
            used = [(k, weight) for k, weight in enumerate(coefficients.tolist()) if weight]
            for name, first, last in self.index.pieces(low, high):
                piece = out[low - start : low - start + last - first]
                low += last - first
                if used:
                    values = [self.read(k, name, first, last).to(out.device) for k, _ in used]
                    _combine(piece, values, [weight for _, weight in used], self.precision)
                else:
                    piece.zero_()

    @final
    def complete(self, recipe: Recipe) -> Recipe:
        """A recipe with the column of the base, where there is one."""
        return recipe if self.base_label is None else recipe.with_base()

    @final
    @cached_property
    def precision(self) -> torch.dtype:
        """In which is computed: float32, or float64 where tensors are of that."""
        double = any(tensor.dtype == torch.float64 for tensor in self.index.merged)
        return torch.float64 if double else torch.float32

    @final
    def vectors(self, start: int, stop: int) -> NDArray[np.float64]:
        """What the Gram table is made of: the seeds, minus the base, shape (K, stop - start)."""
        based = self.base_label is not None
        rows = np.empty((self.count + based, stop - start))
        for k, row in enumerate(rows):
            done = 0
            for name, low, high in self.index.pieces(start, stop):
                part = torch.from_numpy(row[done : done + high - low])
                part.copy_(self.read(k, name, low, high))
                done += high - low
        return rows[:-1] - rows[-1] if based else rows

    @final
    @cached_property
    def _table(self) -> GramTable:
        return self.gram_table()


def _combine(
    out: torch.Tensor, values: Sequence[torch.Tensor], weights: Sequence[float], precision: torch.dtype
) -> None:
    """The sum of values * weights, computed in a precision and rounded once to that of `out`; all of one length.

    Each product is added with one rounding (fused), so the bits do not depend on where a block begins.
    """
    weight, *weights = weights
    if all(tensor.dtype == precision for tensor in (out, *values)):
        for total, first, *others in _pieces(MERGE_BLOCK, out, *values):
            torch.mul(first, weight, out=total)
            for part, other in zip(others, weights, strict=True):
                total.add_(part, alpha=other)
        return
    size = min(len(out), _CHUNK) if out.device.type == "cpu" else len(out)
    exact, spare = torch.empty(2, size, dtype=precision, device=out.device)
    for rounded, first, *others in _pieces(size, out, *values):
        if len(rounded) < size:
            exact, spare = exact[: len(rounded)], spare[: len(rounded)]
        exact.copy_(first)
        if weight != 1:
            exact.mul_(weight)
        for part, other in zip(others, weights, strict=True):
            exact.add_(part if part.dtype == precision else spare.copy_(part), alpha=other)
        rounded.copy_(exact)


def _pieces(size: int, *tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    return zip(*(torch.split(tensor, size) for tensor in tensors), strict=True)
