"""Worker processes: what each sort of death, hang and error costs, and who ends with whom."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from evoniche_baselines import parallel
from evoniche_baselines.parallel import Failure, TaskError, each


def square(x):
    return x * x


def odd(what):
    """Do one thing or another."""
    if what == "large":
        return np.zeros(3_000_000)
    if what == "unsendable":
        return lambda: None
    if what == "unreadable":
        return Unreadable()
    if what == "spawns":  # a process of its own holds what the worker has open
        if not os.fork():
            time.sleep(600)
        os._exit(3)
    return what


class Unreadable:
    """Can be sent and not read."""

    def __reduce__(self):
        return square, ("a",)


def steps(n, then):
    for _ in range(n):
        parallel.advance(1)
        time.sleep(0.002)
    if then:
        raise ValueError("no")


def outcomes(function, tasks, **options):
    return dict(each(function, tasks, steps=1, progress=False, **{"jobs": 2, **options}))


def test_all_tasks_get_their_results():
    assert outcomes(square, [(x,) for x in range(7)]) == {x: x * x for x in range(7)}
    assert outcomes(square, []) == {}


def test_results_that_cannot_be_sent_or_read_are_failures():
    what = ["large", "unsendable", "spawns", "unreadable", "b"]
    found = outcomes(odd, [(name,) for name in what])
    assert found[0].shape == (3_000_000,)
    assert found[4] == "b"
    assert [found[i].kind for i in (1, 2, 3)] == ["raised", "died", "raised"]
    assert "pickle" in found[1].why
    assert "the result cannot be read: TypeError" in found[3].why


def test_what_cannot_be_sent_is_an_error():
    with pytest.raises((AttributeError, TypeError, parallel.pickle.PicklingError)):
        outcomes(lambda: None, [()])


def test_a_failure_is_raised_with_its_traceback():
    with pytest.raises(TaskError, match=r"(?s)^TypeError: .*in square") as caught:
        outcomes(square, [("a",)])[0].throw("in a test")
    assert caught.value.__notes__ == ["in a test"]
    with pytest.raises(TypeError):
        outcomes(square, [("a",)], jobs=0)[0].throw()
    with pytest.raises(TaskError, match="SystemExit: 3"):
        outcomes(sys.exit, [(3,)], jobs=0)[0].throw()


@pytest.mark.parametrize("jobs", [0, 1])
def test_nothing_begins_after_a_failure_unless_it_keeps_going(jobs):
    tasks = [(1,), ("a",), (2,)]
    assert list(outcomes(square, tasks, jobs=jobs, keep_going=False)) == [0, 1]
    assert list(outcomes(square, tasks, jobs=jobs)) == [0, 1, 2]


@pytest.mark.parametrize("jobs", [0, 2])
def test_the_bar_begins_where_the_tasks_are_and_forgets_failed_attempts(jobs, monkeypatch):
    bars = []

    class Bar(parallel.tqdm):
        def __init__(self, **options):
            super().__init__(**options)
            bars.append((self, options["initial"]))

    monkeypatch.setattr(parallel, "tqdm", Bar)
    found = dict(each(steps, [(40, False), (30, True), (20, False)], jobs=jobs, steps=190, done=100, retries=2,
                      progress=True))
    assert isinstance(found[1], Failure)
    assert found[1].attempts == 3
    ((bar, begun),) = bars
    assert (begun, bar.n, bar.total) == (100, 160, 190)


MAIN = """
import sys, time
sys.path.insert(0, {folder!r})
from evoniche_baselines.parallel import each
from sleeper import sleep
if __name__ == "__main__":
    list(each(sleep, [(i,) for i in range(4)], jobs=2, steps=1, progress=False))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_the_main_process(tmp_path, how):
    """However it ends, and although they are at work."""
    (tmp_path / "sleeper.py").write_text(f"""
import os, time
def sleep(i):
    open({str(tmp_path)!r} + f"/pid-{{os.getpid()}}", "w").close()
    time.sleep(600)
""")
    heeds = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    (tmp_path / "main.py").write_text(heeds + MAIN.format(folder=str(tmp_path)))
    main = subprocess.Popen([sys.executable, tmp_path / "main.py"], stderr=subprocess.DEVNULL)
    late = time.monotonic() + 120
    while len(pids := [int(path.name[4:]) for path in tmp_path.glob("pid-*")]) < 2:
        assert time.monotonic() < late
        time.sleep(0.05)
    main.send_signal(how)
    main.wait(60)
    while alive := [pid for pid in pids if lives(pid)]:
        assert time.monotonic() < late, alive
        time.sleep(0.05)


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_that_cannot_begin_are_an_error(tmp_path):
    (tmp_path / "main.py").write_text("from evoniche_baselines.parallel import each\n"
                                      "list(each(pow, [(1, 2)], jobs=2, steps=1, progress=False))\n")
    ended = subprocess.run([sys.executable, tmp_path / "main.py"], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "worker processes cannot begin (its process ended with the status 1)" in ended.stderr
    assert "below `if __name__ == '__main__':`" in ended.stderr
