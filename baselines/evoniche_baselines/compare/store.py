"""Keeps finished runs on disk, a file for each, so that nothing runs twice.

The log of an `evoniche.Store` does not fit here: half of the methods are those of other libraries, and have no asks and
tells of an `Evolution`. A file for each run also means that one damaged byte costs one run, that the folders of two
machines are joined by copying, and that many machines may write to one folder of a network.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import _log
from evoniche._files import write_json, write_npz
from evoniche._reading import read_json, read_npz
from evoniche_baselines.compare.runs import Run, Task
from evoniche_baselines.parallel import Failure

__all__ = ["Store", "file_name"]

_FORMAT = 2
_LONGEST = 120  # characters of a name of a file


@final
@attrs.frozen
class Store:
    """A folder of finished runs, where each is found by its task.

    A problem or method counts as another one if the file that defines it has changed, or a file that it is given as an
    option, or the version of evoniche. Each file says what it is the result of, with a digest of all of it: one that
    was damaged, changed, or copied over another is not believed.

    Args:
        folder: The folder; it is made when a run is saved.
    """

    folder: Path

    def save(self, task: Task, run: Run) -> None:
        """Keep a run. It is there as a whole or not at all, and on the disk when this returns.

        Raises:
            OSError: It cannot be written; the error names the file.
        """
        final = {name: _written(value) for name, value in run.final.items()}
        about = {"format": _FORMAT, "task": task.described(), "final": final, "over_time": list(run.over_time)}
        arrays: dict[str, NDArray[Any]] = {
            "about": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
            "over_time": np.stack(list(run.over_time.values())),  # (metrics, records)
            "scores": run.scores,
        }
        path = self.path(task)
        write_npz(path, **arrays, digest=_digest(arrays))
        for former in (".json", ".failed.json"):  # of the first format, or a failure
            path.with_suffix(former).unlink(missing_ok=True)

    def load(self, task: Task) -> Run | None:
        """Return the finished run of a task, or None if there is none. A damaged file counts as none, and is logged.

        Raises:
            OSError: A file is there and cannot be read.
        """
        path = self.path(task)
        first = path.with_suffix(".json")
        if not (path.exists() or first.exists()):
            return None
        read, file = (_read_first_format, first) if first.exists() else (_read, path)
        try:
            return read(file, task)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):  # the other of the two files of the first format
                raise
            reason = f"{error.filename} is missing"
        except Exception as error:  # whatever bytes lead to that were not written here
            reason = str(error) if str(path.parent) in str(error) else f"{file} is damaged ({error})"
        _log.warning("{}: the run is made again.", reason.rstrip("."))
        return None

    def save_failure(self, task: Task, failure: Failure) -> Path:
        """Keep what is known of a run that failed, until it succeeds.

        Raises:
            OSError: It cannot be written; the error names the file.
        """
        path = self.path(task).with_suffix(".failed.json")
        what = {name: getattr(failure, name) for name in ("kind", "why", "attempts", "traceback")}
        write_json(path, {"task": task.described(), **what})
        return path

    def path(self, task: Task) -> Path:
        """The file of a task's run."""
        described = task.described()
        key = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:10]
        names = (file_name(described[name]) for name in ("problem", "method"))
        return self.folder.joinpath(*names, f"{task.seed}-{key}.npz")


def _read(path: Path, task: Task) -> Run:
    arrays = read_npz(path)
    digest = arrays.pop("digest")
    if not np.array_equal(digest, _digest(arrays)):
        raise ValueError("its numbers are not those that were written")
    about = json.loads(arrays["about"].tobytes())
    _check_task(about["task"], task)
    over_time = dict(zip(about["over_time"], arrays["over_time"], strict=True))
    return _sound(over_time, about["final"], arrays["scores"])


def _read_first_format(path: Path, task: Task) -> Run:
    """Read a run of versions before 0.2: a JSON file, with the scores in an npz file beside it."""
    content = read_json(path)
    _check_task(content["task"], task)
    over_time = {name: np.array([*map(_number, column)]) for name, column in content["over_time"].items()}
    return _sound(over_time, content["final"], read_npz(path.with_suffix(".npz"))["scores"])


def _sound(over_time: dict[str, NDArray[Any]], final: Mapping[str, Any], scores: NDArray[Any]) -> Run:
    lengths = {column.shape for column in over_time.values()}
    if len(lengths) != 1 or not over_time["evaluations"].size or "best" not in over_time or scores.ndim != 2:
        raise ValueError("its tables have other shapes than those of a run")
    return Run(over_time, {name: _number(value) for name, value in final.items()}, scores)


def _check_task(found: Any, task: Task) -> None:
    if found != task.described():
        raise ValueError("it is of another run: somebody has copied or renamed it")


def _digest(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    digest = hashlib.blake2b(digest_size=16)
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return np.frombuffer(digest.digest(), dtype=np.uint8)


def _written(value: float) -> float | str | None:
    """Write a number as JSON, which has no NaN and no infinity."""
    return None if math.isnan(value) else str(value) if math.isinf(value) else value


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def file_name(name: str) -> str:
    """Turn the name of a problem or method into a part of a file name.

    >>> file_name("max-sat:variables=50")
    'max-sat_variables=50'
    """
    plain = re.sub(r"[^A-Za-z0-9.=-]+", "_", name).strip("._") or "unnamed"
    return plain if len(plain) <= _LONGEST else plain[:_LONGEST] + hashlib.sha256(name.encode()).hexdigest()[:10]
