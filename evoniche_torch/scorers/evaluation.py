"""What all evaluations of a live model need: a model in evaluation mode, and a check of the scores that come out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray

from evoniche.arrays import to_numpy

__all__ = ["case_scores", "evaluation_mode"]


@contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
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
