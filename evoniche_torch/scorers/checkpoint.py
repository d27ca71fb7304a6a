"""Large models, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from evoniche import Recipes, Scorer
from evoniche.arrays import to_numpy
from evoniche.batches import Batch
from evoniche_torch.models import TensorSeeds, load_into

__all__ = ["CheckpointScorer", "case_scores", "evaluating"]


@final
class CheckpointScorer(Scorer):
    """Recipes, each loaded into one live model and evaluated there.

    The model's parameters are overwritten: in the end they are those of the last recipe. It is in evaluation mode while
    it is evaluated, without gradients, and in its own mode afterwards.
    """

    __slots__ = ("_cases", "_evaluate", "_model", "_seeds")

    def __init__(self, model: torch.nn.Module, seeds: TensorSeeds, evaluate: Callable[[Any], Any]) -> None:
        """Take the model.

        Args:
            model: Of the seeds' architecture, on any device.
            seeds: What the recipes are of.
            evaluate: `f(model) -> scores of the cases`, shape (cases,), the same cases in the same order each time: a
                function of yours, `LmEvalScorer`, `CosineScorer`, or a `MultiTaskScorer` of several.

        Raises:
            TypeError: An evaluate that cannot be called.
        """
        if not callable(evaluate):
            raise TypeError(f"CheckpointScorer(evaluate=...) must be a function f(model) -> scores of the cases, "
                            f"got {evaluate!r}.")
        self._model = model
        self._seeds = seeds
        self._evaluate = evaluate
        self._cases: int | None = None

    def __repr__(self) -> str:
        return f"CheckpointScorer({type(self._model).__name__}, {', '.join(self._seeds.labels)}, {self._evaluate!r})"

    def score(self, genomes: Batch) -> NDArray[Any]:
        """Load and evaluate the recipes one after the other.

        Returns:
            Shape (n, cases).

        Raises:
            TypeError: The genomes are no `Recipes`.
            ValueError: Scores that are no vector, or of another number of cases than before.
        """
        if not isinstance(genomes, Recipes):
            raise TypeError(f"CheckpointScorer needs Recipes, got {type(genomes).__name__}: begin with "
                            "evoniche.RecipeGenome(seeds) as the genome.")
        rows = []
        with evaluating(self._model), torch.no_grad():
            for i, recipe in enumerate(genomes):
                where = f"recipe {i} of a batch of {len(genomes)}"
                try:
                    load_into(self._model, recipe, self._seeds)
                    scores = self._evaluate(self._model)
                except Exception as error:
                    error.add_note(f"raised on {where}.")
                    raise
                rows.append(case_scores(scores, self._cases, where))
                self._cases = len(rows[-1])
        return np.stack(rows) if rows else np.empty((0, self._cases or 0))


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """A module in evaluation mode, and each part of it in its own mode again afterwards; anything else as it is."""
    modes = [(part, part.training) for part in model.modules()] if isinstance(model, torch.nn.Module) else []
    try:
        if modes:
            model.eval()
        yield
    finally:
        for part, training in modes:
            part.training = training


def case_scores(scores: Any, before: int | None, where: str) -> NDArray[Any]:
    """What an evaluation gave, as an array (cases,).

    Args:
        scores: An array, tensor or sequence of numbers.
        before: How many cases there were the last time; None at first.
        where: What was evaluated, for the messages.

    Raises:
        ValueError: No vector, no cases, or another number of them than before.
    """
    array = to_numpy(scores)
    if array.ndim != 1 or not array.size:
        single = " (one case alone is [score])" if not array.ndim else ""
        raise ValueError(f"the evaluation of {where} must give one score for each case, shape (cases,), got shape "
                         f"{array.shape}{single}.")
    if before is not None and len(array) != before:
        raise ValueError(f"the evaluation of {where} gave {len(array)} cases, and {before} before: it must score all "
                         "models on the same cases.")
    return array
