"""Groups of parameters that are merged apart."""

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
    """Groups of a genome's numbers, each of which a merge gives its own ratio and its own split point.

    The flat genome is cut into stretches, and each stretch belongs to one chromosome. A chromosome may lie scattered
    (the attention layers of a network, say): it is read as one vector, its stretches one after the other.

    Args:
        boundaries: Shape (stretches + 1,): 0, where one stretch ends and the next begins, and the size of the genome.
        labels: Shape (stretches,): to which chromosome each belongs, 0, 1, ... without gaps.

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
        """Chromosomes from neighbouring pieces (layers, tensors) and the group of each.

        Args:
            sizes: How many numbers each piece has, >= 1, in their order.
            groups: One for each piece: pieces of the same group are one chromosome.

        Raises:
            ValueError: Not as many groups as pieces, or an empty piece.
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
        """All in one."""
        return _whole(size)

    @property
    def size(self) -> int:
        """Numbers in a genome."""
        return int(self.boundaries[-1])

    @cached_property
    def count(self) -> int:
        """How many chromosomes there are."""
        return int(self.labels.max()) + 1

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Numbers in each chromosome, shape (count,)."""
        return np.bincount(self.labels, weights=np.diff(self.boundaries)).astype(np.int64)

    def cut(self, split: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Cut each chromosome in two.

        Args:
            split: Shape (n, count): where, counted along the chromosome, from 1 to its size - 1. At its size, there is
                no tail; a chromosome of a single number has no other choice.

        Returns:
            For n genomes of `stretches + count` pieces, some of which may be empty: the pieces' boundaries, shape
            (n, pieces + 1); the chromosome of each, shape (n, pieces); and whether it is in the tail, the same shape.

        Raises:
            ValueError: A split that leaves no head.
        """
        split = np.asarray(split)
        if split.size and not (np.all(split >= 1) and np.all(split <= np.maximum(self.sizes - 1, 1))):
            most = ", ".join(map(str, self.sizes - 1))
            raise ValueError(f"split must be from 1 to size - 1 = {most}, got {split.ravel().tolist()}.")
        if len(self.labels) == 1:  # all in one: head and tail
            bounds = np.zeros((len(split), 3), dtype=np.int64)
            bounds[:, 1:2], bounds[:, 2] = split, self.size
            return bounds, np.zeros((len(split), 2), dtype=np.int64), np.repeat([[False, True]], len(split), axis=0)
        where = self._positions(split)  # (n, count)
        bounds = np.sort(np.concatenate([np.broadcast_to(self.boundaries, (len(split), len(self.boundaries))), where],
                                        axis=1), axis=1)  # fmt: skip
        starts = bounds[:, :-1]
        last = len(self.labels) - 1  # an empty piece at the very end begins where nothing is
        labels = self.labels[np.minimum(np.searchsorted(self.boundaries, starts, side="right") - 1, last)]
        return bounds, labels, starts >= np.take_along_axis(where, labels, axis=1)

    def _positions(self, split: NDArray[Any]) -> NDArray[np.int64]:
        """Flat positions of places that are counted along each chromosome, shape (n, count)."""
        ends, offsets = self._stretches
        along = np.cumsum(self.sizes) - self.sizes + split  # as if the chromosomes lay one after the other
        stretch = np.minimum(np.searchsorted(ends, along, side="right"), len(ends) - 1)
        return np.where(split < self.sizes, along + offsets[stretch], self.size)

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
