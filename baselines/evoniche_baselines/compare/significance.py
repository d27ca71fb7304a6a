"""p-values: exact ones of rank statistics, with ties, over all ways to divide the runs in two; and their correction."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["holm", "rank_test", "score_test"]

_MOST = 100  # runs of both methods, up to which the exact distribution takes milliseconds; normal beyond
_DRAWS = 99_999


def rank_test(a: ArrayLike, b: ArrayLike) -> tuple[float, float]:
    """Test whether two samples differ in location (Mann and Whitney 1947), two-sided.

    Up to 100 values, the p-value is that of the permutation distribution of the rank sum, given the ties there are
    (Streitberg and Roehmel 1986): twice the smaller tail, at most 1. Beyond, it is that of the normal approximation
    with corrections for ties and continuity.

    Args:
        a: The values of one sample, of which higher ones count for it; infinite ones may tie.
        b: The values of the other.

    Returns:
        U, the number of pairs that `a` wins, ties counting a half, and the p-value.

    >>> rank_test([1, 2, 3], [4, 5, 6])  # of the 20 ways to choose 3 of 6, one is as low, one as high
    (0.0, 0.1)
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    ranks = stats.rankdata(np.concatenate([a, b]))
    u = float(ranks[: len(a)].sum() - len(a) * (len(a) + 1) / 2)
    if len(ranks) > _MOST:
        return u, float(stats.mannwhitneyu(a, b, alternative="two-sided", method="asymptotic").pvalue)
    return u, _exact((2 * ranks).astype(np.int64), len(a))  # twice the ranks are whole numbers


def score_test(scores: NDArray[np.float64], first: int) -> float:
    """Return the two-sided p-value of the sum of the first `first` scores under permutation of all.

    Scores are any real numbers, so the ways are enumerated if there are at most 99,999, and drawn otherwise.

    Args:
        scores: One score for each run of both methods, shape (runs,).
        first: How many of them are of the first method.

    >>> round(score_test(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), 3), 12)
    0.1
    """
    if np.ptp(scores) == 0:
        return 1.0
    if 1 in (first, len(scores) - first):  # SciPy wants two of each; one run is the k-th of all
        one = scores[0] if first == 1 else scores[-1]
        return min(1.0, 2 * float(min((scores <= one).mean(), (scores >= one).mean())))
    result = stats.permutation_test(
        (scores[:first], scores[first:]), lambda x, _, axis: x.sum(axis=axis), permutation_type="independent",
        vectorized=True, n_resamples=_DRAWS, batch=10_000, rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def holm(p: list[float]) -> list[float]:
    """Correct p-values for each other (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    from statsmodels.stats.multitest import multipletests  # half a second

    return multipletests(p, method="holm")[1].tolist() if p else []


def _exact(weights: NDArray[np.int64], first: int) -> float:
    """Return twice the smaller tail of the sum of `first` of these whole numbers, drawn without replacement."""
    observed, total = int(weights[:first].sum()), int(weights.sum())
    ways = np.zeros((first + 1, total + 1))  # ways[k, s]: the ways in which k of the numbers so far add up to s
    ways[0, 0] = 1
    for weight in weights.tolist():
        ways[1:, weight:] += ways[:-1, : total + 1 - weight].copy()
    chances = ways[first] / ways[first].sum()
    return float(min(1.0, 2 * min(chances[: observed + 1].sum(), chances[observed:].sum())))
