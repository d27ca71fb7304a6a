"""Generations with elites."""

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
    """The children take the place of the old members, of whom the fittest `elites` stay (De Jong 1975).

    As many old members as there are too many leave, the least fit first and of equals the oldest; elites stay even
    so. More children than there are places compete by fitness. With `limit - elites` children at a time this is the
    textbook generation; with fewer, a generation gap.

    Args:
        elites: How many of the old members stay in any case, >= 0; one place at least is the children's.
    """

    elites: int = attrs.field(default=1, validator=whole(0))

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let all children in at once."""
        if (offspring.parents == NOBODY).all():
            # The first genomes are nobody's children: all compete.
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
    """Positions by falling fitness, of equals the younger first."""
    return np.lexsort((-population.ids, -population.fitness)) if len(population) else np.zeros(0, dtype=np.intp)
