"""Writes safetensors files from the first byte to the last, without a whole tensor in memory."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import Any, final

import attrs

from evoniche_torch.files import SAFETENSORS_DTYPES, TensorInfo

__all__ = ["ShardNames", "bytes_of", "encode_header", "in_file_order", "parse_size", "split_shards", "write_tensors"]

_DTYPE_NAMES = {dtype: name for name, dtype in SAFETENSORS_DTYPES.items()}
"""The name of each dtype in the format."""

_WRITEBACK = 32 << 20
"""The number of bytes after which the system starts to write to the disk, so that little is left at the end."""
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@final
@attrs.frozen
class ShardNames:
    """The names of a model's files, as transformers and diffusers give them.

    >>> ShardNames("model").file(0, shards=2)
    'model-00001-of-00002.safetensors'
    """

    stem: str
    """"model" or "diffusion_pytorch_model", or the stem of a bare file."""
    variant: str | None = None
    """A part of each name, such as "fp16"."""

    def file(self, number: int, shards: int) -> str:
        """The name of a file of weights; files are counted from 0."""
        variant = f".{self.variant}" if self.variant else ""
        part = f"-{number + 1:05d}-of-{shards:05d}" if shards > 1 else ""
        return f"{self.stem}{variant}{part}.safetensors"

    @property
    def index(self) -> str:
        """The name of the index, which tells the file of each tensor."""
        variant = f".{self.variant}" if self.variant else ""
        return f"{self.stem}.safetensors.index{variant}.json"


def bytes_of(tensor: TensorInfo) -> int:
    """How many bytes a tensor takes in a file."""
    return tensor.size * tensor.dtype.itemsize


def parse_size(size: int | str) -> int:
    """Read a number of bytes, such as 5_000_000_000, "5GB" or "0.5 MB".

    Raises:
        ValueError: The size is something else, or less than one byte.

    >>> parse_size("0.5 MB")
    500000
    """
    number: float = 0
    if isinstance(size, int) and not isinstance(size, bool):
        number = size
    elif isinstance(size, str) and (text := size.strip().upper())[-2:] in _UNITS:
        try:
            number = float(text[:-2]) * _UNITS[text[-2:]]
        except ValueError:
            number = 0
    if not 1 <= number < 2**63:
        raise ValueError(f"shard_size must be a number of bytes, or a text such as '5GB' or '500MB', got {size!r}.")
    return int(number)


def split_shards(tensors: Iterable[TensorInfo], limit: int) -> list[list[TensorInfo]]:
    """Spread tensors in their order over files of at most `limit` bytes; a larger tensor has a file of its own."""
    shards: list[list[TensorInfo]] = []
    room = -1
    for tensor in tensors:
        length = bytes_of(tensor)
        if length > limit:
            shards.append([tensor])
            room = -1
            continue
        if length > room:
            shards.append([])
            room = limit
        shards[-1].append(tensor)
        room -= length
    return shards or [[]]


def in_file_order(tensors: Sequence[TensorInfo]) -> list[TensorInfo]:
    """Sort tensors by the width of their numbers, wide ones first, as the safetensors package does: all are aligned."""
    return sorted(tensors, key=lambda tensor: -tensor.dtype.itemsize)


def encode_header(tensors: Sequence[TensorInfo]) -> bytes:
    """Make the start of a file: the length of the header, and the header.

    Args:
        tensors: The tensors in the order in which the file has them.

    Raises:
        ValueError: The format does not have the dtype of a tensor.
    """
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for tensor in tensors:
        if tensor.dtype not in _DTYPE_NAMES:
            raise ValueError(f"{tensor.name}: safetensors files have no {tensor.dtype}.")
        stop = start + bytes_of(tensor)
        table[tensor.name] = {
            "dtype": _DTYPE_NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, stop]
        }
        start = stop
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def write_tensors(
    path: Path, tensors: Sequence[TensorInfo], blocks: Iterable[memoryview], *, progress: Callable[[int], object]
) -> str:
    """Write a file and flush it to the disk.

    A block is written while the next one is made, so a block must not change until the second after it is asked for.

    Args:
        path: A file that does not exist yet.
        tensors: The tensors in the order in which the file has them.
        blocks: The bytes of all tensors, one after the other, in pieces of any length.
        progress: Called with the number of bytes of each block.

    Returns:
        The SHA-256 of the file.
    """
    digest = hashlib.sha256()
    header = encode_header(tensors)
    expected = len(header) + sum(map(bytes_of, tensors))
    with path.open("xb", buffering=0) as file, ThreadPoolExecutor(1, "writer") as writer:
        pending = writer.submit(_write_all, file, memoryview(header), digest)
        for block in blocks:
            pending.result()
            pending = writer.submit(_write_all, file, block, digest)
            progress(len(block))
        pending.result()
        assert file.tell() == expected, f"{path} has {file.tell()} bytes, {expected} were promised"
        os.fsync(file.fileno())
    return digest.hexdigest()


def _write_all(file: FileIO, block: memoryview, digest: Any) -> None:
    start = file.tell()
    digest.update(block)
    while len(block):
        block = block[file.write(block) :]
    done = file.tell() // _WRITEBACK * _WRITEBACK
    if start < done and hasattr(os, "posix_fadvise"):  # Linux begins to write out what it is told to forget
        os.posix_fadvise(file.fileno(), done - _WRITEBACK, _WRITEBACK, os.POSIX_FADV_DONTNEED)
