"""Messages for wrong input: the argument, the rule, the value and the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj
from numpy.typing import NDArray

from evoniche.arrays import is_floating

__all__ = [
    "at_least",
    "at_most",
    "check_capacity",
    "check_range",
    "check_roles",
    "float_genomes",
    "genome_arrays",
    "genome_rows",
    "greater_than",
    "is_whole",
    "number",
    "one_of",
    "probability",
    "whole",
    "whole_number",
    "whole_numbers",
]

Validator = Callable[[Any, Any, Any], None]


def _rule(text: str, holds: Callable[[Any], bool]) -> Validator:
    def validate(instance: Any, attribute: Any, value: Any) -> None:
        try:
            good = bool(holds(value))
        except (TypeError, ValueError):
            good = False
        if not good:
            raise ValueError(f"{type(instance).__name__}({attribute.name}=...) must be {text}, got {value!r}.")

    return validate


def greater_than(bound: float) -> Validator:
    """An attrs validator: a finite number > bound."""
    return _rule(f"a number > {bound}", lambda value: value > bound and np.isfinite(value))


def at_least(bound: float) -> Validator:
    """An attrs validator: a finite number >= bound."""
    return _rule(f"a number >= {bound}", lambda value: value >= bound and np.isfinite(value))


def whole(least: int) -> Validator:
    """An attrs validator: a whole number >= least."""
    return _rule(f"a whole number >= {least}", lambda value: is_whole(value) and value >= least)


def is_whole(value: Any) -> bool:
    """Whether this is an integer, True and False not being such."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def at_most(bound: float) -> Validator:
    """An attrs validator: a number <= bound."""
    return _rule(f"a number <= {bound}", lambda value: value <= bound)


def probability() -> Validator:
    """An attrs validator: a number from 0 to 1."""
    return _rule("from 0 to 1", lambda value: 0 <= value <= 1)


def one_of(*choices: str) -> Validator:
    """An attrs validator: one of a few words."""
    return _rule("one of " + ", ".join(map(repr, choices)), lambda value: value in choices)


def check_capacity(instance: Any, attribute: Any, value: Any) -> None:
    """An attrs validator: "one", "max", or one number >= 0 for each case."""
    name = f"{type(instance).__name__}({attribute.name}=...)"
    if isinstance(value, str):
        if value not in ("one", "max"):
            raise ValueError(f"{name} must be 'one', 'max' or an array of one number per case, got {value!r}.")
        return
    capacity = np.asarray(value)
    if capacity.ndim != 1 or capacity.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be an array of one number per case, got shape {capacity.shape} of "
                         f"{capacity.dtype}.")
    wrong = ~(np.isfinite(capacity) & (capacity >= 0))
    if wrong.any():
        case = int(np.argmax(wrong))
        raise ValueError(f"{name} must be finite and >= 0, got {capacity[case]} for case {case}.")


def whole_numbers(value: Any) -> NDArray[np.int64]:
    """An attrs converter: one integer or an array of them.

    Raises:
        ValueError: Not integers.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise ValueError(f"low and high must be integers, one or one for each gene, got {value!r}.")
    return array.astype(np.int64)


def check_range(instance: Any, low: NDArray[np.int64], high: NDArray[np.int64], length: int | None = None) -> None:
    """Check the bounds of integers: low < high everywhere, and one or one for each gene.

    Raises:
        ValueError: They are not.
    """
    name = type(instance).__name__
    sizes = {int(bound.size) for bound in (low, high) if bound.ndim} | ({length} if length is not None else set())
    if len(sizes) > 1:
        raise ValueError(f"{name}(low=..., high=...) must be one number or one for each gene, got {low} and {high}.")
    if not np.all(high > low):
        raise ValueError(f"{name}(high=...) must be > low everywhere, got low={low} and high={high}.")


def genome_arrays(operator: Any, *batches: Any) -> None:
    """Check that batches are arrays of equal shape.

    Raises:
        ValueError: One is not an array, or the shapes differ.
    """
    for batch in batches:
        if not (isinstance(batch, np.ndarray) or is_array_api_obj(batch)):
            raise ValueError(
                f"{type(operator).__name__} works on arrays of genomes (a row each), got {type(batch).__name__}: "
                "make it numpy.array(...), or for other objects give a function on single genomes instead."
            )
        if batch.shape != batches[0].shape:
            raise ValueError(
                f"{type(operator).__name__} needs parents of the same shape, "
                f"got {tuple(batches[0].shape)} and {tuple(batch.shape)}."
            )


def genome_rows(operator: Any, *batches: Any) -> None:
    """Check that batches are arrays of equal shape (n, length).

    Raises:
        ValueError: One is not.
    """
    genome_arrays(operator, *batches)
    if batches[0].ndim != 2:
        shape = tuple(batches[0].shape)
        raise ValueError(f"{type(operator).__name__} needs genomes in rows, shape (n, length), got shape {shape}.")


def float_genomes(operator: Any, *batches: Any) -> None:
    """Check that batches are arrays of equal shape and of floating-point numbers.

    Raises:
        ValueError: One is not an array, the shapes differ, or the numbers are not floating-point.
    """
    genome_arrays(operator, *batches)
    for batch in batches:
        if not is_floating(batch):
            raise ValueError(f"{type(operator).__name__} needs floating-point genomes, got {batch.dtype}: choose "
                             "an operator for that representation, or pass a function of your own (crossover=..., "
                             "mutation=...).")


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """An argument that must be a whole number.

    Raises:
        ValueError: It is none, less than the least, or more than the most.
    """
    if not is_whole(value) or value < least or (most is not None and value > most):
        rule = f">= {least}" if most is None else f">= {least} and <= {most:,}"
        raise ValueError(f"{name} must be a whole number {rule}, got {value!r}.")
    return int(value)


def number(name: str, value: Any, least: float) -> float:
    """An argument that must be a finite number.

    Raises:
        ValueError: It is none, or less than the least.
    """
    if not isinstance(value, int | float | np.integer | np.floating) or not least <= value < np.inf:
        raise ValueError(f"{name} must be a number >= {least}, got {value!r}.")
    return float(value)


def check_roles(**parts: Any) -> None:
    """Check the parts of an algorithm.

    Args:
        **parts: name -> (part, role, what else it may be).

    Raises:
        TypeError: A part that does not play its role.
    """
    for name, (part, role, *others) in parts.items():
        if not isinstance(part, role) and part not in others:
            raise TypeError(f"{name} must be a {role.__name__} (see evoniche.roles), got {part!r}.")

