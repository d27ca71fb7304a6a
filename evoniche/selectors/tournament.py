"""Tournament selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import one_of, whole
from evoniche.roles import Selector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["TournamentSelector"]


@final
@attrs.frozen
class TournamentSelector(Selector):
    """Select the fittest of `size` members that are drawn uniformly with replacement (Goldberg and Deb 1991).

    When all have different fitness, with ranks from 1 (the worst) to P, the winner has P(rank <= r) = (r / P)**size.
    Of equally fit members, the first drawn wins.

    Args:
        size: The number of members in a tournament, >= 1; 2 is the usual choice, and 1 makes the draw uniform.
        by: "fitness" as the sharing has it, or "score", the mean score over the cases. Where members compete for cases,
            the score finds parents that solve much, while the sharing decides who survives.

    >>> from evoniche import Population, RawSharing
    >>> population = Population.of(np.array([[0.1], [0.2], [0.9]]), sharing=RawSharing())
    >>> TournamentSelector(size=50).select(population, 3, rng=np.random.default_rng(0))
    array([2, 2, 2])
    """

    size: int = attrs.field(default=2, validator=whole(1))
    by: Literal["fitness", "score"] = attrs.field(default="fitness", validator=one_of("fitness", "score"), kw_only=True)

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of n first parents, shape (n,)."""
        entrants = rng.integers(len(population), size=(n, self.size))  # (n, size)
        merit = population.fitness if self.by == "fitness" else population.means
        winners = merit[entrants].argmax(axis=1)  # (n,)
        chosen: NDArray[np.intp] = entrants[np.arange(n), winners]
        return chosen
