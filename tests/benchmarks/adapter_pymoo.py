"""The pymoo adapter: what selection and survival cost at 100 individuals and 1,000 cases.

Binary scores (a third of the cases solved) and graded ones. A selection pairs 100 matings, or one; a survival lets
one child into 100, or chooses 100 of 200, which is 100 replacements. Making our population of pymoo's individuals
is part of each. A ratio here is milliseconds.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from measure import Row, rounds, table
from pymoo.core.population import Population
from pymoo.core.problem import Problem

from evoniche import AttractionMateSelector, ImplicitSharing
from evoniche.adapters.pymoo import AttractionSelection, SharingSurvival

NAME = "pymoo adapter"
MEMBERS, CASES, ROUNDS = 100, 1000, 15


def run() -> list[Row]:
    """Measure."""
    rng = np.random.default_rng(0)
    graded = rng.random((2 * MEMBERS, CASES))
    rows = []
    for kind, scores in (("binary", (graded < 1 / 3).astype(float)), ("graded", graded)):
        capacity = "one" if kind == "binary" else "max"
        sharing = ImplicitSharing(capacity=capacity)
        problem = Problem(n_var=50, n_obj=1)
        everybody = Population.new(
            X=rng.random((2 * MEMBERS, 50)), F=-scores.mean(axis=1, keepdims=True), scores=scores
        )
        pair = partial(
            AttractionSelection(mates=AttractionMateSelector(capacity=capacity), sharing=sharing).do,
            problem, everybody[:MEMBERS], n_parents=2, random_state=rng,
        )
        survive = partial(SharingSurvival(sharing).do, problem, n_survive=MEMBERS, random_state=rng)
        tasks = {
            "pairing, 1 mating": partial(pair, n_select=1),
            "pairing, 100 matings": partial(pair, n_select=MEMBERS),
            "replacement, 1 child": partial(survive, everybody[: MEMBERS + 1]),
            "replacement, 100 children": partial(survive, everybody),
        }
        seconds = rounds(ROUNDS, tasks)
        rows += [
            Row(NAME, f"milliseconds of {name}, {kind} scores", 1000 * seconds[name], at_most=2.0)
            for name in tasks
        ]
    return rows


if __name__ == "__main__":
    print(table(run()))
