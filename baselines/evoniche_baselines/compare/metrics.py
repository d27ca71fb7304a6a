"""Says which metrics a reader sees, in which order, and under which names."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ONLY_IN_THE_END", "label", "main_metrics"]

ONLY_IN_THE_END = ("to_target", "seconds")

_LABELS = {
    "best": "best so far",
    "held_out": "best so far, held-out score",
    "mean": "mean of the members",
    "coverage": "coverage of the cases",
    "entropy": "entropy (bits)",
    "niches": "distinct niches held",
    "niches_found": "distinct niches ever found",
    "qd_score": "QD score",
    "to_target": "evaluations to target",
}
_NOT_SHOWN = ("best_member", *ONLY_IN_THE_END)  # the best member is hardly ever worse than the best so far


def label(metric: str) -> str:
    """Return the name of a metric for tables and axes.

    >>> label("qd_score"), label("share of A")
    ('QD score', 'share of A')
    """
    return _LABELS.get(metric, metric.replace("_", " "))


def main_metrics(metrics: Iterable[str]) -> list[str]:
    """Choose the metrics over time that a report shows: first the general ones in order, then the problem's own.

    >>> main_metrics(["share of A", "best_member", "mean", "best"])
    ['best', 'mean', 'share of A']
    """
    there = [name for name in dict.fromkeys(metrics) if name not in _NOT_SHOWN]
    return [name for name in _LABELS if name in there] + [name for name in there if name not in _LABELS]
