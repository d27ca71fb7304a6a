"""What all evaluations of a model need: the model in evaluation mode, a check of the scores, and some of the cases."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evoniche.arrays import masked, to_numpy

__all__ = ["case_scores", "evaluation_mode", "why_not_by_case"]


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


def case_scores(scores: Any, before: int | None, where: str, asked: int | None = None) -> NDArray[Any]:
    """Turn the scores of an evaluation into an array of shape (cases,), which shares no memory with them.

    Args:
        scores: An array, tensor or sequence of numbers.
        before: The number of cases of the last evaluation; None at first.
        where: What was evaluated, for the messages.
        asked: How many cases were asked for; None for all.

    Raises:
        ValueError: The scores are not a vector, are empty or masked, or are not of as many cases as before, or as
            asked for.
    """
    array = np.array(to_numpy(scores))  # a copy: an evaluation may return memory that the next one writes to
    if array.ndim != 1 or not array.size:
        single = " (one case alone is [score])" if not array.ndim else ""
        raise ValueError(f"the evaluation of {where} must give one score for each case, shape (cases,), got shape "
                         f"{array.shape}{single}.")
    if (hidden := masked(scores)) is not None:
        raise ValueError(f"the evaluation of {where} must score every case, got a masked score for case "
                         f"{int(hidden.argmax())}.")
    if asked is not None and len(array) != asked:
        raise ValueError(f"the evaluation of {where} was asked for {asked} of its cases and gave {len(array)}: a "
                         "function f(model, cases) scores those alone whose numbers are in cases, in that order.")
    if asked is None and before is not None and len(array) != before:
        raise ValueError(f"the evaluation of {where} gave {len(array)} cases, and {before} before: it must score all "
                         "models on the same cases.")
    return array


def why_not_by_case(evaluate: Callable[..., Any]) -> str:
    """Say why an evaluation cannot look at some cases without the others; "" if it can.

    A function can if it takes their numbers: `f(model, cases)`, where cases is None or an array of numbers from 0 on.
    An object may know better, by an attribute `why_not_by_case` that is such a text.

    >>> why_not_by_case(lambda model, cases=None: [1.0, 0.5])
    ''
    """
    own = getattr(evaluate, "why_not_by_case", None)
    if isinstance(own, str):
        return own
    try:
        takes = "cases" in inspect.signature(evaluate).parameters
    except (TypeError, ValueError):  # some functions of C do not say
        takes = False
    name = getattr(evaluate, "__name__", type(evaluate).__name__)
    return "" if takes else f"{name} is no function f(model, cases)"
