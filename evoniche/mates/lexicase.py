"""Mates case by case."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import functional
from evoniche._validators import at_least
from evoniche.roles import MateSelector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["LexicaseMateSelector"]


@final
@attrs.frozen
class LexicaseMateSelector(MateSelector):
    """Lexicase selection (Helmuth, Spector and Matheson 2015) among the others, on cases that the first parent fails.

    The mate is one who is best where the first parent is weak, whatever it can do elsewhere. A first parent that fails
    on nothing takes the winner on all cases, and itself when it is alone.

    Args:
        threshold: A score below it is a failure.
    """

    threshold: float = attrs.field(default=0.5, validator=at_least(0))

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        if len(population) == 1:
            return first.copy()
        failed = population.scores[first] < self.threshold  # (n, cases)
        failed[~failed.any(axis=1)] = True
        others = first[:, None] != np.arange(len(population))  # (n, members)
        return functional.lexicase(population.scores, len(first), members=others, cases=failed, rng=rng)
