"""Restricted tournament replacement: a child competes with the most similar of a few random members."""

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
    """Put a child in the place of the nearest of `window` random members if it is strictly fitter (Harik 1995).

    Of equally near members, the first drawn competes; on a tie of fitness the member stays. Children join one after the
    other, each with a window of its own. Nobody leaves while there is room.

    With the whole population as window, this is the replacement of crowding differential evolution (Thomsen 2004).
    `DifferentialCrossover` makes the children for it.

    Args:
        distance: The distance between members: a `Genome`, a function of two batches, or "scores".
        window: The number of members that are drawn without replacement, >= 1; all members if there are fewer. It
            should be a few times the number of niches to be held: if the window misses the niche of a child, the child
            competes with another niche.

    >>> import numpy as np
    >>> from evoniche import Offspring, Population
    >>> population = Population.of(np.array([[0.1, 0.9], [0.9, 0.1]]))
    >>> child = Offspring(np.array([7]), np.array([2]), np.array([[0, 1]]), ask=1, seed=0, scores=np.array([[0.8, 0]]))
    >>> RestrictedTournamentReplacement("scores").replace(population, child)  # id 1 is nearer, and fitter
    >>> sorted(population.ids.tolist())
    [0, 1]
    """

    distance: Distance = attrs.field(validator=check_distance)
    window: int = attrs.field(default=20, validator=whole(1))

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let the children compete, one after the other."""
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
