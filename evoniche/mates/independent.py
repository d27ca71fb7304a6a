"""Mates by the rule of the first parents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import check_roles
from evoniche.roles import MateSelector, Selector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["IndependentMateSelector"]


@final
@attrs.frozen
class IndependentMateSelector(MateSelector):
    """The mate is drawn as the first parent is, whoever that is; it may be the first parent itself.

    This is how most genetic algorithms pair their parents, and what the paper's GA does (Abrantes 2025, section 4.1).

    Args:
        selector: The rule of the first parents.
    """

    selector: Selector = attrs.field()

    @selector.validator
    def _selects(self, _: Any, selector: Selector) -> None:
        check_roles(selector=(selector, Selector))

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        return self.selector.select(population, len(first), rng=rng)
