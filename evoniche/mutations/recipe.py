"""Mutation among recipes: stretches move along the differences of the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import functional
from evoniche._validators import float_genomes, whole
from evoniche.arrays import like, namespace
from evoniche.batches import Batch, take
from evoniche.functional import Chromosomes
from evoniche.functional.vectors import is_vectors
from evoniche.mutations._stretches import Stretches, draw_stretches
from evoniche.roles import Mutation

__all__ = ["Move", "RecipeMutation"]

Floats = NDArray[np.float64]
Move = Literal["shift", "scale", "copy", "extend"]
_MOVES = ("shift", "scale", "copy", "extend")


def _steps(value: Any) -> tuple[float, float]:
    """Read one step size, or the least and the greatest."""
    pair = (value, value) if np.ndim(value) == 0 else tuple(value)
    try:
        low, high = map(float, pair)
        good = 0 < low <= high < np.inf
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(f"RecipeMutation(std=...) must be a number > 0, or (least, greatest), got {value!r}.")
    return low, high


def _moves(value: Sequence[Move]) -> tuple[Move, ...]:
    moves: tuple[Any, ...] = (value,) if isinstance(value, str) else tuple(value)
    if not moves or any(move not in _MOVES for move in moves):
        raise ValueError(f"RecipeMutation(moves=...) must be some of {', '.join(map(repr, _MOVES))}, got {value!r}.")
    return moves


def _vectors(value: Any) -> Any:
    """Read the founders as an array of floats, shape (K, size)."""
    if value is None:
        return None
    if not np.issubdtype(getattr(value, "dtype", np.asarray(value).dtype), np.floating) or np.ndim(value) < 2:
        raise ValueError("RecipeMutation(founders=...) must be an array of floats, a row for each seed model, "
                         f"got {value!r}.")
    return np.array(value).reshape(len(value), -1)


@final
@attrs.frozen
class RecipeMutation(Mutation):
    """Change a stretch of a child within the space that its seeds span, so that it remains a combination of them.

    A stretch begins at a uniform place, and its length is log-uniform, from one number to all. With a step
    e ~ N(0, std**2), one of these happens to it, drawn uniformly from `moves`:

    - "shift": e times the difference of two seeds is added;
    - "scale": it is multiplied by exp(e);
    - "copy": it becomes that of a seed;
    - "extend": it goes on with the combination that its neighbour has, so a boundary between two combinations moves.
      This is the combination of the seeds that is closest to the child on as many numbers beside the stretch.

    No weight gets noise of its own, however large the model is: of recipes, a few coefficients change. Recipes and
    flat vectors have the same mutants for the same `rng`, to 1e-12 of the largest number; after "extend", which solves
    for coefficients, to rounding times the condition number of the seeds' Gram matrix there.

    Args:
        founders: The seeds, an array (K, ...) of which each row counts as one flat vector; with task vectors, those. Of
            recipes, which know their seeds, None.
        std: The step size, or (least, greatest): each step then draws its own size log-uniformly between the two, so
            that small and large ones are tried at every time (Golovin et al. 2020).
        moves: What may happen to a stretch.
        count: How many stretches change, one after the other, >= 1.
        chromosomes: When given, a stretch is one whole chromosome, such as a tensor or a layer, drawn uniformly.

    Raises:
        ValueError: Other values; "extend" beside chromosomes, whose boundaries do not move.

    >>> seeds = np.eye(2, 6)
    >>> mutant = RecipeMutation(seeds, moves="copy").mutate(np.zeros((1, 6)), rng=np.random.default_rng(1))
    >>> mutant.shape
    (1, 6)
    """

    founders: Any = attrs.field(default=None, converter=_vectors, eq=attrs.cmp_using(eq=np.array_equal), repr=False)
    std: tuple[float, float] = attrs.field(default=(1.0, 1.0), converter=_steps, kw_only=True)
    moves: tuple[Move, ...] = attrs.field(default=("shift", "scale"), converter=_moves, kw_only=True)
    count: int = attrs.field(default=1, validator=whole(1), kw_only=True)
    chromosomes: Chromosomes | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.instance_of(Chromosomes)), kw_only=True
    )

    def __attrs_post_init__(self) -> None:
        if self.chromosomes is not None and "extend" in self.moves:
            raise ValueError("RecipeMutation(moves=...) must be without 'extend' where chromosomes are given: their "
                             f"boundaries do not move, got {self.moves!r}.")

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:
        """Mutate a float array of shape (n, ...), in which each row counts as one flat vector; or `Recipes`.

        Raises:
            ValueError: The genomes are neither, or founders or chromosomes are missing, too many or of another size.
        """
        mutants, founders = self._read(genomes)
        for _ in range(self.count):
            stretches = draw_stretches(mutants.shape, self.chromosomes, rng)
            mutants = self._change(mutants, founders, stretches, rng)
        return mutants if is_vectors(genomes) else namespace(genomes).reshape(mutants, genomes.shape)

    def _change(self, genomes: Batch, founders: Batch, stretches: Stretches, rng: Generator) -> Batch:
        """Change one stretch of each row: child = kept * genome + sum over k of added[:, :, k] * founder k."""
        n, count = genomes.shape[0], len(founders)
        move = rng.integers(len(self.moves), size=n)
        low, high = self.std
        step = rng.standard_normal(n) * low * (high / low) ** rng.random(n)
        one = rng.integers(count, size=n)
        other = (one + rng.integers(1, max(2, count), size=n)) % count
        kept, added = np.ones((n, 1)), np.zeros((n, count))  # in the stretch
        row = np.arange(n)
        for number, name in enumerate(self.moves):
            mine = row[move == number]
            if name == "shift":
                added[mine, one[mine]] += step[mine]
                added[mine, other[mine]] -= step[mine]
            elif name == "scale":
                kept[mine, 0] = np.exp(step[mine])
            elif name == "copy":
                kept[mine], added[mine, one[mine]] = 0, 1
            elif len(mine := mine[stretches.has_neighbour[mine]]):
                kept[mine] = 0
                added[mine] = stretches.take(mine).neighbours(take(genomes, mine), founders)
        inside = stretches.inside.astype(np.float64)
        unchanged, none = np.ones_like(inside), np.zeros_like(inside)
        mutants = functional.blend(genomes, genomes, stretches.bounds, np.where(inside, kept, 1.0), none)
        for k in np.flatnonzero(added.any(axis=0)):
            founder = take(founders, np.full(n, k))
            mutants = functional.blend(mutants, founder, stretches.bounds, unchanged, added[:, [k]] * inside)
        return mutants

    def _read(self, genomes: Batch) -> tuple[Batch, Batch]:
        """Flatten the genomes, and find their founders."""
        if is_vectors(genomes):
            if self.founders is not None:
                raise ValueError("RecipeMutation(founders=...) must be None for recipes, which know their seeds.")
            flat, founders = genomes, genomes.founders
        else:
            float_genomes(self, genomes)
            flat = namespace(genomes).reshape(genomes, (genomes.shape[0], -1))
            if self.founders is None:
                raise ValueError("RecipeMutation(founders=...) must be the seed models, shape (K, size), for arrays.")
            founders = like(self.founders, flat, flat.dtype)
        if founders.shape[1] != flat.shape[1]:
            raise ValueError(f"RecipeMutation(founders=...) must be of the genomes' {flat.shape[1]} numbers, "
                             f"got {founders.shape[1]}.")
        return flat, founders
