"""De Jong's crowding: the most similar of a few random members leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs

from evoniche._validators import whole
from evoniche.distances import Distance, check_distance
from evoniche.replacements._nearest import nearest_drawn
from evoniche.roles import Replacement

if TYPE_CHECKING:
    from evoniche.population import Offspring, Population

__all__ = ["CrowdingReplacement"]


@final
@attrs.frozen
class CrowdingReplacement(Replacement):
    """Put each child in the place of the nearest of `factor` random members, however fit either is (De Jong 1975).

    Fitness does not decide who leaves, so it should decide who breeds; the best member may be lost. Of equally near
    members, the first drawn leaves. Children join one after the other, and nobody leaves while there is room.

    Args:
        distance: The distance between members: a `Genome`, a function of two batches, or "scores".
        factor: The number of members that are drawn without replacement, >= 1; all members if there are fewer. De Jong
            used 2 and 3.

    >>> import numpy as np
    >>> from evoniche import Offspring, Population
    >>> population = Population.of(np.array([[0.1, 0.9], [0.9, 0.1]]))
    >>> child = Offspring(np.array([7]), np.array([2]), np.array([[0, 1]]), ask=1, seed=0, scores=np.array([[0.8, 0]]))
    >>> CrowdingReplacement("scores").replace(population, child)  # of ids 0 and 1, 1 is nearer
    >>> sorted(population.ids.tolist())
    [0, 2]
    """

    distance: Distance = attrs.field(validator=check_distance)
    factor: int = attrs.field(default=3, validator=whole(1))

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let the children in, one after the other."""
        rng = offspring.generator()
        for i in range(len(offspring)):
            child = offspring.take([i])
            if len(population) < population.limit:
                population.add(child)
                continue
            nearest = nearest_drawn(self.distance, population, child, self.factor, rng=rng)
            population.add(child)  # behind the members, whose positions stay
            population.remove(nearest)
