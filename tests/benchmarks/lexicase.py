"""Lexicase selection beside DEAP's: 100 parents from 500 members x 1,000 cases.

DEAP reads its scores from the `fitness.values` of each individual, which divides a tuple of 1,000 numbers by the
weights at each access, and chooses one parent after another, each as if it were alone: it is timed on five parents,
and the time is multiplied by twenty. Its automatic epsilon is the dynamic one.

Binary scores are fair coins, graded ones uniform. "Alike" is hard: members that differ from a common ancestor on three
of the cases, so that hundreds of cases pass until one member is left.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from deap import base, tools
from measure import Row, breakdown, rounds, table
from numpy.typing import NDArray

import evoniche
from evoniche.roles import Selector
from evoniche.selectors import DalexSelector, DownsampledLexicaseSelector, EpsilonLexicaseSelector, LexicaseSelector

NAME = "lexicase"
PARENTS, MEMBERS, CASES = 100, 500, 1000
ROUNDS = 5
THEIRS = 5  # parents that DEAP selects

Scores = NDArray[np.float64]


class Fitness(base.Fitness):
    weights = (1.0,) * CASES


class Individual(list):  # type: ignore[type-arg]
    def __init__(self, row: Scores) -> None:
        super().__init__()
        self.fitness = Fitness(row.tolist())


def tables() -> dict[str, Scores]:
    """Scores of several kinds."""
    rng = np.random.default_rng(0)
    alike = np.tile(rng.random(CASES) < 0.5, (MEMBERS, 1))
    for row in alike:
        row[rng.choice(CASES, 3, replace=False)] ^= True
    uniform = rng.random((MEMBERS, CASES))
    return {"binary": (uniform < 0.5) * 1.0, "graded": uniform, "alike": alike * 1.0}


RIVALS: dict[str, tuple[Selector, Callable[[Any, int], object]]] = {
    "lexicase": (LexicaseSelector(), tools.selLexicase),
    "static epsilon-lexicase": (EpsilonLexicaseSelector("mad", "static"), tools.selAutomaticEpsilonLexicase),
    "semi-dynamic epsilon-lexicase": (EpsilonLexicaseSelector("mad"), tools.selAutomaticEpsilonLexicase),
    "dynamic epsilon-lexicase": (EpsilonLexicaseSelector("mad", "dynamic"), tools.selAutomaticEpsilonLexicase),
}
ALONE: dict[str, Selector] = {"down-sampled lexicase": DownsampledLexicaseSelector(), "DALex": DalexSelector()}


def run() -> list[Row]:
    """Measure, and print milliseconds for all 100 parents."""
    rows = []
    random.seed(0)
    for kind, scores in tables().items():
        seconds = measured(scores)
        breakdown(f"100 parents, {kind} scores", {name: 1000 * values for name, values in seconds.items()}, "ms")
        for name, (_, theirs) in RIVALS.items():
            ratios = seconds[f"DEAP, {theirs.__name__}"] / seconds[f"evoniche, {name}"]
            rows.append(Row(NAME, f"DEAP / evoniche, {name}, {kind}", ratios, at_least=10))
    return rows


def measured(scores: Scores) -> dict[str, Scores]:
    """Seconds for all 100 parents in each round, by library and method."""
    population, rng = evoniche.Population.of(scores), np.random.default_rng(1)
    individuals = [Individual(row) for row in scores]
    tasks: dict[str, Callable[[], object]] = {}
    for name, selector in ({name: selector for name, (selector, _) in RIVALS.items()} | ALONE).items():
        tasks[f"evoniche, {name}"] = partial(selector.select, population, PARENTS, rng=rng)
    for theirs in (tools.selLexicase, tools.selAutomaticEpsilonLexicase):
        tasks[f"DEAP, {theirs.__name__}"] = partial(theirs, individuals, THEIRS)
    seconds = rounds(ROUNDS, tasks)
    return {name: values * (PARENTS / THEIRS if name.startswith("DEAP") else 1) for name, values in seconds.items()}


if __name__ == "__main__":
    print(table(run()))
