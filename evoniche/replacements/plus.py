"""The best of old and young."""

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
    """(mu + lambda): all children join at once, and the fittest `limit` of members and children stay (Schwefel 1981).

    Fitness is shared once among all; `WorstReplacement` shares it anew for every child. Of equals the younger stay.
    """

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let all children in at once."""
        population.add(offspring)
        from_the_fittest = np.lexsort((-population.ids, -population.fitness))
        population.remove(from_the_fittest[population.limit :])
