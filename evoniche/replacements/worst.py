"""Steady-state replacement: the least fit leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs

from evoniche.roles import Replacement

if TYPE_CHECKING:
    from evoniche.population import Offspring, Population

__all__ = ["WorstReplacement"]


@final
@attrs.frozen
class WorstReplacement(Replacement):
    """Let a child join, share fitness anew among all, and remove the least fit, which may be the child.

    Several children join one after the other. Of equally fit members the oldest leaves. Nobody leaves while there is
    room (Abrantes 2025, section 3.1).

    >>> import numpy as np
    >>> from evoniche import Offspring, Population
    >>> population = Population.of(np.array([[0.9], [0.1]]))
    >>> child = Offspring(np.array([7]), np.array([2]), np.array([[0, 1]]), ask=1, seed=0, scores=np.array([[0.5]]))
    >>> WorstReplacement().replace(population, child)
    >>> sorted(population.ids.tolist())
    [0, 2]
    """

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let the children in, one after the other."""
        for i in range(len(offspring)):
            population.add(offspring if len(offspring) == 1 else offspring.take([i]))
            if len(population) > population.limit:
                population.remove(_worst(population))


def _worst(population: Population) -> int:
    """Return the position of the least fit member, of equals the oldest."""
    fitness = population.fitness
    equals = (fitness == fitness.min()).nonzero()[0]
    return int(equals[population.ids[equals].argmin()])
