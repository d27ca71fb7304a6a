"""Spherical linear interpolation."""

from __future__ import annotations

from typing import final

import attrs
from numpy.random import Generator

from evoniche import functional
from evoniche.batches import Batch
from evoniche.crossovers._flat import flat_vectors, reshape
from evoniche.functional import Chromosomes
from evoniche.roles import Crossover

__all__ = ["SlerpCrossover"]


@final
@attrs.frozen
class SlerpCrossover(Crossover):
    """SLERP_t(A, B) of the whole vectors with t ~ U(0, 1) for each child (White 2016).

    It is M2N2's crossover without the split point (Abrantes 2025, section 4).

    Args:
        chromosomes: Groups of numbers with a ratio and an angle of their own; all in one when None.
    """

    chromosomes: Chromosomes | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.instance_of(Chromosomes))
    )

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross float arrays of shape (n, ...); what follows the leading axis counts as one vector. Or `Recipes`.

        Raises:
            ValueError: Neither of one shape, or chromosomes of another size.
        """
        flat_a, flat_b = flat_vectors(self, a, b)
        t = rng.random((flat_a.shape[0], self.chromosomes.count if self.chromosomes else 1))
        return reshape(functional.slerp(flat_a, flat_b, t, chromosomes=self.chromosomes), a.shape)
