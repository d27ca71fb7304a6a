"""Ctrl-C that never tears an update apart."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import final

__all__ = ["Interrupts"]


@final
class Interrupts:
    """Puts Ctrl-C off for the length of a `with` block; outside of one it raises KeyboardInterrupt at once.

    It only has an effect while Ctrl-C is `handled`.
    """

    def __init__(self) -> None:
        self._held = False
        self._asked = False

    def __enter__(self) -> None:
        self._asked = False
        self._held = True

    def __exit__(self, *error: object) -> None:
        self._held = False
        if self._asked:
            raise KeyboardInterrupt

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Take over Ctrl-C for the block.

        Only the main thread can, and a program with a handler of its own keeps it.
        """
        main = threading.current_thread() is threading.main_thread()
        if not (main and signal.getsignal(signal.SIGINT) is signal.default_int_handler):
            yield
            return
        try:
            signal.signal(signal.SIGINT, self._handle)
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if not self._held:
            raise KeyboardInterrupt
        self._asked = True
