"""Finds the files of an adapter (LoRA), and tells base+adapter from the path of a model."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import final

import attrs

from evoniche_torch.files.compatibility import MergeError
from evoniche_torch.files.places import check_allowed, inside, link_roots
from evoniche_torch.files.side_files import TORCH_SUFFIXES, matches, side_files

__all__ = ["AdapterFolder", "model_paths", "open_adapter_folder", "split_adapter"]

_ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")
_NO_TOKENIZER = (
    "adapter_*", "config*.json", "generation_config*.json", "licen[cs]e*", "notice*", "copying*", "use_policy*",
)  # fmt: skip


@final
@attrs.frozen
class AdapterFolder:
    """An adapter (LoRA) on disk, in the layout of peft."""

    path: Path
    weights: Path
    """adapter_model.safetensors or adapter_model.bin."""
    config: Path
    """adapter_config.json."""
    side_files: tuple[Path, ...] = attrs.field(repr=False)
    """The files of a tokenizer that was saved with it; relative to `path`."""


def split_adapter(path: str | PathLike[str]) -> tuple[Path, Path | None]:
    """Split base+adapter into the paths of a model and of an adapter over it; a plus sign in a path is none of these.

    >>> split_adapter("no-such-base+no-such-adapter")
    (PosixPath('no-such-base'), PosixPath('no-such-adapter'))
    """
    path = Path(path)
    text = str(path)
    if "+" not in text or path.exists():
        return path, None
    places = [i for i, sign in enumerate(text) if sign == "+" and 0 < i < len(text) - 1]
    there = [i for i in places if Path(text[:i]).exists()]
    if not places:
        return path, None
    place = there[-1] if there else places[0]
    return Path(text[:place]), Path(text[place + 1 :])


def model_paths(paths: Iterable[str | PathLike[str]]) -> list[Path]:
    """The folders and files of models, with those of adapters (base+adapter) as paths of their own."""
    return [place for path in paths for place in split_adapter(path) if place is not None]


def open_adapter_folder(path: Path, *, allow_torch_files: bool = False) -> AdapterFolder:
    """Find an adapter's files.

    Raises:
        MergeError: Files are missing, have a refused format or lie outside of the folder.
    """
    try:
        if not path.is_dir():
            raise MergeError(f"{path}: there is no such folder of an adapter.")
        roots = link_roots(path.resolve())
        if not (path / "adapter_config.json").exists():
            raise MergeError(f"{path}: is no adapter in the layout of peft, it has no adapter_config.json.")
        weights = next((path / name for name in _ADAPTERS if (path / name).exists()), None)
        if weights is None:
            raise MergeError(f"{path}: has no {_ADAPTERS[0]}: download the adapter again.")
        if weights.suffix in TORCH_SUFFIXES:
            check_allowed(weights, allow_torch_files)
        side = [file for file in sorted(side_files(path, None)) if not matches(file.name, _NO_TOKENIZER)]
        return AdapterFolder(
            path,
            inside(weights, roots),
            inside(path / "adapter_config.json", roots),
            tuple(inside(file, roots).relative_to(path) for file in side),
        )
    except OSError as error:
        raise MergeError(f"{path}: cannot be read ({error}).") from error
