"""Computes statistics of the final values: pure functions of the table `Comparison.final`, with tested libraries."""

from __future__ import annotations

from itertools import combinations
from typing import Any, final

import attrs
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from evoniche_baselines.compare.intervals import FEWEST, iqm_interval
from evoniche_baselines.compare.run_times import success
from evoniche_baselines.compare.significance import holm, rank_test

__all__ = [
    "LOWER_IS_BETTER", "Friedman", "a12", "claims", "effect_size", "friedman", "holm", "pairwise", "success", "summary",
]

LOWER_IS_BETTER = frozenset({"to_target", "seconds"})
"""The metrics of which less is better; of all others, more is."""

_SIZES = ((0.06, "negligible"), (0.14, "small"), (0.21, "medium"), (np.inf, "large"))  # Vargha and Delaney 2000


def summary(final: pd.DataFrame, metric: str = "best", *, seed: int = 0) -> pd.DataFrame:
    """Summarise what each method reached.

    `iqm` is the interquartile mean, the mean of the middle half of the runs; `low` and `high` are its 95 % bootstrap
    interval (Agarwal et al. 2021), which there is from five runs on. Of fewer, `values` has them all: nothing can be
    said of them that they do not say themselves. A run that did not reach the target counts as infinitely long, and
    then there is no mean: see `run_times.success`.

    Args:
        final: A table like `Comparison.final`.
        metric: The metric to summarise.
        seed: The seed of the bootstrap.

    Returns:
        A row for each problem and method that has the metric, with the columns problem, method, metric, runs, mean,
        median, iqm, low, high and values, a tuple that is empty from five runs on.

    >>> runs = {"problem": "p", "method": "m", "metric": "best", "value": [0.0, 0.5, 0.7, 0.9]}
    >>> summary(pd.DataFrame(runs))[["runs", "median", "iqm", "values"]].values.tolist()
    [[4, 0.6, 0.6, (0.0, 0.5, 0.7, 0.9)]]
    """
    rows = []
    for problem, samples in _samples(final, metric).items():
        for method, sample in samples.items():
            mean = np.mean(sample) if np.isfinite(sample).all() else np.nan
            few = tuple(sample.tolist()) if len(sample) < FEWEST else ()
            middle = (mean, np.median(sample), stats.trim_mean(sample, 0.25), *iqm_interval(sample, seed))
            rows.append((problem, method, metric, len(sample), *map(float, middle), few))
    columns = ["problem", "method", "metric", "runs", "mean", "median", "iqm", "low", "high", "values"]
    return pd.DataFrame(rows, columns=columns)


def pairwise(final: pd.DataFrame, metric: str = "best", reference: str | None = None) -> pd.DataFrame:
    """Test whether two methods differ, and say how much.

    `p` is the p-value of the two-sided test of Mann and Whitney (1947), exact with ties as well (see
    `significance.rank_test`), and `p_holm` corrects it for all tests in the table, those of all problems (Holm 1979).
    `a12` is the probability that a run of method a is better than a run of method b (Vargha and Delaney 2000); it is .5
    if there is no difference.

    Args:
        final: A table like `Comparison.final`.
        metric: The metric to test. A run that did not reach the target counts as infinitely long.
        reference: The method that all others are compared with; by default every pair is tested.

    Returns:
        A row for each pair of methods on a problem, with the columns problem, metric, a, b, runs_a, runs_b, u, p,
        p_holm, a12 and effect.

    Raises:
        ValueError: No run is of the method `reference`.
    """
    if reference is not None and reference not in set(final["method"]):
        raise ValueError(f"reference must be one of {', '.join(final['method'].unique())}, got {reference!r}.")
    rows = []
    for problem, samples in _samples(final, metric).items():
        pairs = [(a, b) for a, b in combinations(samples, 2)]
        if reference is not None:
            pairs = [(b, reference) for b in samples if b != reference] if reference in samples else []
        for a, b in pairs:
            u, p, effect = _test(samples[a], samples[b], metric)
            rows.append((problem, metric, a, b, len(samples[a]), len(samples[b]), u, p, effect, effect_size(effect)))
    table = pd.DataFrame(rows, columns=["problem", "metric", "a", "b", "runs_a", "runs_b", "u", "p", "a12", "effect"])
    table.insert(table.columns.get_loc("a12"), "p_holm", holm(table["p"].tolist()))
    return table


def claims(final: pd.DataFrame, primary: str = "best", reference: str | None = None) -> pd.DataFrame:
    """Test every metric, and mark the one on which the study stands.

    The primary metric is chosen before the runs. Its tests, on all problems, are what the study claims, and `p_holm`
    corrects them for each other. All other metrics are secondary: they describe, and each is corrected for its own
    tests alone, so that of twenty metrics one may differ by chance.

    Args:
        final: A table like `Comparison.final`.
        primary: The primary metric.
        reference: The method that all others are compared with; by default every pair is tested.

    Returns:
        The rows of `pairwise`, those of the primary metric first, and the column role, "primary" or "secondary".

    Raises:
        ValueError: No run has the primary metric, or none is of the method `reference`.
    """
    metrics = list(dict.fromkeys(final["metric"]))
    if primary not in metrics:
        raise ValueError(f"primary must be one of {', '.join(metrics)}, got {primary!r}.")
    tables = [pairwise(final, metric, reference).assign(role="primary" if metric == primary else "secondary")
              for metric in (primary, *(name for name in metrics if name != primary))]
    return pd.concat(tables, ignore_index=True)


def a12(a: Any, b: Any) -> float:
    """Estimate P(a > b) + P(a = b) / 2 for values drawn from two samples: U / (n_a n_b) (Vargha and Delaney 2000).

    >>> a12([3, 4], [1, 3])
    0.875
    """
    return float(stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)))


def effect_size(a12: float) -> str:
    """Name the size of an effect: negligible, small from .56, medium from .64, large from .71, or as far below .5.

    The limits are those of Vargha and Delaney 2000.

    >>> effect_size(0.66), effect_size(0.2)
    ('medium', 'large')
    """
    distance = round(abs(a12 - 0.5), 12)  # .71 - .5 is a little less than .21
    return next(word for limit, word in _SIZES if distance < limit)


@final
@attrs.frozen(eq=False)
class Friedman:
    """The ranks of methods over several problems."""

    metric: str
    problems: int
    statistic: float
    p: float
    """The p-value of the hypothesis that all methods are the same."""
    ranks: pd.Series
    """Method -> its average rank, in ascending order; 1 is the best."""
    p_values: pd.DataFrame
    """The p-value of each pair (Nemenyi 1963), methods x methods."""
    critical_difference: float
    """Average ranks that lie further apart differ at the level of 5 %."""


def friedman(final: pd.DataFrame, metric: str = "best") -> Friedman | None:
    """Test whether some methods are better over all problems (Friedman 1937; Demsar 2006).

    Methods are ranked on each problem by their median.

    Args:
        final: A table like `Comparison.final`.
        metric: The metric to rank by.

    Returns:
        The ranks and the test, or None with fewer than three problems, or fewer than three methods that have the
        metric on all of them.
    """
    from scikit_posthocs import posthoc_nemenyi_friedman  # half a second

    medians = {
        problem: {method: float(np.median(sample)) for method, sample in samples.items()}
        for problem, samples in _samples(final, metric).items()
    }
    table = pd.DataFrame(medians).T.dropna(axis="columns")  # (problems, methods)
    n, k = table.shape
    if n < 3 or k < 3:
        return None
    worse = table if metric in LOWER_IS_BETTER else -table
    ranks = worse.rank(axis="columns")
    if (ranks == ranks.iloc[0, 0]).all(axis=None):  # nothing but ties, of which there is no statistic
        statistic, p = 0.0, 1.0
    else:
        statistic, p = map(float, stats.friedmanchisquare(*ranks.to_numpy().T))
    q = stats.studentized_range.ppf(0.95, k, np.inf) / np.sqrt(2)
    return Friedman(
        metric=metric,
        problems=n,
        statistic=statistic,
        p=p,
        ranks=ranks.mean().sort_values(kind="stable"),
        p_values=posthoc_nemenyi_friedman(ranks),
        critical_difference=float(q * np.sqrt(k * (k + 1) / (6 * n))),
    )


def _samples(final: pd.DataFrame, metric: str) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return problem -> method -> the values of its runs, in the order of the table, without methods that have none."""
    samples: dict[str, dict[str, NDArray[np.float64]]] = {}
    for (problem, method), group in final[final["metric"] == metric].groupby(["problem", "method"], sort=False):
        values = group["value"].to_numpy(dtype=np.float64)
        # Not reached is later than any that was: the rank that a censored value has.
        values = np.where(np.isnan(values), np.inf, values) if metric == "to_target" else values[~np.isnan(values)]
        if len(values):
            samples.setdefault(problem, {})[method] = values
    return samples


def _test(a: NDArray[np.float64], b: NDArray[np.float64], metric: str) -> tuple[float, float, float]:
    """Return U, its p-value, and A12, where greater means better."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    u, p = rank_test(sign * a, sign * b)
    return u, p, u / (len(a) * len(b))
