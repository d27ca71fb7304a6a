"""Distances between solutions, on which niching by distance rests."""

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
    """Measure how far each solution of a is from each of b.

    Args:
        distance: The measure: a `Genome`, a function of two batches, or "scores".
        a: Members, or children with scores.
        b: Members, or children with scores.
        positions: The positions in a of those to be measured; all when None.

    Returns:
        The distances in units of the measure, shape (len(positions), len(b)), never negative.

    Raises:
        ValueError: The measure gives another shape, or a number that is negative or NaN.
        NotImplementedError: The genome defines no distance.

    >>> from evoniche import Population
    >>> population = Population.of([[1, 1, 0], [0, 1, 0], [0, 0, 0]])
    >>> distances("scores", population, population, positions=[1])
    array([[1., 0., 1.]])
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
    """Measure how far apart the members are, or compute a function of the distances.

    The population keeps the numbers, so a newcomer costs one measurement for each member and not one for each pair.
    Distances are assumed to be symmetric, and 0 between a member and itself.

    Args:
        distance: The measure: a `Genome`, a function of two batches, or "scores".
        population: The members.
        function: A function of the distances whose values are kept instead. It works elementwise, on arrays of any
            shape.
        key: The object under which the population keeps the numbers; the distance itself when None. Another function
            needs another key.

    Returns:
        The numbers, shape (members, members): a read-only view that is valid until the population changes.

    Raises:
        ValueError: The measure gives another shape, or a number that is negative or NaN.
        NotImplementedError: The genome defines no distance.

    >>> from evoniche import Population
    >>> member_distances("scores", Population.of([[1, 1, 0], [0, 1, 0], [0, 0, 0]])).round(2)
    array([[0.  , 1.  , 1.41],
           [1.  , 0.  , 1.  ],
           [1.41, 1.  , 0.  ]])
    """

    def measure(positions: NDArray[np.intp]) -> NDArray[Any]:
        apart = distances(distance, population, population, positions)  # (positions, members)
        apart[np.arange(len(positions)), positions] = 0
        return apart if function is None else function(apart)

    return population.pairwise(distance if key is None else key, measure)


def check_distance(instance: Any, attribute: Any, value: Any) -> None:
    """Raise a TypeError unless the value is a `Distance`; this is an attrs validator."""
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
