"""Linear interpolation."""

from __future__ import annotations

from typing import final

import attrs
from numpy.random import Generator

from evoniche import functional
from evoniche.batches import Batch
from evoniche.crossovers._flat import flat_vectors, reshape
from evoniche.functional import Chromosomes
from evoniche.roles import Crossover

__all__ = ["LerpCrossover"]


@final
@attrs.frozen
class LerpCrossover(Crossover):
    """Average the parents, (1 - t) A + t B, with a new t ~ U(0, 1) for each child.

    For networks this is the weighted average of two models (Wortsman 2022). In the literature on evolution strategies
    it is called whole arithmetic crossover (Michalewicz 1992).

    Args:
        chromosomes: Groups of numbers (parameter or layer groups), each with its own t; one group when None.

    >>> import numpy as np
    >>> child = LerpCrossover().cross(np.zeros((1, 3)), np.ones((1, 3)), rng=np.random.default_rng(0))
    >>> bool(0 < child[0, 0] < 1 and (child == child[0, 0]).all())
    True
    """

    chromosomes: Chromosomes | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.instance_of(Chromosomes))
    )

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross float arrays of shape (n, ...), in which each row counts as one flat vector; or cross `Recipes`.

        Raises:
            ValueError: The parents are neither, their shapes differ, or the chromosomes are of another size.
        """
        flat_a, flat_b = flat_vectors(self, a, b)
        t = rng.random((flat_a.shape[0], self.chromosomes.count if self.chromosomes else 1))
        return reshape(functional.lerp(flat_a, flat_b, t, chromosomes=self.chromosomes), a.shape)
