"""Lexicase selection."""

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
    """Filter the members case by case, in a random order for each parent, by who is best on the case.

    The filter stops when one member is left or the cases end; one of those left is drawn uniformly (Spector 2012;
    Helmuth, Spector and Matheson 2015). Scores are never added up, so specialists breed. The selector looks at the
    scores alone: neither the sharing nor the importance of the cases plays a part.

    >>> from evoniche import Population
    >>> population = Population.of(np.array([[1.0, 0.0], [0.6, 0.9], [0.9, 0.8]]))
    >>> parents = LexicaseSelector().select(population, 50, rng=np.random.default_rng(0))
    >>> sorted(set(parents.tolist()))  # each specialist breeds, and the best mean never does
    [0, 1]
    """

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of n first parents, shape (n,)."""
        return functional.lexicase(population.scores, n, rng=rng)
