"""Shared by the methods of other libraries: first genomes, the problem's own operators, and a library's randomness."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.random import Generator

from evoniche.batches import Batch, as_batch, stack
from evoniche.function_operators import as_crossover, as_mutation
from evoniche.randomness import generator, kept_global_randomness
from evoniche_baselines.problem import Problem

__all__ = ["LibraryRandomness", "columns", "first_genomes", "objects", "vary"]


def first_genomes(problem: Problem, seed: int) -> Batch:
    """Return the genomes that a run begins with, the same as those of an `Evolution` with this seed."""
    initial = problem.initial
    if initial is None or isinstance(initial, int):
        n = problem.population_size if initial is None else initial
        return problem.genome.sample(n, rng=generator(seed))
    return as_batch(initial)


def vary(problem: Problem, a: list[Any], b: list[Any], template: Batch, *, rng: Generator) -> Batch:
    """Make children with the problem's crossover and mutation.

    Args:
        problem: The problem with the operators; one that it lacks is left out.
        a: The first parents, as single genomes.
        b: Their mates, as many.
        template: A batch of the kind that the problem's operators take.
        rng: Source of randomness.

    Returns:
        The children, a batch like the template.
    """
    children = stack(a, template)
    if problem.crossover is not None:
        children = as_crossover(problem.crossover).cross(children, stack(b, template), rng=rng)
    if problem.mutation is not None:
        children = as_mutation(problem.mutation).mutate(children, rng=rng)
    return children


def objects(batch: Batch) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Put the genomes of a batch into an array of objects, shape (n,), of whatever kind they are."""
    array = np.empty(len(batch), dtype=object)
    array[:] = list(batch) if not isinstance(batch, np.ndarray) or batch.ndim == 1 else [*map(np.array, batch)]
    return array


def columns(archive: Any, names: list[str]) -> tuple[Any, ...]:
    """Return columns of an archive of pyribs; each has a row for each elite."""
    found: tuple[Any, ...] = archive.data(names, return_type="tuple")
    return found


class LibraryRandomness:
    """Gives a library global random generators of its own, and leaves those of everybody else untouched.

    Within a block, they go on where the block before left them.

    Args:
        seed: Fixes them.

    >>> mine = LibraryRandomness(0)
    >>> with mine():
    ...     first = random.random()
    >>> with mine():
    ...     second = random.random()
    >>> first == second
    False
    """

    def __init__(self, seed: int) -> None:
        self._state = random.Random(seed).getstate(), np.random.RandomState(seed % 2**32).get_state()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Put the library's generators in the place of the global ones, for the block."""
        with kept_global_randomness():
            random.setstate(self._state[0])
            np.random.set_state(self._state[1])  # noqa: NPY002
            try:
                yield
            finally:
                self._state = random.getstate(), np.random.get_state()  # noqa: NPY002
