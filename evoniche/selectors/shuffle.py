"""Selection in turn."""

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
    """Without replacement: random orders of all members, one after another, so that all breed before any breeds again.

    The parents of crowding, which pairs all members at random (Mahfoud 1992); see `PairMateSelector`.
    """

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        members = len(population)
        orders = np.tile(np.arange(members), (-(-n // members), 1))  # as many as n needs
        chosen: NDArray[np.intp] = rng.permuted(orders, axis=1).ravel()[:n]
        return chosen
