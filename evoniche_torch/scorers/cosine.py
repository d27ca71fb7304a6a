"""Scores how similar the output of a model is to its targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from evoniche_torch.scorers.evaluation import why_not_by_case

__all__ = ["CosineScorer"]


def _unit_rows(targets: Any) -> torch.Tensor:
    rows = torch.as_tensor(targets).detach().cpu()
    if rows.ndim != 2 or not rows.numel():
        raise ValueError(f"CosineScorer(targets=...) must be vectors (cases, d), got shape {tuple(rows.shape)}.")
    rows = rows.double()
    norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    wrong = ~(torch.isfinite(norms) & (norms > 0)).reshape(-1)
    if wrong.any():
        raise ValueError("CosineScorer(targets=...) must be finite and not zero, since a zero vector has no direction, "
                         f"got {rows[wrong][0].tolist()[:4]}... for case {int(wrong.nonzero()[0, 0])}.")
    unit: torch.Tensor = rows / norms
    return unit


@final
@attrs.frozen(eq=False)
class CosineScorer:
    """Scores a model by the cosine similarity of its features to targets: (1 + cos(features, targets)) / 2.

    It is an evaluation, for `CheckpointScorer` or alone. With CLIP features of generated and of real images it is the
    normalised CLIP similarity (NCS), which is "normalized to fall within the range of 0 to 1" (Abrantes 2025, 4.3).
    All models score high there and differ by little, so compete by `relative_scores=True`. A model that generates from
    noise must have the same noise each time.

    Args:
        features: A function `f(model)` that returns the features of the model's output for each case, shape
            (cases, d), as an array or tensor. A function `f(model, cases=None)` makes those of some cases alone.
        targets: The features to come close to, shape (cases, d); no row is zero.

    >>> scorer = CosineScorer(lambda model: model, targets=[[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    >>> scorer(np.array([[2.0, 0.0], [0.0, 1.0], [-3.0, 0.0]]))
    array([1. , 0.5, 0. ])
    """

    features: Callable[..., Any] = attrs.field(validator=attrs.validators.is_callable())
    targets: torch.Tensor = attrs.field(converter=_unit_rows, repr=lambda rows: f"<shape {tuple(rows.shape)}>")

    def __call__(self, model: Any, cases: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Score a model on each case, from 0 to 1, shape (cases,). Features that are zero score 0.5.

        Args:
            model: What the features are made of.
            cases: The numbers of the cases to look at, from 0 on; all when None.

        Raises:
            ValueError: The features have another shape than the targets.
        """
        targets = self.targets if cases is None else self.targets[torch.as_tensor(np.array(cases))]
        found = self.features(model) if cases is None else self.features(model, cases)
        rows = torch.as_tensor(found).detach().cpu()
        if rows.shape != targets.shape:
            raise ValueError(f"CosineScorer(features=...) must give features of the targets' shape "
                             f"{tuple(targets.shape)}, got {tuple(rows.shape)}.")
        rows = rows.double()
        norms = torch.linalg.vector_norm(rows, dim=1)
        dots = (rows * targets).sum(dim=1)
        cosine = torch.where(norms > 0, dots / torch.where(norms > 0, norms, 1.0), norms)  # NaN stays NaN
        scores: NDArray[np.float64] = ((1 + cosine.clamp(-1, 1)) / 2).numpy()
        return scores

    @property
    def slices(self) -> dict[str, slice]:
        """All cases, under one name."""
        return {"cosine": slice(0, len(self.targets))}

    @property
    def why_not_by_case(self) -> str:
        """Why this cannot look at some cases without the others; "" if it can."""
        return why_not_by_case(self.features)
