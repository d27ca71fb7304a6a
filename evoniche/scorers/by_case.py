"""Some cases at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche._validators import at_least, whole
from evoniche.batches import Batch
from evoniche.roles import CaseScorer

__all__ = ["ByCaseScorer"]


@final
@attrs.frozen
class ByCaseScorer(CaseScorer):
    """A scorer made of a function that scores a batch on some of the cases.

    Args:
        function: `f(genomes, cases)`, which gives scores of shape (n, len(cases)); cases are numbers from 0 on.
        cases: How many cases there are.
        highest: No case gives more than this.

    >>> targets = np.array([0.0, 0.5, 1.0])
    >>> scorer = ByCaseScorer(lambda x, cases: 1 - abs(x[:, None] - targets[cases]), cases=3)
    >>> scorer.score(np.array([0.5, 1.0]))
    array([[0.5, 1. , 0.5],
           [0. , 0.5, 1. ]])
    >>> scorer.score(np.array([0.5, 1.0]), np.array([2]))
    array([[0.5],
           [1. ]])
    """

    function: Callable[[Batch, NDArray[np.intp]], Any] = attrs.field(validator=attrs.validators.is_callable())
    cases: int = attrs.field(validator=whole(1), kw_only=True)
    highest: float = attrs.field(default=1.0, validator=at_least(0), kw_only=True)

    def score(self, genomes: Batch, cases: NDArray[np.intp] | None = None) -> Any:
        """Score the batch on some cases, or all."""
        return self.function(genomes, np.arange(self.cases) if cases is None else cases)
