"""Errors and losses, of which lower is better, as scores, of which higher is better."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoniche.arrays import masked, to_numpy

__all__ = ["scores_from_errors"]


def scores_from_errors(errors: Any, *, scale: ArrayLike = 1.0) -> NDArray[np.floating]:
    """1 / (1 + error / scale): adjusted fitness case by case (Koza 1992, section 6.3.2), for minimising.

    An error of 0 is a score of 1, an error of `scale` half of that, and no error, however large, is below 0. The order
    on a case stays what it was, and a score depends on its own error alone, not on who else is alive; so scores of
    different generations can be compared. What is maximised is the mean of these scores, which differs from minimising
    the mean error: a small error that gets smaller counts for more than a large one that does.

    Args:
        errors: Shape (members, cases): never negative, lower is better; infinity is a score of 0.
        scale: The error that scores one half, > 0, in the units of the errors: one number, or one for each case where
            they are of different units. The typical error of a first guess is a good choice.

    Returns:
        Scores from 0 to 1, shape (members, cases): float32 for float32, else float64.

    Raises:
        ValueError: An error that is negative, NaN or masked, or a scale that is not > 0.

    >>> scores_from_errors([[0.0, 3.0], [1.0, 1.0]], scale=[1.0, 3.0])
    array([[1.  , 0.5 ],
           [0.5 , 0.75]])
    """
    if masked(errors) is not None:
        raise ValueError("errors must not be masked: a missing error is no error.")
    array = to_numpy(errors)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"errors must be numbers, got {array.dtype}.")
    array = array if array.dtype == np.float32 else array.astype(np.float64)
    wrong = ~(array >= 0)
    if wrong.any():
        raise ValueError(f"errors must be >= 0, got {array[wrong][0]}: take absolute or squared differences, or losses "
                         "minus their lowest possible value.")
    unit = np.asarray(scale, dtype=np.float64)
    if not ((unit > 0) & np.isfinite(unit)).all():
        raise ValueError(f"scale must be > 0, one number or one for each case, got {scale!r}.")
    with np.errstate(over="ignore"):
        scores: NDArray[np.floating] = 1 / (1 + array / unit.astype(array.dtype))
    return scores
