"""Plain functions on single genomes, made into operators on batches."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any, final

import attrs
from numpy.random import Generator

from evoniche.batches import Batch, rows, stack
from evoniche.roles import Crossover, Mutation, Scorer

__all__ = ["FunctionCrossover", "FunctionMutation", "FunctionScorer", "as_crossover", "as_mutation", "as_scorer"]


@final
@attrs.frozen
class FunctionCrossover(Crossover):
    """A crossover made of a function `f(a, b, rng)` on two genomes that returns the child's.

    The function gets copies, so it may also change and return one of them.
    """

    function: Callable[[Any, Any, Generator], Any]

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross pair by pair."""
        children = [self.function(x, y, rng) for x, y in zip(rows(a), rows(b), strict=True)]
        return _batch(children, a, self.function, "child")


@final
@attrs.frozen
class FunctionMutation(Mutation):
    """A mutation made of a function `f(genome, rng)` that returns the mutant.

    The function gets a copy, so it may also change and return it.
    """

    function: Callable[[Any, Generator], Any]

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:
        """Mutate one by one."""
        mutants = [self.function(genome, rng) for genome in rows(genomes)]
        return _batch(mutants, genomes, self.function, "mutant")


@final
@attrs.frozen
class FunctionScorer(Scorer):
    """A scorer made of a function of a batch that returns the scores, one row for each genome."""

    function: Callable[[Batch], Any]

    def score(self, genomes: Batch) -> Any:
        """Score the batch."""
        return self.function(genomes)


def as_crossover(operator: Crossover | Callable[[Any, Any, Generator], Any]) -> Crossover:
    """The operator itself, or a function on two genomes as one."""
    if isinstance(operator, Crossover):
        return operator
    return FunctionCrossover(_callable(operator, "crossover", "f(a, b, rng)"))


def as_mutation(operator: Mutation | Callable[[Any, Generator], Any]) -> Mutation:
    """The operator itself, or a function on one genome as one."""
    if isinstance(operator, Mutation):
        return operator
    return FunctionMutation(_callable(operator, "mutation", "f(genome, rng)"))


def as_scorer(scorer: Scorer | Callable[[Batch], Any]) -> Scorer:
    """The scorer itself, or a function of a batch as one."""
    if isinstance(scorer, Scorer):
        return scorer
    return FunctionScorer(_callable(scorer, "scorer", "f(genomes) -> (n, cases)"))


def _callable(function: Any, role: str, signature: str) -> Any:
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"{role} must be a {role.capitalize()} object or a function {signature}, got {function!r}.")
    with suppress(ValueError):  # what is written in C may have no signature
        asked = inspect.signature(function)
        try:
            asked.bind(*signature[2 : signature.index(")")].split(", "))
        except TypeError as error:
            raise TypeError(f"{role} must be a function {signature}, got one of {asked}.") from error
    return function


def _batch(genomes: list[Any], template: Batch, function: Any, what: str) -> Batch:
    if any(genome is None for genome in genomes):
        name = getattr(function, "__name__", repr(function))
        raise ValueError(f"{name} returned None: it must return the {what}, also when it changes one in place.")
    return stack(genomes, template)
