"""What the tensors of a model on disk are, and checks that those of several can be merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs
import torch

from evoniche_torch.files.compatibility import (
    config_mismatches,
    refuse_mismatches,
    tensor_mismatches,
    tokenizer_mismatches,
)
from evoniche_torch.files.model_folder import ModelFolder
from evoniche_torch.files.tensor_index import MERGED_DTYPES, TensorInfo, natural_key

__all__ = ["Weights", "check_models", "equal_tensors", "tied_in_some", "tied_tensors"]

_COMPARED = 1 << 20  # numbers that are compared at once
_OF_VOCABULARY = ("tokenizer", "vocab", "merges", "spiece", "sentencepiece", "config.json: vocab_size")
_HEAD = 512  # numbers by which tensors that may be equal are found


class Weights(Protocol):
    """The tensors of one model."""

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Name -> name, shape and dtype of each tensor."""

    def file_of(self, name: str) -> Path:
        """The file that holds a tensor."""

    def read(self, name: str, low: int, high: int) -> torch.Tensor:
        """The numbers low .. high - 1 of a flattened tensor, which the next read may overwrite."""

    def twin(self) -> Weights:
        """The same tensors, for another thread."""

    def close(self) -> None:
        """Close the files."""


def check_models(
    labels: Sequence[str],
    folders: Sequence[ModelFolder],
    infos: Sequence[Mapping[str, TensorInfo]],
    *,
    ignore: Sequence[str],
    mixed_dtypes: bool,
) -> None:
    """Refuse models that do not fit together.

    Args:
        labels: The name of each model.
        folders: The folder of each model.
        infos: The tensors of each model by name.
        ignore: Keys of config.json in which models may differ; "tokenizer" stands for their vocabularies.
        mixed_dtypes: Whether models may differ in their float dtypes.

    Raises:
        MergeError: Something does not fit; the message lists it all.
    """
    hints = []
    found = config_mismatches(labels, [folder.config for folder in folders], ignore=ignore)
    if "tokenizer" not in ignore:
        found += tokenizer_mismatches(labels, [_tokenizer_folder(folder) for folder in folders])
    if any(text.startswith(_OF_VOCABULARY) for text in found):
        hints.append("Models whose vocabularies differ are merged token by token with --tokenizer union or first "
                     "(tokenizer='union').")  # fmt: skip
    if found:
        hints.append("What does not matter in these models can be named: --ignore-config KEY for a key of config.json, "
                     "--ignore-config tokenizer; in Python ignore=['KEY', 'tokenizer'].")  # fmt: skip
    for label, tensors in zip(labels, infos, strict=True):
        if eights := [name for name, tensor in tensors.items() if str(tensor.dtype).startswith("torch.float8")]:
            found.append(f"{label} has {len(eights)} float8 tensors, such as {eights[0]}: dequantise it first")
    names = [name for name in infos[0] if all(name in tensors for tensors in infos)]
    if not mixed_dtypes and any(_mixed({tensors[name].dtype for tensors in infos}) for name in names):
        hints.append("Models of different float dtypes are merged with --mixed-dtypes (mixed_dtypes=True), into the "
                     "dtypes of the first.")  # fmt: skip
    refuse_mismatches(found + tensor_mismatches(labels, infos, dtypes=not mixed_dtypes), hints)


def tied_tensors(
    folder: ModelFolder, infos: Mapping[str, TensorInfo], models: Sequence[Weights]
) -> dict[str, str]:
    """Find tied weights, which a file may hold twice.

    Tied tensors have two or more dimensions, and equal bytes in every model. A configuration without
    tie_word_embeddings may tie them too, since transformers leaves out what is the default of a model.

    Args:
        folder: The first model.
        infos: The tensors of the first model by name.
        models: All models, with tensors of the same names and shapes.

    Returns:
        Alias -> the name that comes first.
    """
    if folder.config is None or folder.kind != "transformers" or not _may_tie(folder.config):
        return {}
    alike: dict[tuple[object, ...], list[str]] = {}
    for name in sorted(infos, key=natural_key):
        tensor = infos[name]
        if len(tensor.shape) > 1 and tensor.size and tensor.dtype in MERGED_DTYPES:
            alike.setdefault((tensor.shape, tensor.dtype), []).append(name)
    tied: dict[str, str] = {}
    for names in alike.values():
        seen: dict[tuple[bytes, ...], str] = {}
        for name in names if len(names) > 1 else ():
            size = infos[name].size
            head = tuple(_bytes(weights.read(name, 0, min(_HEAD, size))) for weights in models)
            first = seen.setdefault(head, name)
            if first != name and all(equal_tensors(weights, first, weights, name, size) for weights in models):
                tied[name] = first
    return tied


def tied_in_some(
    folder: ModelFolder, infos: Sequence[Mapping[str, TensorInfo]], models: Sequence[Weights]
) -> dict[str, str]:
    """Find tied weights that some models store twice and others once.

    Args:
        folder: The first model.
        infos: The tensors of each model by name.
        models: All models.

    Returns:
        Name -> a tensor that all models have, and whose bytes it has in each model that stores it.
    """
    if folder.config is None or folder.kind != "transformers" or not _may_tie(folder.config):
        return {}
    everywhere = [name for name in sorted(infos[0], key=natural_key) if all(name in tensors for tensors in infos)]
    found: dict[str, str] = {}
    for name in sorted({name for tensors in infos for name in tensors} - set(everywhere), key=natural_key):
        holders = [(tensors, weights) for tensors, weights in zip(infos, models, strict=True) if name in tensors]
        for main in everywhere:
            if len(infos[0][main].shape) > 1 and all(
                attrs.evolve(tensors[main], name=name) == tensors[name]
                and equal_tensors(weights, main, weights, name, tensors[name].size)
                for tensors, weights in holders
            ):
                found[name] = main
                break
    return found


def equal_tensors(one: Weights, name: str, other: Weights, other_name: str, size: int) -> bool:
    """Tell whether two tensors of one size and dtype, of one model or of two, have the same bytes."""
    for low in range(0, size, _COMPARED):
        high = min(low + _COMPARED, size)
        if _bytes(one.read(name, low, high)) != _bytes(other.read(other_name, low, high)):
            return False
    return True


def _tokenizer_folder(folder: ModelFolder) -> Path | None:
    """The folder of a model's tokenizer, which may lie beside its adapter."""
    if folder.adapter is not None and Path("tokenizer.json") in folder.adapter.side_files:
        return folder.adapter.path
    return folder.weights_folder if folder.kind == "transformers" else None


def _mixed(dtypes: set[torch.dtype]) -> bool:
    return len(dtypes) > 1 and dtypes <= set(MERGED_DTYPES)


def _may_tie(config: Mapping[str, Any]) -> bool:
    parts = [config, config.get("text_config")]
    said = [part.get("tie_word_embeddings") for part in parts if isinstance(part, Mapping)]
    return True in said or False not in said


def _bytes(values: torch.Tensor) -> bytes:
    return values.contiguous().view(torch.uint8).numpy().tobytes()
