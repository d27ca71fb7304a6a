"""Makes one scorer of the functions and tasks that the command line names."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, final

import attrs

from evoniche._objects import failure, load_object, neighbours, source_files, split_name
from evoniche_torch.scorers import LmEvalScorer, MultiTaskScorer
from evoniche_torch.scorers.evaluation import why_not_by_case
from evoniche_torch.scorers.lm_eval_tasks import digest

__all__ = ["read_tasks"]

T = TypeVar("T")
Evaluate = Callable[..., Any]

_HARNESS = tuple(name for name in inspect.signature(LmEvalScorer).parameters if name != "tasks")


def read_tasks(
    functions: Sequence[str],
    tasks: Sequence[str],
    *,
    weights: dict[str, float] | None = None,
    harness: dict[str, Any] | None = None,
) -> MultiTaskScorer:
    """Join functions and tasks into one scorer: the cases of one after those of another.

    Args:
        functions: Names as "file.py:function" or "package.module:function". Each function takes a model and returns
            the scores of its cases; one that takes `(model, cases=None)` can score some of them.
        tasks: Names or YAML files of tasks for lm-evaluation-harness.
        weights: Name -> how much a task counts as a whole; all the same when None. The name is that of the function,
            or that of the task without folder and ending.
        harness: More arguments of `LmEvalScorer`.

    Raises:
        ValueError: A file or function does not exist, a name occurs twice, weights have other names, or
            `LmEvalScorer` lacks an argument.
    """
    scorers: dict[str, Evaluate] = {}
    for spec in functions:
        name = spec.rpartition(":")[2]
        function = load_object(spec, what="scorer", accepts=callable)
        _take(scorers, name if name not in scorers else spec, _Function(spec, function))
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
    """The arguments for one of several tasks; of those that are given task by task, only its own."""
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
    """A function of the user; when it fails, the message is one readable line."""

    spec: str
    function: Evaluate

    def __call__(self, model: Any, cases: Any = None) -> Any:
        place, _ = split_name(self.spec)
        file = Path(place) if place.endswith(".py") else None
        try:
            with neighbours(file) if file else nullcontext():  # it may import when it is called
                return self.function(model) if cases is None else self.function(model, cases)
        except Exception as error:
            raise ValueError(f"the scorer {self.spec} failed: {failure(error, file)}") from error

    @property
    def why_not_by_case(self) -> str:
        """See `evoniche_torch.scorers.evaluation.why_not_by_case`."""
        return why_not_by_case(self.function)

    @property
    def identity(self) -> dict[str, Any]:
        """What its scores follow from: its file and those beside it, but for their layout, and `function.cases`."""
        place, _ = split_name(self.spec)
        file = Path(place) if place.endswith(".py") else Path(inspect.getfile(import_module(place)))
        known = {"function": self.function.__name__ if hasattr(self.function, "__name__") else self.spec}
        if (own := getattr(self.function, "cases", None)) is not None:
            known["contents"] = digest(list(own))
        return known | {"code": digest([_parsed(path) for path in source_files(file)])}


@final
@attrs.frozen(eq=False)
class _Task:
    """A task of the harness; when it fails, the message is one readable line."""

    name: str
    scorer: LmEvalScorer

    def __call__(self, model: Any, cases: Any = None) -> Any:
        return self._said(lambda: self.scorer(model, cases))

    @property
    def slices(self) -> dict[str, slice]:
        """The columns of each task of the harness."""
        return self._said(lambda: self.scorer.slices)

    @property
    def why_not_by_case(self) -> str:
        """See `LmEvalScorer`."""
        return self._said(lambda: self.scorer.why_not_by_case)

    @property
    def identity(self) -> dict[str, Any]:
        """See `LmEvalScorer`."""
        return self._said(lambda: self.scorer.identity)

    def _said(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except (ValueError, ImportError, OSError):
            raise
        except Exception as error:
            reason = error.args[0] if isinstance(error, KeyError) and error.args else error
            raise ValueError(f"the task {self.name} failed: {type(error).__name__}: {reason}") from error


def _parsed(file: Path) -> str:
    """A Python file without comments and layout, so that its data count and its looks do not."""
    try:
        return ast.dump(ast.parse(file.read_bytes()))
    except (SyntaxError, ValueError, RecursionError):
        return file.read_bytes().hex()
