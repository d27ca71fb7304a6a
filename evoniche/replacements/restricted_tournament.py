"""A tournament with the most similar of a few."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs

from evoniche._validators import whole
from evoniche.distances import Distance, check_distance
from evoniche.replacements._nearest import nearest_drawn
from evoniche.roles import Replacement

if TYPE_CHECKING:
    from evoniche.population import Offspring, Population

__all__ = ["RestrictedTournamentReplacement"]


@final
@attrs.frozen
class RestrictedTournamentReplacement(Replacement):
    """A child takes the place of the nearest of `window` random members, if it is strictly fitter (Harik 1995).

    Of equally near members the first drawn competes; on a tie of fitness the member stays. Children come one after the
    other, each with a window of its own; while there is room nobody leaves.

    A window of the whole population makes it the replacement of crowding differential evolution (Thomsen 2004), whose
    children `DifferentialCrossover` makes.

    Args:
        distance: A `Genome`, a function of two batches that gives (len(a), len(b)) distances, or "scores".
        window: Members drawn without replacement, >= 1; all when there are fewer. A few times the number of niches to
            be held: a window that misses a child's niche lets it compete with another.
    """

    distance: Distance = attrs.field(validator=check_distance)
    window: int = attrs.field(default=20, validator=whole(1))

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let children compete, one after the other."""
        rng = offspring.generator()
        for i in range(len(offspring)):
            child, members = offspring.take([i]), len(population)
            if members < population.limit:
                population.add(child)
                continue
            nearest = nearest_drawn(self.distance, population, child, self.window, rng=rng)
            population.add(child)  # behind the members, whose positions stay
            fitness = population.fitness
            population.remove(nearest if fitness[-1] > fitness[nearest] else members)
