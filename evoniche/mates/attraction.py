"""Mates by attraction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, final, runtime_checkable

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import at_least, check_capacity
from evoniche.functional import Capacity
from evoniche.mates._attracted import attracted
from evoniche.roles import MateSelector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["AttractionMateSelector"]


@runtime_checkable
class _PricesCases(Protocol):
    """A sharing that prices cases as `ImplicitSharing` does, and says how."""

    @property
    def capacity(self) -> Capacity: ...
    @property
    def relative(self) -> bool: ...
    @property
    def eps(self) -> float: ...


@final
@attrs.frozen
class AttractionMateSelector(MateSelector):
    """P(B | A) in proportion to g(A, B) = sum_j c_j / (z_j**alpha + eps) max(S_Bj - S_Aj, 0) (Abrantes 2025, eq. 4).

    A mate is attractive if it is strong on the cases on which the first parent is weak, and more so where few others
    are strong and there is much to take. Where no member attracts the first parent, its mate is one of the others in
    proportion to fitness; a member that is alone mates with itself.

    Unless told otherwise, cases are priced as the population's sharing prices them, where it does (`ImplicitSharing`).

    Args:
        alpha: Intensity of the competition in the prices, >= 0. The paper's equation has 1 whatever the sharing has;
            the authors' code prices mates by the alpha of its sharing as well.
        capacity: c, what a case can give: "max", "one", or one number >= 0 for each case. When None, that of the
            sharing; "max" beside a sharing that prices no cases.
        relative: Price the cases by what members score above the worst. When None, as the sharing does, else not.
        eps: Keeps the division by a load of zero defined. When None, that of the sharing, else 1e-8.

    >>> import numpy as np
    >>> from evoniche import Population
    >>> from evoniche.randomness import generator
    >>> population = Population.of(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]]))
    >>> AttractionMateSelector().mates(population, np.array([0, 1, 2]), rng=generator(0)).tolist()
    [2, 2, 0]
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
        """Draw positions of the mates, shape (n,)."""
        pricing: dict[str, Any] = {"alpha": self.alpha}
        sharing: Any = population.sharing
        for name in ("capacity", "relative", "eps"):
            value = getattr(self, name)
            if value is not None:
                pricing[name] = value
            elif isinstance(sharing, _PricesCases):
                pricing[name] = getattr(sharing, name)
        return attracted(population, first, rng=rng, **pricing)
