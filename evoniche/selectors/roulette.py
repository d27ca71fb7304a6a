"""Fitness-proportional selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.randomness import weighted_indices
from evoniche.roles import Selector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["RouletteSelector"]


@final
@attrs.frozen
class RouletteSelector(Selector):
    """Draw first parents in proportion to fitness, with replacement (Holland 1975).

        P(i) = f_i / sum_k f_k

    When every fitness is zero, the draw is uniform. M2N2 draws its first parent this way, by shared fitness (Abrantes
    2025, section 3.3).

    >>> from evoniche import Population
    >>> population = Population.of(np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0]]))
    >>> parents = RouletteSelector().select(population, 50, rng=np.random.default_rng(0))
    >>> sorted(set(parents.tolist()))  # the third member solves nothing
    [0, 1]
    """

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of n first parents, shape (n,)."""
        return weighted_indices(population.fitness, n, rng=rng)
