"""What makes a run this run and no other: its parts and their arguments, in words that can be compared."""

from __future__ import annotations

import functools
import hashlib
import platform
import types
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

import attrs
import numpy as np

from evoniche._versions import __version__
from evoniche.arrays import is_array_api_obj, to_numpy
from evoniche.batches import Batch
from evoniche.roles import Genome

__all__ = ["compare", "digest_of", "identify", "pack_genomes"]

_NOTED = ("batch_size", "numpy", "python", "machine")
"""What may differ: the log says so, and no more."""
_DEPTH, _ITEMS, _SAMPLED = 8, 1000, 1 << 26


def identify(evolution: Any, initial: Batch) -> dict[str, Any]:
    """What a run follows from.

    Args:
        evolution: Whose parts, seed and sizes are told.
        initial: The genomes that it begins with.
    """
    names = [field.name for field in attrs.fields(type(evolution.parts))]
    parts = {name: _describe(getattr(evolution.parts, name)) for name in names}
    packed = pack_genomes(evolution.parts.genome, initial)
    return {
        **parts,
        "seed": evolution.seed,
        "population_size": evolution.population_size,
        "importance": _describe(evolution.population.importance),
        "initial": {"genomes": len(initial), "digest": None if packed is None else digest_of(packed)},
        "evoniche": __version__,
        "batch_size": evolution.batch_size,
        "numpy": np.__version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "machine": platform.machine(),
    }


def compare(there: Any, here: Mapping[str, Any], accept: Collection[str]) -> tuple[list[str], list[str]]:
    """What differs between the run in a store and the one that is to go on.

    Args:
        there: That in the store.
        here: That which is to go on.
        accept: Names of entries that may differ.

    Returns:
        Lines for what must not differ, and lines for what is only worth knowing.
    """
    code = there.get("python") == here["python"] if isinstance(there, dict) else False
    old, new = (dict(_flat(about, code)) for about in (there, here))
    refused: list[str] = []
    noted: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            line = f"{key}: there {_short(old.get(key))}, here {_short(new.get(key))}"
            name = key.split(".")[0]
            (noted if name in _NOTED or name in accept else refused).append(line)
    return refused, noted


def pack_genomes(genome: Genome[Any] | None, batch: Batch) -> Mapping[str, Any] | None:
    """A batch as named arrays; None where its representation has no way to store it."""
    if genome is None:
        plain = isinstance(batch, np.ndarray) and batch.dtype.kind in "biufc"
        return {"genomes": batch} if plain else None
    try:
        return genome.pack(batch)
    except NotImplementedError:
        return None


def digest_of(arrays: Mapping[str, Any]) -> str:
    """32 letters that follow from names, dtypes, shapes and values."""
    digest = hashlib.blake2b(digest_size=16)
    for name, array in sorted(arrays.items()):
        plain = np.asarray(array, order="C")
        digest.update(f"{name} {plain.dtype} {plain.shape} ".encode())
        digest.update(plain.tobytes())
    return digest.hexdigest()


def _describe(value: Any, depth: int = 0, path: tuple[int, ...] = ()) -> Any:
    """A value in JSON's terms. What has no description of its own is known by its type."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | complex | bytes):
        return repr(value)
    if isinstance(value, np.generic):
        return value.item() if value.dtype.kind in "biu" else repr(value.item())
    if is_array_api_obj(value):
        return _array(value)
    if depth >= _DEPTH or id(value) in path:
        return _type(value)
    deeper = functools.partial(_describe, depth=depth + 1, path=(*path, id(value)))
    if isinstance(value, list | tuple):
        return [deeper(item) for item in value] if len(value) <= _ITEMS else f"{_type(value)} of {len(value)}"
    if isinstance(value, dict):
        return {str(key): deeper(item) for key, item in list(value.items())[:_ITEMS]}
    return _object(value, deeper)


def _object(value: Any, deeper: Any) -> Any:
    if isinstance(value, functools.partial):
        return {"function": deeper(value.func), "args": deeper(value.args), "options": deeper(value.keywords)}
    if isinstance(value, types.MethodType):
        return {"method": value.__name__, "of": deeper(value.__self__), "code": _code(value.__func__.__code__)}
    if isinstance(value, types.FunctionType):
        return _function(value, deeper)
    if isinstance(value, type):
        return value.__qualname__
    about = {"type": _type(value)}
    kind = type(value)
    if not _ours(kind):
        functions = [item for item in vars(kind).values() if isinstance(item, types.FunctionType)]
        about["code"] = _hash(*(_code(function.__code__) for function in functions))
    fields = attrs.fields_dict(kind) if attrs.has(kind) else getattr(kind, "__dataclass_fields__", {})
    return about | {name: deeper(getattr(value, name, None)) for name, field in fields.items() if field.init}


def _function(function: types.FunctionType, deeper: Any) -> dict[str, Any]:
    """A function with all that it reads: its code, defaults, closure, and the data among the globals that it names."""
    code = function.__code__
    about = {"function": function.__name__, "code": _code(code)}
    closure = dict(_closure(function))
    names = {name: function.__globals__[name] for name in sorted(_names(code)) if name in function.__globals__}
    more = {
        "defaults": function.__defaults__,
        "keywords": function.__kwdefaults__,
        "closure": {name: value for name, value in closure.items() if _is_data(value)},
        "globals": {name: value for name, value in names.items() if _is_data(value) and not name.startswith("__")},
    }
    return about | {key: deeper(value) for key, value in more.items() if value}


def _closure(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # nothing is in it yet
            yield name, cell.cell_contents


def _is_data(value: Any) -> bool:
    """Whether a function's result follows from this: lists and other objects may be counters and caches."""
    plain = isinstance(value, bool | int | float | str | tuple | types.FunctionType) or is_array_api_obj(value)
    return plain and not (isinstance(value, types.FunctionType) and _ours(value))


def _ours(thing: Any) -> bool:
    """Whether this is evoniche's own, which is known by its version."""
    return str(thing.__module__).startswith("evoniche")


def _names(code: types.CodeType) -> set[str]:
    inner = [_names(const) for const in code.co_consts if isinstance(const, types.CodeType)]
    return set(code.co_names).union(*inner)


def _code(code: types.CodeType) -> str:
    consts = [_code(const) if isinstance(const, types.CodeType) else _constant(const) for const in code.co_consts]
    return _hash(code.co_code, repr(code.co_names), *consts)


def _constant(const: Any) -> str:
    return repr(sorted(map(repr, const))) if isinstance(const, frozenset) else repr(const)


def _hash(*parts: str | bytes) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part if isinstance(part, bytes) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _array(value: Any) -> str:
    """Dtype, shape and a digest; of more than 64 MiB, that of a thousand rows."""
    try:
        array = to_numpy(value)
        if array.nbytes > _SAMPLED and array.ndim:
            array = array[:: max(1, len(array) // 1000)][:1000]
        return f"array {value.dtype} {tuple(value.shape)} {digest_of({'': array})[:16]}"
    except Exception:  # of objects, or on a device of its own: known by its shape
        return f"array {value.dtype} {tuple(value.shape)}"


def _type(value: Any) -> str:
    return type(value).__qualname__


def _flat(value: Any, code: bool, key: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by their paths; without code where two versions of Python make different code of the same text."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None or not value:
        yield key, value
        return
    for name, item in items:
        if code or name != "code":
            yield from _flat(item, code, f"{key}.{name}" if key else str(name))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
