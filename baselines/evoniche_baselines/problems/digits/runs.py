"""Independent runs on the digits, and what they leave on disk."""

from __future__ import annotations

import csv
import json
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import attrs
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from evoniche import Evolution, GaussianMutation, Result
from evoniche_baselines import parallel
from evoniche_baselines.methods import PAPER_METHODS
from evoniche_baselines.problems.digits.problem import DigitsScorer, digits_genome, published_experts, train_experts

__all__ = ["DigitsRun", "DigitsSettings", "run_digits", "run_seeds", "write_runs"]

MUTATION_STD = 0.01
_POPULATION = 20
_COUNTED = 100  # evaluations between two looks at the bar
_RECORDS = 500  # a run's history has about this many


@final
@attrs.frozen
class DigitsSettings:
    """What is common to all runs of one experiment."""

    start: str
    """"scratch" or "experts"."""
    method: str = "m2n2"
    evaluations: int = 50_000
    population: int = _POPULATION
    alpha: float | None = None
    """None for the method's own."""
    angle: str | None = None
    """None for the method's own."""
    train: bool = False
    """Train fresh experts for each run instead of taking the published ones."""

    @property
    def label(self) -> str:
        """The method and what is not as usual: runs of one label may be averaged."""
        usual = {"alpha": (None, 1.0), "angle": (None, "whole"), "population": (_POPULATION,)}
        changed = [f"{name} {value}" for name in usual if (value := getattr(self, name)) not in usual[name]]
        return ", ".join([PAPER_METHODS[self.method].label, *changed])

    @property
    def group(self) -> str:
        """The start: what is compared with each other."""
        return f"from {'fresh ' * self.train}{self.start}"


@final
@attrs.frozen(eq=False)
class DigitsRun:
    """One finished run."""

    seed: int
    summary: dict[str, Any]
    """Final scalars, accuracy by class, and why it ended."""
    history: dict[str, NDArray[np.float64]]
    population: dict[str, NDArray[Any]]
    """Genomes (members, 19210), scores (members, cases), ids and parents."""


def run_digits(settings: DigitsSettings, seed: int, *, progress: bool = True) -> DigitsRun:
    """Run once; the reported model is the member with the best training accuracy.

    On one thread, so that a seed gives the same run beside others and alone.

    Raises:
        KeyboardInterrupt: Ctrl-C came before anything was scored.
        ValueError: An argument that the method fixes is given another value.
    """
    with threadpool_limits(1):
        return _run(settings, seed, progress)


def _run(settings: DigitsSettings, seed: int, progress: bool) -> DigitsRun:
    train, test = DigitsScorer.load()
    arguments: dict[str, Any] = {"seed": seed, "population_size": settings.population}
    arguments |= {name: value for name in ("alpha", "angle") if (value := getattr(settings, name)) is not None}
    if settings.start == "scratch":
        arguments |= {"initial": 2, "mutation": GaussianMutation(MUTATION_STD)}
    else:
        arguments["initial"] = train_experts(seed) if settings.train else published_experts()
    evolution = PAPER_METHODS[settings.method].evolution(scorer=train, genome=digits_genome(), **arguments)

    tested: dict[int, float] = {}

    def test_accuracy(evolution: Evolution) -> float:
        best = evolution.population.best_member
        number = int(evolution.population.ids[best])
        if number not in tested:
            tested.clear()
            tested[number] = test.accuracy(evolution.population.genomes[best])
        return tested[number]

    result = evolution.run(
        settings.evaluations,
        callbacks=[_count],
        metrics={"test": test_accuracy},
        record_every=max(settings.population, settings.evaluations // _RECORDS),
        progress=progress,
    )
    if not len(result.population):
        raise KeyboardInterrupt
    return _finished(seed, result, train, test)


def _finished(seed: int, result: Result, train: DigitsScorer, test: DigitsScorer) -> DigitsRun:
    """What is kept of a run."""
    population = result.population
    reported = population.genomes[population.best_member]
    history = {name: column for name, column in result.history.items() if name != "seconds"}
    summary = {
        "seed": seed,
        "stopped": result.stopped,
        "seconds": round(float(result.history["seconds"][-1]), 2),
        **{name: float(column[-1]) for name, column in history.items()},
        "evaluations": result.evaluations,
        "train_by_class": train.class_accuracy(reported).round(4).tolist(),
        "test_by_class": test.class_accuracy(reported).round(4).tolist(),
    }
    arrays = {
        "genomes": np.array(population.genomes),
        "scores": population.scores.astype(np.bool_),
        "ids": np.array(population.ids),
        "parents": np.array(population.parents),
    }
    return DigitsRun(seed, summary, history, arrays)


def _count(evolution: Evolution) -> None:
    if evolution.evaluations % _COUNTED == 0:
        parallel.advance(_COUNTED)


def run_seeds(
    settings: DigitsSettings, seeds: Sequence[int], *, jobs: int = 1, progress: bool = True
) -> Iterator[DigitsRun]:
    """Run once for each seed; runs come as they end, after an interrupted one no more."""
    if jobs == 1:
        for seed in seeds:
            run = run_digits(settings, seed, progress=progress)
            yield run
            if run.summary["stopped"] == "interrupted":
                return
        return
    tasks = [(settings, seed) for seed in seeds]
    steps = settings.evaluations * len(seeds)
    for _, run in parallel.each(_run_quietly, tasks, jobs=jobs, steps=steps, progress=progress):
        yield run


def _run_quietly(settings: DigitsSettings, seed: int) -> DigitsRun:
    return run_digits(settings, seed, progress=False)


def write_runs(out: Path, settings: DigitsSettings, runs: Sequence[DigitsRun], command: str) -> None:
    """Write history.csv, result.json and population.npz."""
    runs = sorted(runs, key=lambda run: run.seed)
    with (out / "history.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["seed", *runs[0].history])
        for run in runs:
            columns = [column.tolist() for column in run.history.values()]
            for evaluations, *values in zip(*columns, strict=True):
                writer.writerow([run.seed, int(evaluations), *(f"{value:.6g}" for value in values)])
    result = {
        "problem": "digits",
        "group": settings.group,
        "label": settings.label,
        "settings": attrs.asdict(settings),
        "command": command,
        "versions": {name: version(name) for name in ("evoniche", "numpy", "scikit-learn")},
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "runs": [run.summary for run in runs],
    }
    (out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    arrays = {f"{name}_{run.seed}": array for run in runs for name, array in run.population.items()}
    np.savez_compressed(out / "population.npz", **arrays)
