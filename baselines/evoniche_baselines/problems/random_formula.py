"""Draws satisfiable 3-SAT formulas, with an assignment that satisfies each."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import whole_number
from evoniche.randomness import generator
from evoniche_baselines.problem import LARGEST
from evoniche_baselines.problems.formula import Formula

__all__ = ["DRAWS", "complementary", "planted", "uniform"]

# An instance must share no random number with a run whose seed is the same, or a hidden assignment, which is drawn
# first, would be the first random genome.
_FORMULA = tuple(b"max-sat formula")
_ATTEMPTS = 1_000
_HOPELESS = 40  # bits: one of a million times a million formulas

Drawn = tuple[Formula, NDArray[np.bool_]]


@lru_cache(maxsize=32)
def uniform(variables: int, ratio: float, instance: int) -> Drawn:
    """Draw a formula uniformly from all that are satisfiable: formulas are drawn until a SAT solver solves one.

    A clause has three different variables, each negated or not with equal chance (Mitchell, Selman and Levesque 1992).
    Nothing in such a formula points to a solution. The solver is CaDiCaL. At the default ratio of `max_sat` about half
    of the formulas of 100 variables are satisfiable, and a solution takes milliseconds; from about 300 variables on it
    takes minutes.

    Args:
        variables: The number of variables, >= 3.
        ratio: The number of clauses for each variable.
        instance: The number of the draw, >= 0.

    Returns:
        The formula, and an assignment that satisfies it, of shape (variables,), read-only.

    Raises:
        ValueError: A number is out of range, or none of 1,000 formulas is satisfiable.
        ImportError: python-sat is missing.

    >>> formula, solution = uniform(variables=20, ratio=4, instance=0)
    >>> len(formula), bool(formula.score(solution[None]).all())
    (80, True)
    """
    rng, count = _checked(variables, ratio, instance)
    # A formula has 2**variables (7/8)**count solutions on average, and no more chance of one (Franco and Paull 1983).
    hopeless = variables + count * np.log2(7 / 8) < -_HOPELESS
    for _ in range(0 if hopeless else _ATTEMPTS):
        formula = Formula(variables, _literals(variables, count, lambda _: True, rng))
        solution = _solve(formula)
        if solution is not None:
            return formula, solution
    raise ValueError(f"ratio must be one at which formulas can be satisfied, and none of {_ATTEMPTS} formulas of "
                     f"{variables} variables with ratio {ratio!r} can: take less, or hide a solution "
                     "(draw=complementary).")


@lru_cache(maxsize=32)
def planted(variables: int, ratio: float, instance: int) -> Drawn:
    """Draw a formula that a hidden assignment satisfies: clauses that it violates, one in eight, are drawn again.

    Such formulas are easy, because they point to what is hidden: a literal agrees with it with a chance of 4/7, so a
    vote of its literals finds most values of a variable. They are here for comparison with older results.

    The arguments and what is returned are those of `uniform`.
    """
    rng, count = _checked(variables, ratio, instance)
    hidden = rng.integers(0, 2, size=variables, dtype=np.bool_)
    hidden.flags.writeable = False

    def satisfied(literals: NDArray[np.int64]) -> bool:
        return bool((hidden[np.abs(literals) - 1] == (literals > 0)).any())

    return Formula(variables, _literals(variables, count, satisfied, rng)), hidden


@lru_cache(maxsize=32)
def complementary(variables: int, ratio: float, instance: int) -> Drawn:
    """Draw a formula that a hidden assignment satisfies, and its complement as well (Achlioptas, Jia and Moore 2005).

    A clause that either of the two violates is drawn again. So a literal agrees with each with a chance of 1/2, and
    votes of literals tell nothing. No solver is needed, at any size and ratio.

    The arguments and what is returned are those of `uniform`; the assignment is one of the two.
    """
    rng, count = _checked(variables, ratio, instance)
    hidden = rng.integers(0, 2, size=variables, dtype=np.bool_)
    hidden.flags.writeable = False

    def satisfied(literals: NDArray[np.int64]) -> bool:
        agree = hidden[np.abs(literals) - 1] == (literals > 0)
        return bool(agree.any() and not agree.all())

    return Formula(variables, _literals(variables, count, satisfied, rng)), hidden


DRAWS: dict[str, Callable[[int, float, int], Drawn]] = {
    "uniform": uniform, "complementary": complementary, "planted": planted,
}
"""The ways to draw a formula, the default first."""


def _checked(variables: int, ratio: float, instance: int) -> tuple[Generator, int]:
    """Return the generator of an instance, and the number of its clauses."""
    whole_number("variables", variables, 3, LARGEST)
    if not 0 < ratio < np.inf or round(ratio * variables) < 1:
        raise ValueError(f"ratio must be a number > 0 that gives a clause at least, got {ratio!r}.")
    count = whole_number("ratio times variables", round(ratio * variables), 1, LARGEST)
    return generator(whole_number("instance", instance, 0), *_FORMULA), count


def _literals(
    variables: int, count: int, wanted: Callable[[NDArray[np.int64]], bool], rng: Generator
) -> list[NDArray[np.int64]]:
    """Draw clauses of three different variables, negated or not, until so many are wanted."""
    clauses: list[NDArray[np.int64]] = []
    while len(clauses) < count:
        chosen = rng.choice(variables, size=3, replace=False)
        true = rng.integers(0, 2, size=3, dtype=np.bool_)
        literals = np.where(true, chosen + 1, -chosen - 1)
        if wanted(literals):
            clauses.append(literals)
    return clauses


def _solve(formula: Formula) -> NDArray[np.bool_] | None:
    """Return an assignment that satisfies all clauses, or None if there is none."""
    try:
        from pysat.solvers import Cadical153
    except ModuleNotFoundError as error:
        raise ImportError("max-sat needs python-sat to find satisfiable formulas: pip install 'evoniche[baselines]', "
                          "or hide a solution (draw=complementary).", name=error.name) from error
    with Cadical153(bootstrap_with=formula.clauses) as solver:
        if not solver.solve():
            return None
        true = {literal for literal in solver.get_model() if literal > 0}
    solution = np.isin(np.arange(1, formula.variables + 1), list(true))
    solution.flags.writeable = False
    return solution
