"""Children that were asked for and not told yet."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import final

import numpy as np

from evoniche.batches import join
from evoniche.population import Offspring

__all__ = ["Pending"]


@final
class Pending:
    """The open children by id."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[Offspring, int]] = {}  # id -> the offspring of its ask, and the place in it
        self.given = 0
        """How many ids were given out; the next child gets this one."""

    def __len__(self) -> int:
        return len(self._open)

    def add(self, children: Offspring) -> None:
        """Open children."""
        ids = children.ids.tolist()
        self._open.update((child, (children, place)) for place, child in enumerate(ids))
        self.given = ids[-1] + 1

    def close(self, ids: Iterable[int]) -> None:
        """Children were told."""
        for child in ids:
            del self._open[child]

    def check(self, ids: list[int]) -> None:
        """Check that these children can be told.

        Raises:
            ValueError: No ids, one twice, or one that was told already or never asked for.
        """
        if not ids:
            raise ValueError("tell needs at least one child, got none.")
        if len(set(ids)) < len(ids):
            raise ValueError(f"each child can be told once, got ids {ids}: leave the repeated ones out.")
        for child in ids:
            if child not in self._open:
                past = 0 <= child < self.given
                what = "told already" if past else "never asked for"
                raise ValueError(f"child {child} was {what}: `pending` has the children that can be told.")

    def children(self, ids: Iterable[int] | None = None, *, n: int | None = None) -> Offspring:
        """Open children as one batch: those of some ids, or the first n, or all.

        Raises:
            ValueError: As `check`.
        """
        ids = list(islice(self._open, n)) if ids is None else _ids(ids)
        self.check(ids)
        asked = [self._open[child] for child in ids]
        if all(children is asked[0][0] for children, _ in asked):
            return asked[0][0].take([place for _, place in asked])
        single = [children.take([place]) for children, place in asked]
        genomes = single[0].genomes
        for child in single[1:]:
            genomes = join(genomes, child.genomes)
        parents = np.concatenate([child.parents for child in single])
        return Offspring(genomes, np.array(ids), parents, single[-1].ask, single[-1].seed)


def _ids(ids: Iterable[int]) -> list[int]:
    array = np.asarray(ids)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"children must be what `ask` returned, or a list of their ids, got {ids!r}.")
    return [int(child) for child in array]
