"""Mates in pairs of neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.roles import MateSelector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["PairMateSelector"]


@final
@attrs.frozen
class PairMateSelector(MateSelector):
    """Pair neighbours among the first parents: the first with the second, the third with the fourth, and so on.

    Each pair (a, b) has two children, one of (a, b) and one of (b, a), as in the textbook generation and in crowding
    (Mahfoud 1992; use it with `ShuffleSelector`). A crossover draws for each child, so the two are complementary only
    under `ComplementaryCrossover`. With an odd number, the last first parent mates with any other member, or with
    itself if it is alone.

    >>> from evoniche import Population
    >>> PairMateSelector().mates(Population.of(np.eye(4)), np.array([3, 0, 2, 1]), rng=np.random.default_rng(0))
    array([0, 3, 1, 2])
    """

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of the mates, shape (n,)."""
        mates = first.copy()
        paired = len(first) // 2 * 2
        mates[:paired] = first[:paired].reshape(-1, 2)[:, ::-1].ravel()
        if paired < len(first) and len(population) > 1:
            other = rng.integers(len(population) - 1)
            mates[-1] = other + (other >= first[-1])  # step over the first parent
        return mates
