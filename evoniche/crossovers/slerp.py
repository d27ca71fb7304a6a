"""Spherical linear interpolation."""

from __future__ import annotations

from typing import final

import attrs
from numpy.random import Generator

from evoniche import functional
from evoniche.batches import Batch, namespace
from evoniche.checks import float_genomes
from evoniche.roles import Crossover

__all__ = ["SlerpCrossover"]


@final
@attrs.frozen
class SlerpCrossover(Crossover):
    """SLERP_t(A, B) of the whole vectors with t ~ U(0, 1) for each child (White 2016).

    It is M2N2's crossover without the split point (Abrantes 2025, section 4).
    """

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross float arrays of shape (n, ...); what follows the leading axis counts as one vector.

        Raises:
            ValueError: Not float arrays of one shape.
        """
        float_genomes(self, a, b)
        n = a.shape[0]
        xp = namespace(a, b)
        flat_a, flat_b = xp.reshape(a, (n, -1)), xp.reshape(b, (n, -1))  # (n, size)
        return xp.reshape(functional.slerp(flat_a, flat_b, rng.random(n)), a.shape)
