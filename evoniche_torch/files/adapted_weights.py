"""The weights of a model with an adapter (LoRA) in it, computed where they are read."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import final

import attrs
import torch

from evoniche_torch.files.adapter import LowRank, Patch
from evoniche_torch.files.tensor_index import TensorInfo
from evoniche_torch.files.weights import Weights

__all__ = ["AdaptedWeights", "Factors", "read_factors"]

_CHUNK = 1 << 18  # numbers that are computed at once, at least a row


@final
@attrs.frozen(eq=False)
class Factors:
    """A change of low rank as the product of two matrices: left @ right has the shape (rows, width) of the weight."""

    left: torch.Tensor
    """(rows, rank), float64; the scale is in it."""
    right: torch.Tensor
    """(rank, width), float64."""


@final
class AdaptedWeights:
    """The tensors of a base and an adapter over it: base + scale * B @ A, or what DoRA makes of that.

    What the adapter changes is computed in double precision and rounded once, to float32 (float64 where the base has
    that), whatever the dtype of the base, which `tensors` states. It is computed in stretches of rows that do not
    depend on what is asked for, so the bits do not either. Two of these stretches and the factors of one tensor are in
    memory.
    """

    def __init__(self, base: Weights, adapter: Weights, patches: Mapping[str, Patch]) -> None:
        """Take a base and an adapter, which are closed with these weights.

        Args:
            base: The tensors of the base.
            adapter: The tensors of the adapter.
            patches: The name of each tensor of the base that is changed -> what changes it.
        """
        self.tensors: Mapping[str, TensorInfo] = base.tensors
        self.base = base
        self.adapter = adapter
        self.patches = patches
        self._norms: dict[str, torch.Tensor] = {}
        self._forget()

    def _forget(self) -> None:
        self._tensor: str | None = None
        self._factors: Factors | None = None
        self._magnitude: torch.Tensor | None = None
        self._stretches: dict[int, torch.Tensor] = {}

    def file_of(self, name: str) -> Path:
        """The file of the base that holds a tensor, or that of the adapter if it changes the tensor."""
        patch = self.patches.get(name)
        if patch is None:
            return self.base.file_of(name)
        low_rank = patch.low_rank.b if patch.low_rank else None
        return self.adapter.file_of(patch.whole or low_rank or (patch.rows or ("",))[0])

    def read(self, name: str, low: int, high: int) -> torch.Tensor:
        """The numbers low .. high - 1 of a flattened tensor."""
        patch = self.patches.get(name)
        if patch is None:
            return self.base.read(name, low, high)
        if patch.low_rank is None and patch.rows is None:
            assert patch.whole is not None
            return self.adapter.read(patch.whole, low, high)
        rows, width = _matrix(self.tensors[name])
        step = max(1, _CHUNK // width)
        parts = []
        first, last = low // width // step, -(-high // (width * step))
        for number in range(first, max(last, first + 1)):
            start = number * step * width
            stretch = self._stretch(name, patch, number, step, rows)
            parts.append(stretch[max(low - start, 0) : high - start])
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def twin(self) -> AdaptedWeights:
        """The same tensors, for another thread."""
        twin = copy.copy(self)
        twin.base, twin.adapter = self.base.twin(), self.adapter.twin()
        twin._forget()
        return twin

    def close(self) -> None:
        """Close the files."""
        self.base.close()
        self.adapter.close()

    def _stretch(self, name: str, patch: Patch, number: int, step: int, rows: int) -> torch.Tensor:
        """Some whole rows of a tensor, flat."""
        if self._tensor != name:
            self._forget()
            self._tensor = name
        if (known := self._stretches.get(number)) is None:
            first, last = number * step, min((number + 1) * step, rows)
            values = self._adapted(name, patch, first, last)
            if patch.rows is not None:
                source, numbers = patch.rows
                for place, row in enumerate(numbers):
                    if first <= row < last:
                        width = values.shape[1]
                        values[row - first] = self.adapter.read(source, place * width, (place + 1) * width)
            double = self.tensors[name].dtype == torch.float64
            known = values.to(torch.float64 if double else torch.float32).view(-1)
            if len(self._stretches) > 1:
                del self._stretches[next(iter(self._stretches))]
            self._stretches[number] = known
        return known

    def _adapted(self, name: str, patch: Patch, first: int, last: int) -> torch.Tensor:
        """Rows first .. last - 1 of a tensor with B @ A in it, (rows, width), float64."""
        low_rank = patch.low_rank
        if low_rank is None or low_rank.magnitude is None:
            return self._sum(name, patch, first, last)
        if self._magnitude is None:
            self._magnitude = _read_all(self.adapter, low_rank.magnitude).view(-1)
        values = self._sum(name, patch, first, last)
        if low_rank.transposed:
            return values.mul_(self._magnitude / self._column_norms(name, patch))
        norms = torch.linalg.vector_norm(values, dim=1)
        return values.mul_((self._magnitude[first:last] / norms)[:, None])

    def _column_norms(self, name: str, patch: Patch) -> torch.Tensor:
        """The norms of the columns of base + scale * B @ A, which take a pass over the tensor."""
        if name not in self._norms:
            rows, width = _matrix(self.tensors[name])
            squares = torch.zeros(width, dtype=torch.float64)
            for first in range(0, rows, max(1, _CHUNK // width)):
                values = self._sum(name, patch, first, min(first + max(1, _CHUNK // width), rows))
                squares += values.square_().sum(dim=0)
            self._norms[name] = squares.sqrt_()
        return self._norms[name]

    def _sum(self, name: str, patch: Patch, first: int, last: int) -> torch.Tensor:
        """Rows first .. last - 1 of base + scale * B @ A, (rows, width), float64."""
        _, width = _matrix(self.tensors[name])
        source, weights = (name, self.base) if patch.whole is None else (patch.whole, self.adapter)
        values = weights.read(source, first * width, last * width).double().view(-1, width)  # a copy, or float64
        if patch.low_rank is None:
            return values.clone()
        if self._factors is None:
            self._factors = read_factors(self.adapter, patch.low_rank)
        return torch.addmm(values, self._factors.left[first:last], self._factors.right)


def read_factors(adapter: Weights, low_rank: LowRank) -> Factors:
    """Read B and A of one tensor, in double precision.

    Args:
        adapter: The tensors of the adapter.
        low_rank: What it does to the tensor.
    """
    b = _read_all(adapter, low_rank.b)
    if low_rank.a is None:
        return Factors(b.view(-1, 1) * low_rank.scale, torch.ones(1, 1, dtype=torch.float64))
    a = _read_all(adapter, low_rank.a).view(low_rank.rank, -1)
    b = b.view(-1, low_rank.rank)
    if low_rank.transposed:
        return Factors(a.T * low_rank.scale, b.T)
    return Factors(b * low_rank.scale, a)


def _read_all(weights: Weights, name: str) -> torch.Tensor:
    return weights.read(name, 0, weights.tensors[name].size).to(torch.float64, copy=True)


def _matrix(tensor: TensorInfo) -> tuple[int, int]:
    """The rows and the width of a tensor as a matrix; a vector has a column."""
    rows = tensor.shape[0] if tensor.shape else 1
    return rows, tensor.size // rows
