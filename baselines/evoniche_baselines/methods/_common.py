"""What methods from other libraries share: the first genomes, the problem's own variation, and others' randomness."""

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
    """What a run begins with: the same as every `Evolution` with this seed."""
    initial = problem.initial
    if initial is None or isinstance(initial, int):
        n = problem.population_size if initial is None else initial
        return problem.genome.sample(n, rng=generator(seed))
    return as_batch(initial)


def vary(problem: Problem, a: list[Any], b: list[Any], template: Batch, *, rng: Generator) -> Batch:
    """Children of single genomes by the problem's crossover and mutation, as a batch like the template."""
    children = stack(a, template)
    if problem.crossover is not None:
        children = as_crossover(problem.crossover).cross(children, stack(b, template), rng=rng)
    if problem.mutation is not None:
        children = as_mutation(problem.mutation).mutate(children, rng=rng)
    return children


def objects(batch: Batch) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Single genomes as an array of objects, whatever they are."""
    array = np.empty(len(batch), dtype=object)
    array[:] = list(batch) if not isinstance(batch, np.ndarray) or batch.ndim == 1 else [*map(np.array, batch)]
    return array


def columns(archive: Any, names: list[str]) -> tuple[Any, ...]:
    """Columns of an archive of pyribs, each with a row for each elite."""
    found: tuple[Any, ...] = archive.data(names, return_type="tuple")
    return found


class LibraryRandomness:
    """Global generators of a library's own: they go on where it left them, and nobody else's are touched."""

    def __init__(self, seed: int) -> None:
        self._state = random.Random(seed).getstate(), np.random.RandomState(seed % 2**32).get_state()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Within this, the global generators are the library's."""
        with kept_global_randomness():
            random.setstate(self._state[0])
            np.random.set_state(self._state[1])  # noqa: NPY002
            try:
                yield
            finally:
                self._state = random.getstate(), np.random.get_state()  # noqa: NPY002
