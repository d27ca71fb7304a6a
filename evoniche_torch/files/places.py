"""Which files a folder may name: its own, and those to which the links of a hub's cache lead."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from evoniche_torch.files.compatibility import MergeError
from evoniche_torch.files.safetensors_reader import parse_json

__all__ = ["check_allowed", "inside", "is_plain", "link_roots", "read_json"]

_STORE_MARK = ".huggingface-shared-blobs"  # in the folder `blobs` that models of a hub cache share


def link_roots(folder: Path) -> tuple[Path, ...]:
    """The folders to which links may lead: the folder itself, and for a snapshot of a Hugging Face cache its blobs."""
    for parent in (folder, *folder.parents):
        model = parent.parent.parent
        if parent.parent.name == "snapshots" and model.name.startswith("models--"):
            shared = model.parent / "blobs"  # huggingface_hub 2: one blob for all models that have it
            return (folder, model / "blobs", *([shared] if (shared / _STORE_MARK).is_file() else []))
    return (folder,)


def inside(file: Path, roots: tuple[Path, ...]) -> Path:
    """The file, if it lies in one of the folders.

    Raises:
        MergeError: It is missing, or a link that leads elsewhere.
    """
    real = file.resolve()
    if not any(real.is_relative_to(root) for root in roots):
        raise MergeError(f"{file}: is a link that leads out of the model's folder, to {real}: copy the file there.")
    if not real.is_file():
        raise MergeError(f"{file}: is missing or is no file: download the model again.")
    return file


def read_json(file: Path, roots: tuple[Path, ...]) -> dict[str, Any]:
    """Read a JSON object from a file that lies in one of the folders.

    Raises:
        MergeError: It is missing, elsewhere, damaged or no object.
    """
    try:
        return parse_json(inside(file, roots).read_bytes(), file)
    except OSError as error:
        raise MergeError(f"{file}: cannot be read ({error}).") from error


def is_plain(name: object) -> bool:
    """Tell whether this is the name of a file in the same folder, on any system."""
    return (isinstance(name, str) and name not in ("", ".", "..") and "\0" not in name
            and PurePosixPath(name).name == name == PureWindowsPath(name).name)  # fmt: skip


def check_allowed(file: Path, torch_files: bool) -> None:
    """Refuse a file in torch's format unless the user has allowed that.

    Raises:
        MergeError: It is not allowed.
    """
    if not torch_files:
        raise MergeError(f"{file}: files of this format can run code when they are loaded. Give the model as "
                         "safetensors, or allow the file with --allow-torch-files (allow_torch_files=True).")
