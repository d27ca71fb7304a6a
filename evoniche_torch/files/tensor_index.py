"""The flat parameter index: the position of every number of every tensor of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import final

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["MERGED_DTYPES", "TensorIndex", "TensorInfo", "natural_key"]

MERGED_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
"""Tensors of these dtypes are merged; those of all others are copied from the first seed."""


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """A key by which names are sorted with their numbers in order.

    >>> sorted(["layers.10", "layers.2"], key=natural_key)
    ['layers.2', 'layers.10']
    """
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part)


@final
@attrs.frozen
class TensorInfo:
    """The name, shape and dtype of a tensor."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """How many numbers the tensor has."""
        return int(np.prod(self.shape, dtype=np.int64))


@final
@attrs.frozen(eq=False)
class TensorIndex:
    """The float tensors of a model, one after the other in the natural order of their names.

    The order does not depend on the file or module that the tensors come from, so a recipe fits both. Tensors that
    share their numbers (tied weights) count once. Integer, boolean and empty tensors are not part of the index.

    >>> tensors = {name: TensorInfo(name, (2,), torch.float32) for name in ("b", "a")}
    >>> index = TensorIndex.of(tensors)
    >>> index.size, index.span("b"), list(index.pieces(1, 4))
    (4, (2, 4), [('a', 1, 2), ('b', 0, 2)])
    """

    merged: tuple[TensorInfo, ...]
    """The tensors of the flat index, in its order."""
    copied: tuple[TensorInfo, ...]
    """The tensors that are copied from the first seed."""
    tied: Mapping[str, str]
    """Other names of the same numbers: alias -> the name of the tensor."""
    starts: NDArray[np.int64] = attrs.field(init=False)
    """The flat position at which each merged tensor begins, and last the size; shape (tensors + 1,)."""
    _places: Mapping[str, int] = attrs.field(init=False, repr=False)

    @starts.default
    def _sum_up(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(tensor.size for tensor in self.merged)], dtype=np.int64)

    @_places.default
    def _number(self) -> Mapping[str, int]:
        return {tensor.name: place for place, tensor in enumerate(self.merged)}

    @classmethod
    def of(cls, tensors: Mapping[str, TensorInfo], tied: Mapping[str, str] | None = None) -> TensorIndex:
        """Make the index of a model.

        Args:
            tensors: All tensors by name, tied ones too.
            tied: alias -> name of the tensor that has the same numbers.
        """
        tied = dict(tied or {})
        ordered = [tensors[name] for name in sorted(tensors, key=natural_key) if name not in tied]
        is_merged = [tensor.dtype in MERGED_DTYPES and tensor.size > 0 for tensor in ordered]
        merged, copied = (
            tuple(t for t, is_it in zip(ordered, is_merged, strict=True) if is_it is wanted) for wanted in (True, False)
        )
        return cls(merged, copied, tied)

    @property
    def size(self) -> int:
        """How many numbers the flat index has."""
        return int(self.starts[-1])

    def span(self, name: str) -> tuple[int, int]:
        """The flat positions at which a merged tensor, or an alias of one, starts and stops.

        Raises:
            KeyError: No tensor of this name is merged.
        """
        place = self._places[self.tied.get(name, name)]
        return int(self.starts[place]), int(self.starts[place + 1])

    def pieces(self, start: int, stop: int) -> Iterator[tuple[str, int, int]]:
        """The tensors between two flat positions: for each its name, and the range of its own numbers."""
        place = int(np.searchsorted(self.starts, start, side="right")) - 1
        while start < stop:
            first, end = int(self.starts[place]), int(self.starts[place + 1])
            until = min(stop, end)
            yield self.merged[place].name, start - first, until - first
            start, place = until, place + 1
