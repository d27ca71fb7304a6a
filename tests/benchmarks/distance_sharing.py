"""A step of sharing by distance over one of implicit sharing, at 1,000 members.

A step is what a newcomer costs: it joins, all are priced, and the least fit member leaves (`WorstReplacement`). Genomes
are 32 real numbers, which are cheap to measure; 1,000 graded cases. One BLAS thread.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from measure import Row, rounds, table
from threadpoolctl import threadpool_limits

from evoniche import (
    ClearingSharing,
    ExplicitSharing,
    ImplicitSharing,
    NoveltySharing,
    Offspring,
    Population,
    RealGenome,
    Sharing,
    SpeciationSharing,
    WorstReplacement,
)

NAME = "sharing by distance"
MEMBERS, CASES, LENGTH = 1_000, 1_000, 32
STEPS = 20
ROUNDS = 8
GENOME = RealGenome(LENGTH)
RADIUS = 7.0  # the distance of two random genomes is 8 on average
SHARINGS: dict[str, Sharing] = {
    "implicit": ImplicitSharing(),
    "explicit": ExplicitSharing(GENOME, RADIUS),
    "clearing": ClearingSharing(GENOME, RADIUS),
    "speciation": SpeciationSharing(GENOME, RADIUS),
    "novelty": NoveltySharing(GENOME),
}


def run() -> list[Row]:
    """Measure all on the same members and newcomers."""
    with threadpool_limits(1):
        seconds = rounds(ROUNDS, {name: _steps(sharing) for name, sharing in SHARINGS.items()})
    base = seconds.pop("implicit")
    return [Row(NAME, f"{name} / implicit sharing", values / base, at_most=5) for name, values in seconds.items()]


def _steps(sharing: Sharing) -> Callable[[], None]:
    rng = np.random.default_rng(0)
    population = Population.of(rng.random((MEMBERS, CASES)), GENOME.sample(MEMBERS, rng=rng), sharing)
    population.limit = MEMBERS
    replacement, told = WorstReplacement(), MEMBERS

    def steps() -> None:
        nonlocal told
        for _ in range(STEPS):
            scores = rng.random((1, CASES)) + 0.02  # a little better than those before, so that somebody else leaves
            ids, parents = np.array([told]), np.zeros((1, 2), dtype=np.int64)
            child = Offspring(GENOME.sample(1, rng=rng), ids, parents, told, 0, scores=scores)
            replacement.replace(population, child)
            told += 1

    return steps


if __name__ == "__main__":
    print(table(run()))
