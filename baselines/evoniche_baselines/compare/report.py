"""Writes a comparison to a folder: tables, pictures, and a report in Markdown and HTML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from evoniche._files import new_file, write_text
from evoniche._text import code, escaped, table
from evoniche_baselines.compare import run_times, statistics
from evoniche_baselines.compare.latex import latex_table
from evoniche_baselines.compare.metrics import ONLY_IN_THE_END, label, main_metrics
from evoniche_baselines.compare.page import html_page
from evoniche_baselines.compare.preface import failed, missing, setup
from evoniche_baselines.compare.store import file_name
from evoniche_baselines.compare.study import Comparison

__all__ = ["iqm_with_interval", "write_report"]

_FORMATS: dict[str, dict[str, None]] = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
"""Endings of the files of a picture, without dates: the same numbers give the same files."""


def write_report(
    comparison: Comparison,
    folder: Path | str,
    *,
    command: str | None = None,
    population_size: int | None = None,
    primary: str = "best",
) -> Path:
    """Write over_time, final (Parquet and CSV), four tables of statistics, pictures/, report.md and report.html.

    The tests compare each method with the first. Files of these names are replaced, and all pictures in pictures/.

    Args:
        comparison: What `compare` returned.
        folder: The folder to write to; it is made if it is missing.
        command: The command that makes the comparison again, for the report.
        population_size: The number of members that `compare` was called with, for the report.
        primary: The metric on which the study stands; see `statistics.claims`.

    Returns:
        The path of report.html, a page that needs no other file.

    Raises:
        ValueError: No run has the primary metric.
        OSError: The folder cannot be written.
        ImportError: A library for tables or pictures is missing.
    """
    folder = Path(folder)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for picture in (folder / "pictures").iterdir():
        if picture.suffix in _FORMATS:  # of a comparison that was here before
            picture.unlink()
    for name in ("over_time", "final"):
        rows: pd.DataFrame = getattr(comparison, name)
        _write_csv(folder / f"{name}.csv", rows)
        with new_file(folder / f"{name}.parquet") as file:
            rows.to_parquet(file, index=False)
    first, metrics = next(iter(comparison.methods)), list(dict.fromkeys(comparison.final["metric"]))
    summary = pd.concat([statistics.summary(comparison.final, metric) for metric in metrics])
    tests = statistics.claims(comparison.final, primary, first)
    _write_csv(folder / "summary.csv", summary.drop(columns="values"))
    _write_csv(folder / "tests.csv", tests)
    write_text(folder / "table.tex", latex_table(comparison.final, primary, comparison.problems, comparison.methods))
    _write_csv(folder / "success.csv", run_times.success(comparison.final))
    _write_csv(folder / "log_rank.csv", run_times.log_rank(comparison.final, first))
    sections = [
        "# Comparison of methods",
        missing(comparison),
        failed(comparison),
        setup(comparison, command, population_size),
        *(_problem(comparison, problem, summary, tests, folder) for problem in comparison.problems),
        _over_problems(comparison, folder),
        _run_times(comparison, folder),
        _HOW_TO_READ,
    ]
    text = "\n\n".join(section for section in sections if section) + "\n"
    write_text(folder / "report.md", text)
    path = folder / "report.html"
    write_text(path, html_page(text, folder))
    return path


def iqm_with_interval(summary: pd.DataFrame, problem: str, method: str, metric: str) -> str:
    """Format a row of `statistics.summary` as `0.91 [0.89, 0.93]`, or as the values of a few runs; else as a dash."""
    of = (summary["problem"] == problem) & (summary["method"] == method) & (summary["metric"] == metric)
    if not of.any():
        return "-"
    row = summary[of].iloc[0]
    if row["values"]:
        return ", ".join(map(_number, row["values"]))
    if not np.isfinite(row["low"]):
        return _number(row["iqm"])
    return f"{_number(row['iqm'])} [{_number(row['low'])}, {_number(row['high'])}]"


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def _for_pictures(comparison: Comparison) -> Comparison:
    """Return it with words of which matplotlib takes none for mathematics."""

    def plain(words: Mapping[str, str]) -> dict[str, str]:
        return {name: text.replace("$", r"\$") for name, text in words.items()}

    over_time, final = (
        rows.assign(metric=rows["metric"].str.replace("$", r"\$")) for rows in (comparison.over_time, comparison.final)
    )
    return attrs.evolve(comparison, problems=plain(comparison.problems), methods=plain(comparison.methods),
                        over_time=over_time, final=final)


def _draw(figure: Figure, path: Path) -> None:
    for ending, dates in _FORMATS.items():
        with new_file(path.with_suffix(ending)) as file:
            figure.savefig(file, format=ending[1:], dpi=130, metadata=dates)


def _problem(
    comparison: Comparison, problem: str, summary: pd.DataFrame, tests: pd.DataFrame, folder: Path
) -> str:
    from evoniche_baselines.compare.niche_pictures import draw_attraction, draw_scores
    from evoniche_baselines.compare.pictures import draw_boxes, draw_curves

    parts = [f"## {escaped(comparison.problems[problem])}", _reached(comparison, problem, summary),
             _tested(comparison, problem, tests)]
    drawn = {
        "curves": (draw_curves, "Each metric over evaluations: lines are interquartile means of the runs, bands "
                   "(for up to 12 methods) the middle half of the runs."),
        "ends": (draw_boxes, "The final values of the runs: boxes are quartiles, a point is a run."),
        "scores": (draw_scores, "Scores of the members at the end of each method's first run, ordered by niche; each "
                   "matrix has its own order."),
        "attraction": (draw_attraction, "Attraction between the same members in the same order; the values of each "
                       "matrix are divided by its largest one."),
    }
    shown = _for_pictures(comparison)
    for name, (draw, caption) in drawn.items():
        path = f"pictures/{file_name(problem)}-{name}.png"
        _draw(draw(shown, problem), folder / path)
        parts.append(f"![{caption}]({path})\n\n{caption}")
    return "\n\n".join(parts)


def _shown(comparison: Comparison, problem: str) -> list[str]:
    return main_metrics(comparison.over_time[comparison.over_time["problem"] == problem]["metric"])


def _reached(comparison: Comparison, problem: str, summary: pd.DataFrame) -> str:
    """Make the table of the final values of each method."""
    of = summary[summary["problem"] == problem]
    shown = _shown(comparison, problem)
    success = statistics.success(comparison.final)
    success = success[success["problem"] == problem].set_index("method")
    rows = []
    for method in dict.fromkeys(of["method"]):
        best = of[(of["method"] == method) & (of["metric"] == "best")].iloc[0]
        row = [code(method), str(best["runs"]), iqm_with_interval(of, problem, method, "best"), _number(best["mean"])]
        row += [iqm_with_interval(of, problem, method, metric) for metric in shown if metric != "best"]
        if len(success):
            reached = success.loc[method]
            row += [f"{reached['reached']} of {reached['runs']}",
                    f"{reached['rate']:.0%} [{reached['rate_low']:.0%}, {reached['rate_high']:.0%}]",
                    _number(reached["evaluations"], "not by half"), _number(reached["ert"])]
        rows.append((*row, iqm_with_interval(of, problem, method, "seconds").partition(" [")[0]))
    target = ("reached the target", "success rate", "median evaluations to it", "ERT") if len(success) else ()
    others = [escaped(label(metric)) for metric in shown if metric != "best"]
    header = ("method", "runs", label("best"), "its mean", *others, *target, "seconds")
    return ("Interquartile means with 95 % bootstrap intervals, or the values of fewer than five runs; success rates "
            "with Wilson's intervals; ERT, the expected running time if runs that fail are followed by others:\n\n"
            + table(header, rows))


def _tested(comparison: Comparison, problem: str, tests: pd.DataFrame) -> str:
    """Make the table of tests against the first method."""
    of = tests[tests["problem"] == problem]
    primary = of[of["role"] == "primary"]["metric"].unique().tolist()
    shown = (*primary, *_shown(comparison, problem), ONLY_IN_THE_END[0])
    metrics = [m for m in dict.fromkeys(shown) if m in set(of["metric"])]
    rows = []
    for method in dict.fromkeys(of["a"]):
        row = [code(method)]
        for metric in metrics:
            found = of[(of["a"] == method) & (of["metric"] == metric)]
            row.append("-" if found.empty else _test(found.iloc[0]))
        rows.append(tuple(row))
    if not rows:
        return ""
    first = next(iter(comparison.methods))
    return (f"Each method against {code(first)}. A12 is the probability that a run of the method has a higher value "
            f"than a run of {code(first)}, or fewer evaluations to the target; .5 means no difference. A word for the "
            "size of that effect follows, and p of Mann and Whitney's exact test after Holm's correction, in bold "
            "below .05. The primary metric is what the study claims, corrected over all its tests on all problems; the "
            "others are secondary:\n\n"
            + table(("method", *(escaped(label(m)) + ("" if m in primary else " (secondary)") for m in metrics)), rows))


def _test(row: pd.Series) -> str:
    p = "p < .001" if row["p_holm"] < 0.001 else f"p = {row['p_holm']:.3f}".replace("0.", ".")
    text = f"{row['a12']:.2f} {row['effect']}, {p}"
    return f"**{text}**" if row["p_holm"] < 0.05 else text


def _over_problems(comparison: Comparison, folder: Path) -> str:
    """Rank the methods over several problems, by each general metric there is."""
    from evoniche_baselines.compare.pictures import draw_critical_difference

    parts = []
    for metric in ("best", "niches", "coverage"):
        result = statistics.friedman(comparison.final, metric)
        if result is None:
            continue
        path = f"pictures/ranks-{metric}.png"
        _draw(draw_critical_difference(result, _for_pictures(comparison).methods), folder / path)
        rows = [(code(method), f"{rank:.2f}") for method, rank in result.ranks.items()]
        p = "p < .001" if result.p < 0.001 else f"p = {result.p:.3f}"
        parts.append(
            f"By {label(metric)}, the medians on {result.problems} problems: Friedman's statistic is "
            f"{result.statistic:.2f} ({p}); ranks further apart than {result.critical_difference:.2f} differ at the "
            f"level of 5 % (Nemenyi), and a bar joins those that do not.\n\n"
            f"{table(('method', 'average rank'), rows)}\n\n"
            f"![Average ranks by {label(metric)}]({path})"
        )
    return "\n\n".join(["## Over all problems", *parts]) if parts else ""


def _run_times(comparison: Comparison, folder: Path) -> str:
    """Draw the distribution of the times to reach many targets on all problems."""
    from evoniche_baselines.compare.run_time_pictures import draw_run_times

    targets = run_times.default_targets(comparison.over_time, comparison.best_known)
    distribution = run_times.run_time_distribution(comparison.over_time, targets)
    path = "pictures/run-times.png"
    _draw(draw_run_times(distribution, _for_pictures(comparison).methods), folder / path)
    text = ("The share of all runs and targets that a method has reached. The 51 targets of a problem begin with what "
            "half of the runs have at first; their distances to the best known value (or else the best that any run "
            "had) shrink evenly on a logarithmic scale, to a ten-thousandth (as COCO has them).")
    return f"## Run times\n\n![{text}]({path})\n\n{text}"


_HOW_TO_READ = """## How to read this

- An evaluation is one solution scored on all cases. Every method has the same number of evaluations and the same cases.
- The first run of every method has the same seed, and so have the second runs, and so on.
- The interquartile mean is the mean of the middle half of the runs. Its interval is that of a percentile bootstrap
  (Agarwal et al. 2021); of fewer than five runs their values are shown, and there is no interval.
- Members with equal scores on all cases share a niche, unless the problem defines its niches.
- A run that did not reach the target counts as longer than all that did.
- All numbers are in `final.csv` and `over_time.csv` (problem, method, run, seed, evaluations, metric, value), also as
  Parquet, and the statistics are in `summary.csv`, `tests.csv` (which metric is primary is in the column role),
  `success.csv` (success rates, ERT) and `log_rank.csv` (log-rank tests of the evaluations to the target)."""


def _number(value: float, infinite: str = "not reached") -> str:
    if not np.isfinite(value):
        return infinite if value == np.inf else "-"
    if (value == round(value) and abs(value) < 1e9) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
