"""Writes the table of results for a paper, in LaTeX with booktabs."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from evoniche._text import printable
from evoniche_baselines.compare.metrics import label
from evoniche_baselines.compare.statistics import LOWER_IS_BETTER, pairwise, summary

__all__ = ["latex_table"]

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
            **{sign: "\\" + sign for sign in "&%$#_{}"}}


def latex_table(
    final: pd.DataFrame, metric: str, problems: Mapping[str, str], methods: Mapping[str, str]
) -> str:
    r"""Return a table with a row for each method and a column for each problem.

    A cell is the interquartile mean with its interval, where there are runs enough. In bold are the best method of a
    problem and those that do not differ from it at the level of 5 % (Mann and Whitney's exact test of every pair, with
    Holm's correction for all pairs of all problems). Where no method differs from the best, nothing is bold.

    Args:
        final: A table like `Comparison.final`.
        metric: The metric.
        problems: The name of a problem in the table -> its name for a reader.
        methods: The same of methods.

    >>> runs = [("p", m, "best", base + i / 100) for m, base in (("a", 0), ("b", 1)) for i in range(6)]
    >>> final = pd.DataFrame(runs, columns=["problem", "method", "metric", "value"])
    >>> print(latex_table(final, "best", {"p": "50 % & more"}, {"a": "A", "b": "B_1"}).splitlines()[-4])
    B\_1 & \textbf{1.025} [1.010, 1.040] \\
    """
    cells = summary(final, metric).set_index(["problem", "method"])
    tests = pairwise(final, metric)
    bold = {(problem, name) for problem in problems for name in _best(problem, cells, tests, metric)}
    lines = [
        r"\begin{table}", r"\centering",
        rf"\caption{{{_plain(label(metric))}: interquartile mean of the runs with its 95\,\% interval. In bold: the "
        r"best of a problem, and what does not differ from it ($p \geq .05$, Mann and Whitney, Holm).}",
        rf"\begin{{tabular}}{{l{'r' * len(problems)}}}", r"\toprule",
        " & ".join(["method", *map(_plain, problems.values())]) + r" \\", r"\midrule",
    ]
    for name, text in methods.items():
        row = [_cell(cells, (problem, name), (problem, name) in bold) for problem in problems]
        lines.append(" & ".join([_plain(text), *row]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _best(problem: str, cells: pd.DataFrame, tests: pd.DataFrame, metric: str) -> set[str]:
    if problem not in cells.index.get_level_values("problem"):
        return set()
    middle = cells.loc[problem]["iqm"]
    best = middle.idxmin() if metric in LOWER_IS_BETTER else middle.idxmax()
    of = tests[(tests["problem"] == problem) & ((tests["a"] == best) | (tests["b"] == best))]
    worse = set(of[of["p_holm"] < 0.05][["a", "b"]].to_numpy().ravel()) - {best}
    return set(middle.index) - worse if worse else set()


def _cell(cells: pd.DataFrame, place: tuple[str, str], bold: bool) -> str:
    if place not in cells.index:
        return "--"
    row = cells.loc[place]
    text = _number(row["iqm"])
    text = rf"\textbf{{{text}}}" if bold else text
    return f"{text} [{_number(row['low'])}, {_number(row['high'])}]" if np.isfinite(row["low"]) else text


def _number(value: float) -> str:
    return (r"$\infty$" if value == np.inf else "--") if not np.isfinite(value) else (
        f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}")


def _plain(text: str) -> str:
    """Text without commands: what LaTeX would take for its own is written as it looks."""
    return re.sub(r"[\\~^&%$#_{}]", lambda sign: _SPECIAL[sign[0]], " ".join(printable(text).split()))
