"""Several mutations applied one after the other."""

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
    """Apply several mutations in order, each to the result of the one before.

    Args:
        mutations: A list of at least one `Mutation` or function `f(genome, rng)` of one genome.

    >>> import numpy as np
    >>> both = ChainMutation([lambda word, rng: word + "a", lambda word, rng: word.upper()])
    >>> both.mutate(["x", "y"], rng=np.random.default_rng(0))
    ['XA', 'YA']
    """

    mutations: tuple[Mutation, ...] = attrs.field(converter=_mutations, validator=attrs.validators.min_len(1))

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:
        """Mutate any batch that all of the mutations accept."""
        for mutation in self.mutations:
            genomes = mutation.mutate(genomes, rng=rng)
        return genomes
