"""Plain functions made into operators: of single genomes for crossover and mutation, of the population for the rest."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.arrays import to_numpy
from evoniche.batches import Batch, rows, stack
from evoniche.population import Offspring, Population
from evoniche.roles import Crossover, MateSelector, Mutation, Replacement, Scorer, Selector, Sharing

__all__ = [
    "FunctionCrossover",
    "FunctionMateSelector",
    "FunctionMutation",
    "FunctionReplacement",
    "FunctionScorer",
    "FunctionSelector",
    "FunctionSharing",
    "as_crossover",
    "as_mates",
    "as_mutation",
    "as_replacement",
    "as_scorer",
    "as_selector",
    "as_sharing",
]


@final
@attrs.frozen
class FunctionCrossover(Crossover):
    """Cross by a function `f(a, b, rng)` of two genomes that returns the child's genome.

    The function gets copies, so it may also change and return one of them.

    >>> FunctionCrossover(lambda a, b, rng: a[:1] + b[1:]).cross(["ab"], ["xy"], rng=np.random.default_rng(0))
    ['ay']
    """

    function: Callable[[Any, Any, Generator], Any]

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross each pair; the children are a batch of the parents' kind."""
        children = [self.function(x, y, rng) for x, y in zip(rows(a), rows(b), strict=True)]
        return _batch(children, a, self.function, "child")


@final
@attrs.frozen
class FunctionMutation(Mutation):
    """Mutate by a function `f(genome, rng)` of one genome that returns the mutant.

    The function gets a copy, so it may also change and return it.

    >>> FunctionMutation(lambda word, rng: word.upper()).mutate(["ab", "c"], rng=np.random.default_rng(0))
    ['AB', 'C']
    """

    function: Callable[[Any, Generator], Any]

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:
        """Mutate each genome; the mutants are a batch of the same kind."""
        mutants = [self.function(genome, rng) for genome in rows(genomes)]
        return _batch(mutants, genomes, self.function, "mutant")


@final
@attrs.frozen
class FunctionScorer(Scorer):
    """Score by a function of a batch that returns the scores, shape (n, cases), one row for each genome.

    >>> FunctionScorer(lambda words: [[len(word), word.count("a")] for word in words]).score(["ab", "c"])
    [[2, 1], [1, 0]]
    """

    function: Callable[[Batch], Any]

    def score(self, genomes: Batch) -> Any:
        """Score the batch."""
        return self.function(genomes)


@final
@attrs.frozen
class FunctionSharing(Sharing):
    """Share by a function `f(population)` that returns the members' fitness.

    >>> from evoniche import Population
    >>> FunctionSharing(lambda population: population.scores.max(axis=1)).fitness(Population.of([[0.5, 1], [0, 0.2]]))
    array([1. , 0.2])
    """

    function: Callable[[Population], Any]

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """The members' fitness, shape (members,).

        Raises:
            ValueError: The function returns another shape, or what is no finite number >= 0.
        """
        fitness = np.array(to_numpy(self.function(population)))
        what = f"{_name(self.function)}(population) must return the fitness of each member"
        if fitness.shape != (len(population),) or fitness.dtype.kind not in "fiub":
            raise ValueError(f"{what}, numbers of shape ({len(population)},), got {_described(fitness)}.")
        if not (np.isfinite(fitness) & (fitness >= 0)).all():
            raise ValueError(f"{what}, finite and >= 0, got {fitness}.")
        return fitness if fitness.dtype.kind == "f" else fitness.astype(np.float64)


@final
@attrs.frozen
class FunctionSelector(Selector):
    """Select by a function `f(population, n, rng)` that returns the positions of n first parents.

    >>> from evoniche import Population
    >>> best = FunctionSelector(lambda population, n, rng: [population.fitness.argmax()] * n)
    >>> best.select(Population.of([[0, 1], [1, 1]]), 3, rng=np.random.default_rng(0))
    array([1, 1, 1])
    """

    function: Callable[[Population, int, Generator], Any]

    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Positions of the first parents, shape (n,).

        Raises:
            ValueError: The function returns another shape, or positions that nobody has.
        """
        chosen = self.function(population, n, rng)
        return _positions(chosen, n, population, f"the selector {_name(self.function)}")


@final
@attrs.frozen
class FunctionMateSelector(MateSelector):
    """Choose mates by a function `f(population, first, rng)` that returns the positions of the mates.

    >>> from evoniche import Population
    >>> neighbours = FunctionMateSelector(lambda population, first, rng: (first + 1) % len(population))
    >>> neighbours.mates(Population.of([[0, 1], [1, 1]]), np.array([0, 1]), rng=np.random.default_rng(0))
    array([1, 0])
    """

    function: Callable[[Population, NDArray[np.intp], Generator], Any]

    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Positions of the mates, shape (n,).

        Raises:
            ValueError: The function returns another shape, or positions that nobody has.
        """
        chosen = self.function(population, first.copy(), rng)
        return _positions(chosen, len(first), population, f"the mate selector {_name(self.function)}")


@final
@attrs.frozen
class FunctionReplacement(Replacement):
    """Replace by a function `f(population, offspring)` that changes the population and returns None.

    >>> from evoniche import Population
    >>> def oldest_leaves(population, offspring):
    ...     population.add(offspring)
    ...     while len(population) > population.limit:
    ...         population.remove(population.ids.argmin())
    >>> replacement = FunctionReplacement(oldest_leaves)
    """

    function: Callable[[Population, Offspring], None]

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let the function change the population.

        Raises:
            ValueError: The function returns something, which would be lost.
        """
        answer: Any = self.function(population, offspring)  # type: ignore[func-returns-value]
        if answer is not None:
            raise ValueError(f"{_name(self.function)}(population, offspring) must change the population by add and "
                             f"remove, and return None, got {type(answer).__name__}.")


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


def as_sharing(sharing: Sharing | Callable[[Population], Any]) -> Sharing:
    """The sharing itself, or a function of the population as one."""
    if isinstance(sharing, Sharing):
        return sharing
    return FunctionSharing(_callable(sharing, "sharing", "f(population)", "Sharing"))


def as_selector(selector: Selector | Callable[[Population, int, Generator], Any]) -> Selector:
    """The selector itself, or a function `f(population, n, rng)` as one."""
    if isinstance(selector, Selector):
        return selector
    return FunctionSelector(_callable(selector, "selector", "f(population, n, rng)", "Selector"))


def as_mates(mates: MateSelector | Callable[[Population, NDArray[np.intp], Generator], Any]) -> MateSelector:
    """The mate selector itself, or a function `f(population, first, rng)` as one."""
    if isinstance(mates, MateSelector):
        return mates
    return FunctionMateSelector(_callable(mates, "mates", "f(population, first, rng)", "MateSelector"))


def as_replacement(replacement: Replacement | Callable[[Population, Offspring], None]) -> Replacement:
    """The replacement itself, or a function `f(population, offspring)` as one."""
    if isinstance(replacement, Replacement):
        return replacement
    return FunctionReplacement(_callable(replacement, "replacement", "f(population, offspring)", "Replacement"))


def _callable(function: Any, name: str, signature: str, role: str = "") -> Any:
    role = role or name.capitalize()
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"{name} must be a {role} (see evoniche.roles) or a function {signature}, got {function!r}.")
    with suppress(ValueError):  # what is written in C may have no signature
        asked = inspect.signature(function)
        try:
            asked.bind(*signature[2 : signature.index(")")].split(", "))
        except TypeError as error:
            raise TypeError(f"{name} must be a function {signature}, got one of {asked}.") from error
    return function


def _batch(genomes: list[Any], template: Batch, function: Any, what: str) -> Batch:
    if any(genome is None for genome in genomes):
        name = _name(function)
        raise ValueError(f"{name} returned None: it must return the {what}, also when it changes one in place.")
    return stack(genomes, template)


def _positions(chosen: Any, n: int, population: Population, name: str) -> NDArray[np.intp]:
    array = to_numpy(chosen)
    what = f"{name} must return {n} positions of members"
    if array.shape != (n,) or array.dtype.kind not in "iu":
        raise ValueError(f"{what}, integers of shape ({n},), got {_described(array)}.")
    if n and not 0 <= array.min() <= array.max() < len(population):
        raise ValueError(f"{what}, from 0 to {len(population) - 1}, got {array.tolist()}.")
    return array.astype(np.intp, copy=False)


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", repr(function)))


def _described(array: NDArray[Any]) -> str:
    return f"{array.dtype} of shape {array.shape}"
