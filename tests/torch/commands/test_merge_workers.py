"""Merges that are scored by several workers, each with a model of its own."""

import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from merge_commands import recipe, run, succeeded, the_same

from evoniche import Recipes, Store
from evoniche_torch.models import CheckpointSeeds

pytestmark = pytest.mark.usefixtures("no_picture")

WORKERS = ("--workers", 2, "--devices", "cpu,cpu")
TASKS = """
import os
import torch

def layers(model):
    with open("processes", "a") as file:
        file.write(f"{os.getpid()}\\n")
    if os.environ.get("WELL", str(os.getpid())) != str(os.getpid()):
        raise RuntimeError("out of luck")
    return [torch.exp(-30 * tensor.abs().mean()) for tensor in model.state_dict().values()]
"""


@pytest.fixture
def task(place):
    Path("own.py").write_text(TASKS)
    return "own.py:layers"


def test_each_worker_has_a_model_of_its_own_and_the_same_seed_gives_the_same_merge(task):
    succeeded(run(*WORKERS, "--store", "run.db", scorer=task, evaluations=14))
    processes = Path("processes").read_text().split()
    assert len(processes) == 14
    assert len(set(processes)) == 3  # this one scores the first model
    assert Store("run.db").runs()[0]["told"] == 14
    succeeded(run(*WORKERS, scorer=task, evaluations=14, out="again"))
    assert the_same(recipe("out"), recipe("again"))


def test_a_run_may_go_on_with_workers_or_without(task):
    store = ("--store", "run.db")
    succeeded(run(*store, scorer=task, evaluations=6, out="one"))
    succeeded(run(*store, "--workers", 1, scorer=task, evaluations=9, out="two"))
    succeeded(run(*store, scorer=task, evaluations=12, out="three"))
    succeeded(run(scorer=task, evaluations=12, out="whole"))
    assert the_same(recipe("three"), recipe("whole"))


def test_a_scorer_that_fails_in_a_worker(task, monkeypatch):
    monkeypatch.setenv("WELL", str(os.getpid()))
    ended = run("--workers", 1, scorer=task)
    assert ended.exit_code == 1
    assert isinstance(ended.exception, SystemExit), ended.exception
    assert "the scorer own.py:layers failed: RuntimeError: out of luck" in ended.stderr
    assert re.search(r"1 evaluations are in \S+out\.run\.db: the same command goes on", ended.stderr)


MISHAPS = """
import os
import time
from pathlib import Path
import own

def layers(model):
    scores = own.layers(model)
    if len(Path("processes").read_text().split()) == 6:
        {mishap}
    return scores
"""


@pytest.mark.parametrize(
    ("mishap", "options"),
    [("os._exit(1)", ()), ("time.sleep(600)", ("--timeout", 5)), ("return [0.5]", ())],
)
def test_a_merge_whose_scoring_fails_once_is_tried_again(mishap, options, task):
    succeeded(run("--workers", 1, scorer=task, out="whole"))
    Path("processes").unlink()
    Path("mishaps.py").write_text(MISHAPS.format(mishap=mishap))
    scorer = "mishaps.py:layers"
    succeeded(run("--workers", 1, "--retries", 5, *options, "--store", "run.db", scorer=scorer))
    assert the_same(recipe("out"), recipe("whole"))
    failed = Store("run.db").failures()["id"].tolist()
    assert 5 in failed  # the first model is scored before, by the command
    assert failed == [5] or options  # on a busy machine others may be late as well


def test_a_worker_that_dies_ends_the_merge_unless_it_goes_on(task):
    Path("mishaps.py").write_text(MISHAPS.format(mishap="os._exit(1)"))
    options = {"scorer": "mishaps.py:layers", "evaluations": 9}
    ended = run("--workers", 1, "--store", "run.db", **options)
    assert ended.exit_code == 1
    assert isinstance(ended.exception, SystemExit), ended.exception
    said = r"a merge was not scored, since its worker has died, EXIT\(1\)\..* 5 evaluations are in \S*run\.db: the same"
    assert re.search(said, ended.stderr), ended.stderr
    Path("processes").write_text("")
    ended = succeeded(run("--workers", 1, "--store", "another.db", "--keep-going", **options))
    assert Store("another.db").runs()[0]["told"] == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--devices", "cpu,nonsense"), "--devices nonsense cannot be used: "),
        (("--workers", 2, "--reject-early"), "--reject-early cannot have --workers or --devices"),
        (("--timeout", 5), "--timeout needs --workers or --devices"),
        (("--workers", 0), "0 is not in the range"),
    ],
)
def test_what_cannot_be(options, message, task):
    ended = run(*options, scorer=task)
    assert ended.exit_code == 2
    assert message in ended.stderr


def test_a_dry_run_counts_the_models_in_memory(task):
    assert " the model in each of 2 workers, at most" in succeeded(run(*WORKERS, "--dry-run", scorer=task)).stdout


def test_seeds_are_opened_again_in_another_process(place):
    with CheckpointSeeds(["a", "b"], base="base") as seeds:
        batch = pickle.loads(pickle.dumps(Recipes.of_seeds(seeds)))
        other = pickle.loads(pickle.dumps(seeds))
    assert other is batch.seeds
    assert (other.labels, other.base_label, other.index.merged) == (seeds.labels, "base", seeds.index.merged)
    with CheckpointSeeds(["a", "b"]) as plain:
        assert np.array_equal(other.materialise(batch[0], 0, 9), plain.materialise(batch[0], 0, 9))
