"""The statistics of a comparison on made data with ties, censoring and few runs, against SciPy, lifelines and hand."""

from itertools import combinations

import lifelines
import numpy as np
import pandas as pd
import pytest
from lifelines.statistics import logrank_test
from scipy import stats

from evoniche_baselines.compare import intervals, run_times, significance, statistics
from evoniche_baselines.compare.run_time_pictures import draw_run_times
from evoniche_baselines.compare.study import COLUMNS

pytestmark = pytest.mark.filterwarnings("ignore:Starting with pandas version 4.0")  # of lifelines


def table(problem="p", metric="best", evaluations=100, **samples):
    rows = [(problem, name, i, i, evaluations, metric, float(value)) for name, values in samples.items()
            for i, value in enumerate(values)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


# p-values.


@pytest.mark.parametrize("seed", range(12))
def test_p_with_ties_is_that_of_scipys_enumeration(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 4, rng.integers(2, 8)), rng.integers(0, 5, rng.integers(2, 8))
    expected = stats.permutation_test(
        (a, b), lambda x, y, axis: stats.mannwhitneyu(x, y, axis=axis, method="asymptotic").statistic,
        permutation_type="independent", n_resamples=np.inf, vectorized=True,
    )
    u, p = significance.rank_test(a, b)
    assert u == expected.statistic
    assert p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("n", [3, 12, 30, 50])
def test_p_without_ties_is_mann_and_whitneys(n):
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=n), rng.normal(0.5, size=n)
    assert significance.rank_test(a, b)[1] == pytest.approx(stats.mannwhitneyu(a, b, method="exact").pvalue)


def test_p_of_many_runs_is_the_normal_approximation_and_hardly_differs(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 60), rng.integers(1, 10, 60)
    u, p = significance.rank_test(a, b)
    expected = stats.mannwhitneyu(a, b, method="asymptotic")
    assert (u, p) == (expected.statistic, expected.pvalue)
    monkeypatch.setattr(significance, "_MOST", 200)
    assert significance.rank_test(a, b)[1] == pytest.approx(p, rel=0.05)


def test_three_runs_with_ties_do_not_look_significant():
    a, b = np.array([1.0, 2.0, 2.0]), np.array([0.0, 0.0, 1.0, 1.0, 1.0])
    values = np.concatenate([a, b])
    ranks = stats.rankdata(values)
    sums = np.array([ranks[list(chosen)].sum() for chosen in combinations(range(8), 3)])
    exact = 2 * np.mean(sums >= ranks[:3].sum() - 1e-9)
    assert stats.mannwhitneyu(a, b, method="asymptotic").pvalue < 0.08
    assert significance.rank_test(a, b)[1] == pytest.approx(exact) == pytest.approx(1 / 7)


def test_runs_that_never_reach_tie_at_the_end():
    row = statistics.pairwise(table(metric="to_target", a=[10, 20, 30, np.nan], b=[np.nan] * 4), "to_target").iloc[0]
    everybody = [1, 1, 1, 0, 0, 0, 0, 0]  # all that matters is who reached it: of 70 ways, 5 have three in the first
    sums = np.array([sum(everybody[i] for i in chosen) for chosen in combinations(range(8), 4)])
    assert row["p"] == pytest.approx(2 * np.mean(sums >= 3))


def test_ways_that_are_too_many_are_drawn():
    scores = np.random.default_rng(0).normal(size=40)
    drawn = significance.score_test(scores, 20)
    approximate = stats.ttest_ind(scores[:20], scores[20:]).pvalue
    assert drawn == pytest.approx(approximate, abs=0.02)
    assert significance.score_test(np.ones(6), 3) == 1


def test_holm_runs_over_all_claims_of_all_problems():
    rng = np.random.default_rng(0)
    samples = {f"p{i}": {m: rng.normal(i * (m == "b"), size=8) for m in "abc"} for i in range(3)}
    final = pd.concat([table(problem, **of) for problem, of in samples.items()])
    tests = statistics.pairwise(final, reference="a")
    assert len(tests) == 6
    assert tests["p_holm"].min() == pytest.approx(6 * tests["p"].min())


def test_the_primary_metric_is_marked_and_corrected_for_itself():
    final = pd.concat([table(a=range(6), b=range(9, 15)), table(metric="niches", a=range(6), b=range(6))])
    tests = statistics.claims(final, "niches", "a")
    assert tests[["metric", "role"]].values.tolist() == [["niches", "primary"], ["best", "secondary"]]
    assert tests["p_holm"].tolist() == tests["p"].tolist()
    with pytest.raises(ValueError, match="primary must be one of best, niches, got 'nich'"):
        statistics.claims(final, "nich")


# Intervals.


def test_fewer_than_five_runs_show_their_values():
    few, enough = (statistics.summary(table(a=[1, 1, 1, 9, 2][:n])).iloc[0] for n in (4, 5))
    assert few["values"] == (1, 1, 1, 9)
    assert np.isnan([few["low"], few["high"]]).all()
    assert enough["values"] == ()
    assert enough["low"] <= enough["iqm"] <= enough["high"]


@pytest.mark.parametrize("method", ["percentile", "BCa"])
def test_the_interval_is_scipys(method):
    sample = np.random.default_rng(2).lognormal(size=12)
    expected = stats.bootstrap(
        (sample,), lambda x: np.sort(x)[len(x) // 4 : len(x) - len(x) // 4].mean(), n_resamples=2000, method=method,
        vectorized=False, rng=np.random.default_rng(4),
    ).confidence_interval
    assert intervals.iqm_interval(sample, 4, method) == pytest.approx((expected.low, expected.high))


def test_bca_falls_back_where_leaving_a_run_out_changes_nothing():
    sample = np.array([0.5] + [1.0] * 11)
    assert intervals.iqm_interval(sample, 0, "BCa") == intervals.iqm_interval(sample, 0) == (1.0, 1.0)


@pytest.mark.parametrize(("reached", "runs"), [(0, 5), (3, 10), (10, 10), (29, 30)])
def test_wilsons_interval_by_its_formula(reached, runs):
    z, share = stats.norm.ppf(0.975), reached / runs
    middle = (share + z**2 / (2 * runs)) / (1 + z**2 / runs)
    half = z / (1 + z**2 / runs) * np.sqrt(share * (1 - share) / runs + z**2 / (4 * runs**2))
    assert intervals.wilson_interval(reached, runs) == pytest.approx((middle - half, middle + half), abs=1e-12)


# Times to a target.


def test_expected_running_time_is_that_of_restarts():
    # Runs that fail are followed by others: simulated from the empirical distribution of the same runs.
    rng = np.random.default_rng(0)
    spent = np.array([120.0, 300.0, 1000.0, 1000.0, 80.0])
    reached = np.array([True, True, False, False, True])
    totals = []
    for _ in range(4000):
        total, done = 0.0, False
        while not done:
            i = rng.integers(5)
            total, done = total + spent[i], bool(reached[i])
        totals.append(total)
    assert run_times.expected_running_time(spent, reached) == pytest.approx(2500 / 3)
    assert np.mean(totals) == pytest.approx(2500 / 3, rel=0.05)


def test_nobody_reached_it():
    final = table(metric="to_target", a=[np.nan] * 6, b=[50] * 6)
    success = run_times.success(final).set_index("method")
    assert success.loc["a", ["reached", "rate", "rate_low", "ert", "ert_low"]].tolist() == [0, 0, 0, np.inf, np.inf]
    assert success.loc["b", ["rate", "rate_high", "evaluations", "ert", "ert_low", "ert_high"]].tolist() == [
        1, 1, 50, 50, 50, 50]
    assert np.isnan(statistics.summary(final, "to_target").set_index("method").loc["a", "mean"])


def censored(seed, n, scale, budget=100.0):
    times = np.random.default_rng(seed).exponential(scale, size=n).round()  # with ties
    return np.where(times <= budget, times + 1, np.nan)


def test_the_log_rank_test_is_that_of_lifelines():
    a, b = censored(1, 40, 60), censored(2, 25, 120)
    row = run_times.log_rank(table(metric="to_target", evaluations=101, a=a, b=b)).iloc[0]
    expected = logrank_test(np.nan_to_num(a, nan=101), np.nan_to_num(b, nan=101), ~np.isnan(a), ~np.isnan(b))
    assert row["z"] ** 2 == pytest.approx(expected.test_statistic)
    assert row["p"] == pytest.approx(expected.p_value)
    assert row["z"] < 0  # a is sooner


def test_log_rank_scores_are_those_of_nelson_and_aalen():
    times = censored(3, 30, 80)
    spent, reached = np.nan_to_num(times, nan=101), ~np.isnan(times)
    scores = run_times.log_rank_scores(spent, reached)
    fitted = lifelines.NelsonAalenFitter(nelson_aalen_smoothing=False).fit(spent, reached)
    assert scores == pytest.approx(reached - fitted.cumulative_hazard_at_times(spent).to_numpy())
    assert scores.sum() == pytest.approx(0)


def test_few_runs_are_compared_by_permutation():
    final = table(metric="to_target", evaluations=900, a=[200, 300, 400], b=[600, 700, np.nan])
    assert run_times.log_rank(final)["p"].tolist() == pytest.approx([2 / 20])
    assert logrank_test([200, 300, 400], [600, 700, 900], [1, 1, 1], [1, 1, 0]).p_value < 0.03
    assert run_times.log_rank(table(metric="to_target", a=[np.nan] * 3, b=[np.nan] * 3))["p"].tolist() == [1]


def over_time(**runs):
    rows = [(problem, method, run, run, 10 * (i + 1), "best", value)
            for (problem, method), of in runs.pop("runs").items() for run, values in enumerate(of)
            for i, value in enumerate(values)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_when_each_run_reached_each_target():
    records = over_time(runs={("p", "a"): [[0.1, 0.5, 0.5, 0.9], [0.2, 0.2, 0.2, 0.2]]})
    times = run_times.run_time_distribution(records, {"p": [0.1, 0.5, 0.6, 1.0]})
    assert times["evaluations"].fillna(-1).tolist() == [10, 20, 40, -1, 10, -1, -1, -1]


def test_the_distribution_is_lifelines_kaplan_meier():
    records = over_time(runs={("p", "a"): np.maximum.accumulate(np.random.default_rng(0).random((9, 20)), axis=1)})
    times = run_times.run_time_distribution(records, {"p": [0.97]})["evaluations"]
    fitted = lifelines.KaplanMeierFitter().fit(times.fillna(200), times.notna())
    for when in (20, 100, 190):
        assert (times <= when).mean() == pytest.approx(1 - fitted.predict(when))


def test_targets_shrink_evenly_towards_the_best_known():
    records = over_time(runs={("p", "a"): [[0.5, 0.9], [0.7, 0.8]], ("q", "a"): [[1.0, 1.0]]})
    targets = run_times.default_targets(records, {"p": 1.0, "q": 1.0})
    gaps = 1 - targets["p"]
    assert len(gaps) == 51
    assert gaps[[0, -1]] == pytest.approx([0.4, 0.4e-4])
    assert np.diff(np.log(gaps)) == pytest.approx(np.full(50, np.log(1e-4) / 50))
    assert targets["q"] == [1.0]
    assert run_times.default_targets(records)["p"][-1] == pytest.approx(0.9, abs=1e-4)


def test_the_picture_ends_at_the_share_that_was_reached():
    records = over_time(runs={("p", "a"): [[0.5, 1.0]], ("q", "a"): [[0.5, 0.6]], ("p", "b"): [[0.5, 0.5]]})
    times = run_times.run_time_distribution(records, {"p": [0.5, 1.0], "q": [0.5, 0.6, 0.9, 1.0]})
    a, b = draw_run_times(times, {"a": "A", "b": "B"}).axes[0].lines
    assert a.get_ydata()[-1] == pytest.approx((1 + 0.5) / 2)  # problems count alike, not targets
    assert b.get_ydata()[-1] == pytest.approx(0.5)
    assert max(a.get_xdata()) == 20
