"""Finds in a model's folder the files that hold its weights, and the others that belong to it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, final

import attrs

from evoniche_torch.files.adapter_folder import AdapterFolder
from evoniche_torch.files.compatibility import MergeError
from evoniche_torch.files.places import check_allowed, inside, is_plain, link_roots, read_json
from evoniche_torch.files.side_files import TORCH_SUFFIXES, components, matches, pipeline_files, side_files

__all__ = ["ModelFolder", "open_folder"]

Kind = Literal["transformers", "diffusers", "file"]

_STEMS = "model|pytorch_model|diffusion_pytorch_model"
_WHOLE = re.compile(rf"(?P<stem>{_STEMS})(?:\.(?P<variant>[^.]+))?\.(?P<format>safetensors|bin)")
_INDEX = re.compile(rf"(?P<stem>{_STEMS})\.(?P<format>safetensors|bin)\.index(?:\.(?P<variant>[^.]+))?\.json")
_SHARD = re.compile(r"-\d{5}-of-\d{5}")
_USUAL = {"pytorch_model": "model"}  # what safetensors are called where torch's files are called that
_LEFTOVERS = ("optimizer*", "scheduler*", "training_args*", "rng_state*", "scaler*")  # of training, in torch's format


@final
@attrs.frozen
class ModelFolder:
    """A model on disk, before its weights are looked at."""

    path: Path
    """The path that the user gave: a folder, or a file of weights."""
    label: str
    """A short name for tables and messages."""
    kind: Kind
    component: str | None
    """The part of a diffusers pipeline (a folder with model_index.json) that is merged; None for other folders."""
    weights: tuple[Path, ...]
    """The files that hold the tensors."""
    weights_folder: Path
    """The folder of these files."""
    stem: str
    """The start of the files' names: "model", "diffusion_pytorch_model", or the name of a single file."""
    variant: str | None
    """The variant in the files' names, such as "fp16"; None where there is none."""
    config: dict[str, Any] | None = attrs.field(repr=False)
    """The contents of config.json; None where there is none."""
    side_files: tuple[Path, ...] = attrs.field(repr=False)
    """The other files of the model, which are copied with it; relative to `path`."""
    weight_map: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    """The index of a model in several files, as tensor -> file name; None for a model in one file."""
    adapter: AdapterFolder | None = None
    """The adapter that is added to the weights; None for a model as it is."""

    @property
    def given(self) -> Path:
        """What the user gave: the path, or for a model with an adapter base+adapter."""
        return self.path if self.adapter is None else Path(f"{self.path}+{self.adapter.path}")

    @property
    def weight_files(self) -> dict[str, Path]:
        """The files that the weights follow from, by their names in the folder; those of an adapter begin with +."""
        files = {
            file.name if self.path == file else file.relative_to(self.path).as_posix(): file for file in self.weights
        }
        if self.adapter is not None:
            files |= {f"+{file.name}": file for file in (self.adapter.weights, self.adapter.config)}
        return files

    @property
    def copies(self) -> dict[Path, Path]:
        """The side files as name -> file; the tokenizer of an adapter takes the place of that of its base."""
        files = {name: self.path / name for name in self.side_files}
        if self.adapter is not None:
            inner = Path(self.component or "")
            files |= {inner / name: self.adapter.path / name for name in self.adapter.side_files}
        return files


@attrs.frozen
class _Choice:
    """One way to read the weights of a folder."""

    file: Path
    stem: str
    variant: str | None = None
    sharded: bool = False


def open_folder(
    path: str | PathLike[str],
    *,
    component: str | None = None,
    variant: str | None = None,
    allow_torch_files: bool = False,
) -> ModelFolder:
    """Find a model's files.

    Args:
        path: A folder of transformers or diffusers, a diffusers pipeline, or a single file of weights.
        component: The part of a pipeline to merge; its unet or transformer when None.
        variant: The set of weights to take in a folder that has several, such as "fp16".
        allow_torch_files: Whether weights in torch's format may be taken where there are no others.

    Raises:
        MergeError: Files are missing, have a refused format or lie outside of the folder; none of several sets of
            weights was chosen; the index is broken; or the model is quantised.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise MergeError(f"{path}: there is no such folder or file. Models are opened from disk: download one "
                             "first, for example with `hf download NAME --local-dir FOLDER`.")
        if path.is_file():
            return _open_file(path, component, allow_torch_files)
        return _open_folder(path, component, variant, allow_torch_files)
    except OSError as error:
        raise MergeError(f"{path}: cannot be read ({error}).") from error


def _open_file(path: Path, component: str | None, torch_files: bool) -> ModelFolder:
    if component is not None:
        raise MergeError(f"{path}: is a file and has no component {component!r}: give the folder of the pipeline.")
    if path.suffix in TORCH_SUFFIXES:
        check_allowed(path, torch_files)
    elif path.suffix != ".safetensors":
        raise MergeError(f"{path}: must be a .safetensors file, or the folder of a model.")
    return ModelFolder(path, _label(path), "file", None, (path,), path.parent, path.stem, None, None, ())


def _open_folder(path: Path, component: str | None, variant: str | None, torch_files: bool) -> ModelFolder:
    roots = link_roots(path.resolve())
    if (path / "adapter_config.json").exists():
        raise MergeError(f"{path}: is an adapter (LoRA), and merging its two factors is not merging what they do: "
                         f"say over which model it is, as MODEL+{path}.")
    pipeline = None
    if (path / "model_index.json").is_file():
        pipeline = read_json(path / "model_index.json", roots)
        component = _component(path, pipeline, component)
    elif component is not None:
        raise MergeError(f"{path}: has no component {component!r}, it is no pipeline (there is no model_index.json).")
    folder = path if component is None else path / component
    choice = _choose(folder, variant, torch_files)
    weight_map = _weight_map(choice.file, roots) if choice.sharded else None
    config = _config(folder, roots)
    if pipeline is not None and component is not None:
        side = sorted(pipeline_files(path, pipeline, component))
    else:
        side = sorted(side_files(folder, config))
    return ModelFolder(
        path=path,
        label=_label(path),
        kind=_kind(choice, config),
        component=component,
        weights=_weights(choice, weight_map, roots),
        weights_folder=folder,
        stem=choice.stem,
        variant=choice.variant,
        config=config,
        side_files=tuple(inside(file, roots).relative_to(path) for file in side),
        weight_map=weight_map,
    )


def _label(path: Path) -> str:
    real = Path(os.path.abspath(path))
    if path.is_file() and not re.fullmatch(_STEMS, path.stem):
        return path.stem
    real = real.parent if path.is_file() else real
    if real.parent.name == "snapshots" and real.parent.parent.name.startswith("models--"):
        return real.parent.parent.name.rsplit("--", 1)[-1]
    return real.name or str(real)


def _kind(choice: _Choice, config: Mapping[str, Any] | None) -> Kind:
    if "_class_name" in (config or {}) or choice.stem == "diffusion_pytorch_model":
        return "diffusers"
    return "transformers" if config is not None or choice.stem == "model" else "file"


# Weights


def _choose(folder: Path, variant: str | None, torch_files: bool) -> _Choice:
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    for suffixes in ((".safetensors",), TORCH_SUFFIXES):
        choices = _choices(folder, names, suffixes)
        fitting = [choice for choice in choices if choice.variant == variant]
        if not fitting and variant is None:
            fitting = choices
        if len(fitting) == 1:
            if suffixes == TORCH_SUFFIXES:
                check_allowed(fitting[0].file, torch_files)
            return fitting[0]
        listed = ", ".join(choice.file.name for choice in fitting or choices)
        if fitting:
            raise MergeError(f"{folder}: has several sets of weights: {listed}. Remove those that are not meant, "
                             "choose by --variant (variant=...), or give the file itself.")
        if choices:
            raise MergeError(f"{folder}: has no variant {variant!r}, only {listed}.")
        if shards := [name for name in names if name.endswith(suffixes) and _SHARD.search(name)]:
            raise MergeError(f"{folder}: has {shards[0]} and the like, but no {_index_name(shards[0])}: download it.")
    folders = ", ".join(name for name in names if (folder / name).is_dir()) or "none"
    raise MergeError(f"{folder}: has no weights (*.safetensors). Folders in it: {folders}.")


def _choices(folder: Path, names: Sequence[str], suffixes: tuple[str, ...]) -> list[_Choice]:
    """The sets of weights in a folder: those with the usual names, or else every file that may be one."""
    found = []
    for name in names:
        whole, index = _WHOLE.fullmatch(name), _INDEX.fullmatch(name)
        match = index or whole
        if match is not None and f".{match['format']}" in suffixes and not (whole and _SHARD.search(name)):
            stem = _USUAL.get(match["stem"], match["stem"])
            found.append(_Choice(folder / name, stem, match["variant"], match is index))
    return found or [
        _Choice(folder / name, Path(name).stem)
        for name in names
        if name.endswith(suffixes) and not _SHARD.search(name) and not matches(name, _LEFTOVERS)
    ]


def _index_name(shard: str) -> str:
    first, suffix = _SHARD.split(shard)[0], Path(shard).suffix
    stem, _, variant = first.partition(".")
    return f"{stem}{suffix}.index.{variant + '.' if variant else ''}json"


def _weight_map(index: Path, roots: tuple[Path, ...]) -> Mapping[str, str]:
    found = read_json(index, roots).get("weight_map")
    if not isinstance(found, dict) or not found:
        raise MergeError(f"{index}: must have a weight_map (tensor -> file): download or save it again.")
    suffix = ".bin" if ".bin." in index.name else ".safetensors"
    for name in found.values():
        if not is_plain(name):
            raise MergeError(f"{index}: must name files of its own folder by their plain names, got {name!r}: refused.")
        if Path(name).suffix != suffix:
            raise MergeError(f"{index}: must name {suffix} files alone, got {name!r}.")
    return found


def _weights(choice: _Choice, weight_map: Mapping[str, str] | None, roots: tuple[Path, ...]) -> tuple[Path, ...]:
    if weight_map is None:
        return (inside(choice.file, roots),)
    files = [choice.file.parent / name for name in sorted(set(weight_map.values()))]
    if missing := [file.name for file in files if not file.exists()]:
        raise MergeError(f"{choice.file}: names files that are missing: {', '.join(missing)}: download them.")
    return tuple(inside(file, roots) for file in files)


# What it is a model of


def _config(folder: Path, roots: tuple[Path, ...]) -> dict[str, Any] | None:
    file = folder / "config.json"
    if not (file.exists() or file.is_symlink()):
        return None
    config = read_json(file, roots)
    parts = [config, *(value for value in config.values() if isinstance(value, dict))]
    if any(part.get("quantization_config") for part in parts):
        raise MergeError(f"{file}: the model is quantised (quantization_config): merge the models that it was made of "
                         "before they were quantised, and quantise what comes out.")
    return config


def _component(path: Path, pipeline: Mapping[str, Any], wanted: str | None) -> str:
    there = [name for name in components(pipeline) if (path / name).is_dir()]
    usual = [wanted] if wanted is not None else [name for name in ("unet", "transformer") if name in there]
    if len(usual) == 1 and usual[0] in there:
        return usual[0]
    problem = "it must be said which component to merge" if wanted is None else f"there is no component {wanted!r}"
    raise MergeError(f"{path}: {problem} (--component, component=...). It has: {', '.join(there) or 'none'}.")
