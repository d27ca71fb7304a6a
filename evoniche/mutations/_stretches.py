"""The stretches of a genome that a mutation changes."""

from __future__ import annotations

from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import functional
from evoniche.batches import Batch, take
from evoniche.functional import Chromosomes

__all__ = ["Stretches", "draw_stretches"]

Integers = NDArray[np.int64]

_SAME = 1e-10
"""Of the largest eigenvalue of a Gram matrix: below this one is noise, where the founders have no direction left."""


@final
@attrs.frozen(eq=False)
class Stretches:
    """A stretch of each of n genomes."""

    bounds: Integers
    """Where the pieces of each genome lie, shape (n, pieces + 1)."""
    inside: NDArray[np.bool_]
    """Whether a piece is in the stretch, shape (n, pieces)."""
    beside: Integers
    """The pieces of equal length beside each stretch, as bounds around one piece, shape (n, 4)."""

    @property
    def has_neighbour(self) -> NDArray[np.bool_]:
        """Whether there is anything beside each stretch, shape (n,)."""
        found: NDArray[np.bool_] = self.beside[:, 1] < self.beside[:, 2]
        return found

    def take(self, rows: NDArray[np.intp]) -> Stretches:
        """The stretches of some of the genomes."""
        return Stretches(self.bounds[rows], self.inside[rows], self.beside[rows])

    def neighbours(self, genomes: Batch, founders: Batch) -> NDArray[np.float64]:
        """Find the combination of the founders that is closest to each genome beside its stretch, shape (n, K).

        It follows from dot products: with the Gram matrix G of the founders there and d_k = genome . founder k, it is
        the shortest least-squares solution of G c = d. Where the genome is one combination there, it is that one, up to
        rounding times the condition number of G. Directions in which the founders differ by less than 1e-5 of their
        length do not count as different, so that this is never more than 1e10.
        """
        n, count = genomes.shape[0], len(founders)
        rows: list[Any] = [take(founders, np.full(n, k)) for k in range(count)]
        grams, products = np.zeros((n, count, count)), np.zeros((n, count))
        for k in range(count):
            products[:, k] = functional.dot_products(genomes, rows[k], self.beside)[1][:, 1]
            for m in range(k, count):
                grams[:, k, m] = grams[:, m, k] = functional.dot_products(rows[k], rows[m], self.beside)[1][:, 1]
        inverse = np.linalg.pinv(grams, rtol=_SAME, hermitian=True)
        found: NDArray[np.float64] = np.einsum("nkm,nm->nk", inverse, products)
        return found


def draw_stretches(shape: tuple[int, int], chromosomes: Chromosomes | None, rng: Generator) -> Stretches:
    """Draw a stretch for each of n genomes: of log-uniform length at a uniform place, or a whole chromosome.

    Raises:
        ValueError: The chromosomes are of another size.
    """
    n, size = shape
    if chromosomes is not None:
        if chromosomes.size != size:
            raise ValueError(f"these chromosomes are of genomes of {chromosomes.size} numbers, got {size}.")
        chosen = rng.integers(chromosomes.count, size=n)
        bounds = np.broadcast_to(chromosomes.boundaries, (n, len(chromosomes.boundaries)))
        return Stretches(bounds, chromosomes.labels == chosen[:, None], np.zeros((n, 4), dtype=np.int64))
    length = np.minimum(np.exp(rng.random(n) * np.log(size + 1)), size).astype(np.int64)
    start = (rng.random(n) * (size - length + 1)).astype(np.int64)
    stop = start + length
    bounds = np.stack([np.zeros(n, dtype=np.int64), start, stop, np.full(n, size)], axis=1)
    inside = np.broadcast_to([False, True, False], (n, 3))
    after = np.where(start == 0, True, (stop < size) & (rng.random(n) < 0.5))
    low = np.where(after, stop, np.maximum(start - length, 0))
    high = np.where(after, np.minimum(stop + length, size), start)
    beside = np.stack([bounds[:, 0], low, high, bounds[:, 3]], axis=1)
    return Stretches(bounds, inside, beside)
