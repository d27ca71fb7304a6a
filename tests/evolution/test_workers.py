"""Children that are scored by workers, and attempts that fail."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from click.testing import CliRunner

import evoniche
from evoniche import BinaryGenome, Evolution, Failures, ScorerError, Store, UniformCrossover, WorkerPool, WorkerScorer
from evoniche.commands.runs import runs


def make(score, **parts):
    how = {"crossover": UniformCrossover(), "mutation": evoniche.BitFlipMutation(), "seed": 0, **parts}
    return Evolution(BinaryGenome(16), score, **how)


def ones(bits):
    return bits.astype(float)


def seen(evolution):
    population, best = evolution.population, evolution.best
    return (
        population.ids.tolist(), population.scores.tolist(), population.genomes.tolist(), population.load.tolist(),
        (best.id, best.score), evolution.evaluations, evolution.ask(2).genomes.tolist(),
    )  # fmt: skip


class Shuffled(Executor):
    """Threads that take a while, so that tasks come back in another order than they were sent."""

    def __init__(self, seed, count):
        self._rng, self.count, self._threads = np.random.default_rng(seed), count, ThreadPoolExecutor(count)

    def submit(self, fn, /, *args, **kwargs):
        pause = self._rng.exponential(0.003)
        return self._threads.submit(lambda: time.sleep(pause) or fn(*args, **kwargs))


# Workers


def test_one_worker_at_a_time_makes_the_run_without_workers():
    here, there = make(ones, batch_size=3), make(ones, batch_size=3)
    here.run(100, progress=False)
    there.run(100, workers=1, progress=False)
    assert seen(here) == seen(there)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_ordered_runs_are_the_same_whatever_the_workers_do(batch_size):
    outcomes = []
    for seed, at_once in enumerate((2, 3, 5)):
        evolution = make(ones, batch_size=batch_size)
        evolution.run(150, executor=Shuffled(seed, at_once), ordered=6, progress=False)
        outcomes.append(seen(evolution))
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_runs_as_completed_are_replayed_from_the_store(tmp_path):
    store = Store(tmp_path / "run.db")
    first, second = make(ones), make(ones)
    first.run(total=120, executor=Shuffled(1, 4), store=store, progress=False)
    second.run(total=120, store=store, progress=False)
    assert seen(first) == seen(second)


def test_scores_that_come_before_their_turn_are_not_asked_for_again(tmp_path):
    paid, others = [], threading.Semaphore(0)

    def stuck(bits):
        if bits.tobytes() == first:  # until three later ones are scored
            for _ in range(3):
                others.acquire()
            raise ZeroDivisionError
        paid.append(bits.tobytes())
        others.release()
        return bits.astype(float)

    def score(bits):
        paid.append(bits.tobytes())
        return bits.astype(float)

    store = Store(tmp_path / "run.db", accept=["scorer"])
    evolution = make(stuck)
    first = evolution._initial[:1].tobytes()
    with ThreadPoolExecutor(4) as threads, pytest.raises(ZeroDivisionError):
        evolution.run(total=60, executor=threads, ordered=True, store=store, progress=False)
    assert evolution.evaluations == 0
    again, plain = make(score), make(ones)
    again.run(total=60, executor=Shuffled(0, 4), ordered=True, store=store, progress=False)
    assert len(paid) == 60
    plain.run(60, executor=Shuffled(3, 4), ordered=True, progress=False)
    assert seen(again) == seen(plain)


def test_threads_share_the_scorer_and_nothing_is_pickled():
    calls = []

    def score(bits, lock=sys.stdout):  # a stream cannot be pickled
        calls.append(len(bits))
        return bits.astype(float)

    with ThreadPoolExecutor(3) as threads:
        evolution = make(score)
        evolution.run(60, executor=threads, progress=False)
    assert sum(calls) == evolution.evaluations == 60


def test_a_scorer_that_changes_genomes_does_so_from_a_worker_as_well():
    def score(bits):
        bits[:, 0] = True
        return bits.astype(float)

    here, there = make(score), make(score)
    here.run(40, progress=False)
    there.run(40, workers=1, progress=False)
    assert seen(here) == seen(there)
    assert here.population.genomes[:, 0].all()


def test_a_worker_makes_its_scorer_once_and_knows_its_device():
    def factory(device):
        made = f"{os.getpid()} {device} {time.time_ns()}"
        return lambda bits: np.array([[int(part) for part in made.replace("cuda:", "").split()]] * len(bits), float)

    with WorkerPool(2, devices=["cuda:0", "cuda:1"]) as pool:
        evolution = make(WorkerScorer(factory), population_size=40)
        evolution.run(40, executor=pool, progress=False)
        evolution.run(10, executor=pool, progress=False)  # and keeps it from run to run
    made = np.unique(evolution.population.scores, axis=0)
    assert len({process for process, _, _ in made.tolist()}) == len(made) in (1, 2)  # one for each process at work
    assert len({device for _, device, _ in made.tolist()}) == len(made)


def test_workers_have_one_blas_thread_each(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")  # what the user says is left

    def threads():
        return [os.environ.get(name) for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")]

    with WorkerPool(1) as pool:
        assert pool.submit(threads).result() == ["1", "3"]


def test_a_worker_that_dies_idle_costs_nobody_an_attempt(tmp_path):
    store = Store(tmp_path / "run.db")
    with WorkerPool(1) as pool:
        for total in (10, 20):  # the second run begins by preparing a worker that is no more
            for _ in range(2):
                os.kill(pool.submit(os.getpid).result(), signal.SIGKILL)
                time.sleep(0.5)
            evolution = make(ones)
            evolution.run(total=total, executor=pool, failures=Failures(1), store=store, progress=False)
            assert evolution.evaluations == total
        assert pool.submit(os.getpid).result() > 0
    assert not len(store.failures()["id"])


def test_a_pool_of_the_standard_library_that_breaks_is_named_and_nothing_is_lost():
    def score(bits):
        return bits.astype(float)

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(BrokenExecutor):
            pool.submit(os._exit, 1).result()
        evolution = make(score)
        with pytest.raises(RuntimeError, match="ProcessPoolExecutor is broken"):
            evolution.run(40, executor=pool, progress=False)
    evolution.run(total=40, progress=False)
    assert evolution._books.ledger.given == 40


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"workers": 0}, "workers must be a whole number >= 1"),
        ({"ordered": True}, "need workers"),
        ({"breed": "worker"}, "need workers"),
        ({"breed": "elsewhere", "workers": 1}, "breed must be 'here' or 'worker'"),
        ({"failures": Failures(timeout=1)}, "needs run"),
        ({"executor": Executor()}, "workers=..."),
        ({"workers": 2, "ordered": -1}, "ordered must be a whole number"),
    ],
)
def test_arguments_that_cannot_be_are_refused(how, message):
    with pytest.raises(ValueError, match=message):
        make(ones).run(10, progress=False, **how)


def test_early_rejection_needs_the_members_of_the_moment():
    scorer = evoniche.ByCaseScorer(lambda bits, cases: bits[:, cases].astype(float), cases=16)
    with pytest.raises(ValueError, match="cannot have workers"):
        make(scorer).run(10, reject_early=True, workers=2, progress=False)


# Children bred by workers


def test_children_bred_by_workers_follow_from_the_seed():
    outcomes = []
    for seed, at_once in enumerate((1, 3, 5)):
        evolution = make(ones, batch_size=2)
        evolution.run(100, executor=Shuffled(seed, at_once), ordered=4, breed="worker", progress=False)
        outcomes.append(seen(evolution))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert len(np.unique(evolution.population.genomes, axis=0)) > 10


@pytest.mark.parametrize("genomes", [True, False])
def test_children_bred_by_workers_are_stored(tmp_path, genomes):
    store = Store(tmp_path / "run.db", genomes=genomes)
    whole, cut = make(ones), make(ones)
    whole.run(80, executor=Shuffled(0, 3), ordered=True, breed="worker", progress=False)
    cut.run(target=0.85, executor=Shuffled(1, 3), ordered=True, breed="worker", store=store, progress=False)
    assert 20 < cut.evaluations < 80
    again = make(ones)
    again.run(total=80, executor=Shuffled(2, 3), ordered=True, breed="worker", store=store, progress=False)
    assert seen(again) == seen(whole)


def test_children_that_were_not_bred_are_bred_by_the_next_run_here():
    evolution = make(ones)
    evolution.run(target=0.85, executor=Shuffled(1, 3), breed="worker", progress=False)
    parents = evolution.pending.genomes.copy()
    told = evolution.pending.ids
    evolution.run(total=evolution.evaluations + len(told), progress=False)
    assert not np.array_equal(parents, evolution.population.genomes[: len(parents)])
    assert not evolution._history.underway


# Failures


def picky(bits):
    if (bits[:, :3].all(axis=1)).any():
        raise ValueError("three ones")
    scores = bits.astype(float)
    scores[~bits[:, :3].any(axis=1)] = np.nan
    return scores


def test_a_failure_without_a_policy_ends_the_run_and_the_children_stay_open():
    evolution = make(picky)
    with pytest.raises(ValueError, match="three ones") as caught:
        evolution.run(100, workers=2, progress=False)
    assert "give_up" in "".join(caught.value.__notes__)
    assert "in picky" in "".join(caught.value.__notes__)
    assert evolution.pending is not None


@pytest.mark.parametrize("how", [{}, {"workers": 1}])
def test_failures_cost_one_child_of_a_batch(tmp_path, how):
    store = Store(tmp_path / "run.db")
    evolution = make(picky, batch_size=8)
    evolution.run(80, failures=Failures(2), store=store, progress=False, **how)
    assert evolution.evaluations == 80
    failed, lineage = store.failures(), store.lineage()
    lost = set(failed["id"].tolist())
    assert len(failed["id"]) == 2 * len(lost) > 0
    pairs = zip(failed["id"].tolist(), failed["attempt"].tolist(), strict=True)
    assert sorted(pairs) == [(child, attempt) for child in sorted(lost) for attempt in (1, 2)]
    assert {text.split(":")[0] for text in failed["summary"].tolist()} == {"ValueError"}
    assert any("in picky" in text for text in failed["traceback"].tolist())
    assert set(np.flatnonzero((lineage["told"] < 0) & (lineage["left"] >= 0)).tolist()) == lost
    assert (lineage["told"] >= 0).sum() == 80
    assert (lineage["attempts"] == 1).all()
    assert lineage["seconds"][lineage["told"] >= 0].min() >= 0
    shown = CliRunner().invoke(runs, ["show", str(store.path)])
    assert f"child {min(lost)}, attempt 1 failed: ValueError" in shown.output


def test_batches_with_failures_are_the_same_in_workers_and_here():
    here, there = make(picky, batch_size=8), make(picky, batch_size=8)
    here.run(80, failures=Failures(2), progress=False)
    there.run(80, failures=Failures(2), workers=2, ordered=1, progress=False)
    assert seen(here) == seen(there)


def test_children_given_up_count_if_asked_to():
    evolution = make(picky)
    evolution.run(50, failures=Failures(1, count=True), progress=False)
    assert evolution.evaluations == 50 > evolution.population.told


def test_attempts_are_remembered_by_the_store(tmp_path):
    store, tries = Store(tmp_path / "run.db"), []

    def stubborn(bits):
        if bits[0, 0]:
            tries.append(1)
            if len(tries) == 2:
                raise KeyboardInterrupt
            raise OSError("no licence")
        return bits.astype(float)

    result = make(stubborn).run(total=30, failures=Failures(3), store=store, progress=False)
    assert result.stopped == "interrupted"
    make(stubborn).run(total=30, failures=Failures(3), store=store, progress=False)
    attempts = store.failures()["attempt"].tolist()
    assert attempts == [1, 2, 3] * (len(attempts) // 3)


def test_what_is_no_failure_ends_the_run():
    with pytest.raises(ValueError, match="three ones"):
        make(picky).run(100, failures=Failures(on=(OSError, TimeoutError)), progress=False)


def test_the_run_stops_after_the_last_attempt_if_asked_to_and_goes_on_later():
    evolution = make(picky)
    with pytest.raises(ValueError, match=r"three|finite") as caught:
        evolution.run(100, failures=Failures(2, then="stop"), progress=False)
    assert "attempt 2 of 2 at child" in "".join(caught.value.__notes__)
    evolution.run(total=50, failures=Failures(1), progress=False)
    assert evolution.evaluations == 50


def test_a_scorer_that_is_broken_stops_the_run():
    evolution = make(lambda bits: 1 / 0)
    with pytest.raises(ZeroDivisionError) as caught:
        evolution.run(100, failures=Failures(1, in_a_row=5), progress=False)
    assert "5 children in a row" in "".join(caught.value.__notes__)
    assert evolution._books.ledger.given == 5


def test_other_numbers_of_cases_are_failures():
    def score(bits):
        return bits[:, : 15 if bits[0, 0] else 16].astype(float)

    evolution = make(score)
    evolution.run(40, failures=Failures(1), executor=Shuffled(0, 4), progress=False)
    assert evolution.evaluations == 40
    assert evolution.population.scores.shape[1] in (15, 16)


def test_an_exception_that_does_not_pickle_does_not_hide():
    class HiddenError(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")
            self.lock = sys.stdout

    def score(bits):
        raise HiddenError("this", "that")

    with pytest.raises(ScorerError, match="HiddenError: this and that"):
        make(score).run(10, workers=1, progress=False)


def test_crashes_and_hangs_cost_one_attempt_of_one_child(tmp_path):
    def score(bits):
        kind = bits[0, :3].tolist()
        if kind == [1, 1, 1]:
            os._exit(3)
        if kind == [0, 0, 0]:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == [1, 0, 1]:
            time.sleep(1000)
        if kind == [0, 1, 0]:
            sys.exit("enough")
        return bits.astype(float)

    store = Store(tmp_path / "run.db")
    first = np.array([[1, 1, 1], [1, 1, 0], [0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 1, 1], [0, 1, 0], [0, 0, 1]], bool)
    evolution = make(score, initial=first[:, np.arange(16) % 3])
    evolution.run(total=4, failures=Failures(2, timeout=1), workers=2, store=store, progress=False)
    failed = store.failures()
    said = {i: failed["summary"][failed["id"] == i][0].split(":")[0] for i in failed["id"].tolist()}
    assert said == {0: "BrokenExecutor", 2: "BrokenExecutor", 4: "TimeoutError", 6: "SystemExit"}
    assert sorted(failed["id"].tolist()) == [0, 0, 2, 2, 4, 4, 6, 6]
    assert sorted(evolution.population.ids.tolist()) == [1, 3, 5, 7]


# What lives on


SCRIPT = """
import os, sys, time
import evoniche

def score(bits):
    with open(sys.argv[1], "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(1000)

evolution = evoniche.ga(score, genome=evoniche.BinaryGenome(4), crossover=evoniche.UniformCrossover(), seed=0)
result = evolution.run(10, workers=2, progress=False)
print(result.stopped)
"""


def alive(pid):
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_its_parent(tmp_path, number):
    script, log = tmp_path / "script.py", tmp_path / "log"
    script.write_text(textwrap.dedent(SCRIPT))
    process = subprocess.Popen([sys.executable, script, log], stdout=subprocess.PIPE, start_new_session=True, text=True)
    while not log.exists() or len(log.read_text().split()) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    workers = [int(pid) for pid in log.read_text().split()]
    os.kill(process.pid, number) if number == signal.SIGKILL else os.killpg(process.pid, number)
    output, _ = process.communicate()
    assert output.strip() == ("interrupted" if number == signal.SIGINT else "")
    for _ in range(600):
        if not any(map(alive, workers)):
            return
        time.sleep(0.05)
    raise AssertionError(f"workers {workers} live on")


# Stores of before


def test_a_store_of_the_first_schema_is_read_and_goes_on(tmp_path):
    path = tmp_path / "run.db"
    make(ones).run(total=30, store=path, progress=False)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    assert Store(path).failures()["id"].tolist() == []
    assert make(ones).run(total=60, store=path, progress=False).evaluations == 60
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 2
    connection.close()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"failures": 3}, r"failures must be Failures\(\.\.\.\) or None, got 3"),
        ({"executor": "ray"}, "executor must have the interface of concurrent.futures.Executor, got 'ray'"),
    ],
)
def test_what_is_no_policy_and_no_executor_is_said(how, message):
    with pytest.raises(ValueError, match=message):
        make(ones).run(10, progress=False, **how)


def test_devices_that_are_no_list_are_said():
    with pytest.raises(ValueError, match=r"WorkerPool\(devices=\.\.\.\) must be a list of names, got None"):
        WorkerPool(1, devices=None)
