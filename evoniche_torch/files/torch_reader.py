"""Reads weights in torch's own format (.bin, .pt, .pth, .ckpt), where the user allows that."""

from __future__ import annotations

import copy
import io
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, final

import torch

from evoniche_torch.files.compatibility import MergeError
from evoniche_torch.files.tensor_index import TensorInfo

__all__ = ["TorchWeights"]

_UNSAFE = re.compile(r"GLOBAL ([\w.]+)")
_PICKLES = 5  # that a file of the old format begins with, before the numbers
_LONGEST = 1000  # bytes in the name of a class
_NESTED = "state_dict"  # where training libraries keep the weights in a checkpoint


@final
class TorchWeights:
    """The tensors of one model, memory-mapped where the file allows it. Nothing but tensors is ever unpickled."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Load the files.

        Raises:
            MergeError: A file cannot be read without running code of its own, holds other things than tensors, or
                holds a tensor that another file holds as well.
        """
        self._flat: dict[str, torch.Tensor] = {}
        self.tensors: dict[str, TensorInfo] = {}
        """Name -> name, shape and dtype of each tensor."""
        self._files: dict[str, Path] = {}
        self._closed = False
        for file in files:
            for name, tensor in _load(file).items():
                if name in self._flat:
                    raise MergeError(f"{file}: {name} is in {self._files[name].name} too.")
                self._flat[name] = tensor.detach().reshape(-1)
                self.tensors[name] = TensorInfo(name, tuple(tensor.shape), tensor.dtype)
                self._files[name] = file

    def file_of(self, name: str) -> Path:
        """The file that holds a tensor."""
        return self._files[name]

    def read(self, name: str, low: int, high: int) -> torch.Tensor:
        """The numbers low .. high - 1 of a flattened tensor, as a view."""
        if self._closed:
            raise ValueError("these seeds are closed: open the models again to read them.")
        return self._flat[name][low:high]

    def twin(self) -> TorchWeights:
        """The same tensors, for another thread."""
        return copy.copy(self)

    def close(self) -> None:
        """Release the tensors."""
        self._closed = True
        self._flat = {}


def _load(path: Path) -> Mapping[str, torch.Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old formats; what matters is an error
            _check_names(path)
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise MergeError(f"{path}: {_reason(str(error))}") from error
    except Exception as error:  # torch, pickle and zipfile raise a dozen kinds for bytes that they did not write
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise MergeError(f"{path}: is truncated or damaged ({first}): download or save it again.") from error
    if isinstance(found, Mapping) and isinstance(found.get(_NESTED), Mapping):
        found = found[_NESTED]
    return _checked(path, found)


def _check_names(path: Path) -> None:
    """Refuse names of classes that are longer than any: torch takes a time that grows with their square to quote one.

    Raises:
        ValueError: There is one.
    """
    streams: list[IO[bytes]]
    with path.open("rb") as file:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                streams = [io.BytesIO(archive.read(name)) for name in archive.namelist() if name.endswith("/data.pkl")]
        else:
            file.seek(0)
            streams = [file] * _PICKLES
        if any(len(name) > _LONGEST for stream in streams for name in _names(stream)):
            raise ValueError("a class has a longer name than any has")


def _names(stream: IO[bytes]) -> Iterator[str]:
    """The names of classes in a pickle, up to where it is none: that is torch's to refuse."""
    with suppress(ValueError):
        yield from (str(argument) for code, argument, _ in pickletools.genops(stream) if code.name == "GLOBAL")


def _reason(message: str) -> str:
    if unsafe := _UNSAFE.search(message):
        return (f"holds {unsafe[1]}, which is not a tensor and could run code when it is loaded: it is refused. Ask "
                "whoever made it for safetensors.")
    reasons = re.findall(r"Unsupported .*", message) or ["the reason is not given"]
    return f"is damaged, or holds more than tensors ({reasons[0]}): it is refused. Ask whoever made it for safetensors."


def _checked(path: Path, found: Any) -> Mapping[str, torch.Tensor]:
    if not isinstance(found, Mapping) or not found:
        raise MergeError(f"{path}: must hold a state dict (name -> tensor), got {type(found).__name__}.")
    wrong = [
        f"{name!r}"
        for name, tensor in found.items()
        if not (isinstance(name, str) and isinstance(tensor, torch.Tensor))
        or tensor.layout != torch.strided
        or tensor.is_quantized
    ]
    if wrong:
        more = ", ..." if len(wrong) > 5 else ""
        raise MergeError(f"{path}: must hold plain tensors alone, these are none: {', '.join(wrong[:5])}{more}.")
    return found
