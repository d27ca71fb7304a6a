"""What happens in a worker process of `parallel`: it takes tasks from a pipe, and sends back what became of them."""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from evoniche._text import printable

__all__ = ["advance", "in_words", "serve", "share"]

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_EVERY = 0.1  # seconds between two messages about steps

_advance: Callable[[int], None] | None = None


def advance(steps: int) -> None:
    """Move the progress bar on by so many steps; a task calls this while it works."""
    if _advance is not None:
        _advance(steps)


def share(report: Callable[[int], None] | None) -> None:
    """Say who is told of steps."""
    global _advance
    _advance = report


def serve(pipe: connection.Connection, faults: Path) -> None:
    """Work off the tasks that come through a pipe, until the process at the other end hangs up or dies.

    Args:
        pipe: Brings pickled `(function, arguments)`, and takes pickled pairs: ("ready", None) once, ("steps", n) while
            a task works, and at its end ("done", result) or ("raised", (what, traceback)).
        faults: A file for the Python stack of this process when it crashes, or is asked where it is (SIGUSR1).
    """
    _begin(faults)
    send = _Sender(pipe)
    share(send.steps)
    send("ready", None)
    while True:
        try:
            task = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        answer = _answer(task)
        send.flush()
        send(*answer)


def in_words(error: BaseException) -> str:
    """Describe an error in one line, whatever its own text does.

    >>> in_words(ValueError("no"))
    'ValueError: no'
    """
    return printable(" ".join("".join(traceback.format_exception_only(error)).split()) or type(error).__name__)


def _begin(faults: Path) -> None:
    """Prepare the process before its first task."""
    if os.name == "posix":
        os.setsid()  # Ctrl-C is for the process that gives the tasks; what a task starts ends together with it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    stacks = faults.open("w")
    faulthandler.enable(stacks)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, stacks)
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # for libraries that are loaded with the task
    threadpool_limits(1)


def _end_with_parent() -> None:
    """Wait until the parent is gone, and go as well: nobody would hear of the result."""
    parent = parent_process()
    if parent is None:
        return
    connection.wait([parent.sentinel])
    if os.name == "posix":
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


class _Sender:
    """Sends messages, whichever thread of the task they come from."""

    def __init__(self, pipe: connection.Connection) -> None:
        self._pipe, self._lock = pipe, threading.Lock()
        self._steps, self._next = 0, 0.0

    def __call__(self, kind: str, content: Any) -> None:
        with self._lock:
            self._pipe.send_bytes(content if kind == "done" else pickle.dumps((kind, content)))

    def steps(self, steps: int) -> None:
        """Take note of steps, and report them from time to time."""
        self._steps += steps
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self) -> None:
        """Report the steps that have not been."""
        steps, self._steps, self._next = self._steps, 0, time.monotonic() + _EVERY
        self("steps", steps)


def _answer(task: bytes) -> tuple[str, Any]:
    """Do a task. Its result is pickled here, so that one which cannot be is an error of the task."""
    try:
        function, arguments = pickle.loads(task)
        return "done", pickle.dumps(("done", function(*arguments)))
    except BaseException as error:
        return "raised", (in_words(error), printable("".join(traceback.format_exception(error))))
