"""Plans which numbers of the seeds go where in a module in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import final
from weakref import WeakKeyDictionary

import attrs
import torch

from evoniche import _log
from evoniche_torch.files import MERGED_DTYPES, MergeError, TensorIndex, TensorInfo
from evoniche_torch.models.conversions import Conversion, by_name, trace_conversion
from evoniche_torch.models.pieces import Dim, Piece, in_source, spread

__all__ = ["Filling", "Scattering", "plan_filling", "strided"]

_SHOWN = 20


@final
@attrs.frozen(eq=False)
class Filling:
    """A stretch of a tensor of the seeds that fills a part of the module."""

    source: TensorInfo
    start: int
    """The number of the source with which the stretch begins."""
    target: torch.Tensor
    """A view of the module's memory, with the numbers of the stretch in their order."""

    @property
    def device(self) -> torch.device:
        """Where the numbers go."""
        return self.target.device


@final
@attrs.frozen(eq=False)
class Scattering:
    """A tensor of the seeds whose neighbouring numbers go to different places."""

    source: TensorInfo
    places: tuple[tuple[Piece, torch.Tensor], ...]
    """Pieces of the source, with positions in the memory of a tensor of the module."""

    @property
    def device(self) -> torch.device:
        """Where the numbers go."""
        return self.places[0][1].device


Plan = tuple[Filling | Scattering, ...]


@final
@attrs.frozen(eq=False)
class _Known:
    """What is known of a module."""

    index: TensorIndex
    conversion: Conversion
    memory: tuple[tuple[object, ...], ...]
    plan: Plan


_known: WeakKeyDictionary[torch.nn.Module, _Known] = WeakKeyDictionary()


def plan_filling(model: torch.nn.Module, index: TensorIndex, *, from_files: bool) -> Plan:
    """Find out what has to be written where; what is known of a module is kept as long as it lives.

    Args:
        model: The module that is to be filled.
        index: The tensors of the seeds.
        from_files: Whether these are tensors of files, which the library of the module may convert. Those of modules
            are where they belong if all their names are in the module.

    Raises:
        MergeError: Names, shapes or kinds of numbers do not fit; the message lists them. Or see `trace_conversion`.
    """
    state = {name: tensor for name, tensor in model.state_dict().items() if isinstance(tensor, torch.Tensor)}
    memory = tuple(_memory(tensor) for tensor in state.values())
    known = _known.get(model)
    if known is not None and known.index is index:
        if known.memory == memory:
            return known.plan
        conversion = known.conversion
    else:
        names = {tensor.name for tensor in (*index.merged, *index.copied)} | set(index.tied)
        alike = not from_files and names <= set(state)
        conversion = by_name(index) if alike else trace_conversion(model, index)
        _tell(conversion, model)
    plan = _plan(model, state, conversion, index)
    _known[model] = _Known(index, conversion, memory, plan)
    return plan


def strided(tensor: torch.Tensor, start: int, dims: tuple[Dim, ...]) -> torch.Tensor:
    """A view of the memory of a tensor, from a position after its first number on."""
    sizes, strides = [dim.size for dim in dims], [dim.stride for dim in dims]
    return tensor.as_strided(sizes, strides, tensor.storage_offset() + start)


def _tell(conversion: Conversion, model: torch.nn.Module) -> None:
    if conversion.dropped:
        count, some = len(conversion.dropped), ", ".join(conversion.dropped[:3])
        _log.warning("{} tensors of the files are no part of a {}, and are left aside where one is filled: {}{}. A "
                     "merged model that is written has them.",
                     count, type(model).__name__, some, ", ..." if count > 3 else "")  # fmt: skip


def _plan(
    model: torch.nn.Module, state: Mapping[str, torch.Tensor], conversion: Conversion, index: TensorIndex
) -> Plan:
    """Find the tensors of the seeds for each tensor of the module.

    Raises:
        MergeError: Some do not fit.
    """
    sources = {tensor.name: tensor for tensor in (*index.merged, *index.copied)}
    merged = {tensor.name for tensor in index.merged}
    filled: dict[tuple[object, ...], tuple[str, tuple[Piece, ...]]] = {}
    problems, missing = [], {}
    for name, tensor in state.items():
        target, place = conversion.targets.get(name), _memory(tensor)
        if target is None:
            missing[name] = place
            continue
        problems += _misfit(name, tensor, target.shape, [sources[piece.source] for piece in target.pieces], merged)
        other, before = filled.setdefault(place, (name, target.pieces))
        if before != target.pieces:
            problems.append(f"{name}: is the same memory as {other} in the model, another tensor in the seeds")
    problems += [
        f"{name}: in the model, missing in the seeds"
        for name, place in missing.items()
        if place not in filled and name not in conversion.optional
    ]
    used = {piece.source for _, pieces in filled.values() for piece in pieces} | set(conversion.dropped)
    problems += [
        f"{name}: in the seeds, missing in the model"
        for name, source in sources.items()
        if source.size and name not in used
    ]
    if problems:
        more = f"\n  ... and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        listed = "\n  ".join(problems[:_SHOWN]) + more
        raise MergeError(f"the merged model does not fit this {type(model).__name__}:\n  {listed}")
    return tuple(_steps(dict(filled.values()), state, sources))


def _steps(
    filled: Mapping[str, tuple[Piece, ...]], state: Mapping[str, torch.Tensor], sources: Mapping[str, TensorInfo]
) -> Iterator[Filling | Scattering]:
    scattered: dict[str, list[tuple[Piece, torch.Tensor]]] = {}
    for name, pieces in filled.items():
        tensor = state[name]
        for piece in spread(pieces, tensor.shape, tensor.stride()):
            source = sources[piece.source]
            if (stretch := in_source(piece)) is not None:
                yield Filling(source, stretch.source_start, strided(tensor, stretch.start, stretch.dims))
            else:
                scattered.setdefault(source.name, []).append((piece, tensor))
    for name, places in scattered.items():
        yield Scattering(sources[name], tuple(places))


def _memory(tensor: torch.Tensor) -> tuple[object, ...]:
    """The memory of a tensor, by which tied weights are equal. Empty tensors are tied to none."""
    if not tensor.numel():
        return (id(tensor),)
    return (tensor.device, tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)


def _misfit(
    name: str, tensor: torch.Tensor, shape: tuple[int, ...], sources: list[TensorInfo], merged: set[str]
) -> list[str]:
    if tuple(tensor.shape) != shape:
        return [f"{name}: shape {list(tensor.shape)} in the model, {list(shape)} in the seeds"]
    if tensor.is_meta or tensor.layout != torch.strided:
        return [f"{name}: has no plain memory in the model ({tensor.device}, {tensor.layout})"]
    for source in sources:
        if tensor.dtype not in MERGED_DTYPES if source.name in merged else tensor.dtype != source.dtype:
            return [f"{name}: {tensor.dtype} in the model, {source.dtype} in the seeds"]
    return []
