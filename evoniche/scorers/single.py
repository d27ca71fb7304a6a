"""One genome at a time."""

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
    """A scorer made of a function on one genome.

    Args:
        function: `f(genome)`, the scores of the cases, shape (cases,); or a number, where there is one case alone.
        map: How to go over a batch: the built-in `map`, or that of a pool (`ProcessPoolExecutor().map`).

    >>> SingleScorer(lambda word: [word.count("a"), word.count("b")]).score(["aab", "b"])
    array([[2, 1],
           [0, 1]])
    """

    function: Callable[[Any], Any] = attrs.field(validator=attrs.validators.is_callable())
    map: Callable[..., Any] = attrs.field(default=map, kw_only=True)

    def score(self, genomes: Batch) -> NDArray[Any]:
        """Score one by one; shape (n, cases).

        Raises:
            ValueError: The genomes were given different numbers of cases.
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
