"""From members to children."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import whole_number
from evoniche.batches import Batch, as_batch, conform, copied, take
from evoniche.evolution.parts import Parts
from evoniche.population import NOBODY, Population
from evoniche.randomness import generator

__all__ = ["breed", "first_genomes", "vary"]


def first_genomes(parts: Parts[Any], initial: Batch | int | None, size: int, seed: int) -> Batch:
    """What an evolution begins with: copies of the genomes given, or random ones.

    Args:
        parts: Of which the genome says what a batch is.
        initial: Genomes, or how many random ones.
        size: How many random ones when None.
        seed: For the random ones.

    Raises:
        ValueError: No genomes, or none that are a batch.
    """
    if initial is None or isinstance(initial, int | np.integer):
        if parts.genome is None:
            raise ValueError("nothing to begin with: give initial=... a batch of genomes, or genome=... to sample.")
        n = size if initial is None else whole_number("initial", initial, 1)
        return parts.genome.sample(n, rng=generator(seed))
    batch = as_batch(initial) if parts.genome is None else parts.genome.batch(initial)
    if not len(batch):
        raise ValueError("initial must hold at least one genome, got none.")
    return copied(batch)  # it is given out later, and a scorer may change what it gets


def breed(
    parts: Parts[Any], population: Population, n: int, template: Batch, *, rng: Generator
) -> tuple[Batch, NDArray[np.int64]]:
    """Make children: select, mate, cross, mutate.

    Args:
        parts: Who does it.
        population: Who breeds; it has members.
        n: How many children.
        template: A batch that says what a genome looks like.
        rng: Where the randomness comes from.

    Returns:
        n genomes, and the ids of first parent and mate, shape (n, 2), -1 where there was no mate.
    """
    genomes, ids = population.genomes, population.ids
    first = parts.selector.select(population, n, rng=rng)
    parents = np.full((n, 2), NOBODY)
    parents[:, 0] = ids[first]
    if parts.crossover is None:
        return vary(parts, take(genomes, first), None, template, rng=rng), parents
    second = parts.mates.mates(population, first, rng=rng)
    parents[:, 1] = ids[second]
    return vary(parts, take(genomes, first), take(genomes, second), template, rng=rng), parents


def vary(parts: Parts[Any], a: Batch, b: Batch | None, template: Batch, *, rng: Generator) -> Batch:
    """Children of first parents a and their mates b, inside of the representation's bounds."""
    children: Any = a
    if parts.crossover is not None:
        children = parts.crossover.cross(a, b, rng=rng)
    if parts.mutation is not None:
        children = parts.mutation.mutate(children, rng=rng)
    if parts.crossover is None and parts.mutation is None:
        children = copied(a)  # a member and its child are not one object
    children = conform(children, len(a), template, "what crossover and mutation make")
    return children if parts.genome is None else parts.genome.repair(children, rng=rng)
