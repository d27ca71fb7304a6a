"""What all evaluations of a model need: the model in evaluation mode, and a check of the scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evoniche.arrays import masked, to_numpy

__all__ = ["case_scores", "evaluation_mode"]


@contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
    """Put a module in evaluation mode, and each part back in its own mode afterwards; leave anything else alone."""
    modes = [(part, part.training) for part in model.modules()] if isinstance(model, torch.nn.Module) else []
    try:
        if modes:
            model.eval()
        yield
    finally:
        for part, training in modes:
            part.training = training


def case_scores(scores: Any, before: int | None, where: str) -> NDArray[Any]:
    """Turn the scores of an evaluation into an array of shape (cases,), which shares no memory with them.

    Args:
        scores: An array, tensor or sequence of numbers.
        before: The number of cases of the last evaluation; None at first.
        where: What was evaluated, for the messages.

    Raises:
        ValueError: The scores are not a vector, are empty or masked, or are not of as many cases as before.
    """
    array = np.array(to_numpy(scores))  # a copy: an evaluation may return memory that the next one writes to
    if array.ndim != 1 or not array.size:
        single = " (one case alone is [score])" if not array.ndim else ""
        raise ValueError(f"the evaluation of {where} must give one score for each case, shape (cases,), got shape "
                         f"{array.shape}{single}.")
    if (hidden := masked(scores)) is not None:
        raise ValueError(f"the evaluation of {where} must score every case, got a masked score for case "
                         f"{int(hidden.argmax())}.")
    if before is not None and len(array) != before:
        raise ValueError(f"the evaluation of {where} gave {len(array)} cases, and {before} before: it must score all "
                         "models on the same cases.")
    return array
