"""The dot products of large vectors between any two positions, from sums over blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["GRAM_BLOCK", "GramTable"]

GRAM_BLOCK = 65_536
"""How many parameters a block has: no more are read when a recipe is cut at a new place."""

_PARTS_KEPT = 8_192

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@final
class GramTable:
    """The Gram matrices (dot products) of K vectors between any two positions of the flat index.

    The table has the Gram matrix of each block. Between two positions, the Gram matrix is the sum over the whole blocks
    there plus those of the two parts of blocks at the ends. Parts are read when they are needed, and kept: recipes
    inherit their cuts, so few are new. Nothing is subtracted, since the difference of two large sums would be noise
    where a model is small or zero.

    >>> vectors = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 1.0, 0.0]])
    >>> table = GramTable.build(lambda start, stop: vectors[:, start:stop], 4, block=2)
    >>> table.between(np.array(1), np.array(4)).tolist()
    [[29.0, 3.0], [3.0, 1.0]]
    """

    def __init__(self, blocks: Floats, read: Callable[[int, int], Floats], block: int = GRAM_BLOCK) -> None:
        """Take blocks that are known.

        Args:
            blocks: The Gram matrix of each block, shape (blocks, K, K).
            read: Returns the vectors between two flat positions as float64 of shape (K, stop - start).
            block: How many parameters a block has; the last may have fewer.
        """
        self.blocks = blocks
        self.block = block
        self._read = read
        self._parts: dict[tuple[int, int], Floats] = {}
        # Fast to sum, with a block of zeros behind the last, where a stretch may end: (K * K, blocks + 1).
        self._columns = np.zeros((blocks[0].size, len(blocks) + 1))
        self._columns[:, :-1] = blocks.reshape(len(blocks), -1).T

    @classmethod
    def build(
        cls,
        read: Callable[[int, int], Floats],
        size: int,
        *,
        block: int = GRAM_BLOCK,
        progress: Callable[[int], object] = lambda _: None,
    ) -> GramTable:
        """Make a table, which reads all vectors once.

        Args:
            read: Returns the vectors between two flat positions as float64 of shape (K, stop - start).
            size: How many parameters each vector has.
            block: How many parameters a block has.
            progress: Called with the number of parameters that were read since the last call.
        """
        blocks = []
        for start in range(0, size, block):
            stop = min(start + block, size)
            blocks.append(_gram(read(start, stop)))
            progress(stop - start)
        return cls(np.array(blocks), read, block)

    @property
    def total(self) -> Floats:
        """The Gram matrix of the whole vectors, shape (K, K)."""
        total: Floats = self.blocks.sum(axis=0)
        return total

    def between(self, starts: Integers, stops: Integers) -> Floats:
        """Compute Gram matrices between flat positions of any shape; the result has shape (..., K, K)."""
        grams = np.zeros((starts.size, *self.blocks.shape[1:]))
        first, last = -(-starts.ravel() // self.block), stops.ravel() // self.block  # whole blocks: first .. last - 1
        self._add_blocks(grams, first, last)
        for i, (start, stop) in enumerate(zip(starts.ravel().tolist(), stops.ravel().tolist(), strict=True)):
            low, high = int(first[i]) * self.block, int(last[i]) * self.block
            if low > high:  # inside one block
                grams[i] = self._part(start, stop)
                continue
            if start < low:
                grams[i] += self._part(start, low)
            if high < stop:
                grams[i] += self._part(high, stop)
        return grams.reshape(*starts.shape, *self.blocks.shape[1:])

    def _add_blocks(self, grams: Floats, first: Integers, last: Integers) -> None:
        """Add to each Gram matrix those of the blocks first .. last - 1."""
        some = np.flatnonzero(first < last)
        if len(some):
            ends = np.stack([first[some], last[some]], axis=1).ravel()
            grams[some] += np.add.reduceat(self._columns, ends, axis=1)[:, ::2].T.reshape(-1, *grams.shape[1:])

    def _part(self, start: int, stop: int) -> Floats:
        if start == stop:
            return np.zeros(self.blocks.shape[1:])
        if (part := self._parts.pop((start, stop), None)) is None:
            part = _gram(self._read(start, stop))
            if len(self._parts) >= _PARTS_KEPT:
                del self._parts[next(iter(self._parts))]  # the one that was not used for longest
        self._parts[start, stop] = part
        return part


def _gram(vectors: Floats) -> Floats:
    gram: Floats = vectors @ vectors.T
    return gram
