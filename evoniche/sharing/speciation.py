"""Fitness shared within species."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche._validators import at_least
from evoniche.distances import Distance, check_distance, member_distances
from evoniche.roles import Sharing

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["SpeciationSharing"]


@final
@attrs.frozen
class SpeciationSharing(Sharing):
    """f_i = raw_i / the number of members of its species (Stanley and Miikkulainen 2002, NEAT, eq. 2).

    raw_i is what i scores on all cases. Members come by age, oldest first, and join the first species whose
    representative is at a distance <= threshold; who finds none founds a species and represents it. NEAT keeps
    representatives from one generation to the next; here the oldest living member of a species is the representative,
    so that species follow from the population alone.

    Args:
        distance: How far apart members are: a `Genome`, a function of two batches, or "scores".
        threshold: Distance from the representative up to which a member is of its species, >= 0.
    """

    distance: Distance = attrs.field(validator=check_distance)
    threshold: float = attrs.field(validator=at_least(0))

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Shape (members,)."""
        compatible = member_distances(self.distance, population, self._near, key=self)  # (members, members)
        size = np.zeros(len(population))
        free = np.ones(len(population), dtype=np.bool_)  # who has no species yet
        for representative in population.ids.argsort().tolist():
            if free[representative]:
                species = np.flatnonzero(compatible[representative] & free)
                free[species] = False
                size[species] = len(species)
        raw = population.means * population.scores.shape[1]
        fitness: NDArray[np.float64] = raw / size
        return fitness

    def _near(self, apart: NDArray[np.float64]) -> NDArray[np.bool_]:
        return apart <= self.threshold
