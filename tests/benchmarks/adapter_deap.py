"""What the DEAP adapter costs: 100 individuals x 1,000 cases.

Pairing is `sel_attraction` of 100 parents; replacement is `sel_survivors` of 101 (one child), and of 200 (a generation,
where 100 leave one by one). How its time grows is that of 400 of 800 over that of 200 of 400: a matrix-vector product
for each leaver makes it 8. Beside them are DEAP's tournament, which looks at means alone, and what `varAnd` takes to
clone and vary the same 100 individuals of 1,000 bits, which every program pays.
"""

from __future__ import annotations

import random

import numpy as np
from deap import algorithms, base, creator, tools
from measure import Row, breakdown, rounds, table

from evoniche.adapters.deap import CaseFitness, sel_attraction, sel_survivors

NAME = "DEAP adapter"
MEMBERS, CASES, ROUNDS = 100, 1_000, 20
LIMIT = 2.0  # milliseconds
GROWTH = 4.0  # for twice as many, of whom twice as many leave

creator.create("AdapterBenchmarkFitness", CaseFitness, weights=(1.0,) * CASES)
creator.create("AdapterBenchmarkIndividual", list, fitness=creator.AdapterBenchmarkFitness)


def run() -> list[Row]:
    """Measure, and print milliseconds."""
    random.seed(0)
    rng = np.random.default_rng(0)
    graded = rng.random((2 * MEMBERS, CASES))
    kinds = {"binary": graded < 0.5, "graded, float32": graded.astype(np.float32), "graded, float64": graded}
    toolbox = base.Toolbox()
    toolbox.register("mate", tools.cxTwoPoint)
    toolbox.register("mutate", tools.mutFlipBit, indpb=1 / CASES)
    rows = []
    for kind, scores in kinds.items():
        both = [_individual(row) for row in scores]
        parents, one_more = both[:MEMBERS], both[: MEMBERS + 1]
        seconds = rounds(ROUNDS, {
            "sel_attraction": lambda: sel_attraction(parents, MEMBERS),  # noqa: B023
            "sel_survivors, one child": lambda: sel_survivors(one_more, MEMBERS),  # noqa: B023
            "sel_survivors, a generation": lambda: sel_survivors(both, MEMBERS),  # noqa: B023
            "DEAP selTournament": lambda: tools.selTournament(parents, MEMBERS, tournsize=3),  # noqa: B023
            "DEAP varAnd": lambda: algorithms.varAnd(parents, toolbox, 0.9, 0.5),  # noqa: B023
        })
        breakdown(f"DEAP adapter, {kind} scores", {n: 1e3 * values for n, values in seconds.items()}, "ms")
        rows += [
            Row(NAME, f"milliseconds of {name}, {kind} scores", 1e3 * values, at_most=LIMIT)
            for name, values in seconds.items()
            if name.startswith("sel_")
        ]
    return [*rows, *(_growth(kind, rng.random((8 * MEMBERS, CASES))) for kind in ("binary", "graded"))]


def _growth(kind: str, scores: np.ndarray) -> Row:
    many = [_individual(row) for row in (scores < 0.5 if kind == "binary" else scores)]
    half = many[: len(many) // 2]
    seconds = rounds(5, {
        "half": lambda: sel_survivors(half, len(half) // 2), "all": lambda: sel_survivors(many, len(many) // 2),
    })
    name = f"sel_survivors of twice as many, {len(many)} to {len(half)} / {len(half)} to {len(half) // 2}"
    return Row(NAME, f"{name}, {kind} scores", seconds["all"] / seconds["half"], at_most=GROWTH)


def _individual(row: np.ndarray) -> list[int]:
    individual = creator.AdapterBenchmarkIndividual((row < 0.5).astype(int).tolist())
    individual.fitness.values = row
    return individual


if __name__ == "__main__":
    print(table(run()))
