"""Comparing methods: statistics against values worked out here, runs that are kept, and what a report holds."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from evoniche import BinaryGenome, BitFlipMutation, GaussianMutation, RealGenome, UniformCrossover, _log
from evoniche._files import write_json, write_npz
from evoniche_baselines import catalogue
from evoniche_baselines.compare import Comparison, compare, statistics, write_report
from evoniche_baselines.compare import study as study_module
from evoniche_baselines.compare.command import compare as command
from evoniche_baselines.compare.command import split_methods
from evoniche_baselines.compare.niche_pictures import draw_scores, order_by_niche
from evoniche_baselines.compare.page import html_page
from evoniche_baselines.compare.pictures import at_evaluations, draw_boxes, draw_critical_difference, draw_curves
from evoniche_baselines.compare.runs import Task, run
from evoniche_baselines.compare.store import Store
from evoniche_baselines.method import method
from evoniche_baselines.problem import NEEDS, Descriptor, Problem, RealVectors

COLUMNS = list(study_module.COLUMNS)
METHODS = catalogue.names("method")


# Two small problems that between them offer all that a method may need.


def halves(genomes, _scores):
    return np.stack([genomes[:, :6].mean(axis=1), genomes[:, 6:].mean(axis=1)], axis=1)


def bits():
    return Problem(
        name="bits", genome=BinaryGenome(12), scorer=lambda genomes: genomes.astype(float), cases=12,
        crossover=UniformCrossover(), mutation=BitFlipMutation(), population_size=10, target=1.0, radius=3,
        descriptor=Descriptor(halves, (0, 0), (1, 1), (4, 4)), held_out=lambda genomes: genomes[:, :1].astype(float),
    )


def reals():
    return Problem(
        name="reals", genome=RealGenome(4, bounds=(-1, 1)), scorer=lambda genomes: np.exp(-((genomes - 0.3) ** 2)),
        cases=4, crossover=UniformCrossover(), mutation=GaussianMutation(0.1), population_size=10, radius=0.5,
        descriptor=Descriptor(lambda genomes, _: genomes[:, :2], (-1, -1), (1, 1), (4, 4)),
        vector=RealVectors(4, lambda rng: rng.uniform(-1, 1, 4), 0.3, -1.0, 1.0),
        initial=np.random.default_rng(0).uniform(-1, 1, size=(2, 4)), seeds=True,
    )


def offers_nothing():
    return Problem(name="bare", genome=BinaryGenome(3), scorer=lambda g: g[:, :1].astype(float), cases=1)


def no_mutation():
    return attrs.evolve(bits(), mutation=None)


def no_variation():
    return attrs.evolve(bits(), mutation=None, crossover=None)


def one_dimension():
    return Problem(
        name="line", genome=RealGenome(1, bounds=(-1, 1)), scorer=lambda genomes: np.exp(-((genomes - 0.3) ** 2)),
        cases=1, crossover=UniformCrossover(), mutation=GaussianMutation(0.1), population_size=10,
        vector=RealVectors(1, lambda rng: rng.uniform(-1, 1, 1), 0.3, -1.0, 1.0),
    )


def table(**samples):
    """A final table of one problem and metric."""
    rows = [
        ("p", name, i, i, 100, "best", float(value)) for name, values in samples.items()
        for i, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def to_target(frame):
    return frame.assign(metric="to_target")


# Statistics.


def test_a12_counts_the_pairs():
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 5, 9), rng.integers(1, 6, 7)
    wins = sum(1.0 if x > y else 0.5 if x == y else 0.0 for x in a for y in b)
    assert statistics.a12(a, b) == pytest.approx(wins / 63)
    row = statistics.pairwise(table(a=a, b=b)).iloc[0]
    assert (row["a"], row["b"], row["a12"], row["u"]) == ("a", "b", pytest.approx(wins / 63), wins)


@pytest.mark.parametrize(
    ("value", "word"),
    [(0.5, "negligible"), (0.55, "negligible"), (0.56, "small"), (0.36, "medium"), (0.64, "medium"), (0.71, "large"),
     (0.29, "large"), (0.0, "large")],
)
def test_effects_in_words(value, word):
    assert statistics.effect_size(value) == word


def test_p_of_separate_samples_is_that_of_the_enumeration():
    # Of the 20 ways to choose 3 of 6, 2 are as extreme as all of a below all of b.
    row = statistics.pairwise(table(a=[1, 2, 3], b=[4, 5, 6])).iloc[0]
    assert row["p"] == pytest.approx(2 / 20)
    assert row["a12"] == 0


def test_holm_by_hand():
    rng = np.random.default_rng(0)
    tests = statistics.pairwise(table(**{name: rng.normal(i, size=8) for i, name in enumerate("abcd")}))
    p = tests["p"].to_numpy()
    order, corrected, worst = np.argsort(p), np.empty(6), 0.0
    for rank, which in enumerate(order):
        worst = max(worst, min(1.0, p[which] * (6 - rank)))
        corrected[which] = worst
    assert tests["p_holm"].to_numpy() == pytest.approx(corrected)
    assert (tests["p_holm"] > tests["p"]).any()


def test_against_a_reference_only_its_pairs_are_tested():
    tests = statistics.pairwise(table(a=[1, 2], b=[3, 4], c=[5, 6]), reference="a")
    assert list(zip(tests["a"], tests["b"], strict=True)) == [("b", "a"), ("c", "a")]
    assert list(tests["a12"]) == [1.0, 1.0]
    with pytest.raises(ValueError, match="reference must be one of a, b, got 'z'"):
        statistics.pairwise(table(a=[1], b=[2]), reference="z")


def test_the_interquartile_mean_drops_a_quarter_at_each_end():
    values = np.random.default_rng(1).permutation([100.0, 1, 2, 3, 4, 5, 6, -50])
    row = statistics.summary(table(a=values)).iloc[0]
    assert row["iqm"] == np.mean(sorted(values)[2:-2]) == 3.5
    assert (row["runs"], row["mean"], row["median"]) == (8, values.mean(), 3.5)
    assert min(values) <= row["low"] <= 3.5 <= row["high"] <= max(values)


def test_the_interval_is_as_wide_as_theory_has_it():
    # The variance of a normal sample's interquartile mean is about 1.2 / n.
    row = statistics.summary(table(a=np.random.default_rng(5).normal(size=400))).iloc[0]
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * np.sqrt(1.2 / 400), rel=0.15)
    assert row["low"] < 0 < row["high"]


def test_the_interval_of_a_constant_is_the_constant():
    row = statistics.summary(table(a=[2.5] * 30)).iloc[0]
    assert (row["iqm"], row["low"], row["high"], row["values"]) == (2.5, 2.5, 2.5, ())


def test_constant_samples_do_not_differ():
    row = statistics.pairwise(table(a=[1, 1, 1], b=[1, 1, 1])).iloc[0]
    assert (row["p"], row["p_holm"], row["a12"], row["effect"]) == (1, 1, 0.5, "negligible")


def test_a_target_that_is_not_reached_is_worse_than_any():
    final = to_target(table(a=[10, 20, np.nan, 30], b=[np.nan, np.nan, 900, np.nan], c=[np.nan] * 4))
    reached = statistics.success(final).set_index("method")
    assert list(reached["reached"]) == [3, 1, 0]
    assert list(reached["rate"]) == [0.75, 0.25, 0]
    assert list(reached["evaluations"]) == [25, np.inf, np.inf]
    tests = statistics.pairwise(final, "to_target").set_index(["a", "b"])
    wins = 3 * 4 + 0.5 * 3  # three runs of a are before all of b, and the fourth ties with three
    assert tests.loc[("a", "b"), "a12"] == pytest.approx(wins / 16)
    assert tests.loc[("b", "c"), "a12"] == pytest.approx((4 + 3 * 2) / 16)
    row = statistics.summary(final, "to_target").set_index("method").loc["a"]
    assert row["iqm"] == 25
    assert np.isnan(row["low"])


def test_a_method_without_values_is_left_out():
    final = table(a=[1, 2], b=[np.nan, np.nan], c=[3, 4])
    assert list(statistics.summary(final)["method"]) == ["a", "c"]
    assert len(statistics.pairwise(final)) == 1
    assert statistics.summary(final, "no such metric").empty
    assert statistics.pairwise(final, "no such metric").empty


def ranked(values):
    """A table of medians (problems, methods)."""
    frames = [table(**{f"m{j}": [value] for j, value in enumerate(row)}).assign(problem=f"p{i}")
              for i, row in enumerate(values)]
    return pd.concat(frames)


def test_friedman_by_hand():
    result = statistics.friedman(ranked([[3, 2, 1], [30, 20, 10], [3, 2, 1], [0.2, 0.3, 0.1]]))
    assert dict(result.ranks) == {"m0": 1.25, "m1": 1.75, "m2": 3.0}
    n, k = 4, 3
    by_hand = 12 * n / (k * (k + 1)) * sum((rank - (k + 1) / 2) ** 2 for rank in result.ranks)
    assert result.statistic == pytest.approx(by_hand)
    assert result.p == pytest.approx(np.exp(-by_hand / 2))  # chi squared of two degrees of freedom
    # Demsar (2006), table 5: q of three classifiers at .05 is 2.343.
    assert result.critical_difference == pytest.approx(2.343 * np.sqrt(k * (k + 1) / (6 * n)), rel=1e-3)
    far = abs(result.ranks["m0"] - result.ranks["m2"]) > result.critical_difference
    assert (result.p_values.loc["m0", "m2"] < 0.05) == far


def test_friedman_ranks_the_faster_first_and_ties_as_equal():
    assert statistics.friedman(to_target(ranked([[1, 2, np.nan]] * 3)), "to_target").ranks.index[0] == "m0"
    tied = statistics.friedman(ranked([[1, 1, 1]] * 3))
    assert (tied.statistic, tied.p, set(tied.ranks)) == (0, 1, {2.0})


@pytest.mark.parametrize("values", [[[1, 2, 3]] * 2, [[1, 2]] * 5])
def test_friedman_needs_three_of_each(values):
    assert statistics.friedman(ranked(values)) is None


# Pictures' numbers.


def test_between_records_the_earlier_one_holds():
    records = pd.DataFrame({"run": [0, 0, 1], "evaluations": [10, 20, 15], "value": [1.0, 2.0, 5.0]})
    values = at_evaluations(records, np.array([5, 10, 19, 20, 99]))
    np.testing.assert_array_equal(values, [[np.nan, 1, 1, 2, 2], [np.nan, np.nan, 5, 5, 5]])


def test_members_of_a_niche_stand_together():
    niche = np.random.default_rng(2).integers(0, 3, 30)
    scores = np.zeros((30, 13))
    for member, which in enumerate(niche):
        scores[member, which::3] = 1
    scores[:, 12] = 0  # a case that nobody solves
    members, cases = order_by_niche(scores)
    assert sorted(members) == list(range(30))
    assert np.count_nonzero(np.diff(niche[members])) == 2
    assert cases[-1] == 12
    assert np.count_nonzero(np.diff(cases[:-1] % 3)) == 2
    assert [list(order) for order in order_by_niche(np.ones((1, 1)))] == [[0], [0]]


# Runs.


@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_its_budget_and_its_seed(name):
    found = catalogue.find_method(name)
    runnable = [make for make in (bits, reals) if found.needs <= make().offers]
    assert runnable, "one of the two offers what it needs"
    for make in runnable:
        scored = []

        def counted(make=make, scored=scored):
            problem = make()

            def score(genomes):
                scored.append(len(genomes))
                return problem.scorer(genomes)

            return attrs.evolve(problem, scorer=score)

        first, again = (run(Task(counted, found, 3, 300)) for _ in range(2))
        assert sum(scored) == 600
        assert first.over_time["evaluations"][-1] == 300
        for metric, values in first.over_time.items():
            np.testing.assert_array_equal(values, again.over_time[metric], err_msg=metric)
        np.testing.assert_array_equal(first.scores, again.scores)
        assert ("to_target" in first.final) == (make is bits)
        assert {"best", "mean", "niches", "coverage", "entropy", "qd_score"} <= first.over_time.keys()


@pytest.mark.parametrize("make", [no_mutation, no_variation, one_dimension])
@pytest.mark.parametrize("name", ["deap-ga", "pymoo-ga", "cma-es", "ga", "plus", "random-search", "lexicase"])
def test_problems_that_offer_little_are_enough(name, make):
    found = catalogue.find_method(name)
    if not found.needs <= make().offers:
        with pytest.raises(ValueError, match="cannot run on"):
            run(Task(make, found, 0, 60))
        return
    result = run(Task(make, found, 0, 60))
    assert result.over_time["evaluations"][-1] == 60
    assert result.scores.shape[1] == make().cases


@pytest.mark.parametrize("name", ["m2n2", "plus", "deap-ga", "pymoo-ga", "map-elites", "random-search"])
def test_a_budget_below_the_first_batch_is_kept(name):
    result = run(Task(bits, name, 0, 7))
    assert result.over_time["evaluations"][-1] == 7
    assert 1 <= len(result.scores) <= 10
    alone = run(Task(bits, "random-search", 0, 7, population_size=100))
    assert alone.over_time["evaluations"].tolist()[-1] == 7


def test_another_seed_is_another_run():
    runs = [run(Task(bits, catalogue.find_method("m2n2"), seed, 50)) for seed in (0, 1)]
    assert not np.array_equal(runs[0].scores, runs[1].scores)


def test_the_evaluation_that_reached_the_target_is_found():
    """Its number follows from the order in which solutions are scored."""
    scored = []

    def watched():
        problem = bits()

        def score(genomes):
            scored.extend(genomes.all(axis=1))
            return problem.scorer(genomes)

        return attrs.evolve(problem, scorer=score)

    result = run(Task(watched, catalogue.find_method("tournament"), 0, 1_000))
    assert result.final["to_target"] == scored.index(True) + 1


def values_of(comparison):
    """Without the time it took."""
    final = comparison.final[comparison.final["metric"] != "seconds"]
    return final.reset_index(drop=True), comparison.over_time


def test_two_processes_give_what_one_gives(tmp_path):
    arguments = {"runs": 2, "evaluations": 150, "population_size": 20, "seed": 7, "progress": False}
    one = compare(["niches", "max-sat:variables=8"], ["m2n2", "ga"], **arguments)
    two = compare(["niches", "max-sat:variables=8"], [catalogue.find_method("m2n2"), "ga"], jobs=2, folder=tmp_path,
                  **arguments)
    for a, b in zip(values_of(one), values_of(two), strict=True):
        pd.testing.assert_frame_equal(a, b)
    assert list(one.final.columns) == COLUMNS
    assert sorted(one.final["seed"].unique()) == [7, 8]
    assert sorted(one.final["run"].unique()) == [0, 1]
    assert set(one.final["evaluations"]) == {150}
    assert one.missing == ()


def test_the_table_has_the_budget_of_all_methods():
    result = compare(bits, ["tournament", "m2n2", "random-search"], runs=1, evaluations=77, progress=False)
    assert set(result.final["evaluations"]) == {77}
    last = result.over_time.groupby("method")["evaluations"].max()
    assert set(last) == {77}


@pytest.fixture
def counted_runs(monkeypatch):
    """Which runs were made."""
    made = []

    def counting(task):
        made.append((task.method_name, task.seed))
        return run(task)

    monkeypatch.setattr(study_module, "run", counting)
    return made


def test_a_finished_run_is_not_run_again(tmp_path, counted_runs):
    arguments = {"runs": 3, "evaluations": 100, "folder": tmp_path, "progress": False}
    first = compare("niches", ["m2n2", "ga"], **arguments)
    assert len(counted_runs) == 6
    counted_runs.clear()
    again = compare("niches", ["m2n2", "ga"], **arguments)
    assert counted_runs == []
    pd.testing.assert_frame_equal(first.final, again.final)  # with the seconds of the first
    pd.testing.assert_frame_equal(first.over_time, again.over_time)
    next((tmp_path / "niches" / "ga").glob("1-*.npz")).unlink()
    compare("niches", ["m2n2", "ga"], **arguments)
    assert counted_runs == [("ga", 1)]
    counted_runs.clear()
    compare("niches", ["m2n2", "ga", "plus"], **{**arguments, "runs": 4})
    assert sorted(counted_runs) == [("ga", 3), ("m2n2", 3), *(("plus", seed) for seed in range(4))]
    counted_runs.clear()
    compare("niches", ["ga"], **{**arguments, "evaluations": 101})
    assert len(counted_runs) == 3


def test_an_interrupted_comparison_goes_on(tmp_path, monkeypatch):
    made = []

    def interrupted(task):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(task)
        return run(task)

    monkeypatch.setattr(study_module, "run", interrupted)
    arguments = {"runs": 2, "evaluations": 100, "folder": tmp_path, "progress": False}
    part = compare("niches", ["m2n2", "ga"], **arguments)
    assert part.missing == (("niches", "m2n2", 1), ("niches", "ga", 1))
    assert len(part.scores) == 2
    monkeypatch.setattr(study_module, "run", lambda task: made.append(task) or run(task))
    whole = compare("niches", ["m2n2", "ga"], **arguments)
    assert whole.missing == ()
    assert len(made) == len(set(made)) == 4


def test_an_interruption_before_any_run_is_one(monkeypatch):
    def interrupted(task):
        raise KeyboardInterrupt

    monkeypatch.setattr(study_module, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare("niches", ["ga"], runs=1, progress=False)


@pytest.fixture
def said(monkeypatch):
    """What was logged as a warning."""
    said = []
    monkeypatch.setattr(_log, "warning", lambda text, *values: said.append(text.format(*values)))
    return said


def cut_off(kept):
    return lambda path: path.write_bytes(path.read_bytes()[:kept])


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def other_numbers(path):
    """As a whole npz file, of which zip's own sums are right."""
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, "over_time": arrays["over_time"] + 0.25})


@pytest.mark.parametrize("damage", [cut_off(0), cut_off(40), cut_off(300), flipped, other_numbers])
def test_a_damaged_file_is_named_and_the_run_made_again(tmp_path, said, damage):
    first = compare("niches", ["ga"], runs=1, evaluations=100, folder=tmp_path, progress=False)
    path = next(tmp_path.rglob("*.npz"))
    damage(path)
    again = compare("niches", ["ga"], runs=1, evaluations=100, folder=tmp_path, progress=False)
    assert len(said) == 1
    assert str(path) in said[0]
    assert again.over_time.equals(first.over_time)
    compare("niches", ["ga"], runs=1, evaluations=100, folder=tmp_path, progress=False)
    assert len(said) == 1


def test_a_run_that_was_copied_over_another_is_not_believed(tmp_path, said):
    arguments = {"runs": 2, "evaluations": 100, "folder": tmp_path, "progress": False}
    first = compare("niches", ["ga"], **arguments)
    one, other = sorted(tmp_path.rglob("*.npz"))
    other.write_bytes(one.read_bytes())
    again = compare("niches", ["ga"], **arguments)
    assert [str(other) in line and "of another run" in line for line in said] == [True]
    pd.testing.assert_frame_equal(first.over_time, again.over_time)


def test_runs_of_the_first_format_are_found(tmp_path, said):
    task = Task("niches", "ga", 0, 100)
    result = run(task)
    new = Store(tmp_path).path(task)
    final = {name: None if np.isnan(value) else value for name, value in result.final.items()}
    over_time = {name: column.tolist() for name, column in result.over_time.items()}
    write_npz(new, scores=result.scores)
    write_json(new.with_suffix(".json"), {"task": task.described(), "final": final, "over_time": over_time})
    new.rename(new.with_name("scores"))
    assert Store(tmp_path).load(task) is None  # one of two files alone
    new.with_name("scores").rename(new)
    found = Store(tmp_path).load(task)
    assert found.final == result.final
    for metric, column in result.over_time.items():
        np.testing.assert_array_equal(found.over_time[metric], column)
    np.testing.assert_array_equal(found.scores, result.scores)
    write_json(new.with_suffix(".json"), {"task": task.described() | {"seed": 1}, "final": {}, "over_time": {}})
    assert Store(tmp_path).load(task) is None
    assert len(said) == 2


def test_not_reached_is_kept_as_such(tmp_path):
    task = Task(bits, "ga", 0, 20)
    result = run(task)
    assert np.isnan(result.final["to_target"])
    store = Store(tmp_path)
    store.save(task, result)
    assert np.isnan(store.load(task).final["to_target"])
    assert store.load(attrs.evolve(task, seed=1)) is None


def test_a_disk_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "niches").write_text("")
    with pytest.raises(NotADirectoryError, match="niches"):
        compare("niches", ["ga"], runs=1, evaluations=20, folder=tmp_path, progress=False)


MINE = """
import numpy as np
from evoniche import _log, BinaryGenome, BitFlipMutation, UniformCrossover
from evoniche_baselines.problem import Problem

def ones(size=8):
    return Problem(name=f"{size} ones", genome=BinaryGenome(size), scorer=lambda g: g.astype(float), cases=size,
                   crossover=UniformCrossover(), mutation=BitFlipMutation(), population_size=10, target=1.0)

class Flips:
    def __init__(self, problem, seed, rate=0.1):
        self.rng, self.problem, self.rate = np.random.default_rng(seed), problem, rate
        self.best = problem.genome.sample(1, rng=self.rng)
        self.scores = None

    def ask(self):
        self.child = self.best ^ (self.rng.random(self.best.shape) < self.rate)
        return self.child

    def tell(self, scores):
        if self.scores is None or scores.mean() >= self.scores.mean():
            self.best, self.scores = self.child, scores

    def members(self):
        return self.best, self.scores

def climb(problem, seed):
    return Flips(problem, seed, rate=0.2)

number = 3
"""


@pytest.fixture
def mine(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return file


@pytest.mark.parametrize("named", ["numbers", "numbers.txt", "folder"])
def test_a_file_that_an_option_names_counts(tmp_path, mine, counted_runs, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    mine.write_text(MINE + "\ndef more(data):\n    return ones()\n")
    (tmp_path / "folder").mkdir()
    file = tmp_path / named / "inside" if named == "folder" else tmp_path / named
    arguments = {"runs": 1, "evaluations": 30, "folder": tmp_path / "runs", "progress": False}
    for content, made in (("1", 1), ("1", 1), ("2", 2)):
        file.write_text(content)
        compare(f"{mine}:more:data={named}", ["ga"], **arguments)
        assert len(counted_runs) == made


@pytest.mark.parametrize("jobs", [0, 1])
def test_no_result_of_old_code_stands_under_the_new(tmp_path, mine, jobs):
    """The file is edited by the run itself, so at a moment that is known."""
    (tmp_path / "factor.py").write_text("FACTOR = 1.0")
    mine.write_text(MINE.replace("import numpy as np", "import numpy as np\nfrom pathlib import Path\n"
                                 "from factor import FACTOR").replace("scorer=lambda g: g.astype(float)",
                                                                      "scorer=lambda g: score(g)") + """
def score(genomes):
    path = Path(__file__).with_name("factor.py")
    if path.with_name("edit").exists():
        path.with_name("edit").unlink()
        path.write_text("FACTOR = 0.5")
    return genomes * FACTOR
""")
    arguments = {"runs": 3, "evaluations": 40, "folder": tmp_path / "runs", "progress": False, "jobs": jobs}
    compare(f"{mine}:ones", ["ga"], **{**arguments, "runs": 1})
    (tmp_path / "edit").touch()
    part = compare(f"{mine}:ones", ["ga"], **arguments)
    assert [failed.run for failed in part.failed] == [1, 2]
    assert all("factor.py has changed since" in str(failed) for failed in part.failed)
    whole = compare(f"{mine}:ones", ["ga"], **arguments)
    assert not whole.failed
    assert whole.final.set_index("metric").loc["best", "value"].max() <= 0.5
    (tmp_path / "factor.py").write_text("FACTOR = 1.0")
    again = compare(f"{mine}:ones", ["ga"], **{**arguments, "runs": 1})
    assert again.final.equals(part.final)  # with its seconds


def test_a_changed_file_is_another_problem(tmp_path, mine, counted_runs):
    arguments = {"runs": 1, "evaluations": 30, "folder": tmp_path / "runs", "progress": False}
    for _ in range(2):
        compare(f"{mine}:ones", ["ga"], **arguments)
    assert len(counted_runs) == 1
    mine.write_text(MINE + "\n# changed\n")
    compare(f"{mine}:ones", ["ga"], **arguments)
    assert len(counted_runs) == 2


# What is refused.


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_needs_more_is_refused_with_the_reason(name):
    found = catalogue.find_method(name)
    if not found.needs:
        found.check(offers_nothing())
        return
    with pytest.raises(ValueError, match=f"^{name} cannot run on bare: it needs .* which it does not offer") as error:
        compare(offers_nothing, [name], runs=1, evaluations=10, progress=False)
    assert all(NEEDS[need] in str(error.value) for need in found.needs)


def test_all_is_refused_before_anything_runs(counted_runs):
    with pytest.raises(ValueError, match="crowding-de cannot run on max-sat"):
        compare("max-sat:variables=8", ["ga", "crowding-de"], runs=1, evaluations=10, progress=False)
    assert counted_runs == []


@pytest.mark.parametrize(
    ("find", "spec", "message"),
    [
        (catalogue.find_problem, "max-sta", "there is no problem 'max-sta'. Did you mean max-sat"),
        (catalogue.find_method, "m2n3", "there is no method 'm2n3'. Did you mean m2n2"),
        (catalogue.find_method, "zzz", "there is no method 'zzz'. There are adaptive-weights"),
        (catalogue.find_method, "m2n2:beta=1", "m2n2 has no option 'beta'; it has alpha"),
        (catalogue.find_method, "plus:alpha=1", "plus has no option 'alpha'; it has none"),
        (catalogue.find_problem, "niches:unique_a", "an option must be option=value, got 'unique_a'"),
        (catalogue.find_problem, "niches:a=1:b=2", "must be name, name:option=value"),
        (catalogue.find_problem, "niches:", "must be name, name:option=value"),
        (catalogue.find_problem, "nowhere.py:problem", "there is no file nowhere.py"),
        (catalogue.find_problem, "niches:unique_a=0", "unique_a must be a whole number >= 1"),
    ],
)
def test_what_is_not_there_is_named(find, spec, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        find(spec)


def test_a_file_has_what_was_asked_for(mine):
    with pytest.raises(ValueError, match=r"has no 'twos'"):
        catalogue.find_problem(f"{mine}:twos")
    with pytest.raises(ValueError, match="must be a function that returns a Problem, got 3"):
        catalogue.find_problem(f"{mine}:number")
    with pytest.raises(ValueError, match="must be a Method or a function"):
        catalogue.find_method(f"{mine}:number")


def test_a_file_says_what_it_offers(mine):
    with pytest.raises(ValueError, match=r"mine.py:ones, or .*mine.py:ones:option=value; of problems it has ones\.$"):
        catalogue.find_problem(str(mine))
    with pytest.raises(ValueError, match=r"has no 'onez'\. Did you mean ones\? Of problems it has ones\.$"):
        catalogue.find_problem(f"{mine}:onez")
    with pytest.raises(ValueError, match=r"has no 'Flipps'\. Did you mean Flips\? Of methods it has Flips, climb\.$"):
        catalogue.find_method(f"{mine}:Flipps:rate=0.3")


@pytest.mark.parametrize("name", ["Flips", "climb"])
def test_a_method_is_no_problem(mine, name):
    assert catalogue.find_method(f"{mine}:{name}")
    with pytest.raises(ValueError, match=rf"{name} is no problem but a method: a problem is a function f\("):
        catalogue.find_problem(f"{mine}:{name}")


def test_a_problem_is_no_method(mine):
    with pytest.raises(ValueError, match=r"ones\(size=8\) cannot be called with a problem and a seed: a method is"):
        catalogue.find_method(f"{mine}:ones")
    mine.write_text(MINE + "\ndef two(size=3, cases=2):\n    return ones(size)\n\nmade = ones()\n")
    other = mine.rename(mine.with_name("other.py"))
    with pytest.raises(ValueError, match=r"two\(size=3, cases=2\) cannot be called with a problem and a seed"):
        catalogue.find_method(f"{other}:two")
    assert catalogue.find_problem(f"{other}:two").cases == 3
    with pytest.raises(ValueError, match=r"other.py:made is a Problem already: a problem is a function"):
        catalogue.find_problem(f"{other}:made")


@pytest.mark.parametrize(
    ("content", "message"),
    [("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
     ("def f(:", "SyntaxError: invalid syntax"), ("1 / 0", "ZeroDivisionError: division by zero"),
     ("raise SystemExit('no')", "SystemExit: no")],
)
def test_a_file_that_cannot_be_loaded_is_named(tmp_path, content, message):
    file = tmp_path / "bad.py"
    file.write_text(content)
    for _ in range(2):  # nothing is left of the first time
        with pytest.raises(ValueError, match=re.escape(f"{file} cannot be imported: {message}")):
            catalogue.find_problem(f"{file}:f")


def test_options_are_values():
    found = catalogue.find_method("m2n2:alpha=0.5")
    assert (found.name, found.label, found.options) == ("m2n2:alpha=0.5", "M2N2 (alpha=0.5)", {"alpha": 0.5})
    assert catalogue.find_problem("niches:unique-a=7,unique_b=2").cases == 9
    assert catalogue.find_problem("niches", population_size=12).population_size == 12
    assert catalogue.find_method("implicit-sharing:selector=tournament").options == {"selector": "tournament"}
    assert catalogue.find_method("antigen:draws=none").options == {"draws": None}


@pytest.mark.parametrize(
    ("problems", "methods", "message"),
    [([], ["ga"], "at least one problem"), ("niches", [], "at least one problem and one method"),
     ("niches", ["ga", "ga"], "comes twice"), (["niches", "niches"], ["ga"], "comes twice")],
)
def test_a_comparison_of_nothing_or_of_the_same_is_refused(problems, methods, message):
    with pytest.raises(ValueError, match=message):
        compare(problems, methods, runs=1, evaluations=10, progress=False)


def test_a_method_says_what_it_needs_in_known_words():
    with pytest.raises(ValueError, match=r"needs must be of cases, .* got \['luck'\]"):
        method("mine", needs=("luck",))(lambda problem, seed: None)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A package that is nothing but its name and entry points."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(package, entry_points):
        info = tmp_path / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        importlib.invalidate_caches()

    return install


def test_somebody_elses_package_takes_part(tmp_path, mine, install):
    mine.rename(tmp_path / "their_niching.py")
    install("their-niching", "[evoniche.problems]\ntheir-ones = their_niching:ones\n"
            "[evoniche.methods]\ntheir-flips = their_niching:Flips\n")
    assert "their-ones" in catalogue.names("problem")
    assert "their-flips" in catalogue.names("method")
    result = compare("their-ones:size=5", ["their-flips:rate=0.2", "ga"], runs=1, evaluations=60, progress=False)
    assert result.problems == {"their-ones:size=5": "5 ones"}
    assert result.methods["their-flips:rate=0.2"] == "their-flips (rate=0.2)"


def test_one_name_of_two_packages_is_refused(install):
    install("my-package", "[evoniche.methods]\nga = my_package:genetic\n")
    with pytest.raises(ValueError, match=r"^'ga' is offered by evoniche and my-package: uninstall .* another name\.$"):
        catalogue.find_method("ga")
    assert catalogue.find_method("m2n2").name == "m2n2"


def test_what_a_package_lacks_is_named(install, tmp_path, monkeypatch):
    (tmp_path / "lacking.py").write_text("import nowhere_at_all")
    (tmp_path / "buggy.py").write_text("1 / 0")
    install("their-lacking", "[evoniche.methods]\nlacking = lacking:f\nbuggy = buggy:f\n"
            "ours = evoniche_baselines.methods.not_there:f\n")
    with pytest.raises(ImportError, match=r"^method lacking of their-lacking needs nowhere_at_all, which is not .*\.$"):
        catalogue.find_method("lacking")
    with pytest.raises(ValueError, match=r"^method buggy of their-lacking cannot be loaded: ZeroDivisionError: div"):
        catalogue.find_method("buggy")
    with pytest.raises(ImportError, match=r"not_there: pip install 'evoniche\[baselines\]'\.$"):
        catalogue.find_method("ours")


# The command and its report.


def evoniche_compare(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_commas_part_methods_and_not_their_options():
    assert split_methods(["m2n2:alpha=0.5,ga", " plus , a.py:b:x=1, y=2"]) == [
        "m2n2:alpha=0.5", "ga", "plus", "a.py:b:x=1, y=2"
    ]


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Three problems and three methods, one of each from a file."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "mine.py").write_text(MINE)
    out = folder / "out"
    ended = evoniche_compare(
        f"{folder / 'mine.py'}:ones:size=6", "niches", "max-sat:variables=8", "--methods",
        f"m2n2,{folder / 'mine.py'}:Flips", "--methods", "tournament:size=3,elites=1", "--runs", 3, "--evaluations",
        200, "--population", 12, "--seed", 4, "--jobs", 0, "--out", out,
    )
    return ended, out


def test_the_command_says_what_it_does(reported):
    ended, out = reported
    assert ended.exit_code == 0, ended.output
    assert "27 runs of 200 evaluations (3 methods on 3 problems), of which 0 finished before" in ended.stderr
    assert "\n6 ones\n" in ended.stdout
    assert re.search(r"^tournament:size=3,elites=1 +3  \S+, \S+, \S+ +\S+", ended.stdout, re.MULTILINE)
    assert ended.stdout.endswith(f"report in {out / 'report.html'}\n")


def test_the_report_has_all_its_files(reported):
    _, out = reported
    for name in ("over_time", "final"):
        frame = pd.read_parquet(out / f"{name}.parquet")
        assert list(frame.columns) == COLUMNS
        pd.testing.assert_frame_equal(pd.read_csv(out / f"{name}.csv"), frame, check_dtype=False)
    assert {"iqm", "low", "high", "metric"} <= set(pd.read_csv(out / "summary.csv").columns)
    assert {"p_holm", "a12", "effect", "role"} <= set(pd.read_csv(out / "tests.csv").columns)
    assert {"rate_low", "ert"} <= set(pd.read_csv(out / "success.csv").columns)
    assert {"z", "p_holm"} <= set(pd.read_csv(out / "log_rank.csv").columns)
    pictures = re.findall(r"\]\((pictures/[^)]+)\)", (out / "report.md").read_text())
    assert len(pictures) == 3 * 4 + 3 + 1  # four of each problem, ranks by three metrics, and run times
    every = [picture.removesuffix(".png") + ending for picture in pictures for ending in (".png", ".pdf", ".svg")]
    assert sorted(every) == sorted(str(path.relative_to(out)) for path in (out / "pictures").iterdir())


def test_the_report_names_what_was_run(reported):
    _, out = reported
    text = (out / "report.md").read_text()
    for words in ("evoniche 0", "numpy 2", "scikit-posthocs", "seeds | 4 to 6", "200 evaluations", "12 members",
                  "`tournament:size=3,elites=1`", "6 ones", "Friedman"):
        assert words in text, words
    assert "Interrupted" not in text


def test_the_numbers_of_the_report_are_those_of_the_tables(reported):
    _, out = reported
    final = pd.read_parquet(out / "final.parquet")
    values = final.query("problem == 'max-sat:variables=8' and method == 'm2n2' and metric == 'to_target'")["value"]
    section = (out / "report.md").read_text().partition("## max-sat")[2]
    row = next(line for line in section.splitlines() if line.startswith("| `m2n2` | 3 |"))
    assert f"| {values.notna().sum()} of 3 " in row
    median = np.median(values.fillna(np.inf))
    assert f"| {median:,.0f} |" in row or np.isinf(median)


def test_the_page_needs_no_other_file(reported):
    _, out = reported
    page = (out / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]{0,40})', page)
    assert len(sources) == 16
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "<table>" in page
    assert "http" not in page


def test_the_same_command_makes_no_run_again(tmp_path, counted_runs, monkeypatch):
    # The module, not the command of the same name in its package; the report is another test's.
    monkeypatch.setattr(importlib.import_module(command.callback.__module__), "write_report", lambda *_, **__: tmp_path)
    arguments = ("niches", "--methods", "ga,m2n2", "--runs", 1, "--evaluations", 100, "--jobs", 0)
    for already in (0, 2):
        ended = evoniche_compare(*arguments, "--out", tmp_path)
        assert ended.exit_code == 0
        assert f"of which {already} finished before" in ended.stderr
    assert len(counted_runs) == 2


def test_what_an_interruption_left_out_is_named(tmp_path, monkeypatch):
    def interrupted(task):
        if task.method_name == "ga" and task.seed:
            raise KeyboardInterrupt
        return run(task)

    monkeypatch.setattr(study_module, "run", interrupted)
    ended = evoniche_compare("niches", "--methods", "m2n2,ga", "--runs", 3, "--evaluations", 100, "--jobs", 0,
                             "--quiet", "--out", tmp_path)
    assert ended.exit_code == 130
    assert "interrupted: 3 runs left" in ended.stderr
    text = (tmp_path / "report.md").read_text()
    assert "3 of 6 runs are missing" in text
    assert "| `niches` | `m2n2` | 2 |" in text
    assert "| `niches` | `ga` | 1 to 2 |" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("niches", "--methods", "gaa"), "Error: there is no method 'gaa'. Did you mean ga?"),
     (("niches", "--methods", "crowding-de"), "Error: crowding-de cannot run on niches"),
     (("niches", "--methods", "ga,tournament:size=0"), "(size=...) must be a whole number >= 1, got 0"),
     (("niches:unique_c=2", "--methods", "ga"), "Error: niches has no option 'unique_c'"),
     (("niches", "--methods", "ga,ga"), "comes twice"),
     (("niches", "--methods", ","), "at least one problem and one method"),
     (("niches",), "Missing option '--methods'"),
     (("--methods", "ga"), "Missing argument 'PROBLEM...'")],
)
def test_the_command_says_what_is_wrong(tmp_path, arguments, message):
    ended = evoniche_compare(*arguments, "--out", tmp_path / "new" / "out", "--jobs", 0)
    assert ended.exit_code in (1, 2)
    assert message in ended.output
    assert "evaluations (" not in ended.output  # nothing is announced that is refused
    assert not (tmp_path / "new").exists()
    assert "Traceback" not in ended.output


def test_the_list_says_what_is_there_and_what_is_missing(monkeypatch):
    there = {"problem": ["niches", "ours"], "method": ["m2n2", "theirs"]}
    monkeypatch.setattr(catalogue, "names", there.get)
    find = catalogue.find_method

    def missing(name):
        if name == "theirs":
            raise ImportError("method theirs needs their_library.")
        return find(name)

    monkeypatch.setattr(catalogue, "find_method", missing)
    ended = evoniche_compare("--list")
    assert ended.exit_code == 0
    assert re.search(r"niches +niches \(30 and 10 unique cases\) +cases, distance\n"
                     r" +unique_a=30, unique_b=10, shared=0, members=100$", ended.stdout, re.MULTILINE)
    assert re.search(r"m2n2 +M2N2 +cases\n +alpha=1.0, mate_alpha=1.0, crossover=own$", ended.stdout, re.MULTILINE)
    assert "theirs  method theirs needs their_library." in ended.stdout
    assert "ours    there is no problem 'ours'." in ended.stdout


def test_the_list_fits_a_screen():
    ended = evoniche_compare("--list")
    assert ended.exit_code == 0
    assert max(map(len, ended.stdout.splitlines())) <= 120
    assert "start=scratch" in ended.stdout
    assert "window=none" in ended.stdout


@pytest.fixture
def broken(tmp_path):
    """A file with a method that fails in the second run, in one way or another."""
    def write(body):
        (tmp_path / "broken.py").write_text(f"""
import os, sys, time
from evoniche_baselines.methods.niching import ga as plain

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(lambda: None, chr(0xd800))

def breaks(problem, seed):
    if seed == 4:
        {body}
    return plain.start(problem, seed)
""")
        return f"{tmp_path / 'broken.py'}:breaks"

    return write


@pytest.mark.parametrize(
    ("body", "kind", "why", "stack"),
    [("raise RuntimeError('my bug')", "raised", "RuntimeError: my bug", "in breaks"),
     ("raise Odd(1, 2)", "raised", "Odd: ", "in breaks"), ("sys.exit(3)", "raised", "SystemExit: 3", "in breaks"),
     ("os._exit(0)", "died", "ended with the status 0", ""), ("os._exit(9)", "died", "ended with the status 9", ""),
     ("os.kill(os.getpid(), 9)", "died", "killed by SIGKILL", ""),
     ("import faulthandler; faulthandler._sigsegv()", "died", "killed by SIGSEGV", "in breaks"),
     ("time.sleep(100)", "timeout", "longer than 10 seconds", "in breaks")],
)
def test_a_run_that_fails_is_named_and_left_out(tmp_path, broken, said, body, kind, why, stack):
    spec = broken(body)
    arguments = {"runs": 3, "evaluations": 50, "seed": 3, "jobs": 2, "folder": tmp_path / "runs", "progress": False}
    result = compare("niches", ["ga", spec], retries=1 - (kind == "timeout"), timeout=10, **arguments)
    (failed,) = result.failed
    assert (failed.method, failed.run, failed.failure.kind) == (spec, 1, kind)
    assert failed.failure.attempts == 2 - (kind == "timeout")
    assert why in str(failed)
    assert stack in failed.failure.traceback
    runs = result.final.groupby("method")["run"].unique().map(sorted)
    assert (runs["ga"], runs[spec]) == ([0, 1, 2], [0, 2])
    kept = json.loads(next((tmp_path / "runs").rglob("4-*.failed.json")).read_text())
    assert (kept["why"], kept["task"]["seed"]) == (failed.failure.why, 4)
    assert any("seed 4" in line and why in line for line in said)


def test_what_has_failed_is_tried_again(tmp_path, broken):
    """Once in the same comparison, and in each after it, until it succeeds."""
    spec = broken("os.path.exists('flag') or (open('flag', 'w').close(), os._exit(1))".replace(
        "'flag'", repr(str(tmp_path / "flag"))))
    arguments = {"runs": 2, "evaluations": 50, "seed": 3, "jobs": 1, "folder": tmp_path / "runs", "progress": False}
    assert len(compare("niches", [spec], retries=0, **arguments).failed) == 1
    assert list(tmp_path.rglob("*.failed.json"))
    assert compare("niches", [spec], retries=0, **arguments).failed == ()
    assert not list(tmp_path.rglob("*.failed.json"))
    (tmp_path / "flag").unlink()
    arguments["folder"] = tmp_path / "other"
    assert compare("niches", [spec], retries=1, **arguments).failed == ()


def test_all_that_fail_are_an_error(broken):
    spec = broken("raise RuntimeError('my bug')")
    for jobs in (0, 1):
        with pytest.raises(RuntimeError, match="my bug") as caught:
            compare("niches", [spec], runs=1, evaluations=50, seed=4, jobs=jobs, progress=False)
        assert caught.value.__notes__ == [f"in {spec} on niches, seed 4"]


def test_a_timeout_needs_processes():
    with pytest.raises(ValueError, match=r"timeout=\.\.\. needs worker processes: give jobs >= 1"):
        compare("niches", ["ga"], runs=1, evaluations=50, timeout=1, progress=False)
    with pytest.raises(ValueError, match="timeout must be > 0 seconds"):
        compare("niches", ["ga"], runs=1, evaluations=50, timeout=0, progress=False)


def test_the_command_names_what_failed(tmp_path, broken):
    spec = broken("raise RuntimeError('my ![x](bug.png)')")
    arguments = ("max-sat:variables=8", "--methods", f"ga,{spec}", "--runs", 2, "--evaluations", 50, "--seed", 3,
                 "--jobs", 0, "--quiet", "--out", tmp_path / "out")
    ended = evoniche_compare(*arguments)
    assert ended.exit_code == 1
    assert f"failed: {spec} on max-sat:variables=8, seed 4: RuntimeError: my ![x](bug.png)" in ended.stderr
    assert "1 run failed, and are not in the tables; the same command tries them again" in ended.stderr
    assert "Traceback" not in ended.output
    text = (tmp_path / "out" / "report.md").read_text()
    assert "**1 of 4 runs failed.**" in text
    assert "my \\!\\[x\\](bug.png)" in text
    assert len(list((tmp_path / "out").rglob("*.npz"))) == 3
    stopped = evoniche_compare(*arguments, "--no-keep-going")
    assert stopped.exit_code == 1
    assert f"Error: {spec} on max-sat:variables=8, seed 4: RuntimeError: my ![x](bug.png)\n" in stopped.stderr
    assert "Finished runs are kept; the same command goes on from there." in stopped.stderr


def test_an_interruption_before_any_run_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(task):
        raise KeyboardInterrupt

    monkeypatch.setattr(study_module, "run", interrupted)
    ended = evoniche_compare("niches", "--methods", "ga", "--jobs", 0, "--quiet", "--out", tmp_path / "out")
    assert (ended.exit_code, ended.output) == (130, "Error: interrupted before any run ended: nothing was written.\n")
    assert not (tmp_path / "out").exists()


def test_ctrl_c_while_processes_begin_says_so_once(tmp_path):
    """It reaches all of a terminal's processes, those that only begin too."""
    arguments = ["niches", "--methods", "m2n2", "--runs", "2", "--evaluations", "1000000000", "--jobs", "2"]
    with subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments, "--out", str(tmp_path / "out")], text=True,
                          stderr=subprocess.PIPE, start_new_session=True) as process:
        assert "2 runs of" in process.stderr.readline()
        time.sleep(0.4)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "interrupted before any run ended" in err
    assert not (tmp_path / "out").exists()


PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # also in the background of a shell
if __name__ == "__main__":
    from evoniche_baselines.compare.command import compare
    compare()
"""


def test_ctrl_c_keeps_what_is_finished(tmp_path):
    """A real one, to a process of its own."""
    arguments = ["niches", "--methods", "m2n2", "--runs", "200", "--evaluations", "400", "--jobs", "0", "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments, "--out", str(tmp_path)], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )
    limit = time.monotonic() + 60
    while len(list(tmp_path.rglob("runs/niches/m2n2/*.npz"))) < 3:
        assert time.monotonic() < limit
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    finished = len(list(tmp_path.rglob("runs/niches/m2n2/*.npz")))
    assert process.returncode == 130, err
    assert 3 <= finished < 200
    assert f"interrupted: {200 - finished} runs left" in err
    assert f"{200 - finished} of 200 runs are missing" in (tmp_path / "report.md").read_text()
    assert "report in" in out
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_run_that_ctrl_c_finds_just_saved_counts_as_finished(tmp_path, monkeypatch):
    save = Store.save

    def save_and_interrupt(store, task, done):
        save(store, task, done)
        if task.seed == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, "save", save_and_interrupt)
    result = compare("niches", ["m2n2"], runs=3, evaluations=200, folder=tmp_path, progress=False)
    assert result.missing == (("niches", "m2n2", 2),)
    assert list(result.scores) == [("niches", "m2n2", 0), ("niches", "m2n2", 1)]


def test_a_comparison_in_python_has_a_report_too(tmp_path):
    result = compare(bits, ["ga"], runs=1, evaluations=40, progress=False)
    assert isinstance(result, Comparison)
    pictures = tmp_path / "made" / "here" / "pictures"
    pictures.mkdir(parents=True)
    for name in ("old-curves.png", "notes.txt"):
        (pictures / name).write_text("")
    path = write_report(result, tmp_path / "made" / "here")
    assert path.is_file()
    assert not (pictures / "old-curves.png").exists()  # of a former comparison
    assert (pictures / "notes.txt").exists()
    assert "Against" not in path.read_text()  # one method has nothing to be tested against


def test_the_file_of_the_documentation_runs(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "comparing.md").read_text()
    code = re.search(r"one file, `mine.py`:\n\n```python\n(.*?)```", page, re.DOTALL)[1]
    (tmp_path / "mine.py").write_text(code)
    command_line = re.search(r"^evoniche compare (mine.py:.*)$", page, re.MULTILINE)[1]
    problem, option, *methods = command_line.replace("mine.py", str(tmp_path / "mine.py")).replace(",", " ").split()
    result = compare(problem, methods, runs=1, evaluations=60, progress=False)
    assert option == "--methods"
    assert set(result.final["evaluations"]) == {60}
    assert len(result.methods) == 3


def same(value):
    """A comparison in which all that can be the same is."""
    def constant():
        return attrs.evolve(bits(), scorer=lambda genomes: np.full((len(genomes), 12), value),
                            target=value, held_out=None, descriptor=None)

    return compare(constant, ["ga", "plus"], runs=2, evaluations=30, progress=False)


def ticks(axis):
    """Where a reader sees some."""
    low, high = sorted(axis.get_view_interval())
    return [float(tick) for tick in axis.get_majorticklocs() if low <= tick <= high]


@pytest.mark.parametrize("value", [0.0, 1.0, 7.0])
def test_what_is_all_the_same_has_possible_ticks(value):
    comparison = same(value)
    (problem,) = comparison.problems
    for figure, side in ((draw_curves(comparison, problem), "yaxis"), (draw_boxes(comparison, problem), "xaxis")):
        for axes in figure.axes:
            if axes.get_title() == "seconds":
                continue
            along = getattr(axes, side)
            assert min(ticks(along)) >= 0, axes.get_title()
            low, high = along.get_view_interval()
            assert high - low > 0.9, axes.get_title()
            if axes.get_title() in ("coverage of the cases", "distinct niches held"):
                assert max(ticks(along)) == 1
            if axes.get_title() == "distinct niches held":
                assert ticks(along) == [0, 1]


def test_evaluations_have_separators():
    final = to_target(table(ga=[12_000, 31_000], plus=[11_000, 55_000])).assign(method=["ga", "ga", "plus", "plus"])
    figure = draw_boxes(Comparison(final, final, {"p": "p"}, {"ga": "GA", "plus": "plus"}, {}), "p", ["to_target"])
    (axes,) = figure.axes
    assert [axes.xaxis.get_major_formatter()(tick) for tick in (20_000, 50_000)] == ["20,000", "50,000"]


def test_a_matrix_of_one_member_has_one_tick():
    comparison = Comparison(None, None, {"p": "p"}, {"a": "A"}, {("p", "a", 0): np.eye(1, 12)})
    axes = draw_scores(comparison, "p").axes[0]
    assert ticks(axes.yaxis) == [0]
    assert all(tick == round(tick) for tick in ticks(axes.xaxis))


def test_ranks_go_from_one_to_all():
    result = statistics.friedman(ranked(np.random.default_rng(0).random((20, 4))))
    (axes,) = draw_critical_difference(result, {name: name for name in result.ranks.index}).axes
    assert axes.get_xlim() == (1, 4)
    assert ticks(axes.xaxis) == [1, 2, 3, 4]
    assert f"(critical difference {result.critical_difference:.2f})" in axes.get_title()
    lengths = [np.ptp(line.get_xdata()) for line in axes.lines]
    assert any(length == pytest.approx(result.critical_difference) for length in lengths)


def test_functions_are_told_apart_by_their_code(tmp_path):
    """Two programs with functions of one name keep their runs in one folder."""
    for value in (0.25, 0.75):
        (tmp_path / "own.py").write_text(f"""
import numpy as np
from evoniche import _log, BinaryGenome, BitFlipMutation
from evoniche_baselines.compare import compare
from evoniche_baselines.problem import Problem

def ones():
    return Problem(name="ones", genome=BinaryGenome(4), scorer=lambda x: np.full((len(x), 2), {value}), cases=2,
                   mutation=BitFlipMutation())

print(compare(ones, ["ga"], runs=1, evaluations=5, folder={str(tmp_path / "runs")!r}, progress=False)
      .final.set_index("metric").value["best"])
""")
        ended = subprocess.run([sys.executable, tmp_path / "own.py"], capture_output=True, text=True, check=True)
        assert float(ended.stdout) == value


def test_a_run_that_fails_leaves_those_beside_it(tmp_path):
    (tmp_path / "mine.py").write_text("""
import time
from evoniche_baselines.methods.niching import ga as plain

def breaks(problem, seed):
    inner = plain.search(problem, seed)
    class Breaks:
        ask, members = inner.ask, inner.members
        def tell(self, scores):
            raise RuntimeError("my bug")
    return Breaks()

def slow(problem, seed):
    time.sleep(0.5 * (seed == 0))
    return plain.start(problem, seed)
""")
    file = str(tmp_path / "mine.py")
    with pytest.raises(RuntimeError, match="my bug"):
        compare("niches", [f"{file}:breaks", f"{file}:slow"], runs=1, evaluations=300, jobs=2, folder=tmp_path / "runs",
                progress=False, keep_going=False)
    assert len([*(tmp_path / "runs").rglob("*.npz")]) == 1


def test_what_asks_for_nothing_is_named():
    class Silent:
        def ask(self):
            return np.zeros((0, 12), dtype=bool)

        tell = members = None

    silent = method("silent", name="silent")(lambda problem, seed: Silent())
    with pytest.raises(ValueError, match="silent asked for nothing"):
        run(Task(bits, silent, 0, 10))


HOSTILE = "![x](../secret.txt) <script>alert(1)</script> $\\frac{$ `a` | **b** \udc80"


def test_words_are_shown_as_they_are(tmp_path):
    """A label must not bring a file into the report, end a table, or be read as mathematics by matplotlib."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "pictures").mkdir()

    def words():
        return attrs.evolve(bits(), name=HOSTILE, metrics={HOSTILE: lambda genomes, scores: 1.0})

    hostile = method(HOSTILE, name="hostile")(lambda problem, seed: catalogue.find_method("ga").start(problem, seed))
    result = compare(words, [hostile, "ga"], runs=1, evaluations=40, progress=False)
    page = write_report(result, tmp_path / "out", command="evoniche compare ```\n![x](secret.txt)").read_text()
    assert "c2VjcmV0" not in page  # "secret" in base64
    assert "<script>" not in page
    assert page.count("<img") == len(list((tmp_path / "out" / "pictures").glob("*.png")))
    assert page.count("![x](../secret.txt) &lt;script&gt;alert(1)&lt;/script&gt; $\\frac{$ `a` | **b** \\udc80") >= 2


def test_a_picture_that_the_report_did_not_draw_is_not_read(tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "pictures").mkdir()
    for name in ("pictures/../secret.png", "../secret.png", "secret.png", "http://x.org/a.png"):
        page = html_page(f"![]({name})", tmp_path)
        assert "c2VjcmV0" not in page
        assert "x.org" not in page


def test_names_that_no_file_can_hold_are_refused():
    with pytest.raises(ValueError, match="must be text that a file can hold"):
        compare("niches", ["ga\udc80"], runs=1, progress=False)
