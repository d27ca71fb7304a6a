"""Opens models on disk, in files of either format, with or without an adapter."""

from __future__ import annotations

import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path, PurePosixPath

import attrs

from evoniche_torch.files.adapted_weights import AdaptedWeights
from evoniche_torch.files.adapter import find_patches
from evoniche_torch.files.adapter_config import read_adapter_config
from evoniche_torch.files.adapter_folder import open_adapter_folder, split_adapter
from evoniche_torch.files.compatibility import MergeError, refuse_mismatches
from evoniche_torch.files.model_folder import ModelFolder, open_folder
from evoniche_torch.files.safetensors_reader import SafetensorsWeights
from evoniche_torch.files.side_files import TORCH_SUFFIXES
from evoniche_torch.files.torch_reader import TorchWeights
from evoniche_torch.files.weights import Weights

__all__ = ["open_models"]

_BASE_NAME = "base_model_name_or_path"


def open_models(
    paths: Sequence[str | PathLike[str]],
    *,
    component: str | None,
    variant: str | None,
    allow_torch_files: bool,
    ignore: Sequence[str] = (),
) -> tuple[list[ModelFolder], list[Weights]]:
    """Find the files of models and open them.

    Args:
        paths: Folders or files, or base+adapter for a model with an adapter (LoRA) in it.
        component: See `open_folder`.
        variant: See `open_folder`.
        allow_torch_files: See `open_folder`.
        ignore: Keys in which a model may differ; of an adapter base_model_name_or_path, the name of its base.

    Returns:
        The folders, and the tensors of each.

    Raises:
        MergeError: Some cannot be opened; the message names them all.
    """
    folders: list[ModelFolder] = []
    opened: list[Weights] = []
    errors: list[MergeError] = []
    for path in paths:
        try:
            base, adapter = split_adapter(path)
            folder = open_folder(base, component=component, variant=variant, allow_torch_files=allow_torch_files)
            weights = _open(folder)
            if adapter is not None:
                folder, weights = _adapt(folder, weights, adapter, allow_torch_files, ignore)
            opened.append(weights)
            folders.append(folder)
        except MergeError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    refuse_mismatches([str(error) for error in errors])
    return folders, opened


def _open(folder: ModelFolder) -> Weights:
    weights = _read(folder.weights)
    if (mapped := folder.weight_map) is not None:
        there = {name: weights.file_of(name).name for name in weights.tensors}
        wrong = [name for name in {**mapped, **there} if mapped.get(name) != there.get(name)]
        if wrong:
            name = wrong[0]
            raise MergeError(f"{folder.path}: the index and the files disagree about {len(wrong)} tensors: by the "
                             f"index {name} is in {mapped.get(name, 'none')}, and it is in {there.get(name, 'none')}: "
                             "download or save the model again.")  # fmt: skip
    return weights


def _read(files: Sequence[Path]) -> Weights:
    return TorchWeights(files) if files[0].suffix in TORCH_SUFFIXES else SafetensorsWeights(files)


def _adapt(
    folder: ModelFolder, weights: Weights, path: Path, torch_files: bool, ignore: Sequence[str]
) -> tuple[ModelFolder, Weights]:
    """A base with an adapter in it."""
    adapter = open_adapter_folder(path, allow_torch_files=torch_files)
    config = read_adapter_config(adapter.config)
    if config.base_name and _BASE_NAME not in ignore and not _same_model(config.base_name, folder):
        raise MergeError(
            f"{path}: this adapter was made over {config.base_name}, not over {folder.path}: give that "
            f"model, or if they are the same, --ignore-config {_BASE_NAME} (ignore=[{_BASE_NAME!r}])."
        )
    inner = _read([adapter.weights])
    patches = find_patches(path, config, inner.tensors, weights.tensors, folder.config)
    label = Path(os.path.abspath(path)).name
    return attrs.evolve(folder, label=label, adapter=adapter), AdaptedWeights(weights, inner, patches)


def _same_model(name: str, folder: ModelFolder) -> bool:
    """Tell whether a model may be the one of this name, which is that of a hub, or a path of another machine."""
    last = PurePosixPath(name.replace("\\", "/")).name.casefold()
    known = {folder.label.casefold(), folder.path.resolve().name.casefold()}
    return last in known or Path(name).resolve() == folder.path.resolve()
