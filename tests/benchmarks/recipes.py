"""Recipes over seven billion parameters: what a crossover takes, and what a population weighs.

The sums of dot products of such seeds are made up (two seeds at an angle of some 30 degrees), and so are those of the
part blocks at new cuts: in a real run one block of each seed is read there, once for each new place.
"""

from __future__ import annotations

import tracemalloc

import numpy as np
from measure import Row, breakdown, rounds, table
from numpy.typing import NDArray

import evoniche
from evoniche.merging import GRAM_BLOCK, GramTable
from evoniche.randomness import generator

NAME = "recipes"
SIZE = 7_000_000_000
SEEDS = 2
SEGMENTS = 100
MATINGS = 1_000
ROUNDS = 200


class SyntheticSeeds:
    """A `SeedBank` without seeds."""

    size = SIZE
    count = SEEDS

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        factors = rng.standard_normal((SIZE // GRAM_BLOCK + 1, SEEDS, 3 * SEEDS)) + 2
        blocks = factors @ factors.transpose(0, 2, 1) * 1e-4 * GRAM_BLOCK
        self._table = GramTable(blocks, self._read)

    def grams(self, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._table.between(starts, stops)

    def _read(self, start: int, stop: int) -> NDArray[np.float64]:
        return np.full((SEEDS, stop - start), 1e-2)


def run() -> list[Row]:
    """Measure, and print where the time goes."""
    seeds = SyntheticSeeds()
    rng = np.random.default_rng(1)
    parents = [_recipe(seeds, rng) for _ in range(2)]
    seconds = {}
    for angle in ("whole", "part"):
        crossover = evoniche.SplitSlerpCrossover(angle)
        number = iter(range(10 * ROUNDS))
        crossings = {f"angle {angle}": lambda c=crossover, n=number: c.cross(*parents, rng=generator(0, next(n)))}
        seconds |= rounds(ROUNDS, crossings)
    milliseconds = {name: values * 1e3 for name, values in seconds.items()}
    breakdown(f"crossover of two recipes of {SEGMENTS} segments over {SIZE:,} parameters", milliseconds, "ms")
    rows = [
        Row(NAME, f"milliseconds of a crossover, {name}", values, at_most=10) for name, values in milliseconds.items()
    ]
    return [*rows, Row(NAME, f"megabytes of 15 recipes after {MATINGS:,} matings", _megabytes(seeds), at_most=10)]


def _recipe(seeds: SyntheticSeeds, rng: np.random.Generator) -> evoniche.Recipes:
    cuts = np.sort(rng.choice(SIZE // 1000, size=SEGMENTS - 1, replace=False)) * 1000 + 500
    recipe = evoniche.Recipe.of([0, *cuts, SIZE], rng.random((SEGMENTS, SEEDS)))
    return evoniche.Recipes(seeds, [recipe])


def _megabytes(seeds: SyntheticSeeds) -> float:
    """What a run of M2N2 holds in the end beyond the seeds, with all that it keeps of them and of itself."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    evolution = evoniche.merge(seeds, lambda recipes: _scores(len(recipes), evolution), seed=0)
    evolution.run(evaluations=MATINGS + SEEDS, progress=False)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    segments = [len(recipe.coefficients) for recipe in evolution.population.genomes]
    print(f"\nafter {MATINGS:,} matings: {min(segments)} to {max(segments)} segments in a recipe")
    return (after - before) / 1e6


def _scores(n: int, evolution: evoniche.Evolution) -> NDArray[np.bool_]:
    """Lots, in which later children win a little more often, so that members are replaced to the end."""
    return np.random.default_rng(evolution.evaluations).random((n, 200)) < 0.3 + 0.4 * evolution.evaluations / MATINGS


if __name__ == "__main__":
    print(table(run()))
