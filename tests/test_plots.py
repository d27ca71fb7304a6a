"""Curves of histories."""

import numpy as np
import pytest

import evoniche
from evoniche.plots import draw_histories


def result(seed, evaluations=60):
    evolution = evoniche.m2n2(lambda genomes: genomes > 0, genome=evoniche.RealGenome(5), population_size=5, seed=seed)
    return evolution.run(evaluations, progress=False)


def test_a_line_is_the_mean_of_the_runs_and_a_band_its_standard_error():
    one = {"evaluations": [10, 20, 30], "best": [0.0, 0.2, 0.4]}
    two = {"evaluations": [10, 30], "best": [0.2, 0.6]}  # read off at 20: 0.4
    three = {"evaluations": [10, 20], "best": [0.4, 0.6]}  # not there at 30
    (axis,) = draw_histories({"M2N2": [one, two, three], "GA": one}, ["best"]).axes
    mean, single = axis.lines
    np.testing.assert_allclose(mean.get_xydata(), [(10, 0.2), (20, 0.4), (30, 0.5)])
    np.testing.assert_allclose(single.get_ydata(), one["best"])
    (band,) = axis.collections
    at_10 = [y for x, y in band.get_paths()[0].vertices if x == 10]
    error = np.std([0.0, 0.2, 0.4], ddof=1) / np.sqrt(3)
    np.testing.assert_allclose([min(at_10), max(at_10)], [0.2 - error, 0.2 + error])
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["M2N2 (3 runs)", "GA (1 run)"]


def test_histories_of_results_are_drawn(tmp_path):
    runs = {"M2N2": [result(seed).history for seed in (0, 1)], "another": result(2, 30).history}
    figure = draw_histories(runs)
    assert [axis.get_title() for axis in figure.axes] == ["best", "coverage", "entropy"]
    figure.savefig(tmp_path / "runs.png")


@pytest.mark.parametrize(
    ("runs", "metrics", "message"),
    [({}, ["best"], "at least one history"), ({"M2N2": []}, ["best"], "at least one history"),
     ({"M2N2": {"evaluations": [1], "best": [1]}}, [], "needs a metric"),
     ({"M2N2": {"evaluations": [1], "best": [1]}}, ["beauty"], "M2N2: no column 'beauty', there are evaluations, best"),
     ({"M2N2": {"best": [1]}}, ["best"], "M2N2: no column 'evaluations'")],
)  # fmt: skip
def test_what_cannot_be_drawn(runs, metrics, message):
    with pytest.raises(ValueError, match=message):
        draw_histories(runs, metrics)
