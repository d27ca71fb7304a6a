"""OneMax beside DEAP and pymoo: what a generation of cheap children costs.

100 bits, population 100, generational, 20,000 evaluations. All have tournaments of two, two-point crossover of every
pair and a flip of each bit with probability 1 / 100, and count the ones of a whole generation in one call. DEAP also
counts them one by one, as its own OneMax does: its individuals are lists, and an array of them must be made first.
Scoring is next to nothing, so this is the price of everything else.

They are not the same algorithm to the letter: pymoo keeps the best of parents and children, evoniche and the bare
numpy loop keep one elite, DEAP's `eaSimple` none. What a generation costs hardly depends on it, and all are shown to
reach the same fitness.
"""

from __future__ import annotations

import random

import numpy as np
from deap import algorithms, base, creator, tools
from measure import Row, breakdown, rounds, table
from numpy.typing import NDArray
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.problem import Problem
from pymoo.operators.crossover.pntx import TwoPointCrossover
from pymoo.operators.mutation.bitflip import BitflipMutation
from pymoo.operators.sampling.rnd import BinaryRandomSampling
from pymoo.optimize import minimize

import evoniche

NAME = "OneMax"
BITS, POPULATION, EVALUATIONS = 100, 100, 20_000
GENERATIONS = EVALUATIONS // POPULATION  # the first, random one included
ROUNDS = 5


def run() -> list[Row]:
    """Measure, and print evaluations per second and what fitness was reached."""
    players = {
        "evoniche": with_evoniche,
        "DEAP eaSimple": with_deap,
        "DEAP eaSimple, scored one by one": with_deap_one_by_one,
        "pymoo GA": with_pymoo,
        "pymoo GA without elimination of duplicates": with_pymoo_duplicates,
        "bare numpy loop": with_numpy,
    }
    reached: dict[str, list[int]] = {name: [] for name in players}

    def play(name: str) -> None:
        reached[name].append(players[name](len(reached[name])))

    seconds = rounds(ROUNDS, {name: lambda name=name: play(name) for name in players})
    breakdown("OneMax, evaluations per second", {n: EVALUATIONS / values for n, values in seconds.items()}, "/s")
    breakdown("OneMax, ones in the best", reached, f"of {BITS}")
    others = [name for name in players if name.startswith(("DEAP", "pymoo"))]
    fastest = min(others, key=lambda name: np.median(seconds[name]))
    bare = seconds["bare numpy loop"]
    return [
        Row(NAME, f"evaluations per second, evoniche / {fastest}", seconds[fastest] / seconds["evoniche"], at_least=5),
        *(
            Row(NAME, f"the same, evoniche / {name}", seconds[name] / seconds["evoniche"])
            for name in others
            if name != fastest
        ),
        Row(NAME, f"the same, bare numpy loop / {fastest}", seconds[fastest] / bare),
    ]


def with_evoniche(seed: int) -> int:
    evolution = evoniche.ga(
        lambda genomes: genomes.sum(axis=1, keepdims=True),  # (n, 1): one case, the number of ones
        genome=evoniche.BinaryGenome(BITS),
        crossover=evoniche.KPointCrossover(2),
        mutation=evoniche.BitFlipMutation(),
        selector=evoniche.TournamentSelector(2),
        generational=True,
        population_size=POPULATION,
        seed=seed,
    )
    return int(evolution.run(EVALUATIONS, progress=False).best.score)


creator.create("OneMaxFitness", base.Fitness, weights=(1.0,))
creator.create("OneMaxIndividual", list, fitness=creator.OneMaxFitness)


def with_deap(seed: int, at_once: bool = True) -> int:
    random.seed(seed)
    toolbox = base.Toolbox()
    toolbox.register("bit", random.randint, 0, 1)
    toolbox.register("individual", tools.initRepeat, creator.OneMaxIndividual, toolbox.bit, BITS)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("evaluate", lambda individual: (sum(individual),))
    toolbox.register("mate", tools.cxTwoPoint)
    toolbox.register("mutate", tools.mutFlipBit, indpb=1 / BITS)
    toolbox.register("select", tools.selTournament, tournsize=2)
    if at_once:
        toolbox.register("map", lambda _, individuals: np.array(individuals).sum(axis=1, keepdims=True).tolist())
    population, _ = algorithms.eaSimple(
        toolbox.population(n=POPULATION), toolbox, cxpb=1, mutpb=1, ngen=GENERATIONS - 1, verbose=False
    )
    return int(max(individual.fitness.values[0] for individual in population))


def with_deap_one_by_one(seed: int) -> int:
    return with_deap(seed, at_once=False)


class OneMax(Problem):
    def __init__(self) -> None:
        super().__init__(n_var=BITS, n_obj=1, xl=0, xu=1, vtype=bool)

    def _evaluate(self, x: NDArray[np.bool_], out: dict[str, object], *args: object, **kwargs: object) -> None:
        out["F"] = -x.sum(axis=1)


def with_pymoo(seed: int, eliminate_duplicates: bool = True) -> int:
    algorithm = GA(
        pop_size=POPULATION,
        sampling=BinaryRandomSampling(),
        crossover=TwoPointCrossover(prob=1.0),
        mutation=BitflipMutation(prob=1.0, prob_var=1 / BITS),
        eliminate_duplicates=eliminate_duplicates,
    )
    result = minimize(OneMax(), algorithm, ("n_eval", EVALUATIONS), seed=seed, copy_algorithm=False)
    assert result.algorithm.evaluator.n_eval == EVALUATIONS
    return int(-result.F[0])


def with_pymoo_duplicates(seed: int) -> int:
    return with_pymoo(seed, eliminate_duplicates=False)


def with_numpy(seed: int) -> int:
    """The least that the same algorithm takes: no ids, no parents, no checks, no history."""
    rng = np.random.default_rng(seed)
    n, genes = POPULATION - 1, np.arange(BITS)

    def parents() -> NDArray[np.bool_]:
        entrants = rng.integers(POPULATION, size=(2, n))
        return population[np.where(fitness[entrants[0]] >= fitness[entrants[1]], *entrants)]

    population = rng.random((POPULATION, BITS)) < 0.5
    fitness = population.sum(axis=1)
    for _ in range((EVALUATIONS - POPULATION) // n):
        cuts = np.sort(rng.integers(1, BITS, size=(n, 2)), axis=1)
        children = np.where((genes >= cuts[:, :1]) & (genes < cuts[:, 1:]), parents(), parents())
        children ^= rng.random((n, BITS), dtype=np.float32) < 1 / BITS
        elite = fitness.argmax()
        population = np.concatenate([population[elite : elite + 1], children])
        fitness = np.append(fitness[elite], children.sum(axis=1))
    return int(fitness.max())


if __name__ == "__main__":
    print(table(run()))
