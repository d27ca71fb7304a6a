"""Finds the largest numbers of a tensor by magnitude, block by block, without sorting it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import final

import attrs
import torch

__all__ = ["Threshold", "find_threshold"]

_HIGH = 1 << 15  # the sign is 0
_LOW = 1 << 16


@final
@attrs.frozen
class Threshold:
    """Which numbers of a tensor are among its k largest by magnitude; of equal ones, the first are."""

    bits: int
    """The magnitude of the smallest that is kept, as the bits of a float32."""
    until: int
    """Numbers of this magnitude are kept before this position."""

    def keep(self, values: torch.Tensor, start: int) -> torch.Tensor:
        """A mask of the numbers that are kept.

        Args:
            values: Numbers of the tensor in float32, flat.
            start: The position of the first.
        """
        bits = values.abs().view(torch.int32)
        equal = bits == self.bits
        if self.until < start + len(values):
            equal[max(0, self.until - start) :] = False
        return equal.logical_or_(bits > self.bits)


def find_threshold(blocks: Callable[[], Iterator[torch.Tensor]], k: int) -> Threshold:
    """Find the k largest numbers by magnitude, in three passes over the tensor.

    The bits of floats that are not negative are ordered as the floats are. So the first pass counts their upper halves,
    the second the lower halves of those that share the upper half of the k-th, and the third finds which of the
    numbers equal to the k-th are among the first.

    Args:
        blocks: Returns the numbers of the tensor in float32, block by block; it is called three times.
        k: How many are kept, from 1 to the size of the tensor.

    >>> values = torch.tensor([3.0, -1.0, 2.0, 1.0])
    >>> find_threshold(lambda: iter([values]), 3).keep(values, 0).tolist()
    [True, True, True, False]
    """
    counts = torch.zeros(_HIGH, dtype=torch.int64)
    for block in blocks():
        counts += torch.bincount(_bits(block) >> 16, minlength=_HIGH)
    high, above = _bin_of(counts, k)
    counts = torch.zeros(_LOW, dtype=torch.int64)
    for block in blocks():
        bits = _bits(block)
        counts += torch.bincount(bits[bits >> 16 == high] & (_LOW - 1), minlength=_LOW)
    low, more = _bin_of(counts, k - above)
    found, left, start = high << 16 | low, k - above - more, 0
    for block in blocks():
        places = (_bits(block) == found).nonzero().view(-1)
        if len(places) >= left:
            return Threshold(found, start + int(places[left - 1]) + 1)
        left, start = left - len(places), start + len(block)
    raise AssertionError("the blocks have changed between two passes")


def _bits(block: torch.Tensor) -> torch.Tensor:
    return block.abs().view(torch.int32)


def _bin_of(counts: torch.Tensor, k: int) -> tuple[int, int]:
    """The bin of the k-th largest, and how many lie in the bins above it."""
    from_above = counts.flip(0).cumsum(0)
    place = int(torch.searchsorted(from_above, k))
    return len(counts) - 1 - place, int(from_above[place - 1]) if place else 0
