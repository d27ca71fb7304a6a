"""The files beside a model's weights, copied into the merged model."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evoniche_torch.files import MergeError, ModelFolder

__all__ = ["check_digests", "copy_side_files"]


def copy_side_files(source: ModelFolder, target: Path, *, dtype: str | None) -> dict[str, str]:
    """Copy what belongs to a model beside its weights.

    Args:
        source: The model.
        target: A folder.
        dtype: What its config is to state in place of the dtype that it states.

    Returns:
        Name relative to the model's folder -> SHA-256 of the original.
    """
    digests = {}
    for name in source.side_files:
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.path / name, file)
        with file.open("rb") as copy:
            digests[name.as_posix()] = hashlib.file_digest(copy, "sha256").hexdigest()
        if dtype and name == Path(source.component or "", "config.json"):
            config = _with_dtype(json.loads(file.read_bytes()), dtype)
            file.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    return digests


def check_digests(folder: Path, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Refuse files that have changed.

    Args:
        folder: Where they are.
        found: Name -> SHA-256.
        expected: Likewise.

    Raises:
        MergeError: With the names of those that differ, or are only in one.
    """
    if differing := sorted({name for name, _ in set(found.items()) ^ set(expected.items())}):
        raise MergeError(f"these files in {folder} are not those that the recipe was made of (their SHA-256 differs): "
                         f"{', '.join(differing)}.")


def _with_dtype(config: Any, dtype: str) -> Any:
    """A config in which every part that states a dtype states this one."""
    if not isinstance(config, dict):
        return config
    stated = ("dtype", "torch_dtype")
    return {
        key: dtype if key in stated and isinstance(value, str) else _with_dtype(value, dtype)
        for key, value in config.items()
    }
