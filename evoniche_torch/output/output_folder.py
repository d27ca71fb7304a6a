"""Folders that are there complete or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from os import PathLike
from pathlib import Path
from typing import Any

from evoniche_torch.files import MergeError, ModelFolder

__all__ = ["check_digests", "check_output_folder", "copy_side_files", "new_folder", "sync"]

_HOST = re.sub(r"[^\w-]", "_", platform.node())
_MARKS = ("recipe.json", "config.json", "model_index.json")
_active: set[Path] = set()
"""The partial folders of this process."""


def check_output_folder(
    out: str | PathLike[str], *, overwrite: bool = False, inputs: Sequence[str | PathLike[str]] = ()
) -> None:
    """Find out whether a folder may be written, before any work is done.

    Args:
        out: The folder.
        overwrite: Whether a model that is there may be replaced.
        inputs: The models that it is made of, which must be left alone.

    Raises:
        FileExistsError: `out` is a file, is not empty, or holds something else than a model.
        PermissionError: The folder around it cannot be written.
        ValueError: `out` is the folder of an input, inside of one, or around one.
    """
    out = Path(out)
    place = out.resolve()
    for given in inputs:
        model = Path(given).resolve()
        if place == model or model in place.parents:
            raise ValueError(f"out must be a folder apart from the models that are merged, {out} is "
                             f"{'' if place == model else 'inside '}{given}: choose another.")
        if place in model.parents and overwrite:
            raise ValueError(f"{out} cannot be replaced, since {given} is in it: choose another folder.")
    above = next(folder for folder in place.parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise PermissionError(f"out must be a folder that can be made, {above} cannot be written: choose another.")
    if not out.exists():
        return
    if not out.is_dir() or place.is_mount():
        what = "the root of a file system" if out.is_dir() else "a file"
        raise FileExistsError(f"out must be a folder that can be replaced, {out} is {what}: choose another.")
    names = sorted(entry.name for entry in out.iterdir())
    if names and not overwrite:
        raise FileExistsError(f"out must be new or empty, {out} holds {_few(names)}: choose another folder, or replace "
                              "it by --overwrite (overwrite=True).")
    if names and (not any(name in _MARKS or name.endswith(".safetensors") for name in names) or _own_work(out)):
        what = "files of a project" if _own_work(out) else "no model"
        raise FileExistsError(f"{out} holds {_few(names)} and {what}, so it is not replaced as a whole: choose "
                              "another folder, or remove it yourself.")


def _own_work(folder: Path) -> bool:
    """Whether there is more in a folder than a model, which nobody would want to lose."""
    return (folder / ".git").exists() or (any(folder.glob("*.py")) and not (folder / "recipe.json").exists())


@contextmanager
def new_folder(out: Path, *, overwrite: bool, inputs: Sequence[Path]) -> Iterator[Path]:
    """A folder beside `out` that takes its place when the block ends, and is removed when it fails.

    Args:
        out: As in `check_output_folder`.
        overwrite: Likewise.
        inputs: Likewise.
    """
    place = out.resolve()
    _clear_up(place)
    check_output_folder(out, overwrite=overwrite, inputs=inputs)
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(place, "partial")
    if partial in _active:
        raise FileExistsError(f"{out} is being written by this process already.")
    _active.add(partial)
    try:
        partial.mkdir()
        yield partial
        for folder, _, _ in os.walk(partial):
            sync(Path(folder))
        check_output_folder(out, overwrite=overwrite, inputs=inputs)  # it may have been filled meanwhile
        _put(partial, place)
        sync(place.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        _active.discard(partial)


def sync(path: Path) -> None:
    """See a file to the disk; a folder as well, where the system can."""
    with suppress(OSError) if path.is_dir() else nullcontext():
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


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
        sync(file)
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


def _put(partial: Path, place: Path) -> None:
    """Rename a folder to its place. What is there is away for the time between two renames."""
    if not place.exists():
        partial.rename(place)
        return
    old = _beside(place, "replaced")
    place.rename(old)
    try:
        partial.rename(place)
    except BaseException:
        if not place.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(place: Path, kind: str) -> Path:
    return place.with_name(f".{place.name}.{kind}-{_HOST}-{os.getpid()}")


def _clear_up(place: Path) -> None:
    """Remove what processes of this computer left that were killed; put back what they had moved away."""
    for kind in ("replaced", "partial"):
        for path in place.parent.glob(f".{_escaped(place.name)}.{kind}-{_HOST}-*"):
            number = path.name.rpartition("-")[2]
            if not number.isdigit() or path in _active or _alive(int(number)):
                continue
            if kind == "replaced" and not place.exists():
                path.rename(place)
            else:
                shutil.rmtree(path, ignore_errors=True)


def _alive(process: int) -> bool:
    if process == os.getpid():
        return False  # of one before with the same number: this one's are in _active
    if os.name == "nt":
        return True  # there, signal 0 ends a process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _escaped(name: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", name)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
