"""A scorer of one genome at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche.batches import Batch
from evoniche.roles import Scorer

__all__ = ["SingleScorer"]


@final
@attrs.frozen
class SingleScorer(Scorer):
    """Score a batch by a function of one genome, one after the other or in a pool of processes.

    Args:
        function: A function `f(genome)` that returns the scores of the cases, shape (cases,); or one number, if there
            is only one case.
        map: The function that applies `function` to a batch: the built-in `map`, or that of a pool
            (`ProcessPoolExecutor().map`).

    >>> SingleScorer(lambda word: [word.count("a"), word.count("b")]).score(["aab", "b"])
    array([[2, 1],
           [0, 1]])
    """

    function: Callable[[Any], Any] = attrs.field(validator=attrs.validators.is_callable())
    map: Callable[..., Any] = attrs.field(default=map, kw_only=True)

    def score(self, genomes: Batch) -> NDArray[Any]:
        """Score each genome, shape (n, cases).

        Raises:
            ValueError: The genomes have different numbers of scores.
        """
        rows: list[NDArray[Any]] = []
        try:
            rows.extend(map(np.atleast_1d, self.map(self.function, genomes)))
        except Exception as error:
            error.add_note(f"raised on genome {len(rows)} of a batch of {len(genomes)}.")
            raise
        shapes = [row.shape for row in rows]
        if len(set(shapes)) > 1:
            raise ValueError(f"every genome must be scored on the same cases, got scores of shapes {shapes}.")
        hides = any(np.ma.is_masked(row) for row in rows)  # numpy's own stack forgets what a mask hides
        return np.ma.stack(rows) if hides else np.stack(rows)
