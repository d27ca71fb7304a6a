"""Runs the GA that users of DEAP write."""

from __future__ import annotations

from typing import Any

import numpy as np
from deap import algorithms, base, tools
from numpy.typing import NDArray

from evoniche._validators import whole_number
from evoniche.batches import Batch, stack
from evoniche.function_operators import as_crossover, as_mutation
from evoniche.randomness import generator
from evoniche_baselines.method import method
from evoniche_baselines.methods._common import LibraryRandomness, first_genomes, objects
from evoniche_baselines.problem import Problem


class _Fitness(base.Fitness):
    weights = (1.0,)


class _Individual:
    """Pairs a genome of the problem with a fitness, as DEAP needs it."""

    def __init__(self, genome: Any) -> None:
        self.genome, self.fitness, self.scores = genome, _Fitness(), None


@method("GA (DEAP)")
def deap_ga(
    problem: Problem, seed: int, *, size: int = 3, crossover_rate: float = 0.9, mutation_rate: float = 1.0
) -> _DeapGa:
    """Run DEAP's `eaSimple`: tournaments, `varAnd` with the problem's own operators, and generations without elites.

    Args:
        problem: Any problem; an operator that it lacks has the rate 0.
        seed: Fixes the run.
        size: The number of members in a tournament.
        crossover_rate: The probability that two parents are crossed.
        mutation_rate: The probability that a child is mutated.

    Raises:
        ValueError: The size is less than 1.
    """
    return _DeapGa(problem, seed, whole_number("size", size, 1), crossover_rate, mutation_rate)


class _DeapGa:
    def __init__(self, problem: Problem, seed: int, size: int, crossover_rate: float, mutation_rate: float) -> None:
        self._problem = problem
        self._first = first_genomes(problem, seed)
        self._rates = (0.0 if problem.crossover is None else crossover_rate,
                       0.0 if problem.mutation is None else mutation_rate)
        self._rng, self._randomness = generator(seed, 0), LibraryRandomness(seed)
        self._toolbox = base.Toolbox()
        self._toolbox.register("select", tools.selTournament, tournsize=size)
        self._toolbox.register("mate", self._mate)
        self._toolbox.register("mutate", self._mutate)
        self._population = [_Individual(genome) for genome in objects(self._first)]
        self._changed = self._alive = self._population

    def ask(self) -> Batch:
        if self._population[0].fitness.valid:
            with self._randomness():
                parents = self._toolbox.select(self._population, self._problem.population_size)
                self._population = algorithms.varAnd(parents, self._toolbox, *self._rates)
            # A generation of nothing but copies is scored again: somebody has to be asked about.
            self._changed = [x for x in self._population if not x.fitness.valid] or self._population
        return stack([x.genome for x in self._changed], self._first)

    def tell(self, scores: NDArray[Any]) -> None:
        for individual, row in zip(self._changed, scores, strict=True):
            individual.fitness.values = (float(row.mean()),)
            individual.scores = row
        self._alive = self._population

    def members(self) -> tuple[Batch, NDArray[Any]]:
        return stack([x.genome for x in self._alive], self._first), np.array([x.scores for x in self._alive])

    def _mate(self, a: _Individual, b: _Individual) -> tuple[_Individual, _Individual]:
        x, y = (stack([p.genome, q.genome], self._first) for p, q in ((a, b), (b, a)))
        assert self._problem.crossover is not None, "its rate is 0 without one"
        a.genome, b.genome = objects(as_crossover(self._problem.crossover).cross(x, y, rng=self._rng))
        return a, b

    def _mutate(self, individual: _Individual) -> tuple[_Individual]:
        assert self._problem.mutation is not None, "its rate is 0 without one"
        batch = stack([individual.genome], self._first)
        individual.genome = objects(as_mutation(self._problem.mutation).mutate(batch, rng=self._rng))[0]
        return (individual,)
