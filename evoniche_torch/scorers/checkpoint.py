"""Scores recipes of large models, one model at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from evoniche import Recipes, Scorer
from evoniche.batches import Batch
from evoniche_torch.models import TensorSeeds, load_into
from evoniche_torch.scorers.evaluation import case_scores, evaluation_mode

__all__ = ["CheckpointScorer"]


@final
class CheckpointScorer(Scorer):
    """Loads each recipe into one model in memory and evaluates it there.

    The parameters of the model are overwritten; in the end they are those of the last recipe. The model is in
    evaluation mode and has no gradients while it is evaluated, and is in its own mode afterwards.

    >>> from evoniche_torch import ModuleSeeds
    >>> seeds = ModuleSeeds([{"bias": torch.zeros(2)}, {"bias": torch.ones(2)}])
    >>> model = torch.nn.ParameterDict({"bias": torch.nn.Parameter(torch.empty(2))})
    >>> scorer = CheckpointScorer(model, seeds, lambda model: model["bias"])
    >>> scorer.score(Recipes.of_seeds(seeds))
    array([[0., 0.],
           [1., 1.]], dtype=float32)
    """

    __slots__ = ("_cases", "_evaluate", "_model", "_seeds")

    def __init__(self, model: torch.nn.Module, seeds: TensorSeeds, evaluate: Callable[[Any], Any]) -> None:
        """Take the model.

        Args:
            model: A module of the seeds' architecture, on any device.
            seeds: The seeds of the recipes.
            evaluate: A function `f(model) -> scores`, shape (cases,), of the same cases in the same order each time:
                a function of your own, an `LmEvalScorer`, a `CosineScorer`, or a `MultiTaskScorer` of several.

        Raises:
            TypeError: `evaluate` cannot be called.
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

        Args:
            genomes: `Recipes` over these seeds.

        Returns:
            Scores of shape (n, cases).

        Raises:
            TypeError: The genomes are not `Recipes`.
            ValueError: The scores are not a vector, or not of as many cases as before.
        """
        if not isinstance(genomes, Recipes):
            raise TypeError(f"CheckpointScorer needs Recipes, got {type(genomes).__name__}: begin with "
                            "evoniche.RecipeGenome(seeds) as the genome.")
        rows = []
        with evaluation_mode(self._model), torch.no_grad():
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
