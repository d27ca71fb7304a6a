"""Batches and matrices that rows join and leave, and the journal that undoes it."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from evoniche.arrays import device, is_array_api_obj, namespace
from evoniche.batches import Batch, join, take

__all__ = ["GrowingBatch", "GrowingPairs", "Journal"]


@final
class Journal:
    """The rows that have been overwritten since a change began with `members` rows.

    Each is saved before it is overwritten.
    """

    __slots__ = ("_entries", "members")

    def __init__(self, members: int) -> None:
        self.members = members
        self._entries: list[tuple[Any, list[int], Any, Any]] = []

    def save(self, buffer: Any, positions: list[int], *, columns: bool = False) -> None:
        """Keep copies of the rows at these positions, and of the columns if `columns` is True."""
        self._entries.append((buffer, positions, take(buffer, positions), buffer[:, positions] if columns else None))

    def replay(self) -> None:
        """Write the saved rows back.

        The latest entry is written first. Every entry writes saved rows only, so a replay that was interrupted can be
        repeated.
        """
        for buffer, positions, rows, columns in reversed(self._entries):
            _write(buffer, positions, rows)
            if columns is not None:
                buffer[:, positions] = columns


@final
class GrowingBatch:
    """A batch that rows join and leave without the others being copied.

    Each change returns another `GrowingBatch`, and only the latest is valid. Arrays live in a buffer with room to grow,
    which one `GrowingBatch` hands on to the next: new rows are written behind the last one, and the last rows move into
    the places of those that leave. A journal saves the rows that are overwritten. Lists and other batches are never
    changed in place.
    """

    __slots__ = ("_buffer", "_length")

    def __init__(self, buffer: Batch, length: int) -> None:
        self._buffer = buffer
        self._length = length

    @classmethod
    def of(cls, batch: Batch, room: int) -> GrowingBatch:
        """Return a copy of a batch, with room for at least so many rows."""
        n = len(batch)
        if is_array_api_obj(batch):
            batch = _with_room(batch, n, max(n, room), batch.dtype)
        return cls(list(batch) if isinstance(batch, list) else batch, n)

    def __len__(self) -> int:
        return self._length

    @property
    def batch(self) -> Batch:
        """All rows; a numpy array is a read-only view that is valid until the next change."""
        buffer = self._buffer
        if isinstance(buffer, np.ndarray):
            view = buffer[: self._length]
            view.flags.writeable = False
            return view
        if isinstance(buffer, list):
            return list(buffer)
        return buffer[: self._length, ...] if is_array_api_obj(buffer) else buffer

    def copy(self) -> GrowingBatch:
        """Return the same rows in a buffer of their own."""
        buffer = self._buffer
        if is_array_api_obj(buffer):
            buffer = _with_room(buffer, self._length, len(buffer), buffer.dtype)
        return GrowingBatch(buffer, self._length)

    def add(self, batch: Batch, journal: Journal | None) -> GrowingBatch:
        """Return a batch with more rows at the end; the dtype of an array becomes one that holds both."""
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
        """Move the rows `movers` to `places` below `length`, and drop the rows from `length` on."""
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


@final
class GrowingPairs:
    """A number for each pair of members: a matrix that rows and columns join and leave.

    As with a `GrowingBatch`, each change returns another one, which takes over the buffer.
    """

    __slots__ = ("_buffer", "_known")

    def __init__(self, buffer: NDArray[Any], known: NDArray[np.bool_]) -> None:
        self._buffer = buffer  # (room, room)
        self._known = known  # (members,): whether the row and column of a member are written; never changed in place

    @classmethod
    def of(cls, members: int) -> GrowingPairs:
        """Return a matrix in which nothing is written."""
        return cls(np.empty((0, 0)), np.zeros(members, dtype=np.bool_))

    @property
    def unknown(self) -> NDArray[np.intp]:
        """The positions of the members whose rows are not written."""
        return np.flatnonzero(~self._known)

    @property
    def matrix(self) -> NDArray[Any]:
        """The matrix, shape (members, members): a read-only view that is valid until the next change."""
        view = self._buffer[: len(self._known), : len(self._known)]
        view.flags.writeable = False
        return view

    def copy(self) -> GrowingPairs:
        """Return the same numbers in a buffer of their own."""
        return GrowingPairs(self._buffer.copy(), self._known)

    def add(self, n: int) -> GrowingPairs:
        """Return a matrix with n more members, whose rows are not written."""
        return GrowingPairs(self._buffer, np.append(self._known, np.zeros(n, dtype=np.bool_)))

    def write(self, positions: NDArray[np.intp], rows: NDArray[Any], journal: Journal | None) -> GrowingPairs:
        """Write the rows and columns at these positions, from `rows` of shape (len(positions), members)."""
        members = len(self._known)
        buffer = self._buffer
        if members > len(buffer):
            room, kept = max(members, len(buffer) + len(buffer) // 8), len(buffer)
            buffer = np.empty((room, room), dtype=rows.dtype)
            buffer[:kept, :kept] = self._buffer
        elif journal is not None:
            journal.save(buffer, positions.tolist(), columns=True)
        buffer[positions, :members] = rows
        buffer[:members, positions] = rows.T
        known = self._known.copy()
        known[positions] = True
        return GrowingPairs(buffer, known)

    def shorten(self, length: int, places: list[int], movers: list[int], journal: Journal | None) -> GrowingPairs:
        """Move the members at `movers` to `places` below `length`, and drop those from `length` on."""
        buffer, known = self._buffer, self._known[:length].copy()
        if places:
            known[places] = self._known[movers]
        written = [pair for pair in zip(places, movers, strict=True) if max(pair) < len(buffer)]
        if written:
            places, movers = map(list, zip(*written, strict=True))
            if journal is not None:
                journal.save(buffer, places, columns=True)
            rows, columns = buffer[movers], buffer[:, movers]
            buffer[places] = rows
            buffer[:, places] = columns
            buffer[np.ix_(places, places)] = rows[:, movers]
        return GrowingPairs(buffer, known)


def _write(buffer: Any, positions: list[int], rows: Any) -> None:
    if isinstance(buffer, np.ndarray):
        buffer[positions] = rows
    else:  # the array API has no writing at several positions
        for i, position in enumerate(positions):
            buffer[position, ...] = rows[i, ...]


def _with_room(batch: Batch, length: int, room: int, dtype: Any) -> Batch:
    """Return the first rows of an array in a new buffer, with room for more behind them."""
    buffer = namespace(batch).empty((room, *batch.shape[1:]), dtype=dtype, device=device(batch))
    buffer[:length, ...] = batch[:length, ...]
    return buffer
