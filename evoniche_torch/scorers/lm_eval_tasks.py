"""The tasks of lm-evaluation-harness: how they are found, what identifies them, and what they draw."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["digest", "library", "load_manager", "why_drawn"]

_NOT_DRAWN = ("FirstNSampler", "ManualSampler")
"""The classes of the harness that give every document the same examples."""

_managers: dict[tuple[Any, ...], Any] = {}


def library(name: str) -> Any:
    """A module of the harness, which is imported when it is first needed.

    Raises:
        ImportError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or name).partition(".")[0]
        raise ImportError(f"LmEvalScorer needs {missing}: pip install 'evoniche[llm]'.") from error


def load_manager(tasks: Sequence[Any], include: Any, metadata: Mapping[str, Any] | None) -> Any:
    """Load tasks. The harness's own take seconds to read, so they are read once, and only if one of them is named."""
    folders = [] if include is None else [include] if isinstance(include, str | Path) else list(include)
    own = library("lm_eval.tasks").TaskManager
    found = own(include_path=folders, include_defaults=False, metadata=metadata and dict(metadata))
    if all(_alone(task, found) for task in tasks):
        return found
    key = (tuple(map(str, folders)), repr(metadata))
    if key not in _managers:
        _managers[key] = own(include_path=folders, metadata=metadata and dict(metadata))
    return _managers[key]


def _alone(task: Any, found: Any) -> bool:
    """Tell whether a task refers to no other task that would have to be found by its name."""
    if isinstance(task, Mapping):
        return "group" not in task
    if isinstance(task, str) and os.path.isfile(task):
        lines = Path(task).read_text(encoding="utf-8").splitlines()
        return not any(line.startswith("group:") for line in lines)
    return not isinstance(task, str) or (task in found.all_subtasks)


def why_drawn(task: Any) -> str:
    """Say what a document is given that depends on the documents before it; "" for nothing."""
    if task.get_config("num_fewshot") and type(task.sampler).__name__ not in _NOT_DRAWN:
        return ("draws its examples in the order of the documents: give it num_fewshot=0, or fewshot_config: "
                "{sampler: first_n} in its file")
    if (task.get_config("generation_kwargs") or {}).get("do_sample"):
        return "draws its answers (do_sample) in the order of the documents"
    return ""


def digest(value: Any) -> str:
    """16 letters that follow from data; a function is known by its text, an object without text by its type."""

    def plain(thing: Any) -> Any:
        if not callable(thing):
            return thing.tolist() if hasattr(thing, "tolist") else type(thing).__qualname__
        try:
            return inspect.getsource(thing)
        except (OSError, TypeError):
            return getattr(thing, "__qualname__", type(thing).__qualname__)

    text = json.dumps(value, default=plain, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()
