"""Mates by the union of what both parents solve."""

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
    """Draw mates in proportion to what they add to the union of both parents' scores.

        P(B | A) ~ sum_j v_j max(S_Bj - S_Aj, 0),    v_j: the importance (case weight) of case j, 1 by default

    This is attraction without prices: a case that everybody else solves attracts as much as one that hardly anybody
    solves. Compare it with `AttractionMateSelector` to see what the prices of eq. 4 (Abrantes 2025) contribute. The
    mate falls back to fitness-proportional choice when no member adds anything. A member that is alone mates with
    itself.

    >>> from evoniche import Population
    >>> population = Population.of(np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 1, 1]]))
    >>> MaxUnionMateSelector().mates(population, np.array([0, 2]), rng=np.random.default_rng(0)).tolist()[0]
    2
    """

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of the mates, shape (n,)."""
        same_for_all = np.ones(population.scores.shape[1])
        return attracted(population, first, rng=rng, load=same_for_all, capacity="one", eps=0.0)
