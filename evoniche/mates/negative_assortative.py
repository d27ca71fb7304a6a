"""Negative assortative mating: mates that differ from the first parent."""

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
    """Draw some candidates and take the one farthest from the first parent (nAMGA, Fernandes and Rosa 2001).

    The first parent may be among the candidates, and mates with itself if no candidate differs from it. Of equally
    distant candidates, the first drawn is taken.

    Args:
        distance: A `Genome`, a function of two batches that returns shape (len(a), len(b)), or "scores".
        selector: The `Selector` that draws the candidates, usually the same as that of the first parents.
        candidates: The number of candidates for each first parent, >= 1; 1 is `IndependentMateSelector`.

    >>> from evoniche import Population, UniformSelector
    >>> population = Population.of(np.array([[1, 1, 1, 1], [1, 1, 1, 0], [0, 0, 0, 1]]))
    >>> unlike = NegativeAssortativeMateSelector("scores", UniformSelector(), candidates=50)
    >>> unlike.mates(population, np.array([0, 1]), rng=np.random.default_rng(0))
    array([2, 2])
    """

    distance: Distance = attrs.field(validator=check_distance)
    selector: Selector = attrs.field()
    candidates: int = attrs.field(default=5, validator=whole(1))

    @selector.validator
    def _selects(self, _: Any, selector: Selector) -> None:
        check_roles(selector=(selector, Selector))

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of the mates, shape (n,)."""
        n = len(first)
        candidates = self.selector.select(population, n * self.candidates, rng=rng).reshape(n, self.candidates)
        apart = distances(self.distance, population, population, positions=first)  # (n, members)
        farthest = np.take_along_axis(apart, candidates, axis=1).argmax(axis=1)  # (n,)
        chosen: NDArray[np.intp] = candidates[np.arange(n), farthest]
        return chosen
