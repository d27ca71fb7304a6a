"""Copies the files beside a model's weights into the merged model, and recognises them by their digests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evoniche._files import sha256
from evoniche_torch.files import MergeError, ModelFolder

__all__ = ["check_digests", "copy_side_files", "side_file_digests"]


def copy_side_files(source: ModelFolder, target: Path, *, dtype: str | None) -> dict[str, str]:
    """Copy the files beside a model's weights.

    Args:
        source: The model.
        target: The folder to copy to.
        dtype: The dtype that the copied config states; its own when None.

    Returns:
        The name relative to the model's folder -> the SHA-256 of the original.
    """
    digests = {}
    for name, original in source.copies.items():
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, file)
        digests[name.as_posix()] = sha256(file)
        if dtype and name == Path(source.component or "", "config.json"):
            config = _with_dtype(json.loads(file.read_bytes()), dtype)
            file.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    return digests


def side_file_digests(source: ModelFolder) -> dict[str, str]:
    """The name of each file beside a model's weights, relative to the model's folder -> its SHA-256."""
    return {name.as_posix(): sha256(original) for name, original in source.copies.items()}


def check_digests(folder: Path, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Refuse files that have changed.

    Args:
        folder: The folder of the files.
        found: Name -> SHA-256 of the files that are there.
        expected: Name -> SHA-256 of the files that should be there.

    Raises:
        MergeError: Files differ or are missing, or there are others; the message names them.
    """
    if differing := sorted({name for name, _ in set(found.items()) ^ set(expected.items())}):
        raise MergeError(f"these files in {folder} are not those that the recipe was made of (their SHA-256 differs): "
                         f"{', '.join(differing)}.")


def _with_dtype(config: Any, dtype: str) -> Any:
    """The config, in which every part that states a dtype states this one."""
    if not isinstance(config, dict):
        return config
    stated = ("dtype", "torch_dtype")
    return {
        key: dtype if key in stated and isinstance(value, str) else _with_dtype(value, dtype)
        for key, value in config.items()
    }
