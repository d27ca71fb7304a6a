"""The contracts of the roles, as checks for the tests of your own operators.

A check raises `AssertionError` with the rule that was broken. Common to all: inputs stay as they are, the same rng
gives the same result, global randomness is left alone, and the operator pickles. Genomes are compared by `==`, batches
of a type of their own by theirs, or by their pickles where they have none.

>>> from evoniche import GaussianMutation
>>> check_mutation(GaussianMutation(0.1), np.zeros((3, 5)))
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.batches import Batch, join, take
from evoniche.function_operators import as_crossover, as_mutation, as_scorer
from evoniche.population import Population
from evoniche.randomness import generator
from evoniche.roles import Crossover, Genome, MateSelector, Mutation, Replacement, Scorer, Selector, Sharing
from evoniche.scores import read_scores
from evoniche.testing._harness import (
    CASES,
    MEMBERS,
    call,
    offspring,
    populations,
    repeat,
    require,
    require_kind,
    require_positions,
    same,
    survivors,
    tables,
)

__all__ = ["check_crossover", "check_genome", "check_mate_selector", "check_mutation", "check_replacement",
           "check_scorer", "check_selector", "check_sharing"]


def check_genome(genome: Genome, *, pickles: bool = True) -> None:
    """Check a representation: samples, which are batches inside of all bounds, distances, and a file and back.

    It may lack the latter two.

    Args:
        genome: What to check.
        pickles: False for what is made of lambdas.

    Raises:
        AssertionError: A rule of `Genome` is broken.
    """
    one, seven = (call(genome, "sample", n, pickles=pickles) for n in (1, 7))
    batch = join(one, seven)
    require((len(one), len(seven), len(batch)) == (1, 7, 8), f"{genome!r}: sample(n) must give n genomes that join")
    require(same(take(seven, range(7)), seven), f"{genome!r}: a batch must give its rows in the order asked for")
    again = call(genome, "batch", seven, drawn=False, pickles=pickles)
    require(same(again, seven), f"{genome!r}: batch(genomes) must give what sample gave as it is")
    inside = call(genome, "repair", seven, pickles=pickles)
    require(same(inside, seven), f"{genome!r}: repair must leave what sample gave as it is")
    try:
        distance = call(genome, "distance", batch, seven, drawn=False, pickles=pickles)
        require(np.shape(distance) == (8, 7), f"{genome!r}: distance must have shape (len(a), len(b))")
        require(np.all(np.isfinite(distance) & (distance >= 0)), f"{genome!r}: distance must be finite and >= 0")
        require(not np.diag(distance[1:]).any(), f"{genome!r}: distance must be 0 between equal genomes")
    except NotImplementedError:
        pass
    try:
        packed = call(genome, "pack", batch, drawn=False, pickles=pickles)
        plain = all(isinstance(array, np.ndarray) and array.dtype != object for array in packed.values())
        require(plain, f"{genome!r}: pack must give arrays without object dtype")
        np.savez(file := io.BytesIO(), allow_pickle=False, **packed)
        file.seek(0)
        back = genome.unpack(dict(np.load(file, allow_pickle=False)))
        require(same(back, batch), f"{genome!r}: unpack must give back what was packed")
    except NotImplementedError:
        pass


def check_scorer(
    scorer: Scorer | Callable[[Batch], Any], genomes: Batch, *, noisy: bool = False, pickles: bool = True
) -> None:
    """Check a scorer: finite scores >= 0 in a row for each genome, whichever others are in the batch.

    Args:
        scorer: What to check, or a function of a batch.
        genomes: A batch of at least one.
        noisy: True where a genome scores differently each time.
        pickles: False for what is made of lambdas.

    Raises:
        AssertionError: A rule of `Scorer` is broken.
    """
    scorer = as_scorer(scorer)
    rows: list[NDArray[np.floating]] = []
    for batch in (genomes, *(take(genomes, [i]) for i in range(min(len(genomes), 7)))):
        scores = call(scorer, "score", batch, drawn=False, noisy=noisy, pickles=pickles)
        try:
            rows.append(read_scores(scores, range(len(batch)), rows[0] if rows else None))
        except ValueError as error:
            raise AssertionError(f"{scorer!r}: {error}") from error
    for i, row in enumerate(rows[1:]):
        same = noisy or np.allclose(row[0], rows[0][i], rtol=1e-4, atol=1e-6)
        require(same, f"{scorer!r}: row {i} must be the scores of genome {i}, the same as in a batch of its own")


def check_sharing(
    sharing: Sharing, *, genomes: Batch | None = None, cases: int | None = None, pickles: bool = True
) -> None:
    """Check a sharing: finite fitness >= 0 for each member, also where nobody scores, all are equal, or one is alone.

    Args:
        sharing: What to check.
        genomes: For an operator that looks at them; the numbers 0, 1, ... when None.
        cases: For an operator that works with so many alone.
        pickles: False for what is made of lambdas.

    Raises:
        AssertionError: A rule of `Sharing` is broken.
    """
    for population, where in populations(sharing, genomes, cases):
        fitness = call(sharing, "fitness", population, drawn=False, pickles=pickles, where=where)
        floats = isinstance(fitness, np.ndarray) and fitness.dtype.kind == "f" and fitness.shape == (len(population),)
        require(floats, f"{where}: fitness must be a float array of shape ({len(population)},), got {fitness!r}")
        require(np.all(np.isfinite(fitness) & (fitness >= 0)), f"{where}: fitness must be finite and >= 0: {fitness}")


def check_selector(
    selector: Selector, *, genomes: Batch | None = None, cases: int | None = None, pickles: bool = True
) -> None:
    """Check a selector: positions of members, also where nobody scores, all are equal, or one is alone.

    Args:
        selector: What to check.
        genomes: For an operator that looks at them; the numbers 0, 1, ... when None.
        cases: For an operator that works with so many alone.
        pickles: False for what is made of lambdas.

    Raises:
        AssertionError: A rule of `Selector` is broken.
    """
    for population, where in populations(selector, genomes, cases):
        for n in (1, 7, 64):
            chosen = call(selector, "select", population, n, pickles=pickles, where=where)
            require_positions(chosen, n, population, where)


def check_mate_selector(
    mates: MateSelector, *, genomes: Batch | None = None, cases: int | None = None, pickles: bool = True
) -> None:
    """Check a mate selector: positions of members, whoever the first parents are and however often they come.

    Args:
        mates: What to check.
        genomes: For an operator that looks at them; the numbers 0, 1, ... when None.
        cases: For an operator that works with so many alone.
        pickles: False for what is made of lambdas.

    Raises:
        AssertionError: A rule of `MateSelector` is broken.
    """
    for population, where in populations(mates, genomes, cases):
        for n in (1, 7, 64):
            first = np.arange(n)[::-1] % len(population)
            chosen = call(mates, "mates", population, first, pickles=pickles, where=where)
            require_positions(chosen, n, population, where)


def check_crossover(
    crossover: Crossover | Callable[[Any, Any, Generator], Any], genomes: Batch, *, pickles: bool = True
) -> None:
    """Check a crossover: a child of its parents' kind for each pair, also of a genome and itself.

    Args:
        crossover: What to check, or a function of two genomes and rng.
        genomes: A batch of at least one, any two of which may breed.
        pickles: False for what is made of lambdas.

    Raises:
        AssertionError: A rule of `Crossover` is broken.
    """
    crossover = as_crossover(crossover)
    for n in (1, 7):
        a, b = (take(genomes, (np.arange(n) + shift) % len(genomes)) for shift in (0, 1))
        for mates, pairs in ((b, "pairs"), (copy.deepcopy(a), "pairs of equals"), (a, "genomes with themselves")):
            where = f"{crossover!r} on {n} {pairs}"
            require_kind(call(crossover, "cross", a, mates, pickles=pickles, where=where), a, where)


def check_mutation(
    mutation: Mutation | Callable[[Any, Generator], Any], genomes: Batch, *, pickles: bool = True
) -> None:
    """Check a mutation: a mutant of its kind for each genome.

    Args:
        mutation: What to check, or a function of a genome and rng.
        genomes: A batch of at least one.
        pickles: False for what is made of lambdas.

    Raises:
        AssertionError: A rule of `Mutation` is broken.
    """
    mutation = as_mutation(mutation)
    for n in (1, 7):
        batch = take(genomes, np.arange(n) % len(genomes))
        where = f"{mutation!r} on {n} genomes"
        require_kind(call(mutation, "mutate", batch, pickles=pickles, where=where), batch, where)


def check_replacement(
    replacement: Replacement, *, genomes: Batch | None = None, cases: int | None = None, pickles: bool = True
) -> None:
    """Check a replacement: nobody leaves but for want of room, all keep what is theirs, and an excellent child enters.

    Children come alone and together, more than there is room for, and of parents that are gone.

    Args:
        replacement: What to check.
        genomes: For an operator that looks at them; the numbers 0, 1, ... when None.
        cases: For an operator that works with so many alone.
        pickles: False for what is made of lambdas.

    Raises:
        AssertionError: A rule of `Replacement` is broken.
    """
    for name, scores in tables(cases):
        for limit in (2, MEMBERS):
            where = f"{replacement!r} on {name}, limit {limit}"
            use = partial(survivors, scores=scores, genomes=genomes, limit=limit, where=where)
            repeat(replacement, use, pickles=pickles, where=where)
    scores = generator(0).random((MEMBERS, cases or CASES))
    scores = np.vstack([scores, 2 * scores.max(axis=0)])
    population = Population(MEMBERS)
    population.add(offspring(range(MEMBERS), scores, genomes))
    replacement.replace(population, offspring([MEMBERS], scores, genomes))
    entered = MEMBERS in population.ids
    require(entered, f"{replacement!r}: a child with twice the highest score on every case must enter")
