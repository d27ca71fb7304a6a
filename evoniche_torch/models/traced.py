"""Tensors without numbers that know where their numbers would come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor

from evoniche_torch.models.pieces import Piece, concatenate, narrow, permute

__all__ = ["TracedTensor"]

_aten = torch.ops.aten
Pieces = tuple[Piece, ...]


@final
class TracedTensor(Tensor):
    """A tensor that has a shape and a dtype, takes no memory, and keeps account of where its numbers come from.

    A library that joins, splits, transposes, reshapes or casts such tensors tells by the `pieces` of what it returns
    which number goes where. Tensors that come of anything else have no pieces, and `changed_by` says what that was.

    >>> rows = TracedTensor.of("rows", (2, 3), torch.float32)
    >>> torch.cat([rows.T, rows.T], dim=1).pieces[1].start
    2
    """

    pieces: Pieces
    """Where the numbers come from."""
    changed_by: str | None
    """The operation that has changed numbers instead of moving them; None if there was none."""
    base: TracedTensor | None
    """The tensor of which this may be a view: what is written to this is written to it."""

    @classmethod
    def of(cls, source: str, shape: Sequence[int], dtype: torch.dtype) -> TracedTensor:
        """Make a tensor that is a source itself, known to the pieces by its name."""
        shell = torch.empty(tuple(shape), dtype=dtype, device="meta")
        return cls._of(shell, (Piece.whole(source, shell.numel()),) if shell.numel() else ())

    @staticmethod
    def _of(
        shell: Tensor, pieces: Pieces, changed_by: str | None = None, base: TracedTensor | None = None
    ) -> TracedTensor:
        # On the processor for all who ask: a tensor on the meta device would be taken for one that was not loaded.
        tensor = Tensor._make_wrapper_subclass(
            TracedTensor, shell.shape, strides=shell.stride(), dtype=shell.dtype, device=torch.device("cpu")
        )
        tensor.pieces, tensor.changed_by, tensor.base = pieces, changed_by, base
        return tensor

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"TracedTensor(shape={list(self.shape)}, dtype={self.dtype}, {len(self.pieces)} pieces)"

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, function: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Do what an operation does to the pieces.

        Raises:
            NotImplementedError: The operation asks for the numbers themselves.
        """
        rule, kwargs = _RULES.get(function, _other), dict(kwargs or {})
        if _changed(args):
            return _other(function, args, kwargs)
        return rule(function, args, kwargs)


def _traced(values: Any) -> Iterator[TracedTensor]:
    """The traced tensors among arguments."""
    if isinstance(values, TracedTensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _traced(value)


def _changed(args: Sequence[Any]) -> str | None:
    return next((tensor.changed_by for tensor in _traced(args) if tensor.changed_by), None)


def _shell(value: Any) -> Any:
    """The same tensor without an account, on the meta device; anything but a tensor as it is."""
    if isinstance(value, Tensor):
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
    return [_shell(item) for item in value] if isinstance(value, list | tuple) else value


def _other(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Whatever is not followed: what comes of it, and what it writes to, has no pieces."""
    changed_by = _changed(args) or str(function)
    if torch.Tag.data_dependent_output in function.tags:
        raise NotImplementedError(f"{changed_by} asks for numbers")
    found = _shapes(function, args, {name: _shell(value) for name, value in kwargs.items()})
    if function._schema.is_mutable:
        for tensor in _traced([*args, *kwargs.values()]):
            written: TracedTensor | None = tensor
            while written is not None:
                written.pieces, written.changed_by, written = (), changed_by, written.base
        if function._schema.name.endswith("_"):
            return args[0]
    if isinstance(found, list | tuple):
        return [TracedTensor._of(shell, (), changed_by) for shell in found]
    return TracedTensor._of(found, (), changed_by) if isinstance(found, Tensor) else found


def _shapes(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What the operation returns, without accounts."""
    if "device" in kwargs:
        kwargs["device"] = torch.device("meta")
    return function(*_shell(args), **kwargs)


def _same(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> TracedTensor:
    """Reshapes."""
    return TracedTensor._of(_shapes(function, args, kwargs), args[0].pieces, base=args[0])


def _copied(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> TracedTensor:
    """Copies and casts."""
    return TracedTensor._of(_shapes(function, args, kwargs), args[0].pieces)


def _padded(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Libraries make sure of a size by padding, mostly with nothing."""
    return _other(function, args, kwargs) if any(args[1]) else _copied(function, args, kwargs)


def _permuted(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> TracedTensor:
    tensor, axes = args[0], list(range(args[0].ndim))
    if function is _aten.permute.default:
        order = [axis % tensor.ndim for axis in args[1]]
    else:
        one, other = (0, -1) if function is _aten.t.default else args[1:3]
        order = axes
        if axes:
            order[one], order[other] = order[other], order[one]
    return TracedTensor._of(_shapes(function, args, kwargs), permute(tensor.pieces, tensor.shape, order), base=tensor)


def _sliced(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    tensor, options = args[0], [*args[1:], *(0, None, None, 1)[len(args) - 1 :]]
    axis = options[0] % tensor.ndim
    low, high, step = slice(*options[1:]).indices(tensor.shape[axis])
    if step != 1:
        return _other(function, args, kwargs)
    return TracedTensor._of(_shapes(function, args, kwargs), _narrowed(tensor, axis, low, max(low, high)), base=tensor)


def _selected(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> TracedTensor:
    tensor, axis, place = args
    axis %= tensor.ndim
    place %= tensor.shape[axis]
    return TracedTensor._of(_shapes(function, args, kwargs), _narrowed(tensor, axis, place, place + 1), base=tensor)


def _parted(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> list[TracedTensor]:
    """Splits and unbinds."""
    tensor = args[0]
    axis = kwargs.get("dim", args[-1] if len(args) > (1 if function is _aten.unbind.int else 2) else 0) % tensor.ndim
    found, done = [], 0
    for shell in _shapes(function, args, kwargs):
        size = 1 if function is _aten.unbind.int else shell.shape[axis]
        found.append(TracedTensor._of(shell, _narrowed(tensor, axis, done, done + size), base=tensor))
        done += size
    return found


def _joined(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Concatenations and stacks."""
    tensors = args[0]
    if not all(isinstance(tensor, TracedTensor) for tensor in tensors):
        return _other(function, args, kwargs)  # numbers that come from no file
    shell = _shapes(function, args, kwargs)
    axis = kwargs.get("dim", args[1] if len(args) > 1 else 0) % shell.ndim
    extra = (1,) if function is _aten.stack.default else ()
    shapes = [(*t.shape[:axis], *extra, *t.shape[axis:]) for t in tensors]
    return TracedTensor._of(shell, concatenate([(t.pieces, s) for t, s in zip(tensors, shapes, strict=True)], axis))


def _equal(_: Any, args: Sequence[Any], __: dict[str, Any]) -> bool:
    """Whether two tensors have the same numbers, whatever these are."""
    one, other = args
    traced = isinstance(one, TracedTensor) and isinstance(other, TracedTensor)
    return traced and one.shape == other.shape and one.pieces == other.pieces


def _narrowed(tensor: TracedTensor, axis: int, low: int, high: int) -> Pieces:
    return narrow(tensor.pieces, tensor.shape, axis, low, high) if tensor.numel() else ()


_Rule = Callable[[Any, Sequence[Any], dict[str, Any]], Any]
_RULES: dict[Any, _Rule] = {
    **dict.fromkeys((
        _aten.detach.default, _aten.alias.default, _aten.view.default,
        _aten._unsafe_view.default, _aten.squeeze.default, _aten.squeeze.dim, _aten.squeeze.dims,
        _aten.unsqueeze.default, _aten.lift_fresh.default, _aten._reshape_alias.default,
    ), _same),
    **dict.fromkeys((_aten.clone.default, _aten._to_copy.default), _copied),
    **dict.fromkeys((_aten.permute.default, _aten.transpose.int, _aten.t.default), _permuted),
    _aten.constant_pad_nd.default: _padded,
    _aten.slice.Tensor: _sliced,
    _aten.select.int: _selected,
    **dict.fromkeys((_aten.split.Tensor, _aten.split_with_sizes.default, _aten.unbind.int), _parted),
    **dict.fromkeys((_aten.cat.default, _aten.stack.default), _joined),
    _aten.equal.default: _equal,
}  # fmt: skip
