"""Recipes as genomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import functional
from evoniche._validators import whole
from evoniche.batches import Batch
from evoniche.merging.recipe import Recipe
from evoniche.merging.recipes import Recipes, cuts_of_both
from evoniche.merging.seed_bank import SeedBank
from evoniche.merging.simplification import simplified
from evoniche.roles import Crossover, Genome

__all__ = ["RecipeGenome"]

Floats = NDArray[np.float64]


@final
@attrs.frozen
class RecipeGenome(Genome):
    """Models that are merged from seeds without mutation; a batch is `Recipes` (docs/design.md, section 7).

    Args:
        seeds: The models to merge.
        crossover: The crossover that makes random merges of two seeds; SLERP with t ~ U(0, 1) when None.
        segments: The most segments that a child has, >= 1. Those of one that has more merge as `simplified` does it,
            so that recipes do not grow from generation to generation. Any number when None, as in the published method.

    >>> from evoniche import ArraySeeds
    >>> seeds = ArraySeeds([np.array([1.0, 0.0]), np.array([0.0, 1.0])])
    >>> RecipeGenome(seeds).sample(3, rng=np.random.default_rng(0))[1]
    Recipe(2 parameters in 1 segment, 2 seeds)
    """

    seeds: SeedBank
    crossover: Crossover | None = None
    segments: int | None = attrs.field(default=None, validator=attrs.validators.optional(whole(1)))

    def sample(self, n: int, *, rng: Generator) -> Recipes:
        """Draw what a merge begins with: the seeds, and then random merges of two of them (Abrantes 2025, 4.2).

        So `m2n2(genome=RecipeGenome(seeds), initial=seeds.count + 50)` has the paper's warm-up of 50 merges.
        """
        batch = Recipes.of_seeds(self.seeds)
        first = np.concatenate([np.arange(min(n, len(batch))), rng.integers(len(batch), size=max(0, n - len(batch)))])
        merged = batch.take(first)
        if n <= len(batch):
            return merged
        a = first[len(batch) :]
        b = (a + rng.integers(1, max(2, len(batch)), size=len(a))) % len(batch)  # another, where there is one
        parents = batch.take(a), batch.take(b)
        if self.crossover is not None:
            merged_pairs: Any = self.crossover.cross(*parents, rng=rng)
            return batch.join(merged_pairs)
        return batch.join(functional.slerp(*parents, rng.random(len(a))))

    def repair(self, batch: Batch, *, rng: Generator) -> Batch:  # noqa: ARG002
        """Bring recipes down to `segments`; those that have no more stay as they are."""
        most = self.segments
        if most is None or all(len(recipe.coefficients) <= most for recipe in batch):
            return batch
        short = [recipe if len(recipe.coefficients) <= most else simplified(recipe, self.seeds, segments=most)[0]
                 for recipe in batch]  # fmt: skip
        return Recipes(self.seeds, short)

    def distance(self, a: Batch, b: Batch) -> Floats:
        """The Euclidean distances between the merged models, shape (len(a), len(b))."""
        distances = np.zeros((len(a), len(b)))
        for i, one in enumerate(a):
            for j, another in enumerate(b):
                cuts = cuts_of_both(one.boundaries, another.boundaries)
                apart = one.along(cuts) - another.along(cuts)  # (stretches, K)
                grams = self.seeds.grams(cuts[:-1], cuts[1:])
                squared = np.einsum("sk,skl,sl->", apart, grams, apart)
                distances[i, j] = np.sqrt(max(0.0, squared))
        return distances

    def pack(self, batch: Batch) -> Mapping[str, NDArray[Any]]:
        """The recipes one after the other, as arrays "segments" (n,), "boundaries" and "coefficients"."""
        return {
            "segments": np.array([len(recipe.coefficients) for recipe in batch], dtype=np.int64),
            "boundaries": np.concatenate([recipe.boundaries for recipe in batch]),
            "coefficients": np.concatenate([recipe.coefficients for recipe in batch]),
        }

    def unpack(self, arrays: Mapping[str, NDArray[Any]]) -> Recipes:
        """The recipes of these arrays, which `pack` has made, over the seeds of this genome."""
        ends = np.cumsum(arrays["segments"])[:-1]
        tables = np.split(arrays["coefficients"], ends)
        bounds = np.split(arrays["boundaries"], ends + np.arange(1, len(ends) + 1))
        return Recipes(self.seeds, [Recipe.of(*pair) for pair in zip(bounds, tables, strict=True)])
