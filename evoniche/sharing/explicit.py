"""Fitness shared by distance."""

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
    """f_i = raw_i / sum_k sh(d_ik), with sh(d) = 1 - (d / radius)**alpha for d < radius and 0 beyond.

    raw_i is what i scores on all cases, and the sum is the niche count: it includes i itself, so that it is 1 for a
    member without neighbours and never less. At equilibrium the number of members on a peak is proportional to its
    height (Goldberg and Richardson 1987).

    Args:
        distance: How far apart members are: a `Genome`, a function of two batches, or "scores".
        radius: Where sharing ends, > 0: at most the distance of the two nearest peaks.
        alpha: Shape of sh, > 0: 1 is a triangle, more makes it flat around each member.
    """

    distance: Distance = attrs.field(validator=check_distance)
    radius: float = attrs.field(validator=greater_than(0))
    alpha: float = attrs.field(default=1.0, validator=greater_than(0))

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Shape (members,)."""
        sh = member_distances(self.distance, population, self._sh, key=self)  # (members, members)
        raw = population.means * population.scores.shape[1]
        fitness: NDArray[np.float64] = raw / sh.sum(axis=1)
        return fitness

    def _sh(self, apart: NDArray[np.float64]) -> NDArray[np.float64]:
        # From the radius on, d / radius counts as 1, which makes sh 0.
        sh: NDArray[np.float64] = 1 - (np.minimum(apart, self.radius) / self.radius) ** self.alpha
        return sh
