"""Symbolic regression by genetic programming, with the benchmarks of McDermott et al. 2012.

| target | f | training points | test points | functions |
|---|---|---|---|---|
| koza-1 | x^4 + x^3 + x^2 + x | U[-1, 1, 20] | | koza |
| nguyen-1 | x^3 + x^2 + x | U[-1, 1, 20] | | koza |
| nguyen-2 | x^4 + x^3 + x^2 + x | U[-1, 1, 20] | | koza |
| nguyen-3 | x^5 + x^4 + x^3 + x^2 + x | U[-1, 1, 20] | | koza |
| nguyen-4 | x^6 + x^5 + x^4 + x^3 + x^2 + x | U[-1, 1, 20] | | koza |
| nguyen-5 | sin(x^2) cos(x) - 1 | U[-1, 1, 20] | | koza |
| nguyen-6 | sin(x) + sin(x + x^2) | U[-1, 1, 20] | | koza |
| nguyen-7 | ln(x + 1) + ln(x^2 + 1) | U[0, 2, 20] | | koza |
| nguyen-8 | sqrt(x) | U[0, 4, 20] | | koza |
| pagie-1 | 1 / (1 + x^-4) + 1 / (1 + y^-4) | E[-5, 5, 0.4] | | koza |
| keijzer-6 | sum_{i=1}^x 1/i | E[1, 50, 1] | E[1, 120, 1] | keijzer |
| vladislavleva-4 | 10 / (5 + sum_{i=1}^5 (x_i - 3)^2) | U[0.05, 6.05, 1024] | U[-0.25, 6.35, 5000] | vladislavleva-a |

For each variable, U[a, b, c] means c points drawn uniformly from a to b, and E[a, b, c] a grid of step c from a to b.
The functions are

- koza: +, -, *, a % b (1 where b = 0), sin, cos, e^n, ln|n| (0 where n = 0); no constants;
- keijzer: +, *, 1/n, -n, sqrt(n); constants from N(0, 5^2);
- vladislavleva-a: +, -, *, a % b, n^2; constants from U(-5, 5), which with + and * stand for the set's n + eps and
  n * eps (the interval is our choice). The set's n^eps is left out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import whole_number
from evoniche.batches import Batch
from evoniche.randomness import generator
from evoniche.roles import Scorer
from evoniche_baselines.problem import Problem
from evoniche_baselines.problems._gp import (
    SHAPE,
    Language,
    TreeGenome,
    behaviours,
    subtree_crossover,
    subtree_mutation,
)

__all__ = ["TARGETS", "Points", "PointsScorer", "Target", "regression"]

_POINTS = tuple(b"regression points")
"""The key of the random points, so that no run with the same seed draws the same numbers."""

_HIT = 0.01
"""The error below which a point counts as hit (Koza 1992)."""


def regression(target: str = "koza-1", instance: int = 0) -> Problem:
    """Make the problem to find a tree that comes near a function.

    A case is a training point. Its score is 1 / (1 + |error|), and 0 where the tree gives no finite number. The problem
    has held-out points where the benchmark has them, and a descriptor (height and size of the tree). The metric `hits`
    is the largest share of the points on which one member errs by less than 0.01 (Koza 1992).

    Args:
        target: One of `TARGETS`.
        instance: The number of the draw of random points, >= 0. The points of a grid are always the same.

    Raises:
        ValueError: There is no such target, or the instance is negative.

    >>> regression("keijzer-6").cases
    50
    """
    if target not in TARGETS:
        raise ValueError(f"regression(target=...) must be one of {', '.join(TARGETS)}, got {target!r}.")
    rng = generator(whole_number("regression(instance=...)", instance, 0), *_POINTS)
    of = TARGETS[target]
    language = _language(of.functions, of.variables)
    scorer, held_out = (
        None if points is None else PointsScorer(language, x := points.draw(of.variables, rng=rng), of.formula(*x))
        for points in (of.training, of.test)
    )
    assert scorer is not None, "every target has training points"
    return Problem(
        name=f"regression of {target}" + (f", instance {instance}" if instance else ""),
        genome=TreeGenome(language, scorer.score),
        scorer=scorer,
        cases=len(scorer.y),
        crossover=subtree_crossover(),
        mutation=subtree_mutation(language),
        population_size=500,
        target=1 - 1e-9,  # all but the rounding
        held_out=held_out,
        descriptor=SHAPE,
        metrics={"behaviours": behaviours, "hits": _hits},
    )


@final
@attrs.frozen
class Points:
    """The points at which a function is known.

    Args:
        kind: "U" for points drawn uniformly, "E" for a grid.
        low: The least value of each variable.
        high: The greatest value of each variable.
        number: The number of points; for a grid, its step.

    >>> Points("E", 0, 1, 0.5).draw(1, rng=np.random.default_rng(0))
    array([[0. , 0.5, 1. ]])
    """

    kind: Literal["U", "E"]
    low: float
    high: float
    number: float

    def draw(self, variables: int, *, rng: Generator) -> NDArray[np.float64]:
        """Return the points, shape (variables, n)."""
        if self.kind == "U":
            return rng.uniform(self.low, self.high, size=(variables, int(self.number)))
        steps = round((self.high - self.low) / self.number)
        axis = np.linspace(self.low, self.high, steps + 1)
        return np.stack(np.meshgrid(*[axis] * variables, indexing="ij")).reshape(variables, -1)


@final
@attrs.frozen
class Target:
    """A function to be found.

    Args:
        formula: The function `f(x, y, ...)`, of arrays.
        variables: The number of its variables.
        training: The points that trees are scored on.
        functions: The name of the function set that trees are made of.
        test: Held-out points for the best tree of a run; None where the benchmark has none.
    """

    formula: Callable[..., NDArray[np.float64]]
    variables: int
    training: Points
    functions: str = "koza"
    test: Points | None = None


def _polynomial(degree: int) -> Callable[..., NDArray[np.float64]]:
    return lambda x: sum(x**power for power in range(1, degree + 1))


_FROM_MINUS_1 = Points("U", -1, 1, 20)

TARGETS: Mapping[str, Target] = {
    "koza-1": Target(_polynomial(4), 1, _FROM_MINUS_1),
    "nguyen-1": Target(_polynomial(3), 1, _FROM_MINUS_1),
    "nguyen-2": Target(_polynomial(4), 1, _FROM_MINUS_1),
    "nguyen-3": Target(_polynomial(5), 1, _FROM_MINUS_1),
    "nguyen-4": Target(_polynomial(6), 1, _FROM_MINUS_1),
    "nguyen-5": Target(lambda x: np.sin(x**2) * np.cos(x) - 1, 1, _FROM_MINUS_1),
    "nguyen-6": Target(lambda x: np.sin(x) + np.sin(x + x**2), 1, _FROM_MINUS_1),
    "nguyen-7": Target(lambda x: np.log(x + 1) + np.log(x**2 + 1), 1, Points("U", 0, 2, 20)),
    "nguyen-8": Target(np.sqrt, 1, Points("U", 0, 4, 20)),
    "pagie-1": Target(lambda x, y: 1 / (1 + x**-4.0) + 1 / (1 + y**-4.0), 2, Points("E", -5, 5, 0.4)),
    "keijzer-6": Target(
        lambda x: np.cumsum(1 / np.arange(1, 121))[x.astype(int) - 1],
        1, Points("E", 1, 50, 1), "keijzer", Points("E", 1, 120, 1),
    ),
    "vladislavleva-4": Target(
        lambda *x: 10 / (5 + sum((xi - 3) ** 2 for xi in x)),
        5, Points("U", 0.05, 6.05, 1024), "vladislavleva-a", Points("U", -0.25, 6.35, 5000),
    ),
}  # fmt: skip
"""Name -> function to be found; see the table above."""


@final
@attrs.frozen(eq=False)
class PointsScorer(Scorer):
    """Scores trees by 1 / (1 + |error|) at each point.

    Args:
        language: What trees are made of.
        x: The points, shape (variables, cases).
        y: The values of the function there, shape (cases,).

    >>> scorer = regression("nguyen-8").scorer  # sqrt(x)
    >>> square_root = scorer.language.read("exp div log x add exp sub x x exp sub x x")  # e^(ln(x) / 2)
    >>> bool((scorer.score([square_root]) > 0.999).all())
    True
    """

    language: Language
    x: NDArray[np.float64] = attrs.field(repr=False)
    y: NDArray[np.float64] = attrs.field(repr=False)

    def score(self, genomes: Batch) -> NDArray[np.float64]:
        """Score a list of n trees; return shape (n, cases), from 0 to 1."""
        values = dict(zip(self.language.inputs, self.x, strict=True))
        scores = np.empty((len(genomes), len(self.y)))
        with np.errstate(all="ignore"):  # what overflows is no good, but allowed
            for row, tree in zip(scores, genomes, strict=True):
                row[:] = 1 / (1 + np.abs(self.language.run(tree, values) - self.y))
        return np.nan_to_num(scores, copy=False, nan=0.0)


def _hits(_: Batch, scores: NDArray[Any]) -> float:
    return float((scores > 1 / (1 + _HIT)).mean(axis=1).max())


def _divide(a: Any, b: Any) -> Any:
    return np.where(np.equal(b, 0), 1.0, np.divide(a, b))


def _log(a: Any) -> Any:
    size = np.abs(a)
    return np.where(size == 0, 0.0, np.log(size))


def _normal() -> float:
    return random.gauss(0, 5)


def _uniform() -> float:
    return random.uniform(-5, 5)


_ADD, _SUB, _MUL, _DIV = (np.add, 2), (np.subtract, 2), (np.multiply, 2), (_divide, 2)

_FUNCTIONS: Mapping[str, tuple[dict[str, tuple[Any, int]], Callable[[], float] | None]] = {
    "koza": ({"add": _ADD, "sub": _SUB, "mul": _MUL, "div": _DIV, "sin": (np.sin, 1), "cos": (np.cos, 1),
              "exp": (np.exp, 1), "log": (_log, 1)}, None),
    "keijzer": ({"add": _ADD, "mul": _MUL, "inv": (np.reciprocal, 1), "neg": (np.negative, 1),
                 "sqrt": (np.sqrt, 1)}, _normal),
    "vladislavleva-a": ({"add": _ADD, "sub": _SUB, "mul": _MUL, "div": _DIV, "square": (np.square, 1)}, _uniform),
}  # fmt: skip


@cache  # its set of primitives is the same for every problem with these functions
def _language(functions: str, variables: int) -> Language:
    known, constant = _FUNCTIONS[functions]
    names = ("x",) if variables == 1 else tuple(f"x{i}" for i in range(1, variables + 1))
    return Language(f"{functions}{variables}", known, names, constant)
