"""Runs CMA-ES over mixing coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.functional import slerp
from evoniche_baselines.method import method
from evoniche_baselines.methods._common import first_genomes
from evoniche_baselines.methods.cma_es import CmaSearch
from evoniche_baselines.problem import Problem, RealVectors


@method("CMA-ES over SLERP", needs=("seeds", "vector"))
def cma_es_slerp(problem: Problem, seed: int, *, groups: int = 32, batch_size: int = 25) -> CmaSearch:
    """Search one mixing coefficient for each of a few fixed groups of parameters (Akiba et al. 2024).

    Each of the `groups` equal stretches of the flat vector is merged by SLERP of the first two seeds with its own
    coefficient from 0 to 1. The defaults are those of Abrantes, Lange and Tang 2025, section 4.2: a group for each of
    32 layers, and 25 solutions in a generation. A genome that is shorter has a group for each number.
    """
    a, b = first_genomes(problem, seed)[:2]
    groups = min(groups, len(a))
    cuts = np.linspace(0, len(a), groups + 1).astype(int)[1:-1]
    pieces = [(x[None], y[None]) for x, y in zip(np.split(a, cuts), np.split(b, cuts), strict=True)]

    def decode(coefficients: NDArray[np.float64]) -> NDArray[Any]:
        merged = [slerp(np.repeat(x, len(w), 0), np.repeat(y, len(w), 0), w)
                  for (x, y), w in zip(pieces, coefficients.T, strict=True)]
        return np.concatenate(merged, axis=1)

    def middle(_: Generator) -> NDArray[np.float64]:
        return np.full(groups, 0.5)

    coefficients = RealVectors(groups, middle, 0.25, 0.0, 1.0)
    return CmaSearch(coefficients, decode, seed, batch_size, None, "full")
