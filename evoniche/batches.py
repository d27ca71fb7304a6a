"""What a batch of genomes can do, whatever it is made of.

A batch is an array with a leading axis (numpy, torch, ...), a list of objects, or a type of its own that offers
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
    """A batch with a representation of its own."""

    def __len__(self) -> int: ...
    def take(self, indices: NDArray[np.intp]) -> BatchType:
        """The rows at `indices`, in that order, as a new batch."""
    def join(self, other: BatchType) -> BatchType:
        """A new batch of these rows and then the other's."""


def as_batch(genomes: Any) -> Batch:
    """Genomes as a user has them, as a batch: a list of arrays of one shape is an array, other sequences are lists.

    Arrays of different dtypes become one of the dtype that holds them all.

    Raises:
        ValueError: No batch of any kind, arrays of different shapes, of dtypes that none holds, or with masked values.
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
    """Genomes that somebody else made, as a batch of the kind of those they are to live with.

    Args:
        genomes: A batch.
        n: How many there must be.
        template: A batch of the right kind.
        what: Where the genomes come from, for the messages.

    Returns:
        A batch of the kind, shape and dtype of the template.

    Raises:
        ValueError: Another number or shape of genomes, another kind of batch, or values that the dtype cannot hold.
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
    """Positions in a batch from one position, several, or a mask.

    Raises:
        IndexError: Neither, or a position that is not there.
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
    """The rows at `indices` as a new batch; arrays are copied, objects in a list are not."""
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
    """The same genomes, none of which is an object of the other batch."""
    return [copy.deepcopy(genome) for genome in batch] if isinstance(batch, list) else take(batch, range(len(batch)))


def join(a: Batch, b: Batch) -> Batch:
    """The rows of a, then those of b, as a new batch."""
    if is_array_api_obj(a):
        return namespace(a, b).concat([a, b], axis=0)
    return [*a, *b] if isinstance(a, list) else a.join(b)


def rows(batch: Batch) -> Iterator[Any]:
    """The single genomes of a batch, each a copy that its receiver may change."""
    if is_array_api_obj(batch):
        xp = namespace(batch)
        return (xp.asarray(batch[i, ...], copy=True) for i in range(len(batch)))
    if isinstance(batch, list):
        return (copy.deepcopy(genome) for genome in batch)
    return (batch.take(np.array([i])) for i in range(len(batch)))


def stack(genomes: Sequence[Any], template: Batch, what: str = "an operator") -> Batch:
    """Single genomes as a batch of the same kind as the template.

    Args:
        genomes: At least one.
        template: A batch of the right kind, or an array of the right dtype.
        what: Where the genomes come from, for the messages.

    Raises:
        ValueError: The genomes of an array batch differ in shape, or have values that its dtype cannot hold.
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
    """An array of the dtype that holds those of all arrays."""
    first = arrays[0]
    if all(type(array) is type(first) and array.dtype == first.dtype for array in arrays):
        return first
    try:
        xp = namespace(*arrays)
        return xp.zeros(0, dtype=xp.result_type(*arrays), device=device(first))
    except TypeError as error:
        kinds = ", ".join(dict.fromkeys(f"{type(array).__name__} of {array.dtype}" for array in arrays))
        raise ValueError(f"a list of genomes must be arrays of one library and of like dtypes, got {kinds}.") from error
