"""Mates by what both parents have together."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.mates._attracted import attracted
from evoniche.roles import MateSelector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["MaxUnionMateSelector"]


@final
@attrs.frozen
class MaxUnionMateSelector(MateSelector):
    """P(B | A) in proportion to sum_j v_j max(S_Bj - S_Aj, 0): what B adds to the union of what both can do.

    Attraction with unit weights: a case that all others solve attracts as much as one that hardly anybody solves. The
    comparison shows what the prices of eq. 4 (Abrantes 2025) are worth. Whoever is attracted by nobody takes one of
    the others by fitness, and itself when it is alone.
    """

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        same_for_all = np.ones(population.scores.shape[1])
        return attracted(population, first, rng=rng, load=same_for_all, capacity="one", eps=0.0)
