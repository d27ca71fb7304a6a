"""Scores merges in several processes, each with a model of its own in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import attrs
import torch

from evoniche import WorkerPool
from evoniche_torch.commands.merge_run import MergeRun
from evoniche_torch.commands.merge_setup import load_model, read_all_tasks
from evoniche_torch.models import CheckpointSeeds
from evoniche_torch.scorers import CheckpointScorer

__all__ = ["MergeFactory", "workers"]


@final
@attrs.frozen(eq=False)
class MergeFactory:
    """Makes the scorer of a worker: it opens the models, loads one into memory, and reads the tasks."""

    seeds: CheckpointSeeds
    options: Mapping[str, Any]
    spare: Path
    """A folder for what workers need while they are at work."""

    def __call__(self, device: str) -> CheckpointScorer:
        """The scorer, with its model on a device."""
        quiet = {**self.options, "quiet": True}
        training, _ = read_all_tasks(quiet)
        own = self.spare / f"{os.getpid()}-{device.replace(':', '-')}"
        own.mkdir()
        run = MergeRun(self.seeds, load_model(self.seeds, quiet, device, own), training, None)
        return CheckpointScorer(run.model.module, run.seeds, run.evaluate)


@contextmanager
def workers(run: MergeRun, count: int, devices: list[str]) -> Iterator[dict[str, Any]]:
    """Have workers for a run, as arguments of `Evolution.run`; meanwhile the model of this process leaves its device.

    Children are told in the order in which they were asked for, so the same seed and number of workers give the same
    merge.

    Args:
        run: The merge.
        count: How many workers; with 0, this process scores.
        devices: Where their models are, in turn.
    """
    if not count:
        yield {}
        return
    home = next((tensor.device for tensor in run.model.module.parameters()), torch.device("cpu"))
    run.model.whole.to("cpu")
    try:
        with WorkerPool(count, devices=devices) as pool:
            yield {"executor": pool, "ordered": True}
    finally:
        run.model.whole.to(home)
