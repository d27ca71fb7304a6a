"""A merge that is set up: the seeds, a model to load recipes into, the tasks, and the evolution that joins them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, final

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from evoniche import CaseScorer, Chromosomes, Evolution, Recipe, Recipes, Scorer, _log, merge
from evoniche.batches import Batch
from evoniche_torch.models import CheckpointSeeds, PretrainedModel, load_into
from evoniche_torch.scorers import CheckpointCaseScorer, MultiTaskScorer

__all__ = ["MergeRun", "Trial"]

_ROUNDING = 1e-6  # how much a score may exceed 1
_DIGITS = 6  # of a coefficient, up to which processors agree


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
        self, *, chromosomes: Chromosomes | None, scorer: Scorer | None = None, **settings: Any
    ) -> Evolution:
        """Set up the evolution of the paper for large models, once there was a trial.

        Args:
            scorer: The scorer of recipes, if they are not scored here.
            chromosomes: Groups of parameters with a ratio and a split point of their own; all in one when None.
            **settings: More arguments of `evoniche.merge`.
        """
        importance = self.training.importance
        settings |= {"chromosomes": chromosomes, "importance": importance}
        first = merge(self.seeds, **settings).ask(self.seeds.count + settings["warmup"]).genomes
        dtype = next((str(tensor.dtype) for tensor in self.model.module.parameters()), "none")
        about = {
            "models": self._models(), "tasks": self.training.identity, "first": _digest_of(first), "dtype": dtype
        }  # fmt: skip
        own = CheckpointCaseScorer(self.model.module, self.seeds, self.evaluate, cases=len(importance))
        return merge(self.seeds, MergeScorer.of(about, scorer or own), **settings)

    def evaluate(self, _: Any, cases: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Score the model in memory, whatever is in it, on the training cases of these numbers, or on all."""
        return self._evaluate(self.training, cases)

    def scores(self, recipes: Recipes) -> NDArray[np.float64]:
        """Score recipes on all training cases, shape (n, cases)."""
        return np.array([self._loaded(recipe, self.training) for recipe in recipes])

    @property
    def old_name(self) -> str:
        """The text by which records of scores, before there were stores, knew the models and tasks."""
        tasks = [f"{name} {columns.stop - columns.start}" for name, columns in self.training.slices.items()]
        return f"models {', '.join(self._models())}; cases of {', '.join(tasks)}"

    def table(self, training: Sequence[NDArray[Any]], best: Recipe) -> dict[str, dict[str, float]]:
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
        means = _columns(scorer.task_means(self._loaded(recipe, scorer)))
        return {f"{task} (held out)": mean for task, mean in means.items()}

    def _loaded(self, recipe: Recipe, scorer: MultiTaskScorer) -> NDArray[np.float64]:
        load_into(self.model.module, recipe, self.seeds)
        return self._evaluate(scorer)

    def _evaluate(self, scorer: MultiTaskScorer, cases: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Score the model in memory on all cases, or some.

        Raises:
            ValueError: Scores are not numbers from 0 to 1. Nothing has been kept of them then.
        """
        with torch.no_grad():
            found = scorer(self.model.whole) if cases is None else scorer(self.model.whole, cases)
        numbers = np.arange(len(found)) if cases is None else cases
        for task, part in scorer.slices.items():
            mine = (numbers >= part.start) & (numbers < part.stop)
            scores = found[mine]
            if scores.dtype.kind not in "biuf":
                raise ValueError(f"task {task!r} gave scores that are not all numbers, such as {scores[:3].tolist()}.")
            good = (scores >= 0) & (scores <= 1 + _ROUNDING)
            if not good.all():
                wrong = int(good.argmin())
                raise ValueError(f"task {task!r} gave {scores[wrong]} as the score of its case "
                                 f"{numbers[mine][wrong] - part.start} (of {part.stop - part.start}, counted from 0): "
                                 "scores must be numbers from 0 to 1.")
        return np.minimum(np.asarray(found, dtype=np.float64), 1)

    def _models(self) -> list[str]:
        """A digest of each model's weights, the base last."""
        digests = ["".join(files.values()).encode() for files in self.seeds.digests]
        return [hashlib.sha256(digest).hexdigest()[:12] for digest in digests]


@final
@attrs.define(eq=False)
class MergeScorer(CaseScorer):
    """A scorer that a store knows by the models and cases that it is about, wherever these are scored."""

    about: Mapping[str, Any]
    scorer: Any = attrs.field(init=False)

    @classmethod
    def of(cls, about: Mapping[str, Any], scorer: Scorer) -> MergeScorer:
        """Name a scorer."""
        made = cls(about)
        made.scorer = scorer
        return made

    @property
    def cases(self) -> int:
        """How many cases there are."""
        return int(self.scorer.cases)

    def score(self, genomes: Batch, cases: NDArray[np.intp] | None = None) -> NDArray[Any]:
        """Score recipes on some cases, or all, shape (n, cases)."""
        some = () if cases is None else (cases,)
        scores: NDArray[Any] = self.scorer.score(genomes, *some)
        return scores


def _digest_of(recipes: Recipes) -> str:
    """What recipes have in common on all processors: their boundaries, and coefficients to so many digits."""
    digest = hashlib.blake2b(digest_size=8)
    for recipe in recipes:
        digest.update(recipe.boundaries.tobytes() + (np.round(recipe.coefficients, _DIGITS) + 0.0).tobytes())
    return digest.hexdigest()


def _columns(means: Mapping[str, float]) -> dict[str, float]:
    if len(means) == 1:
        return dict(means)
    return {**means, "average": float(np.mean(list(means.values())))}
