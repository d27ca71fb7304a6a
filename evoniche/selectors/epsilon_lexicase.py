"""Selection case by case, with tolerance."""

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
    """Lexicase selection in which a case keeps all who are within epsilon_j of the best on it.

    With graded scores hardly two members are equal on a case, so that the first case would decide alone (La Cava,
    Spector and Danai 2016; the variants: La Cava, Helmuth, Spector and Moore 2019).

    Args:
        epsilon: "mad", the median absolute deviation from the median of the scores on a case, or one number >= 0.
        variant: "static": pass or fail is settled before selection, by the best and the epsilon of the whole
            population. "semi-dynamic": within epsilon of the best who is left; epsilon is the population's.
            "dynamic": epsilon, too, is of those who are left.
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
        """Shape (n,)."""
        return functional.lexicase(population.scores, n, epsilon=self.epsilon, variant=self.variant, rng=rng)
