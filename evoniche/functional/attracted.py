"""The draw of mates for many first parents at once, without the matrix of all attractions."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from evoniche.functional.niches import CAPACITY, EPS, Capacity, _resources, case_weights
from evoniche.randomness import weighted_indices

__all__ = ["UNDECIDED", "attracted"]

UNDECIDED = -1
"""The position that stands for a mate that was not found within the number of trials."""

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
    """Draw mates B in proportion to their `attraction` g(A, B), by rejection sampling (von Neumann 1951).

    The scores of B above the worst bound its attraction: g(A, B) <= h(B) = sum_j w_j (S_Bj - min_k S_kj). A candidate
    B is drawn in proportion to h and accepted with probability g(A, B) / h(B). Each trial needs one row of scores,
    where the exact draw needs a row for each member.

    Args:
        scores: S, shape (members, cases).
        first: The positions of the first parents A, shape (n,).
        alpha: The intensity of the competition in the prices of the cases, >= 0; 1 in the paper.
        capacity: c, see `case_capacity`.
        relative: Whether the prices count scores from those of the worst member on each case.
        eps: A small number that keeps the division by a load of zero defined.
        load: z, shape (cases,), if the caller has it; computed when None.
        importance: The importance (case weight) of each case, shape (cases,), which multiplies its capacity.
        trials: The number of candidates for a first parent before its mate stays undecided.
        rng: The source of randomness.

    Returns:
        The positions of the mates, shape (n,). They are `UNDECIDED` (-1) where no candidate was accepted, which is
        certain where no member attracts. Draw those in proportion to `attraction`: the whole draw is then exact,
        since a rejected candidate says nothing about the next.

    Raises:
        ValueError: alpha is negative.

    >>> scores = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> attracted(scores, [0, 1], trials=50, rng=np.random.default_rng(0))
    array([1, 0])
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
    """Compute sum_j w_j max(S_bj - O_aj, 0) for each pair of rows, shape (n,), a block of pairs at a time."""
    worth = np.empty(len(b), dtype=scores.dtype)
    block = max(1, _BLOCK // scores.shape[1])
    for start in range(0, len(b), block):
        rows = slice(start, start + block)
        gain = scores[b[rows]] - others[a[rows]]
        worth[rows] = np.maximum(gain, 0, out=gain) @ w
    return worth
