"""Maximum satisfiability: find the assignment that satisfies most clauses of a formula."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

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
from evoniche_baselines.problems.random_formula import DRAWS, planted

__all__ = ["Formula", "max_sat", "planted", "read_dimacs", "specialist_assignments", "write_dimacs"]

_SPECIALISTS = tuple(b"max-sat specialists")  # no random number of a run, nor of the formula
_FLIPS = 100_000  # of a local search; at half of the clauses some hundred do


def max_sat(
    variables: int = 100,
    ratio: float = 4.26,
    instance: int = 0,
    file: str | None = None,
    specialists: int | bool = 0,
    draw: Literal["uniform", "complementary", "planted"] = "uniform",
) -> Problem:
    """Make a Max-3-SAT problem of a satisfiable formula.

    The default ratio, 4.26 clauses a variable, is where such formulas are hardest (Mitchell 1992). A clause is a case,
    and the target is to satisfy all. The formula is drawn (see `random_formula`) or read from a file. A child takes
    each variable from either parent; then one variable flips on average. Assignments of one niche differ in less than
    a tenth of the variables, where two random ones differ in half.

    With specialists, a run begins with assignments that each satisfy all clauses of a part of their own (a half of
    them for two), like experts that are to be merged; see `specialist_assignments`. There is no mutation, so the
    result depends on crossover and on who mates with whom. Some choice of their variables satisfies all clauses, so
    the target can be reached.

    Args:
        variables: The number of variables of a drawn formula, >= 3.
        ratio: The number of clauses for each variable of a drawn formula.
        instance: The number of the draw, of the formula and of the specialists.
        file: A DIMACS file (cnf) with a formula, in place of a drawn one; `variables` and `ratio` are then ignored.
        specialists: The number of specialists, >= 2; 0 means none, True means 2.
        draw: How a formula is drawn. "uniform": uniformly, and a SAT solver proves that it is satisfiable.
            "complementary": it hides a solution and its complement, for sizes that no solver masters. "planted": it
            hides one solution, to which its clauses point, so it is easier; this was the only way once.

    Raises:
        ValueError: An argument is none of these, a number is out of range, the file is missing or not in the format,
            or no solution is found of which the specialists could be made.
        ImportError: A formula is drawn uniformly, and python-sat is missing.

    >>> max_sat(variables=20, specialists=2).initial.shape
    (2, 20)
    """
    whole_number("instance", instance, 0)
    count = 2 if specialists is True else whole_number("specialists", specialists, 2) if specialists else 0
    if draw not in DRAWS:
        raise ValueError(f"draw must be one of {', '.join(DRAWS)}, got {draw!r}.")
    if file is None:
        formula, solution = DRAWS[draw](variables, ratio, instance)
        how = "" if draw == "uniform" else f", {draw}"
        name = f"{variables} variables, {len(formula)} clauses, instance {instance}{how}"
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


def specialist_assignments(
    formula: Formula, count: int, solution: NDArray[np.bool_] | None = None, *, rng: Generator
) -> NDArray[np.bool_]:
    """Make assignments that each satisfy all clauses of a part of their own, and that hold a solution between them.

    Clauses and variables are divided at random into equal parts, one of each for every specialist. A local search
    that knows only the specialist's clauses sets its variables; its other variables are as in the solution. So a child
    that takes each part of the variables from another specialist can be the solution.

    Args:
        formula: The formula.
        count: The number of specialists, at most that of the clauses and that of the variables.
        solution: An assignment that satisfies all clauses, shape (variables,); None searches for one.
        rng: Source of randomness.

    Returns:
        The assignments, boolean of shape (count, variables).

    Raises:
        ValueError: There are too many specialists, or no solution is found.
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
    """Search an assignment that satisfies all clauses and equals the start in the variables that are not free.

    The search begins with random values of the free variables. Each step takes an unsatisfied clause and flips one of
    its free variables: half of the time a random one, else the one that leaves most clauses satisfied (WalkSAT,
    Selman, Kautz and Cohen 1994, who count the clauses that break instead).
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
