"""Groups of parameters that are merged separately."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property, lru_cache
from typing import Any, final

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Chromosomes"]


def _integers(values: ArrayLike) -> NDArray[np.int64]:
    array = np.array(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"Chromosomes(boundaries=..., labels=...) must be lists of integers, got {values!r}.")
    array = array.astype(np.int64)
    array.flags.writeable = False
    return array


_same = attrs.cmp_using(eq=np.array_equal)


@final
@attrs.frozen(slots=False)  # cached_property
class Chromosomes:
    """Divide a genome into groups of numbers that a merge treats separately (parameter groups, layer groups).

    Each chromosome has its own mixing ratio and split point. The flat genome is cut into stretches, and each stretch
    belongs to one chromosome. A chromosome may be scattered over the genome, such as all attention layers of a network:
    its stretches are read one after the other as one vector.

    Args:
        boundaries: Shape (stretches + 1,): 0, the positions where one stretch ends and the next begins, and the size
            of the genome.
        labels: Shape (stretches,): the number of each stretch's chromosome, 0, 1, ... without gaps.

    Raises:
        ValueError: The boundaries do not rise from 0, or there is not one label for each stretch, without gaps.

    >>> Chromosomes.of([100, 20, 100], ["weights", "biases", "weights"]).sizes.tolist()
    [200, 20]
    """

    boundaries: NDArray[np.int64] = attrs.field(converter=_integers, eq=_same)
    labels: NDArray[np.int64] = attrs.field(converter=_integers, eq=_same)

    def __attrs_post_init__(self) -> None:
        bounds, labels = self.boundaries, self.labels
        if len(bounds) != len(labels) + 1 or not len(labels) or bounds[0] or (np.diff(bounds) < 1).any():
            raise ValueError("Chromosomes(boundaries=...) must rise from 0 to the size of the genome, one more than "
                             f"there are labels, got {bounds.tolist()} for {len(labels)} labels.")
        if not np.array_equal(np.unique(labels), np.arange(self.count)):
            raise ValueError(f"Chromosomes(labels=...) must be 0, 1, ... without gaps, got {labels.tolist()}.")

    @classmethod
    def of(cls, sizes: Sequence[int], groups: Sequence[Hashable]) -> Chromosomes:
        """Make chromosomes of consecutive pieces (layers, tensors) and the group of each.

        Args:
            sizes: The size of each piece, >= 1, in the order of the genome.
            groups: The group of each piece; the pieces of one group form one chromosome.

        Raises:
            ValueError: There are not as many groups as pieces, or a piece is empty.
        """
        if len(sizes) != len(groups):
            raise ValueError(f"Chromosomes.of needs a group for each piece, got {len(groups)} for {len(sizes)}.")
        if any(size < 1 for size in sizes):
            raise ValueError(f"Chromosomes.of needs pieces of at least one number, got sizes {[*sizes]}.")
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        labels = np.array([numbers[group] for group in groups], dtype=np.int64)
        first = np.flatnonzero(np.diff(labels, prepend=-1))  # neighbours of one group are one stretch
        starts = np.cumsum([0, *sizes])
        return cls([*starts[first], starts[-1]], labels[first])

    @classmethod
    def whole(cls, size: int) -> Chromosomes:
        """Make one chromosome of the whole genome."""
        return _whole(size)

    @property
    def size(self) -> int:
        """The size of a genome."""
        return int(self.boundaries[-1])

    @cached_property
    def count(self) -> int:
        """The number of chromosomes."""
        return int(self.labels.max()) + 1

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """The size of each chromosome, shape (count,)."""
        return np.bincount(self.labels, weights=np.diff(self.boundaries)).astype(np.int64)

    def cut(self, split: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Cut each chromosome into parts.

        Args:
            split: The split points, counted along each chromosome, from 1 to its size - 1. Shape (n, count): one for
                each chromosome, which has a head and a tail. Shape (n, count, splits): several, in any order, of which
                those at the size of the chromosome cut nothing, and equal ones enclose an empty part. A chromosome of
                a single number has the split point 1, which cuts nothing.

        Returns:
            Each of the n genomes has `stretches + count * splits` pieces, some of which may be empty. Returned are the
            boundaries of the pieces, shape (n, pieces + 1); the chromosome of each piece, shape (n, pieces); and the
            number of its part, 0 for the head of the chromosome, 1 for what follows the first split point, and so on,
            shape (n, pieces).

        Raises:
            ValueError: A split point is out of range.
        """
        split = np.asarray(split)
        several = split.ndim == 3
        points = split if several else split[..., None]  # (n, count, splits)
        most = self.sizes if several else np.maximum(self.sizes - 1, 1)
        if not ((points >= 1) & (points <= most[:, None])).all():
            allowed = ", ".join(map(str, most if several else self.sizes - 1))
            raise ValueError(f"split must be from 1 to {'size' if several else 'size - 1'} = {allowed}, "
                             f"got {split.ravel().tolist()}.")
        n = len(split)
        if len(self.labels) == 1:  # all in one
            bounds = np.zeros((n, points.shape[2] + 2), dtype=np.int64)
            bounds[:, 1:-1], bounds[:, -1] = points[:, 0], self.size
            bounds.sort(axis=1)
            labels = np.zeros((n, points.shape[2] + 1), dtype=np.int64)
            return bounds, labels, labels + np.arange(points.shape[2] + 1)
        where = self._positions(points)  # (n, count, splits)
        bounds = np.sort(np.concatenate([np.broadcast_to(self.boundaries, (n, len(self.boundaries))),
                                         where.reshape(n, -1)], axis=1), axis=1)  # fmt: skip
        starts = bounds[:, :-1]
        last = len(self.labels) - 1  # an empty piece at the very end begins where nothing is
        labels = self.labels[np.minimum(np.searchsorted(self.boundaries, starts, side="right") - 1, last)]
        passed = np.take_along_axis(where, labels[..., None], axis=1) <= starts[..., None]  # (n, pieces, splits)
        return bounds, labels, passed.sum(axis=2)

    def _positions(self, split: NDArray[Any]) -> NDArray[np.int64]:
        """Turn positions along each chromosome, (n, count, splits), into positions in the flat genome."""
        ends, offsets = self._stretches
        along = (np.cumsum(self.sizes) - self.sizes)[:, None] + split  # as if they lay one after the other
        stretch = np.minimum(np.searchsorted(ends, along, side="right"), len(ends) - 1)
        return np.where(split < self.sizes[:, None], along + offsets[stretch], self.size)

    @cached_property
    def _stretches(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The stretches chromosome by chromosome: where each ends in that order, and how far from there it lies."""
        order = np.argsort(self.labels, kind="stable")
        lengths = np.diff(self.boundaries)[order]
        ends = np.cumsum(lengths)
        return ends, self.boundaries[:-1][order] - (ends - lengths)


@lru_cache(maxsize=64)
def _whole(size: int) -> Chromosomes:
    return Chromosomes([0, size], [0])
