"""Parts are tried before anybody pays for a score.

A rehearsal draws from generators of its own and throws away what it makes, so it does not change a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche.batches import Batch, take
from evoniche.distances import distances
from evoniche.evolution.breeding import vary
from evoniche.evolution.parts import Parts
from evoniche.population import Offspring, Population
from evoniche.randomness import generator

__all__ = ["rehearse_on_genomes", "rehearse_on_scores"]

_TRIAL_SIZE = 32


def rehearse_on_genomes(parts: Parts[Any], initial: Batch, seed: int) -> None:
    """Make one child of the first genomes and measure the distances that parts ask for: once, before the first score.

    A part that measures distances says so by an attribute `distance`.
    """
    a, b = take(initial, [0]), take(initial, [len(initial) - 1])
    with _rehearsal("before the first genome is scored"):
        child = vary(parts, a, b, initial, rng=generator(seed))
        for part in (parts.sharing, parts.selector, parts.mates, parts.replacement):
            measure = getattr(part, "distance", None)
            if measure is not None and not isinstance(measure, str):
                distances(measure, Population.of([[1.0]], a), Population.of([[1.0]], child))


def rehearse_on_scores(
    parts: Parts[Any], offspring: Offspring, importance: NDArray[np.float64] | None, breeders: int
) -> None:
    """Let the first children compete on a trial population with one member too many, before they enter the real one.

    So what depends on the number of cases, such as a capacity of another length, fails while nothing is lost.

    Args:
        parts: Are tried.
        offspring: The first children told, with their scores.
        importance: How much each case counts.
        breeders: How many members there will be when the first child is bred. The trial population repeats the children
            up to this size (32 at most): a rule may need several members, such as one that draws another mate.
    """
    assert offspring.scores is not None
    places = np.arange(max(len(offspring), min(breeders, _TRIAL_SIZE))) % len(offspring)
    with _rehearsal("before the first scores are kept"):
        genomes = take(offspring.genomes, places)
        trial = Population.of(offspring.scores[places], genomes, parts.sharing, importance)
        first = parts.selector.select(trial, 1, rng=generator(offspring.seed))
        parts.mates.mates(trial, first, rng=generator(offspring.seed))
        child = attrs.evolve(
            offspring,
            genomes=take(offspring.genomes, [0]),
            scores=offspring.scores[:1],
            ids=np.array([len(places)]),
            parents=np.zeros((1, 2), dtype=np.int64),
        )
        parts.replacement.replace(trial, child)


@contextmanager
def _rehearsal(when: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"found by trying the parts {when}; nothing was lost.")
        raise
