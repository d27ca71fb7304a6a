"""Generational replacement with elites."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np

from evoniche._validators import whole
from evoniche.population import NOBODY
from evoniche.roles import Replacement

if TYPE_CHECKING:
    from evoniche.population import Offspring, Population

__all__ = ["GenerationalReplacement"]


@final
@attrs.frozen
class GenerationalReplacement(Replacement):
    """Let the children replace the old members, except for the fittest `elites` (De Jong 1975).

    All children join. As many old members leave as there are too many, the least fit first and of equals the oldest;
    the elites stay. If that is not enough, the least fit children leave as well. With `limit - elites` children at a
    time this is the generation of the textbooks; with fewer, it has a generation gap.

    Args:
        elites: The number of old members that stay in any case, >= 0. If it is `limit` or more, limit - 1 stay, so that
            there is a place for a child.

    >>> from evoniche import Offspring, Population
    >>> population = Population.of(np.array([[0.9], [0.8], [0.7]]))
    >>> scores = np.array([[0.1], [0.2]])
    >>> children = Offspring(np.arange(2), np.array([3, 4]), np.array([[0, 1], [1, 2]]), ask=1, seed=0, scores=scores)
    >>> GenerationalReplacement(elites=1).replace(population, children)
    >>> sorted(population.ids.tolist())
    [0, 3, 4]
    """

    elites: int = attrs.field(default=1, validator=whole(0))

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let all children in at once."""
        if (offspring.parents == NOBODY).all():
            # The first genomes have no parents: they all compete by fitness.
            population.add(offspring)
            population.remove(_from_the_fittest(population)[population.limit :])
            return
        old = _from_the_fittest(population)
        elites = population.ids[old[: min(self.elites, population.limit - 1)]]
        others = population.ids[old[len(elites) :]]
        population.add(offspring)
        excess = len(population) - population.limit
        if excess <= 0:
            return
        leaving = others[len(others) - min(excess, len(others)) :]
        population.remove(np.flatnonzero(np.isin(population.ids, leaving)))
        if (excess := len(population) - population.limit) > 0:
            ranked = _from_the_fittest(population)
            children = ranked[~np.isin(population.ids[ranked], elites)]
            population.remove(children[-excess:])


def _from_the_fittest(population: Population) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return the positions from the highest fitness to the lowest, of equals the younger first."""
    return np.lexsort((-population.ids, -population.fitness)) if len(population) else np.zeros(0, dtype=np.intp)
