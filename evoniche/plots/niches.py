"""Who lives from what, and who attracts whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evoniche import functional
from evoniche.plots._figure import by_niche, empty, new_figure
from evoniche.plots.record import RunRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_attraction", "draw_niches"]

_CASES, _MEMBERS = 600, 400


def draw_niches(record: RunRecord) -> Figure:
    """Draw members x cases, both ordered so that niches stand together, with the load and the price of each case.

    Cases on which all members score the same are left out, since nobody lives from them. Of more than 600 cases, those
    on which members differ most are drawn, and of more than 400 members the newest.
    """
    rows = record.scores[-_MEMBERS:]
    spread = np.ptp(rows, axis=0) if len(rows) else np.zeros(0)
    kept = np.sort(np.argsort(-rows.std(axis=0), kind="stable")[:_CASES]) if len(rows) else np.zeros(0, dtype=int)
    kept = kept[spread[kept] > 0]
    if not len(kept):
        return empty("There is no case on which the members differ.")
    shown = rows[:, kept]
    members, cases = by_niche(shown), by_niche(shown.T)
    load = functional.case_load(record.scores)[kept][cases]
    price = functional.case_weights(load, functional.case_capacity(record.scores)[kept][cases])
    figure = new_figure(12, 3.0 + min(5.0, 0.12 * len(members)))
    top, below = figure.subplots(2, 1, height_ratios=[1, 3], sharex=True)
    x = np.arange(len(cases))
    top.step(x, load, where="mid", color="#0072B2", label="load")
    top.set_ylabel("load", color="#0072B2")
    prices = top.twinx()
    prices.step(x, np.where(load > 0, price, np.nan), where="mid", color="#D55E00")
    prices.set_ylabel("price", color="#D55E00")
    picture = below.imshow(shown[np.ix_(members, cases)], aspect="auto", cmap="cividis", interpolation="nearest",
                           vmin=min(0.0, float(shown.min())))  # fmt: skip
    below.set(xlabel=f"{len(cases):,} of {record.scores.shape[1]:,} cases, by niche", ylabel="members, by niche")
    if len(members) <= 30:
        below.set_yticks(range(len(members)), record.ids[-_MEMBERS:][members].tolist(), fontsize="x-small")
    figure.colorbar(picture, ax=below, label="score", location="bottom", shrink=0.3, aspect=40)
    return figure


def draw_attraction(record: RunRecord) -> Figure:
    """Draw the attraction of each member (column) to each other as a first parent (row), and who has mated."""
    if len(record.ids) < 2:
        return empty("There are fewer than two members.")
    ids, rows = record.ids[-_MEMBERS:], record.scores[-_MEMBERS:]
    order = by_niche(rows)
    attraction = np.asarray(functional.attraction(rows, order))[:, order]
    place = {int(child): position for position, child in enumerate(ids[order].tolist())}
    pairs = [(place[b], place[a]) for a, b in record.parents.tolist() if a in place and b in place and a != b]
    figure = new_figure(7.4, 6.2)
    axis: Any = figure.subplots()
    picture = axis.imshow(attraction, cmap="cividis", interpolation="nearest")
    if pairs:
        dots, counts = np.unique(np.array(pairs), axis=0, return_counts=True)
        size = np.minimum(12 + 10 * (counts - 1), 80)
        axis.scatter(*dots.T, s=size, color="#D55E00", edgecolor="white", linewidth=0.5)
    axis.set(xlabel="mate", ylabel="first parent", title=f"{len(pairs):,} matings of {len(ids)} members")
    if len(ids) <= 30:
        axis.set_xticks(range(len(ids)), ids[order].tolist(), rotation=90, fontsize="x-small")
        axis.set_yticks(range(len(ids)), ids[order].tolist(), fontsize="x-small")
    figure.colorbar(picture, ax=axis, label="attraction (eq. 4)")
    return figure
