"""Deterministic crowding: children compete with their own parents."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche.distances import Distance, check_distance, distances
from evoniche.population import NOBODY
from evoniche.roles import Replacement

if TYPE_CHECKING:
    from evoniche.population import Offspring, Population

__all__ = ["DeterministicCrowdingReplacement"]


@final
@attrs.frozen
class DeterministicCrowdingReplacement(Replacement):
    """Let each child compete with the more similar of its parents, whose place it takes if it is strictly fitter.

    Two children that are told together and have the same two parents A and B are siblings. Each competes with another
    parent, so that the sum of distances is minimal (Mahfoud 1992, 1995). With children c and c',

        c against A, c' against B    if d(c, A) + d(c', B) <= d(c, B) + d(c', A),
        c against B, c' against A    otherwise.

    Similarity alone decides who competes with whom. Fitness decides who stays, and on a tie it is the parent. A child
    with one living parent competes with that parent, a child with none with the nearest member. Nobody leaves while
    there is room. Mahfoud lets every member breed once in a generation, with a mate drawn at random.

    Args:
        distance: The distance between members: a `Genome`, a function of two batches, or "scores".

    >>> from evoniche import Offspring, Population
    >>> population = Population.of(np.array([[0.1, 0.9], [0.6, 0.1]]))
    >>> child = Offspring(np.array([7]), np.array([2]), np.array([[0, 1]]), ask=1, seed=0, scores=np.array([[0.8, 0]]))
    >>> DeterministicCrowdingReplacement("scores").replace(population, child)  # it is nearer to parent 1, and fitter
    >>> sorted(population.ids.tolist())
    [0, 2]
    """

    distance: Distance = attrs.field(validator=check_distance)

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let the children compete, family by family."""
        for family in _families(offspring.parents):
            siblings = offspring.take(family)
            rivals = self._rivals_of_two(population, siblings)
            for i in range(len(family)):
                child = siblings.take([i])
                if len(population) < population.limit:
                    population.add(child)
                else:
                    _compete(population, child, rivals[i] if rivals else self._rival_of_one(population, child))

    def _rivals_of_two(self, population: Population, siblings: Offspring) -> list[int]:
        """Return the ids of the siblings' rivals; an empty list unless there are two and both parents are alive."""
        parents = _living(population, siblings.parents[0])
        if len(siblings) < 2 or len(parents) < 2:
            return []
        apart = distances(self.distance, population, siblings, parents)  # (parents, siblings)
        crosswise = apart[0, 0] + apart[1, 1] > apart[0, 1] + apart[1, 0]
        rivals: list[int] = population.ids[parents[::-1] if crosswise else parents].tolist()
        return rivals

    def _rival_of_one(self, population: Population, child: Offspring) -> int:
        """Return the id of the nearest living parent, or of the nearest member if no parent is alive."""
        candidates = _living(population, child.parents[0])
        if not len(candidates):
            candidates = np.arange(len(population))
        apart = distances(self.distance, population, child, candidates)  # (candidates, 1)
        return int(population.ids[candidates[apart.argmin()]])


def _families(parents: NDArray[np.int64]) -> list[list[int]]:
    """Return the positions of all n children in groups: pairs with the same two parents, and single children."""
    families: list[list[int]] = []
    waiting: dict[tuple[int, int], list[int]] = {}  # one child of these two parents, for a sibling
    for child, (a, b) in enumerate(np.sort(parents, axis=1).tolist()):
        if (a, b) in waiting:
            waiting.pop((a, b)).append(child)
            continue
        families.append([child])
        if NOBODY != a != b:
            waiting[a, b] = families[-1]
    return families


def _living(population: Population, ids: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the positions of the members with these ids, in the order of the ids; the dead are left out."""
    return np.nonzero(ids[:, None] == population.ids)[1]


def _compete(population: Population, child: Offspring, rival: int) -> None:
    """Let the child join, so that fitness is shared among all, and then let it or the rival leave."""
    population.add(child)
    ours, theirs = (int(np.flatnonzero(population.ids == id_)[0]) for id_ in (child.ids[0], rival))
    fitness = population.fitness
    population.remove(theirs if fitness[ours] > fitness[theirs] else ours)
