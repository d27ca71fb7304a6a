"""M2N2's crossover."""

from __future__ import annotations

from typing import final

import attrs
import numpy as np
from numpy.random import Generator

from evoniche import functional
from evoniche.batches import Batch, namespace
from evoniche.checks import float_genomes, one_of
from evoniche.functional import Angle
from evoniche.roles import Crossover

__all__ = ["SplitSlerpCrossover"]


@final
@attrs.frozen
class SplitSlerpCrossover(Crossover):
    """concat(SLERP_wm(A[:ws], B[:ws]), SLERP_(1-wm)(A[ws:], B[ws:])) (Abrantes 2025, eq. 2).

    Each child draws its own mixing ratio w_m ~ U(0, 1) and split point w_s ~ U{1 .. size - 1}: what is mostly A
    before the split is mostly B after it.

    Args:
        angle: "whole" interpolates along the angle between the whole vectors, as the authors' code does; "part"
            takes each part's own angle, as eq. 2 reads.
    """

    angle: Angle = attrs.field(default="whole", validator=one_of("whole", "part"))

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross float arrays of shape (n, ...); what follows the leading axis counts as one vector.

        Raises:
            ValueError: Not float arrays of one shape, or fewer than two numbers to split.
        """
        float_genomes(self, a, b)
        n = a.shape[0]
        xp = namespace(a, b)
        flat_a, flat_b = xp.reshape(a, (n, -1)), xp.reshape(b, (n, -1))  # (n, size)
        size = flat_a.shape[1]
        if size < 2:
            raise ValueError(f"SplitSlerpCrossover needs genomes of at least 2 numbers to split, got {size}.")
        ratio = rng.random(n)
        split = 1 + (rng.random(n) * (size - 1)).astype(np.int64)
        return xp.reshape(functional.split_slerp(flat_a, flat_b, ratio, split, angle=self.angle), a.shape)
