"""Draws a comparison as matplotlib figures, which the caller saves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray
from scipy import stats

from evoniche_baselines.compare.metrics import ONLY_IN_THE_END, label, main_metrics
from evoniche_baselines.compare.statistics import Friedman
from evoniche_baselines.compare.study import Comparison

__all__ = ["at_evaluations", "draw_boxes", "draw_critical_difference", "draw_curves", "method_style"]

# Okabe and Ito's palette, told apart by colour-blind readers too; then again with other lines.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#9A8B00")
_LINES = ("-", "--", ":", "-.")
_POINTS = 200
_BANDS = 12  # of more methods, bands hide each other
_COUNTS = ("niches", "to_target")
_THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}")


def at_evaluations(records: pd.DataFrame, grid: NDArray[np.floating]) -> NDArray[np.float64]:
    """Read off the runs of one method and metric at the same numbers of evaluations.

    Methods record at different numbers. Between two records the earlier one holds.

    Args:
        records: The rows of `Comparison.over_time` for one problem, method and metric.
        grid: Numbers of evaluations, ascending.

    Returns:
        The values, shape (runs, len(grid)); NaN before the first record of a run.

    >>> records = pd.DataFrame({"run": [0, 0], "evaluations": [10, 20], "value": [0.5, 0.75]})
    >>> at_evaluations(records, np.array([5, 15, 25]))
    array([[ nan, 0.5 , 0.75]])
    """
    rows = []
    for _, run in records.groupby("run", sort=True):
        run = run.sort_values("evaluations")
        last = np.searchsorted(run["evaluations"], grid, side="right") - 1
        rows.append(np.where(last < 0, np.nan, run["value"].to_numpy(dtype=np.float64)[last]))
    return np.stack(rows)


def draw_curves(comparison: Comparison, problem: str, metrics: Sequence[str] | None = None) -> Figure:
    """Draw each metric over evaluations: a panel for each metric, with a line for each method.

    A line is the interquartile mean of the runs, its band the middle half of them. Where the problem has a target,
    another panel shows the share of runs that have reached it.

    Args:
        comparison: What `compare` returned.
        problem: The name of the problem in its tables.
        metrics: The metrics to draw; by default those that a report shows.
    """
    table = comparison.over_time[comparison.over_time["problem"] == problem]
    final = comparison.final[comparison.final["problem"] == problem]
    metrics = main_metrics(table["metric"]) if metrics is None else list(metrics)
    to_target = final[final["metric"] == "to_target"]
    several, methods = table["run"].nunique() > 1, list(dict.fromkeys(table["method"]))
    names = [*metrics, *(["to_target"] if len(to_target) else [])]
    figure, axes = _panels(len(names), comparison.problems[problem], width=4.6, height=2.9)
    end = int(table["evaluations"].max())
    grid = np.unique(np.linspace(table["evaluations"].min(), end, _POINTS).round())
    for axis, metric in zip(axes, names, strict=True):
        for number, method in enumerate(methods):
            if metric == "to_target":
                _draw_reached(axis, to_target[to_target["method"] == method]["value"], end, method_style(number))
            else:
                rows = table[(table["method"] == method) & (table["metric"] == metric)]
                if len(rows):
                    bands = several and len(methods) <= _BANDS
                    _draw_curve(axis, grid, at_evaluations(rows, grid), method_style(number), bands)
        if metric != "to_target":
            _scale(axis, "y", metric, table[table["metric"] == metric]["value"].to_numpy(dtype=np.float64))
        axis.set_title("share of runs at the target" if metric == "to_target" else label(metric), fontsize="medium")
        axis.xaxis.set_major_formatter(_THOUSANDS)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.set_xlim(0, end)
        axis.set_xlabel("evaluations", fontsize="small")
        axis.grid(alpha=0.25, linewidth=0.6)
    _legend(figure, comparison, methods)
    return figure


def draw_boxes(comparison: Comparison, problem: str, metrics: Sequence[str] | None = None) -> Figure:
    """Draw the final values: a panel for each metric and, for each method, a box of the quartiles and every run.

    The whiskers reach to the furthest run within 1.5 lengths of the box. The panel "evaluations to target" leaves out
    the runs that did not reach the target.

    Args:
        comparison: What `compare` returned.
        problem: The name of the problem in its tables.
        metrics: The metrics to draw; by default those that a report shows, evaluations to target, and seconds.
    """
    table = comparison.final[comparison.final["problem"] == problem].dropna(subset="value")
    there = set(table["metric"])
    if metrics is None:
        recorded = comparison.over_time[comparison.over_time["problem"] == problem]["metric"]
        metrics = [name for name in (*main_metrics(recorded), *ONLY_IN_THE_END) if name in there]
    methods = list(dict.fromkeys(table["method"]))
    height = 0.9 + 0.27 * len(methods)
    columns = 3 if len(methods) <= _BANDS else 5
    figure, axes = _panels(len(metrics), comparison.problems[problem], 3.6, height, columns, share_y=True)
    for axis, metric in zip(axes, metrics, strict=True):
        rows = table[table["metric"] == metric]
        for number, method in enumerate(methods):
            values = rows[rows["method"] == method]["value"].to_numpy(dtype=np.float64)
            if len(values):
                _draw_box(axis, number, values, method_style(number)["color"])
        axis.set_title(label(metric), fontsize="medium")
        axis.set_yticks(range(len(methods)), [comparison.methods[method] for method in methods], fontsize="small")
        axis.set_ylim(len(methods) - 0.4, -0.6)
        _scale(axis, "x", metric, rows["value"].to_numpy(dtype=np.float64))
        axis.grid(alpha=0.25, linewidth=0.6, axis="x")
    return figure


def draw_critical_difference(result: Friedman, labels: dict[str, str]) -> Figure:
    """Draw average ranks over the problems, the best on the left; bars join methods that do not differ (Demsar 2006).

    Args:
        result: What `statistics.friedman` returned.
        labels: Method -> its name for a reader.
    """
    from scikit_posthocs import critical_difference_diagram

    names = {method: labels[method] for method in result.ranks.index}
    if len(set(names.values())) < len(names):
        names = {method: method for method in names}
    figure = Figure(figsize=(9, 1.6 + 0.26 * len(names)), layout="constrained")
    axis = figure.subplots()
    critical_difference_diagram(
        result.ranks.rename(index=names),
        result.p_values.rename(index=names, columns=names),
        ax=axis,
        label_fmt_left="{label} ({rank:.2f}) ",
        label_fmt_right=" ({rank:.2f}) {label}",
        label_props={"fontsize": "small"},
        elbow_props={"color": "0.35", "linewidth": 0.9},
        marker_props={"color": "0.1", "s": 14},
        crossbar_props={"color": _COLOURS[1], "linewidth": 2.5},
    )
    axis.set_title(
        f"average rank by {label(result.metric)} on {result.problems} problems "
        f"(critical difference {result.critical_difference:.2f})", fontsize="medium",
    )
    bottom, worst = axis.dataLim.y0 - 1.2, len(names)
    if 1 + result.critical_difference <= worst:
        axis.plot([1, 1 + result.critical_difference], [bottom, bottom], "|-", color="0.1", linewidth=1.2)
        axis.text(1.05 + result.critical_difference, bottom, "critical difference", va="center", fontsize="small")
    axis.set_xlim(1, worst)
    axis.set_ylim(bottom - 0.5, 0.2)
    axis.xaxis.set_major_locator(MaxNLocator(9, integer=True))
    return figure


def method_style(number: int) -> dict[str, Any]:
    """Choose the line of a method: no two of 32 look the same."""
    return {"color": _COLOURS[number % len(_COLOURS)], "linestyle": _LINES[number // len(_COLOURS) % len(_LINES)]}


def _panels(
    count: int, title: str, width: float, height: float, most: int = 3, *, share_y: bool = False
) -> tuple[Figure, list[Any]]:
    """Make axes in as few rows as possible, filled as evenly as possible, and leave none empty."""
    columns = -(-count // -(-count // most))
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns + 1.6, height * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=share_y)
    for axis in grid.flat[count:]:
        axis.remove()
    for axis in grid.flat[:count]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize="small")
    figure.suptitle(title)
    return figure, list(grid.flat[:count])


def _draw_curve(axis: Any, grid: NDArray[Any], values: NDArray[Any], style: dict[str, Any], bands: bool) -> None:
    known = np.isfinite(values).all(axis=0)
    x, y = grid[known], values[:, known]
    axis.plot(x, stats.trim_mean(y, 0.25, axis=0), linewidth=1.5, **style)
    if bands:
        low, high = np.quantile(y, (0.25, 0.75), axis=0)
        axis.fill_between(x, low, high, color=style["color"], alpha=0.13, linewidth=0)


def _scale(axis: Any, side: str, metric: str, values: NDArray[np.float64]) -> None:
    """Set limits and ticks that fit the values: none below 0 or above 1 where no value is, whole numbers for counts."""
    values = values[np.isfinite(values)]
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())
    counts = bool((values == values.round()).all()) and (high > 1 or metric in _COUNTS)
    along = axis.xaxis if side == "x" else axis.yaxis
    if high >= 1000:
        along.set_major_formatter(_THOUSANDS)
    else:
        axis.ticklabel_format(axis=side, useOffset=False)
    along.set_major_locator(MaxNLocator(4 if side == "x" else 5, integer=counts, steps=(1, 2, 2.5, 5, 10)))
    get, set_limits = (axis.get_xlim, axis.set_xlim) if side == "x" else (axis.get_ylim, axis.set_ylim)
    shown = get()
    if low == high:
        around = 1.0 if counts else abs(low) / 2
        low, high = (0.0, 1.0) if 0 <= low <= 1 else (low - around, low + around)
        shown = (low - 0.03, high + 0.03)
    margin = 0.03 * (high - low)
    set_limits(max(shown[0], -margin) if low >= 0 else shown[0], min(shown[1], 1 + margin) if high <= 1 else shown[1])


def _draw_reached(axis: Any, to_target: pd.Series, end: int, style: dict[str, Any]) -> None:
    reached = np.sort(to_target.dropna().to_numpy())
    share = np.arange(len(reached) + 1) / len(to_target)
    axis.step([0, *reached, end], [*share, share[-1]], where="post", linewidth=1.5, **style)
    axis.set_ylim(-0.03, 1.03)


def _draw_box(axis: Any, place: int, values: NDArray[Any], colour: str) -> None:
    line = {"color": colour, "linewidth": 1.1}
    axis.boxplot(
        values, positions=[place], orientation="horizontal", widths=0.6, showfliers=False, manage_ticks=False,
        boxprops=line, whiskerprops=line, capprops=line, medianprops={**line, "linewidth": 2.2},
    )
    # Points are moved aside by their order, the same in each picture.
    aside = np.resize([0.0, 0.18, -0.18, 0.09, -0.09], len(values))
    axis.plot(values, place + aside, "o", color=colour, markersize=3.4, alpha=0.5, markeredgewidth=0)


def _legend(figure: Figure, comparison: Comparison, methods: Sequence[str]) -> None:
    """Put one legend for all panels beside them."""
    lines = [Line2D([], [], linewidth=1.8, **method_style(number)) for number in range(len(methods))]
    names = [comparison.methods[method] for method in methods]
    figure.legend(lines, names, loc="outside right upper", frameon=False, fontsize="small", handlelength=2.6)
