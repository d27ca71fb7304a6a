"""The competition of a generation, in which the least fit leave one after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evoniche import functional
from evoniche.population import NOBODY, Population
from evoniche.sharing import ImplicitSharing

__all__ = ["survivors"]


def survivors(population: Population, k: int, *, protected: int = NOBODY) -> NDArray[np.int64]:
    """Who is left when the least fit leaves and fitness is shared anew, until k are left; of equals the oldest leaves.

    Args:
        population: Made by `Population.of`, so that ids are positions. It may be changed.
        k: How many stay.
        protected: The id of a member that stays whatever its fitness.

    Returns:
        Their ids, which are their positions at first, in rising order.
    """
    sharing = population.sharing
    if isinstance(sharing, ImplicitSharing) and not sharing.relative:
        return functional.survivors(
            population.scores, k, alpha=sharing.alpha, capacity=sharing.capacity, eps=sharing.eps,
            load=population.load, importance=population.importance, binary=population.binary,
            protected=None if protected == NOBODY else protected,
        )
    while len(population) > k:
        fitness = np.where(population.ids == protected, np.inf, population.fitness)
        population.remove(int(np.lexsort((population.ids, fitness))[0]))
    return np.sort(population.ids)
