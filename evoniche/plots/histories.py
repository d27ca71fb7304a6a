"""Draws curves over evaluations: the mean of independent runs with its standard error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_histories"]

History = Mapping[str, ArrayLike]
Curve = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

# Okabe and Ito's palette, which colour-blind readers can tell apart too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")


def draw_histories(
    runs: Mapping[str, History | Sequence[History]], metrics: Sequence[str] = ("best", "coverage", "entropy")
) -> Figure:
    """Draw a panel for each metric and a line for each method: the mean of its runs, with one standard error as a band.

    Between two records, values are interpolated linearly. After the end of a run, the mean is that of the longer runs.

    Args:
        runs: Name of a method -> the histories of its runs (`Result.history`), or the history of its only run.
        metrics: The columns of the histories to draw, one panel each.

    Returns:
        The figure; `figure.savefig("runs.png")` writes it to a file.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: There is no run or no metric, or a history lacks the column.

    >>> history = {"evaluations": [10, 20, 30], "best": [0.1, 0.5, 0.6]}
    >>> figure = draw_histories({"M2N2": history}, metrics=["best"])
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'evoniche[plot]'.") from error
    methods = {name: [found] if isinstance(found, Mapping) else list(found) for name, found in runs.items()}
    if not metrics or not methods or not all(methods.values()):
        raise ValueError(f"draw_histories needs a metric and at least one history of each method, got {methods!r}.")
    curves = {(metric, name): _curve(name, methods[name], metric) for metric in metrics for name in methods}
    figure = Figure(figsize=(4.6 * len(metrics), 3.4), layout="constrained")
    for axis, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        for number, name in enumerate(methods):
            _draw(axis, name, len(methods[name]), curves[metric, name], _COLOURS[number % len(_COLOURS)])
        axis.set(title=metric, xlabel="evaluations")
        axis.set_xlim(left=0)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.grid(alpha=0.25, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize="small")
    return figure


def _curve(name: str, histories: Sequence[History], metric: str) -> Curve:
    """Return evaluations, mean and standard error (0 for one run), at the points of the longest run."""
    for history in histories:
        if missing := [column for column in ("evaluations", metric) if column not in history]:
            raise ValueError(f"{name}: no column {missing[0]!r}, there are {', '.join(history)}.")
    points = [np.asarray(history["evaluations"], dtype=np.float64) for history in histories]
    x = max(points, key=lambda column: float(column[-1]))
    columns = [np.interp(x, own, np.asarray(h[metric], dtype=np.float64), right=np.nan)
               for own, h in zip(points, histories, strict=True)]
    y = np.stack(columns)  # (runs, points)
    count = np.isfinite(y).sum(axis=0)
    error = np.zeros(len(x))
    several = count > 1
    error[several] = np.nanstd(y[:, several], axis=0, ddof=1) / np.sqrt(count[several])
    return x, np.nanmean(y, axis=0), error


def _draw(axis: Any, name: str, count: int, curve: Curve, colour: str) -> None:
    x, mean, error = curve
    axis.plot(x, mean, color=colour, linewidth=1.6, label=f"{name} ({count} run{'s' * (count > 1)})")
    if count > 1:
        axis.fill_between(x, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
