"""Finds out where the library of a model puts the tensors of a file: under which names, joined, split or transposed."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

import attrs
import torch

from evoniche_torch.files import MergeError, TensorIndex
from evoniche_torch.models.pieces import Piece
from evoniche_torch.models.traced import TracedTensor

__all__ = ["Conversion", "Target", "by_name", "load_reports", "trace_conversion"]

_LOADING = "transformers.modeling_utils"
_REPORT = "LOAD REPORT"  # how transformers calls what it says about names and shapes that do not fit
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@final
@attrs.frozen
class Target:
    """One tensor of a module."""

    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]
    """Where its numbers come from; the sources are tensors of the seeds."""


@final
@attrs.frozen
class Conversion:
    """Where the tensors of files go in a module of one class."""

    targets: Mapping[str, Target]
    """Name in the module -> what it is made of."""
    optional: frozenset[str]
    """Tensors of the module that its library does not expect in files."""
    dropped: tuple[str, ...]
    """Tensors of the files that the library leaves aside; none where the module has no library."""


def by_name(index: TensorIndex) -> Conversion:
    """Each tensor goes where its name says, as in `torch.nn.Module.load_state_dict`."""
    return _conversion(_leaves(index), frozenset(), [])


def trace_conversion(model: torch.nn.Module, index: TensorIndex) -> Conversion:
    """Have the library of a module load tensors that have no numbers, and see where they end up.

    Models of transformers are loaded by their own `from_pretrained`, and those of diffusers have their old names
    replaced. In all other modules each tensor goes where its name says.

    Args:
        model: The module that is to be filled.
        index: The tensors of the files.

    Raises:
        MergeError: The library fails, or computes with the numbers instead of moving them.
    """
    leaves = _leaves(index)
    if isinstance(model, _class("transformers", "PreTrainedModel")):
        return _through_transformers(model, leaves)
    if isinstance(model, _class("diffusers", "ModelMixin")):
        model._fix_state_dict_keys_on_load(leaves)  # type: ignore[operator]
        names = model.state_dict()
        return _conversion(leaves, frozenset(), [name for name in leaves if name not in names])
    return by_name(index)


@contextmanager
def load_reports() -> Iterator[list[str]]:
    """Collect what transformers reports of names and shapes that do not fit, in place of its log."""
    reports: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        text = _COLOURS.sub("", record.getMessage())
        if _REPORT in text:
            reports.append(text)
        return _REPORT not in text

    logger = logging.getLogger(_LOADING)
    logger.addFilter(keep)
    try:
        yield reports
    finally:
        logger.removeFilter(keep)


def _leaves(index: TensorIndex) -> dict[str, TracedTensor]:
    """The tensors of files without their numbers. Tied weights have one source: a library finds them equal."""
    sources = {tensor.name: tensor for tensor in (*index.merged, *index.copied)}
    names = {name: name for name in sources} | dict(index.tied)
    return {
        name: TracedTensor.of(source, sources[source].shape, sources[source].dtype) for name, source in names.items()
    }


def _class(library: str, name: str) -> type:
    """A class of a library, if that is in use at all: nothing is an instance of `_Absent`."""
    return getattr(sys.modules.get(library), name, _Absent)


class _Absent:
    pass


def _through_transformers(model: Any, leaves: dict[str, TracedTensor]) -> Conversion:
    kind = type(model)
    with load_reports() as reports, _silent():
        try:
            shadow, said = kind.from_pretrained(
                None,
                config=model.config,
                state_dict=leaves,
                dtype=model.dtype,
                ignore_mismatched_sizes=True,  # we say which they are
                output_loading_info=True,
            )
        except Exception as error:
            details = "\n".join([f"{error or type(error).__name__}", *reports])
            raise MergeError(
                f"transformers cannot load the seeds' tensors into a {kind.__name__}: {details}"
            ) from error
    state = shadow.state_dict()
    loaded = {name: tensor for name, tensor in state.items() if isinstance(tensor, TracedTensor)}
    for name, tensor in loaded.items():
        if tensor.changed_by:
            raise MergeError(f"a {kind.__name__} cannot be filled with merges: loading its {name}, transformers "
                             f"changes numbers ({tensor.changed_by}), and only what moves them commutes with merging. "
                             "write_checkpoint writes merges of such models.")  # fmt: skip
    misfits = {name: Target(tuple(shape), ()) for name, shape, _ in said["mismatched_keys"]}
    optional = frozenset(state) - set(loaded) - set(said["missing_keys"])
    used = {piece.source for tensor in loaded.values() for piece in tensor.pieces}
    dropped = [name for name, leaf in leaves.items() if leaf.pieces and leaf.pieces[0].source not in used]
    found = _conversion(loaded, optional, dropped)
    return attrs.evolve(found, targets={**found.targets, **misfits})


def _conversion(loaded: Mapping[str, TracedTensor], optional: frozenset[str], dropped: list[str]) -> Conversion:
    targets = {name: Target(tuple(tensor.shape), tensor.pieces) for name, tensor in loaded.items()}
    return Conversion(targets, optional, tuple(dropped))


@contextmanager
def _silent() -> Iterator[None]:
    """Keep transformers from saying again what it has said when the model was loaded."""
    logger, loading = (logging.getLogger(name) for name in ("transformers", _LOADING))
    bars = sys.modules["transformers.utils.logging"]
    levels, shown = (logger.level, loading.level), bars.is_progress_bar_enabled()
    logger.setLevel(logging.ERROR)
    loading.setLevel(logging.WARNING)  # for the reports
    bars.disable_progress_bar()
    try:
        yield
    finally:
        logger.setLevel(levels[0])
        loading.setLevel(levels[1])
        if shown:
            bars.enable_progress_bar()
