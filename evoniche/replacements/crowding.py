"""The most similar of a few leaves."""

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
    """A child takes the place of the nearest of `factor` random members, however fit either is (De Jong 1975).

    Fitness has no say in who leaves, so it must have one in who breeds, and the best member may be lost. Of equally
    near members the first drawn leaves. Children come one after the other; while there is room nobody leaves.

    Args:
        distance: A `Genome`, a function of two batches that gives (len(a), len(b)) distances, or "scores".
        factor: Members drawn without replacement, >= 1; all when there are fewer. De Jong had 2 and 3.
    """

    distance: Distance = attrs.field(validator=check_distance)
    factor: int = attrs.field(default=3, validator=whole(1))

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let children in, one after the other."""
        rng = offspring.generator()
        for i in range(len(offspring)):
            child = offspring.take([i])
            if len(population) < population.limit:
                population.add(child)
                continue
            nearest = nearest_drawn(self.distance, population, child, self.factor, rng=rng)
            population.add(child)  # behind the members, whose positions stay
            population.remove(nearest)
