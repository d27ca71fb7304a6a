"""How fit a child and the members can be once it has joined, while not all of its scores are known.

Each class bounds one fitness. A case that is not seen yet can bring the child `ceiling` at most, and all such cases
together leave the members `floor` at least; `gain` and `rise` say how both change when a case is seen.
"""

from __future__ import annotations

from typing import Any, Protocol, Self, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import functional
from evoniche.population import Population
from evoniche.sharing import ImplicitSharing, RawSharing

__all__ = ["Bounds", "bounds", "no_bounds", "rounding"]

Floats = NDArray[np.float64]


class Bounds(Protocol):
    """What is known before a score of the child is seen, and what each score changes."""

    @property
    def ceiling(self) -> Floats:
        """What each case can bring the child at most, shape (cases,)."""

    @property
    def floor(self) -> Floats:
        """How fit each member is at least, whatever the child scores, shape (members,)."""

    def gain(self, cases: NDArray[np.intp], s: Floats) -> float:
        """What some cases bring the child that scores s there."""

    def rise(self, scores: NDArray[Any], cases: NDArray[np.intp], s: Floats) -> Floats:
        """How much higher `floor` is once it is known that the child scores s on some cases.

        Args:
            scores: The members' scores on these cases, shape (members, n).
            cases: Which, shape (n,).
            s: Shape (n,).
        """


def no_bounds(sharing: Any) -> str:
    """Why no bounds are known for a sharing; "" where they are."""
    if isinstance(sharing, RawSharing):
        return ""
    if not isinstance(sharing, ImplicitSharing):
        return f"no bounds are known for the fitness of {sharing!r}: take ImplicitSharing or RawSharing"
    if sharing.relative and sharing.alpha != 1:
        return f"for relative scores bounds are known where alpha is 1, got {sharing.alpha!r}"
    if sharing.alpha > 1 and sharing.eps < np.finfo(np.float64).smallest_normal:
        return f"with alpha > 1 a case that nobody solves has bounds only where eps > 0, got {sharing.eps!r}"
    return ""


def bounds(population: Population, highest: float) -> Bounds:
    """The bounds in a population that one child joins.

    Args:
        population: Of a sharing that has bounds.
        highest: What a case can score at most.
    """
    if isinstance(population.sharing, RawSharing):
        return _Raw.of(population, highest)
    sharing: Any = population.sharing
    return (_Relative if sharing.relative else _Shared).of(population, highest)


def rounding(population: Population, bounds: Bounds, highest: float) -> tuple[float, float]:
    """How far rounding can separate fitness as it is computed from the bounds: as a share of it, and absolutely.

    All terms are positive, so a sum of n of them is wrong by less than n roundings, in whatever order it is added up.
    On its way into the sum a term is rounded some 16 times (power, division, capacity, importance, conversion), and
    whatever was wrong in the load, a sum over the members, is multiplied by alpha. Both fitness and its bound are
    computed so, and on both sides of the comparison. Numbers so small that their rounding is absolute, and so large
    that they overflow, are kept off by the second number.

    Returns:
        A share and a number; an infinite one where nothing is certain.
    """
    members, cases = population.scores.shape
    kind = np.finfo(population.fitness.dtype)
    alpha = float(getattr(population.sharing, "alpha", 1.0))
    share = 4.0 * (cases + (alpha + 1) * (members + 5) + 16) * float(kind.eps)
    largest = (members + 1) * cases * (1 + float(population.scores.max()) + highest)
    price = getattr(bounds, "dearest", 1.0)
    with np.errstate(over="ignore"):
        safe = share < 0.5 and price * largest < float(kind.max) / 4
    return share, 4 * largest * float(kind.smallest_normal) if safe else np.inf


@final
@attrs.frozen(eq=False)
class _Raw:
    """f_i = sum_j S_ij: nobody takes anything from anybody."""

    ceiling: Floats
    floor: Floats
    weights: Floats

    @classmethod
    def of(cls, population: Population, highest: float) -> Self:
        cases = population.scores.shape[1]
        v = np.ones(cases) if population.importance is None else population.importance
        weights = v * cases / v.sum()
        return cls(highest * weights, population.fitness.astype(np.float64), weights)

    def gain(self, cases: NDArray[np.intp], s: Floats) -> float:
        return float(s @ self.weights[cases])

    def rise(self, scores: NDArray[Any], cases: NDArray[np.intp], s: Floats) -> Floats:  # noqa: ARG002
        return np.zeros(len(scores))


@final
@attrs.frozen(eq=False)
class _Shared:
    """f_i = sum_j S_ij c_j / (z_j**alpha + eps), z being the load of the members and the child.

    A member has least where the child scores the highest, h. What the child gets, s c / ((z + s)**alpha + eps), grows
    with s for alpha <= 1. For alpha > 1 it is at most s c / (z + s)**alpha, highest where s = z / (alpha - 1), and
    at most s c / (s**alpha + eps), highest where s**alpha = eps / (alpha - 1). With capacity "max", c is at
    least the members' best score, and at most the higher of that and h.
    """

    sharing: ImplicitSharing
    load: Floats
    least: Floats
    """c without the child."""
    importance: Floats
    lowest: Floats
    """The weight of each case where the child scores h."""
    ceiling: Floats
    floor: Floats
    dearest: float

    @classmethod
    def of(cls, population: Population, highest: float) -> Self:
        sharing: Any = population.sharing
        v = np.ones(len(population.load)) if population.importance is None else population.importance
        least = functional.case_capacity(population.scores, sharing.capacity).astype(np.float64)
        most = np.maximum(least, highest) if _is_max(sharing) else least
        z, alpha, eps = population.load, sharing.alpha, sharing.eps
        lowest = _quotient(least * v, (z + highest) ** alpha + eps)
        ceiling = _quotient(highest * most * v, (z + highest) ** alpha + eps)
        if alpha > 1:
            s = z / (alpha - 1)
            alone = min(highest, (eps / (alpha - 1)) ** (1 / alpha))
            peak = np.minimum(_quotient(s, (z + s) ** alpha, otherwise=np.inf), alone / (alone**alpha + eps))
            ceiling = np.where(s < highest, np.maximum(ceiling, most * v * peak), ceiling)
        floor = _dot(population.scores, lowest)
        dearest = _quotient(most * v, z**alpha + eps, otherwise=np.inf)
        return cls(sharing, z, least, v, lowest, ceiling, floor, float(dearest.max()))

    def gain(self, cases: NDArray[np.intp], s: Floats) -> float:
        return float(s @ self._weights(cases, s))

    def rise(self, scores: NDArray[Any], cases: NDArray[np.intp], s: Floats) -> Floats:
        return _dot(scores, np.maximum(self._weights(cases, s) - self.lowest[cases], 0))

    def _weights(self, cases: NDArray[np.intp], s: Floats) -> Floats:
        c = np.maximum(self.least[cases], s) if _is_max(self.sharing) else self.least[cases]
        return _quotient(c * self.importance[cases], (self.load[cases] + s) ** self.sharing.alpha + self.sharing.eps)


@final
@attrs.frozen(eq=False)
class _Relative:
    """The same of S_ij - m_j, m being the lowest score of members and child; alpha is 1.

    Without the child, r_ij is what a member scores above m, and R the sum of r over the P members. Where the child
    scores d above m, a member has r c / (R + d + eps): least for the highest d. Where it scores d below, every member
    gains d, and (r + d) c / (R + P d + eps) either rises or falls all the way to d = m. So a member's least is at one
    of the two ends.
    """

    sharing: ImplicitSharing
    load: Floats
    """R."""
    least: Floats
    """c without the child, times importance."""
    importance: Floats
    worst: Floats
    """m without the child."""
    above: Floats
    """How far above m the child can be."""
    members: int
    ceiling: Floats
    floor: Floats
    dearest: float

    @classmethod
    def of(cls, population: Population, highest: float) -> Self:
        sharing: Any = population.sharing
        scores = population.scores.astype(np.float64)
        v = np.ones(scores.shape[1]) if population.importance is None else population.importance
        worst = scores.min(axis=0)
        above = np.maximum(highest - worst, 0)
        c = functional.case_capacity(population.scores, sharing.capacity).astype(np.float64)
        least, most = (c - worst, np.maximum(c - worst, above)) if _is_max(sharing) else (c, c)
        load = (scores - worst).sum(axis=0)
        ceiling = _quotient(above * most * v, load + above + sharing.eps)
        dearest = _quotient((most + worst) * v, load + sharing.eps, otherwise=np.inf).max()
        bare = cls(sharing, load, least * v, v, worst, above, len(scores), ceiling, np.zeros(0), float(dearest))
        return attrs.evolve(bare, floor=bare._unseen(scores, np.arange(scores.shape[1])))

    def gain(self, cases: NDArray[np.intp], s: Floats) -> float:
        return float(np.maximum(s - self.worst[cases], 0) @ self._weights(cases, s))

    def rise(self, scores: NDArray[Any], cases: NDArray[np.intp], s: Floats) -> Floats:
        scores = scores.astype(np.float64)
        seen = (scores - np.minimum(self.worst[cases], s)) @ self._weights(cases, s)
        return seen - self._unseen(scores, cases)

    def _weights(self, cases: NDArray[np.intp], s: Floats) -> Floats:
        d = s - self.worst[cases]
        load = self.load[cases] + np.where(d > 0, d, -self.members * d)
        c = self.least[cases]
        if _is_max(self.sharing):
            c = np.maximum(c, np.maximum(d, 0) * self.importance[cases]) + np.maximum(-d, 0) * self.importance[cases]
        return _quotient(c, load + self.sharing.eps)

    def _unseen(self, scores: Floats, cases: NDArray[np.intp]) -> Floats:
        """The least that some cases give each member together, shape (members,)."""
        worst, load, eps = self.worst[cases], self.load[cases], self.sharing.eps
        r = scores - worst
        at_the_top = _quotient(self.least[cases], load + self.above[cases] + eps)
        at_zero = _quotient(self.least[cases], load + self.members * worst + eps)
        least: Floats = np.minimum(r * at_the_top, scores * at_zero).sum(axis=1)
        return least


def _is_max(sharing: ImplicitSharing) -> bool:
    return isinstance(sharing.capacity, str) and sharing.capacity == "max"


def _quotient(dividend: Floats, divisor: Floats, otherwise: float = 0.0) -> Floats:
    """Their quotient; another number where the divisor is 0."""
    with np.errstate(over="ignore"):
        return np.divide(dividend, divisor, out=np.full_like(divisor, otherwise), where=divisor > 0)


def _dot(scores: NDArray[Any], weights: Floats) -> Floats:
    """The sum of each row's scores times weights, in the precision of the scores."""
    with np.errstate(over="ignore"):
        fitness: Floats = (scores @ weights.astype(scores.dtype)).astype(np.float64)
    return fitness
