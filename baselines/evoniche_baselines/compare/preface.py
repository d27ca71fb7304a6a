"""Writes what a report begins with: what was run, and which runs it does not have."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from evoniche._text import code, escaped, fenced, table
from evoniche_baselines.compare.study import Comparison

__all__ = ["cores", "failed", "missing", "setup"]

_LIBRARIES = ("evoniche", "numpy", "scipy", "pandas", "statsmodels", "scikit-posthocs", "matplotlib")
_STACKS = 5
# Of methods and problems: import name -> distribution; named when the comparison has loaded them.
_FOREIGN = {"pymoo": "pymoo", "deap": "deap", "ribs": "ribs", "cma": "cma", "sklearn": "scikit-learn", "torch": "torch"}
def missing(comparison: Comparison) -> str:
    """Name the runs that an interruption has left out."""
    if not comparison.missing:
        return ""
    left: dict[tuple[str, str], list[int]] = {}
    for problem, method, number in comparison.missing:
        left.setdefault((problem, method), []).append(number)
    rows = [(code(problem), code(method), _ranges(numbers)) for (problem, method), numbers in left.items()]
    gone = len(comparison.missing)
    total = gone + len(comparison.scores) + len(comparison.failed)
    text = (f"**Interrupted: {gone} of {total} runs are missing.** The same command goes on with them. "
            "Until then methods may have unequal numbers of runs.")
    return f"{text}\n\n{table(('problem', 'method', 'missing runs'), rows)}"


def failed(comparison: Comparison) -> str:
    """Name the runs that failed, with one traceback for each reason."""
    if not comparison.failed:
        return ""
    number, total = len(comparison.failed), len(comparison.scores) + len(comparison.failed) + len(comparison.missing)
    seeds: dict[tuple[str, str, str], list[int]] = {}
    for run in comparison.failed:
        seeds.setdefault((run.problem, run.method, run.failure.why), []).append(run.seed)
    rows = [(code(problem), code(method), _ranges(numbers), escaped(why))
            for (problem, method, why), numbers in seeds.items()]
    stacks = {run.failure.why: run.failure.traceback for run in comparison.failed if run.failure.traceback}
    shown = [f"{escaped(why)}:\n\n{fenced(stack)}" for why, stack in list(stacks.items())[:_STACKS]]
    text = (f"**{number} of {total} runs failed.** They are in no table, picture or statistic below: what is said of "
            "their methods is said of the runs that ended. The same command tries them again.")
    return "\n\n".join([text, table(("problem", "method", "seeds", "reason"), rows), *shown])


def setup(comparison: Comparison, command: str | None, population_size: int | None) -> str:
    """Say what was run, with which budget, libraries and machine."""
    seeds = sorted(comparison.final["seed"].unique().tolist())
    budget = " or ".join(f"{n:,}" for n in sorted(comparison.final["evaluations"].unique().tolist()))
    runs = comparison.final.groupby(["problem", "method"])["run"].nunique()
    each = f"{runs.min()}" if runs.min() == runs.max() else f"{runs.min()} to {runs.max()}"
    libraries = [*_LIBRARIES, *(distribution for name, distribution in _FOREIGN.items() if name in sys.modules)]
    rows = [
        ("budget of a run", f"{budget} evaluations"),
        ("runs of each method", each),
        ("seeds", _ranges(seeds)),
        ("population", "each problem's own" if population_size is None else f"{population_size} members"),
        ("Python", platform.python_version()),
        ("libraries", ", ".join(f"{name} {_version(name)}" for name in libraries)),
        ("machine", f"{platform.machine()}, {platform.system()}, {cores()} cores"),
    ]
    methods = [(code(name), escaped(text)) for name, text in comparison.methods.items()]
    problems = [(code(name), escaped(text)) for name, text in comparison.problems.items()]
    asked = f"{fenced(command)}\n\n" if command else ""
    return "\n\n".join([
        "## What was run", asked + table(("what", "value"), rows),
        table(("method", "is"), methods), table(("problem", "is"), problems),
    ])


def cores() -> int:
    """Count the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ranges(numbers: list[int]) -> str:
    """Write whole numbers as ranges: `0 to 4, 7`."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(f"{a} to {b}" if a < b else f"{a}" for a, b in zip(starts, ends, strict=True))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(unknown version)"
