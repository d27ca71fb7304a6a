"""How soon runs reach a target, where some never do: success rates, expected running times, tests, distributions.

Pure functions of the tables `Comparison.final` and `Comparison.over_time`. A run that ended before it reached a target
is censored: its time is longer than its budget, and nobody knows by how much. So there is no mean of such times.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from evoniche_baselines.compare.intervals import ert_interval, wilson_interval
from evoniche_baselines.compare.significance import holm, score_test

__all__ = [
    "default_targets", "expected_running_time", "log_rank", "log_rank_scores", "run_time_distribution", "success",
]

_FEW = 20  # runs of a method below which the log-rank test is one by permutation
_TARGETS = 51  # as COCO has them
_PRECISION = 1e-4


def success(final: pd.DataFrame) -> pd.DataFrame:
    """Count the runs that reached the target, and say how soon.

    Args:
        final: A table like `Comparison.final`.

    Returns:
        A row for each method on each problem that has a target, with the columns problem, method, runs, reached, rate,
        rate_low, rate_high (Wilson's interval at 95 %), evaluations, ert, ert_low and ert_high. `evaluations` is the
        median over all runs, infinite if half of them or fewer reached the target; `ert` is the expected running time
        with its bootstrap interval, see `expected_running_time`.
    """
    rows = []
    for (problem, method), spent, reached in _times(final):
        times = np.where(reached, spent, np.inf)
        rows.append((problem, method, len(spent), int(reached.sum()), float(reached.mean()),
                     *wilson_interval(int(reached.sum()), len(reached)), float(np.median(times)),
                     expected_running_time(spent, reached), *ert_interval(spent, reached)))
    columns = ["problem", "method", "runs", "reached", "rate", "rate_low", "rate_high", "evaluations", "ert", "ert_low",
               "ert_high"]
    return pd.DataFrame(rows, columns=columns)


def expected_running_time(spent: NDArray[np.float64], reached: NDArray[np.bool_]) -> float:
    """Estimate the evaluations to the target if a run that fails is followed by another (Auger and Hansen 2005).

    ERT = the evaluations of all runs / the number of runs that reached the target.

    Args:
        spent: The evaluations of each run, to the target or to the end of the budget, shape (runs,).
        reached: Whether each run reached the target, shape (runs,).

    Returns:
        The expectation; infinite if no run reached the target.

    >>> expected_running_time(np.array([300.0, 1000.0]), np.array([True, False]))
    1300.0
    """
    successes = int(reached.sum())
    return float(spent.sum() / successes) if successes else np.inf


def log_rank(final: pd.DataFrame, reference: str | None = None) -> pd.DataFrame:
    """Test whether one of two methods reaches the target sooner (Mantel 1966; Peto and Peto 1972).

    Unlike the test of Mann and Whitney on `to_target`, this one takes account of how long the runs without success were
    observed, which matters if budgets differ. Where a method has fewer than 20 runs, the p-value is that of the
    permutation of log-rank scores, and else that of the chi-squared distribution.

    Args:
        final: A table like `Comparison.final`.
        reference: The method that all others are compared with; by default every pair is tested.

    Returns:
        A row for each pair of methods on a problem with a target, with the columns problem, a, b, runs_a, runs_b, z, p
        and p_holm. z is negative where a is sooner. p_holm corrects p for all tests in the table.

    >>> runs = {"problem": "p", "method": list("aaabbb"), "metric": "to_target", "evaluations": 900}
    >>> final = pd.DataFrame({**runs, "value": [200, 300, 400, 600, 700, np.nan]})
    >>> log_rank(final)[["p", "p_holm"]].values.round(3).tolist()
    [[0.1, 0.1]]
    """
    samples: dict[str, dict[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]] = {}
    for (problem, method), spent, reached in _times(final):
        samples.setdefault(problem, {})[method] = spent, reached
    rows = []
    for problem, of in samples.items():
        pairs = list(combinations(of, 2)) if reference is None else [(b, reference) for b in of if b != reference]
        for a, b in pairs if reference is None or reference in of else ():
            rows.append((problem, a, b, len(of[a][0]), len(of[b][0]), *_log_rank(of[a], of[b])))
    table = pd.DataFrame(rows, columns=["problem", "a", "b", "runs_a", "runs_b", "z", "p"])
    return table.assign(p_holm=holm(table["p"].tolist()))


def log_rank_scores(spent: NDArray[np.float64], reached: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the log-rank score of each run: 1 if it reached the target, less the hazard accumulated until its end.

    The accumulated hazard is Nelson and Aalen's over all runs. Scores add up to 0, and their sum over one method is
    what the log-rank test compares with 0: its successes less those to be expected (Peto and Peto 1972).

    >>> log_rank_scores(np.array([1.0, 2.0, 3.0]), np.array([True, True, False])).round(3)
    array([ 0.667,  0.167, -0.833])
    """
    times = np.unique(spent[reached])
    at_risk = (spent[:, None] >= times).sum(axis=0)
    events = ((spent[:, None] == times) & reached[:, None]).sum(axis=0)
    hazard = (spent[:, None] >= times) @ (events / at_risk)  # until the end of each run
    return reached - hazard


def run_time_distribution(
    over_time: pd.DataFrame, targets: Mapping[str, ArrayLike], metric: str = "best"
) -> pd.DataFrame:
    """Return when each run first reached each of several targets: the data of an empirical run-time distribution.

    The share of all runs and targets that a method has reached by a number of evaluations, over all problems, is the
    ECDF that COCO draws (Hansen et al. 2021); `pictures.draw_run_times` draws it.

    Args:
        over_time: A table like `Comparison.over_time`, of which the times have the resolution.
        targets: Problem -> the values of the metric to be reached.
        metric: A metric that never decreases in a run.

    Returns:
        A row for each run and target, with the columns problem, method, run, target and evaluations; NaN where the
        target was not reached.
    """
    rows = []
    table = over_time[over_time["metric"] == metric]
    for (problem, method, run), group in table.groupby(["problem", "method", "run"], sort=False):
        group = group.sort_values("evaluations")
        values, evaluations = group["value"].to_numpy(), np.append(group["evaluations"].to_numpy(float), np.nan)
        goals = np.asarray(targets.get(problem, ()), dtype=np.float64)
        first = np.searchsorted(np.maximum.accumulate(values), goals, side="left")
        rows += [(problem, method, run, goal, when) for goal, when in zip(goals, evaluations[first], strict=True)]
    return pd.DataFrame(rows, columns=["problem", "method", "run", "target", "evaluations"])


def default_targets(
    over_time: pd.DataFrame, best_known: Mapping[str, float] | None = None, metric: str = "best"
) -> dict[str, NDArray[np.float64]]:
    """Choose 51 targets for each problem, whose distances to the best known value shrink evenly on a logarithmic scale.

    The easiest is what half of the runs have at their first record; the hardest is a ten-thousandth of its distance
    away from the best known value. COCO's targets are spaced in the same way.

    Args:
        over_time: A table like `Comparison.over_time`.
        best_known: Problem -> the best known value of the metric; of others it is the best value in the table.
        metric: The metric.

    Returns:
        Problem -> its targets, ascending; one alone where the first records have the best value already.
    """
    targets = {}
    for problem, of in over_time[over_time["metric"] == metric].groupby("problem", sort=False):
        best = (best_known or {}).get(problem, float(of["value"].max()))
        begun = of.sort_values("evaluations").groupby(["method", "run"])["value"].first().median()
        gap = best - float(begun)
        targets[problem] = best - gap * np.geomspace(1, _PRECISION, _TARGETS) if gap > 0 else np.array([best])
    return targets


def _times(
    final: pd.DataFrame,
) -> list[tuple[tuple[str, str], NDArray[np.float64], NDArray[np.bool_]]]:
    """Return for each problem and method what each run spent, and whether it reached the target."""
    table = final[final["metric"] == "to_target"]
    return [(key, group["value"].fillna(group["evaluations"]).to_numpy(dtype=np.float64),
             group["value"].notna().to_numpy())
            for key, group in table.groupby(["problem", "method"], sort=False)]


def _log_rank(
    a: tuple[NDArray[np.float64], NDArray[np.bool_]], b: tuple[NDArray[np.float64], NDArray[np.bool_]]
) -> tuple[float, float]:
    """Return z, negative where a is sooner, and its p-value."""
    spent, reached = np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]])
    first = len(a[0])
    scores = log_rank_scores(spent, reached)
    if np.ptp(scores) == 0:  # no success, or all at the same time
        return 0.0, 1.0
    result = stats.logrank(*(stats.CensoredData.right_censored(times, ~events) for times, events in (a, b)))
    z = -np.copysign(abs(float(result.statistic)), scores[:first].sum())
    few = min(first, len(spent) - first) < _FEW
    return float(z), score_test(scores, first) if few else float(result.pvalue)
