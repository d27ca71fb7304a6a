"""Operations on batches of genomes, of whatever kind.

A batch is an array with a leading axis (numpy, torch, ...), a list of objects, or a `BatchType`: an object with
`__len__`, `take(indices)` and `join(other)`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoniche.arrays import detached, device, fitted, is_array_api_obj, masked, namespace, to_numpy

__all__ = [
    "Batch",
    "BatchType",
    "G",
    "as_batch",
    "conform",
    "copied",
    "join",
    "positions",
    "rows",
    "stack",
    "take",
]


if TYPE_CHECKING:
    from typing_extensions import TypeVar

    G = TypeVar("G", default=Any)
else:
    from typing import TypeVar

    G = TypeVar("G")

Batch = Any
"""A batch of genomes: an array with a leading axis, a list of objects, or a `BatchType`."""


@runtime_checkable
class BatchType(Protocol):
    """A batch of a type of its own."""

    def __len__(self) -> int: ...
    def take(self, indices: NDArray[np.intp]) -> BatchType:
        """Return the rows at `indices`, in that order, as a new batch."""
    def join(self, other: BatchType) -> BatchType:
        """Return a new batch of these rows, followed by the other's."""


def as_batch(genomes: Any) -> Batch:
    """Turn a user's genomes into a batch.

    A list of arrays of one shape becomes one array, of a dtype that holds them all; other sequences become lists.

    Raises:
        ValueError: The genomes are no batch of any kind, or arrays whose shapes differ, whose dtypes have no common
            dtype, or that have masked values.

    >>> as_batch([np.array([1, 2]), np.array([0.5, 3])])
    array([[1. , 2. ],
           [0.5, 3. ]])
    >>> as_batch(("ab", "c"))
    ['ab', 'c']
    """
    if masked(genomes) is not None:
        raise ValueError("genomes must not be masked: fill in the values that the mask hides.")
    if is_array_api_obj(genomes):
        if not genomes.ndim:
            raise ValueError("a batch of genomes needs a leading axis, got a single number.")
        return detached(genomes)
    if isinstance(genomes, BatchType) and not hasattr(genomes, "columns"):  # a data frame joins by columns
        return genomes
    if not isinstance(genomes, Sequence) or isinstance(genomes, str | bytes):
        raise ValueError(f"genomes must be an array, a list or another batch, got {type(genomes).__name__}.")
    if len(genomes) and all(is_array_api_obj(genome) for genome in genomes):
        return stack(genomes, _holding(genomes), "the list of genomes")
    return list(genomes)


def conform(genomes: Any, n: int, template: Batch, what: str) -> Batch:
    """Turn genomes that an operator or a user made into a batch of the template's kind.

    Args:
        genomes: A batch.
        n: The number of genomes that there must be.
        template: A batch of the right kind.
        what: The origin of the genomes, for the messages.

    Returns:
        A batch of the kind, shape and dtype of the template.

    Raises:
        ValueError: The number, the shape or the kind of the genomes is another, or the dtype cannot hold a value.
    """
    if not hasattr(genomes, "__len__") or isinstance(genomes, str | bytes):
        raise ValueError(f"{what} must be a batch of genomes, got {genomes!r}.")
    if len(genomes) != n:
        raise ValueError(f"{what} must be {n} genomes, one for each child, got {len(genomes)}.")
    if is_array_api_obj(template):
        shape = tuple(template.shape[1:])
        given = tuple(genomes.shape[1:]) if is_array_api_obj(genomes) else type(genomes).__name__
        if given != shape:
            raise ValueError(f"{what} must be arrays of shape {shape} as the initial genomes, got {given}.")
        return fitted(genomes, template, what)
    if isinstance(template, list) and (is_array_api_obj(genomes) or isinstance(genomes, Sequence)):
        return list(genomes)
    if type(genomes) is not type(template):
        name, given = type(template).__name__, type(genomes).__name__
        raise ValueError(f"{what} must be a {name} as the initial genomes, got a {given}.")
    return genomes


def positions(chosen: Any, length: int) -> NDArray[np.intp]:
    """Turn one position, several positions or a boolean mask into an array of positions in a batch.

    Raises:
        IndexError: The argument is none of these, or a position is out of range.
    """
    if isinstance(chosen, int) and 0 <= chosen < length:
        return np.array([chosen])
    array = np.atleast_1d(to_numpy(chosen))
    if array.dtype.kind == "b" and array.shape == (length,):
        return np.flatnonzero(array)
    if array.size and (array.ndim != 1 or array.dtype.kind not in "iu"):
        raise IndexError(f"positions must be integers or a mask of {length}, got {array.dtype} of shape {array.shape}.")
    array = array.astype(np.intp, copy=False)
    if array.size and not 0 <= array.min() <= array.max() < length:
        raise IndexError(f"positions must be from 0 to {length - 1}, got {array.tolist()}.")
    return array


def take(batch: Batch, indices: ArrayLike) -> Batch:
    """Return the rows at `indices` as a new batch; arrays are copied, objects in a list are not."""
    indices = np.asarray(indices, dtype=np.intp)
    if isinstance(batch, np.ndarray):
        return batch[indices]
    if is_array_api_obj(batch):
        xp = namespace(batch)
        return xp.take(batch, xp.asarray(indices, device=device(batch)), axis=0)
    if isinstance(batch, list):
        return [batch[i] for i in indices]
    return batch.take(indices)


def copied(batch: Batch) -> Batch:
    """Return a copy of a batch that shares no object with it."""
    return [copy.deepcopy(genome) for genome in batch] if isinstance(batch, list) else take(batch, range(len(batch)))


def join(a: Batch, b: Batch) -> Batch:
    """Return the rows of a, followed by those of b, as a new batch."""
    if is_array_api_obj(a):
        return namespace(a, b).concat([a, b], axis=0)
    return [*a, *b] if isinstance(a, list) else a.join(b)


def rows(batch: Batch) -> Iterator[Any]:
    """Iterate over the single genomes of a batch, each a copy that may be changed."""
    if is_array_api_obj(batch):
        xp = namespace(batch)
        return (xp.asarray(batch[i, ...], copy=True) for i in range(len(batch)))
    if isinstance(batch, list):
        return (copy.deepcopy(genome) for genome in batch)
    return (batch.take(np.array([i])) for i in range(len(batch)))


def stack(genomes: Sequence[Any], template: Batch, what: str = "an operator") -> Batch:
    """Join single genomes into a batch of the template's kind.

    Args:
        genomes: At least one genome.
        template: A batch of the right kind, or an array of the right dtype.
        what: The origin of the genomes, for the messages.

    Raises:
        ValueError: The genomes of an array batch differ in shape, or its dtype cannot hold a value.
    """
    if is_array_api_obj(template):
        arrays = [fitted(genome, template, what) for genome in genomes]
        shapes = sorted({tuple(array.shape) for array in arrays})
        if len(shapes) > 1:
            raise ValueError(
                f"genomes in an array batch must have one shape, got {shapes}: "
                "use ObjectGenome or a list for genomes of different lengths."
            )
        return namespace(template).stack(arrays)
    if isinstance(template, list):
        return list(genomes)
    batch = genomes[0]
    for genome in genomes[1:]:
        batch = batch.join(genome)
    return batch


def _holding(arrays: Sequence[Any]) -> Any:
    """Return an array of the dtype that holds the dtypes of all arrays."""
    first = arrays[0]
    if all(type(array) is type(first) and array.dtype == first.dtype for array in arrays):
        return first
    try:
        xp = namespace(*arrays)
        return xp.zeros(0, dtype=xp.result_type(*arrays), device=device(first))
    except TypeError as error:
        kinds = ", ".join(dict.fromkeys(f"{type(array).__name__} of {array.dtype}" for array in arrays))
        raise ValueError(f"a list of genomes must be arrays of one library and of like dtypes, got {kinds}.") from error
