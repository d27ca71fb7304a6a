"""Runs MAP-Elites with the archive of pyribs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from ribs.archives import GridArchive

from evoniche._validators import whole_number
from evoniche.batches import Batch, stack
from evoniche.randomness import generator, weighted_indices
from evoniche_baselines.method import method
from evoniche_baselines.methods._common import columns, first_genomes, objects, vary
from evoniche_baselines.problem import Problem


@method("MAP-Elites", needs=("descriptor",))
def map_elites(problem: Problem, seed: int, *, batch_size: int = 1, parents: str = "quality") -> _MapElites:
    """Keep the best solution of each cell, and breed from these (Mouret and Clune 2015).

    As in Abrantes, Lange and Tang 2025, one child at a time is made by the problem's own crossover and mutation, from
    parents drawn in proportion to their mean score.

    Args:
        problem: A problem with a descriptor.
        seed: Fixes the run.
        batch_size: The number of children made at a time.
        parents: "quality" draws parents in proportion to their mean score, "uniform" with equal chance, as is usual
            elsewhere.

    Raises:
        ValueError: The batch size is less than 1, or `parents` is neither of the two.
    """
    if parents not in ("quality", "uniform"):
        raise ValueError(f"parents must be 'quality' or 'uniform', got {parents!r}.")
    return _MapElites(problem, seed, whole_number("batch_size", batch_size, 1), parents == "quality")


class _MapElites:
    def __init__(self, problem: Problem, seed: int, batch_size: int, by_quality: bool) -> None:
        axes = problem.descriptor
        assert axes is not None, "the method needs it"
        self._problem, self._seed, self._batch_size, self._by_quality = problem, seed, batch_size, by_quality
        self._asked = self._first = first_genomes(problem, seed)
        self._archive = GridArchive(
            solution_dim=(),
            solution_dtype=object,  # references: a genome is copied by nobody
            dims=axes.cells,
            ranges=[*zip(axes.low, axes.high, strict=True)],
            extra_fields={"scores": ((problem.cases,), np.float64)},
            seed=seed,
        )
        self._measure = axes.measure
        self._asks = 0

    def ask(self) -> Batch:
        if self._archive.empty:
            return self._first
        self._asks += 1
        rng = generator(self._seed, self._asks)
        genomes, quality = columns(self._archive, ["solution", "objective"])
        weights = quality if self._by_quality else np.ones(len(quality))
        a, b = (weighted_indices(weights, self._batch_size, rng=rng) for _ in "ab")
        self._asked = vary(self._problem, [*genomes[a]], [*genomes[b]], self._first, rng=rng)
        return self._asked

    def tell(self, scores: NDArray[Any]) -> None:
        measures = np.asarray(self._measure(self._asked, scores), dtype=np.float64)
        quality = scores.mean(axis=1, dtype=np.float64)
        self._archive.add(objects(self._asked), quality, measures, scores=scores)

    def members(self) -> tuple[Batch, NDArray[Any]]:
        genomes, scores = columns(self._archive, ["solution", "scores"])
        return stack([*genomes], self._first), scores
