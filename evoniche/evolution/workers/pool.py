"""Processes of this machine that score, and are replaced when they die or hang."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from functools import partial
from typing import Any, final

import attrs

from evoniche._validators import whole_number
from evoniche.scorers.worker import assign

__all__ = ["WorkerPool"]

_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)  # fmt: skip
_LOOK = 0.5  # seconds between two looks at whether the parent lives


@final
class WorkerPool(Executor):
    """An executor of worker processes on this machine, for `run(executor=...)`; `run(workers=8)` makes one of its own.

    Each worker is a pool of one process of loky. So a worker that dies (out of memory, a crash) takes down one task,
    which is known, and a new one takes its place; a worker that hangs can be ended. Processes are started afresh, not
    forked, and have one BLAS thread each, unless an environment variable such as OMP_NUM_THREADS says otherwise. They
    end when the process that made them ends, however it ends.

    Args:
        count: How many.
        devices: Names such as ["cuda:0", "cuda:1"], which workers are given in turn; a `WorkerScorer` sees its own.

    Raises:
        ValueError: No worker at all, or devices that are no list of names.

    >>> with WorkerPool(1) as pool:
    ...     pool.submit(divmod, 7, 2).result()
    (3, 1)
    """

    def __init__(self, count: int, *, devices: Sequence[str] = ()) -> None:
        self.count = whole_number("WorkerPool(count=...)", count, 1)
        if not isinstance(devices, list | tuple) or not all(isinstance(device, str) for device in devices):
            raise ValueError(f"WorkerPool(devices=...) must be a list of names, got {devices!r}.")
        places = [devices[i % len(devices)] if devices else None for i in range(self.count)]
        self._free = deque(map(_Slot, places))
        self._busy: dict[Future[Any], _Slot] = {}
        self._waiting: deque[_Task] = deque()
        self._started: dict[Future[Any], float] = {}
        self._setup: Callable[[], object] = _nothing
        self._lock = threading.RLock()
        self._closed = False

    def prepare(self, setup: Callable[[], object]) -> None:
        """Have each worker, also those to come, call this before its next task. What it raises is ignored."""
        self._setup = setup

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a function called by the first worker that is free.

        Raises:
            RuntimeError: The pool was shut down.
        """
        task = _Task(partial(fn, *args, **kwargs))
        with self._lock:
            if self._closed:
                raise RuntimeError("this WorkerPool was shut down: make a new one.")
            self._waiting.append(task)
        self._next()
        return task.future

    def since(self, future: Future[Any]) -> float | None:
        """The moment, by time.monotonic, in which a worker has begun with a task; None before."""
        return self._started.get(future)

    def kill(self, future: Future[Any]) -> None:
        """End the worker of a task that runs; a new one takes its place. A task that waits is cancelled."""
        with self._lock:  # so that the slot has no other task meanwhile
            slot = self._busy.get(future)
            if slot is None:
                future.cancel()
            else:
                slot.end(wait=False)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers: at once with `cancel_futures`, else after what was submitted.

        Args:
            wait: Return when all has ended.
            cancel_futures: Cancel tasks that wait, and end those that run.
        """
        with self._lock:
            self._closed = True
            tasks = [*self._busy, *(task.future for task in self._waiting)]
            if cancel_futures:
                self._waiting.clear()
                for future in tasks:
                    self.kill(future)
        if wait:
            for future in tasks:
                if not future.cancelled():
                    future.exception()
        self._end_free(wait)

    def _next(self) -> None:
        """Start tasks that wait while workers are free."""
        while True:
            with self._lock:
                if not (self._waiting and self._free):
                    return
                task = self._waiting.popleft()
                if not task.future.set_running_or_notify_cancel():
                    continue
                slot = self._busy[task.future] = self._free.popleft()
            self._start(slot, task)

    def _start(self, slot: _Slot, task: _Task) -> None:
        """Have the slot made ready for its task."""
        try:
            slot.ready(self._setup).add_done_callback(partial(self._begin, slot, task))
        except BaseException as error:
            self._end(task, BrokenExecutor(f"no worker can be started: {error}"))

    def _begin(self, slot: _Slot, task: _Task, ready: Future[Any]) -> None:
        """The slot is ready for its task."""
        try:
            if _is_gone(ready.exception()):
                slot.end(wait=False)
            if self._closed and not slot.alive:
                raise BrokenExecutor("the pool was shut down.")
            self._started[task.future] = time.monotonic()
            slot.submit(task.call).add_done_callback(partial(self._ended, slot, task))
        except BaseException as error:
            if _is_gone(error) and slot.alive and not self._closed:  # it has died idle, which is no fault of the task
                slot.end(wait=False)
                self._start(slot, task)
            else:
                self._end(task, error)

    def _ended(self, slot: _Slot, task: _Task, inner: Future[Any]) -> None:
        error = BrokenExecutor("its worker was ended.") if inner.cancelled() else inner.exception()
        if _is_gone(error):
            slot.end(wait=False)
            error = BrokenExecutor(f"its worker has died{_how(error)}.")
        self._end(task, error, None if error else inner.result())
        self._next()

    def _end(self, task: _Task, error: BaseException | None, result: Any = None) -> None:
        with self._lock:
            self._started.pop(task.future, None)
            self._free.append(self._busy.pop(task.future))
            closed = self._closed and not self._waiting
        if error is None:
            task.future.set_result(result)
        else:
            task.future.set_exception(error)
        if closed:
            self._end_free(wait=False)

    def _end_free(self, wait: bool) -> None:
        with self._lock:
            slots, self._free = self._free, deque()
            busy = self._busy
        if not busy or not wait:
            for slot in slots:
                slot.end(wait)


@final
@attrs.frozen(eq=False)
class _Task:
    """A call that somebody waits for."""

    call: Callable[[], Any]
    future: Future[Any] = attrs.field(factory=Future)


@final
class _Slot:
    """The place of one worker, which is made when it is needed."""

    def __init__(self, device: str | None) -> None:
        self._device = device
        self._process: Any = None
        self._setup: Callable[[], object] | None = None
        self._lock = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether there is a worker."""
        return self._process is not None

    def ready(self, setup: Callable[[], object]) -> Future[Any]:
        """Prepare the worker, if it is not; the future is done when it is, or when that has failed."""
        done: Future[Any] = Future()
        if self._process is not None and self._setup is setup:
            done.set_result(None)
            return done
        self._setup = setup
        try:
            return self.submit(setup)
        except Exception as error:
            if not _is_gone(error):
                raise
            self.end(wait=False)  # it has died idle
            return self.submit(setup)

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Have the worker call a function."""
        from loky.process_executor import ProcessPoolExecutor  # slow to load, and only needed here

        with self._lock:
            if self._process is None:
                env = {name: os.environ.get(name, "1") for name in _THREADS}
                begin = {"initializer": _begin, "initargs": (os.getpid(), self._device)}
                self._process = ProcessPoolExecutor(1, timeout=None, env=env, **begin)
            inner: Future[Any] = self._process.submit(call)
            return inner

    def end(self, wait: bool = True) -> None:
        """End the worker at once, and whatever it has started."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.shutdown(wait=wait, kill_workers=True)


def _is_gone(error: BaseException | None) -> bool:
    """Whether this error says that the worker is no more."""
    if error is None:
        return False
    from loky.process_executor import ShutdownExecutorError

    return isinstance(error, BrokenExecutor | ShutdownExecutorError)


def _how(error: BaseException | None) -> str:
    """How a worker has ended, if loky tells."""
    codes = re.search(r"exit codes of the workers are \{(.*)\}", str(error))
    return f", {codes[1]}" if codes else ""


def _nothing() -> None: ...


def _begin(parent: int, device: str | None) -> None:
    """Prepare a worker: Ctrl-C is its parent's matter, and it does not outlive that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True, name="evoniche-parent-watch").start()
    assign(device)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)
