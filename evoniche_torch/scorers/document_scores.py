"""Turns what lm-evaluation-harness logs for each document into scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["document_scores"]

_OF_ALL = ("perplexity", "bypass_agg")
"""Aggregations of values that do not score a document: of log-likelihoods, or of nothing."""

Row = Mapping[str, Any]


def document_scores(
    task: Any, name: str, samples: Sequence[Row], metric: str | None, chosen: str | None
) -> NDArray[np.float64]:
    """Compute one score for each document, in the order of their numbers.

    Args:
        task: A task of the harness.
        name: The name of the task.
        samples: The log of the harness: a row for each document and filter.
        metric: The name of the metric; when None, the first that is one number for each document.
        chosen: The name of the filter; the first when None.

    Returns:
        Finite scores >= 0 of shape (documents,): the metric x, or 1 / (1 + x) where lower is better.

    Raises:
        ValueError: There is no such filter or metric, or the metric is not one number for each document, or it is
            negative or NaN.
    """
    filters = list(dict.fromkeys(row["filter"] for row in samples))
    if chosen is not None and chosen not in filters:
        raise ValueError(f"task {name!r} has no filter {chosen!r}, but {_listed(filters)}.")
    chosen = filters[0] if chosen is None else chosen
    rows = sorted((row for row in samples if row["filter"] == chosen), key=lambda row: row["doc_id"])
    metric = _metric(task, name, rows, metric)
    values = np.array([row[metric] for row in rows], dtype=np.float64)
    wrong = ~(values >= 0) | (np.isinf(values) & _higher(task)[metric])
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(f"metric {metric!r} of task {name!r} must be finite and >= 0, got {values[first]} for "
                         f"document {rows[first]['doc_id']}: choose or write a metric that is a score.")
    return values if _higher(task)[metric] else 1 / (1 + values)


def _metric(task: Any, name: str, rows: Sequence[Row], metric: str | None) -> str:
    given: list[str] = list(dict.fromkeys(key for row in rows for key in row["metrics"]))
    possible = [key for key in given if _flaw(task, rows, key) is None]
    if metric is None and possible:
        return possible[0]
    if metric is None:
        flaws = "; ".join(f"{key}: {_flaw(task, rows, key)}" for key in given)
        raise ValueError(f"task {name!r} has no metric that is one number for each document ({flaws}): give it one, by "
                         "metric_list or process_results in its file.")
    if metric in possible:
        return metric
    flaw = _flaw(task, rows, metric) if metric in given else "it is not computed"
    raise ValueError(f"metric {metric!r} of task {name!r} does not score single documents ({flaw}): "
                     f"those that do are {_listed(possible)}.")


def _flaw(task: Any, rows: Sequence[Row], metric: str) -> str | None:
    """Say why a metric does not score documents; None if it does."""
    for row in rows:
        if metric not in row["metrics"]:
            return f"document {row['doc_id']} has none"
        if not isinstance(row[metric], bool | int | float | np.number | np.bool):
            return f"its value for a document is a {type(row[metric]).__name__}"
    aggregation = getattr(task.aggregation().get(metric), "__name__", "")
    if aggregation in _OF_ALL:
        return "it is of all documents together"
    if metric not in _higher(task):
        return "its task does not say whether higher_is_better"
    return None


def _higher(task: Any) -> Mapping[str, bool]:
    higher: Mapping[str, bool] = task.higher_is_better()
    return higher


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
