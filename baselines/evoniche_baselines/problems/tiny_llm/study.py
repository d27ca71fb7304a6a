"""Runs M2N2, its ablations and a GA on the tiny language models by `evoniche merge`, and prints their tables.

    python -m evoniche_baselines.problems.tiny_llm.study FOLDER

trains the models in FOLDER/models and runs each method with each seed, where these are not in FOLDER yet. Then it
prints the tables of held-out scores and of the populations in Markdown.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from evoniche_baselines.problems.tiny_llm import tasks
from evoniche_baselines.problems.tiny_llm.training import train_seeds

__all__ = ["METHODS", "command", "populations", "table"]

METHODS = {
    "M2N2": [],
    "M2N2 without attraction": ["--no-attraction"],
    "M2N2 without split point": ["--no-split-point"],
    "GA": ["--alpha", "0", "--no-attraction"],
}
"""Name of a method -> its options of `evoniche merge`."""

_SEEDS, _EVALUATIONS, _JOBS = 3, 400, 2
_SKILLS = ("arithmetic", "protocol")


def command(models: Path, out: Path, method: str, *, seed: int, evaluations: int = _EVALUATIONS) -> list[str]:
    """Return the command line of one run.

    Args:
        models: The folder with the specialists.
        out: The folder for the merged model.
        method: One of `METHODS`.
        seed: The seed of the run.
        evaluations: The number of merged models that are scored.
    """
    file = os.path.relpath(tasks.__file__)
    scorers = [option for skill in _SKILLS for option in ("--scorer", f"{file}:{skill}")]
    held_out = [option for skill in _SKILLS for option in ("--held-out", f"{file}:{skill}_held_out")]
    settings = ["--evaluations", str(evaluations), "--seed", str(seed), *METHODS[method]]
    folders = [str(models / skill) for skill in _SKILLS]
    return ["evoniche", "merge", *folders, *scorers, *held_out, *settings, "--quiet", "--out", str(out)]


def table(runs: dict[str, list[Path]]) -> str:
    """Make the table of held-out scores, mean and standard deviation in %, in the form of Abrantes 2025, table 1.

    Args:
        runs: Method -> the folders of its merged models.
    """
    lines = ["| model | arithmetic | protocol | average |", "|---|---|---|---|"]
    seeds = _scores(next(iter(runs.values()))[0])
    lines += [_line(f"specialist in {skill}", [seeds[skill]]) for skill in _SKILLS]
    lines += [_line(method, [_scores(folder)["merged"] for folder in folders]) for method, folders in runs.items()]
    return "\n".join(lines)


def populations(runs: dict[str, list[Path]]) -> str:
    """Make the table of the final populations, means over the runs: best and coverage in %, entropy in bits.

    Args:
        runs: Method -> the folders of its merged models.
    """
    lines = ["| method | best on training cases | coverage | entropy in bits |", "|---|---|---|---|"]
    for method, folders in runs.items():
        ends = []
        for folder in folders:
            with (folder / "history.csv").open(newline="") as file:
                ends.append(list(csv.DictReader(file))[-1])
        best, coverage, entropy = (
            np.mean([float(end[name]) for end in ends]) for name in ("best", "coverage", "entropy")
        )
        lines.append(f"| {method} | {100 * best:.1f} | {100 * coverage:.1f} | {entropy:.2f} |")
    return "\n".join(lines)


def _line(name: str, rows: list[list[float]]) -> str:
    values = 100 * np.array(rows)  # (runs, 3)
    spread = [f" ± {deviation:.2f}" for deviation in values.std(axis=0, ddof=1)] if len(rows) > 1 else [""] * 3
    cells = [f"{mean:.2f}{more}" for mean, more in zip(values.mean(axis=0), spread, strict=True)]
    return f"| {' | '.join([name, *cells])} |"


def _scores(folder: Path) -> dict[str, list[float]]:
    """Return model -> its scores on the held-out cases of each skill, and their average."""
    columns, rows = json.loads((folder / "recipe.json").read_text())["card"]["scores"]
    held_out = [i for i, column in enumerate(columns) if column.endswith("(held out)")]
    return {row[0]: [float(row[i]) for i in held_out] for row in rows}


def main(out: Path) -> None:
    """Run what is missing in a folder, and print the tables."""
    if not (out / "models" / "protocol").exists():
        train_seeds(out / "models")
    folders = {
        method: [out / f"{method.lower().replace(' ', '-')}-{seed}" for seed in range(_SEEDS)] for method in METHODS
    }
    # With more threads than cores, each run would wait for the others'.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with ThreadPoolExecutor(_JOBS) as pool:
        todo = [
            pool.submit(subprocess.run, command(out / "models", folder, method, seed=seed), env=environment, check=True)
            for seed in range(_SEEDS)
            for method, folder in ((method, folders[method][seed]) for method in METHODS)
            if not folder.exists()
        ]
    for run in todo:
        run.result()
    print(f"{table(folders)}\n\n{populations(folders)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
