"""Selection by tournament."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import whole
from evoniche.roles import Selector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["TournamentSelector"]


@final
@attrs.frozen
class TournamentSelector(Selector):
    """The fittest of `size` members drawn uniformly with replacement (Goldberg and Deb 1991).

    With distinct fitness and ranks 1 (worst) to P, P(rank <= r) = (r / P)**size. Of equals, the first drawn wins.

    Args:
        size: Members in a tournament, >= 1. 1 is uniform, 2 the usual choice.
    """

    size: int = attrs.field(default=2, validator=whole(1))

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        entrants = rng.integers(len(population), size=(n, self.size))  # (n, size)
        winners = population.fitness[entrants].argmax(axis=1)  # (n,)
        chosen: NDArray[np.intp] = entrants[np.arange(n), winners]
        return chosen
