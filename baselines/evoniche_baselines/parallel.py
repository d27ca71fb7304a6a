"""Runs tasks in worker processes, with one progress bar for all of them. A worker that dies costs one attempt.

Executors do not fit: those of `concurrent.futures` and loky give up all tasks when one worker dies, without saying
which one was at fault, and have no time limit; pebble's workers share a pipe and its locks, so one that is killed idle,
ends with the status 0 or dies in the middle of an answer stops the others or is waited for in vain. Here each worker
has a pipe of its own and shares nothing.
"""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, resource_tracker
from pathlib import Path
from typing import Any, Literal, NoReturn, final

import attrs
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from evoniche._text import printable
from evoniche_baselines.worker import advance, in_words, serve, share

__all__ = ["Failure", "TaskError", "advance", "each"]

_LOOK = 0.5  # seconds between two looks at the clock
_STARTS = 3  # so many workers in a row may end before they are ready,
_KILLS = 30  # or be killed


class TaskError(RuntimeError):
    """A task that failed in a worker; its text says why, with the traceback that it had there."""


@final
@attrs.frozen
class Failure:
    """What became of a task that has no result."""

    kind: Literal["raised", "died", "timeout"]
    why: str
    """One line."""
    traceback: str
    """The Python stack of the last attempt; empty where it is not known."""
    attempts: int
    error: BaseException | None = attrs.field(default=None, repr=False, eq=False)
    """What was raised, if that was in this process."""

    def throw(self, note: str = "") -> NoReturn:
        """Raise what the task raised, or a `TaskError`.

        Args:
            note: Which task it was.
        """
        error = self.error
        if not isinstance(error, Exception):
            error = TaskError(f"{self.why}\n{self.traceback}".strip())
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        raise error


def each(
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    *,
    jobs: int,
    steps: int,
    done: int = 0,
    retries: int = 0,
    timeout: float | None = None,
    keep_going: bool = True,
    progress: bool = True,
    title: str = "",
    unit: str = "eval",
) -> Generator[tuple[int, Any | Failure], None, None]:
    """Call `function(*task)` for each task, `jobs` at a time, each on one thread.

    A task that raises, whose process dies, or that takes too long has failed; the others go on. Worker processes end
    with this one, however it ends, and so does what they started.

    Args:
        function: The function. Other processes import it by name, so it and its arguments must be picklable.
        tasks: The arguments of each call.
        jobs: The number of worker processes; with 0, everything runs in this process, which a task can then end.
        steps: The total of the steps that the tasks report with `advance`; the length of the bar.
        done: So many steps were done before, by tasks that are not here.
        retries: How often a task that failed is tried again.
        timeout: The seconds that an attempt may take; needs worker processes. None means no limit.
        keep_going: Whether more tasks begin when one has failed.
        progress: Whether to show the bar on standard error.
        title: What the bar begins with.
        unit: The unit of a step, shown at the bar.

    Yields:
        The position of a task and its result or `Failure`, in the order in which tasks end.

    Raises:
        ValueError: A timeout without worker processes.
        RuntimeError: No worker process can begin.
        TypeError, AttributeError, pickle.PicklingError: A task cannot be sent to another process.

    >>> sorted(each(pow, [(2, 3), (5, 2)], jobs=0, steps=2, progress=False))
    [(0, 8), (1, 25)]
    """
    if timeout is not None and not jobs:
        raise ValueError("timeout=... needs worker processes: give jobs >= 1.")
    with tqdm(
        total=steps, initial=done, unit=unit, unit_scale=True, disable=not progress, dynamic_ncols=True,
        desc=title,
    ) as bar:
        if jobs:
            yield from _elsewhere(function, tasks, jobs, bar, retries, timeout, keep_going)
        else:
            yield from _here(function, tasks, bar, retries, keep_going)


def _here(
    function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], bar: tqdm, retries: int, keep_going: bool
) -> Iterator[tuple[int, Any]]:
    share(bar.update)
    try:
        with threadpool_limits(1):
            for number, task in enumerate(tasks):
                for attempt in range(1, retries + 2):
                    before = bar.n
                    try:
                        outcome = function(*task)
                        break
                    except (Exception, SystemExit) as error:
                        text = printable("".join(traceback.format_exception(error)))
                        outcome = Failure("raised", in_words(error), text, attempt, error)
                        bar.update(before - bar.n)
                yield number, outcome
                if isinstance(outcome, Failure) and not keep_going:
                    return
    finally:
        share(None)


@attrs.define(eq=False)
class _Worker:
    """A worker process, seen from here."""

    process: Any
    pipe: connection.Connection
    faults: Path
    ready: bool = False
    number: int = -1
    """The task that it has."""
    late: float = float("inf")
    """When the attempt has taken too long."""
    steps: int = 0

    def messages(self) -> Iterator[tuple[str, Any]]:
        """Yield what has come; ("died", why) is the last of a process that has."""
        alive = self.process.is_alive()  # asked first: what it has said is there when it has died
        if not alive:
            self.kill()  # what it has started may hold the pipe open
        try:
            while self.pipe.poll():
                yield pickle.loads(self.pipe.recv_bytes())
            if alive:
                return
        except (EOFError, OSError):
            pass
        except Exception as error:  # classes of other versions, say
            yield "raised", (f"the result cannot be read: {in_words(error)}", "")
            return
        self.kill()  # it may have closed the pipe and live on
        yield "died", _death(self.process.exitcode)

    def kill(self) -> None:
        """End the process and what it has started."""
        with suppress(OSError):
            if self.ready and os.name == "posix":
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        self.process.join()

    def stack(self, ask: bool = False) -> str:
        """Return the Python stack that the process left when it crashed, or has now."""
        if ask and hasattr(signal, "SIGUSR1"):
            with suppress(OSError):
                os.kill(self.process.pid, signal.SIGUSR1)
                time.sleep(0.2)
        try:
            return printable(self.faults.read_text(errors="replace"))
        except OSError:
            return ""


def _death(status: int | None) -> str:
    """Say how a process ended.

    >>> _death(9), _death(-9)
    ('its process ended with the status 9', 'its process was killed by SIGKILL (for want of memory, perhaps)')
    """
    if status is None or status >= 0:
        return f"its process ended with the status {status}"
    name = signal.Signals(-status).name if -status in signal.Signals._value2member_map_ else f"signal {-status}"
    hints = {"SIGKILL": " (for want of memory, perhaps)", "SIGSEGV": " (a fault in compiled code)"}
    return f"its process was killed by {name}{hints.get(name, '')}"


class _Crew:
    """Keeps up to `jobs` workers at work."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self._folder, self._jobs, self._started, self._lost = folder, jobs, 0, 0.0
        self.workers: list[_Worker] = []

    @property
    def idle(self) -> list[_Worker]:
        return [worker for worker in self.workers if worker.ready and worker.number < 0]

    @property
    def busy(self) -> list[_Worker]:
        return [worker for worker in self.workers if worker.number >= 0]

    def fill(self, wanted: int) -> None:
        """Start workers, as many as there are tasks for."""
        context = get_context("spawn")
        while len(self.workers) < min(self._jobs, wanted + len(self.busy)):
            ours, theirs = context.Pipe()
            faults = self._folder / str(self._started)
            process = context.Process(target=serve, args=(theirs, faults), name=f"evoniche-worker-{self._started}")
            with _ctrl_c_put_off():  # the process inherits that, until it says itself what it does with a Ctrl-C
                self.workers.append(_Worker(process, ours, faults))
                process.start()
            theirs.close()
            self._started += 1

    def look(self) -> Iterator[tuple[_Worker, str, Any]]:
        """Wait a moment, and yield what the workers have said."""
        wait = min([_LOOK, *(worker.late - time.monotonic() for worker in self.workers)])
        connection.wait([handle for w in self.workers for handle in (w.pipe, w.process.sentinel)], max(0.0, wait))
        for worker in list(self.workers):
            for kind, content in worker.messages():
                if kind == "died":
                    self.workers.remove(worker)
                    self._count(worker, content)
                yield worker, kind, content
            if worker in self.workers and worker.late < time.monotonic():
                stack = worker.stack(ask=True)
                worker.kill()
                self.workers.remove(worker)
                yield worker, "timeout", stack

    def _count(self, worker: _Worker, why: str) -> None:
        """Give up when workers die again and again before their first task."""
        killed = (worker.process.exitcode or 0) < 0
        self._lost = 0.0 if worker.ready else self._lost + (1 / _KILLS if killed else 1 / _STARTS)
        if self._lost > 0.999:
            raise RuntimeError(
                f"worker processes cannot begin ({why}). A script that starts some must have its own calls below "
                "`if __name__ == '__main__':`; jobs=0 runs everything in one process."
            )

    def end(self) -> None:
        """End all workers."""
        for worker in self.workers:
            if worker.process.pid is not None:
                worker.kill()
            worker.pipe.close()


def _elsewhere(
    function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], jobs: int, bar: tqdm, retries: int,
    timeout: float | None, keep_going: bool,
) -> Iterator[tuple[int, Any]]:
    left, attempts = deque(range(len(tasks))), [0] * len(tasks)
    with tempfile.TemporaryDirectory() as folder:
        crew = _Crew(Path(folder), jobs)
        try:
            while left or crew.busy:
                crew.fill(len(left))
                for worker in crew.idle[: len(left)]:
                    worker.number = left.popleft()
                    attempts[worker.number] += 1
                    worker.late = time.monotonic() + timeout if timeout else float("inf")
                    with suppress(OSError):  # it has died, which it says itself
                        worker.pipe.send_bytes(pickle.dumps((function, tasks[worker.number])))
                for worker, kind, content in crew.look():
                    if kind == "ready":
                        worker.ready = True
                    elif kind == "steps":
                        worker.steps += content
                        bar.update(content)
                    elif worker.number >= 0:
                        number, outcome = worker.number, content
                        if kind != "done":
                            outcome = _failure(kind, content, worker, attempts[number], timeout)
                            bar.update(-worker.steps)
                        worker.number, worker.steps, worker.late = -1, 0, float("inf")
                        if kind != "done" and attempts[number] <= retries:
                            left.append(number)
                        else:
                            if kind != "done" and not keep_going:
                                left.clear()
                            yield number, outcome
        finally:
            crew.end()


def _failure(kind: str, content: Any, worker: _Worker, attempts: int, timeout: float | None) -> Failure:
    if kind == "raised":
        why, stack = content
        return Failure("raised", why, stack, attempts)
    if kind == "died":
        return Failure("died", content, worker.stack(), attempts)
    return Failure("timeout", f"it took longer than {timeout:g} seconds", content, attempts)


@contextmanager
def _ctrl_c_put_off() -> Iterator[None]:
    """Hold back Ctrl-C until the end of the block, where the system can do that."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # the first process would start it, which lets Ctrl-C through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
