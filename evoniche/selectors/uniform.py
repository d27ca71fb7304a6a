"""Selection without pressure."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.roles import Selector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["UniformSelector"]


@final
@attrs.frozen
class UniformSelector(Selector):
    """P(i) = 1 / members, with replacement: whoever is alive may breed."""

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        return rng.integers(len(population), size=n)
