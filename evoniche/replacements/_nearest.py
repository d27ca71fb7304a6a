"""The search for the nearest of a few members, shared by the replacements that draw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.random import Generator

from evoniche.distances import Distance, distances

if TYPE_CHECKING:
    from evoniche.population import Offspring, Population

__all__ = ["nearest_drawn"]


def nearest_drawn(distance: Distance, population: Population, child: Offspring, n: int, *, rng: Generator) -> int:
    """Draw n members without replacement and return the position of the one nearest to a child.

    Of equally near members it is the first drawn. With fewer than n members, all are drawn.
    """
    members = len(population)
    drawn = rng.choice(members, size=min(n, members), replace=False)
    return int(drawn[distances(distance, population, child, drawn).argmin()])
