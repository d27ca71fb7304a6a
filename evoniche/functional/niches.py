"""Competition and attraction: what S, the scores of shape (members, cases), makes of members and cases.

Equation numbers are those of Abrantes, Lange and Tang 2025 (M2N2, GECCO 2025, arXiv 2508.16204).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from array_api_compat import device
from numpy.typing import ArrayLike

from evoniche.arrays import bits, is_floating, like, namespace, to_numpy
from evoniche.batches import take

__all__ = [
    "CAPACITY",
    "EPS",
    "Capacity",
    "attraction",
    "case_capacity",
    "case_load",
    "case_weights",
    "coverage",
    "entropy",
    "relative_scores",
    "shared_fitness",
]


Array = Any
Capacity = Literal["one", "max"] | ArrayLike

CAPACITY: Literal["max"] = "max"
"""What a case can give unless told otherwise: what its best member scores. That is 1 where scores are binary, too."""

EPS = 1e-8
"""Keeps the division by a load of zero defined (epsilon in eq. 3 to 5)."""

_SAFE = 1e-20
"""From this eps on, no quotient overflows, even in single precision."""

_BLOCK = 1 << 15  # numbers in a temporary array of `attraction`: a few of them stay in the cache


def case_load(scores: Array) -> Array:
    """z_j = sum_k S_kj: how much of each case the population takes (Abrantes 2025, eq. 3).

    Args:
        scores: S, shape (members, cases).

    Returns:
        Shape (cases,).
    """
    scores = _floats(scores)
    return namespace(scores).sum(scores, axis=0)


def relative_scores(scores: Array) -> Array:
    """S_ij - min_k S_kj: what a member scores above the worst (Abrantes 2025, section 4.3).

    Args:
        scores: S, shape (members, cases).

    Returns:
        Shape (members, cases).
    """
    scores = _floats(scores)
    return scores - namespace(scores).min(scores, axis=0, keepdims=True)


def case_capacity(scores: Array, capacity: Capacity = CAPACITY) -> Array:
    """c_j: how much fitness each case can give away (Abrantes 2025, section 3.2).

    Args:
        scores: S, shape (members, cases).
        capacity: "max" (c_j = max_i S_ij), "one", or one number for each case. With binary scores the first two are the
            same, but for cases that nobody solves, of which nobody gets anything.

    Returns:
        Shape (cases,).

    Raises:
        ValueError: An array of capacities that is not one number >= 0 for each case, or an unknown word.
    """
    scores = _floats(scores)
    xp = namespace(scores)
    cases = scores.shape[1]
    if isinstance(capacity, str):
        if capacity == "one" or (capacity == "max" and not scores.shape[0]):  # nobody takes anything
            return xp.ones(cases, dtype=scores.dtype, device=device(scores))
        if capacity == "max":
            return xp.max(scores, axis=0)
        raise ValueError(f"capacity must be 'one', 'max' or one number for each case, got {capacity!r}.")
    given = like(capacity, scores)
    if given.shape != (cases,):
        shape = tuple(given.shape)
        raise ValueError(f"capacity must have one number for each of the {cases} cases, got shape {shape}.")
    if not bool(xp.all(given >= 0)):
        raise ValueError(f"capacity must be >= 0 for every case, got {float(xp.min(given))}.")
    return given


def case_weights(load: Array, capacity: Array, *, alpha: float = 1.0, eps: float = EPS) -> Array:
    """w_j = c_j / (z_j**alpha + eps): what one unit of score on a case is worth (Abrantes 2025, eq. 5).

    Args:
        load: z, shape (cases,).
        capacity: c, shape (cases,).
        alpha: Intensity of the competition: 0 none, 1 a fixed amount for each case, above 1 a fight that wastes some.
        eps: Keeps the division defined.

    Returns:
        Shape (cases,), finite. Where nobody scores and eps is 0, or too small for the precision, 0.

    >>> import numpy as np
    >>> case_weights(np.array([1.0, 2.0, 4.0]), np.ones(3), eps=0.0)
    array([1.  , 0.5 , 0.25])
    """
    xp = namespace(load)
    if alpha == 1:
        price = load + eps
    else:
        with np.errstate(over="ignore"):  # what is worth nothing any more
            price = load**alpha + eps
    if eps >= _SAFE and bits(load) >= 32:
        return capacity / price
    # The largest number of the precision where the quotient would be beyond: times a score, it is at most c_j.
    largest = xp.finfo(capacity.dtype).max
    fits = price > xp.astype(capacity, price.dtype) / largest
    rest = xp.where(load > 0, xp.full_like(capacity, largest), xp.zeros_like(capacity))
    return xp.where(fits, capacity / xp.where(fits, price, xp.ones_like(price)), rest)


def shared_fitness(
    scores: Array,
    *,
    alpha: float = 1.0,
    capacity: Capacity = CAPACITY,
    relative: bool = False,
    eps: float = EPS,
    load: Array | None = None,
    importance: ArrayLike | None = None,
) -> Array:
    """f_i = sum_j S_ij c_j / (z_j**alpha + eps): fitness under competition (Abrantes 2025, eq. 3 and 5).

    Args:
        scores: S, shape (members, cases).
        alpha: Intensity of the competition, >= 0.
        capacity: c, see `case_capacity`.
        relative: Share what a member scores above the worst on each case (section 4.3).
        eps: Keeps the division defined.
        load: z where the caller keeps it up to date; computed when missing.
        importance: How much each case counts, shape (cases,): a factor of its capacity. All the same when None.

    Returns:
        Shape (members,).

    Raises:
        ValueError: alpha < 0, or a wrong capacity.

    >>> import numpy as np
    >>> shared_fitness(np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]), eps=0.5)
    array([1.06666667, 0.4       ])
    """
    if not alpha >= 0:
        raise ValueError(f"alpha must be >= 0, got {alpha!r}.")
    scores = _floats(scores)
    load, floor, c = _resources(scores, load, capacity, relative, importance)
    w = like(case_weights(load, c, alpha=alpha, eps=eps), scores)  # (cases,)
    # S @ w, row by row: a matrix product sums rows differently, and equals would not be equally fit.
    return namespace(scores).vecdot(scores if floor is None else scores - floor, w[None, :])  # (members,)


def attraction(
    scores: Array,
    first: ArrayLike,
    *,
    alpha: float = 1.0,
    capacity: Capacity = CAPACITY,
    relative: bool = False,
    eps: float = EPS,
    load: Array | None = None,
    importance: ArrayLike | None = None,
    binary: bool | None = None,
) -> Array:
    """g(A, B) = sum_j c_j / (z_j**alpha + eps) max(S_Bj - S_Aj, 0): how well B complements A (Abrantes 2025, eq. 4).

    Args:
        scores: S, shape (members, cases).
        first: Indices of the first parents A, shape (n,).
        alpha: Intensity of the competition in the prices of the cases, >= 0. The paper's equation has 1; the authors'
            code takes the alpha of the sharing here as well.
        capacity: c, see `case_capacity`.
        relative: Price the cases by what members score above the worst; the differences are the same.
        eps: Keeps the division defined.
        load: z where the caller keeps it up to date; computed when missing.
        importance: How much each case counts, shape (cases,): a factor of its capacity. All the same when None.
        binary: Whether every score is 0 or 1, which makes this one matrix product; found out when None.

    Returns:
        Shape (n, members): a row of weights for each first parent.

    Raises:
        ValueError: alpha < 0, or a wrong capacity.

    >>> import numpy as np
    >>> attraction(np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]), [0], eps=0.0)
    array([[0., 1.]])
    """
    if not alpha >= 0:
        raise ValueError(f"alpha must be >= 0, got {alpha!r}.")
    scores = _floats(scores)
    xp = namespace(scores)
    load, _, c = _resources(scores, load, capacity, relative, importance)
    w = like(case_weights(load, c, alpha=alpha, eps=eps), scores)  # (cases,)
    if binary is None:
        binary = bool(xp.all((scores == 0) | (scores == 1)))
    members, cases = scores.shape
    if binary:
        parents = take(scores, to_numpy(first))  # (n, cases)
        worth = w * (1 - parents)  # max(S_B - S_A, 0) = S_B (1 - S_A)
        # For one parent a matrix-vector product is faster than the same as two matrices.
        return (scores @ worth[0, :])[None, :] if worth.shape[0] == 1 else worth @ scores.T
    # A parent that comes again is worked out once, and a block of cases stays in the cache for all parents.
    distinct, places = np.unique(to_numpy(first), return_inverse=True)
    weights = xp.zeros((len(distinct), members), dtype=scores.dtype, device=device(scores))
    block = max(1, _BLOCK // members)
    for start in range(0, cases, block):
        j = slice(start, min(start + block, cases))
        for i, parent in enumerate(distinct.tolist()):
            weights[i, :] += _positive(scores[:, j] - scores[parent, j]) @ w[j]  # (members, block) @ (block,)
    return take(weights, places)


def coverage(scores: Array, *, threshold: float = 0.5, importance: ArrayLike | None = None) -> float:
    """The share of cases that some member solves (Abrantes 2025, fig. 3 left).

    Args:
        scores: S, shape (members, cases).
        threshold: A case is solved from this score on.
        importance: How much each case counts, shape (cases,); all the same when None.

    Returns:
        0 to 1.
    """
    xp = namespace(scores)
    return _mean(xp.astype(xp.max(scores, axis=0) >= threshold, xp.float64), importance)


def entropy(scores: Array, *, threshold: float = 0.5, importance: ArrayLike | None = None) -> float:
    """The mean over cases of H2(p_j), p_j being the share of members that solve it (Abrantes 2025, fig. 3 right).

    Args:
        scores: S, shape (members, cases).
        threshold: A case is solved from this score on.
        importance: How much each case counts, shape (cases,); all the same when None.

    Returns:
        Bits, 0 (all members alike) to 1 (every case solved by half of the members).
    """
    xp = namespace(scores)
    solved = xp.count_nonzero(scores >= threshold, axis=0)
    p = xp.astype(solved, xp.float64) / scores.shape[0]  # (cases,)
    mixed = (p > 0) & (p < 1)
    p = xp.where(mixed, p, xp.asarray(0.5, dtype=p.dtype, device=device(p)))
    bits = -(p * xp.log2(p) + (1 - p) * xp.log2(1 - p))
    return _mean(xp.where(mixed, bits, xp.zeros_like(bits)), importance)


def _mean(values: Array, importance: ArrayLike | None) -> float:
    """The mean over cases, weighted by their importance."""
    xp = namespace(values)
    if importance is None:
        return float(xp.mean(values))
    v = like(importance, values)
    return float(xp.sum(values * v) / xp.sum(v))


def _floats(scores: Array) -> Array:
    """Scores as floating-point numbers; solved or not is 1 or 0."""
    return scores if is_floating(scores) else namespace(scores).astype(scores, namespace(scores).float64)


def _positive(x: Array) -> Array:
    """max(x, 0)."""
    xp = namespace(x)
    return xp.maximum(x, xp.zeros((), dtype=x.dtype, device=device(x)))


def _resources(
    scores: Array, load: Array | None, capacity: Capacity, relative: bool, importance: ArrayLike | None
) -> tuple[Array, Array | None, Array]:
    """Load, floor (the worst score of each case; None unless relative) and capacity, each of shape (cases,)."""
    xp = namespace(scores)
    plain = isinstance(capacity, str) and capacity == "one"
    c = like(1, scores) if plain else case_capacity(scores, capacity)  # (), which counts for all cases, or (cases,)
    load = case_load(scores) if load is None else load
    floor = xp.min(scores, axis=0) if relative else None
    if relative and isinstance(capacity, str) and capacity == "max":
        c = c - floor
    if importance is not None:
        c = c * like(importance, c)
    if floor is None:
        return load, None, c
    return case_load(scores - floor), floor, c
