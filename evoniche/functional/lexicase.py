"""Lexicase selection and its variants, which filter the members case by case.

All functions take S, the scores, as a numpy array of shape (members, cases), and return positions of members.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.randomness import weighted_indices

__all__ = ["Epsilon", "EpsilonVariant", "dalex", "lexicase"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Positions = NDArray[np.intp]

Epsilon = Literal["mad"] | float
"""How far below the best a score may be: one number >= 0, or the median absolute deviation of each case ("mad")."""

EpsilonVariant = Literal["static", "semi-dynamic", "dynamic"]
"""What the pool is compared with: the population; the best of the pool; the best and the deviation of the pool."""

_BLOCK = 1 << 20  # numbers in a temporary array: parents are chosen so many at a time
_LOOK = 16  # cases between two looks at whether all who are left are alike


def lexicase(
    scores: NDArray[np.floating],
    n: int,
    *,
    epsilon: Epsilon | None = None,
    variant: EpsilonVariant = "semi-dynamic",
    members: Mask | None = None,
    cases: Mask | None = None,
    rng: Generator,
) -> Positions:
    """Select n members by lexicase selection (Helmuth, Spector and Matheson 2015).

    Each selection begins with all members in a pool. The cases come in random order, and each case keeps only the
    members of the pool that are best on it, until one member is left or the cases end. Of those left, one is drawn
    uniformly. With epsilon, each case keeps the members within epsilon of the best (La Cava, Spector and Danai 2016;
    variants: La Cava et al. 2019).

    The n pools go through their cases in parallel, so the number of steps is at most the number of cases.

    Args:
        scores: S, shape (members, cases); higher is better.
        n: The number of selections, each with its own order of the cases.
        epsilon: The tolerance: None, a number >= 0, or "mad".
        variant: "static": a member passes or fails a case by the best and the epsilon of the population, and the pool
            is filtered by passes. "semi-dynamic": the best is that of the pool. "dynamic": epsilon is, too.
        members: The members with which each pool begins, boolean of shape (n, members), at least one in each row; all
            members when None.
        cases: The cases that each pool goes through, boolean of shape (n, cases); all cases when None.
        rng: The source of randomness.

    Returns:
        The positions of the selected members, shape (n,).

    Raises:
        ValueError: epsilon or variant is none of these.

    >>> lexicase(np.array([[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]]), 3, rng=np.random.default_rng(0))
    array([0, 0, 0])
    """
    judged, tolerance = _judged(scores, epsilon, variant)
    # A case on which nobody can fail, whoever is in the pool, takes no part.
    useful = np.flatnonzero(judged.max(axis=0) - judged.min(axis=0) > (0 if tolerance is None else tolerance))
    table = np.ascontiguousarray((judged if len(useful) == judged.shape[1] else judged[:, useful]).T)
    tolerance = None if tolerance is None else tolerance[useful]
    chosen = np.empty(n, dtype=np.intp)
    size = max(1, _BLOCK // max(table.shape))
    for start in range(0, n, size):
        block = slice(start, min(start + size, n))
        count = block.stop - start
        alive = np.ones((count, table.shape[1]), dtype=np.bool_) if members is None else members[block]
        order, length = _orders(count, len(table), None if cases is None else cases[block][:, useful], rng)
        chosen[block] = _winners(table, tolerance, alive, order, length, rng.random(count))
    return chosen


def dalex(
    scores: NDArray[np.floating], n: int, *, std: float = 20.0, standardize: bool = False, rng: Generator
) -> Positions:
    """Select n members, each by the best randomly weighted mean score: DALex (Ni, Ding and Spector 2024).

        argmax_i sum_j softmax(x)_j S_ij,    x_j ~ N(0, std^2) drawn anew for each selection

    A large std lets one case outweigh all cases after it, as in lexicase selection; with 0, the best mean wins. The
    scores of a case are weighted as they are, or divided by their standard deviation over the population, as the
    authors do for regression. (The authors also shift each case to mean 0, which does not change the winner.) Sums that
    are equal up to rounding are ties, and one of the tied members is drawn uniformly. With a std in the hundreds,
    members can be tied that lexicase selection would tell apart by a later case.

    Args:
        scores: S, shape (members, cases); higher is better.
        n: The number of selections.
        std: The particularity pressure, >= 0.
        standardize: Whether to divide each case by its standard deviation first, for cases of different scales.
        rng: The source of randomness.

    Returns:
        The positions of the selected members, shape (n,).

    >>> dalex(np.array([[1.0, 0.0], [0.5, 1.0]]), 3, std=0.0, rng=np.random.default_rng(0))
    array([1, 1, 1])
    """
    above = (scores - scores.min(axis=0)).astype(np.float64)  # small numbers are added up more precisely
    if standardize:
        peak = above.max(axis=0)
        above /= np.where(peak > 0, peak, 1)  # no square of what follows is too large
        deviation = above.std(axis=0)
        above /= np.where(deviation > 0, deviation, 1)
    cases = above.shape[1]
    slack = 1 - cases * np.finfo(np.float64).eps
    chosen = np.empty(n, dtype=np.intp)
    size = max(1, _BLOCK // max(above.shape))
    for start in range(0, n, size):
        block = slice(start, min(start + size, n))
        count = block.stop - start
        weights = std * rng.standard_normal((count, cases))
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        sums = weights @ above.T  # (count, members)
        best = sums >= slack * sums.max(axis=1, keepdims=True)
        chosen[block] = weighted_indices(best.astype(np.float64), count, rng=rng)
    return chosen


def _judged(
    scores: NDArray[np.floating], epsilon: Epsilon | None, variant: EpsilonVariant
) -> tuple[Floats, Floats | None]:
    """Return what the pools compare, shape (members, cases), and epsilon, shape (cases,); None if it is the pool's."""
    if variant not in ("static", "semi-dynamic", "dynamic"):
        raise ValueError(f"variant must be 'static', 'semi-dynamic' or 'dynamic', got {variant!r}.")
    if not (epsilon is None or epsilon == "mad" or (isinstance(epsilon, int | float | np.number) and epsilon >= 0)):
        raise ValueError(f"epsilon must be None, 'mad' or a number >= 0, got {epsilon!r}.")
    judged = np.asarray(scores, dtype=np.float64)
    if epsilon == "mad":
        if variant == "dynamic":
            return judged, None
        tolerance = np.median(np.abs(judged - np.median(judged, axis=0)), axis=0)
    else:
        tolerance = np.full(judged.shape[1], 0.0 if epsilon is None else float(epsilon))
    if variant == "static" and epsilon is not None:
        passed = judged >= judged.max(axis=0) - tolerance
        return passed.astype(np.float64), np.zeros(judged.shape[1])
    return judged, tolerance


def _kinds(table: Floats) -> Positions:
    """Give each member a number, shape (members,), that is the same for members with equal scores."""
    known: dict[bytes, int] = {}
    return np.array([known.setdefault(column.tobytes(), i) for i, column in enumerate(table.T.copy())], dtype=np.intp)


def _orders(n: int, cases: int, some: Mask | None, rng: Generator) -> tuple[Positions, Positions]:
    """Draw an order of the cases for each pool, shape (n, cases), and return how many of them it uses, shape (n,)."""
    order = rng.permuted(np.tile(np.arange(cases), (n, 1)), axis=1)
    if some is None:
        return order, np.full(n, cases)
    left_out = ~np.take_along_axis(some, order, axis=1)
    order = np.take_along_axis(order, np.argsort(left_out, axis=1, kind="stable"), axis=1)
    return order, some.sum(axis=1)


def _winners(
    table: Floats, tolerance: Floats | None, alive: Mask, order: Positions, length: Positions, spin: Floats
) -> Positions:
    """Find the winner of each pool from alive (n, members), orders (n, cases), lengths (n,) and spins (n,) for ties."""
    winners = np.empty(len(alive), dtype=np.intp)
    pool = np.broadcast_to(np.arange(alive.shape[1]), alive.shape)  # (n, width): positions, some no longer alive
    running, kinds = np.arange(len(alive)), np.empty(0, dtype=np.intp)
    for step in range(order.shape[1] + 1):
        left = alive.sum(axis=1)
        settled = (left == 1) | (length[running] <= step)
        if step and step % _LOOK == 0:  # most pools are settled before, and it is never asked who is like whom
            kinds = _kinds(table) if step == _LOOK else kinds
            settled |= _alike(kinds[pool], alive)
        if settled.any():
            winners[running[settled]] = _drawn(pool[settled], alive[settled], spin[running[settled]])
            going = ~settled
            running, pool, alive, left = running[going], pool[going], alive[going], left[going]
            if not len(running):
                break
        if 2 * left.max() <= pool.shape[1]:
            front = np.argsort(~alive, axis=1, kind="stable")[:, : left.max()]
            pool, alive = np.take_along_axis(pool, front, axis=1), np.take_along_axis(alive, front, axis=1)
        case = order[running, step]
        judged = np.where(alive, table[case[:, None], pool], -np.inf)  # (n, width)
        epsilon = _deviation(judged, alive) if tolerance is None else tolerance[case]
        alive = judged >= (judged.max(axis=1) - epsilon)[:, None]
    return winners


def _alike(kinds: Positions, alive: Mask) -> Mask:
    """Tell whether all members alive in each pool are of one kind, shape (n,)."""
    one = np.take_along_axis(kinds, alive.argmax(axis=1)[:, None], axis=1)
    alike: Mask = ~(alive & (kinds != one)).any(axis=1)
    return alike


def _drawn(pool: Positions, alive: Mask, spin: Floats) -> Positions:
    """Draw one of the members alive in each pool uniformly."""
    place = (spin * alive.sum(axis=1)).astype(np.intp)  # which of them, from 0
    column = (alive.cumsum(axis=1) > place[:, None]).argmax(axis=1)
    drawn: Positions = pool[np.arange(len(pool)), column]
    return drawn


def _deviation(judged: Floats, alive: Mask) -> Floats:
    """Compute the median absolute deviation of those alive in each pool, shape (n,)."""
    deviation = np.abs(judged - _median(judged, alive)[:, None])
    return _median(np.where(alive, deviation, -np.inf), alive)


def _median(values: Floats, alive: Mask) -> Floats:
    """Compute the median of those alive in each pool, shape (n,); the others must be minus infinity."""
    ordered, left = np.sort(values, axis=1), alive.sum(axis=1)
    gone, rows = values.shape[1] - left, np.arange(len(values))
    median: Floats = (ordered[rows, gone + (left - 1) // 2] + ordered[rows, gone + left // 2]) / 2
    return median
