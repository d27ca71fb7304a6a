"""Tables of finished digits runs: `python -m evoniche_baselines.problems.digits.report FOLDER...`, each an `--out`."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["tables"]

# Test accuracy in % that Abrantes, Lange and Tang 2025 show in figure 2 (ten runs).
_PAPER = {
    ("from scratch", "M2N2"): 87.0,
    ("from scratch", "M2N2 without crossover"): 77.0,
    ("from scratch", "GA without crossover"): 71.0,
    ("from scratch", "GA"): 68.0,
    ("from experts", "M2N2"): 68.3,
    ("from experts", "M2N2 without attraction"): 66.2,
    ("from experts", "M2N2 without split point"): 57.8,
    ("from experts", "GA"): 52.0,
}
_NOT_LEARNED = 0.2  # accuracy on a digit below which the model has not learned it


def tables(folders: Iterable[Path]) -> Iterator[str]:
    """Lines of Markdown: a table of test accuracy for each start, and what the digits themselves say.

    Raises:
        ValueError: Two folders have the same seed of the same method.
    """
    experiments: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for folder in folders:
        result = json.loads((folder / "result.json").read_text())
        early = _at(folder / "history.csv", 10_000)
        for run in result["runs"]:
            run["early"] = early.get(run["seed"], np.nan)
        runs = experiments.setdefault((result["group"], result["label"]), [])
        if again := {run["seed"] for run in runs} & {run["seed"] for run in result["runs"]}:
            raise ValueError(f"{folder} has runs of {result['label']} again, with the seeds {sorted(again)}.")
        runs.extend(result["runs"])
    order = {key: position for position, key in enumerate(_PAPER)}
    for group in dict.fromkeys(group for group, _ in (*_PAPER, *experiments)):
        methods = sorted((key for key in experiments if key[0] == group), key=lambda key: order.get(key, 99))
        if not methods:
            continue
        yield f"### Test accuracy in %, {group}\n"
        early = group == "from scratch"
        yield f"| method | paper | mean | std. error | 5 % | 50 % | 95 % |{' at 10,000 |' * early} runs |"
        yield "|---" * (9 if early else 8) + "|"
        for key in methods:
            yield _row(experiments[key], key, early)
        yield ""
        yield "| method | train | coverage | entropy | digits not learned, mean (runs with any) | seconds per run |"
        yield "|---|---|---|---|---|---|"
        for key in methods:
            yield _details(experiments[key], key)
        yield ""


def _row(runs: list[dict[str, Any]], key: tuple[str, str], early: bool) -> str:
    test = 100 * np.array([run["test"] for run in runs])
    low, middle, high = np.percentile(test, [5, 50, 95])
    error = test.std(ddof=1) / np.sqrt(len(test)) if len(test) > 1 else np.nan
    first = f" {100 * np.mean([run['early'] for run in runs]):.1f} |" if early else ""
    paper = f"{_PAPER[key]:.1f}" if key in _PAPER else ""
    return (
        f"| {key[1]} | {paper} | **{test.mean():.1f}** | {error:.1f} | {low:.1f} | {middle:.1f} | {high:.1f} |"
        f"{first} {len(test)} |"
    )


def _details(runs: list[dict[str, Any]], key: tuple[str, str]) -> str:
    missing = np.array([sum(accuracy < _NOT_LEARNED for accuracy in run["test_by_class"]) for run in runs])
    mean = {name: np.mean([run[name] for run in runs]) for name in ("best", "coverage", "entropy", "seconds")}
    return (
        f"| {key[1]} | {100 * mean['best']:.1f} % | {100 * mean['coverage']:.1f} % | {mean['entropy']:.2f} | "
        f"{missing.mean():.1f} ({(missing > 0).sum()} of {len(runs)}) | {mean['seconds']:.0f} |"
    )


def _at(history: Path, evaluations: int) -> dict[int, float]:
    """Test accuracy of each run, by its seed, at its last record within so many evaluations."""
    found: dict[int, float] = {}
    with history.open(newline="") as file:
        for row in csv.DictReader(file):
            if int(row["evaluations"]) <= evaluations:
                found[int(row["seed"])] = float(row["test"])
    return found


if __name__ == "__main__":
    print("\n".join(tables(map(Path, sys.argv[1:]))))
