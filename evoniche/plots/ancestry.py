"""Where the best solution came from: its ancestors, and the seeds along a merge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evoniche.plots._figure import COLOURS, empty, new_figure, tidy
from evoniche.plots.record import RunRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ancestors", "draw_genealogy", "draw_provenance"]

_ANCESTORS, _JUMPS = 2000, 8


def ancestors(record: RunRecord, child: int) -> NDArray[np.int64]:
    """A child and all its ancestors, rising, so that parents stand before their children."""
    known, open_ = {child}, [child]
    while open_:
        for parent in record.parents[open_.pop()].tolist():
            if parent >= 0 and parent not in known:
                known.add(parent)
                open_.append(parent)
    return np.array(sorted(known), dtype=np.int64)


def draw_genealogy(record: RunRecord, child: int | None = None) -> Figure:
    """Draw a child's ancestors: a column for each generation, the first genomes at the left, height by score.

    A generation is one more than that of the later parent. The colour is that of the first genome that has given most,
    where each parent gives half; crossovers whose child is furthest above its better parent are ringed. Of more than
    2,000 ancestors the newest are drawn.

    Args:
        record: The run.
        child: Whose ancestors to draw; the best one's when None.
    """
    child = record.best if child is None else child
    if child is None:
        return empty("Nothing was told yet.")
    line = ancestors(record, child)
    dominant, generation, jump = _inheritance(record, line)
    drawn = line[-_ANCESTORS:].tolist()
    there = set(drawn)
    place = {c: (generation[c], float(record.means[c])) for c in drawn}
    names = [root for root, _ in sorted(_count(dominant[c] for c in drawn).items(), key=lambda item: -item[1])]
    colours = dict(zip(names, COLOURS, strict=False))
    figure = new_figure(12, 5.2)
    axis: Any = figure.subplots()
    from matplotlib.collections import LineCollection

    edges = [(place[p], place[c]) for c in drawn for p in set(record.parents[c].tolist()) if p in there]
    faint = max(0.12, 0.6 - len(drawn) / 2000)
    axis.add_collection(LineCollection(edges, colors="#777777", linewidths=0.5, alpha=faint))
    points = np.array([place[c] for c in drawn])
    size = 28 if len(drawn) < 200 else 9
    axis.scatter(*points.T, s=size, color=[colours.get(dominant[c], "#bbbbbb") for c in drawn], zorder=2)
    ringed = [c for c in sorted(there, key=lambda c: -jump[c])[:_JUMPS] if jump[c] > 0]
    if ringed:
        axis.scatter(*np.array([place[c] for c in ringed]).T, s=90, facecolor="none", edgecolor="black", zorder=3,
                     label="largest jumps")  # fmt: skip
    for root in names[: len(COLOURS)]:
        axis.scatter([], [], color=colours[root], label=f"first genome {root}")
    more = "" if len(drawn) == len(line) else f", the newest {len(drawn):,} drawn"
    tidy(axis, xlabel="generation", ylabel="score", title=f"{len(line) - 1:,} ancestors of child {child}{more}")
    axis.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def draw_provenance(record: RunRecord, child: int | None = None) -> Figure:
    """Draw which seed each parameter of a merge came from, its split points, and those of all members.

    Args:
        record: The run.
        child: Whose recipe to draw; the best one's when None, or that of the best child whose recipe is stored.
    """
    if not record.recipes:
        return empty("The store has no recipes of this run.")
    if child is None:
        child = max(record.recipes, key=lambda c: -np.inf if np.isnan(record.means[c]) else record.means[c])
    bounds, table = record.recipes[child]
    share = np.abs(table) / np.maximum(np.abs(table).sum(axis=1, keepdims=True), 1e-300)
    figure = new_figure(10, 4.6)
    top, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    low = np.zeros(len(share))
    for seed, part in enumerate(share.T):
        colour = COLOURS[seed % len(COLOURS)]
        top.stairs(low + part, bounds, baseline=low, fill=True, color=colour, label=f"seed {seed}")
        low = low + part
    top.set(ylabel="share", ylim=(0, 1), title=f"child {child}: {len(share)} segments")
    top.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    alive = [record.recipes[c][0][1:-1] for c in record.ids.tolist() if c in record.recipes]
    cuts = np.concatenate(alive) if alive else np.zeros(0)
    below.hist(cuts, bins=80, range=(0, int(bounds[-1])), color="#555555")
    tidy(below, xlabel="parameter", ylabel="cuts of all\nmembers")
    return figure


def _inheritance(record: RunRecord, line: NDArray[np.int64]) -> tuple[dict[int, int], dict[int, int], dict[int, float]]:
    """Of each ancestor the first genome that gave most, its generation, and how far it is above its better parent."""
    roots = [c for c in line.tolist() if record.parents[c, 0] < 0]
    column = {root: number for number, root in enumerate(roots)}
    given: dict[int, NDArray[np.float64]] = {}
    generation: dict[int, int] = {}
    jump: dict[int, float] = {}
    for c in line.tolist():
        parents = [p for p in record.parents[c].tolist() if p >= 0]
        if not parents:
            given[c], generation[c], jump[c] = np.eye(1, len(roots), column[c])[0], 0, 0.0
            continue
        given[c] = np.mean([given[p] for p in parents], axis=0)
        generation[c] = 1 + max(generation[p] for p in parents)
        rise = float(record.means[c] - np.nanmax(record.means[parents]))
        jump[c] = rise if len(set(parents)) == 2 else 0.0
    return {c: roots[int(given[c].argmax())] for c in line.tolist()}, generation, jump


def _count(values: Any) -> dict[int, int]:
    counts: dict[int, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts
