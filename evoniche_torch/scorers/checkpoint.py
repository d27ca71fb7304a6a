"""Scores recipes of large models, one model at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from numpy.typing import NDArray

from evoniche import Scorer
from evoniche.batches import Batch
from evoniche_torch.models import TensorSeeds
from evoniche_torch.scorers.live_model import LiveModel

__all__ = ["CheckpointScorer"]


@final
class CheckpointScorer(Scorer):
    """Loads each recipe into one model in memory and evaluates it there.

    The parameters of the model are overwritten; in the end they are those of the last recipe. The model is in
    evaluation mode and has no gradients while it is evaluated, and is in its own mode afterwards.

    >>> from evoniche import Recipes
    >>> from evoniche_torch import ModuleSeeds
    >>> seeds = ModuleSeeds([{"bias": torch.zeros(2)}, {"bias": torch.ones(2)}])
    >>> model = torch.nn.ParameterDict({"bias": torch.nn.Parameter(torch.empty(2))})
    >>> scorer = CheckpointScorer(model, seeds, lambda model: model["bias"])
    >>> scorer.score(Recipes.of_seeds(seeds))
    array([[0., 0.],
           [1., 1.]], dtype=float32)
    """

    __slots__ = ("_live",)

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
        self._live = LiveModel(model, seeds, evaluate)

    def __repr__(self) -> str:
        return f"CheckpointScorer({self._live!r})"

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
        return self._live.score(genomes)
