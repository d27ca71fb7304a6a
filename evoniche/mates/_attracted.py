"""The draw of mates by attraction, shared by the mate selectors that differ in their prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import functional
from evoniche.randomness import weighted_indices

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["attracted", "pricing_of"]

_PRICING = ("capacity", "relative", "eps")
"""What a sharing that prices cases as `ImplicitSharing` does has as attributes."""

_MANY = 8
"""From this many first parents on, trials with single mates cost less than the attraction of all members."""


def attracted(
    population: Population,
    first: NDArray[np.intp],
    *,
    rng: Generator,
    factor: NDArray[np.floating] | None = None,
    **pricing: Any,
) -> NDArray[np.intp]:
    """Draw mates in proportion to attraction; where no member attracts, in proportion to fitness among the others.

    Args:
        population: The members.
        first: The positions of the first parents, shape (n,).
        rng: The source of randomness.
        factor: What attraction and fitness are multiplied by for each first parent, shape (n, members).
        **pricing: The arguments by which `functional.attraction` prices the cases.

    Returns:
        The positions of the mates, shape (n,).
    """
    if population.binary and isinstance(pricing.get("capacity", functional.CAPACITY), str):
        pricing["capacity"] = "one"  # the same wherever anybody scores, without a search for the highest score
    pricing = {"load": population.load, "importance": population.importance, **pricing}
    if factor is not None or population.binary or len(first) < _MANY:  # a matrix product, or a few rows
        return _of_all(population, first, rng=rng, factor=factor, **pricing)
    mates: NDArray[np.intp] = functional.attracted(population.scores, first, rng=rng, **pricing)
    undecided = np.flatnonzero(mates == functional.UNDECIDED)
    if len(undecided):
        mates[undecided] = _of_all(population, first[undecided], rng=rng, **pricing)
    return mates


def pricing_of(population: Population) -> dict[str, Any]:
    """How the population's sharing prices cases, if it does as `ImplicitSharing`; nothing otherwise."""
    sharing: Any = population.sharing
    if not all(hasattr(sharing, name) for name in _PRICING):
        return {}
    return {name: getattr(sharing, name) for name in _PRICING}


def _of_all(
    population: Population,
    first: NDArray[np.intp],
    *,
    rng: Generator,
    factor: NDArray[np.floating] | None = None,
    **pricing: Any,
) -> NDArray[np.intp]:
    """Draw from the attraction of all members to each first parent."""
    weights = functional.attraction(population.scores, first, binary=population.binary, **pricing)  # (n, members)
    if factor is not None:
        weights = weights * factor
    attracts = weights.any(axis=1)
    if not attracts.all():
        unattracted = np.flatnonzero(~attracts)
        weights[unattracted] = population.fitness if factor is None else population.fitness * factor[unattracted]
        weights[unattracted, first[unattracted]] = 0
        # Nobody else has any fitness: draw uniformly among the others.
        empty = unattracted[~weights[unattracted].any(axis=1)]
        weights[empty] = 1
        weights[empty, first[empty]] = 0
    return weighted_indices(weights, len(first), rng=rng)
