"""Draws empirical run-time distributions."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from evoniche_baselines.compare.pictures import method_style

__all__ = ["draw_run_times"]


def draw_run_times(distribution: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """Draw for each method the share of runs and targets that it has reached by a number of evaluations.

    Problems count alike, however many targets they have. The axis of evaluations is logarithmic, as COCO has it.

    Args:
        distribution: What `run_times.run_time_distribution` returned.
        labels: Method -> its name for a reader.
    """
    problems, methods = distribution["problem"].nunique(), list(dict.fromkeys(distribution["method"]))
    figure = Figure(figsize=(8, 4), layout="constrained")
    axis = figure.subplots()
    end = float(distribution["evaluations"].max())
    for number, method in enumerate(methods):
        of = distribution[distribution["method"] == method]
        weights = 1 / of.groupby("problem")["evaluations"].transform("size") / of["problem"].nunique()
        reached = of.assign(weight=weights).dropna(subset="evaluations").sort_values("evaluations")
        times, share = reached["evaluations"].to_numpy(), reached["weight"].cumsum().to_numpy()
        last = share[-1] if len(share) else 0.0
        axis.step([*times, end], [*share, last], where="post", label=labels[method], **method_style(number))
    axis.set_xscale("log")
    axis.set_ylim(-0.03, 1.03)
    axis.set_xlabel("evaluations")
    axis.set_title(f"share of runs and targets reached, over {problems} problem{'s' * (problems != 1)}",
                   fontsize="medium")
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    return figure
