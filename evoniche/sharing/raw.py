"""Raw fitness, without competition."""

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
    """Make fitness the sum of the scores over the cases: f_i = sum_j S_ij (Abrantes 2025, eq. 1).

    If the population gives the cases an importance, the sum is weighted by it, as `Population.means` is.

    >>> from evoniche import Population
    >>> Population.of(np.array([[1, 1, 0, 0], [0, 0, 0, 1]]), sharing=RawSharing()).fitness
    array([2., 1.])
    """

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Return the fitness of every member, shape (members,)."""
        fitness: NDArray[np.float64] = population.means * population.scores.shape[1]
        return fitness
