"""Several mutations, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, final

import attrs
from numpy.random import Generator

from evoniche.batches import Batch
from evoniche.function_operators import as_mutation
from evoniche.roles import Mutation

__all__ = ["ChainMutation"]


def _mutations(parts: Iterable[Mutation | Callable[[Any, Generator], Any]]) -> tuple[Mutation, ...]:
    if not isinstance(parts, Iterable):
        raise TypeError(f"ChainMutation takes a list of mutations, got {parts!r}.")
    return tuple(as_mutation(part) for part in parts)


@final
@attrs.frozen
class ChainMutation(Mutation):
    """Each mutation takes what the one before it made.

    Args:
        mutations: In their order; functions `f(genome, rng)` serve as well.
    """

    mutations: tuple[Mutation, ...] = attrs.field(converter=_mutations, validator=attrs.validators.min_len(1))

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:
        """Mutate whatever all its mutations take."""
        for mutation in self.mutations:
            genomes = mutation.mutate(genomes, rng=rng)
        return genomes
