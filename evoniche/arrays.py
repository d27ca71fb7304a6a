"""Arrays of numpy, torch and the rest of the array API, treated alike."""

from __future__ import annotations

from typing import Any

import array_api_compat
import array_api_compat.numpy
import numpy as np
from array_api_compat import device, is_array_api_obj, is_torch_array
from numpy.typing import NDArray

__all__ = ["detached", "device", "is_array_api_obj", "is_floating", "like", "namespace", "to_numpy"]


def namespace(*arrays: Any) -> Any:
    """The array-API namespace of the arrays; asked for in every formula, so numpy's is found without a search."""
    if all(type(array) is np.ndarray for array in arrays):
        return array_api_compat.numpy
    return array_api_compat.array_namespace(*arrays)


def is_floating(batch: Any) -> bool:
    """Whether an array holds real floating-point numbers."""
    if isinstance(batch, np.ndarray):
        return bool(batch.dtype.kind == "f")
    return bool(namespace(batch).isdtype(batch.dtype, "real floating"))


def to_numpy(values: Any) -> NDArray[Any]:
    """Values as a numpy array, wherever they are; half precision that numpy lacks becomes single."""
    if is_torch_array(values):
        values = values.detach().cpu()
        values = values.float() if is_floating(values) and values.itemsize < 4 else values
        return np.asarray(values.numpy())
    return np.asarray(values)


def like(values: Any, template: Any, dtype: Any = None) -> Any:
    """`values` as an array of the template's library and device (and dtype, unless another is asked for)."""
    if isinstance(template, np.ndarray):
        return np.asarray(values, dtype=template.dtype if dtype is None else dtype)
    xp = namespace(template)
    return xp.asarray(values, dtype=template.dtype if dtype is None else dtype, device=device(template))


def detached(array: Any) -> Any:
    """Without the history that torch would keep of how it was computed."""
    return array.detach() if is_torch_array(array) else array
