"""Selection by random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import functional
from evoniche._validators import at_least
from evoniche.roles import Selector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["DalexSelector"]


@final
@attrs.frozen
class DalexSelector(Selector):
    """argmax_i sum_j softmax(x)_j S_ij with x_j ~ N(0, std^2), anew for each parent; ties at random.

    Lexicase-like selection as one matrix product, "DALex" (Ni, Ding and Spector 2024). Neither the sharing nor the
    importance of cases plays a part.

    Args:
        std: The particularity pressure, >= 0. About 20 and more: much like lexicase on binary scores; about 3: like
            epsilon-lexicase; 0: the best mean wins always.
        standardize: Divide each case by the standard deviation of its scores, as the authors do for regression:
            otherwise a case with scores of a larger scale speaks louder.
    """

    std: float = attrs.field(default=20.0, validator=at_least(0))
    standardize: bool = False

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        return functional.dalex(population.scores, n, std=self.std, standardize=self.standardize, rng=rng)
