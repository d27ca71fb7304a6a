"""Reads files that may be damaged or somebody else's: in bounded time and memory, with one error for all faults."""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

__all__ = ["INFLATED", "parse_json", "read_json", "read_npz"]

INFLATED = 1 << 24
"""Bytes: what is compressed may become so large, or as large as its file."""
_KINDS = "biufcSU"  # of dtypes: booleans, numbers, and text
_DIGITS = 300  # of a whole number: every number of so many digits has a float


def parse_json(data: bytes | str, *, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Read JSON, of which a whole number has 300 digits at most, so that a float can be made of each.

    Args:
        data: The JSON.
        pairs: What makes an object of its keys and values; see `json.loads`.

    Raises:
        ValueError: It is no JSON, nested too deeply, or has a longer number.

    >>> parse_json(b'{"a": [1, 0.5]}')
    {'a': [1, 0.5]}
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ValueError: it is nested too deeply
    """
    try:
        return json.loads(data, parse_int=_whole, object_pairs_hook=pairs)
    except UnicodeDecodeError as error:  # a ValueError, whose message holds all of the data
        raise ValueError(f"byte {error.start} is not of UTF-8") from error
    except (RecursionError, MemoryError) as error:
        raise ValueError("it is nested too deeply") from error


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a whole number has {len(digits):,} digits, and may have {_DIGITS}")
    return int(digits)


def read_json(path: Path | str, *, limit: int = 1 << 28) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        limit: The bytes that it may have.

    Raises:
        OSError: It is not there, or cannot be read.
        ValueError: It is no JSON, or too large; the message names it.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "a.json")
    >>> _ = file.write_text("[" * 100_000)
    >>> read_json(file)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: ...a.json is damaged (ValueError: it is nested too deeply).
    """
    with open(path, "rb") as file:
        data = file.read(limit + 1)
    try:
        if len(data) > limit:
            raise ValueError(f"it is larger than {limit:,} bytes")
        return parse_json(data)
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({_words(error)}).") from error


def read_npz(path: Path | str) -> dict[str, NDArray[Any]]:
    """Read the arrays of an npz file that `write_npz` can have written: booleans, numbers and text.

    No array becomes larger than its file, or 16 MiB where it was compressed: what promises more is refused before any
    memory is taken for it.

    Raises:
        OSError: It is not there, or cannot be read.
        ValueError: It is damaged, or holds something else; the message names it.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                promised = sum(member.file_size for member in archive.infolist())
                if promised > max(INFLATED, size):
                    raise ValueError(f"it promises {promised:,} bytes in a file of {size:,}")
                return {name.removesuffix(".npy"): _array(archive.read(name)) for name in archive.namelist()}
        except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds for bytes that they did not write
            raise ValueError(f"{path} is damaged ({_words(error)}).") from error


def _array(data: bytes) -> NDArray[Any]:
    file = io.BytesIO(data)
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format of arrays")
    shape, fortran, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    count, start = math.prod(shape), file.tell()
    if dtype.kind not in _KINDS or dtype.hasobject or dtype.fields or any(length < 0 for length in shape):
        raise ValueError(f"an array of {dtype} and shape {shape}"[:200])
    if count * dtype.itemsize != len(data) - start:
        raise ValueError(f"{len(data) - start} bytes for an array of {dtype} and shape {shape}"[:200])
    flat = np.frombuffer(data, dtype, offset=start) if count * dtype.itemsize else np.zeros(count, dtype)
    return flat.reshape(shape, order="F" if fortran else "C").copy()


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"
