"""Loads merged models into modules in memory, in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch

from evoniche.merging import Recipe, Recipes, one_recipe
from evoniche_torch.files import MergeError, TensorIndex
from evoniche_torch.models.checkpoint_seeds import CheckpointSeeds
from evoniche_torch.models.filling_plan import Filling, Scattering, plan_filling, strided
from evoniche_torch.models.module_seeds import ModuleSeeds
from evoniche_torch.models.pieces import Dim, clip
from evoniche_torch.models.tensor_seeds import MERGE_BLOCK, TensorSeeds

__all__ = ["find_difference", "load_into"]

_LARGE_BLOCK = 16 * MERGE_BLOCK

Numbers = Callable[[int, int], torch.Tensor]


@torch.no_grad()
def load_into(model: torch.nn.Module, recipe: Recipe | Recipes, seeds: TensorSeeds) -> None:
    """Load a merged model into a module, in place and block by block, so that there is never a second copy of it.

    Tensors of files go where the module's own library puts them as it loads them: renamed, joined, split or transposed
    (see `trace_conversion`). Those that it leaves aside are left aside, with a line in the log.

    Parameters are merged in single precision (in double, if the seeds have that) on the device of the module, and
    rounded once to the dtype of each parameter. Where the seeds are files, the module becomes what the library would
    load from the merged file: numbers are first rounded to the dtype of the file, if the module has another. Tensors
    that are not merged are the first seed's. The training mode of the module and the `requires_grad` of its parameters
    are not changed.

    Args:
        model: A module of transformers or diffusers, or one whose parameters and persistent buffers have the names of
            the seeds' tensors.
        recipe: A recipe, or a batch of one.
        seeds: The seeds that the recipe combines.

    Raises:
        TypeError: The recipe is something else.
        ValueError: The recipe is over other seeds.
        MergeError: Names, shapes or kinds of numbers do not fit, which the message lists; the library computes with
            numbers as it loads them; or the module is one of the seeds. Nothing was changed.

    >>> seeds = ModuleSeeds([{"bias": torch.zeros(2)}, {"bias": torch.ones(2)}])
    >>> module = torch.nn.ParameterDict({"bias": torch.nn.Parameter(torch.empty(2))})
    >>> load_into(module, Recipe.of([0, 1, 2], [[0.0, 1.0], [0.5, 0.5]]), seeds)
    >>> module["bias"].tolist()
    [1.0, 0.5]
    """
    recipe = seeds.complete(one_recipe(recipe, seeds))
    plan = plan_filling(model, seeds.index, from_files=isinstance(seeds, CheckpointSeeds))
    _refuse_own_seeds(model, seeds)
    copied = {tensor.name for tensor in seeds.index.copied}
    for step in plan:
        if step.source.name in copied:
            _write(step, partial(seeds.read, 0, step.source.name))
        else:
            _merge(step, recipe, seeds)
    _forget_rescaling(model)


@torch.no_grad()
def find_difference(
    model: torch.nn.Module, index: TensorIndex, read: Callable[[str, int, int], torch.Tensor]
) -> str | None:
    """Compare a module that a library has loaded from files with what `load_into` would write for them.

    Args:
        model: The module, as it was loaded.
        index: The tensors of the files.
        read: The numbers low .. high - 1 of a tensor of the files, given its name and the two positions.

    Returns:
        The name of a tensor of the files that is not in the module as it is in the file, or None.

    Raises:
        MergeError: See `load_into`.
    """
    for step in plan_filling(model, index, from_files=True):
        for part, numbers in _pairs(step, partial(read, step.source.name)):
            wanted = numbers.to(part.dtype)
            if not ((part == wanted) | (part.isnan() & wanted.isnan())).all():
                return step.source.name
    return None


def _merge(step: Filling | Scattering, recipe: Recipe, seeds: TensorSeeds) -> None:
    """Write the merge of a source's numbers where they belong."""
    begin, _ = seeds.index.span(step.source.name)
    rounded = _rounded(step.source.dtype, seeds)
    if isinstance(step, Filling) and step.target.is_contiguous() and rounded in (step.target.dtype, seeds.precision):
        start = begin + step.start
        for part in torch.split(step.target.view(-1), _block(step.target.device, seeds)):
            seeds.merge_into(part, recipe, start)
            start += part.numel()
        return

    def merged(low: int, high: int) -> torch.Tensor:
        block = torch.empty(high - low, dtype=rounded, device=step.device)
        seeds.merge_into(block, recipe, begin + low)
        return block

    _write(step, merged)


def _write(step: Filling | Scattering, numbers: Numbers) -> None:
    for part, block in _pairs(step, numbers):
        part.copy_(block)


def _pairs(step: Filling | Scattering, numbers: Numbers) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Parts of the module's memory and what belongs there, of one shape.

    Args:
        step: What is to be written.
        numbers: Gives the numbers low .. high - 1 of the source.
    """
    if isinstance(step, Filling):
        low = step.start
        for part in _parts(step.target, _LARGE_BLOCK):
            high = low + part.numel()
            yield part, numbers(low, high).view(part.shape)
            low = high
        return
    for low in range(0, step.source.size, _LARGE_BLOCK):
        high = min(low + _LARGE_BLOCK, step.source.size)
        block = numbers(low, high)
        for whole, tensor in step.places:
            for piece in clip(whole, low, high):
                turned = tuple(Dim(dim.size, dim.source_stride, dim.stride) for dim in piece.dims)
                yield strided(tensor, piece.start, piece.dims), strided(block, piece.source_start - low, turned)


def _rounded(dtype: torch.dtype, seeds: TensorSeeds) -> torch.dtype:
    """The dtype to which the numbers of a source are rounded before they take that of the module."""
    return dtype if isinstance(seeds, CheckpointSeeds) else seeds.precision


def _block(device: torch.device, seeds: TensorSeeds) -> int:
    """How many numbers are merged at once: more if the seeds give views, or if the numbers go to another device."""
    return MERGE_BLOCK if device.type == "cpu" and not isinstance(seeds, ModuleSeeds) else _LARGE_BLOCK


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


def _refuse_own_seeds(model: torch.nn.Module, seeds: TensorSeeds) -> None:
    """A module that shares its memory with a seed cannot be loaded into, since the seed would change as well."""
    if isinstance(seeds, CheckpointSeeds):
        return  # files
    places = {tensor.untyped_storage().data_ptr() for tensor in model.state_dict().values() if tensor.numel()}
    for k, label in enumerate(seeds.all_labels):
        for tensor in seeds.index.merged:
            if seeds.read(k, tensor.name, 0, 1).untyped_storage().data_ptr() in places:
                raise MergeError(f"{tensor.name}: is the same memory as that of {label}, which would be overwritten: "
                                 "fill a copy of the module.")  # fmt: skip


def _forget_rescaling(model: torch.nn.Module) -> None:
    """RWKV of transformers divides some weights of later layers when it runs, and remembers that it has."""
    for part in model.modules():
        if getattr(part, "layers_are_rescaled", False):
            part.layers_are_rescaled = False  # type: ignore[assignment]
