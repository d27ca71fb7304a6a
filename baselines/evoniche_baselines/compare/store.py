"""Keeps finished runs on disk, in a folder of JSON and npz files, so that nothing runs twice."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import re
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final
from uuid import uuid4
from zipfile import BadZipFile

import attrs
import numpy as np

import evoniche_baselines
from evoniche import _log
from evoniche._files import write_json, write_npz
from evoniche._objects import source_files
from evoniche_baselines.compare.runs import Run, Task
from evoniche_baselines.method import Method

__all__ = ["Store", "file_name"]


@final
@attrs.frozen
class Store:
    """A folder of finished runs, where each is found by its task.

    A problem or method counts as another one if the file that defines it has changed, or a file that it is given as an
    option, or the version of evoniche.

    Args:
        folder: The folder; it is made when a run is saved.
    """

    folder: Path

    def save(self, task: Task, run: Run) -> None:
        """Keep a run. It is there as a whole or not at all."""
        path = self._path(task)
        final = {name: _written(value) for name, value in run.final.items()}
        over_time = {name: [*map(_written, column.tolist())] for name, column in run.over_time.items()}
        content = {"task": _described(task), "final": final, "over_time": over_time}
        write_npz(path.with_suffix(".npz"), scores=run.scores)
        write_json(path, content, indent=None)  # the last: where it is, the run is finished

    def load(self, task: Task) -> Run | None:
        """Return the finished run of a task, or None if there is none. Damaged files count as none, and are logged."""
        path = self._path(task)
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text())
            with path.with_suffix(".npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                scores = arrays["scores"]
            over_time = {name: np.array([*map(_read, column)]) for name, column in content["over_time"].items()}
            final = {name: _read(value) for name, value in content["final"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile) as error:
            _log.warning("{} or the .npz beside it is damaged ({}): the run is made again.", path, error)
            return None
        return Run(over_time, final, scores)

    def _path(self, task: Task) -> Path:
        described = _described(task)
        key = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:10]
        names = (file_name(described[name]) for name in ("problem", "method"))
        return self.folder.joinpath(*names, f"{task.seed}-{key}.json")


def _written(value: float) -> float | str | None:
    """Write a number as JSON, which has no NaN and no infinity."""
    return None if math.isnan(value) else str(value) if math.isinf(value) else value


def _read(value: Any) -> float:
    return math.nan if value is None else float(value)


def _described(task: Task) -> dict[str, Any]:
    described = {
        "problem": task.problem_name,
        "method": task.method_name,
        "seed": task.seed,
        "evaluations": task.evaluations,
        "population_size": task.population_size,
        "records": task.records,
    }
    method = task.find_method()
    files = [_contents(what) if isinstance(what, str) else _source(what) for what in (task.problem, task.method)]
    return described | {
        "options": {name: repr(value) for name, value in method.options.items()},
        "files": [digest for digests in files for digest in digests],
        "version": version("evoniche"),
    }


def _contents(spec: str) -> list[str]:
    """Return digests of the file of a problem or method, of the files beside it that it imports, and of options."""
    place, *others = re.split("[:,]", spec)
    module = "." in place and not place.endswith(".py") and find_spec(place)
    named = [Path(part.rpartition("=")[2]) for part in ((module and module.origin) or place, *others)]
    files = [file for path in named if path.suffix and path.is_file() for file in source_files(path)]
    return [hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files]


def _source(what: Any) -> list[str]:
    """Return a digest of the code of a problem or method that was given itself; this package has a version instead."""
    function = inspect.unwrap(what.start if isinstance(what, Method) else what)
    try:
        file = Path(inspect.getsourcefile(function) or "")
        code = file.read_bytes() if file.is_file() else inspect.getsource(function).encode()
    except (OSError, TypeError):
        return [uuid4().hex]  # nobody can tell whether it is the same: it is never found again
    own = Path(evoniche_baselines.__file__).parent in file.parents
    return [] if own else [hashlib.sha256(code).hexdigest()[:16]]


def file_name(name: str) -> str:
    """Turn the name of a problem or method into a part of a file name.

    >>> file_name("max-sat:variables=50")
    'max-sat_variables=50'
    """
    return re.sub(r"[^A-Za-z0-9.=-]+", "_", name).strip("._") or "unnamed"
