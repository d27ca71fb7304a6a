"""What mates by attraction have in common, however it is priced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.randomness import weighted_indices

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["attracted"]


def attracted(
    weights: NDArray[np.floating], population: Population, first: NDArray[np.intp], *, rng: Generator
) -> NDArray[np.intp]:
    """Mates in proportion to how much each attracts; where nobody does, one of the others by fitness.

    Args:
        weights: Shape (n, members), a row for each first parent; filled in where it is all zero.
        population: Whose members.
        first: Positions of the first parents, shape (n,).
        rng: Where the randomness comes from.

    Returns:
        Positions, shape (n,).
    """
    unattracted = np.flatnonzero(~weights.any(axis=1))
    if len(unattracted):
        weights[unattracted] = population.fitness
        weights[unattracted, first[unattracted]] = 0
        # Nobody else has any fitness: any other will do.
        empty = unattracted[~weights[unattracted].any(axis=1)]
        weights[empty] = 1
        weights[empty, first[empty]] = 0
    return weighted_indices(weights, len(first), rng=rng)
