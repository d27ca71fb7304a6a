"""Conversion of errors and losses, where lower is better, into scores, where higher is better."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoniche.arrays import masked, to_numpy

__all__ = ["scores_from_errors"]


def scores_from_errors(errors: Any, *, scale: ArrayLike = 1.0) -> NDArray[np.floating]:
    """Turn errors into scores for minimising: 1 / (1 + error / scale), case by case.

    This is Koza's adjusted fitness (Koza 1992, section 6.3.2). An error of 0 scores 1, an error of `scale` scores 1/2,
    and no error scores below 0. The order of the members on a case is reversed and otherwise kept. A score depends on
    its own error alone and not on the other members, so scores of different generations can be compared.

    An evolution maximises the mean of these scores, which differs from minimising the mean error: improving a small
    error counts for more than improving a large one by as much.

    Args:
        errors: Shape (members, cases): never negative, lower is better; infinity scores 0.
        scale: The error that scores 1/2, > 0, in the units of the errors: one number, or one for each case if their
            units differ. The typical error of a first guess is a good choice.

    Returns:
        Scores from 0 to 1, shape (members, cases): float32 if the errors are, else float64.

    Raises:
        ValueError: An error is negative, NaN or masked, or a scale is not > 0.

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
