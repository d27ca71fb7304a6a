"""Joins several tasks: the cases of one after those of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from evoniche_torch.scorers.evaluation import case_scores, why_not_by_case

__all__ = ["MultiTaskScorer", "importance_of", "task_means", "task_slices"]

Slices = Mapping[str, slice]


def task_slices(sizes: Mapping[str, int]) -> dict[str, slice]:
    """The columns of each task when the cases of all are joined in this order, as task -> slice.

    >>> task_slices({"sums": 2, "words": 3})
    {'sums': slice(0, 2, None), 'words': slice(2, 5, None)}
    """
    ends = np.cumsum([0, *sizes.values()]).tolist()
    return {task: slice(start, stop) for task, start, stop in zip(sizes, ends[:-1], ends[1:], strict=True)}


def importance_of(slices: Slices, weights: Mapping[str, float] | None = None) -> NDArray[np.float64]:
    """Compute the importance of each case so that all tasks count the same, however many cases they have.

    Args:
        slices: The columns of each task.
        weights: How much tasks count otherwise: one of weight 2 counts twice as much as one of weight 1. Tasks that
            are not named have weight 1.

    Returns:
        The importance of each case, shape (cases,), with mean 1.

    Raises:
        ValueError: There is a weight for an unknown task, a weight is not >= 0, or all are 0.

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
    """Compute the mean score on each task.

    Args:
        slices: The columns of each task.
        scores: Shape (..., cases).

    Returns:
        Task -> the mean over its cases, shape (...).

    Raises:
        ValueError: The scores have another number of cases.

    >>> {task: float(mean) for task, mean in task_means({"sums": slice(0, 1), "words": slice(1, 3)}, [1, 0, 1]).items()}
    {'sums': 1.0, 'words': 0.5}
    """
    table = np.asarray(scores, dtype=np.float64)
    count = max(part.stop for part in slices.values())
    if not table.ndim or table.shape[-1] != count:
        raise ValueError(f"scores must have a column for each of the {count} cases, got shape {table.shape}.")
    return {task: table[..., part].mean(axis=-1) for task, part in slices.items()}


@final
class MultiTaskScorer:
    """Joins several evaluations of one model: the cases of the first task, then those of the next.

    It is an evaluation itself, for `CheckpointScorer` or alone. The number of cases of a task is known once a model has
    been evaluated. So evaluate one, such as a seed, before you ask for `slices`, `importance` or `task_means`; an
    `LmEvalScorer` knows its number from the start. Some cases can be scored without the others if each task can do so.

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
        self, scorers: Mapping[str, Callable[..., Any]], weights: Mapping[str, float] | None = None
    ) -> None:
        """Take the tasks.

        Args:
            scorers: Task -> a function `f(model) -> scores` of its cases, shape (cases,); or `f(model, cases=None)`.
            weights: Task -> how much it counts in `importance`; all the same when None.

        Raises:
            ValueError: There are no tasks, one is not a function, or the weights do not fit.
        """
        if not scorers or not all(map(callable, scorers.values())):
            raise ValueError(f"MultiTaskScorer(scorers=...) must be tasks and functions f(model), got {scorers!r}.")
        _totals(scorers, weights)
        self._scorers = dict(scorers)
        self._weights = weights
        self._sizes: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"MultiTaskScorer({', '.join(self._scorers)})"

    def __call__(self, model: Any, cases: NDArray[np.intp] | None = None) -> NDArray[Any]:
        """Score a model on all tasks; shape (cases,).

        Args:
            model: The model.
            cases: The numbers of the cases to look at, from 0 on; all when None.

        Raises:
            ValueError: The scores of a task are not a vector, or not of as many cases as before, or as asked for.
        """
        if cases is not None:
            return self._some(model, np.asarray(cases))
        rows = {}
        for task, scorer in self._scorers.items():
            rows[task] = case_scores(scorer(model), self._sizes.get(task), f"task {task!r}")
        self._sizes = {task: len(row) for task, row in rows.items()}
        return np.concatenate(list(rows.values()))

    @property
    def why_not_by_case(self) -> str:
        """Why this cannot look at some cases without the others; "" if it can."""
        reasons = {task: why_not_by_case(scorer) for task, scorer in self._scorers.items()}
        return "; ".join(f"task {task!r}: {why}" for task, why in reasons.items() if why)

    @property
    def identity(self) -> dict[str, Any]:
        """What the scores of each task follow from, beside the model: what it says of itself, and its cases.

        An evaluation may say more by an attribute `identity`, a dict of plain values such as a digest of its data.
        """
        sizes = {task: part.stop - part.start for task, part in self.slices.items()}
        return {
            task: {"cases": sizes[task], **getattr(scorer, "identity", {})} for task, scorer in self._scorers.items()
        }

    @property
    def slices(self) -> dict[str, slice]:
        """The columns of each task, as task -> slice.

        Raises:
            ValueError: No model has been evaluated yet.
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
        """The importance of each case, for the `importance` of an algorithm: shape (cases,), with mean 1.

        All tasks count the same, unless there are weights.
        """
        return importance_of(self.slices, self._weights)

    def task_means(self, scores: Any) -> dict[str, Any]:
        """The mean score on each task, as task -> shape (...), for scores of shape (..., cases)."""
        return task_means(self.slices, scores)

    def _some(self, model: Any, cases: NDArray[np.intp]) -> NDArray[Any]:
        """The scores of some cases, in their order."""
        parts = []
        for task, columns in self.slices.items():
            here = np.flatnonzero((cases >= columns.start) & (cases < columns.stop))
            if len(here):
                found = self._scorers[task](model, cases[here] - columns.start)
                parts.append((here, case_scores(found, None, f"task {task!r}", len(here))))
        if sum(len(here) for here, _ in parts) != len(cases):
            raise ValueError(f"cases must be numbers from 0 to {max(c.stop for c in self.slices.values()) - 1}, got "
                             f"{cases.tolist()}.")
        order = np.argsort(np.concatenate([here for here, _ in parts]))
        return np.concatenate([scores for _, scores in parts])[order]


def _totals(tasks: Mapping[str, Any], weights: Mapping[str, float] | None) -> dict[str, float]:
    given = weights or {}
    totals = {task: float(given.get(task, 1.0)) for task in tasks}
    good = all(np.isfinite(weight) and weight >= 0 for weight in totals.values()) and any(totals.values())
    if not good or not given.keys() <= totals.keys():
        raise ValueError(f"weights must be numbers >= 0 of the tasks {', '.join(tasks)}, not all 0, got {dict(given)}.")
    return totals
