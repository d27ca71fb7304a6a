"""Fitness without competition."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche.roles import Sharing

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["RawSharing"]


@final
@attrs.frozen
class RawSharing(Sharing):
    """f_i = sum_j S_ij: a member keeps all it scores (Abrantes 2025, eq. 1)."""

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Shape (members,)."""
        fitness: NDArray[np.float64] = population.means * population.scores.shape[1]
        return fitness
