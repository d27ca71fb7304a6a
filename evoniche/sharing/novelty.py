"""Fitness by novelty: how different a member is from its nearest neighbours."""

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
    """Make fitness the mean distance to the k nearest other members, whatever the scores (Lehman and Stanley 2011).

    A copy of a member counts as another member, at distance 0. With fewer than k others, all of them count; a member
    that is alone has fitness 0. There is no archive of former members: novelty is measured among the living.

    Args:
        distance: The distance between members: a `Genome`, a function of two batches, or "scores". With
            "scores", behaviour is the set of cases that a member solves.
        neighbours: The number of neighbours (k), >= 1.

    >>> from evoniche import Population
    >>> scores = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 1, 1]])
    >>> Population.of(scores, sharing=NoveltySharing("scores", neighbours=1)).fitness
    array([0., 0., 2.])
    """

    distance: Distance = attrs.field(validator=check_distance)
    neighbours: int = attrs.field(default=15, validator=whole(1))

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Return the fitness of every member, shape (members,)."""
        k = min(self.neighbours, len(population) - 1)
        apart = member_distances(self.distance, population)  # (members, members)
        nearest = self._nearest(population, apart, k) if k > 0 else np.zeros((len(population), 0))
        fitness: NDArray[np.float64] = nearest.sum(axis=1) / max(1, k)
        return fitness

    def _nearest(self, population: Population, apart: NDArray[np.float64], k: int) -> NDArray[np.float64]:
        """Return the k smallest distances of each member to the others, shape (members, k), in rising order.

        The population remembers the distances and the ids of the neighbours. A row is computed again only if one of the
        neighbours has left, or if a newcomer is nearer than the k-th.
        """
        ids = population.ids
        nearest, names = np.empty((len(ids), k)), np.empty((len(ids), k), dtype=np.int64)
        again = np.ones(len(ids), dtype=np.bool_)
        by, known, before, named = population.recall(NoveltySharing, (None, ids[:0], nearest[:0], names[:0]))
        n = min(len(ids), len(known))
        if by is self and n and before.shape[1] == k:
            moved = np.append(ids[:n] != known[:n], np.ones(len(ids) - n, dtype=np.bool_))
            was = np.append(known[:n][moved[:n]], known[n:])
            left = np.setdiff1d(was, ids[moved])
            came = np.flatnonzero(moved)[np.isin(ids[moved], was, invert=True)]
            nearest[:n], names[:n] = before[:n], named[:n]
            lost = np.isin(named[:n], left).any(axis=1)
            nearer = (apart[:n, came] < before[:n, -1:]).any(axis=1)
            again[:n] = moved[:n] | lost | nearer
        rows = np.flatnonzero(again)
        others = apart[rows]
        others[np.arange(len(rows)), rows] = np.inf
        chosen = np.argpartition(others, k - 1, axis=1)[:, :k]
        distances = np.take_along_axis(others, chosen, axis=1)
        # In order: equals have to add up the same numbers in the same order.
        order = distances.argsort(axis=1)
        nearest[rows] = np.take_along_axis(distances, order, axis=1)
        names[rows] = ids[np.take_along_axis(chosen, order, axis=1)]
        population.remember(NoveltySharing, (self, ids.copy(), nearest, names))
        return nearest
