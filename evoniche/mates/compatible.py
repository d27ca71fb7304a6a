"""Attraction among members that merge well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import at_least
from evoniche.compatibility import compatibility
from evoniche.mates._attracted import attracted, pricing_of
from evoniche.roles import MateSelector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["CompatibleMateSelector"]


@final
@attrs.frozen
class CompatibleMateSelector(MateSelector):
    """Draw mates that complement the first parent and merge with it: P(B | A) ~ g(A, B) c(A, B)**strength.

    g is the attraction of eq. 4 (Abrantes 2025), priced as the population's sharing prices cases, and c the
    `compatibility`: the share of their parents' score that children of such a pair keep. Where merging across families
    of models fails, each family keeps to itself. Put it beside `ObservingReplacement`, which sees the children;
    without, c is the cosine of the two genomes.

    Args:
        strength: How much compatibility counts, >= 0; 0 is attraction alone.
        base: The model that all were fine-tuned from, for flat vectors; None for recipes, and where there is none.

    >>> from evoniche import Population
    >>> genomes = np.array([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.0]])
    >>> population = Population.of(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]), genomes)
    >>> CompatibleMateSelector().mates(population, np.array([0, 0, 0]), rng=np.random.default_rng(0))
    array([1, 1, 1])
    """

    strength: float = attrs.field(default=4.0, validator=at_least(0))
    base: Any = attrs.field(default=None, eq=attrs.cmp_using(eq=np.array_equal), repr=False)

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of the mates, shape (n,)."""
        factor = None if self.strength == 0 else compatibility(population, self.base)[first] ** self.strength
        return attracted(population, first, factor=factor, rng=rng, **pricing_of(population))
