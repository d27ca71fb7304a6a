"""A method is what is compared: each gets the same problem and the same number of evaluations."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from typing import Any, Protocol, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import Evolution, Offspring
from evoniche.batches import Batch, take
from evoniche_baselines.problem import NEEDS, Problem

__all__ = ["Method", "Search", "method"]


class Search(Protocol):
    """A running method. It asks for scores and is told them; it never scores a solution itself."""

    def ask(self) -> Batch:
        """Return the genomes to be scored next: at least one, and as many as the method likes."""

    def tell(self, scores: NDArray[Any]) -> None:
        """Take the scores of the genomes asked last, shape (n, cases)."""

    def members(self) -> tuple[Batch, NDArray[Any]]:
        """Return the genomes and scores of the solutions now alive: at least one after the first tell."""


@final
@attrs.frozen(eq=False)
class Method:
    """A search method with a name, and the problems that it can run on.

    Args:
        name: The name on the command line.
        label: The name in tables and legends.
        start: A function `f(problem, seed, **options)` that returns an `Evolution` or a `Search`.
        needs: What a problem must offer; keys of `NEEDS`.
        options: Keyword arguments that `start` is called with.

    Raises:
        ValueError: A need is not one of `NEEDS`.

    >>> from evoniche_baselines.catalogue import find_method, find_problem
    >>> search = find_method("tournament:size=3").search(find_problem("max-sat:variables=20"), seed=0)
    >>> search.ask().shape
    (100, 20)
    """

    name: str
    label: str
    start: Callable[..., Evolution | Search]
    needs: frozenset[str] = attrs.field(default=frozenset())
    options: dict[str, Any] = attrs.field(factory=dict)

    @needs.validator
    def _known(self, _: Any, needs: frozenset[str]) -> None:
        if unknown := needs - NEEDS.keys():
            raise ValueError(f"method {self.name}: needs must be of {', '.join(NEEDS)}, got {sorted(unknown)}.")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the name of the function, because `method` has put this object in the function's place."""
        start = self.start
        return _restored, (start.__module__, start.__qualname__, self.name, self.label, self.needs, self.options)

    def search(self, problem: Problem, seed: int) -> Search:
        """Begin a run.

        Args:
            problem: The problem to solve.
            seed: Fixes the run.

        Raises:
            ValueError: The problem lacks what the method needs, or `start` returns something else.
            TypeError: `start` does not have one of the options.
        """
        self.check(problem)
        started = self.start(problem.begun(seed), seed, **self.options)
        if isinstance(started, Evolution):
            return _OfEvolution(started, stepwise=problem.stepwise)
        if lacking := [verb for verb in ("ask", "tell", "members") if not hasattr(started, verb)]:
            raise ValueError(f"{self.name} must start an Evolution, or what has ask, tell and members: "
                             f"{type(started).__name__} has no {lacking[0]}.")
        return started

    def check(self, problem: Problem) -> None:
        """Check that a problem offers what the method needs.

        Raises:
            ValueError: It does not; the message says what is missing.
        """
        missing = [need for need in NEEDS if need in self.needs - problem.offers]
        if missing:
            reasons = " and ".join(NEEDS[need] for need in missing)
            raise ValueError(f"{self.name} cannot run on {problem.name}: it needs {reasons}, which it does not offer.")


def _restored(
    module: str, function: str, name: str, label: str, needs: frozenset[str], options: dict[str, Any]
) -> Method:
    found: Any = reduce(getattr, function.split("."), import_module(module))
    return Method(name, label, found.start if isinstance(found, Method) else found, needs, options)


def method(label: str, *, name: str | None = None, needs: tuple[str, ...] = ()) -> Callable[[Any], Method]:
    """Make a `Method` of the function `f(problem, seed, **options)` that is decorated.

    Args:
        label: The name in tables and legends.
        name: The name on the command line. By default it is the function's, with hyphens.
        needs: What a problem must offer; keys of `NEEDS`.

    >>> from evoniche.algorithms import m2n2
    >>> @method("M2N2 with a small population", needs=("cases",))
    ... def small_m2n2(problem, seed, *, size=5):
    ...     return m2n2(genome=problem.genome, initial=problem.initial, population_size=size, seed=seed)
    >>> small_m2n2.name
    'small-m2n2'
    """

    def decorate(start: Callable[..., Evolution | Search]) -> Method:
        return Method(name or start.__name__.replace("_", "-"), label, start, frozenset(needs))

    return decorate


@final
class _OfEvolution:
    """Makes a `Search` of an `Evolution`."""

    def __init__(self, evolution: Evolution, *, stepwise: bool) -> None:
        self.evolution, self._stepwise = evolution, stepwise
        self._children: Offspring | None = None

    def ask(self) -> Batch:
        # The initial genomes are scored together: an ask never goes beyond them.
        together = not (self._stepwise or self.evolution.evaluations)
        self._children = self.evolution.ask(sys.maxsize if together else None)
        return self._children.genomes

    def tell(self, scores: NDArray[Any]) -> None:
        assert self._children is not None, "ask comes first"
        self.evolution.tell(self._children, scores)

    def members(self) -> tuple[Batch, NDArray[np.floating]]:
        population = self.evolution.population
        oldest_first = np.argsort(population.ids)
        return take(population.genomes, oldest_first), population.scores[oldest_first]
