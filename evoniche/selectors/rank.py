"""Linear ranking selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import at_least, at_most
from evoniche.randomness import weighted_indices
from evoniche.roles import Selector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["RankSelector"]


@final
@attrs.frozen
class RankSelector(Selector):
    """Draw first parents by the rank of their fitness, with replacement: linear ranking (Baker 1985).

        P(i) = (2 - s + 2 (s - 1) r_i / (P - 1)) / P,    rank r_i from 0 (the worst) to P - 1 (the best)

    Only the order of the fitness counts. Members of equal fitness have the mean of their ranks.

    Args:
        pressure: s, from 1 (uniform) to 2 (the worst never breeds). It is the expected number of times that the best
            member is drawn in P draws.

    >>> from evoniche import Population, RawSharing
    >>> population = Population.of(np.array([[0.1], [0.2], [0.9]]), sharing=RawSharing())
    >>> parents = RankSelector(pressure=2).select(population, 90, rng=np.random.default_rng(0))
    >>> np.bincount(parents, minlength=3).tolist()[0]  # the worst
    0
    """

    pressure: float = attrs.field(default=1.5, validator=[at_least(1), at_most(2)])

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of n first parents, shape (n,)."""
        fitness = population.fitness
        ordered = np.sort(fitness)
        first = np.searchsorted(ordered, fitness, side="left")  # rank of the lowest equal, 0 ..
        last = np.searchsorted(ordered, fitness, side="right") - 1  # rank of the highest equal
        rank = (first + last) / 2
        weights = 2 - self.pressure + 2 * (self.pressure - 1) * rank / max(1, len(fitness) - 1)
        return weighted_indices(weights, n, rng=rng)
