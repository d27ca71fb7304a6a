"""Tries every mixing ratio of two seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats.qmc import Halton

from evoniche.batches import Batch, take
from evoniche.functional import slerp
from evoniche_baselines.method import method
from evoniche_baselines.methods._common import first_genomes
from evoniche_baselines.problem import Problem


@method("brute force", needs=("seeds", "vector"))
def brute_force(problem: Problem, seed: int) -> _BruteForce:
    """Score SLERP of the first two seeds at ratios 0, 1, 1/2, 1/4, 3/4, 1/8 and so on, and keep the best.

    So the ratios tried are spread about evenly from 0 to 1, whatever the number of evaluations. Abrantes, Lange and
    Tang 2025 use such a baseline.

    Raises:
        ValueError: There are fewer than two seeds.
    """
    return _BruteForce(first_genomes(problem, seed))


class _BruteForce:
    _AT_ONCE = 50

    def __init__(self, seeds: Batch) -> None:
        if len(seeds) < 2:
            raise ValueError(f"brute-force needs 2 seeds, got {len(seeds)}.")
        self._seeds, self._ratios = seeds, Halton(1, scramble=False)
        self._asked: Batch = ()
        self._alive: tuple[Batch, NDArray[Any]] | None = None

    def ask(self) -> Batch:
        ratios = self._ratios.random(self._AT_ONCE)[:, 0]  # 0, 1/2, 1/4, 3/4, ...
        if self._alive is None:
            ratios = np.append(ratios, 1.0)
        a, b = (take(self._seeds, [i] * len(ratios)) for i in (0, 1))
        self._asked = slerp(a, b, ratios)
        return self._asked

    def tell(self, scores: NDArray[Any]) -> None:
        genomes = self._asked
        if self._alive is not None:
            genomes, scores = np.concatenate([self._alive[0], genomes]), np.concatenate([self._alive[1], scores])
        best = [int(scores.mean(axis=1).argmax())]
        self._alive = take(genomes, best), scores[best]

    def members(self) -> tuple[Batch, NDArray[Any]]:
        assert self._alive is not None, "tell comes first"
        return self._alive
