"""Selection by linear ranking."""

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
    """P(i) = (2 - s + 2 (s - 1) r_i / (P - 1)) / P, with replacement; r is 0 for the worst, P - 1 for the best.

    Only the order of the fitness counts, and members of equal fitness share the mean of their ranks (Baker 1985).

    Args:
        pressure: s, from 1 (uniform) to 2 (the worst never breeds): how many children the best has on average.
    """

    pressure: float = attrs.field(default=1.5, validator=[at_least(1), at_most(2)])

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        fitness = population.fitness
        ordered = np.sort(fitness)
        first = np.searchsorted(ordered, fitness, side="left")  # rank of the lowest equal, 0 ..
        last = np.searchsorted(ordered, fitness, side="right") - 1  # rank of the highest equal
        rank = (first + last) / 2
        weights = 2 - self.pressure + 2 * (self.pressure - 1) * rank / max(1, len(fitness) - 1)
        return weighted_indices(weights, n, rng=rng)
