"""M2N2's mate selection by attraction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import at_least, check_capacity
from evoniche.functional import Capacity
from evoniche.mates._attracted import attracted, pricing_of
from evoniche.roles import MateSelector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["AttractionMateSelector"]


@final
@attrs.frozen
class AttractionMateSelector(MateSelector):
    """Draw mates that are strong where the first parent is weak: P(B | A) ~ g(A, B) (Abrantes 2025, eq. 4).

        g(A, B) = sum_j c_j / (z_j**alpha + eps) max(S_Bj - S_Aj, 0)

    A case has a high price where few members are strong (a small load z_j) and where there is much to take (a large
    capacity c_j). The mate falls back to fitness-proportional choice among the others when no member attracts the first
    parent. A member that is alone mates with itself. What is not given is taken from the population's sharing if that
    prices cases, as `ImplicitSharing` does.

    Args:
        alpha: The intensity of the competition in the prices, >= 0. Eq. 4 has 1, whatever alpha the sharing has; the
            authors' code uses the alpha of the sharing here as well.
        capacity: c, what a case can give: "max", "one", or an array of one number >= 0 for each case. When None, that
            of the sharing, or "max" if the sharing prices no cases.
        relative: Whether scores count from those of the worst member on each case. When None, as in the sharing, or
            False if the sharing does not say.
        eps: A small number that keeps the division by a load of zero defined. When None, that of the sharing, or 1e-8.

    >>> from evoniche import Population
    >>> population = Population.of(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]]))
    >>> AttractionMateSelector().mates(population, np.array([0, 1]), rng=np.random.default_rng(0))
    array([2, 2])
    """

    alpha: float = attrs.field(default=1.0, validator=at_least(0), kw_only=True)
    capacity: Capacity | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(check_capacity),
        eq=attrs.cmp_using(eq=np.array_equal),
    )
    relative: bool | None = None
    eps: float | None = attrs.field(default=None, validator=attrs.validators.optional(at_least(0)))

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of the mates, shape (n,)."""
        own = {"capacity": self.capacity, "relative": self.relative, "eps": self.eps}
        pricing: dict[str, Any] = {"alpha": self.alpha} | pricing_of(population)
        pricing |= {name: value for name, value in own.items() if value is not None}
        return attracted(population, first, rng=rng, **pricing)
