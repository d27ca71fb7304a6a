"""Epsilon-lexicase selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import functional
from evoniche._validators import at_least, one_of
from evoniche.functional import Epsilon, EpsilonVariant
from evoniche.roles import Selector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["EpsilonLexicaseSelector"]


@final
@attrs.frozen
class EpsilonLexicaseSelector(Selector):
    """Select by lexicase, where each case keeps every member within epsilon_j of the best on it.

    Use it for graded scores: few members are exactly equal on a case, so plain lexicase selection would let the first
    case decide alone (La Cava, Spector and Danai 2016; variants: La Cava, Helmuth, Spector and Moore 2019).

    Args:
        epsilon: The tolerance: "mad" is the median absolute deviation of the scores on each case; or one number >= 0.
        variant: "static" compares with the best and the epsilon of the whole population, once. "semi-dynamic"
            compares with the best of those still in the pool; epsilon is that of the population. "dynamic" takes
            epsilon from the pool as well.

    >>> from evoniche import Population
    >>> population = Population.of(np.array([[1.0, 0.1], [0.9, 1.0]]))
    >>> EpsilonLexicaseSelector(epsilon=0.2).select(population, 3, rng=np.random.default_rng(0))
    array([1, 1, 1])
    """

    epsilon: Epsilon = attrs.field(default="mad")
    variant: EpsilonVariant = attrs.field(
        default="semi-dynamic", validator=one_of("static", "semi-dynamic", "dynamic")
    )

    @epsilon.validator
    def _is_tolerance(self, attribute: Any, epsilon: Epsilon) -> None:
        if isinstance(epsilon, str):
            one_of("mad")(self, attribute, epsilon)
        else:
            at_least(0)(self, attribute, epsilon)

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of n first parents, shape (n,)."""
        return functional.lexicase(population.scores, n, epsilon=self.epsilon, variant=self.variant, rng=rng)
