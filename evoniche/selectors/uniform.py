"""Uniform selection."""

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
    """Draw first parents uniformly, with replacement, so that only the replacement exerts selection pressure.

    >>> from evoniche import Population
    >>> parents = UniformSelector().select(Population.of(np.eye(3)), 50, rng=np.random.default_rng(0))
    >>> sorted(set(parents.tolist()))
    [0, 1, 2]
    """

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of n first parents, shape (n,)."""
        return rng.integers(len(population), size=n)
