"""Reads safetensors files: their headers, and any part of a tensor without the rest of the file."""

from __future__ import annotations

import copy
import io
import os
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import attrs
import torch
from safetensors import SafetensorError, safe_open

from evoniche._reading import parse_json as read
from evoniche_torch.files.compatibility import MergeError
from evoniche_torch.files.tensor_index import TensorInfo

__all__ = ["SAFETENSORS_DTYPES", "Entry", "Header", "SafetensorsWeights", "parse_json", "read_header"]

SAFETENSORS_DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    **({"F8_E8M0": torch.float8_e8m0fnu} if hasattr(torch, "float8_e8m0fnu") else {}),  # torch 2.7 and later
    "C64": torch.complex64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The name of a dtype in the format -> the dtype of torch."""

_LENGTH = 8  # bytes at the start that say how long the header is
_KEPT = 1 << 24  # bytes: a buffer is kept for the next read up to this size
_OPEN = 128  # files of one model that are open at a time


@final
@attrs.frozen
class Entry:
    """The place of a tensor in a file."""

    info: TensorInfo
    start: int
    """The position of its first byte, counted from the start of the file."""
    stop: int
    """The position after its last byte."""


@final
@attrs.frozen
class Header:
    """The header of a file."""

    tensors: Mapping[str, Entry]
    metadata: Mapping[str, str]
    stamp: tuple[int, ...]
    """Device, inode, size and time of the last change, by which the file is recognised."""


def read_header(path: Path) -> Header:
    """Read the header of a file and check it against the size of the file.

    Raises:
        MergeError: The file is missing, truncated or garbled, or has a packed dtype, which torch cannot hold.
    """
    try:
        with safe_open(path, framework="pt"):
            pass  # opening is checking: that the header can be read, and that its tensors fill the file
        with open(path, "rb") as file:
            stamp = _stamp(file.fileno())
            length = int.from_bytes(file.read(_LENGTH), "little")
            found = parse_json(file.read(length), path)
    except SafetensorError as error:
        raise MergeError(f"{path}: {_damage(path, error)}") from error
    except FileNotFoundError:
        raise MergeError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise MergeError(f"{path}: cannot be read ({error}).") from error
    metadata = found.pop("__metadata__", None) or {}
    entries = {name: _entry(path, name, of, _LENGTH + length) for name, of in found.items()}
    return Header(entries, metadata, stamp)


def parse_json(data: bytes, path: Path) -> dict[str, Any]:
    """Read a JSON object in which no key occurs twice.

    Raises:
        MergeError: The data are something else, or a key occurs twice, so that two readers might take different values.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"{twice!r} is in it twice")
        return found

    try:
        found = read(data, pairs=unique)
    except ValueError as error:
        raise MergeError(f"{path}: is damaged ({error}): download or save it again.") from error
    if not isinstance(found, dict):
        raise MergeError(f"{path}: must hold a JSON object, got {type(found).__name__}.")
    return found


def _entry(path: Path, name: str, found: Mapping[str, Any], offset: int) -> Entry:
    if (dtype := SAFETENSORS_DTYPES.get(found["dtype"])) is None:
        raise MergeError(f"{path}: {name} is of the packed dtype {found['dtype']}: dequantise the model first.")
    start, stop = found["data_offsets"]
    info = TensorInfo(name, tuple(found["shape"]), dtype)
    assert stop - start == info.size * dtype.itemsize, "safe_open has checked this"
    return Entry(info, offset + start, offset + stop)


def _damage(path: Path, error: SafetensorError) -> str:
    with open(path, "rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            return "is a Git LFS pointer in place of the weights: fetch them with `git lfs pull`."
    return f"is truncated or damaged ({error}): download or save it again."


def _stamp(descriptor: int) -> tuple[int, ...]:
    stat = os.fstat(descriptor)
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


@final
class SafetensorsWeights:
    """The tensors of one model in one or more files. Only what is asked for is read. Each thread needs a `twin`."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Read the headers.

        Raises:
            MergeError: A file cannot be read, or two files hold the same tensor.
        """
        self._headers = {file: read_header(file) for file in files}
        self._places: dict[str, tuple[Path, Entry]] = {}
        for file, header in self._headers.items():
            for name, entry in header.tensors.items():
                if name in self._places:
                    raise MergeError(f"{file}: {name} is in {self._places[name][0].name} too.")
                self._places[name] = (file, entry)
        self.tensors = {name: entry.info for name, (_, entry) in self._places.items()}
        """Name -> name, shape and dtype of each tensor."""
        self._closed = False
        self._open_anew()

    def _open_anew(self) -> None:
        self._files: dict[Path, io.FileIO] = {}
        self._buffer = torch.empty(0, dtype=torch.uint8)
        weakref.finalize(self, _close_all, self._files)  # whoever forgets to close them

    def file_of(self, name: str) -> Path:
        """The file that holds a tensor."""
        return self._places[name][0]

    def read(self, name: str, low: int, high: int) -> torch.Tensor:
        """The numbers low .. high - 1 of a flattened tensor, which the next read overwrites.

        Raises:
            MergeError: The file was changed or removed since it was opened.
        """
        path, entry = self._places[name]
        width = entry.info.dtype.itemsize
        size = (high - low) * width
        buffer = self._room(size)
        view = memoryview(buffer.numpy())  # type: ignore[arg-type]  # numpy's arrays are buffers
        file = self._file(path)
        file.seek(entry.start + low * width)
        done = 0
        while done < size:  # one call reads 2 GiB at most
            if not (got := file.readinto(view[done:])):
                raise MergeError(f"{path}: {name} ends too early, it was changed or truncated since it was opened.")
            done += got
        return buffer.view(entry.info.dtype)

    def twin(self) -> SafetensorsWeights:
        """The same tensors for another thread, which opens the files for itself."""
        twin = copy.copy(self)
        twin._open_anew()
        return twin

    def close(self) -> None:
        """Close the files."""
        self._closed = True
        _close_all(self._files)

    def _room(self, size: int) -> torch.Tensor:
        if size > _KEPT:
            return torch.empty(size, dtype=torch.uint8)
        if size > self._buffer.numel():
            self._buffer = torch.empty(size, dtype=torch.uint8)
        return self._buffer[:size]

    def _file(self, path: Path) -> io.FileIO:
        if (file := self._files.get(path)) is not None:
            return file
        if self._closed:
            raise ValueError("these seeds are closed: open the models again to read them.")
        if len(self._files) >= _OPEN:
            oldest = next(iter(self._files))
            os.close(self._files.pop(oldest).fileno())
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise MergeError(f"{path}: was removed since it was opened ({error}).") from error
        if _stamp(descriptor) != self._headers[path].stamp:
            os.close(descriptor)
            raise MergeError(f"{path}: was changed since it was opened: open the models again.")
        self._files[path] = io.FileIO(descriptor, closefd=False)
        return self._files[path]


def _close_all(files: dict[Path, io.FileIO]) -> None:
    while files:
        os.close(files.popitem()[1].fileno())
