"""Single solutions, and the children between asking and telling."""

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
"""The second part of the key of random numbers drawn when children are told; the key of their making has one part."""

@final
@attrs.frozen(eq=False)
class Individual(Generic[G]):
    """One solution with its genome, its scores and where it comes from."""

    genome: G
    """The genome: a row of the batch."""
    scores: NDArray[np.floating] = attrs.field(repr=False)
    """The score on each case, shape (cases,)."""
    score: float
    """The mean score over the cases, weighted by their importance."""
    id: int
    """The id, which is unique in a run; it counts in the order of asking."""
    parents: tuple[int, int]
    """The ids of first parent and mate; -1 stands for none."""


@final
@attrs.frozen(eq=False)
class Offspring:
    """Children that were asked for: a batch of genomes and where they come from.

    Every random number behind them was drawn from `randomness.generator(seed, ask)`, so these two integers are enough
    to draw them again.

    >>> children = Offspring(["a", "b"], ids=np.array([7, 8]), parents=np.array([[1, 2], [3, 4]]), ask=5, seed=0)
    >>> children.take([1]).genomes, children.take([1]).ids
    (['b'], array([8]))
    """

    genomes: Batch = attrs.field(repr=False)
    """The batch of n genomes."""
    ids: NDArray[np.int64]
    """The ids, shape (n,), which are unique in a run and count in the order of asking."""
    parents: NDArray[np.int64] = attrs.field(repr=False)
    """The ids of first parent and mate, shape (n, 2); -1 stands for none."""
    ask: int
    """The number of the ask that made them, from 0."""
    seed: int = attrs.field(repr=False)
    """The seed of the evolution that made them."""
    scores: NDArray[np.floating] | None = attrs.field(default=None, repr=False)
    """The scores, shape (n, cases), once they are told; None before."""
    origin: str = attrs.field(default="", repr=False)
    """The name of the evolution that made them, which no other evolution has, even with the same seed."""

    def __len__(self) -> int:
        return len(self.ids)

    def generator(self) -> Generator:
        """Return a generator that follows from the seed, the ask and the first id, for a replacement that draws."""
        return generator(self.seed, self.ask, _AFTERWARDS, int(self.ids[0]))

    def individual(self, position: int, score: float) -> Individual[Any]:
        """Return one child that was told, with copies of its genome and scores.

        Args:
            position: The position of the child among these.
            score: The mean score of the child over the cases.
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

    def told(self, genomes: Batch, scores: NDArray[np.floating]) -> Offspring:
        """Return the same children with their scores, shape (n, cases), and with genomes as they were told."""
        return Offspring(genomes, self.ids, self.parents, self.ask, self.seed, scores, self.origin)

    def take(self, positions: ArrayLike) -> Offspring:
        """Return the children at some positions (or where a mask is True), so that they can be told separately.

        Raises:
            IndexError: There is no child at a position, or the mask has another length.
        """
        chosen = batches.positions(positions, len(self))
        return attrs.evolve(
            self,
            genomes=take(self.genomes, chosen),
            ids=self.ids[chosen],
            parents=self.parents[chosen],
            scores=None if self.scores is None else self.scores[chosen],
        )
