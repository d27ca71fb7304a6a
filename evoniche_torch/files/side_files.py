"""The files that belong to a model beside its weights and are copied with it: configuration, tokenizer, licence."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

__all__ = ["TORCH_SUFFIXES", "components", "matches", "pipeline_files", "side_files"]

TORCH_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt")
"""The endings of files with weights in torch's own format."""

_OTHERS = (*TORCH_SUFFIXES, ".h5", ".msgpack", ".onnx", ".onnx_data", ".gguf", ".tflite", ".pb", ".ot", ".flashpack")
_PATTERNS = (
    "*config*.json", "model_index.json", "modules.json", "*token*.json", "*vocab*", "merges.txt", "*.model", "*.spm",
    "*.tiktoken", "tekken.json", "encoder.json", "emoji.json", "dict.txt", "bpe.codes", "normalizer.json",
    "chat_template*", "licen[cs]e*", "notice*", "copying*", "use_policy*",
)  # fmt: skip


def side_files(folder: Path, config: Mapping[str, Any] | None) -> Iterator[Path]:
    """Find the side files of one model. Its weights, in whatever format, and its README are none of them.

    Args:
        folder: The folder of the model.
        config: The contents of its config.json. If that has an auto_map, Python files belong to the model too.
    """
    code = "auto_map" in (config or {})
    for file in folder.iterdir():
        fits = matches(file.name, _PATTERNS) or (code and file.suffix == ".py")
        weights = file.suffix in (".safetensors", *_OTHERS) or _is_index(file)
        if fits and not weights and not file.name.startswith(".") and not file.is_dir():
            yield file
    templates = folder / "additional_chat_templates"
    if templates.is_dir():
        yield from templates.glob("*.jinja")


def pipeline_files(path: Path, index: Mapping[str, Any], component: str) -> Iterator[Path]:
    """Find the side files of a diffusers pipeline: its own, those of the merged component, and all other components.

    Where another component has safetensors, its weights in other formats are left out.

    Args:
        path: The folder of the pipeline.
        index: The contents of its model_index.json.
        component: The component that is merged.
    """
    yield from side_files(path, None)
    yield from side_files(path / component, None)
    for name in components(index):
        if name != component and (path / name).is_dir():
            yield from _other_component(path / name)


def components(index: Mapping[str, Any]) -> list[str]:
    """The names of a pipeline's components, which its model_index.json has as name -> [library, class]."""
    return [
        name
        for name, value in index.items()
        if isinstance(value, list) and any(value) and not name.startswith(("_", ".")) and name == os.path.basename(name)
    ]


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether a file's name fits one of the patterns, in upper or lower case."""
    return any(fnmatch(name.lower(), pattern) for pattern in patterns)


def _other_component(folder: Path) -> Iterator[Path]:
    files = [Path(parent) / name for parent, _, names in os.walk(folder) for name in names]
    safe = any(file.suffix == ".safetensors" for file in files)
    for file in files:
        foreign = file.suffix in _OTHERS or (_is_index(file) and ".safetensors." not in file.name)
        plain = file.suffix != ".py" and not file.name.startswith(".") and file.name.lower() != "readme.md"
        if plain and not (safe and foreign):
            yield file


def _is_index(file: Path) -> bool:
    return ".index." in file.name and file.suffix == ".json"
