"""The winners of a niche take all."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche._validators import at_least, whole
from evoniche.distances import Distance, check_distance, member_distances
from evoniche.roles import Sharing

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["ClearingSharing"]


@final
@attrs.frozen
class ClearingSharing(Sharing):
    """f_i = raw_i for the `capacity` best members of a niche, and 0 for its others (Petrowski 1996).

    Members come in the order of what they score on all cases, highest first and of equals the oldest. Whoever is not
    cleared when its turn comes dominates a niche, the members at a distance < radius: the niche keeps itself and the
    next capacity - 1 who are not cleared yet, all after them are cleared. Who was kept there has a turn of its own.

    Args:
        distance: How far apart members are: a `Genome`, a function of two batches, or "scores".
        radius: Of a niche, >= 0; with 0 every member is a niche of its own, and nobody is cleared.
        capacity: Kappa, how many winners a niche has, >= 1.
    """

    distance: Distance = attrs.field(validator=check_distance)
    radius: float = attrs.field(validator=at_least(0))
    capacity: int = attrs.field(default=1, validator=whole(1))

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Shape (members,)."""
        fitness: NDArray[np.float64] = population.means * population.scores.shape[1]
        order = np.lexsort((population.ids, -fitness))  # (members,)
        rank = order.argsort()
        near = member_distances(self.distance, population, self._near, key=self)  # (members, members)
        waiting = np.ones(len(order), dtype=np.bool_)  # for their turn, not cleared
        for winner in order.tolist():
            if waiting[winner]:
                waiting[winner] = False
                followers = np.flatnonzero(near[winner] & waiting)
                if len(followers) >= self.capacity:
                    losers = followers[rank[followers].argsort()[self.capacity - 1 :]]
                    waiting[losers] = False
                    fitness[losers] = 0
        return fitness

    def _near(self, apart: NDArray[np.float64]) -> NDArray[np.bool_]:
        return apart < self.radius
