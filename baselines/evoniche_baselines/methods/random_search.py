"""Runs random search, which every method should beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoniche import Offspring, PlusReplacement, Population
from evoniche.batches import Batch
from evoniche.randomness import generator
from evoniche_baselines.method import method
from evoniche_baselines.problem import Problem


@method("random search")
def random_search(problem: Problem, seed: int) -> _RandomSearch:
    """Draw random genomes, and keep the best."""
    return _RandomSearch(problem, seed)


class _RandomSearch:
    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem, self._seed, self._asks = problem, seed, 0
        self._best = Population(problem.population_size)
        self._asked: Batch = []

    def ask(self) -> Batch:
        rng = generator(self._seed, self._asks)
        self._asked = self._problem.genome.sample(self._problem.population_size, rng=rng)
        return self._asked

    def tell(self, scores: NDArray[Any]) -> None:
        n = len(scores)
        ids = np.arange(n) + self._asks * n
        nobody = np.full((n, 2), -1)
        told = Offspring(self._asked, ids, nobody, self._asks, self._seed, scores)
        PlusReplacement().replace(self._best, told)
        self._asks += 1

    def members(self) -> tuple[Batch, NDArray[Any]]:
        return self._best.genomes, self._best.scores
