"""Steady state: the worst leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np

from evoniche.roles import Replacement

if TYPE_CHECKING:
    from evoniche.population import Offspring, Population

__all__ = ["WorstReplacement"]


@final
@attrs.frozen
class WorstReplacement(Replacement):
    """A child joins, fitness is shared anew among all, and the member with the lowest leaves; often that is the child.

    Several children join one after the other. Of equals the oldest leaves; while there is room nobody does
    (Abrantes 2025, section 3.1).
    """

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let children in, one after the other."""
        for i in range(len(offspring)):
            population.add(offspring if len(offspring) == 1 else offspring.take([i]))
            if len(population) > population.limit:
                population.remove(_worst(population))


def _worst(population: Population) -> int:
    fitness = population.fitness
    equals = np.flatnonzero(fitness == fitness.min())
    return int(equals[population.ids[equals].argmin()])
