"""Uniformly random mates."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.roles import MateSelector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["UniformMateSelector"]


@final
@attrs.frozen
class UniformMateSelector(MateSelector):
    """Draw the mate uniformly among the other members; a member that is alone mates with itself.

    >>> from evoniche import Population
    >>> population = Population.of(np.eye(2))
    >>> UniformMateSelector().mates(population, np.array([0, 1, 0]), rng=np.random.default_rng(0))
    array([1, 0, 1])
    """

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of the mates, shape (n,)."""
        if len(population) == 1:
            return first.copy()
        other = rng.integers(len(population) - 1, size=len(first))
        return other + (other >= first)  # step over the first parent
