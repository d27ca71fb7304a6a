"""Tasks in processes of their own, with one bar for what all of them do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import Any

from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

__all__ = ["advance", "each"]

_counter: Any = None  # what all processes have done, for one bar


def advance(steps: int) -> None:
    """Called by a task: it has done so many steps more."""
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
) -> Iterator[tuple[int, Any]]:
    """Call `function(*task)` for each task, some at a time, each on one thread.

    After a Ctrl-C, which reaches the processes too, no more tasks are begun; those that are under way end as their
    function has it.

    Args:
        function: Found by name in another process, as everything it is given.
        tasks: Its arguments.
        jobs: Processes; 1 stays in this one.
        steps: How often all tasks together `advance`, for the bar.
        progress: Show the bar on standard error.
        unit: Of the steps.

    Yields:
        The number of a task and what came of it, as they end.
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
    waiting, context, interrupted = iter(enumerate(tasks)), get_context("spawn"), False
    counter = context.Value("q", 0)
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(counter,)) as pool:
        under_way: dict[Future[Any], int] = {}

        def submit(count: int) -> None:
            under_way.update({pool.submit(function, *task): number for number, task in islice(waiting, count)})

        # No more than can run at once: after a Ctrl-C nothing must be left to begin.
        submit(jobs)
        while under_way:
            try:
                ended, _ = wait(under_way, timeout=0.5, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt:
                waiting, interrupted = iter(()), True
                continue
            bar.update(counter.value - bar.n)
            for future in ended:
                number = under_way.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    if interrupted:  # a process that had nothing to do has died of it
                        raise KeyboardInterrupt from None
                    raise
                yield number, result
            submit(len(ended))


class _Counter:
    """Steps of this process alone, which go to the bar at once."""

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
    _share(counter)
    threadpool_limits(1)
