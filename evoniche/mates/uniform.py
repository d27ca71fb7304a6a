"""Mates at random."""

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
    """Any other member, each with probability 1 / (members - 1); the first parent itself when it is alone."""

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        if len(population) == 1:
            return first.copy()
        other = rng.integers(len(population) - 1, size=len(first))
        return other + (other >= first)  # step over the first parent
