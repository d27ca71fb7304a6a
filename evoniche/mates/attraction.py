"""Mates by attraction."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import functional
from evoniche._validators import at_least, check_capacity
from evoniche.functional import Capacity
from evoniche.mates._attracted import attracted
from evoniche.roles import MateSelector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["AttractionMateSelector"]


@final
@attrs.frozen
class AttractionMateSelector(MateSelector):
    """P(B | A) in proportion to g(A, B) = sum_j c_j / (z_j + eps) max(S_Bj - S_Aj, 0) (Abrantes 2025, eq. 4).

    A mate is attractive if it is strong on the cases on which the first parent is weak, and more so where few others
    are strong and there is much to take. Whoever is attracted by nobody takes one of the others by fitness, and
    itself when it is alone.

    Args:
        capacity: c, what a case can give: "one", "max", or one number >= 0 for each case; as in `ImplicitSharing`.
        relative: Price the cases by what members score above the worst.
        eps: Keeps the division by a load of zero defined.
    """

    capacity: Capacity = attrs.field(default="one", validator=check_capacity, eq=attrs.cmp_using(eq=np.array_equal))
    relative: bool = False
    eps: float = attrs.field(default=functional.EPS, validator=at_least(0))

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        pricing = {"capacity": self.capacity, "relative": self.relative, "eps": self.eps}
        return attracted(population, first, rng=rng, **pricing)
