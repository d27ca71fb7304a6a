"""Fitness for the winners of each niche alone."""

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
    """Leave the `capacity` best members of each niche their raw fitness, and give the others 0 (Petrowski 1996).

    The raw fitness of a member is the sum of its scores over the cases. Members are visited from the highest raw
    fitness to the lowest, and of equals from the oldest to the youngest. A member that is not cleared when it is
    visited dominates a niche: the members at a distance < radius. The next capacity - 1 members of the niche that are
    not cleared keep their fitness, and all after them are cleared. Those that keep it are visited in their own turn.

    Args:
        distance: The distance between members: a `Genome`, a function of two batches, or "scores".
        radius: The radius of a niche, in units of the distance, >= 0. With 0 nobody is cleared.
        capacity: The number of winners in a niche (kappa), >= 1.

    >>> from evoniche import Population
    >>> scores = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]])
    >>> Population.of(scores, sharing=ClearingSharing("scores", radius=1.5)).fitness
    array([3., 0., 1.])
    """

    distance: Distance = attrs.field(validator=check_distance)
    radius: float = attrs.field(validator=at_least(0))
    capacity: int = attrs.field(default=1, validator=whole(1))

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Return the fitness of every member, shape (members,)."""
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
