"""Single solutions, and children on their way."""

from __future__ import annotations

from typing import Any, Generic, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from evoniche import batches
from evoniche.batches import Batch, G, take
from evoniche.randomness import generator

__all__ = ["NOBODY", "Individual", "Offspring"]

NOBODY = -1
"""The id that stands in `parents` where there is no parent."""

_AFTERWARDS = 1
"""Second part of the key of what is drawn when children are told; that of their making has one part."""

@final
@attrs.frozen(eq=False)
class Individual(Generic[G]):
    """One solution."""

    genome: G
    """Its genome: a row of the batch."""
    scores: NDArray[np.floating] = attrs.field(repr=False)
    """Shape (cases,)."""
    score: float
    """The mean score over the cases."""
    id: int
    """The number under which it was asked for."""
    parents: tuple[int, int]
    """Ids of first parent and mate; -1 stands for none."""


@final
@attrs.frozen(eq=False)
class Offspring:
    """Children that were asked for: a batch of genomes and where they come from.

    Every random number behind them was drawn from `randomness.generator(seed, ask)`, so these two integers are the
    whole record of what the operators drew.
    """

    genomes: Batch = attrs.field(repr=False)
    """A batch of n genomes."""
    ids: NDArray[np.int64]
    """Shape (n,): unique in a run, in the order of asking."""
    parents: NDArray[np.int64] = attrs.field(repr=False)
    """Shape (n, 2): ids of first parent and mate; -1 stands for none."""
    ask: int
    """The number of the ask that made them, from 0."""
    seed: int = attrs.field(repr=False)
    """The seed of the evolution that made them."""
    scores: NDArray[np.floating] | None = attrs.field(default=None, repr=False)
    """Shape (n, cases), once told."""
    origin: str = attrs.field(default="", repr=False)
    """Which evolution has made them: its own name, which no other has, whatever the seed."""

    def __len__(self) -> int:
        return len(self.ids)

    def generator(self) -> Generator:
        """Fresh randomness that belongs to these children, for a replacement that draws."""
        return generator(self.seed, self.ask, _AFTERWARDS, int(self.ids[0]))

    def individual(self, position: int, score: float) -> Individual[Any]:
        """One child that was told, with copies of its genome and scores.

        Args:
            position: Its place among these.
            score: Its mean score over the cases.
        """
        assert self.scores is not None
        mother, father = self.parents[position].tolist()
        return Individual(
            genome=next(batches.rows(take(self.genomes, [position]))),
            scores=self.scores[position].copy(),
            score=score,
            id=int(self.ids[position]),
            parents=(mother, father),
        )

    def take(self, positions: ArrayLike) -> Offspring:
        """The children at some positions (or where a mask is True), to be told apart from the others."""
        chosen = batches.positions(positions, len(self))
        return attrs.evolve(
            self,
            genomes=take(self.genomes, chosen),
            ids=self.ids[chosen],
            parents=self.parents[chosen],
            scores=None if self.scores is None else self.scores[chosen],
        )
