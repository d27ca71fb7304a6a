"""DALex: selection by randomly weighted means."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import functional
from evoniche._validators import at_least
from evoniche.roles import Selector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["DalexSelector"]


@final
@attrs.frozen
class DalexSelector(Selector):
    """Select the member with the best randomly weighted mean score: DALex (Ni, Ding and Spector 2024).

        argmax_i sum_j softmax(x)_j S_ij,    x_j ~ N(0, std^2) drawn anew for each parent

    This approximates lexicase selection by one matrix product. Ties are broken at random. The selector looks at the
    scores alone: neither the sharing nor the importance of the cases plays a part.

    Args:
        std: The particularity pressure, >= 0. With 20 or more, DALex is close to lexicase selection on binary scores;
            with about 3, to epsilon-lexicase selection; with 0, the best mean always wins.
        standardize: Whether to divide each case by the standard deviation of its scores, as the authors do for
            regression. Otherwise cases whose scores have a larger scale have more weight.

    >>> from evoniche import Population
    >>> population = Population.of(np.array([[1.0, 0.0], [0.7, 0.9], [0.0, 0.3]]))
    >>> DalexSelector(std=0.0).select(population, 3, rng=np.random.default_rng(0))  # the best mean
    array([1, 1, 1])
    """

    std: float = attrs.field(default=20.0, validator=at_least(0))
    standardize: bool = False

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of n first parents, shape (n,)."""
        return functional.dalex(population.scores, n, std=self.std, standardize=self.standardize, rng=rng)
