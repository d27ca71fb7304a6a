"""Generational replacement that keeps the best member of each species."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche._validators import at_least, probability
from evoniche.distances import Distance, check_distance, distances, member_distances
from evoniche.population import NOBODY
from evoniche.roles import Replacement

if TYPE_CHECKING:
    from evoniche.population import Offspring, Population

__all__ = ["SpeciesConservingReplacement"]


@final
@attrs.frozen
class SpeciesConservingReplacement(Replacement):
    """Let the children replace the old members, but for the best of each species (Li, Balazs, Parks and Clarkson 2002).

    The members are visited from the highest score to the lowest, of equals the oldest first. One that is at least
    `radius` away from all seeds before it is the seed of a species. Then each seed claims a place among the children:
    that of the worst child within the radius if the seed is better than it, and if no child is near, that of the worst
    child of all. Each child is claimed once, and none where there is room for seeds and children. Scores decide and not
    fitness, which sharing divides.

    A generation without it forgets what it has found: when every child is a mutant, no member stays on the top of a
    peak. Clearing has the same rule for its winners (Petrowski 1996), and NEAT for the champions of its species
    (Stanley and Miikkulainen 2002).

    Args:
        distance: The distance between members: a `Genome`, a function of two batches, or "scores".
        radius: The radius of a species, >= 0: half of the species distance of the source.
        share: The greatest share of the population that is kept, from 0 to 1; at least one place is for a child. The
            source has no such limit. A radius that is too small makes every member a seed, and nothing would move.

    >>> from evoniche import Offspring, Population, RealGenome
    >>> population = Population.of(np.array([[0.9], [0.8], [0.7]]), np.array([[0.0], [5.0], [0.1]]))
    >>> scores, genomes = np.array([[0.5], [0.6], [0.1]]), np.array([[0.2], [0.3], [9.0]])
    >>> children = Offspring(genomes, np.arange(3, 6), np.zeros((3, 2), dtype=int), ask=1, seed=0, scores=scores)
    >>> SpeciesConservingReplacement(RealGenome(1), radius=1, share=1).replace(population, children)
    >>> sorted(population.ids.tolist())  # seeds 0 and 1 take the places of 3 and 5
    [0, 1, 4]
    """

    distance: Distance = attrs.field(validator=check_distance)
    radius: float = attrs.field(validator=at_least(0))
    share: float = attrs.field(default=0.5, validator=probability())

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let all children in at once but those whose places are claimed."""
        if (offspring.parents == NOBODY).all() or len(population) + len(offspring) <= population.limit:
            population.add(offspring)  # the first genomes, which compete by fitness, or there is room for all
            population.remove(_from_the_fittest(population)[population.limit :])
            return
        seeds, fittest = self._seeds(population), population.ids[_from_the_fittest(population)]
        members = len(population)
        population.add(offspring)  # behind the members, whose positions stay
        kept, out = self._claims(population, offspring, seeds, members)
        others = fittest[~np.isin(fittest, kept)]
        excess = max(0, len(population) - len(out) - population.limit)
        leaving = others[len(others) - min(excess, len(others)) :]
        population.remove(np.flatnonzero(np.isin(population.ids, np.concatenate([leaving, out]))))
        if (excess := len(population) - population.limit) > 0:  # more children than places
            ranked = _from_the_fittest(population)
            population.remove(ranked[~np.isin(population.ids[ranked], kept)][-excess:])

    def _claims(
        self, population: Population, offspring: Offspring, seeds: NDArray[np.intp], members: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the ids of the seeds that stay, and of the children, behind the members, that lose their places."""
        if len(seeds) + len(offspring) <= population.limit:
            return population.ids[seeds], population.ids[:0]  # there is room for all of them
        near = distances(self.distance, population, offspring, seeds) < self.radius  # (seeds, n)
        theirs, ours = population.means[members:], population.means[seeds]
        free = np.ones(len(theirs), dtype=np.bool_)
        kept: list[int] = []
        out: list[int] = []
        for seed, score, beside in zip(seeds, ours, near, strict=True):
            species = np.flatnonzero(beside & free)
            claimed = species if len(species) else np.flatnonzero(free)
            if not len(claimed):
                break
            worst = claimed[theirs[claimed].argmin()]
            free[worst] = False
            if not len(species) or theirs[worst] < score:
                out.append(members + worst)
                kept.append(seed)
        return population.ids[np.array(kept, dtype=np.intp)], population.ids[np.array(out, dtype=np.intp)]

    def _seeds(self, population: Population) -> NDArray[np.intp]:
        """Return the positions of the seeds, the best first."""
        apart = member_distances(self.distance, population)
        order = np.lexsort((population.ids, -population.means))
        free = np.ones(len(order), dtype=np.bool_)
        seeds: list[int] = []
        most = min(int(self.share * population.limit), population.limit - 1)
        for position in order.tolist():
            if free[position] and len(seeds) < most:
                seeds.append(position)
                free &= apart[position] >= self.radius
        return np.array(seeds, dtype=np.intp)


def _from_the_fittest(population: Population) -> NDArray[np.intp]:
    """Return the positions from the highest fitness to the lowest, of equals the younger first."""
    return np.lexsort((-population.ids, -population.fitness)) if len(population) else np.zeros(0, dtype=np.intp)
