"""A study in a file, and runs of another machine."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from evoniche_baselines.catalogue import find_problem
from evoniche_baselines.compare import compare
from evoniche_baselines.compare.command import compare as command
from evoniche_baselines.compare.latex import latex_table
from evoniche_baselines.compare.runs import Task, metrics_of, run

STUDY = """
problems = ["niches", {name = "niches", unique_a = 20}]
methods = ["implicit-sharing", {name = "tournament", size = 3}]
runs = 2
evaluations = 200
primary = "niches"
jobs = 0
keep-going = false
out = "results"
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("study.toml").write_text(STUDY)
    return tmp_path


def invoke(*arguments):
    return CliRunner().invoke(command, ["study.toml", "--quiet", *arguments])


def results(out="results"):
    return pd.read_csv(Path(out, "final.csv")).query("metric != 'seconds'")


def test_a_file_stands_for_problems_methods_and_options(study):
    answer = invoke()
    assert answer.exit_code == 0, answer.output
    final = results()
    assert set(final["problem"]) == {"niches", "niches:unique_a=20"}
    assert set(final["method"]) == {"implicit-sharing", "tournament:size=3"}
    assert set(final["run"]) == {0, 1}
    assert set(final["evaluations"]) == {200}
    tests = pd.read_csv("results/tests.csv")
    assert set(tests[tests["role"] == "primary"]["metric"]) == {"niches"}


def test_options_of_the_command_line_go_before_those_of_the_file(study):
    assert invoke("--runs", "1", "--out", "other").exit_code == 0
    assert set(results("other")["run"]) == {0}
    assert not Path("results").exists()


def test_the_folder_is_named_after_the_file_unless_it_says_another(study):
    Path("study.toml").write_text(STUDY.replace('out = "results"', ""))
    assert invoke("--runs", "1").exit_code == 0
    assert Path("runs/study/report.html").is_file()


def test_what_is_added_later_alone_is_run(study):
    invoke()
    kept = {path: path.stat().st_mtime_ns for path in Path("results/runs").rglob("*.npz")}
    assert len(kept) == 8
    Path("study.toml").write_text(STUDY.replace("runs = 2", "runs = 3").replace('methods = ["', 'methods = ["ga", "'))
    assert invoke().exit_code == 0
    there = {path: path.stat().st_mtime_ns for path in Path("results/runs").rglob("*.npz")}
    assert len(there) == 18
    assert kept.items() <= there.items()


def test_runs_of_another_machine_are_taken_over_and_none_is_run_twice(study):
    invoke("--out", "here")
    invoke("--out", "there", "--seed", "2")
    before = sorted(path.name for place in ("here", "there") for path in Path(place, "runs").rglob("*.npz"))
    answer = invoke("--out", "here", "--runs", "4", "--runs-from", "there")
    assert answer.exit_code == 0, answer.output
    assert sorted(path.name for path in Path("here/runs").rglob("*.npz")) == before
    seconds = pd.read_csv("here/final.csv").query("metric == 'seconds'")
    measured = pd.read_csv("there/final.csv").query("metric == 'seconds'")
    assert set(measured["value"]) <= set(seconds["value"])
    invoke("--out", "alone", "--runs", "4")
    pd.testing.assert_frame_equal(results("here"), results("alone"))


def test_a_damaged_run_of_another_machine_is_made_here(study):
    invoke("--out", "there")
    for path in Path("there/runs").rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:-50])
    assert invoke("--out", "here", "--runs-from", "there").exit_code == 0
    assert len(results("here")["value"]) == len(results("there")["value"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runs = 2", "study.toml needs problems = ["),
        ('problems = ["niches"]', "study.toml needs methods = ["),
        (STUDY + "evaluation = 3", "there is no 'evaluation'"),
        (STUDY + "evaluation = 3", "Did you mean evaluations?"),
        (STUDY.replace("runs = 2", "runs = [2]"), "runs must be a number or text"),
        (STUDY.replace("runs = 2", "runs = true"), "runs must be a number or text"),
        (STUDY.replace("runs = 2", "runs = 0"), "0 is not in the range x>=1"),
        (STUDY.replace("false", "1"), "keep-going must be true or false, got 1"),
        (STUDY.replace("size = 3", "size = [3]"), "tournament: size must be a number"),
        (STUDY.replace('name = "tournament", ', ""), "each of methods must be a text, or a table with a name"),
        (STUDY + "quiet = true", "there is no 'quiet'"),
        ("problems = [", "study.toml is no TOML file"),
        ("x = " + "[" * 5000, "study.toml is no TOML file"),
    ],
)
def test_a_file_with_a_mistake_is_named(study, text, message):
    Path("study.toml").write_text(text)
    answer = invoke()
    assert answer.exit_code == 2
    assert message in " ".join(answer.output.split())
    assert not Path("results").exists()


def test_a_study_names_its_problems_alone(study):
    answer = invoke("max-sat")
    assert answer.exit_code == 2
    assert "give it alone" in answer.output


def test_an_unknown_primary_metric_is_refused_before_the_first_run(study, monkeypatch):
    monkeypatch.setattr("evoniche_baselines.compare.study.run", lambda task: pytest.fail("a run began"))
    answer = invoke("--primary", "nich")
    assert answer.exit_code == 1
    assert "primary must be a metric of the problems, one of best, " in answer.output
    assert "got 'nich'" in answer.output
    with pytest.raises(ValueError, match="runs_from must be folders"):
        compare("niches", ["ga"], runs=1, evaluations=100, runs_from=["nowhere"], progress=False)


@pytest.mark.parametrize("spec", ["niches", "max-sat:variables=20", "cec2013:function=1", "diagnostics:traits=3"])
def test_the_metrics_that_are_promised_are_those_of_a_run(spec):
    found = run(Task(spec, "ga" if spec != "cec2013:function=1" else "tournament", 0, 120)).final
    assert sorted(metrics_of(find_problem(spec))) == sorted(set(found) - {"evaluations"})




def test_pictures_are_there_in_three_formats_without_dates_and_a_table_for_a_paper(study):
    for out in ("one", "two"):
        assert invoke("--out", out).exit_code == 0
    names = {path.name for path in Path("one/pictures").iterdir()}
    assert {name for name in names if "curves" in name} == {f"niches{more}-curves.{ending}" for more in
                                                            ("", "_unique_a=20") for ending in ("png", "pdf", "svg")}
    for name in (name for name in names if "scores" in name and not name.endswith(".svg")):
        assert Path("one/pictures", name).read_bytes() == Path("two/pictures", name).read_bytes()
    assert "\\toprule" in Path("one/table.tex").read_text()


@pytest.mark.parametrize(
    ("metric", "values", "bold"),
    [
        ("best", {"a": range(10), "b": range(1, 11), "c": range(-30, -20)}, {"a", "b"}),
        ("best", {"a": range(10), "b": range(1, 11), "c": range(2, 12)}, set()),
        ("to_target", {"a": range(10), "b": range(1, 11), "c": range(30, 40)}, {"a", "b"}),
        ("best", {"a": [1.0], "b": [2.0], "c": [3.0]}, set()),
    ],
)
def test_bold_in_latex_are_the_best_and_what_does_not_differ(metric, values, bold):
    rows = [("p", name, metric, float(value)) for name, column in values.items() for value in column]
    final = pd.DataFrame(rows, columns=["problem", "method", "metric", "value"])
    lines = latex_table(final, metric, {"p": "P", "q": r"50\% {x}_~"}, {name: name for name in values}).splitlines()
    rows = {line[0]: line for line in lines if line[1:4] == " & "}
    assert {name for name, line in rows.items() if "textbf" in line} == bold
    assert all(line.endswith(r"& -- \\") for line in rows.values())
    assert r"50\textbackslash{}\% \{x\}\_\textasciitilde{}" in "".join(lines)
