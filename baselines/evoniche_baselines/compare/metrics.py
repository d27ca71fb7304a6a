"""Which metrics a reader is shown, in which order, and how they are called."""

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
    "qd_score": "QD score",
    "to_target": "evaluations to target",
}
_ACCURACIES, _SHOWN = ("peak_ratio_", "success_"), ("_1e-4",)


def label(metric: str) -> str:
    """As in a table or on an axis."""
    return _LABELS.get(metric, metric)


def main_metrics(metrics: Iterable[str]) -> list[str]:
    """Those to be shown, in order: the general ones, then the problem's own.

    Of the five accuracies of peak ratios, 1e-4 is shown, the one that tables of the literature are at.
    """
    there = list(dict.fromkeys(metrics))
    general = [name for name in _LABELS if name in there and name not in ONLY_IN_THE_END]
    own = [name for name in there if name not in _LABELS and name not in ONLY_IN_THE_END]
    return general + [name for name in own if not name.startswith(_ACCURACIES) or name.endswith(_SHOWN)]
