"""How a run came to where it is: scores, niches, lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evoniche.plots._figure import COLOURS, empty, new_figure, tidy
from evoniche.plots.record import RunRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_operators", "draw_progress", "draw_survival", "draw_takeover"]


def draw_progress(record: RunRecord) -> Figure:
    """Draw best, mean, coverage, entropy and the number of distinct niches over evaluations.

    A niche is a set of solved cases (score of 0.5 or more); two members with the same set are in one.
    """
    x = record.history.get("evaluations")
    if x is None or not len(x):
        return empty("The run has no history yet.")
    figure = new_figure(12, 3.6)
    axes = figure.subplots(1, 3)
    marker = "." if len(x) < 12 else ""
    panels = ((axes[0], "scores", ("best", "best_member", "mean")), (axes[1], "niches", ("coverage", "entropy")))
    for axis, title, names in panels:
        for name, colour in zip(names, COLOURS, strict=False):
            if name in record.history:
                axis.plot(x, record.history[name], label=name.replace("_", " "), color=colour, marker=marker)
        tidy(axis, title=title, xlabel="evaluations")
        axis.legend(frameon=False, fontsize="small")
    axes[2].step(*record.niches.T, where="post", color=COLOURS[2], marker="." if len(record.niches) < 12 else "")
    tidy(axes[2], title="distinct niches", xlabel="evaluations")
    axes[2].set_ylim(bottom=0)
    return figure


def draw_takeover(record: RunRecord) -> Figure:
    """Draw the share of members that descend, by first parents, from each of the first genomes, over evaluations."""
    if len(record.niches) < 2:
        return empty("Fewer than two tells have been made.")
    roots = np.arange(len(record.parents))
    for child, first in enumerate(record.parents[:, 0].tolist()):  # a parent has a lower number than its child
        if first >= 0:
            roots[child] = roots[first]
    times = np.unique(np.linspace(record.told[record.told >= 0].min(), max(record.told.max(), 1), 200).astype(int))
    alive = [roots[record.alive(int(time))] for time in times]
    counts = np.stack([np.bincount(now, minlength=len(roots)) / max(len(now), 1) for now in alive])
    common = np.argsort(-counts[-1] - 1e-3 * counts.mean(axis=0), kind="stable")[: len(COLOURS)]
    common = common[counts[:, common].max(axis=0) > 0]
    figure = new_figure(9, 3.6)
    axis = figure.subplots()
    rest = 1 - counts[:, common].sum(axis=1)
    labels = [f"first genome {root}" for root in common.tolist()]
    axis.stackplot(times, *counts[:, common].T, np.clip(rest, 0, 1), labels=[*labels, "others"],
                   colors=[*COLOURS[: len(common)], "#cccccc"])  # fmt: skip
    tidy(axis, xlabel="evaluations", ylabel="share of the members", ylim=(0, 1))
    axis.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def draw_survival(record: RunRecord) -> Figure:
    """Draw the share of children that are still alive a number of evaluations after they were told.

    This is the estimator of Kaplan and Meier 1958: children that are alive at the end count up to their age.
    """
    told = record.told >= 0
    if len(record.niches) < 2:
        return empty("Fewer than two tells have been made.")
    end = int(record.told.max())
    figure = new_figure(7, 3.6)
    axis = figure.subplots()
    for (name, who), colour in zip(_kinds(record).items(), COLOURS, strict=False):
        who = who & told
        if who.any():
            age = np.where(record.left[who] < 0, end, record.left[who]) - record.told[who]
            axis.step(*_kaplan_meier(age, record.left[who] >= 0), where="post", color=colour,
                      label=f"{name} ({int(who.sum()):,})")  # fmt: skip
    axis.set_xscale("symlog", linthresh=1)
    tidy(axis, xlabel="evaluations since it was told", ylabel="share still alive", ylim=(0, 1.02))
    axis.legend(frameon=False, fontsize="small")
    return figure


def draw_operators(record: RunRecord) -> Figure:
    """Draw which share of the children of each kind got into the population, beat both parents, and is alive."""
    kinds = {name: who & (record.told >= 0) for name, who in _kinds(record).items()}
    kinds = {name: who for name, who in kinds.items() if who.any()}
    if not kinds:
        return empty("Nothing was told yet.")
    parents = np.where(record.parents >= 0, record.means[record.parents], np.inf)
    parents[record.parents[:, 1] < 0, 1] = -np.inf  # one parent alone
    facts = {
        "got into the population": (record.left < 0) | (record.left > record.told),
        "better than each parent": record.means > parents.max(axis=1, initial=-np.inf),
        "alive at the end": record.left < 0,
    }
    figure = new_figure(9, 0.9 + 0.75 * len(kinds))
    axis = figure.subplots()
    for row, (name, who) in enumerate(kinds.items()):
        for number, (fact, true) in enumerate(facts.items()):
            if name == "first genomes" and fact == "better than each parent":
                continue
            share, place = float(true[who].mean()), row + 0.26 * (number - 1)
            axis.barh(place, share, 0.24, color=COLOURS[number], label=fact if row == len(kinds) - 1 else None)
            axis.text(share, place, f" {share:.1%}", va="center", fontsize="small")
    axis.set_yticks(range(len(kinds)), [f"{name}\n({int(who.sum()):,})" for name, who in kinds.items()])
    axis.invert_yaxis()
    tidy(axis, xlabel="share of these children", xlim=(0, 1.08))
    axis.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _kinds(record: RunRecord) -> dict[str, Any]:
    """Kind of children -> who is of it, as far as parents tell."""
    first, mate = record.parents.T
    return {
        "first genomes": first < 0,
        "two parents": (first >= 0) & (mate >= 0) & (mate != first),
        "one parent": (first >= 0) & ((mate < 0) | (mate == first)),
    }


def _kaplan_meier(age: Any, left: Any) -> tuple[Any, Any]:
    """The ages at which somebody left, and the share alive from then on."""
    times, leavers = np.unique(age[left], return_counts=True)
    at_risk = len(age) - np.searchsorted(np.sort(age), times)
    share = np.cumprod(1 - leavers / at_risk) if len(times) else np.zeros(0)
    return np.array([0, *times, age.max()]), np.array([1.0, *share, share[-1] if len(share) else 1.0])
