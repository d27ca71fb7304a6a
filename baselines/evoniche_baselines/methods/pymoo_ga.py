"""Runs the GA that users of pymoo run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.evaluator import Evaluator
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.termination import NoTermination
from pymoo.problems.static import StaticProblem

from evoniche.batches import Batch, stack
from evoniche.function_operators import as_crossover, as_mutation
from evoniche_baselines.method import method
from evoniche_baselines.methods._common import first_genomes, objects
from evoniche_baselines.problem import Problem


@method("GA (pymoo)")
def pymoo_ga(problem: Problem, seed: int) -> _PymooGa:
    """Run the `GA` of pymoo with its defaults: binary tournaments, and the best of parents and children survive.

    It uses the problem's own crossover and mutation. Children that equal a member or another child are made anew, as by
    default in pymoo.
    """
    return _PymooGa(problem, seed)


class _Crossover(Crossover):
    """The problem's own crossover. A pair of parents has two children, the second with the parents exchanged."""

    def __init__(self, problem: Problem, template: Batch) -> None:
        super().__init__(2, 2, prob=0.0 if problem.crossover is None else 0.9)
        self._problem, self._template = problem, template

    def _do(self, problem: Any, X: Any, random_state: Any = None, **_: Any) -> Any:  # noqa: ARG002
        assert self._problem.crossover is not None, "its rate is 0 without one"
        a, b = (stack([*parents[:, 0]], self._template) for parents in X)  # X: (2, n, 1)
        crossover = as_crossover(self._problem.crossover)
        children = [crossover.cross(*pair, rng=random_state) for pair in ((a, b), (b, a))]
        return np.stack([objects(batch)[:, None] for batch in children])


class _Mutation(Mutation):
    """The problem's own mutation."""

    def __init__(self, problem: Problem, template: Batch) -> None:
        super().__init__(prob=0.0 if problem.mutation is None else 1.0)
        self._problem, self._template = problem, template

    def _do(self, problem: Any, X: Any, random_state: Any = None, **_: Any) -> Any:  # noqa: ARG002
        if self._problem.mutation is None:  # pymoo asks for mutants whatever the rate
            return X
        batch = stack([*X[:, 0]], self._template)
        return objects(as_mutation(self._problem.mutation).mutate(batch, rng=random_state))[:, None]


class _Duplicates(DuplicateElimination):
    """Finds equal genomes, of whatever kind they are; pymoo's own looks for vectors at no distance."""

    def _do(self, pop: Any, other: Any, is_duplicate: Any) -> Any:
        known = set() if other is None else {*map(_key, other.get("X")[:, 0])}
        for i, genome in enumerate(pop.get("X")[:, 0]):
            is_duplicate[i] = (key := _key(genome)) in known
            known.add(key)
        return is_duplicate


def _key(genome: Any) -> bytes | str:
    return genome.tobytes() if isinstance(genome, np.ndarray) else str(genome)


class _PymooGa:
    def __init__(self, problem: Problem, seed: int) -> None:
        self._first = first_genomes(problem, seed)
        self._none = PymooProblem(n_var=1, n_obj=1, vtype=object)
        self._algorithm = GA(
            pop_size=problem.population_size,
            sampling=Population.new(X=objects(self._first)[:, None]),
            crossover=_Crossover(problem, self._first),
            mutation=_Mutation(problem, self._first),
            eliminate_duplicates=_Duplicates(),
        )
        self._algorithm.setup(self._none, seed=seed, termination=NoTermination())

    def ask(self) -> Batch:
        # Where nothing new can be bred pymoo would end: the members are scored again, and nothing changes.
        asked = self._algorithm.ask()
        self._again = asked is None or not len(asked)
        self._asked = self._algorithm.pop if self._again else asked
        return stack([*self._asked.get("X")[:, 0]], self._first)

    def tell(self, scores: NDArray[Any]) -> None:
        if self._again:
            self._algorithm.termination.force_termination = False
            return
        worse = -scores.mean(axis=1, dtype=np.float64)[:, None]  # pymoo minimises
        Evaluator().eval(StaticProblem(self._none, F=worse), self._asked)
        self._asked.set("scores", scores)
        self._algorithm.tell(infills=self._asked)

    def members(self) -> tuple[Batch, NDArray[Any]]:
        alive = self._algorithm.pop
        return stack([*alive.get("X")[:, 0]], self._first), alive.get("scores")
