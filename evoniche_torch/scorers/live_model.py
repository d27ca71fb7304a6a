"""The one model in memory into which recipes are loaded to be evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from evoniche import Recipe, Recipes
from evoniche.batches import Batch
from evoniche_torch.models import TensorSeeds, load_into
from evoniche_torch.scorers.evaluation import case_scores, evaluation_mode

__all__ = ["LiveModel"]


@final
class LiveModel:
    """A module, and an evaluation of whatever is loaded into it. `cases` is how many cases it had the last time."""

    __slots__ = ("_evaluate", "_loaded", "_module", "_seeds", "cases")

    def __init__(
        self, module: torch.nn.Module, seeds: TensorSeeds, evaluate: Callable[..., Any], cases: int | None = None
    ) -> None:
        """Take a module of the architecture of the seeds; nobody else may write to it while recipes are scored."""
        if not callable(evaluate):
            raise TypeError(f"evaluate must be a function f(model) -> scores of the cases, got {evaluate!r}.")
        self._module = module
        self._seeds = seeds
        self._evaluate = evaluate
        self.cases = cases
        self._loaded: tuple[Recipe, list[int] | None] | None = None

    def __repr__(self) -> str:
        return f"{type(self._module).__name__}, {', '.join(self._seeds.labels)}, {self._evaluate!r}"

    def score(self, genomes: Batch, cases: NDArray[np.intp] | None = None) -> NDArray[Any]:
        """Load and evaluate recipes one after the other; a recipe that is in the module is not loaded for more cases.

        Args:
            genomes: `Recipes` over the seeds.
            cases: The numbers of the cases to look at; all when None.

        Returns:
            Scores of shape (n, cases).

        Raises:
            TypeError: The genomes are not `Recipes`.
            ValueError: The scores are not a vector, or not of as many cases as before, or as asked for.
        """
        if not isinstance(genomes, Recipes):
            raise TypeError(f"a model in memory is filled with Recipes, got {type(genomes).__name__}: begin with "
                            "evoniche.RecipeGenome(seeds) as the genome.")
        # a copy: torch takes no array that is read backwards, and a function may write to what it gets
        some, asked = ((), None) if cases is None else ((np.array(cases, dtype=np.intp),), len(cases))
        rows = []
        with evaluation_mode(self._module), torch.no_grad():
            for i, recipe in enumerate(genomes):
                where = f"recipe {i} of a batch of {len(genomes)}"
                try:
                    if cases is None or not self._holds(recipe):
                        self._load(recipe)
                    scores = self._evaluate(self._module, *some)
                except Exception as error:
                    error.add_note(f"raised on {where}.")
                    raise
                rows.append(case_scores(scores, self.cases, where, asked))
                if cases is None:
                    self.cases = len(rows[-1])
        return np.stack(rows) if rows else np.empty((0, asked or self.cases or 0))

    def _load(self, recipe: Recipe) -> None:
        self._loaded = None
        load_into(self._module, recipe, self._seeds)
        self._loaded = (recipe, self._stamp())

    def _holds(self, recipe: Recipe) -> bool:
        """Whether a recipe is known to be in the module."""
        if self._loaded is None:
            return False
        before, stamp = self._loaded
        same = np.array_equal(before.boundaries, recipe.boundaries) and np.array_equal(
            before.coefficients, recipe.coefficients
        )
        return same and stamp is not None and stamp == self._stamp()

    def _stamp(self) -> list[int] | None:
        """How often torch has seen each tensor of the module change in place; None where it does not look."""
        tensors = [tensor for tensor in self._module.state_dict().values() if isinstance(tensor, torch.Tensor)]
        return None if any(tensor.is_inference() for tensor in tensors) else [tensor._version for tensor in tensors]
