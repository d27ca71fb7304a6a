"""Merges of large models as genomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import functional
from evoniche.batches import Batch
from evoniche.merging.recipe import Recipe
from evoniche.merging.recipes import Recipes, cuts_of_both
from evoniche.merging.seed_bank import SeedBank
from evoniche.roles import Crossover, Genome

__all__ = ["RecipeGenome"]

Floats = NDArray[np.float64]


@final
@attrs.frozen
class RecipeGenome(Genome):
    """Models merged from seeds without mutation; a batch is `Recipes` (the design, section 7).

    Args:
        seeds: The models to merge.
        crossover: How two seeds are merged at random; along SLERP with t ~ U(0, 1) when None.
    """

    seeds: SeedBank
    crossover: Crossover | None = None

    def sample(self, n: int, *, rng: Generator) -> Recipes:
        """The seeds themselves, and then random merges of two of them: what a merge begins with (Abrantes 2025, 4.2).

        So `m2n2(genome=RecipeGenome(seeds), initial=seeds.count + 50)` is the paper's warm-up of 50 merges.
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

    def distance(self, a: Batch, b: Batch) -> Floats:
        """Euclidean distance between the merged parameters, shape (len(a), len(b))."""
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
        """The recipes one after the other: "segments" (n,), "boundaries" and "coefficients"."""
        return {
            "segments": np.array([len(recipe.coefficients) for recipe in batch], dtype=np.int64),
            "boundaries": np.concatenate([recipe.boundaries for recipe in batch]),
            "coefficients": np.concatenate([recipe.coefficients for recipe in batch]),
        }

    def unpack(self, arrays: Mapping[str, NDArray[Any]]) -> Recipes:
        """The `Recipes` that `pack` made these of, over the seeds of this genome."""
        ends = np.cumsum(arrays["segments"])[:-1]
        tables = np.split(arrays["coefficients"], ends)
        bounds = np.split(arrays["boundaries"], ends + np.arange(1, len(ends) + 1))
        return Recipes(self.seeds, [Recipe.of(*pair) for pair in zip(bounds, tables, strict=True)])
