"""Children take the places of their own parents."""

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
    """A child competes with the more similar of its parents, and takes its place if it is strictly fitter.

    Siblings are two children told together that have the same two parents A and B. Each competes with another parent,
    so that the sum of distances is minimal (Mahfoud 1992, 1995): with c and c',

        c against A, c' against B    if d(c, A) + d(c', B) <= d(c, B) + d(c', A),
        c against B, c' against A    otherwise.

    Who meets whom is a matter of similarity alone; fitness decides who of the two stays, and on a tie the parent does.
    A child with one living parent competes with that, one with none with the nearest member. While there is room
    nobody leaves. Mahfoud lets every member breed once in a generation, with a mate drawn at random.

    Args:
        distance: A `Genome`, a function of two batches that gives (len(a), len(b)) distances, or "scores".
    """

    distance: Distance = attrs.field(validator=check_distance)

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let children compete, family by family."""
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
        """The id of each sibling's rival; nothing unless there are two siblings and both parents are alive."""
        parents = _living(population, siblings.parents[0])
        if len(siblings) < 2 or len(parents) < 2:
            return []
        apart = distances(self.distance, population, siblings, parents)  # (parents, siblings)
        crosswise = apart[0, 0] + apart[1, 1] > apart[0, 1] + apart[1, 0]
        rivals: list[int] = population.ids[parents[::-1] if crosswise else parents].tolist()
        return rivals

    def _rival_of_one(self, population: Population, child: Offspring) -> int:
        """The id of the nearest among the living parents, else among all members."""
        candidates = _living(population, child.parents[0])
        if not len(candidates):
            candidates = np.arange(len(population))
        apart = distances(self.distance, population, child, candidates)  # (candidates, 1)
        return int(population.ids[candidates[apart.argmin()]])


def _families(parents: NDArray[np.int64]) -> list[list[int]]:
    """Positions of children, (n,) in all: two together that have the same two parents, the others alone."""
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
    """Positions of those of these ids that are alive, in the order of the ids."""
    return np.nonzero(ids[:, None] == population.ids)[1]


def _compete(population: Population, child: Offspring, rival: int) -> None:
    """The child joins, so that fitness is shared among all, and it or the rival leaves."""
    population.add(child)
    ours, theirs = (int(np.flatnonzero(population.ids == id_)[0]) for id_ in (child.ids[0], rival))
    fitness = population.fitness
    population.remove(theirs if fitness[ours] > fitness[theirs] else ours)
