"""Mating restriction: mates near the first parent."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import at_least
from evoniche.distances import Distance, check_distance, distances
from evoniche.randomness import weighted_indices
from evoniche.roles import MateSelector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["RestrictedMateSelector"]


@final
@attrs.frozen
class RestrictedMateSelector(MateSelector):
    """Draw the mate uniformly among the other members within a radius, or among all others if there is none.

    Parents from different niches seldom have good children (Deb and Goldberg 1989, who search for a mate within the
    radius and take one at random when there is none). A member that is alone mates with itself.

    Args:
        distance: A `Genome`, a function of two batches that returns shape (len(a), len(b)), or "scores".
        radius: The largest distance of a mate, >= 0, in the units of the distance.

    >>> from evoniche import Population
    >>> population = Population.of(np.array([[1, 1, 1, 1], [1, 1, 1, 0], [0, 0, 0, 1]]))
    >>> near = RestrictedMateSelector("scores", radius=1.0)
    >>> near.mates(population, np.array([0, 1]), rng=np.random.default_rng(0))
    array([1, 0])
    """

    distance: Distance = attrs.field(validator=check_distance)
    radius: float = attrs.field(validator=at_least(0))

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of the mates, shape (n,)."""
        other = first[:, None] != np.arange(len(population))  # (n, members)
        near = other & (distances(self.distance, population, population, positions=first) <= self.radius)
        weights = np.where(near.any(axis=1, keepdims=True), near, other).astype(np.float64)
        return weighted_indices(weights, len(first), rng=rng)
