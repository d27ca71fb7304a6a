"""What scores are: how they are read where they enter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from evoniche.arrays import masked, to_numpy

__all__ = ["read_importance", "read_scores"]

_ROOM = 1e6  # as many members with such scores can be added up


def read_scores(scores: Any, ids: Sequence[int], like: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
    """Scores as they come from a user, checked.

    Args:
        scores: Anything that numpy (or torch) can make an array of.
        ids: The children that were scored, for the messages.
        like: Scores so far, which the number of cases and the precision must follow; None before the first.

    Returns:
        Float array (children, cases). The first scores decide its precision: that of float64 and float32 is kept,
        booleans become float32, the rest float64.

    Raises:
        ValueError: Wrong shape, wrong dtype, or a value that is missing (NaN, masked), infinite or negative.
    """
    try:
        hidden = masked(scores)
        array = to_numpy(scores) if hidden is None else np.ma.array(np.zeros(hidden.shape), mask=hidden)
    except ValueError as error:  # ragged rows
        raise ValueError(f"scores must be a rectangular array (children, cases): {error}") from error
    if array.ndim != 2 or len(array) != len(ids):
        single = " (one case alone is scores[:, None])" if array.ndim == 1 else ""
        raise ValueError(
            f"scores of {_children(ids)} must have shape ({len(ids)}, cases), got {array.shape}: one row for each "
            f"child, one column for each case{single}."
        )
    cases = array.shape[1]
    if cases == 0:
        raise ValueError(f"scores of {_children(ids)} must have at least one case, got shape {array.shape}.")
    if like is not None and cases != like.shape[1]:
        raise ValueError(f"scores of {_children(ids)} must have {like.shape[1]} cases as before, got {cases}.")
    if hidden is not None:
        _refuse(array, hidden, ids)
    if array.dtype.kind not in "fiub":
        missing = " (with None or NA, maybe, where a score is missing)" if array.dtype == object else ""
        raise ValueError(f"scores of {_children(ids)} must be numbers or booleans, got dtype {array.dtype}{missing}.")
    dtype = _precision(array.dtype) if like is None else like.dtype
    if array.dtype.kind == "b":
        return array.astype(dtype)
    given = array
    with np.errstate(over="ignore"):
        array = array.astype(dtype, copy=False)
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        _refuse(given, wrong, ids)
    with np.errstate(over="ignore"):
        huge = ~np.isfinite(array.sum(axis=1, dtype=np.float64) * _ROOM)
    if huge.any():
        raise ValueError(f"scores of child {ids[int(huge.argmax())]} are too large to be added up: scale them down.")
    return array


def read_importance(importance: Any) -> NDArray[np.float64] | None:
    """How much each case counts, as it comes from a user, checked.

    Raises:
        ValueError: Not a list of finite numbers >= 0, or all of them 0.
    """
    if importance is None:
        return None
    v = to_numpy(importance)
    numbers = masked(importance) is None and v.ndim == 1 and v.dtype.kind in "fiub"
    if not numbers or not (np.isfinite(v) & (v >= 0)).all() or not v.any():
        raise ValueError("importance must be one finite number >= 0 for each case, and not all 0, "
                         f"got {importance!r}.")
    v = v.astype(np.float64)
    v.flags.writeable = False
    return v


def _refuse(array: NDArray[Any], wrong: NDArray[np.bool_], ids: Sequence[int]) -> NoReturn:
    row, case = map(int, np.argwhere(wrong)[0])
    value = "a masked score" if np.ma.is_masked(array) else str(array[row, case])
    if not np.ma.is_masked(array) and 0 <= array[row, case] < np.inf:
        value += " (too large for single precision, which the first scores have decided)"
    raise ValueError(f"scores must be finite and >= 0, got {value} for child {ids[row]}, case {case}: "
                     "the population is unchanged and the child can be told again.")


def _children(ids: Sequence[int]) -> str:
    return f"children {list(ids)}" if len(ids) < 9 else f"{len(ids)} children"


def _precision(dtype: np.dtype[Any]) -> type[np.floating]:
    """In which scores are kept."""
    return np.float32 if dtype.kind == "b" or dtype == np.float32 else np.float64
