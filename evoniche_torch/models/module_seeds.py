"""Modules and state dicts in memory as seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch

from evoniche.merging import GramTable
from evoniche_torch.files import TensorIndex, TensorInfo, natural_key, refuse_mismatches, tensor_mismatches
from evoniche_torch.models.tensor_seeds import TensorSeeds

__all__ = ["ModuleSeeds"]

Model = torch.nn.Module | Mapping[str, torch.Tensor]


@final
class ModuleSeeds(TensorSeeds):
    """Modules or state dicts as seeds. They are not copied, and must not change while they are in use.

    >>> linear = torch.nn.Linear(2, 1)
    >>> seeds = ModuleSeeds([linear, {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}])
    >>> [tensor.name for tensor in seeds.index.merged], seeds.size
    (['bias', 'weight'], 3)
    """

    def __init__(self, models: Sequence[Model], *, base: Model | None = None, labels: Sequence[str] = ()) -> None:
        """Take the seeds.

        Args:
            models: K modules or state dicts of one architecture, on any device.
            base: The model from which all were fine-tuned; if given, the differences from it are merged.
            labels: The name of each seed; "seed 0", "seed 1", ... when empty.

        Raises:
            ValueError: There are no models, or not as many labels as models.
            MergeError: Names, shapes or dtypes differ; the message lists all differences.
        """
        if not len(models):
            raise ValueError("ModuleSeeds needs at least one model, got none.")
        self.labels = tuple(labels) or tuple(f"seed {k}" for k in range(len(models)))
        if len(self.labels) != len(models):
            raise ValueError(f"labels must be one for each model, {len(models)}, got {len(self.labels)}.")
        self.base_label = None if base is None else "base"
        states = [_state(model) for model in [*models, *([] if base is None else [base])]]
        infos = [{name: TensorInfo(name, tuple(t.shape), t.dtype) for name, t in state.items()} for state in states]
        refuse_mismatches(tensor_mismatches(self.all_labels, infos))
        ties = [_tied(state) for state in states]
        self.index = TensorIndex.of(infos[0], {a: n for a, n in ties[0].items() if all(t.get(a) == n for t in ties)})
        self._flat = [{name: tensor.reshape(-1) for name, tensor in state.items()} for state in states]

    def read(self, seed: int, name: str, low: int, high: int) -> torch.Tensor:
        """The numbers low .. high - 1 of a tensor, as a view."""
        return self._flat[seed][name][low:high]

    def dtype_of(self, seed: int, name: str) -> torch.dtype:
        """The dtype of a tensor."""
        return self._flat[seed][name].dtype

    def gram_table(self) -> GramTable:
        """The Gram matrices of blocks, made in one pass over the seeds."""
        return GramTable.build(self.vectors, self.size)


def _state(model: Model) -> Mapping[str, torch.Tensor]:
    if isinstance(model, torch.nn.Module):
        return model.state_dict()
    wrong = [f"{name!r}" for name, tensor in model.items() if not isinstance(tensor, torch.Tensor)]
    if wrong:
        raise ValueError(f"a state dict must hold tensors alone, these are none: {', '.join(wrong)}.")
    return {name: tensor.detach() for name, tensor in model.items()}


def _tied(state: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """The names of tensors that share their memory with one of an earlier name."""
    seen: dict[tuple[object, ...], str] = {}
    tied = {}
    for name in sorted(state, key=natural_key):
        tensor = state[name]
        place = (tensor.device, tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if tensor.numel() and place in seen:
            tied[name] = seen[place]
        seen.setdefault(place, name)
    return tied
