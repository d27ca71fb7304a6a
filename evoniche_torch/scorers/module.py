"""Small networks, many at once."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.func import functional_call, vmap

from evoniche import CaseScorer, Recipes, _log
from evoniche._validators import number, whole_number
from evoniche.arrays import to_numpy
from evoniche.batches import Batch
from evoniche_torch.files import TensorInfo
from evoniche_torch.models import ModuleSeeds, TensorSeeds, split_tensors

__all__ = ["ModuleScorer"]

Inputs = torch.Tensor | NDArray[Any] | tuple[torch.Tensor | NDArray[Any], ...]

_Data = tuple[tuple[torch.Tensor, ...], torch.Tensor]
"""Inputs and targets, as many of each."""

_SMALL = 1_000_000
_STACKED = 1 << 25


@final
class ModuleScorer(CaseScorer):
    """Scores networks of one architecture on labelled data; a genome is the flat vector of a network, or a recipe.

    Small networks run side by side (`torch.func.vmap`), others one after the other. They run in evaluation mode,
    without gradients, and in a copy of the module, which is not changed.

    >>> net = torch.nn.Linear(2, 2)
    >>> scorer = ModuleScorer(net, torch.zeros(3, 2), torch.tensor([0, 0, 1]))
    >>> scorer.score(np.array([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]]))
    array([[ True,  True, False],
           [False, False,  True]])
    """

    __slots__ = ("_chunk", "_data", "_device", "_index", "_network", "_score", "_vectorize", "highest")

    def __init__(
        self,
        module: torch.nn.Module,
        inputs: Inputs,
        targets: ArrayLike | torch.Tensor,
        score: Literal["correct"] | Callable[[Any, torch.Tensor], torch.Tensor] = "correct",
        *,
        chunk: int = 4096,
        vectorize: bool | Literal["auto"] = "auto",
        device: str | torch.device | None = None,
        highest: float = 1.0,
    ) -> None:
        """Take the data, and a copy of the module.

        Args:
            module: A network of the architecture. Tensors that are not in genomes (integers, buffers that are not
                saved) keep the values that they have in it.
            inputs: Shape (cases, ...), or a tuple of such arrays if the network takes several. Floats are converted
                to the precision of the network.
            targets: Shape (cases, ...).
            score: "correct" scores whether the largest output is at the target, for outputs (cases, classes) and
                integer targets (cases,). Or a function `f(outputs, targets) -> (cases,)` of the outputs of one network
                and as many targets, made of torch operations.
            chunk: How many forward passes are made at once, networks times cases; this bounds the memory.
            vectorize: True runs networks side by side, False one after the other. "auto" runs those of up to a million
                parameters side by side, unless `vmap` cannot handle the module or the score (control flow that depends
                on data, changes in place, recurrent layers).
            device: The device on which networks run; that of the module when None.
            highest: No case gives more than this, for `run(reject_early=True)`.

        Raises:
            ValueError: There are not as many inputs as targets, there are no cases, or another argument is wrong.
        """
        if not isinstance(module, torch.nn.Module):
            raise ValueError(f"ModuleScorer(module=...) must be a torch.nn.Module, got {type(module).__name__}.")
        if score != "correct" and not callable(score):
            raise ValueError(f"ModuleScorer(score=...) must be 'correct' or f(outputs, targets), got {score!r}.")
        if vectorize != "auto" and not isinstance(vectorize, bool):
            raise ValueError(f"ModuleScorer(vectorize=...) must be True, False or 'auto', got {vectorize!r}.")
        self._chunk = whole_number("ModuleScorer(chunk=...)", chunk, 1)
        self.highest = number("ModuleScorer(highest=...)", highest, 0)
        self._score = _correct if score == "correct" else score
        self._network = copy.deepcopy(module).to(device).eval().requires_grad_(False)
        self._index = ModuleSeeds([self._network]).index
        self._device = next(iter(self._network.state_dict().values()), torch.empty(0)).device
        precision = next((info.dtype for info in self._index.merged), torch.float32)
        several = inputs if isinstance(inputs, tuple) else (inputs,)
        self._data: _Data = tuple(_tensor(one, self._device, precision) for one in several), _tensor(
            targets, self._device
        )
        lengths = [len(one) if one.ndim else 0 for one in (*self._data[0], self._data[1])]
        if len(set(lengths)) > 1 or not lengths[0]:
            raise ValueError("ModuleScorer needs as many targets as inputs, and at least one, "
                             f"got {lengths[-1]} targets and inputs of {lengths[:-1]} cases.")
        self._vectorize = vectorize if vectorize != "auto" or self._index.size <= _SMALL else False

    def __repr__(self) -> str:
        kind = type(self._network).__name__
        return f"ModuleScorer({kind}, {self._index.size:,} parameters, {self.cases:,} cases)"

    @property
    def cases(self) -> int:
        """How many cases there are."""
        return len(self._data[1])

    def score(self, genomes: Batch, cases: NDArray[np.intp] | None = None) -> NDArray[Any]:
        """Run all networks on all cases, or on some.

        Args:
            genomes: An array or tensor of shape (n, size), vectors in the flat order of `ModuleSeeds`; or `Recipes`
                over seeds of this architecture.
            cases: The numbers of the cases to look at, from 0 on; all when None.

        Returns:
            Scores of shape (n, cases): booleans for "correct", otherwise those of the score function.

        Raises:
            ValueError: The genomes are of another architecture, or the score is not one number for each case.
        """
        self._check(genomes)
        data = self._data if cases is None else self._some(cases)
        together = self._together(len(data[1])) if self._vectorize else 1
        rows: list[NDArray[Any]] = []
        with torch.no_grad():
            for start in range(0, len(genomes), together):
                vectors = self._vectors(genomes, start, min(start + together, len(genomes)))
                rows.append(to_numpy(self._group(vectors, data)))
        return np.concatenate(rows) if rows else np.empty((0, len(data[1])))

    def _some(self, cases: NDArray[np.intp]) -> _Data:
        inputs, targets = self._data
        chosen = torch.as_tensor(np.array(cases, dtype=np.int64), device=self._device)
        return tuple(one[chosen] for one in inputs), targets[chosen]

    def _together(self, cases: int) -> int:
        """How many networks run side by side: as many as cases, or more where there are few cases."""
        by_memory = _STACKED // max(1, self._index.size)
        return max(1, min(max(math.isqrt(self._chunk), self._chunk // max(1, cases)), by_memory))

    def _check(self, genomes: Batch) -> None:
        if isinstance(genomes, Recipes):
            if isinstance(genomes.seeds, TensorSeeds):
                given, own = map(_layout, (genomes.seeds.index.merged, self._index.merged))
                if given != own:
                    odd = next((pair for pair in zip(given, own, strict=False) if pair[0] != pair[1]), None)
                    where = f": {odd[0]} where the module has {odd[1]}" if odd else ""
                    raise ValueError(f"ModuleScorer needs recipes over seeds of its module's architecture, got seeds "
                                     f"of {len(given)} tensors for {len(own)}{where}.")
            shape: tuple[int, ...] = genomes.shape
        else:
            shape = tuple(getattr(genomes, "shape", ()))
        if len(shape) != 2 or shape[1] != self._index.size:
            raise ValueError(f"ModuleScorer needs Recipes or an array (n, {self._index.size}), a row of all numbers of "
                             f"each network (evoniche_torch.ModuleGenome makes them), got {type(genomes).__name__} of "
                             f"shape {shape}.")

    def _vectors(self, genomes: Batch, start: int, stop: int) -> torch.Tensor:
        """Rows start .. stop - 1 as a tensor (stop - start, size)."""
        if isinstance(genomes, Recipes):
            some = [torch.as_tensor(genomes.seeds.materialise(genomes[i])) for i in range(start, stop)]
            return torch.stack(some).to(self._device)
        return _tensor(genomes[start:stop], self._device)

    def _group(self, vectors: torch.Tensor, data: _Data) -> torch.Tensor:
        """The scores of some networks, shape (networks, cases)."""
        if self._vectorize and len(vectors) > 1:
            try:
                with warnings.catch_warnings():
                    if self._vectorize == "auto":  # a loop inside vmap is no faster than one around it
                        warnings.filterwarnings("error", "There is a performance drop", UserWarning)
                    return self._side_by_side(vectors, data)
            except Exception as error:
                if self._vectorize is True:
                    error.add_note("raised by ModuleScorer(vectorize=True): 'auto' runs one network after the other "
                                   "where vmap cannot take them.")
                    raise
                scores = self._one_by_one(vectors, data)  # what is wrong without vmap too is raised here
                _log.info("networks are scored one after the other, since vmap cannot take them: {}", error)
                self._vectorize = False
                return scores
        return self._one_by_one(vectors, data)

    def _side_by_side(self, vectors: torch.Tensor, data: _Data) -> torch.Tensor:
        def run(tensors: dict[str, torch.Tensor], inputs: tuple[torch.Tensor, ...], targets: torch.Tensor) -> Any:
            outputs = functional_call(self._network, tensors, inputs, tie_weights=False)
            return self._checked(outputs, targets)

        tensors = split_tensors(self._index, vectors)
        several = vmap(run, in_dims=(0, None, None))
        return torch.cat([several(tensors, *part) for part in _pieces(data, self._chunk // len(vectors))], dim=1)

    def _one_by_one(self, vectors: torch.Tensor, data: _Data) -> torch.Tensor:
        rows = []
        own = self._network.state_dict()
        for vector in vectors:
            for name, tensor in split_tensors(self._index, vector).items():
                own[name].copy_(tensor)
            scores = [self._checked(self._network(*inputs), targets) for inputs, targets in _pieces(data, self._chunk)]
            rows.append(torch.cat(scores))
        return torch.stack(rows)

    def _checked(self, outputs: Any, targets: torch.Tensor) -> torch.Tensor:
        scores = self._score(outputs, targets)
        shape = tuple(getattr(scores, "shape", ()))
        if not isinstance(scores, torch.Tensor) or shape != (len(targets),):
            raise ValueError(f"ModuleScorer(score=...) must give a tensor of one score for each case, shape "
                             f"({len(targets)},) here, got {type(scores).__name__} of shape {shape}.")
        return scores


def _pieces(data: _Data, chunk: int) -> Iterator[_Data]:
    """The data in pieces of so many cases."""
    inputs, targets = data
    for start in range(0, len(targets), max(1, chunk)):
        part = slice(start, start + max(1, chunk))
        yield tuple(one[part] for one in inputs), targets[part]


def _correct(outputs: Any, targets: torch.Tensor) -> torch.Tensor:
    """Tell whether the largest output is at the target, shape (cases,)."""
    shape = tuple(getattr(outputs, "shape", ()))
    if len(shape) != 2 or shape[1] < 2 or targets.ndim != 1 or targets.is_floating_point():
        raise ValueError("ModuleScorer(score='correct') needs outputs (cases, classes) of two classes or more and "
                         f"integer targets (cases,), got {type(outputs).__name__} of shape {shape} and targets of "
                         f"{targets.dtype} {tuple(targets.shape)}: give a function f(outputs, targets) instead.")
    right: torch.Tensor = outputs.argmax(dim=1) == targets
    return right


def _tensor(values: Any, device: torch.device, precision: torch.dtype | None = None) -> torch.Tensor:
    tensor = values.detach() if isinstance(values, torch.Tensor) else torch.tensor(np.asarray(values))
    return tensor.to(device, precision if tensor.is_floating_point() else None)


def _layout(tensors: tuple[TensorInfo, ...]) -> list[tuple[str, tuple[int, ...]]]:
    return [(info.name, info.shape) for info in tensors]
