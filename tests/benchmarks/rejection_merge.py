"""What `evoniche merge --reject-early` spares on two tiny language models: the same merges with and without it.

`python tests/benchmarks/rejection_merge.py FOLDER [EVALUATIONS] [SEEDS]`. The models are those of `make merge-demo`,
which are trained into the folder if they are not there. Each pair of runs must end alike.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import evoniche
from evoniche_baselines.problems.tiny_llm import tasks
from evoniche_baselines.problems.tiny_llm.training import train_seeds
from evoniche_torch import CheckpointCaseScorer, CheckpointSeeds, MultiTaskScorer
from evoniche_torch.models import load_pretrained


def run(folder: Path, evaluations: int = 1000, seeds: int = 3) -> None:
    """Measure, and print a Markdown table."""
    names = ("arithmetic", "protocol")
    if not (folder / names[0]).is_dir():
        train_seeds(folder)
    print("| case scores | blocks | scores spared | of the last fifth of a run | seconds of a run | with rejection |")
    print("| --- | --- | --- | --- | --- | --- |")
    with CheckpointSeeds([folder / name for name in names]) as models:
        live = load_pretrained(models.folders[0], models.index)
        joined = MultiTaskScorer({name: getattr(tasks, name) for name in names})
        joined(live.module)
        for label, evaluate in (("binary and in sixths", joined), ("binary", _binary(joined))):
            for blocks in (16, 4):
                how = models, live.module, evaluate, joined, evaluations, blocks
                spared, last, full, early = np.array([_pair(*how, seed) for seed in range(seeds)]).T
                cells = [label, blocks, _span(spared), _span(last), f"{full.mean():.0f}", f"{early.mean():.0f}"]
                print(f"| {' | '.join(map(str, cells))} |", flush=True)


def _binary(joined: Any) -> Any:
    def evaluate(model: Any, cases: Any = None) -> Any:
        return joined(model, cases) == 1

    return evaluate


def _pair(
    models: Any, module: Any, evaluate: Any, joined: Any, evaluations: int, blocks: int, seed: int
) -> tuple[float, float, float, float]:
    count = len(joined.importance)
    results, seconds = [], []
    for reject_early in (False, -(-count // blocks)):
        scorer = CheckpointCaseScorer(module, models, evaluate, cases=count)
        evolution = evoniche.merge(models, scorer, importance=joined.importance, seed=seed)
        start = time.perf_counter()
        results.append(evolution.run(evaluations, reject_early=reject_early, progress=False))
        seconds.append(time.perf_counter() - start)
    full, early = results
    for one in ("ids", "scores", "fitness"):
        assert np.array_equal(getattr(full.population, one), getattr(early.population, one)), one
    assert full.population.genomes == early.population.genomes
    assert full.best.id == early.best.id
    assert np.array_equal(full.history["best"], early.history["best"])
    h = early.history
    fifth = h["evaluations"].searchsorted(0.8 * evaluations)
    last = (h["scored"][-1] - h["scored"][fifth]) / count / (evaluations - h["evaluations"][fifth])
    return 1 - early.scored / full.scored, 1 - last, seconds[0], seconds[1]


def _span(shares: Any) -> str:
    return f"{shares.mean():.0%} ({shares.min():.0%} to {shares.max():.0%})"


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(Path(sys.argv[1]), *map(int, sys.argv[2:]))
