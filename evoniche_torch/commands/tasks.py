"""What a merge is asked, as it is named on the command line."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import attrs

from evoniche_torch.scorers import LmEvalScorer, MultiTaskScorer

__all__ = ["load_function", "read_tasks"]

Evaluate = Callable[[Any], Any]

_HARNESS = tuple(name for name in inspect.signature(LmEvalScorer).parameters if name != "tasks")


def read_tasks(
    functions: Sequence[str],
    tasks: Sequence[str],
    *,
    weights: dict[str, float] | None = None,
    harness: dict[str, Any] | None = None,
) -> MultiTaskScorer:
    """Scorers of live models, joined: the cases of one after those of another.

    Args:
        functions: "file.py:function", each a function of a model that gives the scores of its cases.
        tasks: Names or YAML files of tasks for lm-evaluation-harness.
        weights: name -> how much a task counts as a whole; all the same when None. The name is the function's, or the
            task's without folder and ending.
        harness: More arguments of `LmEvalScorer`.

    Raises:
        ValueError: No such file or function, a name that comes twice, weights of other names, or arguments that
            `LmEvalScorer` has not.
    """
    scorers: dict[str, Evaluate] = {}
    for spec in functions:
        name = spec.rpartition(":")[2]
        _take(scorers, name if name not in scorers else spec, _Function(spec, load_function(spec)))
    if unknown := set(harness or {}) - set(_HARNESS):
        raise ValueError(f"lm-evaluation-harness takes {', '.join(_HARNESS)} here, got {', '.join(sorted(unknown))}: "
                         "what belongs to its model goes into model_args.")
    for task in tasks:
        name = Path(task).stem if Path(task).is_file() else task
        _take(scorers, name, _Task(task, LmEvalScorer([task], **_of_task(harness or {}, name, len(tasks)))))
    if unknown := set(weights or {}) - set(scorers):
        raise ValueError(f"the tasks are {', '.join(scorers)}, there is no {', '.join(sorted(unknown))} that could "
                         "have a weight.")
    return MultiTaskScorer(scorers, weights=None if not weights else {name: weights.get(name, 1.0) for name in scorers})


def _of_task(harness: dict[str, Any], name: str, count: int) -> dict[str, Any]:
    """The arguments for one of several tasks: of those that are given task by task, its own."""
    if count == 1:
        return harness
    split = {key: value for key in ("metric", "filter", "samples") if isinstance(value := harness.get(key), dict)}
    return harness | {key: {name: value[name]} if name in value else None for key, value in split.items()}


def _take(scorers: dict[str, Evaluate], name: str, scorer: Evaluate) -> None:
    if name in scorers:
        raise ValueError(f"two tasks are called {name!r}: each is given once, under a name of its own.")
    scorers[name] = scorer


@final
@attrs.frozen(eq=False)
class _Function:
    """A function of the user's, which fails with one readable line."""

    spec: str
    function: Evaluate

    def __call__(self, model: Any) -> Any:
        path = Path(self.spec.rpartition(":")[0])
        try:
            with _neighbours(path.resolve()):
                return self.function(model)
        except Exception as error:
            raise ValueError(f"the scorer {self.spec} failed: {_said(error, path.resolve())}") from error


@final
@attrs.frozen(eq=False)
class _Task:
    """A task of the harness, likewise."""

    name: str
    scorer: LmEvalScorer

    def __call__(self, model: Any) -> Any:
        try:
            return self.scorer(model)
        except (ValueError, ImportError, OSError):
            raise
        except Exception as error:
            reason = error.args[0] if isinstance(error, KeyError) and error.args else error
            raise ValueError(f"the task {self.name} failed: {type(error).__name__}: {reason}") from error


def load_function(spec: str) -> Evaluate:
    """A function in a Python file, from "file.py:function".

    The folder of the file comes first where the file imports others.

    Raises:
        ValueError: Not in that form, no such file, one that cannot be imported, or no such function in it.
    """
    name, colon, function = spec.rpartition(":")
    path = Path(name)
    if not colon or not function.isidentifier() or path.suffix != ".py":
        raise ValueError(f"a scorer must be given as file.py:function, got {spec!r}.")
    if not path.is_file():
        raise ValueError(f"there is no file {path} for the scorer {spec}.")
    module = _module(path.resolve())
    found = getattr(module, function, None)
    if not callable(found):
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        there = [key for key in own if callable(getattr(module, key)) and not key.startswith("_")]
        raise ValueError(f"{path} has no function {function}; it has {', '.join(there) or 'none'}.")
    return found  # type: ignore[no-any-return]


def _module(path: Path) -> Any:
    name = f"evoniche_task_{abs(hash(path))}"
    if name in sys.modules:  # two functions of one file share what it loads
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _neighbours(path):
            spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception | SystemExit):
            raise
        raise ValueError(f"{path} cannot be imported: {_said(error, path)}") from error
    return module


@contextmanager
def _neighbours(path: Path) -> Iterator[None]:
    """Imports find the files beside this one, and leave no compiled ones there."""
    folder, bytecode = str(path.parent), sys.dont_write_bytecode
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = bytecode
        if folder in sys.path:  # the file may have changed it
            sys.path.remove(folder)


def _said(error: BaseException, path: Path) -> str:
    """An error in a user's file: what, and in which of its lines."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError):  # says its line itself
        return text
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return f"{text} (line {lines[-1]} of {path.name})" if lines else text
