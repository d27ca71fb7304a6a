"""A batch that rows join and leave."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from evoniche.arrays import device, is_array_api_obj, namespace
from evoniche.batches import Batch, join

__all__ = ["GrowingBatch"]


@final
class GrowingBatch:
    """A batch that rows join and leave without the others being copied.

    Arrays live in one buffer with room to grow, and the last rows move into the places of those that leave. `batch` is
    a view of the buffer, valid until the next change.
    """

    __slots__ = ("_array", "_buffer", "_length")

    def __init__(self, batch: Batch, room: int) -> None:
        self._array = bool(is_array_api_obj(batch))
        self._length = len(batch)
        self._buffer: Any = _with_room(batch, max(room, len(batch))) if self._array else batch
        if isinstance(batch, list):
            self._buffer = list(batch)

    def __len__(self) -> int:
        return self._length

    @property
    def batch(self) -> Batch:
        """All rows; a numpy array comes as a read-only view."""
        if not self._array:
            return list(self._buffer) if isinstance(self._buffer, list) else self._buffer
        view = self._buffer[: self._length, ...]
        if isinstance(view, np.ndarray):
            view.flags.writeable = False
        return view

    def add(self, batch: Batch) -> None:
        """Append rows."""
        length = self._length + len(batch)
        if not self._array:
            self._buffer = join(self._buffer, batch)
        else:
            if length > len(self._buffer):
                self._buffer = _with_room(self._buffer, max(length, 2 * len(self._buffer)))
            self._buffer[self._length : length, ...] = batch
        self._length = length

    def shorten(self, length: int, places: list[int], movers: list[int]) -> None:
        """Cut off all rows from `length` on, after the rows `movers` have moved to `places` before it."""
        self._length = length
        if isinstance(self._buffer, np.ndarray):
            if places:
                self._buffer[places] = self._buffer[movers]
        elif self._array or isinstance(self._buffer, list):
            for place, mover in zip(places, movers, strict=True):
                self._buffer[place] = self._buffer[mover]
            if not self._array:
                del self._buffer[length:]
        else:
            order = np.arange(length)
            order[places] = movers
            self._buffer = self._buffer.take(order)


def _with_room(batch: Batch, room: int) -> Batch:
    xp = namespace(batch)
    buffer = xp.empty((room, *batch.shape[1:]), dtype=batch.dtype, device=device(batch))
    buffer[: len(batch), ...] = batch
    return buffer
