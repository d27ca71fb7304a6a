"""Mates drawn by the rule of the first parents."""

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
    """Draw the mate by a selector, independently of the first parent; it may be the first parent itself.

    Most genetic algorithms pair their parents in this way, and so does the paper's GA (Abrantes 2025, section 4.1).

    Args:
        selector: The `Selector` that draws the mates, usually the same as that of the first parents.

    >>> from evoniche import Population, TournamentSelector
    >>> population = Population.of(np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0]]))
    >>> mates = IndependentMateSelector(TournamentSelector(size=50))
    >>> mates.mates(population, np.array([0, 1, 2]), rng=np.random.default_rng(0))  # the fittest, also for itself
    array([0, 0, 0])
    """

    selector: Selector = attrs.field()

    @selector.validator
    def _selects(self, _: Any, selector: Selector) -> None:
        check_roles(selector=(selector, Selector))

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of the mates, shape (n,)."""
        return self.selector.select(population, len(first), rng=rng)
