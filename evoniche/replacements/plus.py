"""(mu + lambda) replacement: the fittest of members and children stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np

from evoniche.roles import Replacement

if TYPE_CHECKING:
    from evoniche.population import Offspring, Population

__all__ = ["PlusReplacement"]


@final
@attrs.frozen
class PlusReplacement(Replacement):
    """Let all children join at once, and keep the fittest `limit` of members and children (Schwefel 1981).

    This is (mu + lambda) selection. Fitness is shared once among all members and children; `WorstReplacement` shares it
    anew for every child. Of equally fit ones, the younger stay.

    >>> from evoniche import Offspring, Population
    >>> population = Population.of(np.array([[0.9], [0.1]]))
    >>> scores = np.array([[0.5], [0.0]])
    >>> children = Offspring(np.arange(2), np.array([2, 3]), np.array([[0, 1], [0, 1]]), ask=1, seed=0, scores=scores)
    >>> PlusReplacement().replace(population, children)
    >>> sorted(population.ids.tolist())
    [0, 2]
    """

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let all children in at once."""
        population.add(offspring)
        from_the_fittest = np.lexsort((-population.ids, -population.fitness))
        population.remove(from_the_fittest[population.limit :])
