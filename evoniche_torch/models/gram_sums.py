"""Sums up the dot products of models on disk in one pass over their files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from evoniche.merging import GRAM_BLOCK
from evoniche_torch.files import MergeError, TensorIndex, Weights

__all__ = ["sum_grams"]

_AT_ONCE = 64  # blocks that a thread takes up at a time
_THREADS = 4  # more of them wait for Python or the disk


def sum_grams(
    index: TensorIndex,
    models: Sequence[Weights],
    labels: Sequence[str],
    *,
    based: bool,
    progress: Callable[[int], object],
) -> NDArray[np.float64]:
    """Compute the blocks of a `GramTable`: the Gram matrix of each block of the flat index, shape (blocks, K, K).

    One thread reads a block, converts it to float64 and multiplies it while it is in the processor's cache. The matrix
    of a block depends neither on the thread nor on the number of threads.

    Args:
        index: The tensors.
        models: The seeds, and last the base where there is one.
        labels: The name of each model.
        based: Whether there is a base.
        progress: Called with the number of parameters that were read since the last call.

    Raises:
        MergeError: A tensor has NaN or infinity in it; the message names it and the model.
    """
    blocks = -(-index.size // GRAM_BLOCK)
    count = len(models) - based
    sums = np.zeros((blocks, count, count))
    threads = torch.get_num_threads()
    workers = max(1, min(_THREADS, threads))
    free: SimpleQueue[_Reader] = SimpleQueue()
    readers = [_Reader(index, models, labels, based) for _ in range(workers)]
    for reader in readers:
        free.put(reader)

    def work(first: int) -> int:
        reader = free.get()
        try:
            for block in range(first, min(first + _AT_ONCE, blocks)):
                sums[block] = reader.gram(block * GRAM_BLOCK, min((block + 1) * GRAM_BLOCK, index.size))
        finally:
            free.put(reader)
        return min((first + _AT_ONCE) * GRAM_BLOCK, index.size) - first * GRAM_BLOCK

    pool = ThreadPoolExecutor(workers)
    torch.set_num_threads(1)  # else each of ours would wait for several of torch's after every short operation
    try:
        for done in pool.map(work, range(0, blocks, _AT_ONCE)):
            progress(done)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
        for reader in readers:
            reader.close()
    return sums


@final
class _Reader:
    """What one thread needs: files of its own, and room for a block of each model."""

    def __init__(self, index: TensorIndex, models: Sequence[Weights], labels: Sequence[str], based: bool) -> None:
        self._index = index
        self._models = [weights.twin() for weights in models]
        self._labels = labels
        self._based = based
        self._rows = torch.empty(len(models), min(GRAM_BLOCK, index.size), dtype=torch.float64)

    def gram(self, low: int, high: int) -> NDArray[np.float64]:
        """The Gram matrix between two flat positions, at most a block apart."""
        for weights, row in zip(self._models, self._rows, strict=True):
            done = 0
            for name, first, last in self._index.pieces(low, high):
                values = weights.read(name, first, last)
                if values.dtype == torch.float16:
                    values = values.float()  # torch has no fast way from half to double precision
                row[done : done + last - first].copy_(values)
                done += last - first
        rows = self._rows[:, : high - low]
        if self._based:
            rows = rows[:-1].sub_(rows[-1])
        gram = torch.mm(rows, rows.T)
        gram = (gram + gram.T) / 2  # equal to the last bit
        if not torch.isfinite(gram).all():
            raise MergeError(self._complaint(low, high))
        return gram.numpy()

    def close(self) -> None:
        """Close the files."""
        for weights in self._models:
            weights.close()

    def _complaint(self, low: int, high: int) -> str:
        for name, first, last in self._index.pieces(low, high):
            for weights, label in zip(self._models, self._labels, strict=True):
                if wrong := int((~torch.isfinite(weights.read(name, first, last))).sum()):
                    return (f"{weights.file_of(name)}: {name} of {label} has NaN or infinity in it, {wrong} numbers or "
                            "more: a model that is broken like this cannot be merged.")
        return "the models have numbers that are too large to be squared: there is something wrong with them."
