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
    """Interpolate along the arc between the parents, SLERP_t(A, B), with a new t ~ U(0, 1) for each child (White 2016).

    This is M2N2's crossover without the split point (Abrantes 2025, section 4).

    Args:
        chromosomes: Groups of numbers (parameter or layer groups), each with its own t and angle; one group when None.

    >>> import numpy as np
    >>> east, north = np.array([[2.0, 0.0]]), np.array([[0.0, 2.0]])
    >>> child = SlerpCrossover().cross(east, north, rng=np.random.default_rng(0))
    >>> bool(np.isclose(np.linalg.norm(child), 2))  # it has its parents' length, which their average has not
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
        return reshape(functional.slerp(flat_a, flat_b, t, chromosomes=self.chromosomes), a.shape)
