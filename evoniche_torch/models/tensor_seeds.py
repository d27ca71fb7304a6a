"""What seeds made of named tensors have in common, in memory or on disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from evoniche.merging import GramTable, Recipe, RecipeBatch, check_span, one_recipe
from evoniche_torch.files import CopiedRows, TensorIndex

__all__ = ["MERGE_BLOCK", "TensorSeeds"]

MERGE_BLOCK = 1 << 18
"""How many numbers are merged at once: few enough for a cache of the processor."""

_CHUNK = 1 << 15
"""How many numbers are converted at once: torch does so few on one thread, in the cache of its processor. Several
threads would wait for processors that others use, and would not help where the numbers come from a file."""


class TensorSeeds(ABC):
    """A `SeedBank` of models that are made of named tensors. Tensors of other dtypes than floats are the first seed's.

    With a base, recipes combine what each seed adds to the base (its task vector), and the base is added to the sum.
    """

    index: TensorIndex
    """The tensors of the flat index."""
    labels: tuple[str, ...]
    """The name of each of the K seeds."""
    base_label: str | None
    """The name of the base; None where there is none."""
    copied_rows: CopiedRows | None = None
    """Rows of the vocabulary that one seed alone has, which no merge changes; None where there are none."""

    @abstractmethod
    def read(self, seed: int, name: str, low: int, high: int) -> torch.Tensor:
        """The numbers low .. high - 1 of a flattened tensor in its own dtype, valid until the next `read` of this seed.

        Args:
            seed: 0 .. K - 1, or K for the base.
            name: A tensor of the index, merged or copied.
            low: The first number, >= 0.
            high: The number after the last, <= the size of the tensor.
        """

    @abstractmethod
    def dtype_of(self, seed: int, name: str) -> torch.dtype:
        """The dtype that a tensor has in a seed, in which it is written; `read` may give it in more precision."""

    @abstractmethod
    def gram_table(self) -> GramTable:
        """The Gram matrices of blocks, made when they are first needed."""

    @final
    @property
    def size(self) -> int:
        """How many parameters each seed has."""
        return self.index.size

    @final
    @property
    def count(self) -> int:
        """K, the number of seeds without the base."""
        return len(self.labels)

    @final
    @property
    def all_labels(self) -> tuple[str, ...]:
        """The labels of the seeds, and last that of the base where there is one."""
        return self.labels if self.base_label is None else (*self.labels, self.base_label)

    @final
    def grams(self, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.float64]:
        """The Gram matrices between flat positions; see `SeedBank`."""
        return self._table.between(starts, stops)

    @final
    def materialise(self, recipe: Recipe | RecipeBatch, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """The parameters of a recipe between two flat positions, shape (stop - start,), in `precision`.

        Raises:
            ValueError: The recipe is over other seeds, or the positions are out of range.
        """
        start, stop = check_span(start, stop, self.size)
        recipe = self.complete(one_recipe(recipe, self))
        out = torch.empty(stop - start, dtype=self.precision)
        for low in range(start, stop, MERGE_BLOCK):
            self.merge_into(out[low - start : min(low + MERGE_BLOCK, stop) - start], recipe, low)
        return out

    @final
    def merge_into(self, out: torch.Tensor, recipe: Recipe, start: int) -> None:
        """Write the parameters of a recipe from a flat position on, rounded once if `out` has less precision.

        Args:
            out: A flat tensor of any float dtype on any device; best not much longer than a block.
            recipe: A recipe that `complete` has returned.
            start: The flat position of the first number of `out`.
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
                if self.copied_rows is not None:
                    self.copied_rows.write(piece, name, first, last)

    @final
    def complete(self, recipe: Recipe) -> Recipe:
        """The recipe with a column for the base, where there is one."""
        return recipe if self.base_label is None else recipe.with_base()

    @final
    @cached_property
    def precision(self) -> torch.dtype:
        """The dtype of the arithmetic: float32, or float64 if a tensor has that."""
        double = any(tensor.dtype == torch.float64 for tensor in self.index.merged)
        return torch.float64 if double else torch.float32

    @final
    def vectors(self, start: int, stop: int) -> NDArray[np.float64]:
        """The seeds minus the base between two flat positions, shape (K, stop - start)."""
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
