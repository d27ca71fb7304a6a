"""Intervals at 95 % of what is estimated from the runs of one method.

How often they hold the true value, by simulation: `python tests/baselines/interval_coverage.py`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["FEWEST", "ert_interval", "iqm_interval", "wilson_interval"]

FEWEST = 5
"""With fewer runs there is no interval: a bootstrap of three values holds the true one in about 73 % of cases."""

_RESAMPLES = 2_000
_LEVEL = 0.95


def iqm_interval(
    sample: NDArray[np.float64], seed: int = 0, method: Literal["percentile", "BCa"] = "percentile"
) -> tuple[float, float]:
    """Return the bootstrap interval of the interquartile mean (Agarwal et al. 2021).

    Args:
        sample: The values, shape (runs,).
        seed: The seed of the bootstrap.
        method: "percentile", or "BCa" for bias-corrected and accelerated (Efron 1987). In simulations BCa covers no
            better here, because the interquartile mean has hardly any bias or skewness to correct.

    Returns:
        The two ends; NaN with fewer than `FEWEST` runs, or where a value is infinite.

    >>> iqm_interval(np.array([0.5, 0.6, 0.6, 0.7, 0.9])) == (0.6, 0.7)
    False
    >>> iqm_interval(np.array([0.5, 0.9]))
    (nan, nan)
    """
    if len(sample) < FEWEST or not np.isfinite(sample).all():
        return np.nan, np.nan
    if np.ptp(sample) == 0:  # every resample is the sample
        return float(sample[0]), float(sample[0])

    def interval(by: str) -> tuple[float, float]:
        result = stats.bootstrap(
            (sample,), lambda values, axis: stats.trim_mean(values, 0.25, axis=axis), confidence_level=_LEVEL,
            n_resamples=_RESAMPLES, method=by, vectorized=True, rng=np.random.default_rng(seed),
        )
        return float(result.confidence_interval.low), float(result.confidence_interval.high)

    if method == "BCa" and np.ptp([stats.trim_mean(np.delete(sample, i), 0.25) for i in range(len(sample))]) > 0:
        return interval("BCa")
    return interval("percentile")  # the acceleration is not defined where leaving one run out changes nothing


def wilson_interval(successes: int, runs: int) -> tuple[float, float]:
    """Return Wilson's interval of a success rate (Wilson 1927); it is sound also for few runs and rates of 0 or 1.

    >>> tuple(round(end, 3) for end in wilson_interval(10, 10))
    (0.722, 1.0)
    """
    interval = stats.binomtest(successes, runs).proportion_ci(_LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def ert_interval(
    spent: NDArray[np.float64], reached: NDArray[np.bool_], seed: int = 0
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the expected running time: resampled runs, summed up anew.

    Args:
        spent: The evaluations of each run, to the target or to the end of the budget, shape (runs,).
        reached: Whether each run reached the target, shape (runs,).
        seed: The seed of the bootstrap.

    Returns:
        The two ends, infinite where a resample has no success; NaN with fewer than `FEWEST` runs.

    >>> ert_interval(np.full(9, 100.0), np.full(9, True))
    (100.0, 100.0)
    """
    n = len(spent)
    if n < FEWEST:
        return np.nan, np.nan
    drawn = np.random.default_rng(seed).integers(n, size=(_RESAMPLES, n))
    successes = reached[drawn].sum(axis=1)
    with np.errstate(divide="ignore"):
        times = spent[drawn].sum(axis=1) / successes
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(times, (tail, 1 - tail), method="nearest")  # infinite values cannot be interpolated
    return float(low), float(high)
