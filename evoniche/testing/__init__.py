"""Checks of the contracts of the roles, for the tests of your own operators.

A check raises an `AssertionError` that names the broken rule. Some rules are common to all checks: an operator leaves
its inputs as they are, gives the same result for the same rng, does not touch global random state, and can be pickled.
Genomes are compared by `==`. A `BatchType` is compared by its own `==`, or by its pickle if it has none.

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
from evoniche.roles import (
    CaseScorer,
    Crossover,
    Genome,
    MateSelector,
    Mutation,
    Replacement,
    Scorer,
    Selector,
    Sharing,
)
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
    """Check that a representation samples batches inside of its bounds, measures distances, and survives a file.

    A genome without distances, or without `pack` and `unpack`, passes.

    Args:
        genome: The representation to check.
        pickles: Whether to check pickling; False for operators made of lambdas.

    Raises:
        AssertionError: The genome breaks a rule of `Genome`.
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
    """Check that a scorer gives each genome a row of finite scores >= 0, whatever else is in the batch.

    Of a `CaseScorer` also: a case gives the same whichever others are asked for, and none more than the highest.

    Args:
        scorer: The scorer to check, or a function of a batch.
        genomes: A batch of at least one genome.
        noisy: True if the scores of a genome differ from call to call.
        pickles: Whether to check pickling; False for operators made of lambdas.

    Raises:
        AssertionError: The scorer breaks a rule of `Scorer`.
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
    if isinstance(scorer, CaseScorer):
        require(rows[0].shape[1] == scorer.cases, f"{scorer!r}: cases must be {rows[0].shape[1]}, got {scorer.cases}")
        require(rows[0].max() <= scorer.highest, f"{scorer!r}: no score may be above highest, got {rows[0].max()}")
        for cases in (np.arange(scorer.cases)[::-2], np.array([scorer.cases - 1])):
            some = read_scores(scorer.score(genomes, cases), range(len(genomes)), rows[0][:, cases])
            same = noisy or np.allclose(some, rows[0][:, cases], rtol=1e-4, atol=1e-6)
            require(same, f"{scorer!r}: some cases must give what they give among all, got {some} for {cases}")


def check_sharing(
    sharing: Sharing, *, genomes: Batch | None = None, cases: int | None = None, pickles: bool = True
) -> None:
    """Check that a sharing gives each member a finite fitness >= 0.

    This must also hold when nobody scores, when all members are equal, and when a member is alone.

    Args:
        sharing: The sharing to check.
        genomes: The genomes of the populations, if the operator looks at them; the numbers 0, 1, ... when None.
        cases: The number of cases, if the operator works with no other; several numbers are tried when None.
        pickles: Whether to check pickling; False for operators made of lambdas.

    Raises:
        AssertionError: The sharing breaks a rule of `Sharing`.
    """
    for population, where in populations(sharing, genomes, cases):
        fitness = call(sharing, "fitness", population, drawn=False, pickles=pickles, where=where)
        floats = isinstance(fitness, np.ndarray) and fitness.dtype.kind == "f" and fitness.shape == (len(population),)
        require(floats, f"{where}: fitness must be a float array of shape ({len(population)},), got {fitness!r}")
        require(np.all(np.isfinite(fitness) & (fitness >= 0)), f"{where}: fitness must be finite and >= 0: {fitness}")


def check_selector(
    selector: Selector, *, genomes: Batch | None = None, cases: int | None = None, pickles: bool = True
) -> None:
    """Check that a selector returns positions of members.

    This must also hold when nobody scores, when all members are equal, and when a member is alone.

    Args:
        selector: The selector to check.
        genomes: The genomes of the populations, if the operator looks at them; the numbers 0, 1, ... when None.
        cases: The number of cases, if the operator works with no other; several numbers are tried when None.
        pickles: Whether to check pickling; False for operators made of lambdas.

    Raises:
        AssertionError: The selector breaks a rule of `Selector`.
    """
    for population, where in populations(selector, genomes, cases):
        for n in (1, 7, 64):
            chosen = call(selector, "select", population, n, pickles=pickles, where=where)
            require_positions(chosen, n, population, where)


def check_mate_selector(
    mates: MateSelector, *, genomes: Batch | None = None, cases: int | None = None, pickles: bool = True
) -> None:
    """Check that a mate selector returns positions of members for any first parents, repeated ones included.

    Args:
        mates: The mate selector to check.
        genomes: The genomes of the populations, if the operator looks at them; the numbers 0, 1, ... when None.
        cases: The number of cases, if the operator works with no other; several numbers are tried when None.
        pickles: Whether to check pickling; False for operators made of lambdas.

    Raises:
        AssertionError: The mate selector breaks a rule of `MateSelector`.
    """
    for population, where in populations(mates, genomes, cases):
        for n in (1, 7, 64):
            first = np.arange(n)[::-1] % len(population)
            chosen = call(mates, "mates", population, first, pickles=pickles, where=where)
            require_positions(chosen, n, population, where)


def check_crossover(
    crossover: Crossover | Callable[[Any, Any, Generator], Any], genomes: Batch, *, pickles: bool = True
) -> None:
    """Check that a crossover makes a child of the parents' kind for each pair, and of a genome paired with itself.

    Args:
        crossover: The crossover to check, or a function `f(a, b, rng)` of two genomes.
        genomes: A batch of at least one genome, any two of which can be crossed.
        pickles: Whether to check pickling; False for operators made of lambdas.

    Raises:
        AssertionError: The crossover breaks a rule of `Crossover`.
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
    """Check that a mutation makes a mutant of the same kind for each genome.

    Args:
        mutation: The mutation to check, or a function `f(genome, rng)` of one genome.
        genomes: A batch of at least one genome.
        pickles: Whether to check pickling; False for operators made of lambdas.

    Raises:
        AssertionError: The mutation breaks a rule of `Mutation`.
    """
    mutation = as_mutation(mutation)
    for n in (1, 7):
        batch = take(genomes, np.arange(n) % len(genomes))
        where = f"{mutation!r} on {n} genomes"
        require_kind(call(mutation, "mutate", batch, pickles=pickles, where=where), batch, where)


def check_replacement(
    replacement: Replacement, *, genomes: Batch | None = None, cases: int | None = None, pickles: bool = True
) -> None:
    """Check that a replacement keeps the population full, its data together, and an excellent child.

    Members leave only when there is no room, each keeps its own scores, genome and parents, and a child that is best on
    every case enters. Children come one by one and in batches, also more than there is room for, and also of parents
    that have left.

    Args:
        replacement: The replacement to check.
        genomes: The genomes of the populations, if the operator looks at them; the numbers 0, 1, ... when None.
        cases: The number of cases, if the operator works with no other; several numbers are tried when None.
        pickles: Whether to check pickling; False for operators made of lambdas.

    Raises:
        AssertionError: The replacement breaks a rule of `Replacement`.
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
