"""Fitness shared among members that are near each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche._validators import greater_than
from evoniche.distances import Distance, check_distance, member_distances
from evoniche.roles import Sharing

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["ExplicitSharing"]


@final
@attrs.frozen
class ExplicitSharing(Sharing):
    """Divide raw fitness by the niche count: f_i = raw_i / sum_k sh(d_ik) (Goldberg and Richardson 1987).

    The raw fitness of a member is the sum of its scores over the cases. The sharing function is
    sh(d) = 1 - (d / radius)**alpha for d < radius, and 0 beyond. The niche count includes the member itself, so it is
    never less than 1. At equilibrium, the number of members on a peak is proportional to the height of the peak.

    Args:
        distance: The distance between members: a `Genome`, a function of two batches, or "scores".
        radius: The distance from which on members do not share, > 0. It should be at most the distance of the two
            nearest peaks.
        alpha: The shape of sh, > 0: with 1 it is a triangle, with more it is flat around each member.

    >>> from evoniche import Population
    >>> scores = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    >>> Population.of(scores, sharing=ExplicitSharing("scores", radius=1)).fitness
    array([1., 1., 1.])
    """

    distance: Distance = attrs.field(validator=check_distance)
    radius: float = attrs.field(validator=greater_than(0))
    alpha: float = attrs.field(default=1.0, validator=greater_than(0))

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Return the fitness of every member, shape (members,)."""
        sh = member_distances(self.distance, population, self._sh, key=self)  # (members, members)
        raw = population.means * population.scores.shape[1]
        fitness: NDArray[np.float64] = raw / sh.sum(axis=1)
        return fitness

    def _sh(self, apart: NDArray[np.float64]) -> NDArray[np.float64]:
        # From the radius on, d / radius counts as 1, which makes sh 0.
        sh: NDArray[np.float64] = 1 - (np.minimum(apart, self.radius) / self.radius) ** self.alpha
        return sh
