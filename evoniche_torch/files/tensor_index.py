"""Which number of which tensor stands where in the flat parameter index."""

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
"""The dtypes whose tensors are merged; all others are copied from the first seed."""


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """A sorting key in which layers.2 comes before layers.10."""
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part)


@final
@attrs.frozen
class TensorInfo:
    """What a tensor is like."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """Numbers in it."""
        return int(np.prod(self.shape, dtype=np.int64))


@final
@attrs.frozen(eq=False)
class TensorIndex:
    """The float tensors of a model, one after the other in the natural order of their names.

    The order does not depend on the file or module that they come from, so a recipe fits both. Tensors that share
    their numbers (tied weights) are there once; integer and boolean tensors, and empty ones, are not.
    """

    merged: tuple[TensorInfo, ...]
    """The tensors in the flat index, in its order."""
    copied: tuple[TensorInfo, ...]
    """What is copied from the first seed."""
    tied: Mapping[str, str]
    """Names of the same numbers as another tensor: alias -> its name."""
    starts: NDArray[np.int64] = attrs.field(init=False)
    """Where each merged tensor begins, and at last the size; shape (tensors + 1,)."""
    _places: Mapping[str, int] = attrs.field(init=False, repr=False)

    @starts.default
    def _sum_up(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(tensor.size for tensor in self.merged)], dtype=np.int64)

    @_places.default
    def _number(self) -> Mapping[str, int]:
        return {tensor.name: place for place, tensor in enumerate(self.merged)}

    @classmethod
    def of(cls, tensors: Mapping[str, TensorInfo], tied: Mapping[str, str] | None = None) -> TensorIndex:
        """The index of a model.

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
        """Numbers in the flat index."""
        return int(self.starts[-1])

    def span(self, name: str) -> tuple[int, int]:
        """Where a merged tensor (or an alias of one) starts and stops in the flat index.

        Raises:
            KeyError: No such tensor is merged.
        """
        place = self._places[self.tied.get(name, name)]
        return int(self.starts[place]), int(self.starts[place + 1])

    def pieces(self, start: int, stop: int) -> Iterator[tuple[str, int, int]]:
        """What lies between two flat positions: tensor by tensor its name and the range of its own numbers."""
        place = int(np.searchsorted(self.starts, start, side="right")) - 1
        while start < stop:
            first, end = int(self.starts[place]), int(self.starts[place + 1])
            until = min(stop, end)
            yield self.merged[place].name, start - first, until - first
            start, place = until, place + 1
