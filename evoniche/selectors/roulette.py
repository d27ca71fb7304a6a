"""Selection in proportion to fitness."""

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
    """P(i) = f_i / sum_k f_k, with replacement; uniform when nobody has any fitness (Holland 1975).

    M2N2 draws the first parent this way, by shared fitness (Abrantes 2025, section 3.3).
    """

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        return weighted_indices(population.fitness, n, rng=rng)
