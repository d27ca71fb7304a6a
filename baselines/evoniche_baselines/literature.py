"""Compares evoniche with the literature: `python -m evoniche_baselines.literature niching FOLDER` prints the tables.

The folder keeps finished runs, which do not run again. The tables are published in baselines/results/niching.md; with
`digits` in place of `niching`, in digits.md. With `--results FOLDER`, the final values of each run are written there as
JSON, one file for each problem and method, and the curves of the experiments that have some as PNG.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import final

import attrs
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoniche import __version__
from evoniche._files import new_file, write_json
from evoniche_baselines.compare import Comparison, compare
from evoniche_baselines.compare.metrics import label
from evoniche_baselines.compare.pictures import draw_curves
from evoniche_baselines.compare.statistics import pairwise
from evoniche_baselines.compare.store import file_name

__all__ = ["EXPERIMENTS", "Experiment"]


@final
@attrs.frozen(kw_only=True)
class Experiment:
    """A claim of the literature, and the runs that test it."""

    title: str
    problems: tuple[str, ...]
    expected: dict[str, str]
    """Method -> the value in the literature, or "" where none is known."""
    metric: str
    evaluations: int
    runs: int
    population: int | None = None
    settled: bool = False
    """Whether a run counts by the mean of its second half, because it fluctuates around an equilibrium."""
    tested: bool = False
    """Whether each method is compared with the first by the test of Mann and Whitney."""
    others: tuple[str, ...] = ()
    """More metrics; a second table shows their means."""
    curves: tuple[str, ...] = ()
    """The metrics whose curves are drawn."""

    def run(self, folder: Path, jobs: int) -> Comparison:
        """Run what is missing in the folder, `jobs` runs at a time."""
        return compare(
            self.problems,
            list(self.expected),
            runs=self.runs,
            evaluations=self.evaluations,
            population_size=self.population,
            jobs=jobs,
            folder=folder,
        )

    def write(self, result: Comparison, folder: Path) -> None:
        """Write the final values of each run as JSON, and the curves as PNG, to a folder."""
        for (problem, method), rows in result.final.groupby(["problem", "method"]):
            runs = [
                {"seed": int(seed), **of.dropna(subset="value").set_index("metric")["value"].to_dict()}
                for seed, of in rows.groupby("seed")
            ]
            content = {
                "problem": problem,
                "method": method,
                "evaluations": self.evaluations,
                "versions": {"evoniche": __version__} | {name: version(name) for name in ("numpy", "scikit-learn")},
                "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
                "runs": runs,
            }
            write_json(folder / f"{file_name(f'{problem} {method}')}.json", content, indent=1)
        for problem in self.problems if self.curves else ():
            figure = draw_curves(result, problem, self.curves)
            with new_file(folder / f"{file_name(problem)}.png") as file:
                figure.savefig(file, format="png", dpi=150)

    def table(self, result: Comparison) -> Iterator[str]:
        """Yield the lines of the tables in Markdown."""
        values = _settled(result.over_time) if self.settled else result.final
        values = values[values["metric"] == self.metric]
        members = f" with {self.population} members" if self.population else ""
        when = "mean of the second half of" if self.settled else "at the end of"
        yield f"### {self.title}\n"
        seeds = f"runs (seeds 0 to {self.runs - 1})" if self.runs > 1 else "run (seed 0)"
        yield f"`{self.metric}`, {when} {self.runs} {seeds} of {self.evaluations:,} evaluations{members}.\n"
        if self.metric == "to_target":
            yield "| problem | method | literature | solved by | median of these | earliest | latest |"
        else:
            yield "| problem | method | literature | mean | std. error | least | greatest |"
        yield "|---|---|---|---|---|---|---|"
        for problem in self.problems:
            for method, expected in self.expected.items():
                yield _row(values, problem, method, self.metric, expected)
        yield ""
        if self.others:
            yield f"| problem | method | {' | '.join(map(label, self.others))} |"
            yield "|---" * (2 + len(self.others)) + "|"
            for problem in self.problems:
                for method in self.expected:
                    means = [_sample(result.final, problem, method, metric).mean() for metric in self.others]
                    yield f"| {problem} | {method} | {' | '.join(f'{mean:.3f}' for mean in means)} |"
            yield ""
        if self.tested:
            yield f"Against `{next(iter(self.expected))}` (Mann and Whitney, Holm; A12 > .5: better than it):\n"
            yield "| problem | method | A12 | p (Holm) |"
            yield "|---|---|---|---|"
            for test in pairwise(values, self.metric, next(iter(self.expected))).itertuples():
                yield f"| {test.problem} | {test.a} | {test.a12:.2f} | {test.p_holm:.2g} |"
            yield ""


_MATING = ("m2n2", "random-mating", "fitness-mating", "max-union", "negative-assortative")

_NICHING = (
    Experiment(
        title="Two niches divide the population as their unique cases (Horn 1997)",
        problems=("niches:unique_a=30,unique_b=10", "niches:unique_a=20,unique_b=10"),
        expected={"implicit-sharing": ".750 and .667", "m2n2": ".750 and .667"},
        metric="share of A", evaluations=40_000, runs=30, population=400, settled=True,
    ),
    Experiment(
        title="With shared cases: explicit sharing divides by height, 50 : 30, a GA drifts to one niche",
        problems=("niches:unique_a=30,unique_b=10,shared=20",),
        expected={"explicit-sharing": ".625", "implicit-sharing": ".750", "ga": "0 or 1", "tournament": "0 or 1"},
        metric="share of A", evaluations=40_000, runs=30, population=400, settled=True,
    ),
    Experiment(
        title="Antibodies against 8 antigens (Smith, Forrest and Perelson 1993)",
        problems=("immune",),
        expected={"antigen:sample_size=100": "8 (winner takes all)", "tournament": "0", "implicit-sharing": ""},
        metric="niches", evaluations=50_000, runs=30,
    ),
    Experiment(
        title="Contradictory objectives, 20 traits, 100 members: generations (Hernandez, Lalejini and Ofria 2023)",
        problems=("diagnostics:rate=1",),
        expected={"ga": "1 to 3", "tournament": "1 to 3", "implicit-sharing": "7 to 15", "lexicase": "13 to 19"},
        metric="niches", evaluations=200_000, runs=10,
    ),
    Experiment(
        title="Contradictory objectives: M2N2's steady state",
        problems=("diagnostics:rate=1",),
        expected={"m2n2:alpha=0": "1", "m2n2:alpha=0.5": "7 to 12", "m2n2": "20", "m2n2:alpha=2": "20"},
        metric="niches", evaluations=50_000, runs=10,
    ),
    Experiment(
        title="Contradictory objectives: with alpha 0.5 it depends on the rate of mutation",
        problems=("diagnostics:rate=0.5", "diagnostics:rate=0.2"),
        expected={"m2n2:alpha=0.5": "7 to 12"},
        metric="niches", evaluations=50_000, runs=10,
    ),
    Experiment(
        title="Contradictory objectives with valleys: sharing copes, lexicase fails",
        problems=("diagnostics:rate=1,valleys=true",),
        expected={"lexicase": "0", "tournament": "0", "implicit-sharing": "some", "explicit-sharing": "some"},
        metric="niches", evaluations=500_000, runs=10, tested=True,
    ),
    Experiment(
        title="6-multiplexer by genetic programming: the share of the 64 rows that the best tree has right",
        problems=("multiplexer",),
        expected={"tournament": "", "lexicase": "above", "implicit-sharing:selector=tournament": "about as lexicase"},
        metric="best", evaluations=25_000, runs=30, tested=True,
    ),
    Experiment(
        title="6-multiplexer with tournaments of seven",
        problems=("multiplexer",),
        expected={"tournament:size=7": "", "implicit-sharing:selector=tournament,size=7": "above"},
        metric="best", evaluations=25_000, runs=30, tested=True,
    ),
    *(
        Experiment(
            title=f"Crowding DE (NP 100, F .5, CR .9) on F{function} of CEC 2013",
            problems=(f"cec2013:function={function}",),
            expected={"crowding-de": expected},
            metric="peak_ratio_1e-4", evaluations=budget, runs=20,
        )
        for function, expected, budget in ((4, "about 1", 50_000), (10, "about 1", 200_000), (7, ".70", 200_000))
    ),
    *(
        Experiment(
            title=f"Two specialists in MAX-SAT, no mutation: whom to mate with, {what}",
            problems=tuple(f"max-sat:draw=planted,specialists=2,instance={number}" for number in range(3)),
            expected=dict.fromkeys(_MATING, ""),
            metric=metric, evaluations=3_000, runs=30, tested=True,
        )
        for metric, what in (("best", "for the best"), ("to_target", "to be soon at a solution"))
    ),
)

_OTHERS = ("best_member", "coverage", "entropy", "digits not learned", "seconds")
_CURVES = ("test accuracy", "coverage", "entropy")

_DIGITS = (
    Experiment(
        title="From scratch: M2N2, a GA, and both without crossover",
        problems=("digits",),
        expected={"m2n2": ".870", "m2n2:crossover=none": ".770", "ga:crossover=none": ".710", "ga": ".680"},
        metric="test accuracy", evaluations=50_000, runs=30, others=_OTHERS, curves=_CURVES,
    ),
    Experiment(
        title="From experts: M2N2 without attraction, without split point, and a GA",
        problems=("digits:start=experts",),
        expected={"m2n2": ".683", "fitness-mating": ".662", "m2n2:crossover=slerp": ".578", "ga": ".520"},
        metric="test accuracy", evaluations=10_000, runs=30, others=_OTHERS, curves=_CURVES,
    ),
    Experiment(
        title="From fresh experts: M2N2 without attraction",
        problems=("digits:start=fresh",),
        expected={"m2n2": "", "fitness-mating": ""},
        metric="test accuracy", evaluations=3_000, runs=30, others=_OTHERS,
    ),
    Experiment(
        title="From scratch: CMA-ES and MAP-Elites",
        problems=("digits",),
        expected={"cma-es": ".86", "cma-es:covariance=diagonal": "", "map-elites": ".60"},
        metric="held_out", evaluations=50_000, runs=10,
    ),
    Experiment(
        title="From experts: MAP-Elites",
        problems=("digits:start=experts",),
        expected={"map-elites": ".624"},
        metric="held_out", evaluations=10_000, runs=30,
    ),
    Experiment(
        title="From experts: every mixing ratio",
        problems=("digits:start=experts",),
        expected={"brute-force": ".578"},
        metric="held_out", evaluations=1_000, runs=1,
    ),
    Experiment(
        title="From experts: a mixing coefficient for each of 32 groups of parameters",
        problems=("digits:start=experts",),
        expected={"cma-es-slerp": ""},
        metric="held_out", evaluations=10_000, runs=10,
    ),
)

EXPERIMENTS = {"niching": _NICHING, "digits": _DIGITS}


def _sample(table: pd.DataFrame, problem: str, method: str, metric: str) -> NDArray[np.float64]:
    of = (table["problem"] == problem) & (table["method"] == method) & (table["metric"] == metric)
    return table.loc[of, "value"].to_numpy(dtype=np.float64)


def _row(values: pd.DataFrame, problem: str, method: str, metric: str, expected: str) -> str:
    x = _sample(values, problem, method, metric)
    if metric == "to_target":
        x, runs = x[~np.isnan(x)], len(x)
        ends = f"**{np.median(x):,.0f}** | {x.min():,.0f} | {x.max():,.0f}" if len(x) else "| |"
        return f"| {problem} | {method} | {expected} | {len(x)} of {runs} | {ends} |"
    error = f"{x.std(ddof=1) / np.sqrt(len(x)):.3f}" if len(x) > 1 else ""
    return f"| {problem} | {method} | {expected} | **{x.mean():.3f}** | {error} | {x.min():.3f} | {x.max():.3f} |"


def _settled(over_time: pd.DataFrame) -> pd.DataFrame:
    """Average each metric over the second half of each run."""
    late = over_time[over_time["evaluations"] > over_time["evaluations"].max() / 2]
    return late.groupby(["problem", "method", "run", "metric"], as_index=False)["value"].mean()


def main() -> None:
    """Run the experiments that are missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=list(EXPERIMENTS))
    parser.add_argument("folder", type=Path, help="where finished runs are kept")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--results", type=Path, help="where the ends of the runs are written")
    parser.add_argument("--only", default="", help="experiments whose title has this text")
    arguments = parser.parse_args()
    for experiment in EXPERIMENTS[arguments.what]:
        if arguments.only in experiment.title:
            result = experiment.run(arguments.folder, arguments.jobs)
            if result.missing:
                sys.exit(f"interrupted: {len(result.missing)} runs left, with which the same command goes on")
            print("\n".join(experiment.table(result)), flush=True)
            if arguments.results is not None:
                experiment.write(result, arguments.results)


if __name__ == "__main__":
    main()
