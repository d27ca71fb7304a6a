"""How like its targets is what a model makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

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
    """(1 + cos(features, targets)) / 2: an evaluation of a live model, for `CheckpointScorer` or alone.

    With CLIP features of generated and of real images this is the normalised CLIP similarity (NCS), of which the paper
    says that it is "normalized to fall within the range of 0 to 1" (Abrantes 2025, 4.3). All models score high and
    differ by little, so use it with `relative_scores=True, capacity="max"`; and what is generated from noise must be so
    from the same noise for each model.

    Args:
        features: `f(model) -> (cases, d)`, the features of what the model makes of each case; array or tensor.
        targets: Shape (cases, d), none zero.

    >>> scorer = CosineScorer(lambda model: model, targets=[[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    >>> scorer(np.array([[2.0, 0.0], [0.0, 1.0], [-3.0, 0.0]]))
    array([1. , 0.5, 0. ])
    """

    features: Callable[[Any], Any] = attrs.field(validator=attrs.validators.is_callable())
    targets: torch.Tensor = attrs.field(converter=_unit_rows, repr=lambda rows: f"<shape {tuple(rows.shape)}>")

    def __call__(self, model: Any) -> NDArray[np.float64]:
        """Score a model; shape (cases,), from 0 to 1. Features that are zero score 0.5.

        Raises:
            ValueError: Features of another shape than the targets.
        """
        rows = torch.as_tensor(self.features(model)).detach().cpu()
        if rows.shape != self.targets.shape:
            raise ValueError(f"CosineScorer(features=...) must give features of the targets' shape "
                             f"{tuple(self.targets.shape)}, got {tuple(rows.shape)}.")
        rows = rows.double()
        norms = torch.linalg.vector_norm(rows, dim=1)
        dots = (rows * self.targets).sum(dim=1)
        cosine = torch.where(norms > 0, dots / torch.where(norms > 0, norms, 1.0), norms)  # NaN stays NaN
        scores: NDArray[np.float64] = ((1 + cosine.clamp(-1, 1)) / 2).numpy()
        return scores
