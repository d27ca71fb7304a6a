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
    apart = np.asarray(measured, dtype=np.float64)
    if apart.shape != (len(rows), len(columns)):
        shape = (len(rows), len(columns))
        raise ValueError(f"distance(a, b) of two batches must give shape (len(a), len(b)), {shape}, got {apart.shape}. "
                         "For a function of two genomes: ObjectGenome(create, measure=...).")
    if not (apart >= 0).all():
        raise ValueError(f"distance(a, b) must be >= 0, got {apart.min()}.")
    return apart


def member_distances(distance: Distance, population: Population) -> NDArray[np.float64]:
    """How far apart the members are, shape (members, members).

    The population remembers what was measured, so a newcomer costs one measurement for each member and not one for
    each pair. A distance is taken to be symmetric, and each member 0 from itself.

    Raises:
        ValueError: The measure gives another shape, or what is no distance.
        NotImplementedError: The genome has no distance.
    """
    ids = population.ids
    others = [entry for entry in population.recall(member_distances, []) if entry[0] is not distance]
    mine = [entry for entry in population.recall(member_distances, []) if entry[0] is distance]
    _, known, before = mine[0] if mine else (distance, ids[:0], np.zeros((0, 0)))
    place = {int(member): position for position, member in enumerate(known)}
    old = np.array([place.get(int(member), -1) for member in ids])
    there, new = np.flatnonzero(old >= 0), np.flatnonzero(old < 0)
    if not len(new) and len(known) == len(ids) and (old == np.arange(len(ids))).all():
        apart: NDArray[np.float64] = before
        return apart.copy()
    apart = np.empty((len(ids), len(ids)))
    apart[np.ix_(there, there)] = before[np.ix_(old[there], old[there])]
    if len(new):
        apart[new] = distances(distance, population, population, new)
        apart[:, new] = apart[new].T
        np.fill_diagonal(apart, 0)
    population.remember(member_distances, [*others[-1:], (distance, ids.copy(), apart)])  # two measures at most
    return apart.copy()


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
