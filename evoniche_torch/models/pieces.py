"""Where the numbers of tensors come from when tensors are joined, split, transposed and reshaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import final

import attrs

__all__ = ["Dim", "Piece", "clip", "concatenate", "in_source", "narrow", "permute", "spread"]

_MOST = 1 << 16  # pieces that one piece may be broken into; no conversion that moves tensors as a whole comes near


@final
@attrs.frozen
class Dim:
    """One dimension of a piece."""

    size: int
    stride: int
    """How far apart two neighbours are in the tensor."""
    source_stride: int
    """How far apart they were in the source."""


@final
@attrs.frozen
class Piece:
    """Numbers that lie in a regular grid both in a tensor and in the tensor that they come from, its source.

    The number at the grid's coordinates j is number `start + sum_m j_m stride_m` of the flattened tensor, and was
    number `source_start + sum_m j_m source_stride_m` of the flattened source. So a reshaped tensor has the same pieces.
    """

    source: str
    """The name of the source."""
    source_start: int
    start: int
    dims: tuple[Dim, ...]
    """Outermost first in the tensor; none has the size 1."""

    @classmethod
    def whole(cls, source: str, size: int) -> Piece:
        """All of a source."""
        return cls(source, 0, 0, (Dim(size, 1, 1),) if size > 1 else ())

    @property
    def size(self) -> int:
        """How many numbers the piece has."""
        return prod(dim.size for dim in self.dims)

    def at(self, dim: int, low: int, high: int) -> Piece:
        """The part of the piece with the coordinates low .. high - 1 in one dimension."""
        cut = self.dims[dim]
        inner = (attrs.evolve(cut, size=high - low),) if high - low > 1 else ()
        return Piece(self.source, self.source_start + low * cut.source_stride, self.start + low * cut.stride,
                     (*self.dims[:dim], *inner, *self.dims[dim + 1 :]))  # fmt: skip


def permute(pieces: Sequence[Piece], shape: Sequence[int], order: Sequence[int]) -> tuple[Piece, ...]:
    """The pieces of a tensor of this shape after its axes were put in another order."""
    strides = _row_major([shape[axis] for axis in order])
    places = dict(zip(order, strides, strict=True))
    return spread(pieces, shape, [places[axis] for axis in range(len(shape))])


def narrow(pieces: Sequence[Piece], shape: Sequence[int], axis: int, low: int, high: int) -> tuple[Piece, ...]:
    """The pieces of `tensor.narrow(axis, low, high - low)` of a tensor of this shape."""
    inner = prod(shape[axis + 1 :])
    outer, size = inner * shape[axis], inner * (high - low)
    found: list[Piece] = []
    for piece in _by_axes(pieces, shape):
        for part in _clip(piece, low * inner, high * inner, outer):
            block, rest = divmod(part.start, outer)
            dims = tuple(attrs.evolve(d, stride=d.stride // outer * size) if d.stride >= outer else d
                         for d in part.dims)  # fmt: skip
            found.append(attrs.evolve(part, start=block * size + rest - low * inner, dims=dims))
    return _joined(found)


def concatenate(parts: Sequence[tuple[Sequence[Piece], Sequence[int]]], axis: int) -> tuple[Piece, ...]:
    """The pieces of tensors joined along an axis.

    Args:
        parts: The pieces and the shape of each tensor.
        axis: The axis, >= 0.
    """
    shape = list(parts[0][1])
    shape[axis] = sum(part[1][axis] for part in parts)
    strides = _row_major(shape)
    found: list[Piece] = []
    done = 0
    for pieces, part in parts:
        found += (attrs.evolve(p, start=p.start + done * strides[axis]) for p in spread(pieces, part, strides))
        done += part[axis]
    return tuple(found)


def spread(pieces: Sequence[Piece], shape: Sequence[int], strides: Sequence[int]) -> tuple[Piece, ...]:
    """The pieces of a tensor of this shape when it lies in memory with these strides."""
    found = []
    natural = _row_major(shape)
    for piece in _by_axes(pieces, shape):
        start = sum(piece.start // own % size * new for own, size, new in zip(natural, shape, strides, strict=True))
        dims = []
        for dim in piece.dims:
            axis = _axis(dim.stride, shape, natural)
            dims.append(attrs.evolve(dim, stride=dim.stride // natural[axis] * strides[axis]))
        found.append(attrs.evolve(piece, start=start, dims=_tidy(dims)))
    return _joined(found)


def in_source(piece: Piece) -> Piece | None:
    """The piece with its dimensions in the order of the source, if it is one stretch of it; else None."""
    dims = _tidy(sorted(piece.dims, key=lambda dim: -dim.source_stride))
    expected = 1
    for dim in reversed(dims):
        if dim.source_stride != expected:
            return None
        expected *= dim.size
    return attrs.evolve(piece, dims=dims)


def clip(piece: Piece, low: int, high: int) -> Iterator[Piece]:
    """The parts of a piece that come from the numbers low .. high - 1 of its source."""
    turned = Piece(piece.source, piece.start, piece.source_start, tuple(
        sorted((Dim(d.size, d.source_stride, d.stride) for d in piece.dims), key=lambda dim: -dim.stride)
    ))  # fmt: skip
    for part in _clip(turned, low, high, 0):
        dims = _tidy(sorted((Dim(d.size, d.source_stride, d.stride) for d in part.dims), key=lambda dim: -dim.stride))
        yield Piece(piece.source, part.start, part.source_start, dims)


def _clip(piece: Piece, low: int, high: int, period: int) -> Iterator[Piece]:
    """The parts whose positions are low .. high - 1 modulo a period; 0 stands for none.

    No dimension of the piece with a stride below the period crosses from one period into the next.
    """
    moving = [m for m, dim in enumerate(piece.dims) if not period or dim.stride < period]
    first = piece.start % period if period else piece.start
    last = first + sum((piece.dims[m].size - 1) * piece.dims[m].stride for m in moving)
    if low <= first and last < high:
        yield piece
    elif first < high and low <= last:
        outer = moving[0]
        dim = piece.dims[outer]
        reach = last - first - (dim.size - 1) * dim.stride  # of the inner dimensions
        begin = max(0, -((first - low) // dim.stride))  # the first coordinate at which all is at `low` or after
        end = min(dim.size, max(begin, (high - 1 - reach - first) // dim.stride + 1))
        if begin < end:
            yield piece.at(outer, begin, end)
        lowest = max(0, -((first + reach - low) // dim.stride))
        highest = min(dim.size, (high - 1 - first) // dim.stride + 1)
        for j in (*range(lowest, min(begin, highest)), *range(max(begin, end), highest)):
            yield from _clip(piece.at(outer, j, j + 1), low, high, period)


def _by_axes(pieces: Sequence[Piece], shape: Sequence[int]) -> Iterator[Piece]:
    """Break pieces up so that each of their dimensions lies in one axis of the shape, and does not leave it."""
    strides = _row_major(shape)
    waiting, count = list(reversed(pieces)), len(pieces)
    while waiting:
        piece = waiting.pop()
        for m, dim in reversed(list(enumerate(piece.dims))):
            broken = _break(piece, m, dim, shape, strides)
            if broken is not None:
                waiting += reversed(broken)
                count += len(broken) - 1
                if count > len(pieces) + _MOST:
                    raise NotImplementedError("numbers are moved in no regular way")
                break
        else:
            yield piece


def _break(piece: Piece, m: int, dim: Dim, shape: Sequence[int], strides: Sequence[int]) -> list[Piece] | None:
    """Break one dimension of a piece where it leaves its axis; None if it does not."""
    axis = _axis(dim.stride, shape, strides)
    unit, size = strides[axis], shape[axis]
    if dim.stride % unit:
        return [piece.at(m, j, j + 1) for j in range(dim.size)]
    step = dim.stride // unit
    inner = [d for d in piece.dims[m + 1 :] if d.stride >= unit]
    first = piece.start // unit % size
    reach = first + sum((d.size - 1) * d.stride // unit for d in inner)
    if reach + (dim.size - 1) * step < size:
        return None
    turn = size // step
    if not size % step and reach < step and not dim.size % turn:  # a whole number of turns around the axis
        dims = (Dim(dim.size // turn, dim.stride * turn, dim.source_stride * turn), attrs.evolve(dim, size=turn))
        return [attrs.evolve(piece, dims=(*piece.dims[:m], *(d for d in dims if d.size > 1), *piece.dims[m + 1 :]))]
    until = max(1, min(dim.size - 1, (size - 1 - reach) // step + 1))  # as far as it stays within the axis
    if size % step == 0 and reach < step and dim.size > until + turn:
        whole = until + (dim.size - until) // turn * turn
        cuts = [0, until, whole, dim.size] if whole < dim.size else [0, until, whole]
    else:
        cuts = [0, until, dim.size]
    return [piece.at(m, low, high) for low, high in pairwise(cuts)]


def _axis(stride: int, shape: Sequence[int], strides: Sequence[int]) -> int:
    """The axis within which a step of this stride begins."""
    return next(axis for axis, unit in enumerate(strides) if unit <= stride and shape[axis] > 1)


def _row_major(shape: Sequence[int]) -> list[int]:
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return strides


def _tidy(dims: Sequence[Dim]) -> tuple[Dim, ...]:
    """Join neighbouring dimensions that are one."""
    found: list[Dim] = []
    for dim in dims:
        if found and (found[-1].stride, found[-1].source_stride) == (
            dim.size * dim.stride,
            dim.size * dim.source_stride,
        ):
            found[-1] = Dim(found[-1].size * dim.size, dim.stride, dim.source_stride)
        else:
            found.append(dim)
    return tuple(found)


def _joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The pieces with their dimensions in order, joined where they are one."""
    return tuple(attrs.evolve(piece, dims=_tidy(sorted(piece.dims, key=lambda dim: -dim.stride))) for piece in pieces)
