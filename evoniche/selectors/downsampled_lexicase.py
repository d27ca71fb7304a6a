"""Lexicase selection on a random sample of the cases."""

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
    """Select by lexicase on a random sample of the cases, drawn once for all parents of one `ask`.

    Members that differ only on cases outside of the sample are equals, and a specialist on such a case may be lost
    (Hernandez, Lalejini, Dolson and Ofria 2019). The authors save the evaluation of the cases that are left out;
    here all cases are scored, and only the selection is downsampled.

    Args:
        rate: The share of the cases in the sample, above 0 and up to 1; rounded to whole cases, at least one.

    >>> from evoniche import Population
    >>> population = Population.of(np.eye(4))  # four specialists
    >>> parents = DownsampledLexicaseSelector(rate=0.25).select(population, 9, rng=np.random.default_rng(0))
    >>> len(set(parents.tolist()))  # one case was drawn, and one specialist solves it
    1
    """

    rate: float = attrs.field(default=0.1, validator=[greater_than(0), at_most(1)])

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Draw the positions of n first parents, shape (n,)."""
        scores = population.scores
        cases = scores.shape[1]
        sample = rng.choice(cases, size=max(1, round(self.rate * cases)), replace=False)
        return functional.lexicase(scores[:, sample], n, rng=rng)
