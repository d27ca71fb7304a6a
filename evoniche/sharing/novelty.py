"""Fitness for being different."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche._validators import whole
from evoniche.distances import Distance, check_distance, member_distances
from evoniche.roles import Sharing

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["NoveltySharing"]


@final
@attrs.frozen
class NoveltySharing(Sharing):
    """f_i = the mean distance to the k nearest other members, whatever i scores (Lehman and Stanley 2011).

    A copy of i is another member, at distance 0. Of fewer than k others all count, and who is alone has fitness 0.
    There is no archive of former members: novelty is that among the living.

    Args:
        distance: How far apart members are: a `Genome`, a function of two batches, or "scores"; the latter makes what
            a member solves its behaviour.
        neighbours: k, >= 1.
    """

    distance: Distance = attrs.field(validator=check_distance)
    neighbours: int = attrs.field(default=15, validator=whole(1))

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Shape (members,)."""
        members = len(population)
        apart = member_distances(self.distance, population)  # (members, members)
        others = np.where(np.eye(members, dtype=bool), np.inf, apart)
        k = min(self.neighbours, members - 1)
        # Sorted, not only parted: equals have to add up the same numbers in the same order.
        nearest = np.sort(others, axis=1)[:, :k]
        fitness: NDArray[np.float64] = nearest.sum(axis=1) / max(1, k)
        return fitness
