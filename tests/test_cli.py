"""The command line: what it writes, and what it says when it cannot."""

import contextlib
import csv
import io
import json
import shutil
import signal
import subprocess
import sys

import attrs
import numpy as np
import pytest
from loguru import logger

from evoniche import enable_logging
from evoniche.commands import main
from evoniche_baselines.methods import PAPER_METHODS

COLUMNS = ["seed", "evaluations", "best", "best_member", "mean", "coverage", "entropy", "test"]
OPTIONS = ["--start", "--train", "--method", "--evaluations", "--population", "--alpha", "--angle", "--seed"]
OPTIONS += ["--runs", "--jobs", "--out", "--quiet"]
RECORDS = [1, 21, 41, 60]  # of 60 evaluations with 20 members


@attrs.frozen
class Ended:
    code: int
    out: str
    err: str


def evoniche(*arguments):
    """What the command does, within this process."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["evoniche", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
        logger.remove()
        enable_logging(False)
    return Ended(ended.value.code, out.getvalue(), err.getvalue())


def digits(out, *arguments, evaluations=60):
    return evoniche("run", "digits", "--evaluations", evaluations, "--out", out, *arguments)


def table(folder):
    with (folder / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scratch") / "made" / "on the way"
    return folder, digits(folder, "--runs", 2, "--seed", 5)


@pytest.fixture(scope="module")
def experts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experts")
    return folder, digits(folder, "--start", "experts", "--runs", 2, "--quiet")


@pytest.mark.parametrize(("start", "seeds"), [("scratch", [5, 6]), ("experts", [0, 1])])
def test_what_a_run_writes(start, seeds, request):
    folder, ended = request.getfixturevalue(start)
    assert ended.code == 0
    assert {path.name for path in folder.iterdir()} == {"history.csv", "result.json", "population.npz", "figure.png"}

    rows = table(folder)
    assert sorted(rows[0]) == sorted(COLUMNS)
    assert [(int(row["seed"]), int(row["evaluations"])) for row in rows] == [(s, n) for s in seeds for n in RECORDS]
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in COLUMNS[2:])

    result = json.loads((folder / "result.json").read_text())
    assert (result["label"], result["group"]) == ("M2N2", f"from {start}")
    assert result["settings"]["evaluations"] == 60
    assert result["command"].startswith("evoniche run digits --evaluations 60 --out ")
    assert [run["seed"] for run in result["runs"]] == seeds
    for run, last in zip(result["runs"], [row for row in rows if row["evaluations"] == "60"], strict=True):
        assert run["stopped"] == "evaluations"
        assert run["test"] == pytest.approx(float(last["test"]), rel=1e-5)
        assert len(run["train_by_class"]) == len(run["test_by_class"]) == 10

    with np.load(folder / "population.npz", allow_pickle=False) as arrays:
        for run in result["runs"]:
            scores, genomes = arrays[f"scores_{run['seed']}"], arrays[f"genomes_{run['seed']}"]
            assert (genomes.shape, genomes.dtype) == ((20, 19_210), np.float32)
            assert (scores.shape, scores.dtype) == ((20, 1437), np.bool_)
            assert run["best_member"] == pytest.approx(scores.mean(axis=1).max())
            assert run["coverage"] == pytest.approx(scores.any(axis=0).mean())
            assert len(set(arrays[f"ids_{run['seed']}"].tolist())) == 20
            assert arrays[f"parents_{run['seed']}"].shape == (20, 2)

    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    for run in result["runs"]:
        assert f"{run['best']:.3f}" in ended.out
    assert str(folder) in ended.out


def test_progress_is_shown_unless_quiet(scratch, experts):
    assert "60/60" in scratch[1].err
    assert "best=" in scratch[1].err
    assert "coverage=" in scratch[1].err
    assert experts[1].err == ""


def test_runs_at_a_time_give_the_same_runs(scratch, tmp_path):
    folder, _ = scratch
    assert digits(tmp_path, "--runs", 2, "--seed", 5, "--jobs", 2, "--quiet").code == 0
    assert table(tmp_path) == table(folder)
    with np.load(folder / "population.npz") as one, np.load(tmp_path / "population.npz") as two:
        assert sorted(one) == sorted(two)
        assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("method", PAPER_METHODS)
def test_every_method(method, tmp_path):
    ended = digits(tmp_path, "--method", method, "--quiet", evaluations=25)
    assert ended.code == 0
    assert json.loads((tmp_path / "result.json").read_text())["label"] == PAPER_METHODS[method].label


def test_options_reach_the_run(tmp_path):
    options = ("--population", 5, "--alpha", 0.5, "--angle", "part", "--start", "experts", "--train", "--quiet")
    assert digits(tmp_path, *options, evaluations=12).code == 0
    used = json.loads((tmp_path / "result.json").read_text())["settings"]
    assert {name: used[name] for name in ("population", "alpha", "angle", "start", "train")} == {
        "population": 5,
        "alpha": 0.5,
        "angle": "part",
        "start": "experts",
        "train": True,
    }
    with np.load(tmp_path / "population.npz") as arrays:
        assert len(arrays["genomes_0"]) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "ga", "--alpha", "0.5"), "ga has alpha=0.0 by definition, got 0.5"),
        (("--method", "m2n2-no-split-point", "--angle", "part"), "--angle is of the crossover with a split"),
        (("--start", "experts", "--method", "ga-no-crossover"), "changes nothing here"),
        (("--train",), "--train makes experts: it needs --start experts"),
        (("--method", "best"), "'best' is not one of 'm2n2'"),
        (("--alpha", "-1"), "--alpha"),
        (("--alpha", "nan"), "alpha"),
        (("--population", "1"), "--population"),
        (("--runs", "0"), "--runs"),
        (("--jobs", "0"), "--jobs"),
        (("--seed", "-1"), "--seed"),
    ],
)
def test_options_that_cannot_be(options, message, tmp_path):
    ended = digits(tmp_path, *options, "--quiet")
    assert ended.code in (1, 2)
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_found_before_the_run(tmp_path):
    (tmp_path / "file").write_text("in the way")
    ended = digits(tmp_path / "file" / "below", evaluations=10**9)
    assert ended.code == 1
    assert f"--out {tmp_path / 'file' / 'below'} cannot be written: Not a directory" in ended.err
    assert "eval" not in ended.err


@pytest.fixture
def ctrl_c_is_heard():
    """A new process hears Ctrl-C, also where the tests run in the background of a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_keeps_what_is_there(tmp_path, ctrl_c_is_heard):
    command = [sys.executable, "-c", "from evoniche.commands import main; main()", "run", "digits", "--runs", "3"]
    command += ["--evaluations", "1000000000", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        shown = b""
        while b"best=" not in shown:  # the first run is under way
            shown += (byte := process.stderr.read(1))
            assert byte, shown.decode()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in err
    assert b"interrupted" in out
    (run,) = json.loads((tmp_path / "result.json").read_text())["runs"]
    assert run["stopped"] == "interrupted"
    assert int(table(tmp_path)[-1]["evaluations"]) == run["evaluations"] > 0


def test_several_folders_in_one_picture(scratch, experts, tmp_path):
    picture = tmp_path / "both.svg"
    ended = evoniche("plot", scratch[0], experts[0], "--out", picture, "--metric", "test", "--metric", "coverage")
    assert (ended.code, ended.err) == (0, "")
    assert str(picture) in ended.out
    assert "<svg" in picture.read_text()


def test_a_metric_that_nobody_recorded(scratch, tmp_path):
    ended = evoniche("plot", scratch[0], "--out", tmp_path / "figure.png", "--metric", "beauty")
    assert ended.code == 1
    assert "no column 'beauty', there are evaluations, " in ended.err


@pytest.mark.parametrize("file", ["history.csv", "result.json"])
@pytest.mark.parametrize("content", [None, "", "[]", "{}", "seed,evaluations\n", "seed,best\n0,x\n", "{\x00\xff"])
def test_a_folder_that_holds_no_runs(file, content, scratch, tmp_path):
    shutil.copytree(scratch[0], tmp_path / "runs")
    (tmp_path / "runs" / file).unlink()
    if content is not None:
        (tmp_path / "runs" / file).write_text(content, encoding="latin-1")
    ended = evoniche("plot", tmp_path / "runs", "--out", tmp_path / "figure.png")
    assert ended.code == 1
    assert f"{tmp_path / 'runs'} holds no runs" in ended.err
    assert content is not None or f"{file} is missing" in ended.err
    assert not (tmp_path / "figure.png").exists()


@pytest.mark.parametrize("name", ["file/figure.png", "figure.unheard"])
def test_a_picture_that_cannot_be_written(name, scratch, tmp_path):
    (tmp_path / "file").touch()
    ended = evoniche("plot", scratch[0], "--out", tmp_path / name)
    assert ended.code == 1
    assert ended.err.startswith("Error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_run_counts_once(scratch, tmp_path):
    ended = evoniche("plot", scratch[0], scratch[0], "--out", tmp_path / "figure.png")
    assert ended.code == 1
    assert "comes twice with the seeds" in ended.err


def test_a_folder_that_is_not_there(tmp_path):
    ended = evoniche("plot", tmp_path / "nowhere")
    assert ended.code == 2
    assert "nowhere' does not exist" in ended.err


def test_an_unknown_problem():
    ended = evoniche("run", "sudoku")
    assert ended.code == 2
    assert "No such command 'sudoku'" in ended.err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), ["run", "plot", "--version", "--verbose"]),
        (("run",), ["digits"]),
        (
            ("run", "digits"),
            [*OPTIONS, "50000 from scratch, 10000 from experts", *PAPER_METHODS],
        ),
        (("plot",), ["FOLDERS", "--out", "--metric"]),
    ],
    ids=" ".join,
)
def test_help_mentions_everything(command, words):
    ended = evoniche(*command, "--help")
    assert ended.code == 0
    text = " ".join(ended.out.split()).replace("- ", "-")  # click breaks long lines, also at hyphens
    assert [word for word in words if word not in text] == []
