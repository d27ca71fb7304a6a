"""Selection by some of the cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import functional
from evoniche._validators import at_most, greater_than
from evoniche.roles import Selector

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["DownsampledLexicaseSelector"]


@final
@attrs.frozen
class DownsampledLexicaseSelector(Selector):
    """Lexicase selection on a random share of the cases, drawn once for all parents of a generation.

    A generation is the children of one `ask`. Who is best on what was not drawn may be lost, and members that differ
    elsewhere alone are equals (Hernandez, Lalejini, Dolson and Ofria 2019). There it saves evaluations of the cases
    left out; here all cases are scored, and what is left is the selection.

    Args:
        rate: Share of the cases, above 0 and up to 1: the nearest whole number of them, at least one.
    """

    rate: float = attrs.field(default=0.1, validator=[greater_than(0), at_most(1)])

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Shape (n,)."""
        scores = population.scores
        cases = scores.shape[1]
        sample = rng.choice(cases, size=max(1, round(self.rate * cases)), replace=False)
        return functional.lexicase(scores[:, sample], n, rng=rng)
