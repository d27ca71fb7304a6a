"""Attraction for many first parents at once, without the matrix of all attractions."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from evoniche.functional.niches import EPS, Capacity, case_capacity, case_load, case_weights, relative_scores
from evoniche.randomness import weighted_indices

__all__ = ["UNDECIDED", "attracted"]

UNDECIDED = -1
"""Stands for a mate that was not found in so many trials."""


def attracted(
    scores: NDArray[np.floating],
    first: ArrayLike,
    *,
    capacity: Capacity = "one",
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
    first = np.asarray(first, dtype=np.intp)
    above = relative_scores(scores)
    priced = above if relative else scores
    c = case_capacity(priced, capacity) * (1 if importance is None else np.asarray(importance))
    z = case_load(priced) if relative or load is None else load
    w = case_weights(z, c, eps=eps).astype(above.dtype)  # (cases,)
    bound = np.vecdot(above, w)  # h, (members,)
    mates = np.full(len(first), UNDECIDED, dtype=np.intp)
    left = np.arange(len(first))
    for _ in range(trials):
        drawn = weighted_indices(bound, len(left), rng=rng)
        gain = above[drawn] - above[first[left]]  # (left, cases)
        taken = rng.random(len(left)) * bound[drawn] < np.maximum(gain, 0, out=gain) @ w
        mates[left[taken]] = drawn[taken]
        left = left[~taken]
        if not len(left):
            break
    return mates
