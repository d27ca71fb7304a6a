"""M2N2's crossover: SLERP with a free split point."""

from __future__ import annotations

from typing import Literal, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import functional
from evoniche._validators import at_least, one_of
from evoniche.batches import Batch
from evoniche.crossovers._flat import flat_vectors, reshape
from evoniche.functional import Angle, Chromosomes
from evoniche.roles import Crossover

__all__ = ["SplitSlerpCrossover"]


@final
@attrs.frozen
class SplitSlerpCrossover(Crossover):
    """Interpolate with opposite ratios before and after a random split point (Abrantes 2025, eq. 2).

        concat(SLERP_wm(A[:ws], B[:ws]), SLERP_(1-wm)(A[ws:], B[ws:]))

    Each child draws its own mixing ratio w_m ~ U(0, 1) and split point w_s ~ U{1 .. size - 1}. A child that is mostly
    A before the split is mostly B after it. With several split points, which the paper mentions and does not try, the
    ratios w_m and 1 - w_m alternate.

    Args:
        angle: "whole" uses the angle between the whole vectors, as the authors' code does; "part" uses the angle
            between the two heads for the head and between the two tails for the tail, as eq. 2 reads.
        chromosomes: Groups of numbers (parameter or layer groups) that are crossed as if each were a genome of its
            own, with its own ratio, split points and angle; one group when None. So one split point for each layer is
            a chromosome for each layer.
        splits: How many split points each chromosome has, drawn independently of each other, >= 0; the mean number
            with `count="poisson"`. Two that are equal cut nothing.
        count: "fixed" for exactly `splits`, a whole number; "poisson" draws the number for each child and chromosome
            from the Poisson distribution, and a child without any is that of SLERP.

    Raises:
        ValueError: An angle or count that is unknown, or split points that cannot be that many.

    >>> parents = np.random.default_rng(1).standard_normal((2, 4, 10))  # two batches of 4 networks, 10 weights each
    >>> SplitSlerpCrossover().cross(*parents, rng=np.random.default_rng(0)).shape
    (4, 10)
    """

    angle: Angle = attrs.field(default="whole", validator=one_of("whole", "part"))
    chromosomes: Chromosomes | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.instance_of(Chromosomes))
    )
    splits: float = attrs.field(default=1, validator=at_least(0), kw_only=True)
    count: Literal["fixed", "poisson"] = attrs.field(
        default="fixed", validator=one_of("fixed", "poisson"), kw_only=True
    )

    def __attrs_post_init__(self) -> None:
        if self.count == "fixed" and self.splits != int(self.splits):
            raise ValueError("SplitSlerpCrossover(splits=...) must be a whole number unless count='poisson', "
                             f"got {self.splits!r}.")

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross float arrays of shape (n, ...), in which each row counts as one flat vector; or cross `Recipes`.

        Raises:
            ValueError: The parents are neither, their shapes differ, they have fewer than two numbers to split, or the
                chromosomes are of another size.
        """
        flat_a, flat_b = flat_vectors(self, a, b)
        n, size = flat_a.shape
        if size < 2:
            raise ValueError(f"SplitSlerpCrossover needs genomes of at least 2 numbers to split, got {size}.")
        sizes = (self.chromosomes or Chromosomes.whole(size)).sizes
        ratio = rng.random((n, len(sizes)))
        split = self._draw(n, sizes, rng)
        child = functional.split_slerp(flat_a, flat_b, ratio, split, angle=self.angle, chromosomes=self.chromosomes)
        return reshape(child, a.shape)

    def _draw(self, n: int, sizes: NDArray[np.int64], rng: Generator) -> NDArray[np.int64]:
        """Draw the split points of n children, shape (n, chromosomes, most); at its size a chromosome is not cut."""
        if self.count == "fixed":
            shape = (n, len(sizes), int(self.splits))
            return 1 + (rng.random(shape) * (sizes - 1)[:, None]).astype(np.int64)
        number = rng.poisson(self.splits, (n, len(sizes)))
        shape = (n, len(sizes), int(number.max(initial=0)))
        split = 1 + (rng.random(shape) * (sizes - 1)[:, None]).astype(np.int64)
        return np.where(np.arange(shape[2]) < number[..., None], split, sizes[:, None])
