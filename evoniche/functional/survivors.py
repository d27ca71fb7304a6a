"""Who is left when the least fit leaves, again and again."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoniche.arrays import like
from evoniche.functional.loads import RunningLoad
from evoniche.functional.niches import CAPACITY, EPS, Capacity, case_capacity, case_weights

__all__ = ["survivors"]

_ALL = slice(None)
_MANY = 4
"""Where more than one in so many members may be the least fit, the fitness of all is computed."""


def survivors(
    scores: NDArray[np.generic],
    k: int,
    *,
    alpha: float = 1.0,
    capacity: Capacity = CAPACITY,
    eps: float = EPS,
    load: NDArray[np.float64] | None = None,
    importance: ArrayLike | None = None,
    binary: bool | None = None,
    protected: int | None = None,
) -> NDArray[np.intp]:
    """The k members left when the least fit leaves and `shared_fitness` is shared anew, one member after the other.

    Of members that are equally fit, the first leaves. The survivors are exactly those of the plain loop, which computes
    the fitness of all members for each leaver. Here only a few are computed: when a member leaves, the prices of the
    cases rise as a rule, so the fitness that a member had before is a lower bound of the fitness that it has now. A
    member whose bound is above the least fitness cannot be the one that leaves.

    Args:
        scores: S, shape (members, cases), never negative; a numpy array.
        k: How many stay.
        alpha: Intensity of the competition, >= 0.
        capacity: c, see `case_capacity`; "max" follows those who are left.
        eps: Keeps the division defined.
        load: z where the caller has it; computed when missing.
        importance: How much each case counts, shape (cases,): a factor of its capacity. All the same when None.
        binary: Whether every score is 0 or 1; found out when None.
        protected: The position of a member that stays whatever its fitness.

    Returns:
        Positions of the survivors in rising order, shape (min(k, members),).

    Raises:
        ValueError: alpha < 0, or a wrong capacity.

    >>> import numpy as np
    >>> survivors(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]]), 2)
    array([1, 2])
    """
    if not alpha >= 0:
        raise ValueError(f"alpha must be >= 0, got {alpha!r}.")
    if k < 1:
        return np.zeros(0, dtype=np.intp)
    values = np.ascontiguousarray(scores, dtype=None if np.asarray(scores).dtype.kind == "f" else np.float64)
    if binary is None:
        binary = bool(((values == 0) | (values == 1)).all())
    cases = _Cases(values, alpha, capacity, eps, load, importance, binary)
    bounds = cases.fitness().astype(np.float64)  # what each member's fitness is at least
    if protected is not None:
        bounds[protected] = np.inf
    for _ in range(len(values) - k):
        least = cases.fitness(bounds.argmin())
        (looked_at,) = (bounds <= least).nonzero()
        if _MANY * len(looked_at) > len(bounds):  # to read all rows is faster than to copy so many
            np.copyto(bounds, cases.fitness(), where=np.isfinite(bounds))
            leaver = int(bounds.argmin())
        else:
            bounds[looked_at] = fitness = cases.fitness(looked_at)
            leaver = int(looked_at[fitness.argmin()])
        bounds[leaver] = np.inf
        cases.leave(leaver, bounds)
    return np.sort(cases.alive)


@final
class _Cases:
    """The prices of the cases while members leave."""

    def __init__(
        self, scores: NDArray[np.floating], alpha: float, capacity: Capacity, eps: float,
        load: NDArray[np.float64] | None, importance: ArrayLike | None, binary: bool,
    ) -> None:
        self.scores = scores
        self.binary = binary
        self.alpha, self.eps = alpha, eps
        self.load = RunningLoad(scores.sum(axis=0, dtype=np.float64) if load is None else load)
        # Where scores are 0 or 1, "max" is 1 wherever anybody takes a share.
        self.follows = isinstance(capacity, str) and capacity == "max" and not binary
        self.capacity = case_capacity(scores, "one" if binary and isinstance(capacity, str) else capacity)
        if self.follows:
            self.by_case = np.ascontiguousarray(scores.T)
            self.holders = np.count_nonzero(scores == self.capacity, axis=0)  # how many have the maximum
        self.importance = None if importance is None else like(importance, self.capacity)
        self.order = np.arange(len(scores))  # as in a `Population`: the last takes the place of who leaves
        self.places = np.arange(len(scores))
        self.left = len(scores)
        self.weights = self._weights()
        limits, n = np.finfo(scores.dtype), scores.shape[1]
        self.rounding = min(float(n * limits.eps), 0.5), float(n * limits.smallest_normal)  # twice that of n terms

    @property
    def alive(self) -> NDArray[np.intp]:
        """Positions of those who are left."""
        return self.order[: self.left]

    def fitness(self, positions: NDArray[np.intp] | np.intp | slice = _ALL) -> NDArray[np.floating]:
        """As in `shared_fitness`, row by row."""
        fitness: NDArray[np.floating] = np.vecdot(self.scores[positions], self.weights)
        return fitness

    def leave(self, leaver: int, bounds: NDArray[np.float64]) -> None:
        """Let one more member leave; where that makes a case cheaper, the bounds are lowered in place."""
        row = self.scores[leaver]
        self.left -= 1
        place, last = self.places[leaver], self.order[self.left]
        self.order[place], self.places[last] = last, place
        self.load = self.load.without(row[None, :], self.left, lambda: self.scores[self.alive], binary=self.binary)
        highest = None
        if self.follows:
            highest = self.capacity.copy()
            self._lower_capacity(row)
        before, self.weights = self.weights, self._weights()
        (cheaper,) = (self.weights < before).nonzero()
        if len(cheaper):
            most = self.scores[:, cheaper].max(axis=0) if highest is None else highest[cheaper]
            self._lower(bounds, most.astype(np.float64), before[cheaper], self.weights[cheaper])

    def _weights(self) -> NDArray[np.floating]:
        c = self.capacity if self.importance is None else self.capacity * self.importance
        weights: NDArray[np.floating] = like(
            case_weights(self.load.load, c, alpha=self.alpha, eps=self.eps), self.scores
        )
        return weights

    def _lower_capacity(self, row: NDArray[np.floating]) -> None:
        """Let the maximum follow where the last member that had it has left."""
        (held,) = (row == self.capacity).nonzero()
        self.holders[held] -= 1
        lost = held[self.holders[held] == 0]
        if len(lost):
            rest = self.by_case[lost].take(self.alive, axis=1)
            self.capacity[lost] = most = rest.max(axis=1)
            self.holders[lost] = (rest == most[:, None]).sum(axis=1)

    def _lower(
        self,
        bounds: NDArray[np.float64],
        most: NDArray[np.float64],
        before: NDArray[np.floating],
        after: NDArray[np.floating],
    ) -> None:
        """Take from all bounds what the highest scores on some cases lose, and what rounding may make of it."""
        rounding, underflow = self.rounding
        with np.errstate(over="ignore"):
            loss = (1 + rounding) * float(most @ (before.astype(np.float64) - after))
            bounds *= 1 - rounding
            bounds -= min(loss, float(np.finfo(np.float64).max))  # so that the infinite ones stay infinite
            bounds *= 1 - rounding
            bounds -= underflow
