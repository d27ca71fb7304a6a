"""Mates side by side."""

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
    """Neighbours among the first parents mate with each other: 0 with 1, 1 with 0, 2 with 3, 3 with 2, ...

    So a pair (a, b) has two children, of (a, b) and of (b, a), as in a textbook generation and in crowding (Mahfoud
    1992, with `ShuffleSelector`); but the crossover draws for each of them, so they are not complementary. An odd one
    at the end takes any other member, and itself when it is alone.
    """

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        mates = first.copy()
        paired = len(first) // 2 * 2
        mates[:paired] = first[:paired].reshape(-1, 2)[:, ::-1].ravel()
        if paired < len(first) and len(population) > 1:
            other = rng.integers(len(population) - 1)
            mates[-1] = other + (other >= first[-1])  # step over the first parent
        return mates
