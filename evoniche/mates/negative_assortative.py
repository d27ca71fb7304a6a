"""Mates that are unlike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import check_roles, whole
from evoniche.distances import Distance, check_distance, distances
from evoniche.roles import MateSelector, Selector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["NegativeAssortativeMateSelector"]


@final
@attrs.frozen
class NegativeAssortativeMateSelector(MateSelector):
    """Of some candidates, drawn as the first parent is, the one farthest from it (nAMGA, Fernandes and Rosa 2001).

    The first parent may be among the candidates, and mates with itself when none is any farther. Of equally far ones,
    the first drawn is taken.

    Args:
        distance: A `Genome`, a function of two batches, or "scores".
        selector: The rule of the first parents.
        candidates: How many are drawn for each first parent, >= 1. 1 is `IndependentMateSelector`.
    """

    distance: Distance = attrs.field(validator=check_distance)
    selector: Selector = attrs.field()
    candidates: int = attrs.field(default=5, validator=whole(1))

    @selector.validator
    def _selects(self, _: Any, selector: Selector) -> None:
        check_roles(selector=(selector, Selector))

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        n = len(first)
        candidates = self.selector.select(population, n * self.candidates, rng=rng).reshape(n, self.candidates)
        apart = distances(self.distance, population, population, positions=first)  # (n, members)
        farthest = np.take_along_axis(apart, candidates, axis=1).argmax(axis=1)  # (n,)
        chosen: NDArray[np.intp] = candidates[np.arange(n), farthest]
        return chosen
