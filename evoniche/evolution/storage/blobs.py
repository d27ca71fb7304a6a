"""Named arrays as bytes and back, without pickle and without trust.

One letter says how the numbers are kept, four bytes how long the header is, and the header is JSON: name, dtype and
shape of each array. The numbers follow: deflated ("z") up to 16 MiB, as they are ("r") beyond. So no blob makes its
reader allocate more than 16 MiB, or than the blob itself is long.
"""

from __future__ import annotations

import json
import math
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoniche._reading import parse_json

__all__ = ["pack", "unpack"]

_DEFLATED = 1 << 24
_HEADER = 1 << 16
_DTYPE = re.compile(r"\|b1|[<>|][iufcSU][1-9]\d{0,8}")


def pack(arrays: Mapping[str, ArrayLike]) -> bytes:
    """Named arrays as bytes.

    Raises:
        TypeError: An array of objects, or of another kind than numbers, booleans and text.
    """
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in plain.items():
        if not _DTYPE.fullmatch(array.dtype.str):
            raise TypeError(f"array {name!r} must be of numbers, booleans or text, got {array.dtype}.")
    header = json.dumps([[name, array.dtype.str, array.shape] for name, array in plain.items()]).encode()
    body = b"".join(array.tobytes() for array in plain.values())
    small = len(body) <= _DEFLATED
    return b"".join(
        [b"z" if small else b"r", struct.pack("<I", len(header)), header, zlib.compress(body, 1) if small else body]
    )


def unpack(blob: Any) -> dict[str, NDArray[Any]]:
    """The arrays that `pack` made these bytes of.

    Raises:
        ValueError: These are no such bytes.
    """
    try:
        kind, length = blob[:1], struct.unpack("<I", blob[1:5])[0]
        if kind not in (b"z", b"r") or length > _HEADER:
            raise ValueError("unknown beginning")
        columns = [_column(*entry) for entry in parse_json(blob[5 : 5 + length])]
        return _split(columns, _body(kind, blob[5 + length :], sum(size for *_, size in columns)))
    except (ValueError, TypeError, OverflowError, RecursionError, struct.error, zlib.error) as error:
        raise ValueError(f"an array of it is damaged ({error})") from error


def _column(name: str, dtype: str, shape: list[int]) -> tuple[str, np.dtype[Any], tuple[int, ...], int]:
    whole = all(type(length) is int and 0 <= length < 1 << 40 for length in shape)
    if not (isinstance(name, str) and _DTYPE.fullmatch(dtype) and whole and len(shape) <= 32):
        raise ValueError("unknown dtype or shape")
    kind = np.dtype(dtype)
    return name, kind, tuple(shape), kind.itemsize * math.prod(shape)


def _body(kind: bytes, body: bytes, size: int) -> bytes:
    if kind == b"z":
        if size > _DEFLATED:
            raise ValueError("too large")
        inflater = zlib.decompressobj()
        body = inflater.decompress(body, size + 1)
        if not inflater.eof and len(body) <= size:
            raise ValueError("cut off")
    if len(body) != size:
        raise ValueError(f"{len(body)} bytes instead of {size}")
    return body


def _split(columns: list[tuple[str, np.dtype[Any], tuple[int, ...], int]], body: bytes) -> dict[str, NDArray[Any]]:
    arrays, start = {}, 0
    for name, dtype, shape, size in columns:
        part = np.frombuffer(body, dtype, count=math.prod(shape), offset=start) if size else np.zeros(0, dtype)
        arrays[name] = part.reshape(shape).copy()
        start += size
    return arrays
