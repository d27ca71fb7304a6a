"""Maximum satisfiability: as many clauses of a formula as one assignment can satisfy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import whole_number
from evoniche.crossovers import UniformCrossover
from evoniche.genomes import BinaryGenome
from evoniche.mutations import BitFlipMutation
from evoniche.randomness import generator
from evoniche_baselines.problem import Problem
from evoniche_baselines.problems.formula import Formula, read_dimacs, write_dimacs

__all__ = ["Formula", "max_sat", "planted", "read_dimacs", "specialist_assignments", "write_dimacs"]

# An instance must share no random number with a run whose seed is the same, or the hidden assignment, which is drawn
# first, would be the first random genome.
_FORMULA, _SPECIALISTS = tuple(b"max-sat formula"), tuple(b"max-sat specialists")
_FLIPS = 100_000  # of a local search; at half of the clauses some hundred do


def max_sat(
    variables: int = 100,
    ratio: float = 4.26,
    instance: int = 0,
    file: str | None = None,
    specialists: int | bool = 0,
) -> Problem:
    """Max-3-SAT with a satisfiable formula, where such formulas are hardest: 4.26 clauses a variable (Mitchell 1992).

    A clause is a case, solved or not; the target is to satisfy all. Formulas are drawn, see `planted`, or read from
    a file. A child takes each variable from either parent, then one flips on average. Assignments of one niche
    differ in less than a tenth of the variables, where two random ones differ in half.

    With specialists, a run begins with so many assignments of which each satisfies all clauses of its part (a half
    for two), as experts do that are to be merged, see `specialist_assignments`. There is no mutation, so crossover
    and who mates with whom decide. The target can be reached: some choice of their variables satisfies all.

    Args:
        variables: Of a drawn formula, >= 3.
        ratio: Clauses for each variable of a drawn formula.
        instance: Which draw, of the formula and of the specialists.
        file: A DIMACS file (cnf) in place of a drawn formula, whose own numbers then count.
        specialists: How many, >= 2; 0 for none, True for 2.

    Raises:
        ValueError: A number out of range, a file that is not there or garbled, or specialists for a formula for which
            no solution is found.
    """
    whole_number("instance", instance, 0)
    count = 2 if specialists is True else whole_number("specialists", specialists, 2) if specialists else 0
    if file is None:
        formula, solution = planted(variables, ratio, instance)
        name = f"{variables} variables, {len(formula)} clauses, instance {instance}"
    else:
        formula, solution, name = read_dimacs(file), None, Path(file).name
    rng = generator(instance, *_SPECIALISTS)
    return Problem(
        name=f"max-sat ({name}{f', {count} specialists' if count else ''})",
        genome=BinaryGenome(formula.variables),
        scorer=formula,
        cases=len(formula),
        crossover=UniformCrossover(),
        mutation=None if count else BitFlipMutation(),
        initial=specialist_assignments(formula, count, solution, rng=rng) if count else None,
        target=1.0,
        radius=formula.variables / 10,
        seeds=bool(count),
    )


def planted(variables: int, ratio: float, instance: int) -> tuple[Formula, NDArray[np.bool_]]:
    """A random 3-SAT formula that a hidden assignment satisfies, and that assignment of shape (variables,).

    The hidden assignment is drawn uniformly. A clause has three different variables, each negated or not with equal
    chance; clauses that the hidden assignment violates, one in eight, are drawn again.

    Raises:
        ValueError: A number out of range.
    """
    whole_number("variables", variables, 3)
    if not 0 < ratio < np.inf or round(ratio * variables) < 1:
        raise ValueError(f"ratio must be a number > 0 that gives a clause at least, got {ratio!r}.")
    rng = generator(whole_number("instance", instance, 0), *_FORMULA)
    hidden = rng.integers(0, 2, size=variables, dtype=np.bool_)
    clauses: list[NDArray[np.int64]] = []
    while len(clauses) < round(ratio * variables):
        chosen = rng.choice(variables, size=3, replace=False)
        true = rng.integers(0, 2, size=3, dtype=np.bool_)
        if (hidden[chosen] == true).any():
            clauses.append(np.where(true, chosen + 1, -chosen - 1))
    return Formula(variables, clauses), hidden


def specialist_assignments(
    formula: Formula, count: int, solution: NDArray[np.bool_] | None = None, *, rng: Generator
) -> NDArray[np.bool_]:
    """Assignments of which each satisfies all clauses of a part of its own, and that hold a solution between them.

    Clauses and variables are divided at random into equal parts, a part of each for every specialist. It has its
    variables as a local search leaves them that knows of its clauses alone, and the others as in the solution. So
    a child that takes each part of the variables from another specialist can be the solution.

    Args:
        formula: Which clauses there are.
        count: How many specialists, at most as many as clauses or variables.
        solution: An assignment that satisfies all, shape (variables,); searched for when None.
        rng: Where the randomness comes from.

    Returns:
        Shape (count, variables).

    Raises:
        ValueError: Too many specialists, or no solution is found.
    """
    if count > min(len(formula), formula.variables):
        raise ValueError(f"specialists must be at most as many as variables, {formula.variables}, and clauses, "
                         f"{len(formula)}, got {count}.")
    if solution is None:
        free = np.ones(formula.variables, dtype=np.bool_)
        solution = _search(formula, free, free, rng)
    clauses, variables = (np.array_split(rng.permutation(n), count) for n in (len(formula), formula.variables))
    specialists = []
    for known, own in zip(clauses, variables, strict=True):
        free = np.isin(np.arange(formula.variables), own)
        part = Formula(formula.variables, [formula.clauses[i] for i in known])
        specialists.append(_search(part, solution, free, rng))
    return np.stack(specialists)


def _search(
    formula: Formula, start: NDArray[np.bool_], free: NDArray[np.bool_], rng: Generator
) -> NDArray[np.bool_]:
    """An assignment that satisfies all clauses and is as the start where it is not free.

    From random values of the free variables, it takes an unsatisfied clause and flips one of its free variables, half
    of the time a random one, else the one that leaves most clauses satisfied (WalkSAT, Selman, Kautz and Cohen 1994,
    with the clauses that are satisfied in place of those that break).
    """
    assignment = np.where(free, rng.integers(0, 2, size=len(start), dtype=np.bool_), start)
    for _ in range(_FLIPS):
        unsatisfied = np.flatnonzero(~formula.score(assignment[None])[0])
        if not len(unsatisfied):
            return assignment
        variables = np.abs(formula.clauses[rng.choice(unsatisfied)]) - 1
        variables = variables[free[variables]]
        neighbours = np.repeat(assignment[None], len(variables), axis=0)
        neighbours[np.arange(len(variables)), variables] ^= True
        satisfied = formula.score(neighbours).sum(axis=1)
        assignment = neighbours[rng.integers(len(variables)) if rng.random() < 0.5 else satisfied.argmax()]
    raise ValueError(f"specialists need a solution, and a search of {_FLIPS} flips found none for {len(formula)} "
                     "clauses: take another formula.")
