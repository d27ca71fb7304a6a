"""Functions F1 to F10 of the CEC 2013 niching suite (Li, Engelbrecht and Epitropakis 2013), all to be maximised.

| | function | domain | optima | height | lower bound | rho | evaluations |
|---|---|---|---|---|---|---|---|
| F1 | five-uneven-peak trap | [0, 30] | 2 | 200 | 0 | 0.01 | 50,000 |
| F2 | equal maxima | [0, 1] | 5 | 1 | 0 | 0.01 | 50,000 |
| F3 | uneven decreasing maxima | [0, 1] | 1 | 1 | 0 | 0.01 | 50,000 |
| F4 | Himmelblau | [-6, 6]^2 | 4 | 200 | -1986 | 0.01 | 50,000 |
| F5 | six-hump camel back | [-1.9, 1.9] x [-1.1, 1.1] | 2 | 1.031628... | -5.87 | 0.5 | 50,000 |
| F6 | Shubert | [-10, 10]^2 | 18 | 186.7309... | -210.49 | 0.5 | 200,000 |
| F7 | Vincent | [0.25, 10]^2 | 36 | 1 | -1 | 0.2 | 200,000 |
| F8 | Shubert | [-10, 10]^3 | 81 | 2709.0935... | -3053.7 | 0.5 | 400,000 |
| F9 | Vincent | [0.25, 10]^3 | 216 | 1 | -1 | 0.2 | 400,000 |
| F10 | modified Rastrigin | [0, 1]^2 | 12 | -2 | -38 | 0.01 | 200,000 |

Optima, heights, rho and evaluations are those of the suite's own program, which leaves out the factor 4 that its report
has before F5. The highest value of F3 is 1.7e-7 below its height. The lower bounds follow from the formulas. F1 to F3
are never negative. F7, F9 and F10 are sums of sines and cosines, each at least -1. Shubert's is the negated product of
factors with an absolute value of at most 14.508. F4 and F5 are least at the corners (6, 6) and (1.9, 1.1).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import RealGenome, UniformCrossover
from evoniche._validators import float_genomes, greater_than
from evoniche.batches import Batch
from evoniche.roles import Mutation, Scorer
from evoniche_baselines.problem import Descriptor, Problem, RealVectors

__all__ = ["ACCURACIES", "SUITE", "BoundedMutation", "HeightScorer", "NichingFunction", "cec2013", "count_optima"]

ACCURACIES = ("1e-1", "1e-2", "1e-3", "1e-4", "1e-5")
"""The greatest distances from the height at which a global optimum counts as found."""

Floats = NDArray[np.float64]


def cec2013(function: int = 1, step: float = 0.1) -> Problem:
    """Make the problem to find all of the global optima of a function.

    It has one case, with the score (f - lower) / (height - lower); a distance with a radius of niches, half of the
    least distance of two optima (F3: as F2), which methods with a radius take for known; real
    vectors; and a descriptor, the place in a grid over the first two coordinates (or the only one). Crossover is
    uniform, so in one dimension a child is a copy of one parent, and only mutation finds new points. The metrics are
    the suite's peak ratio and success rate of the members alive at each accuracy; niches are the optima held at
    accuracy 1e-4, and `niches_found` counts those ever found.

    Args:
        function: The number of the function, from 1 to 10.
        step: The longest step of the mutation, as a share of the width of the domain, > 0. What falls
            outside is put on the bound, because the optima of F1 are there.

    Raises:
        ValueError: There is no such function, or step is not > 0.

    >>> cec2013(function=4).name
    'cec2013 F4 (Himmelblau)'
    """
    if function not in range(1, len(SUITE) + 1):
        raise ValueError(f"cec2013(function=...) must be from 1 to {len(SUITE)}, got {function!r}.")
    f = SUITE[int(function) - 1]
    width = np.subtract(f.high, f.low)
    return Problem(
        name=f"cec2013 F{function} ({f.name})",
        genome=RealGenome(f.dimensions, bounds=(f.low, f.high)),
        scorer=HeightScorer(f),
        cases=1,
        crossover=UniformCrossover(),
        mutation=BoundedMutation(f.low, f.high, step),
        best_known=1.0,
        radius=_NICHE_RADIUS[function - 1],
        descriptor=Descriptor(_position, f.low[:2], f.high[:2], cells=(100,) if f.dimensions == 1 else (32, 32)),
        vector=RealVectors(f.dimensions, f.start, std=0.2 * float(width.min()), low=f.low, high=f.high),
        niches=partial(_found, f, 1e-4),
        finds=partial(_seeds, f, 1e-4),
        metrics={"peak_ratio_1e-4": partial(_peak_ratio, f, 1e-4)},
        details=partial(_at_each_accuracy, f),
    )


@final
@attrs.frozen(eq=False)
class NichingFunction:
    """A function of the suite: a row of the table above. Called with points (n, dimensions), it returns values (n,)."""

    name: str
    formula: Callable[[Floats], Floats] = attrs.field(repr=False)
    """The function `f(x)` of points x, shape (n, dimensions)."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    optima: int
    height: float
    lower: float
    radius: float
    evaluations: int

    @property
    def dimensions(self) -> int:
        """The number of coordinates of a point."""
        return len(self.low)

    def __call__(self, points: Batch) -> Floats:
        """Return the values at points of shape (n, dimensions); shape (n,)."""
        return self.formula(np.asarray(points, dtype=np.float64))

    def start(self, rng: Generator) -> Floats:
        """Draw a point uniformly from the domain, shape (dimensions,)."""
        return rng.uniform(self.low, self.high)


def count_optima(function: NichingFunction, points: Batch, accuracy: float) -> int:
    """Count the global optima that these points have found, as the suite counts them.

    The best point is the seed of an optimum, and all points within rho of it belong to it; the best of the others is
    the next seed, and so on. Seeds within `accuracy` of the height count. A worse point never rules out a better one,
    so points outside that accuracy are left out from the beginning. Where rho is 0.01, a peak may be wider than rho at
    accuracy 1e-1 or 1e-2 and count several times, also in the suite's own program; publications compare at 1e-4.

    Args:
        function: The function.
        points: The points, shape (n, dimensions).
        accuracy: The greatest distance of a value from the height.

    Returns:
        A number from 0 to `function.optima`.

    >>> count_optima(SUITE[1], [[0.1], [0.3], [0.301], [0.45]], accuracy=0.01)  # F2: optima at 0.1, 0.3, 0.5, ...
    2
    """
    return len(_seeds(function, accuracy, points))


def _seeds(function: NichingFunction, accuracy: float, points: Batch, _: object = None) -> NDArray[np.intp]:
    """Return the position of the best point of each optimum found."""
    points = np.asarray(points, dtype=np.float64)
    values = function(points)
    left = np.argsort(-values, kind="stable")
    left = left[np.abs(values[left] - function.height) <= accuracy]
    found: list[int] = []
    while len(left) and len(found) < function.optima:
        found.append(int(left[0]))
        left = left[np.linalg.norm(points[left] - points[left[0]], axis=1) > function.radius]
    return np.array(found, dtype=np.intp)


@final
@attrs.frozen(eq=False)
class HeightScorer(Scorer):
    """Scores points by (f - lower) / (height - lower), at least 0, and 1 at a global optimum; there is one case.

    Args:
        function: The function to be maximised.

    >>> HeightScorer(SUITE[0]).score([[0.0], [2.5]])  # F1: 200 and 0
    array([[1.],
           [0.]])
    """

    function: NichingFunction

    def score(self, genomes: Batch) -> Floats:
        """Score points of shape (n, dimensions); return shape (n, 1)."""
        f = self.function
        return np.maximum((f(genomes) - f.lower) / (f.height - f.lower), 0.0)[:, None]


@final
@attrs.frozen
class BoundedMutation(Mutation):
    """Moves every gene by a step whose length is of any scale, and puts what falls outside of the bounds onto them.

    A step is +-step (high - low) 2**-k with k uniform in [0, 16] (the breeder GA of Muehlenbein and Schlierkamp-Voosen
    1993, with k continuous). Lengths are so log-uniform over five decades: long steps find peaks, and short ones climb
    them to the suite's accuracy, where the steps of one standard deviation either find or climb.

    Args:
        low: The lower bound of each gene.
        high: The upper bound of each gene.
        step: The longest step, as a share of the width, > 0.

    >>> mutation = BoundedMutation(low=(0.0,), high=(1.0,), step=0.1)
    >>> mutants = mutation.mutate(np.full((1000, 1), 0.5), rng=np.random.default_rng(0))
    >>> bool(0.4 <= mutants.min() < 0.41 and 0.59 < mutants.max() <= 0.6)
    True
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    step: float = attrs.field(validator=greater_than(0))

    def mutate(self, genomes: Batch, *, rng: Generator) -> Floats:
        """Mutate a float array of shape (n, genes)."""
        float_genomes(self, genomes)
        length = self.step * np.subtract(self.high, self.low) * 2.0 ** -rng.uniform(0, 16, genomes.shape)
        return np.clip(genomes + length * rng.choice([-1.0, 1.0], genomes.shape), self.low, self.high)


def _found(function: NichingFunction, accuracy: float, genomes: Batch, _: NDArray[Any]) -> int:
    return count_optima(function, genomes, accuracy)


def _peak_ratio(function: NichingFunction, accuracy: float, genomes: Batch, _: NDArray[Any]) -> float:
    return count_optima(function, genomes, accuracy) / function.optima


def _at_each_accuracy(function: NichingFunction, genomes: Batch, scores: NDArray[Any]) -> dict[str, float]:
    ratios = {text: _peak_ratio(function, float(text), genomes, scores) for text in ACCURACIES}
    return ({f"peak_ratio_{text}": ratio for text, ratio in ratios.items()}
            | {f"success_{text}": float(ratio == 1) for text, ratio in ratios.items()})


def _position(genomes: Batch, _: NDArray[Any]) -> Floats:
    return np.asarray(genomes, dtype=np.float64)[:, :2]


def _five_uneven_peak_trap(x: Floats) -> Floats:
    corners = [0, 2.5, 5, 7.5, 12.5, 17.5, 22.5, 27.5, 30]  # the function is straight between them
    return np.interp(x[:, 0], corners, [200, 0, 160, 0, 140, 0, 160, 0, 200])


def _equal_maxima(x: Floats) -> Floats:
    return np.sin(5 * np.pi * x[:, 0]) ** 6


def _uneven_decreasing_maxima(x: Floats) -> Floats:
    x = x[:, 0]
    return np.exp(-2 * np.log(2) * ((x - 0.08) / 0.854) ** 2) * np.sin(5 * np.pi * (x**0.75 - 0.05)) ** 6


def _himmelblau(x: Floats) -> Floats:
    x, y = x.T
    return 200 - (x**2 + y - 11) ** 2 - (x + y**2 - 7) ** 2


def _six_hump_camel_back(x: Floats) -> Floats:
    x, y = x.T
    return -((4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (4 * y**2 - 4) * y**2)


def _shubert(x: Floats) -> Floats:
    j = np.arange(1, 6)
    return -(j * np.cos((j + 1) * x[..., None] + j)).sum(axis=-1).prod(axis=-1)


def _vincent(x: Floats) -> Floats:
    return np.sin(10 * np.log(x)).mean(axis=1)


def _modified_rastrigin(x: Floats) -> Floats:
    return -(10 + 9 * np.cos(2 * np.pi * np.array([3, 4]) * x)).sum(axis=1)


SUITE = tuple(NichingFunction(*row) for row in (
    ("five-uneven-peak trap", _five_uneven_peak_trap, (0.0,), (30.0,), 2, 200.0, 0.0, 0.01, 50_000),
    ("equal maxima", _equal_maxima, (0.0,), (1.0,), 5, 1.0, 0.0, 0.01, 50_000),
    ("uneven decreasing maxima", _uneven_decreasing_maxima, (0.0,), (1.0,), 1, 1.0, 0.0, 0.01, 50_000),
    ("Himmelblau", _himmelblau, (-6.0,) * 2, (6.0,) * 2, 4, 200.0, -1986.0, 0.01, 50_000),
    ("six-hump camel back", _six_hump_camel_back, (-1.9, -1.1), (1.9, 1.1), 2, 1.031628453489877, -5.87, 0.5, 50_000),
    ("Shubert 2D", _shubert, (-10.0,) * 2, (10.0,) * 2, 18, 186.7309088310239, -210.49, 0.5, 200_000),
    ("Vincent 2D", _vincent, (0.25,) * 2, (10.0,) * 2, 36, 1.0, -1.0, 0.2, 200_000),
    ("Shubert 3D", _shubert, (-10.0,) * 3, (10.0,) * 3, 81, 2709.093505572820, -3053.7, 0.5, 400_000),
    ("Vincent 3D", _vincent, (0.25,) * 3, (10.0,) * 3, 216, 1.0, -1.0, 0.2, 400_000),
    ("modified Rastrigin", _modified_rastrigin, (0.0,) * 2, (1.0,) * 2, 12, -2.0, -38.0, 0.01, 200_000),
))  # fmt: skip
"""The functions F1 to F10, in order."""

_NICHE_RADIUS = (15.0, 0.1, 0.1, 1.94, 0.71, 0.44, 0.145, 0.44, 0.145, 0.125)
"""Half of the least distance of two global optima of each function, rounded down. F3 has one, and that of F2."""
