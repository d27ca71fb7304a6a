"""Selection case by case."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import functional
from evoniche.roles import Selector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["LexicaseSelector"]


@final
@attrs.frozen
class LexicaseSelector(Selector):
    """The cases, in a random order for each parent, keep who is best on them, until one is left or the cases end.

    Of those left, one is drawn uniformly (Spector 2012; Helmuth, Spector and Matheson 2015). Scores are never added
    up, so specialists breed; neither the sharing nor the importance of cases plays a part.
    """

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        return functional.lexicase(population.scores, n, rng=rng)
