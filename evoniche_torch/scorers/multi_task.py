"""Several tasks as the cases of one scorer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from evoniche_torch.scorers.evaluation import case_scores

__all__ = ["MultiTaskScorer", "importance_of", "task_means", "task_slices"]

Slices = Mapping[str, slice]


def task_slices(sizes: Mapping[str, int]) -> dict[str, slice]:
    """Where the cases of each task are when all are joined in this order.

    >>> task_slices({"sums": 2, "words": 3})
    {'sums': slice(0, 2, None), 'words': slice(2, 5, None)}
    """
    ends = np.cumsum([0, *sizes.values()]).tolist()
    return {task: slice(start, stop) for task, start, stop in zip(sizes, ends[:-1], ends[1:], strict=True)}


def importance_of(slices: Slices, weights: Mapping[str, float] | None = None) -> NDArray[np.float64]:
    """How much each case counts, so that tasks have equal totals however many cases they have.

    Args:
        slices: Where the cases of each task are.
        weights: Other totals, in proportion: 2 counts twice as much as 1; tasks that are not named have 1.

    Returns:
        Shape (cases,), with mean 1.

    Raises:
        ValueError: A weight for a task that is not there, one that is not >= 0, or all 0.

    >>> importance_of({"sums": slice(0, 1), "words": slice(1, 4)})
    array([2.        , 0.66666667, 0.66666667, 0.66666667])
    """
    totals = _totals(slices, weights)
    count = max(part.stop for part in slices.values())
    result = np.empty(count)
    for task, part in slices.items():
        result[part] = totals[task] / (part.stop - part.start)
    result *= count / sum(totals.values())
    return result


def task_means(slices: Slices, scores: Any) -> dict[str, Any]:
    """The mean score on each task.

    Args:
        slices: Where the cases of each task are.
        scores: Shape (..., cases).

    Returns:
        task -> mean of its cases, shape (...).

    Raises:
        ValueError: Another number of cases.
    """
    table = np.asarray(scores, dtype=np.float64)
    count = max(part.stop for part in slices.values())
    if not table.ndim or table.shape[-1] != count:
        raise ValueError(f"scores must have a column for each of the {count} cases, got shape {table.shape}.")
    return {task: table[..., part].mean(axis=-1) for task, part in slices.items()}


@final
class MultiTaskScorer:
    """Evaluations of one live model, one after the other: the cases of the first task, then of the next, ...

    How many cases a task has shows when a model is evaluated, so evaluate one, such as a seed, before you ask for
    `slices`, `importance` or `task_means`; with `LmEvalScorer`s alone they are known from the start.

    >>> scorer = MultiTaskScorer({"small": lambda model: [model], "large": lambda model: [model, 0.0, 0.0]})
    >>> scorer(1.0)
    array([1., 1., 0., 0.])
    >>> scorer.importance
    array([2.        , 0.66666667, 0.66666667, 0.66666667])
    >>> {task: float(mean) for task, mean in scorer.task_means([1.0, 1.0, 0.0, 0.0]).items()}
    {'small': 1.0, 'large': 0.3333333333333333}
    """

    __slots__ = ("_scorers", "_sizes", "_weights")

    def __init__(
        self, scorers: Mapping[str, Callable[[Any], Any]], weights: Mapping[str, float] | None = None
    ) -> None:
        """Take the tasks.

        Args:
            scorers: task -> `f(model) -> scores of its cases`, shape (cases,).
            weights: task -> how much it counts in `importance`; equally when None.

        Raises:
            ValueError: No tasks, one that is no function, or weights that do not fit.
        """
        if not scorers or not all(map(callable, scorers.values())):
            raise ValueError(f"MultiTaskScorer(scorers=...) must be tasks and functions f(model), got {scorers!r}.")
        _totals(scorers, weights)
        self._scorers = dict(scorers)
        self._weights = weights
        self._sizes: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"MultiTaskScorer({', '.join(self._scorers)})"

    def __call__(self, model: Any) -> NDArray[Any]:
        """Score a model on all tasks; shape (cases,).

        Raises:
            ValueError: A task gives no vector, or another number of cases than before.
        """
        rows = {}
        for task, scorer in self._scorers.items():
            rows[task] = case_scores(scorer(model), self._sizes.get(task), f"task {task!r}")
        self._sizes = {task: len(row) for task, row in rows.items()}
        return np.concatenate(list(rows.values()))

    @property
    def slices(self) -> dict[str, slice]:
        """Where the cases of each task are, as task -> slice.

        Raises:
            ValueError: No model was evaluated yet.
        """
        sizes = dict(self._sizes)
        for task, scorer in self._scorers.items():
            known = getattr(scorer, "slices", None) if task not in sizes else None
            if known:
                sizes[task] = max(part.stop for part in known.values())
        missing = [task for task in self._scorers if task not in sizes]
        if missing:
            raise ValueError(f"the number of cases of {', '.join(missing)} is known when a model has been evaluated: "
                             "call this MultiTaskScorer with one first.")
        return task_slices({task: sizes[task] for task in self._scorers})

    @property
    def importance(self) -> NDArray[np.float64]:
        """How much each case counts, for the `importance` of an algorithm: shape (cases,), with mean 1.

        Each task has the same total, unless there are weights.
        """
        return importance_of(self.slices, self._weights)

    def task_means(self, scores: Any) -> dict[str, Any]:
        """The mean score on each task: of scores (..., cases), task -> shape (...)."""
        return task_means(self.slices, scores)


def _totals(tasks: Mapping[str, Any], weights: Mapping[str, float] | None) -> dict[str, float]:
    given = weights or {}
    totals = {task: float(given.get(task, 1.0)) for task in tasks}
    good = all(np.isfinite(weight) and weight >= 0 for weight in totals.values()) and any(totals.values())
    if not good or not given.keys() <= totals.keys():
        raise ValueError(f"weights must be numbers >= 0 of the tasks {', '.join(tasks)}, not all 0, got {dict(given)}.")
    return totals
