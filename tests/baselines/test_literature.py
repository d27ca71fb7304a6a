"""The tables of the literature: what they say of runs that are known."""

import json

import attrs
import pandas as pd
import pytest

from evoniche_baselines.catalogue import find_method, find_problem
from evoniche_baselines.compare.study import COLUMNS, Comparison
from evoniche_baselines.literature import EXPERIMENTS, Experiment

EXPERIMENT = Experiment(
    title="Better or worse", problems=("p",), expected={"a": "1", "b": ""}, metric="best", evaluations=100, runs=4,
    tested=True,
)


def known():
    final = [("p", m, r, r, 100, "best", v + r) for m, v in (("a", 1.0), ("b", 11.0)) for r in range(4)]
    over_time = [("p", m, r, r, e, "best", e / 100) for m in "ab" for r in range(4) for e in (20, 40, 60, 80, 100)]
    tables = (pd.DataFrame(rows, columns=list(COLUMNS)) for rows in (over_time, final))
    return Comparison(*tables, problems={}, methods={}, scores={})


def test_the_table_has_what_is_expected_and_what_was_measured():
    lines = list(EXPERIMENT.table(known()))
    assert "| p | a | 1 | **2.500** | 0.645 | 1.000 | 4.000 |" in lines
    assert "| p | b |  | **12.500** | 0.645 | 11.000 | 14.000 |" in lines
    assert "| p | b | 1.00 | 0.029 |" in lines


def test_an_equilibrium_is_the_mean_of_the_second_half():
    lines = list(attrs.evolve(EXPERIMENT, settled=True, tested=False).table(known()))
    assert "| p | a | 1 | **0.800** | 0.000 | 0.800 | 0.800 |" in lines


def test_what_was_not_reached_is_left_out_and_counted():
    comparison = known()
    final = comparison.final.assign(metric="to_target").astype({"value": float})
    final.loc[final["run"] == 3, "value"] = float("nan")
    experiment = attrs.evolve(EXPERIMENT, metric="to_target", tested=False)
    lines = list(experiment.table(attrs.evolve(comparison, final=final)))
    assert "| p | a | 1 | 3 of 4 | **2** | 1 | 3 |" in lines


def test_more_metrics_are_in_a_second_table():
    result = known()
    more = result.final.assign(metric="best_member", value=0.5)
    result = attrs.evolve(result, final=pd.concat([result.final, more]))
    lines = list(attrs.evolve(EXPERIMENT, others=("best", "best_member")).table(result))
    assert "| problem | method | best so far | best member |" in lines
    assert "| p | a | 2.500 | 0.500 |" in lines


def test_what_each_run_ended_with_is_written(tmp_path):
    result = attrs.evolve(known(), problems={"p": "P"}, methods={"a": "A", "b": "B"})
    attrs.evolve(EXPERIMENT, curves=("best",)).write(result, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.png", "p_a.json", "p_b.json"]
    content = json.loads((tmp_path / "p_b.json").read_text())
    assert (content["problem"], content["method"], content["evaluations"]) == ("p", "b", 100)
    assert content["runs"][3] == {"seed": 3, "best": 14.0}


@pytest.mark.parametrize("experiment", [e for group in EXPERIMENTS.values() for e in group], ids=lambda e: e.title)
def test_every_experiment_can_run(experiment):
    for problem in experiment.problems:
        for method in experiment.expected:
            find_method(method).check(find_problem(problem))
