"""What replacements by a window have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.random import Generator

from evoniche.distances import Distance, distances

if TYPE_CHECKING:
    from evoniche.population import Offspring, Population

__all__ = ["nearest_drawn"]


def nearest_drawn(distance: Distance, population: Population, child: Offspring, n: int, *, rng: Generator) -> int:
    """The position of the member nearest to a child among n drawn without replacement; of equals the first drawn."""
    members = len(population)
    drawn = rng.choice(members, size=min(n, members), replace=False)
    return int(drawn[distances(distance, population, child, drawn).argmin()])
