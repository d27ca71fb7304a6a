"""Loads merged models into modules in memory, in place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import final

import attrs
import torch

from evoniche.merging import Recipe, Recipes, one_recipe
from evoniche_torch.files import MERGED_DTYPES, MergeError, TensorInfo
from evoniche_torch.models.checkpoint_seeds import CheckpointSeeds
from evoniche_torch.models.module_seeds import ModuleSeeds
from evoniche_torch.models.tensor_seeds import MERGE_BLOCK, TensorSeeds

__all__ = ["load_into"]

_LARGE_BLOCK = 16 * MERGE_BLOCK
_SHOWN = 20


@final
@attrs.frozen(eq=False)
class _Filling:
    """One tensor that is to be written."""

    source: TensorInfo
    """The tensor of the seeds."""
    target: torch.Tensor
    """The tensor of the module."""


@torch.no_grad()
def load_into(model: torch.nn.Module, recipe: Recipe | Recipes, seeds: TensorSeeds) -> None:
    """Load a merged model into a module, in place and block by block, so that there is never a second copy of it.

    Parameters are merged in single precision (in double, if the seeds have that) on the device of the module, and
    rounded once to the dtype of each parameter. Tensors that are not merged are the first seed's. The training mode of
    the module and the `requires_grad` of its parameters are not changed.

    Args:
        model: A module whose parameters and persistent buffers have the names of the seeds' tensors. Either may lack
            what transformers calls the prefix of the base model.
        recipe: A recipe, or a batch of one.
        seeds: The seeds that the recipe combines.

    Raises:
        TypeError: The recipe is something else.
        ValueError: The recipe is over other seeds.
        MergeError: Names, shapes or kinds of numbers do not fit, which the message lists, or the module is one of the
            seeds. Nothing was changed.

    >>> seeds = ModuleSeeds([{"bias": torch.zeros(2)}, {"bias": torch.ones(2)}])
    >>> module = torch.nn.ParameterDict({"bias": torch.nn.Parameter(torch.empty(2))})
    >>> load_into(module, Recipe.of([0, 1, 2], [[0.0, 1.0], [0.5, 0.5]]), seeds)
    >>> module["bias"].tolist()
    [1.0, 0.5]
    """
    recipe = seeds.complete(one_recipe(recipe, seeds))
    fillings = _match(model, seeds)
    copied = {tensor.name for tensor in seeds.index.copied}
    for filling in fillings:
        if filling.source.name in copied:
            _copy(filling, seeds)
        else:
            _merge(filling, recipe, seeds)


def _merge(filling: _Filling, recipe: Recipe, seeds: TensorSeeds) -> None:
    start, _ = seeds.index.span(filling.source.name)
    for part in _parts(filling.target, _block(filling.target.device, seeds)):
        if part.is_contiguous():
            seeds.merge_into(part.view(-1), recipe, start)
        else:
            merged = part.new_empty(part.numel())
            seeds.merge_into(merged, recipe, start)
            part.copy_(merged.view(part.shape))
        start += part.numel()


def _block(device: torch.device, seeds: TensorSeeds) -> int:
    """How many numbers are merged at once: more if the seeds give views, or if the numbers go to another device."""
    return MERGE_BLOCK if device.type == "cpu" and not isinstance(seeds, ModuleSeeds) else _LARGE_BLOCK


def _copy(filling: _Filling, seeds: TensorSeeds) -> None:
    done = 0
    for part in _parts(filling.target, _LARGE_BLOCK):
        part.copy_(seeds.read(0, filling.source.name, done, done + part.numel()).view(part.shape))
        done += part.numel()


def _parts(tensor: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    """A tensor in pieces of at most `size` numbers, in the order of its indices."""
    if tensor.is_contiguous():
        yield from torch.split(tensor.view(-1), size)
    elif tensor.numel() <= size:
        yield tensor
    elif (row := tensor[0].numel()) <= size:
        yield from torch.split(tensor, size // row)
    else:
        for part in tensor:
            yield from _parts(part, size)


def _match(model: torch.nn.Module, seeds: TensorSeeds) -> list[_Filling]:
    """Find the tensor of the seeds for each tensor of the module.

    Raises:
        MergeError: Some do not fit.
    """
    sources = _sources(seeds)
    state = {name: tensor for name, tensor in model.state_dict().items() if isinstance(tensor, torch.Tensor)}
    names = _renamed(model, state, sources)
    merged = {tensor.name for tensor in seeds.index.merged}
    found: dict[tuple[object, ...], tuple[str, _Filling]] = {}
    problems, missing, used = [], {}, set()
    for name, target in state.items():
        source = sources.get(names[name])
        place = _place(target)
        if source is None:
            missing[name] = place
            continue
        used.add(names[name])
        filling = _Filling(source, target)
        problems += _misfit(name, filling, source.name in merged)
        other, before = found.setdefault(place, (name, filling))
        if before.source != source:
            problems.append(f"{name}: is the same memory as {other} in the model, another tensor in the seeds")
    problems += [f"{name}: in the model, missing in the seeds" for name, place in missing.items() if place not in found]
    optional = _optional(model)
    filled = {filling.source.name for _, filling in found.values()}
    problems += [
        f"{name}: in the seeds, missing in the model"
        for name, source in sources.items()
        if name not in used and source.name not in filled and not any(re.search(rule, name) for rule in optional)
    ]
    problems += _own_seeds(state, seeds)
    if problems:
        more = f"\n  ... and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        listed = "\n  ".join(problems[:_SHOWN]) + more
        raise MergeError(f"the merged model does not fit this {type(model).__name__} (if its library renames tensors "
                         f"as it loads them, use write_checkpoint and load the folder):\n  {listed}")
    return [filling for _, filling in found.values()]


def _sources(seeds: TensorSeeds) -> dict[str, TensorInfo]:
    """Every tensor of the seeds by each of its names."""
    index = seeds.index
    sources = {tensor.name: tensor for tensor in (*index.merged, *index.copied)}
    return sources | {alias: sources[name] for alias, name in index.tied.items()}


def _place(tensor: torch.Tensor) -> tuple[object, ...]:
    """The memory of a tensor, by which tied weights are equal. Empty tensors are tied to none."""
    if not tensor.numel():
        return (id(tensor),)
    return (tensor.device, tensor.data_ptr(), tuple(tensor.shape), tensor.stride())


def _misfit(name: str, filling: _Filling, merged: bool) -> list[str]:
    source, target = filling.source, filling.target
    if tuple(target.shape) != source.shape:
        return [f"{name}: shape {list(target.shape)} in the model, {list(source.shape)} in the seeds"]
    if target.is_meta or target.layout != torch.strided:
        return [f"{name}: has no plain memory in the model ({target.device}, {target.layout})"]
    if target.dtype not in MERGED_DTYPES if merged else target.dtype != source.dtype:
        return [f"{name}: {target.dtype} in the model, {source.dtype} in the seeds"]
    return []


def _renamed(
    model: torch.nn.Module, state: Mapping[str, torch.Tensor], sources: Mapping[str, TensorInfo]
) -> dict[str, str]:
    """Name in the module -> name in the seeds.

    In transformers a model with a head calls "model.layers..." what the model without it calls "layers..."; files of
    either load into the other.
    """
    prefix = getattr(model, "base_model_prefix", "")
    if not isinstance(prefix, str) or not prefix or any(
        name in sources for name in state if name.startswith(f"{prefix}.")
    ):
        return {name: name for name in state}
    if any(name.startswith(f"{prefix}.") for name in sources):
        return {name: name if name in sources else f"{prefix}.{name}" for name in state}
    return {name: name if name in sources else name.removeprefix(f"{prefix}.") for name in state}


def _optional(model: torch.nn.Module) -> list[str]:
    """Patterns of the names that the model's own library ignores when they are in a file."""
    return [*(getattr(model, "_keys_to_ignore_on_load_unexpected", None) or ())]


def _own_seeds(state: Mapping[str, torch.Tensor], seeds: TensorSeeds) -> list[str]:
    """A module that shares its memory with a seed cannot be loaded into, since the seed would change as well."""
    if isinstance(seeds, CheckpointSeeds):
        return []  # files
    places = {tensor.untyped_storage().data_ptr() for tensor in state.values() if tensor.numel()}
    return [
        f"{tensor.name}: is the same memory as that of {label}, which would be overwritten: fill a copy of the module"
        for k, label in enumerate(seeds.all_labels)
        for tensor in seeds.index.merged
        if seeds.read(k, tensor.name, 0, 1).untyped_storage().data_ptr() in places
    ]
