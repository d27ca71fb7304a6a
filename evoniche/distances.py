"""How far apart solutions are: what niching by distance rests on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoniche.batches import Batch, take
from evoniche.population import Offspring, Population
from evoniche.roles import Genome

__all__ = ["Distance", "check_distance", "distances", "member_distances"]

Distance = Genome | Callable[[Batch, Batch], ArrayLike] | Literal["scores"]
"""A `Genome`, a function of two batches of genomes that gives (len(a), len(b)) distances, or "scores": the Euclidean
distance between rows of scores, which needs no distance between genomes."""


def distances(
    distance: Distance,
    a: Population | Offspring,
    b: Population | Offspring,
    positions: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """How far each solution of a is from each of b.

    Args:
        distance: The measure.
        a: Members or scored children.
        b: Members or scored children.
        positions: Which of a; all when None.

    Returns:
        Shape (len(positions), len(b)), never negative.

    Raises:
        ValueError: The measure gives another shape, or what is no distance.
        NotImplementedError: The genome has no distance.
    """
    of_scores = isinstance(distance, str)
    rows: Any = a.scores if of_scores else a.genomes
    columns: Any = b.scores if of_scores else b.genomes
    if positions is not None:
        rows = take(rows, positions)
    measured: Any
    if isinstance(distance, str):
        measured = _euclidean(rows, columns)
    elif isinstance(distance, Genome):
        measured = distance.distance(rows, columns)
    else:
        measured = distance(rows, columns)
    apart = np.array(measured, dtype=np.float64)  # a copy: the measure may keep its own
    if apart.shape != (len(rows), len(columns)):
        shape = (len(rows), len(columns))
        raise ValueError(f"distance(a, b) of two batches must give shape (len(a), len(b)), {shape}, got {apart.shape}. "
                         "For a function of two genomes: ObjectGenome(create, measure=...).")
    if not (apart >= 0).all():
        raise ValueError(f"distance(a, b) must be >= 0, got {apart.min()}.")
    return apart


def member_distances(
    distance: Distance,
    population: Population,
    function: Callable[[NDArray[np.float64]], NDArray[Any]] | None = None,
    key: object = None,
) -> NDArray[Any]:
    """How far apart the members are, shape (members, members), or a function of that.

    The population keeps what was measured, so a newcomer costs one measurement for each member and not one for each
    pair. A distance is taken to be symmetric, and each member 0 from itself.

    Args:
        distance: The measure.
        population: Whose members.
        function: What to keep instead of the distances; it works on each distance alone, on arrays of any shape.
        key: The object under which the population keeps it; the distance when None. Another function needs another key.

    Returns:
        A read-only view, valid until the population changes.

    Raises:
        ValueError: The measure gives another shape, or what is no distance.
        NotImplementedError: The genome has no distance.
    """

    def measure(positions: NDArray[np.intp]) -> NDArray[Any]:
        apart = distances(distance, population, population, positions)  # (positions, members)
        apart[np.arange(len(positions)), positions] = 0
        return apart if function is None else function(apart)

    return population.pairwise(distance if key is None else key, measure)


def check_distance(instance: Any, attribute: Any, value: Any) -> None:
    """An attrs validator: a `Distance`."""
    if not (isinstance(value, Genome) or value == "scores" or (callable(value) and not isinstance(value, type))):
        raise TypeError(
            f"{type(instance).__name__}({attribute.name}=...) must be a Genome, a function of two batches or 'scores', "
            f"got {value!r}."
        )


def _euclidean(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    if len(a) > len(b):
        return _euclidean(b, a).T
    a, b = a.astype(np.float64), b.astype(np.float64)
    if all(((x == 0) | (x == 1)).all() for x in (a, b)):
        differing: NDArray[np.float64] = a @ (1 - b).T + (1 - a) @ b.T  # whole numbers: nothing is rounded
        return np.sqrt(differing)
    apart = np.empty((len(a), len(b)))
    for i, row in enumerate(a):
        apart[i] = np.linalg.norm(b - row, axis=1)
    return apart
