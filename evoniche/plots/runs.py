"""Curves over evaluations: the mean of independent runs with its standard error."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["Runs", "draw_runs", "read_runs"]

_NAMES = {"best": "training accuracy", "test": "test accuracy", "mean": "mean of the population"}
_ALL = ("test", "coverage", "entropy")
# Okabe and Ito's palette, told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")


@final
@attrs.frozen(eq=False)
class Runs:
    """Independent runs of one method."""

    label: str
    """The method, as in the legend."""
    group: str
    """What is compared in one column of panels."""
    histories: Sequence[Mapping[str, NDArray[np.float64]]]
    """For each run: name -> column, "evaluations" among them."""
    seeds: Sequence[int] = ()
    """Of the runs, where they are known: no run may count twice."""

    def curve(self, metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Evaluations, the mean over the runs, and its standard error (0 for one run), each of shape (points,).

        Runs that were recorded at other points are read off at those of the longest.

        Raises:
            ValueError: The histories have no such column.
        """
        if missing := [m for m in ("evaluations", metric) if m not in self.histories[0]]:
            raise ValueError(f"{self.label}: no column {missing[0]!r}, there are {', '.join(self.histories[0])}.")
        x = max((history["evaluations"] for history in self.histories), key=lambda column: column[-1])
        columns = [np.interp(x, h["evaluations"], h[metric], right=np.nan) for h in self.histories]
        y = np.stack(columns)  # (runs, points)
        count = np.isfinite(y).sum(axis=0)
        error = np.zeros(len(x))
        several = count > 1
        error[several] = np.nanstd(y[:, several], axis=0, ddof=1) / np.sqrt(count[several])
        return x, np.nanmean(y, axis=0), error


def read_runs(folder: Path) -> Runs:
    """Read history.csv and result.json, as `evoniche run` writes them.

    Raises:
        ValueError: One of the two is missing or is no such file.
    """
    try:
        result = json.loads((folder / "result.json").read_text())
        with (folder / "history.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
        table = np.array(rows, dtype=np.float64)
        columns = dict(zip(header, table.T, strict=True))
        seeds = columns.pop("seed")
        each = np.unique(seeds)
        histories = [{name: c[seeds == seed] for name, c in columns.items()} for seed in each]
        return Runs(result["label"], result["group"], histories, [int(seed) for seed in each])
    except FileNotFoundError as error:
        raise ValueError(f"{folder} holds no runs: {Path(error.filename).name} is missing.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder} holds no runs: result.json or history.csv is garbled ({error}).") from error


def draw_runs(runs: Iterable[Runs], path: Path, *, metrics: Sequence[str] | None = None) -> Path:
    """Draw a panel for each metric (rows) and group (columns), a line for each method.

    Args:
        runs: Those of one label and group count as one method.
        path: The picture; its ending says of which kind.
        metrics: Columns of the histories; test accuracy, coverage and entropy, as far as there are, when None.

    Returns:
        The path.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: No runs, a run that comes twice, or an unknown metric.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'evoniche[plot]'.") from error
    methods = _joined(runs)
    if not methods:
        raise ValueError("draw_runs needs at least one set of runs, got none.")
    if metrics is None:
        metrics = [m for m in _ALL if all(m in r.histories[0] for r in methods)]
    groups = list(dict.fromkeys(r.group for r in methods))
    labels = list(dict.fromkeys(r.label for r in methods))
    size = (max(5.5, 4.8 * len(groups)), 3.4 if len(metrics) == 1 else 2.7 * len(metrics))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(metrics), len(groups), squeeze=False, sharex="col", sharey="row")
    thousands = FuncFormatter(lambda value, _: f"{value:,.0f}")
    for row, metric in zip(axes, metrics, strict=True):
        for axis, group in zip(row, groups, strict=True):
            for method in methods:
                if method.group == group:
                    _draw(axis, method, metric, _COLOURS[labels.index(method.label) % len(_COLOURS)])
            axis.grid(alpha=0.25, linewidth=0.6)
            axis.spines[["top", "right"]].set_visible(False)
            axis.xaxis.set_major_formatter(thousands)
            axis.set_xlim(left=0)
        row[0].set_ylabel(_NAMES.get(metric, metric))
    for axis, group in zip(axes[0], groups, strict=True):
        axis.set_title(group)
    for axis in axes[-1]:
        axis.set_xlabel("evaluations")
    for axis in axes[0]:
        axis.legend(frameon=False, fontsize="small", loc="best")
    if any(len(method.histories) > 1 for method in methods):
        figure.supxlabel("lines are means over the runs, bands one standard error", fontsize="x-small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return path


def _draw(axis: Any, method: Runs, metric: str, colour: str) -> None:
    x, mean, error = method.curve(metric)
    count = len(method.histories)
    axis.plot(x, mean, color=colour, linewidth=1.6, label=f"{method.label} ({count} run{'s' * (count > 1)})")
    if count > 1:
        axis.fill_between(x, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)


def _joined(runs: Iterable[Runs]) -> list[Runs]:
    together: dict[tuple[str, str], Runs] = {}
    for r in runs:
        key = (r.group, r.label)
        before = together.get(key, Runs(r.label, r.group, ()))
        if again := set(before.seeds) & set(r.seeds):
            raise ValueError(f"{r.label} {r.group} comes twice with the seeds {sorted(again)}: a run counts once.")
        together[key] = Runs(r.label, r.group, [*before.histories, *r.histories], [*before.seeds, *r.seeds])
    return list(together.values())
