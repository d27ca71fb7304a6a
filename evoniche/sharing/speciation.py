"""Fitness shared among the members of a species."""

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
    """Divide raw fitness by the size of the species (Stanley and Miikkulainen 2002, NEAT, eq. 2).

    The raw fitness of a member is the sum of its scores over the cases. Members are visited from the oldest to the
    youngest. Each joins the first species whose representative is at a distance <= threshold; if there is none, it
    founds a species and represents it. NEAT keeps representatives from one generation to the next. Here the oldest
    living member of a species represents it, so that the species follow from the population alone.

    Args:
        distance: The distance between members: a `Genome`, a function of two batches, or "scores".
        threshold: The distance from the representative up to which a member belongs to the species, >= 0.

    >>> from evoniche import Population
    >>> scores = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 1]])
    >>> Population.of(scores, sharing=SpeciationSharing("scores", threshold=1)).fitness
    array([1. , 1.5, 1. ])
    """

    distance: Distance = attrs.field(validator=check_distance)
    threshold: float = attrs.field(validator=at_least(0))

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Return the fitness of every member, shape (members,)."""
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
