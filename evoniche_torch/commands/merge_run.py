"""A merge that is set up: the seeds, a model to load recipes into, the tasks, and the evolution that joins them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from evoniche import Chromosomes, Evolution, Recipe, RecipeGenome, Recipes, RecordedScorer, _log, merge
from evoniche_torch.models import CheckpointSeeds, PretrainedModel, load_into
from evoniche_torch.scorers import CheckpointScorer, MultiTaskScorer

__all__ = ["MergeRun", "Trial"]

_SAME_TASKS = 0.02  # how much the mean score of one model may differ between two runs of the same tasks
_ROUNDING = 1e-6  # how much a score may exceed 1


@final
@attrs.frozen(eq=False)
class Trial:
    """The scores of the first seed, and how long they took."""

    scores: NDArray[np.float64]
    """Shape (cases,)."""
    loading: float
    """How long the seed took to load into the model, in seconds."""
    scoring: float
    """How long the training cases took to score, in seconds."""


@final
@attrs.frozen(eq=False)
class MergeRun:
    """All that `evoniche merge` works with, before and after the evolution."""

    seeds: CheckpointSeeds
    model: PretrainedModel
    training: MultiTaskScorer
    held_out: MultiTaskScorer | None

    def trial(self) -> Trial:
        """Load and score the first seed, to learn the number of cases and the time of an evaluation.

        The seed is scored on the held-out cases too, so that a mistake in them shows now and not at the end.
        """
        start = time.perf_counter()
        load_into(self.model.module, Recipes.of_seeds(self.seeds)[0], self.seeds)
        loaded = time.perf_counter()
        scores = self._evaluate(self.training)
        scored = time.perf_counter()
        if self.held_out is not None:
            self._evaluate(self.held_out)
        return Trial(scores, loaded - start, scored - loaded)

    def evolution(
        self, trial: Trial, *, chromosomes: Chromosomes | None, record: Path | None = None, **settings: Any
    ) -> Evolution:
        """Set up the evolution of the paper for large models. The first seed is not scored again.

        Args:
            trial: The scores of the first seed.
            chromosomes: Groups of parameters with a ratio and a split point of their own; all in one when None.
            record: A file that keeps every score, from which a run that was cut off goes on; None for no file.
            **settings: More arguments of `evoniche.merge`.

        Raises:
            ValueError: The record has other scores of the first seed, so the tasks have changed.
        """
        scorer = CheckpointScorer(self.model.module, self.seeds, lambda _: self._evaluate(self.training))
        genome = RecipeGenome(self.seeds)
        recorded = RecordedScorer(scorer, genome, record, about=self._about())
        first = Recipes.of_seeds(self.seeds).take(np.array([0]))
        recorded.remember(first, trial.scores[None])
        before, now = recorded.score(first)[0].mean(), trial.scores.mean()
        if abs(before - now) > _SAME_TASKS:
            raise ValueError(f"{record} has other scores of {self.seeds.labels[0]} on record ({before:.3f} on average) "
                             f"than it has now ({now:.3f}): the tasks have changed, so give the name of a new file.")
        return merge(
            self.seeds, recorded, chromosomes=chromosomes, importance=self.training.importance, **settings
        )

    def table(self, training: NDArray[Any], best: Recipe) -> dict[str, dict[str, float]]:
        """Compute the mean scores of each seed and of the merged model, on the training and the held-out cases.

        If the held-out cases cannot be scored, or Ctrl-C interrupts that, they are left out with a warning.

        Args:
            training: The scores on the training cases, a row for each seed and the last row for the merged model.
            best: The merged model.

        Returns:
            Model -> task -> mean score, the merged model last; "average" is the mean over tasks.
        """
        merged = "merged"
        while merged in self.seeds.labels:
            merged = f"new {merged}"
        names = [*self.seeds.labels, merged]
        rows = [_columns(self.training.task_means(row)) for row in training]
        if self.held_out is not None:
            try:
                later = [self._later(self.held_out, recipe) for recipe in (*Recipes.of_seeds(self.seeds), best)]
            except (Exception, KeyboardInterrupt) as error:
                _log.warning("the table is without the cases held out: {}", str(error) or "interrupted")
            else:
                rows = [row | more for row, more in zip(rows, later, strict=True)]
        return dict(zip(names, rows, strict=True))

    def _later(self, scorer: MultiTaskScorer, recipe: Recipe) -> dict[str, float]:
        load_into(self.model.module, recipe, self.seeds)
        means = _columns(scorer.task_means(self._evaluate(scorer)))
        return {f"{task} (held out)": mean for task, mean in means.items()}

    def _evaluate(self, scorer: MultiTaskScorer) -> NDArray[np.float64]:
        """Score the model in memory.

        Raises:
            ValueError: Scores are not numbers from 0 to 1. Nothing has been recorded then.
        """
        with torch.no_grad():
            found = scorer(self.model.whole)
        for task, part in scorer.slices.items():
            scores = found[part]
            if scores.dtype.kind not in "biuf":
                raise ValueError(f"task {task!r} gave scores that are not all numbers, such as {scores[:3].tolist()}.")
            good = (scores >= 0) & (scores <= 1 + _ROUNDING)
            if not good.all():
                case = int(good.argmin())
                raise ValueError(f"task {task!r} gave {scores[case]} as the score of its case {case} (of "
                                 f"{len(scores)}, counted from 0): scores must be numbers from 0 to 1.")
        return np.asarray(found, dtype=np.float64)

    def _about(self) -> str:
        """A text that identifies the models and tasks of a record."""
        digests = ["".join(files.values()).encode() for files in self.seeds.digests]
        models = ", ".join(hashlib.sha256(digest).hexdigest()[:12] for digest in digests)
        tasks = [f"{name} {columns.stop - columns.start}" for name, columns in self.training.slices.items()]
        return f"models {models}; cases of {', '.join(tasks)}"


def _columns(means: Mapping[str, float]) -> dict[str, float]:
    if len(means) == 1:
        return dict(means)
    return {**means, "average": float(np.mean(list(means.values())))}
