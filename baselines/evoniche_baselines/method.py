"""What is compared: methods, each told the same problem and allowed the same evaluations."""

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
    """A method at work: it asks for scores and is told them, and never scores anything itself."""

    def ask(self) -> Batch:
        """Genomes to be scored next, as many as the method likes; at least one."""

    def tell(self, scores: NDArray[Any]) -> None:
        """The scores (n, cases) of what was asked last."""

    def members(self) -> tuple[Batch, NDArray[Any]]:
        """Genomes and scores of the solutions now alive, at least one after the first tell."""


@final
@attrs.frozen(eq=False)
class Method:
    """A way to search, by name.

    Args:
        name: As on the command line.
        label: As in a table or legend.
        start: `f(problem, seed, **options)` that gives an `Evolution` or a `Search`.
        needs: What a problem has to offer, of `NEEDS`.
        options: Given to `start`.
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
        """By the name of its function, which `method` has replaced by the method itself."""
        start = self.start
        return _restored, (start.__module__, start.__qualname__, self.name, self.label, self.needs, self.options)

    def search(self, problem: Problem, seed: int) -> Search:
        """Begin a run.

        Raises:
            ValueError: The problem lacks what the method needs, or there is no such option.
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
        """Refuse a problem that lacks what the method needs.

        Raises:
            ValueError: It does.
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
    """Make a `Method` of a function `f(problem, seed, **options)`.

    Args:
        label: As in a table or legend.
        name: As on the command line; the function's with hyphens when None.
        needs: What a problem has to offer, of `NEEDS`.
    """

    def decorate(start: Callable[..., Evolution | Search]) -> Method:
        return Method(name or start.__name__.replace("_", "-"), label, start, frozenset(needs))

    return decorate


@final
class _OfEvolution:
    """An `Evolution` as a `Search`."""

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
