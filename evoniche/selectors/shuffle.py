"""Selection of every member in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.roles import Selector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["ShuffleSelector"]


@final
@attrs.frozen
class ShuffleSelector(Selector):
    """Draw first parents without replacement: every member breeds once before any breeds again.

    The members come in a random order, then in another, as often as it takes. Deterministic crowding pairs all
    members at random in this way (Mahfoud 1992); see `PairMateSelector`.

    >>> from evoniche import Population
    >>> population = Population.of(np.eye(4))
    >>> sorted(ShuffleSelector().select(population, 4, rng=np.random.default_rng(0)).tolist())
    [0, 1, 2, 3]
    """

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of n first parents, shape (n,)."""
        members = len(population)
        orders = np.tile(np.arange(members), (-(-n // members), 1))  # as many as n needs
        chosen: NDArray[np.intp] = rng.permuted(orders, axis=1).ravel()[:n]
        return chosen
