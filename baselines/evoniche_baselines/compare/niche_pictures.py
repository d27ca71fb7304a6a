"""Draws the niches of a population: who solves what, and who attracts whom."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage

from evoniche import functional
from evoniche_baselines.compare.study import Comparison

__all__ = ["draw_attraction", "draw_scores", "order_by_niche"]

_OPTIMAL = 200  # up to so many different members, neighbours in the order are as similar as can be
_COLUMNS = 4
_SHARP = 250  # about as many points as a panel has


def order_by_niche(scores: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Order members so that those of a niche stand together, and cases so that each is beside its solvers.

    Members are ordered by hierarchical clustering (average linkage, sum of absolute differences). Cases are ordered by
    the mean place of those who solve them, weighted by their scores; cases that nobody solves come last.

    Args:
        scores: Shape (members, cases).

    Returns:
        The positions of the members in this order, shape (members,), and those of the cases, shape (cases,).

    >>> members, cases = order_by_niche(np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]]))
    >>> members.tolist(), cases.tolist()
    ([1, 0, 2], [1, 0, 2])
    """
    scores = np.asarray(scores, dtype=np.float64)
    rows, inverse = np.unique(scores, axis=0, return_inverse=True)
    place = np.zeros(len(rows), dtype=np.intp)
    if len(rows) > 1:
        tree = linkage(rows, "average", metric="cityblock", optimal_ordering=len(rows) <= _OPTIMAL)
        place[leaves_list(tree)] = np.arange(len(rows))
    members = np.argsort(place[inverse.ravel()], kind="stable")
    load = scores.sum(axis=0)
    centre = np.full(len(load), np.inf)
    np.divide(np.arange(len(members)) @ scores[members], load, out=centre, where=load > 0)
    return members, np.argsort(centre, kind="stable")


def draw_scores(comparison: Comparison, problem: str) -> Figure:
    """Draw the scores (members x cases) at the end of each method's first run, ordered by niche.

    Args:
        comparison: What `compare` returned.
        problem: The name of the problem in its tables.
    """
    runs = _first_runs(comparison, problem)
    top = max(float(scores.max()) for scores in runs.values())
    figure, axes = _panels(len(runs), f"{comparison.problems[problem]}: scores of members (rows) on cases (columns)")
    for axis, (method, scores) in zip(axes, runs.items(), strict=True):
        members, cases = order_by_niche(scores)
        image = _draw(axis, scores[np.ix_(members, cases)], comparison.methods[method], top)
    _scale(figure, axes, image, "score")
    return figure


def draw_attraction(comparison: Comparison, problem: str) -> Figure:
    """Draw the attraction (first parents x mates) at the end of each method's first run, ordered by niche.

    The values of each matrix are divided by its largest one.

    Args:
        comparison: What `compare` returned.
        problem: The name of the problem in its tables.
    """
    runs = _first_runs(comparison, problem)
    title = f"{comparison.problems[problem]}: attraction of first parents (rows) to mates (columns)"
    figure, axes = _panels(len(runs), title)
    for axis, (method, scores) in zip(axes, runs.items(), strict=True):
        members, _ = order_by_niche(scores)
        binary = bool(np.isin(scores, (0, 1)).all())
        matrix = functional.attraction(scores, members, capacity="max", binary=binary)[:, members]
        matrix = matrix / (matrix.max() or 1.0)
        image = _draw(axis, matrix, comparison.methods[method], 1.0)
    _scale(figure, axes, image, "part of the largest")
    return figure


def _first_runs(comparison: Comparison, problem: str) -> dict[str, NDArray[np.floating]]:
    """Return the scores of each method's first run that is there, so that nobody picks a good-looking one."""
    runs: dict[str, NDArray[np.floating]] = {}
    for (name, method, _), scores in sorted(comparison.scores.items(), key=lambda item: item[0][2]):
        if name == problem:
            runs.setdefault(method, scores)
    return {method: runs[method] for method in comparison.methods if method in runs}


def _panels(count: int, title: str) -> tuple[Figure, list[Any]]:
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(max(6.5, 2.9 * columns + 0.8), 2.6 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axis in grid.flat[count:]:
        axis.remove()
    figure.suptitle(title, fontsize="medium")
    return figure, list(grid.flat[:count])


def _scale(figure: Figure, axes: list[Any], image: Any, text: str) -> None:
    """Add one colour bar for all panels, about as high as two of them."""
    rows = -(-len(axes) // _COLUMNS)
    bar = figure.colorbar(image, ax=axes, shrink=min(0.9, 1.8 / rows), aspect=20, fraction=0.04, anchor=(0.0, 1.0))
    bar.set_label(text, fontsize="small")
    bar.ax.tick_params(labelsize="small")


def _draw(axis: Any, matrix: NDArray[Any], title: str, top: float) -> Any:
    axis.set_title(title, fontsize="small", wrap=True)
    axis.tick_params(labelsize="x-small")
    for side, length in zip((axis.yaxis, axis.xaxis), matrix.shape, strict=True):
        side.set_major_locator(MaxNLocator(4, integer=True) if length > 1 else FixedLocator([0]))
    # Few cells would be blurred where they meet, and of many, some would be skipped.
    interpolation = "nearest" if max(matrix.shape) <= _SHARP else "antialiased"
    return axis.imshow(matrix, cmap="cividis", vmin=0, vmax=top, aspect="auto", interpolation=interpolation)
