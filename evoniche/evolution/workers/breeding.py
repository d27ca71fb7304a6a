"""Children that are bred where they are scored: `run(breed="worker")`.

Here the parents are chosen, which needs the population. The children's places are held by copies of their first parents
until crossover and mutation have been at work elsewhere; what is told then has the right genomes. Each child has random
numbers of its own, which follow from the seed, its ask and its id, so it does not matter where or beside whom it is
bred.
"""

from __future__ import annotations

from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.batches import Batch, copied, join, take
from evoniche.evolution.breeding import vary
from evoniche.evolution.ledger import Ledger
from evoniche.population import NOBODY, Offspring
from evoniche.randomness import generator
from evoniche.roles import Crossover, Genome, Mutation

__all__ = ["Pairs", "Variation", "ask_unbred", "unbred"]

_BREEDING = 3
"""The second part of the key of these random numbers; see `Offspring.generator` for another."""


@final
@attrs.frozen(eq=False)
class Variation:
    """Who breeds: the parts of an evolution that make a child of its parents."""

    genome: Genome[Any] | None
    crossover: Crossover[Any] | None
    mutation: Mutation[Any] | None
    template: Batch
    """One genome, which says what a genome looks like."""

    @classmethod
    def of(cls, evolution: Any) -> Variation:
        """Those of an evolution."""
        parts = evolution.parts
        return cls(parts.genome, parts.crossover, parts.mutation, take(evolution._initial, [0]))


@final
@attrs.frozen(eq=False)
class Pairs:
    """Parents of children that are not bred yet."""

    first: Batch
    second: Batch | None
    seed: int
    ask: int
    ids: NDArray[np.int64]

    def breed(self, variation: Any) -> Batch:
        """The genomes of the children."""
        genomes: Batch = None
        for i, child in enumerate(self.ids.tolist()):
            a, b = take(self.first, [i]), None if self.second is None else take(self.second, [i])
            rng = generator(self.seed, self.ask, _BREEDING, child)
            one = vary(variation, a, b, variation.template, rng=rng)
            genomes = one if genomes is None else join(genomes, one)
        return genomes


def unbred(evolution: Any, children: Offspring) -> Pairs | None:
    """The parents of children of one ask that are not bred yet; None when they are."""
    known = evolution._history.underway.unbred
    if int(children.ids[0]) not in known:
        return None
    pairs = [known[child] for child in children.ids.tolist()]
    first, second = pairs[0]
    for a, b in pairs[1:]:
        first, second = join(first, a), None if second is None else join(second, b)
    return Pairs(first, second, children.seed, children.ask, children.ids)


def ask_unbred(evolution: Any, n: int) -> Offspring:
    """`Evolution.ask`, but that crossover and mutation are left for later."""
    known: dict[int, tuple[Batch, Batch | None]] = evolution._history.underway.unbred
    new: list[int] = []

    def asked(ledger: Ledger) -> tuple[Ledger, Offspring]:
        parts, chosen = evolution.parts, _Chosen()
        crossover = None if parts.crossover is None else chosen
        evolution.parts = attrs.evolve(parts, genome=None, crossover=crossover, mutation=chosen)
        try:
            after, children = evolution._asked(ledger, n)
        finally:
            evolution.parts = parts
        if children.parents[0, 0] != NOBODY and (parts.crossover is not None or parts.mutation is not None):
            a, b = chosen.pairs
            new.extend(children.ids.tolist())
            known.update((c, (take(a, [i]), None if b is None else take(b, [i]))) for i, c in enumerate(new))
        return after, children

    try:
        children: Offspring = evolution._books.at_once(asked)
    except BaseException:
        for child in new:
            known.pop(child, None)
        raise
    return children


@final
class _Chosen(Crossover[Any], Mutation[Any]):
    """Sees who was chosen, and breeds nothing."""

    def __init__(self) -> None:
        self.pairs: tuple[Batch, Batch | None] = (None, None)

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:  # noqa: ARG002
        self.pairs = (a, b)
        return copied(a)

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:  # noqa: ARG002
        if self.pairs[1] is None:
            self.pairs = (genomes, None)
        return copied(genomes)
