"""The weights of models brought to one vocabulary: rows are read from where each model has them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import final

import attrs
import numpy as np
import torch

from evoniche_torch.files.tensor_index import TensorInfo
from evoniche_torch.files.vocabulary import Vocabulary
from evoniche_torch.files.vocabulary_tensors import lies_across, row_count
from evoniche_torch.files.weights import Weights

__all__ = ["CopiedRows", "VocabularyWeights", "one_vocabulary"]


@final
class VocabularyWeights:
    """The tensors of one model, with the rows of a common vocabulary in those that have a row for each token.

    A row that the model lacks is the mean of the models that have it (that of the base alone, if the base has it), so
    that the merge goes between the models that know the token. A row that one model alone has is 0 in all of them:
    it takes no part in the merge, and `CopiedRows` puts it in its place.
    """

    def __init__(self, models: Sequence[Weights], number: int, vocabulary: Vocabulary) -> None:
        """Take the models, each as it is in its files.

        Args:
            models: All models. This one is closed with these weights.
            number: The number of this model.
            vocabulary: The common vocabulary.
        """
        self.inner = models[number]
        self._models = [weights.twin() for weights in models]  # a read must not overwrite what another model has read
        self._vocabulary = vocabulary
        self._rows = _Rows(vocabulary, number)
        self.tensors = {
            name: _resized(tensor, vocabulary.size) if name in vocabulary.tensors else tensor
            for name, tensor in models[number].tensors.items()
        }
        """Name -> name, shape and dtype of each tensor."""

    def file_of(self, name: str) -> Path:
        """The file that holds a tensor."""
        return self.inner.file_of(name)

    def read(self, name: str, low: int, high: int) -> torch.Tensor:
        """The numbers low .. high - 1 of a flattened tensor."""
        if name not in self._vocabulary.tensors:
            return self.inner.read(name, low, high)
        tensor = self.tensors[name]
        width = tensor.size // self._vocabulary.size
        runs = [*self._rows.runs(low, high, width)]
        if len(runs) == 1 and runs[0].source >= 0:
            run = runs[0]
            return self.inner.read(name, run.source, run.source + run.high - run.low)
        out = torch.zeros(high - low, dtype=torch.float64 if tensor.dtype == torch.float64 else torch.float32)
        for run in runs:
            part = out[run.low - low : run.high - low]
            if run.source >= 0:
                part.copy_(self.inner.read(name, run.source, run.source + run.high - run.low))
            elif not run.copied:
                self._fill(part, name, run.low, width)
        return out

    def twin(self) -> VocabularyWeights:
        """The same tensors, for another thread."""
        twin = copy.copy(self)
        twin.inner = self.inner.twin()
        twin._models = [weights.twin() for weights in self._models]
        return twin

    def close(self) -> None:
        """Close the files."""
        for weights in (self.inner, *self._models):
            weights.close()

    def _fill(self, out: torch.Tensor, name: str, low: int, width: int) -> None:
        """Write numbers that this model lacks: the mean of those of others."""
        done = 0
        while done < len(out):
            row, column = divmod(low + done, width)
            count = min(width - column, len(out) - done)
            sources = np.flatnonzero(self._vocabulary.sources[:, row])
            total = torch.zeros(count, dtype=torch.float64)
            for model in sources.tolist():
                start = int(self._vocabulary.rows[model, row]) * width + column
                total += self._models[model].read(name, start, start + count)
            out[done : done + count] = total / len(sources)
            done += count


@final
class CopiedRows:
    """The rows that one model alone has. They are the same in every merge."""

    def __init__(self, models: Sequence[Weights], vocabulary: Vocabulary) -> None:
        """Take the models, each as it is in its files."""
        self._models = [weights.twin() for weights in models]
        self._vocabulary = vocabulary
        self._holders = (vocabulary.rows >= 0).argmax(axis=0)
        self._numbers = np.flatnonzero(vocabulary.copied)

    def write(self, out: torch.Tensor, name: str, low: int, high: int) -> None:
        """Put these rows in their places.

        Args:
            out: The numbers low .. high - 1 of a tensor.
            name: The tensor.
            low: The first number.
            high: The number after the last.
        """
        if name not in self._vocabulary.tensors or low == high:
            return
        tensor = self._models[0].tensors[name]
        width = tensor.size // row_count(tensor)
        first, last = np.searchsorted(self._numbers, [low // width, (high - 1) // width + 1])
        for row in self._numbers[first:last].tolist():
            start, stop = max(low, row * width), min(high, (row + 1) * width)
            model = int(self._holders[row])
            source = int(self._vocabulary.rows[model, row]) * width + start - row * width
            out[start - low : stop - low].copy_(self._models[model].read(name, source, source + stop - start))

    def close(self) -> None:
        """Close the files."""
        for weights in self._models:
            weights.close()


def one_vocabulary(models: Sequence[Weights], vocabulary: Vocabulary) -> tuple[list[Weights], CopiedRows]:
    """Bring models to one vocabulary.

    Args:
        models: The models as they are in their files, the base last where there is one.
        vocabulary: The vocabulary that they get.

    Returns:
        The models with that vocabulary, and the rows that take no part in a merge.
    """
    return [VocabularyWeights(models, k, vocabulary) for k in range(len(models))], CopiedRows(models, vocabulary)


@final
@attrs.frozen
class _Run:
    """A stretch of a flattened tensor."""

    low: int
    high: int
    source: int
    """Where it lies in the tensor of the model; -1 where the model lacks it."""
    copied: bool
    """Whether it is of rows that are copied."""


@final
class _Rows:
    """The rows of one model in runs that lie one after the other in its own tensor, or are all of one other kind."""

    def __init__(self, vocabulary: Vocabulary, number: int) -> None:
        rows = np.where(vocabulary.copied, -1, vocabulary.rows[number])
        new = np.ones(len(rows), dtype=np.bool_)
        follows = np.where(rows[:-1] < 0, rows[1:] < 0, rows[1:] == rows[:-1] + 1)
        new[1:] = ~follows | (vocabulary.copied[1:] != vocabulary.copied[:-1])
        self._starts = np.flatnonzero(new)
        self._ends = np.append(self._starts[1:], len(rows))
        self._sources = rows[self._starts]
        self._copied = vocabulary.copied[self._starts]

    def runs(self, low: int, high: int, width: int) -> Iterator[_Run]:
        """The runs between two numbers of a flattened tensor."""
        place = int(np.searchsorted(self._starts, low // width, side="right")) - 1
        while low < high:
            start, end = int(self._starts[place]) * width, int(self._ends[place]) * width
            stop, source = min(high, end), int(self._sources[place])
            own = source * width + low - start if source >= 0 else -1
            yield _Run(low, stop, own, bool(self._copied[place]))
            low, place = stop, place + 1


def _resized(tensor: TensorInfo, rows: int) -> TensorInfo:
    shape = (1, rows) if lies_across(tensor) else (rows, *tensor.shape[1:])
    return attrs.evolve(tensor, shape=shape)
