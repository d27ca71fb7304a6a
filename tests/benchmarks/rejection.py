"""What `run(reject_early=True)` spares: the same runs with and without it, which must end alike.

`python tests/benchmarks/rejection.py`, or `make rejection`. The digits from scratch and from experts as in
`evoniche run digits`, max-sat and coverage as in `evoniche compare`. One BLAS thread.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import evoniche
from evoniche_baselines.problems.coverage import coverage
from evoniche_baselines.problems.digits import digits
from evoniche_baselines.problems.max_sat import max_sat

EVALUATIONS = 5_000
SEEDS = 3
PROBLEMS = {
    "digits from scratch": digits(),
    "digits from experts": digits("experts"),
    "max-sat, 100 variables, 426 clauses": max_sat(draw="planted"),
    "max-sat, two specialists": max_sat(specialists=2, draw="planted"),
    "coverage, 5 of 50 sites, 200 customers": coverage(),
}


def run(evaluations: int = EVALUATIONS, seeds: int = SEEDS) -> None:
    """Measure, and print a Markdown table."""
    print("| problem | members | scores spared | of the last fifth of a run | seconds of a run | with rejection |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, problem in PROBLEMS.items():
        pairs = [_pair(problem, seed, evaluations) for seed in range(seeds)]
        spared, last, full, early = np.array(pairs).T
        print(f"| {name} | {problem.population_size} | {_span(spared)} | {_span(last)} | {full.mean():.1f} | "
              f"{early.mean():.1f} |", flush=True)


def _pair(problem: Any, seed: int, evaluations: int) -> tuple[float, float, float, float]:
    results, seconds = [], []
    for reject_early in (False, True):
        evolution = evoniche.m2n2(
            problem.scorer,
            genome=problem.genome,
            initial=problem.initial,
            crossover=problem.crossover,
            mutation=problem.mutation,
            population_size=problem.population_size,
            seed=seed,
        )
        start = time.perf_counter()
        results.append(evolution.run(evaluations, reject_early=reject_early, progress=False))
        seconds.append(time.perf_counter() - start)
    full, early = results
    for one in ("ids", "scores", "genomes", "fitness"):
        assert np.array_equal(getattr(full.population, one), getattr(early.population, one)), one
    assert np.array_equal(full.history["best"], early.history["best"])
    h = early.history
    fifth = h["evaluations"].searchsorted(0.8 * evaluations)
    last = (h["scored"][-1] - h["scored"][fifth]) / problem.cases / (evaluations - h["evaluations"][fifth])
    return 1 - early.scored / full.scored, 1 - last, seconds[0], seconds[1]


def _span(shares: Any) -> str:
    return f"{shares.mean():.0%} ({shares.min():.0%} to {shares.max():.0%})"


if __name__ == "__main__":
    with threadpool_limits(1):
        run(*map(int, sys.argv[1:]))
