"""Scores recipes of large models on some cases at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from evoniche import CaseScorer
from evoniche._validators import number, whole_number
from evoniche.batches import Batch
from evoniche_torch.models import TensorSeeds
from evoniche_torch.scorers.evaluation import why_not_by_case
from evoniche_torch.scorers.live_model import LiveModel

__all__ = ["CheckpointCaseScorer"]


@final
class CheckpointCaseScorer(CaseScorer):
    """A `CheckpointScorer` that can look at some cases without the others, for `run(reject_early=True)`.

    A recipe is loaded once for all blocks of its cases.

    >>> from evoniche import Recipes
    >>> from evoniche_torch import ModuleSeeds
    >>> seeds = ModuleSeeds([{"bias": torch.zeros(3)}, {"bias": torch.ones(3)}])
    >>> model = torch.nn.ParameterDict({"bias": torch.nn.Parameter(torch.empty(3))})
    >>> def evaluate(model, cases=None):
    ...     return model["bias"] if cases is None else model["bias"][cases]
    >>> CheckpointCaseScorer(model, seeds, evaluate, cases=3).score(Recipes.of_seeds(seeds), np.array([2]))
    array([[0.],
           [1.]], dtype=float32)
    """

    __slots__ = ("_live", "highest")

    def __init__(
        self,
        model: torch.nn.Module,
        seeds: TensorSeeds,
        evaluate: Callable[..., Any],
        *,
        cases: int | None = None,
        highest: float = 1.0,
    ) -> None:
        """Take the model.

        Args:
            model: See `CheckpointScorer`. Nobody else may write to it while it is here.
            seeds: See `CheckpointScorer`.
            evaluate: A function `f(model, cases=None)`, which gives the scores of the cases of these numbers, from 0
                on, in their order, or of all. An `LmEvalScorer` is one if its tasks draw nothing; a `CosineScorer` if
                its features are made case by case; a `MultiTaskScorer` if its tasks are.
            cases: How many there are. None: as many as the evaluation has, if it says so by `slices`.
            highest: No case gives more than this.

        Raises:
            TypeError: `evaluate` cannot be called.
            ValueError: It scores all cases at once, or the number of cases is not known.
        """
        if why := callable(evaluate) and why_not_by_case(evaluate):
            raise ValueError(f"CheckpointCaseScorer(evaluate=...) must look at some cases without the others: {why}.")
        self._live = LiveModel(model, seeds, evaluate)
        self.highest = number("CheckpointCaseScorer(highest=...)", highest, 0)
        if cases is None:
            slices = getattr(evaluate, "slices", None)
            if not slices:
                raise ValueError("CheckpointCaseScorer(cases=...) is needed: this evaluation does not say how many "
                                 "cases it has.")
            cases = max(part.stop for part in slices.values())
        self._live.cases = whole_number("CheckpointCaseScorer(cases=...)", cases, 1)

    def __repr__(self) -> str:
        return f"CheckpointCaseScorer({self._live!r})"

    @property
    def cases(self) -> int:
        """How many cases there are."""
        assert self._live.cases is not None
        return self._live.cases

    def score(self, genomes: Batch, cases: NDArray[np.intp] | None = None) -> NDArray[Any]:
        """Load and evaluate the recipes one after the other, on some cases or on all; shape (n, cases)."""
        return self._live.score(genomes, cases)
