"""A batch that rows join and leave, and the journal by which it goes back."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from evoniche.arrays import device, is_array_api_obj, namespace
from evoniche.batches import Batch, join, take

__all__ = ["GrowingBatch", "Journal"]


@final
class Journal:
    """The rows that were overwritten since there were `members`, each saved before it is overwritten."""

    __slots__ = ("_entries", "members")

    def __init__(self, members: int) -> None:
        self.members = members
        self._entries: list[tuple[Any, list[int], Any]] = []

    def save(self, buffer: Any, positions: list[int]) -> None:
        """Keep copies of the rows at these positions."""
        self._entries.append((buffer, positions, take(buffer, positions)))

    def replay(self) -> None:
        """Put back what was there at first.

        The latest entry goes first and every entry writes rows that were saved, so a replay that was interrupted can be
        done again.
        """
        for buffer, positions, rows in reversed(self._entries):
            _write(buffer, positions, rows)


@final
class GrowingBatch:
    """A batch that rows join and leave without the others being copied.

    Each change gives another `GrowingBatch`, of which the latest counts. Arrays live in one buffer with room to grow,
    which they hand on: new rows are written behind the last one, and the last rows move into the places of those that
    leave. A journal is told of the rows that are overwritten. Lists and other batches are never changed in place.
    """

    __slots__ = ("_buffer", "_length")

    def __init__(self, buffer: Batch, length: int) -> None:
        self._buffer = buffer
        self._length = length

    @classmethod
    def of(cls, batch: Batch, room: int) -> GrowingBatch:
        """A copy of a batch, with room for so many rows at least."""
        n = len(batch)
        if is_array_api_obj(batch):
            batch = _with_room(batch, n, max(n, room), batch.dtype)
        return cls(list(batch) if isinstance(batch, list) else batch, n)

    def __len__(self) -> int:
        return self._length

    @property
    def batch(self) -> Batch:
        """All rows; a numpy array comes as a read-only view, valid until the next change."""
        buffer = self._buffer
        if isinstance(buffer, np.ndarray):
            view = buffer[: self._length]
            view.flags.writeable = False
            return view
        if isinstance(buffer, list):
            return list(buffer)
        return buffer[: self._length, ...] if is_array_api_obj(buffer) else buffer

    def copy(self) -> GrowingBatch:
        """The same rows in a buffer of their own."""
        buffer = self._buffer
        if is_array_api_obj(buffer):
            buffer = _with_room(buffer, self._length, len(buffer), buffer.dtype)
        return GrowingBatch(buffer, self._length)

    def add(self, batch: Batch, journal: Journal | None) -> GrowingBatch:
        """With more rows at the end; the dtype of an array becomes one that holds both."""
        buffer, start = self._buffer, self._length
        stop = start + len(batch)
        if not is_array_api_obj(buffer):
            return GrowingBatch(join(buffer, batch), stop)
        if stop > len(buffer) or batch.dtype != buffer.dtype:
            room = len(buffer) if stop <= len(buffer) else max(stop, 2 * len(buffer))
            buffer = _with_room(buffer, start, room, namespace(buffer, batch).result_type(buffer, batch))
        elif journal is not None and start < journal.members:  # rows that have left since
            journal.save(buffer, list(range(start, min(stop, journal.members))))
        buffer[start:stop, ...] = batch
        return GrowingBatch(buffer, stop)

    def shorten(self, length: int, places: list[int], movers: list[int], journal: Journal | None) -> GrowingBatch:
        """Without the rows from `length` on, after the rows `movers` have moved to `places` before it."""
        buffer = self._buffer
        if not is_array_api_obj(buffer):
            order = np.arange(length)
            order[places] = movers
            buffer = take(buffer, order)
        elif places:
            if journal is not None:
                journal.save(buffer, places)
            _write(buffer, places, take(buffer, movers))
        return GrowingBatch(buffer, length)


def _write(buffer: Any, positions: list[int], rows: Any) -> None:
    if isinstance(buffer, np.ndarray):
        buffer[positions] = rows
    else:  # the array API has no writing at several positions
        for i, position in enumerate(positions):
            buffer[position, ...] = rows[i, ...]


def _with_room(batch: Batch, length: int, room: int, dtype: Any) -> Batch:
    """The first rows of an array, with room for more behind them."""
    buffer = namespace(batch).empty((room, *batch.shape[1:]), dtype=dtype, device=device(batch))
    buffer[:length, ...] = batch[:length, ...]
    return buffer
