"""Finds out whether a merged model may be written to a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

__all__ = ["check_output_folder"]

_MARKS = ("recipe.json", "config.json", "model_index.json")


def check_output_folder(
    out: str | PathLike[str], *, overwrite: bool = False, inputs: Sequence[str | PathLike[str]] = ()
) -> None:
    """Refuse a folder that must not or cannot be written, before any work is done.

    Args:
        out: The folder.
        overwrite: Whether a model that is there may be replaced.
        inputs: The models that are merged, which must not be touched.

    Raises:
        FileExistsError: `out` is a file, is not empty, or holds something else than a model.
        PermissionError: The folder around `out` cannot be written.
        ValueError: `out` is the folder of an input, lies in one, or has one in it.
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
    """Tell whether a folder holds a project, which nobody would want to lose."""
    return (folder / ".git").exists() or (any(folder.glob("*.py")) and not (folder / "recipe.json").exists())


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
