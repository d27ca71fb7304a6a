"""Runs tasks in separate processes, with one progress bar for all of them."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

__all__ = ["advance", "each"]

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_counter: Any = None  # what all processes have done, for one bar
_interrupted = False  # of a worker: Ctrl-C came when it had no task


def advance(steps: int) -> None:
    """Move the progress bar on by so many steps; a task calls this while it works."""
    if _counter is not None:
        with _counter.get_lock():
            _counter.value += steps


def each(
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    *,
    jobs: int,
    steps: int,
    progress: bool = True,
    unit: str = "eval",
) -> Generator[tuple[int, Any], None, None]:
    """Call `function(*task)` for each task, `jobs` at a time, each on one thread.

    After a Ctrl-C, which reaches the other processes too, no new task begins. A task that is under way ends as its
    function decides, and its result is still yielded.

    Args:
        function: The function. Other processes import it by name, so it and its arguments must be picklable.
        tasks: The arguments of each call.
        jobs: The number of processes; with 1, everything runs in this process.
        steps: The total of the steps that the tasks report with `advance`; the length of the bar.
        progress: Whether to show the bar on standard error.
        unit: The unit of a step, shown at the bar.

    Yields:
        The position of a task and its result, in the order in which tasks end.

    Raises:
        KeyboardInterrupt: Ctrl-C ended a task before it had a result.
        Exception: Whatever a task raises, after the tasks beside it have ended.

    >>> sorted(each(pow, [(2, 3), (5, 2)], jobs=1, steps=2, progress=False))
    [(0, 8), (1, 25)]
    """
    with tqdm(
        total=steps, unit=unit, unit_scale=True, disable=not progress, dynamic_ncols=True, desc=f"{len(tasks)} runs"
    ) as bar:
        yield from _here(function, tasks, bar) if jobs == 1 else _elsewhere(function, tasks, jobs, bar)


def _here(function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], bar: tqdm) -> Iterator[tuple[int, Any]]:
    _share(_Counter(bar))
    try:
        with threadpool_limits(1):
            for number, task in enumerate(tasks):
                yield number, function(*task)
    finally:
        _share(None)


def _elsewhere(
    function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], jobs: int, bar: tqdm
) -> Iterator[tuple[int, Any]]:
    left, under_way, context = deque(enumerate(tasks)), dict[Future[Any], int](), get_context("spawn")
    interrupted = cut = False  # by Ctrl-C: this process, a task
    failed: Exception | None = None
    counter = context.Value("q", 0)
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(counter,)) as pool:
        while left or under_way:
            try:
                with _ctrl_c_put_off():  # processes begin here, and inherit that
                    while left and len(under_way) < jobs:  # after a Ctrl-C nothing must wait in the pool
                        number, task = left.popleft()
                        under_way[pool.submit(_call, function, task)] = number
                ended, _ = wait(under_way, timeout=0.5, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt:
                left.clear()
                interrupted = True
                continue
            bar.update(counter.value - bar.n)
            for future in ended:
                number = under_way.pop(future)
                try:
                    result = future.result()
                except KeyboardInterrupt:
                    left.clear()
                    cut = True
                except BrokenProcessPool:
                    if not interrupted:
                        raise
                    cut = True  # without signal masks, a process that Ctrl-C finds beginning dies of it
                except Exception as error:  # those beside it may end first
                    left.clear()
                    failed = failed or error
                else:
                    yield number, result
    if failed is not None:
        raise failed
    if cut:
        raise KeyboardInterrupt


@contextmanager
def _ctrl_c_put_off() -> Iterator[None]:
    """Hold back Ctrl-C until the end of the block, where the system can do that."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Counter:
    """Counts the steps of this process alone, and shows them at once."""

    def __init__(self, bar: tqdm) -> None:
        self._bar = bar
        self._steps = 0

    def get_lock(self) -> tqdm:
        return self._bar.get_lock()

    @property
    def value(self) -> int:
        return self._steps

    @value.setter
    def value(self, steps: int) -> None:
        self._bar.update(steps - self._steps)
        self._steps = steps


def _share(counter: Any) -> None:
    global _counter
    _counter = counter


def _begin(counter: Any) -> None:
    """Prepare a worker process before its first task."""
    _share(counter)
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # for libraries that are loaded with the task
    threadpool_limits(1)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not in the background of a shell
        signal.signal(signal.SIGINT, _remember)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _remember(*_: object) -> None:
    global _interrupted
    _interrupted = True


def _call(function: Callable[..., Any], task: tuple[Any, ...]) -> Any:
    """Call the function in a worker. Ctrl-C interrupts this task, or the next if none runs, and never the worker."""
    if signal.getsignal(signal.SIGINT) is not _remember:
        return function(*task)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if _interrupted:
            raise KeyboardInterrupt
        return function(*task)
    finally:
        signal.signal(signal.SIGINT, _remember)
