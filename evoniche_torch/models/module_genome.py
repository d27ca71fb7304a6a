"""Small networks as genomes: flat vectors of all their numbers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, final

import attrs
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import Genome
from evoniche.randomness import kept_global_randomness
from evoniche_torch.files import TensorIndex
from evoniche_torch.models.module_seeds import ModuleSeeds

__all__ = ["ModuleGenome", "split_tensors"]

Module = torch.nn.Module


def split_tensors(index: TensorIndex, vectors: torch.Tensor) -> dict[str, torch.Tensor]:
    """Flat vectors as the tensors of networks, by name, tied ones too.

    Args:
        index: The order of the numbers.
        vectors: Shape (..., size).

    Returns:
        Tensors of shape (..., *shape) in the dtype of the network; views where that is the dtype of the vectors.
    """
    tensors = {}
    for info, start, stop in zip(index.merged, index.starts[:-1].tolist(), index.starts[1:].tolist(), strict=True):
        tensors[info.name] = vectors[..., start:stop].reshape(*vectors.shape[:-1], *info.shape).to(info.dtype)
    names = {alias: name for alias, name in index.tied.items() if name in tensors}
    return tensors | {alias: tensors[name] for alias, name in names.items()}


@final
@attrs.frozen(eq=False)
class ModuleGenome(Genome):
    """Networks of one architecture; a batch is a float tensor (n, size) in the flat order of `ModuleSeeds`.

    That is all floating-point numbers of the state dict, with the running statistics of normalisation and without
    integers, tied ones once. Half precision is kept as float32, so that small changes are not lost.

    Args:
        module: A network of this architecture; it stays as it is.
        initialise: Makes the parameters of a copy of the module new, in place, drawing from torch's global generator;
            when None, `reset_parameters` of all its parts, as torch's own layers have it.

    >>> genome = ModuleGenome(torch.nn.Linear(2, 1))
    >>> networks = genome.sample(3, rng=np.random.default_rng(0))
    >>> tuple(networks.shape), genome.unflatten(networks[0])
    ((3, 3), Linear(in_features=2, out_features=1, bias=True))
    """

    module: Module = attrs.field(validator=attrs.validators.instance_of(Module))
    initialise: Callable[[Module], Any] | None = attrs.field(
        default=None, kw_only=True, validator=attrs.validators.optional(attrs.validators.is_callable())
    )

    @cached_property
    def index(self) -> TensorIndex:
        """Which number of which tensor stands where."""
        return ModuleSeeds([self.module]).index

    @property
    def dtype(self) -> torch.dtype:
        """Of genomes: float32, or float64 where a tensor of the network is."""
        return torch.float64 if any(info.dtype == torch.float64 for info in self.index.merged) else torch.float32

    def sample(self, n: int, *, rng: Generator) -> torch.Tensor:
        """Freshly initialised networks, shape (n, size), on the CPU. Torch's global random state stays as it is.

        Raises:
            ValueError: Parameters that nothing initialises.
        """
        template = copy.deepcopy(self.module).cpu()
        initialise = _initialiser(template) if self.initialise is None else self.initialise
        rows = torch.empty((n, self.index.size), dtype=self.dtype)
        with kept_global_randomness():
            for row in rows:
                # torch.manual_seed would seed the generators of every GPU as well.
                torch.default_generator.manual_seed(int(rng.integers(2**63)))
                initialise(fresh := copy.deepcopy(template))
                row.copy_(self.flatten(fresh))
        return rows

    def flatten(self, model: Module | Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The genome of a network of this architecture, or of its state dict: shape (size,), on the CPU.

        Raises:
            MergeError: Names, shapes or dtypes that differ from those of the module.
        """
        seeds = ModuleSeeds([self.module, model], labels=["the module of this genome", "the network"])
        row = torch.empty(self.index.size, dtype=self.dtype)
        for info, start, stop in zip(self.index.merged, self.index.starts[:-1], self.index.starts[1:], strict=True):
            row[start:stop] = seeds.read(1, info.name, 0, info.size)
        return row

    def unflatten(self, vector: torch.Tensor | NDArray[Any]) -> Module:
        """The network of a genome of shape (size,): a copy of the module, where that lives, with these numbers.

        Raises:
            ValueError: Another shape.
        """
        flat = torch.as_tensor(vector)
        if tuple(flat.shape) != (self.index.size,):
            raise ValueError(f"a genome must have shape ({self.index.size},), got {tuple(flat.shape)}.")
        network = copy.deepcopy(self.module)
        network.load_state_dict(split_tensors(self.index, flat), strict=False)
        return network

    def distance(self, a: torch.Tensor, b: torch.Tensor) -> NDArray[np.floating]:
        """Euclidean distance, shape (len(a), len(b))."""
        distances = np.empty((len(a), len(b)))
        for i, row in enumerate(a):
            distances[i] = torch.linalg.vector_norm(b - row, dim=1, dtype=torch.float64).cpu().numpy()
        return distances

    def pack(self, batch: torch.Tensor) -> Mapping[str, NDArray[np.generic]]:
        """One array, "genomes"."""
        return {"genomes": batch.cpu().numpy()}

    def unpack(self, arrays: Mapping[str, NDArray[np.generic]]) -> torch.Tensor:
        """The array "genomes" as a tensor on the CPU."""
        return torch.from_numpy(np.array(arrays["genomes"]))


def _initialiser(module: Module) -> Callable[[Module], Any]:
    """`reset_parameters` of every part, the outer ones last, if that reaches all parameters."""
    parts = dict(module.named_modules())
    wise = {name for name, part in parts.items() if _reset(part) is not None}
    lost = []
    for name, _ in module.named_parameters():
        owners = ["", *(name[:i] for i, letter in enumerate(name) if letter == ".")]
        if not wise.intersection(owners):
            lost.append(name)
    if lost:
        shown = ", ".join(lost[:8]) + (f" and {len(lost) - 8} more" if len(lost) > 8 else "")
        raise ValueError(f"ModuleGenome(initialise=...) must be a function that makes new parameters in place, since "
                         f"no reset_parameters() reaches {shown}; or begin with networks of your own by initial=....")

    def initialise(fresh: Module) -> None:
        for part in reversed(list(fresh.modules())):
            if (reset := _reset(part)) is not None:
                reset()

    return initialise


def _reset(part: Module) -> Callable[[], Any] | None:
    # Attention of torch has it with an underscore.
    return getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
