"""Small networks as genomes: flat vectors of all their parameters."""

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
    """Split flat vectors into the tensors of networks, by name, tied ones included.

    Args:
        index: The tensors in their order.
        vectors: Shape (..., size).

    Returns:
        Name -> tensor of shape (..., *shape) in the dtype of the network; a view if the vectors have that dtype.
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

    A genome holds all floating-point numbers of the state dict: the running statistics of normalisation too, but no
    integers, and tied weights once. Half precision becomes float32, so that small changes are not lost.

    Args:
        module: A network of this architecture, which is not changed.
        initialise: Draws new parameters for a copy of the module, in place, from torch's global generator. When None,
            `reset_parameters` of all its parts is called, which torch's own layers have.

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
        """The tensors of the network in the order of the flat vector."""
        return ModuleSeeds([self.module]).index

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of genomes: float32, or float64 if a tensor of the network has that."""
        return torch.float64 if any(info.dtype == torch.float64 for info in self.index.merged) else torch.float32

    def sample(self, n: int, *, rng: Generator) -> torch.Tensor:
        """Draw freshly initialised networks, shape (n, size), on the CPU. The global random state is not changed.

        Raises:
            ValueError: Nothing initialises some of the parameters.
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
        """Turn a network of this architecture, or its state dict, into a genome of shape (size,) on the CPU.

        Raises:
            MergeError: Names, shapes or dtypes differ from those of the module.
        """
        seeds = ModuleSeeds([self.module, model], labels=["the module of this genome", "the network"])
        row = torch.empty(self.index.size, dtype=self.dtype)
        for info, start, stop in zip(self.index.merged, self.index.starts[:-1], self.index.starts[1:], strict=True):
            row[start:stop] = seeds.read(1, info.name, 0, info.size)
        return row

    def unflatten(self, vector: torch.Tensor | NDArray[Any]) -> Module:
        """Turn a genome of shape (size,) into a network: a copy of the module, on its device, with these parameters.

        Raises:
            ValueError: The genome has another shape.
        """
        flat = torch.as_tensor(vector)
        if tuple(flat.shape) != (self.index.size,):
            raise ValueError(f"a genome must have shape ({self.index.size},), got {tuple(flat.shape)}.")
        network = copy.deepcopy(self.module)
        network.load_state_dict(split_tensors(self.index, flat), strict=False)
        return network

    def distance(self, a: torch.Tensor, b: torch.Tensor) -> NDArray[np.floating]:
        """The Euclidean distances between two batches, shape (len(a), len(b))."""
        distances = np.empty((len(a), len(b)))
        for i, row in enumerate(a):
            distances[i] = torch.linalg.vector_norm(b - row, dim=1, dtype=torch.float64).cpu().numpy()
        return distances

    def pack(self, batch: torch.Tensor) -> Mapping[str, NDArray[np.generic]]:
        """The batch as one array, "genomes"."""
        return {"genomes": batch.cpu().numpy()}

    def unpack(self, arrays: Mapping[str, NDArray[np.generic]]) -> torch.Tensor:
        """The array "genomes" as a tensor on the CPU."""
        return torch.from_numpy(np.array(arrays["genomes"]))


def _initialiser(module: Module) -> Callable[[Module], Any]:
    """A function that calls `reset_parameters` of every part, the outer ones last, if that reaches all parameters."""
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
