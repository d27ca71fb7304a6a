"""Functions that treat arrays of numpy, torch and other array-API libraries alike."""

from __future__ import annotations

from typing import Any

import array_api_compat
import array_api_compat.numpy
import numpy as np
from array_api_compat import device, is_array_api_obj, is_torch_array
from numpy.typing import NDArray

__all__ = ["bits", "detached", "device", "fitted", "is_array_api_obj", "is_floating", "like", "masked", "namespace",
           "to_numpy"]


def namespace(*arrays: Any) -> Any:
    """Return the array-API namespace of the arrays; every formula asks, so numpy's is found without a search."""
    for array in arrays:
        if type(array) is not np.ndarray:
            return array_api_compat.array_namespace(*arrays)
    return array_api_compat.numpy


def bits(array: Any) -> int:
    """Return the number of bits of a floating-point number in an array."""
    return 8 * array.dtype.itemsize if type(array) is np.ndarray else int(namespace(array).finfo(array.dtype).bits)


def is_floating(batch: Any) -> bool:
    """Tell whether an array holds real floating-point numbers."""
    if isinstance(batch, np.ndarray):
        return bool(batch.dtype.kind == "f")
    return bool(namespace(batch).isdtype(batch.dtype, "real floating"))


def to_numpy(values: Any) -> NDArray[Any]:
    """Return values as a numpy array, from whatever device; half precision of torch becomes single."""
    if type(values) is not np.ndarray and is_torch_array(values):
        values = values.detach().cpu()
        values = values.float() if is_floating(values) and values.itemsize < 4 else values
        return np.asarray(values.numpy())
    return np.asarray(values)


def like(values: Any, template: Any, dtype: Any = None) -> Any:
    """Return `values` as an array of the template's library, device and dtype (or of the dtype given).

    Use it for values that the dtype is known to hold, and `fitted` for values from a user.
    """
    if isinstance(template, np.ndarray):
        return np.asarray(values, dtype=template.dtype if dtype is None else dtype)
    xp = namespace(template)
    return xp.asarray(values, dtype=template.dtype if dtype is None else dtype, device=device(template))


def detached(array: Any) -> Any:
    """Return the array without torch's record of how it was computed."""
    return array.detach() if type(array) is not np.ndarray and is_torch_array(array) else array


def fitted(values: Any, template: Any, what: str) -> Any:
    """Return `values` as an array of the template's library, device and dtype, or refuse them if one would change.

    Floating-point numbers may be rounded to the precision of the template. NaN and infinity are kept.

    Args:
        values: An array, or anything of which numpy can make an array.
        template: An array.
        what: The origin of the values, for the messages.

    Raises:
        ValueError: The dtype cannot hold a value (an integer or a float that is too large, a fraction among integers,
            a longer text, another kind of object), or a value is masked.

    >>> fitted([0.5, 1], np.ones(2, np.float32), "a mutation")
    array([0.5, 1. ], dtype=float32)
    """
    if masked(values) is not None:
        raise ValueError(f"{what} must not be masked: fill in the values that the mask hides.")
    if type(values) is type(template) and values.dtype == template.dtype:
        return like(detached(values), template)
    try:
        array = to_numpy(values)
    except ValueError as error:  # ragged rows
        raise ValueError(f"{what} must be an array, got a {type(values).__name__}: {error}.") from error
    reason = _misfit(array, template)
    if not reason:
        with np.errstate(over="ignore"):
            kept = like(array, template)
        reason = _loss(array, to_numpy(kept))
    if reason:
        raise ValueError(f"{what} must not make {array.dtype} of {template.dtype} genomes: {reason}.")
    return kept


def masked(values: Any) -> NDArray[np.bool_] | None:
    """Return the mask of a masked numpy array, or of a list of them; None if no value is masked."""
    if type(values) is np.ndarray:
        return None
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.getmaskarray(values) if np.ma.is_masked(values) else None
    nested = values if isinstance(values, list | tuple) else ()
    if any(masked(value) is not None for value in nested if isinstance(value, np.ma.MaskedArray | list | tuple)):
        return _hidden(values)
    return None


def _hidden(values: Any) -> NDArray[np.bool_]:
    if isinstance(values, list | tuple):
        return np.array([_hidden(value) for value in values], dtype=np.bool_)
    return np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else np.zeros(np.shape(values), np.bool_)


_KINDS = ("bool", "integral", "real floating", "complex floating")
"""The kinds of numbers; each can hold those before it, except for their size."""


def _kind(array: Any) -> int:
    """Return the place of an array's dtype among the kinds of numbers; -1 if it is none of them."""
    if isinstance(array, np.ndarray):
        return {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}.get(array.dtype.kind, -1)
    return next(i for i, kind in enumerate(_KINDS) if namespace(array).isdtype(array.dtype, kind))


def _misfit(array: NDArray[Any], template: Any) -> str:
    """Say why the template's dtype does not suit these values; "" if it does."""
    kind, wanted = _kind(array), _kind(template)
    if wanted < 0 or kind < 0:
        other = template.dtype.kind if isinstance(template, np.ndarray) else ""
        return "" if other in ("O", array.dtype.kind) else "these are not the same kind of thing, use a list of objects"
    if wanted == 0:
        return "" if ((array == 0) | (array == 1)).all() else "they would be cut to True and False, begin with numbers"
    if kind > max(wanted, 1):
        return f"they would be cut, begin with {('floats', 'complex numbers')[kind - 2]}"
    if wanted == kind == 1 and array.size:
        info = namespace(template).iinfo(template.dtype)
        for number in (int(array.min()), int(array.max())):
            if not info.min <= number <= info.max:
                return f"{number} would be cut, begin with a larger dtype"
    return ""


def _loss(array: NDArray[Any], kept: NDArray[Any]) -> str:
    """Say what was lost in a change of dtype; "" if nothing was."""
    if kept.dtype.kind in "fc":
        lost = np.isfinite(array) & ~np.isfinite(kept)
        return f"{array[lost][0]} would become infinite, begin with a larger dtype" if lost.any() else ""
    if kept.dtype.kind == "O" or array.dtype.kind in "biu":
        return ""
    lost = (array != kept) & (array == array)  # not-a-time differs from itself
    return f"{array[lost][0]!r} would be cut to {kept[lost][0]!r}, begin with a larger dtype" if lost.any() else ""
