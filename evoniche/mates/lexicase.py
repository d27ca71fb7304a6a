"""Mates by lexicase selection."""

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
    """Select the mate by lexicase among the other members, on the cases that the first parent fails.

    The mate is best where the first parent is weak, whatever it can do elsewhere. For a first parent that fails no
    case, all cases are used. A member that is alone mates with itself. (Lexicase selection: Helmuth, Spector and
    Matheson 2015.)

    Args:
        threshold: A case counts as failed if the score is below it, >= 0.

    >>> from evoniche import Population
    >>> population = Population.of(np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]))
    >>> LexicaseMateSelector().mates(population, np.array([0, 2]), rng=np.random.default_rng(0))
    array([2, 0])
    """

    threshold: float = attrs.field(default=0.5, validator=at_least(0))

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of the mates, shape (n,)."""
        if len(population) == 1:
            return first.copy()
        failed = population.scores[first] < self.threshold  # (n, cases)
        failed[~failed.any(axis=1)] = True
        others = first[:, None] != np.arange(len(population))  # (n, members)
        return functional.lexicase(population.scores, len(first), members=others, cases=failed, rng=rng)
