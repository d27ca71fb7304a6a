"""Children that were asked for and not told yet."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import final

import attrs
import numpy as np

from evoniche.batches import join
from evoniche.population import Offspring

__all__ = ["Pending", "read_ids"]


@final
class Pending:
    """The open children by id."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[Offspring, int]] = {}  # id -> the offspring of its ask, and the place in it

    def __len__(self) -> int:
        return len(self._open)

    def ids(self) -> list[int]:
        """The ids of the open children, in the order in which they were asked for."""
        return list(self._open)

    def follow(self, opened: Offspring | None, closed: Iterable[int]) -> None:
        """Open children and close others; nothing changes when it is done twice."""
        if opened is not None:
            self._open.update((child, (opened, place)) for place, child in enumerate(opened.ids.tolist()))
        for child in closed:
            self._open.pop(child, None)

    def check(self, ids: list[int], given: int) -> None:
        """Check that these children can be told.

        Args:
            ids: Their ids.
            given: How many ids were given out.

        Raises:
            ValueError: No ids, one twice, or one that was told already or never asked for.
        """
        if not ids:
            raise ValueError("at least one child must be named, got none.")
        if len(set(ids)) < len(ids):
            raise ValueError(f"each child can be told once, got ids {ids}: leave the repeated ones out.")
        for child in ids:
            if child not in self._open:
                what = "told or given up already" if 0 <= child < given else "never asked for"
                raise ValueError(f"child {child} was {what}: `pending` has the children that can be told.")

    def first(self, n: int | None = None) -> Offspring:
        """The first n open children as one batch, or all."""
        return self.children(list(islice(self._open, n)))

    def children(self, ids: list[int]) -> Offspring:
        """Some open children, which are known to be open, as one batch."""
        asked = [self._open[child] for child in ids]
        if all(children is asked[0][0] for children, _ in asked):
            return asked[0][0].take([place for _, place in asked])
        single = [children.take([place]) for children, place in asked]
        genomes = single[0].genomes
        for child in single[1:]:
            genomes = join(genomes, child.genomes)
        parents = np.concatenate([child.parents for child in single])
        return attrs.evolve(single[-1], genomes=genomes, ids=np.array(ids), parents=parents)


def read_ids(ids: Iterable[int]) -> list[int]:
    """Ids as a user gives them.

    Raises:
        ValueError: Something else than a list of integers.
    """
    array = np.asarray(ids)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"children must be what `ask` returned, or a list of their ids, got {ids!r}.")
    return [int(child) for child in array]
