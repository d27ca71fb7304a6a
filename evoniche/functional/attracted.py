"""Attraction for many first parents at once, without the matrix of all attractions."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from evoniche.functional.niches import CAPACITY, EPS, Capacity, _resources, case_weights
from evoniche.randomness import weighted_indices

__all__ = ["UNDECIDED", "attracted"]

UNDECIDED = -1
"""Stands for a mate that was not found in so many trials."""

_BLOCK = 1 << 17  # numbers in a temporary array


def attracted(
    scores: NDArray[np.floating],
    first: ArrayLike,
    *,
    alpha: float = 1.0,
    capacity: Capacity = CAPACITY,
    relative: bool = False,
    eps: float = EPS,
    load: NDArray[np.floating] | None = None,
    importance: ArrayLike | None = None,
    trials: int = 12,
    rng: Generator,
) -> NDArray[np.intp]:
    """Draw mates B with P(B | A) in proportion to `attraction` g(A, B), by rejection (von Neumann 1951).

    What B has above the worst bounds how much it attracts, g(A, B) <= h(B) = sum_j w_j (S_Bj - min_k S_kj). So B is
    drawn in proportion to h and taken with probability g(A, B) / h(B), which needs one row of scores for each trial
    and not one for each member.

    Args:
        scores: S, shape (members, cases).
        first: Indices of the first parents A, shape (n,).
        alpha: Intensity of the competition in the prices of the cases, >= 0; the paper has 1.
        capacity: c, see `case_capacity`.
        relative: Price the cases by what members score above the worst.
        eps: Keeps the division defined.
        load: z where the caller keeps it up to date; computed when missing.
        importance: How much each case counts, shape (cases,): a factor of its capacity.
        trials: How often a mate is drawn for a first parent before it stays undecided.
        rng: Where the randomness comes from.

    Returns:
        Indices of the mates, shape (n,), `UNDECIDED` (-1) where none was taken: certainly where nobody attracts. To
        draw those from `attraction` makes the whole exact, since trials that fail say nothing about the next.
    """
    if not alpha >= 0:
        raise ValueError(f"alpha must be >= 0, got {alpha!r}.")
    first = np.asarray(first, dtype=np.intp)
    load, _, c = _resources(scores, load, capacity, relative, importance)
    w = case_weights(load, c, alpha=alpha, eps=eps).astype(scores.dtype)  # (cases,)
    floor = scores.min(axis=0)  # (cases,)
    bound = _worth(scores, np.arange(len(scores)), floor[None, :], np.zeros(len(scores), dtype=np.intp), w)  # h
    mates = np.full(len(first), UNDECIDED, dtype=np.intp)
    left = np.arange(len(first))
    for _ in range(trials):
        drawn = weighted_indices(bound, len(left), rng=rng)
        taken = rng.random(len(left)) * bound[drawn] < _worth(scores, drawn, scores, first[left], w)
        mates[left[taken]] = drawn[taken]
        left = left[~taken]
        if not len(left):
            break
    return mates


def _worth(
    scores: NDArray[np.floating],
    b: NDArray[np.intp],
    others: NDArray[np.floating],
    a: NDArray[np.intp],
    w: NDArray[np.floating],
) -> NDArray[np.floating]:
    """sum_j w_j max(S_bj - O_aj, 0) for each pair of rows, shape (n,), some pairs at a time."""
    worth = np.empty(len(b), dtype=scores.dtype)
    block = max(1, _BLOCK // scores.shape[1])
    for start in range(0, len(b), block):
        rows = slice(start, start + block)
        gain = scores[b[rows]] - others[a[rows]]
        worth[rows] = np.maximum(gain, 0, out=gain) @ w
    return worth
