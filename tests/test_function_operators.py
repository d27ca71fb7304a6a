"""Plain functions play every role that has one verb, and what they return is checked."""

import numpy as np
import pytest

import evoniche
from evoniche import BinaryGenome, Population
from evoniche.function_operators import as_mates, as_replacement, as_selector, as_sharing
from evoniche.randomness import generator

POPULATION = Population.of([[1, 0, 0], [0, 1, 1], [0, 0, 0.5]])


def oldest_leaves(population, offspring):
    population.add(offspring)
    while len(population) > population.limit:
        population.remove(population.ids.argmin())


@pytest.mark.parametrize("make", [evoniche.m2n2, evoniche.Evolution])
def test_every_role_is_played_by_a_function(make):
    evolution = make(
        genome=BinaryGenome(8),
        scorer=lambda bits: bits,
        sharing=lambda population: population.scores.mean(axis=1),
        selector=lambda population, n, rng: rng.integers(len(population), size=n),
        mates=lambda population, first, rng: (first + 1) % len(population),
        crossover=lambda a, b, rng: np.where(rng.random(8) < 0.5, a, b),
        mutation=lambda bits, rng: bits ^ (rng.random(8) < 0.1),
        replacement=oldest_leaves,
        population_size=6,
        seed=0,
    )
    result = evolution.run(60, progress=False)
    assert sorted(result.population.ids) == [*range(54, 60)]
    assert np.array_equal(result.population.fitness, result.population.scores.mean(axis=1))


def sharing(answer):
    return as_sharing(lambda population: answer).fitness(POPULATION)


def selector(answer):
    return as_selector(lambda population, n, rng: answer).select(POPULATION, 2, rng=generator(0))


def mates(answer):
    return as_mates(lambda population, first, rng: answer).mates(POPULATION, np.array([0, 1]), rng=generator(0))


def replacement(answer):
    return as_replacement(lambda population, offspring: answer).replace(POPULATION, None)


@pytest.mark.parametrize(
    ("role", "answer", "says"),
    [
        (sharing, [1.0, 2.0], r"numbers of shape \(3,\), got float64 of shape \(2,\)"),
        (sharing, [1.0, -2.0, 0], "finite and >= 0"),
        (sharing, [1.0, np.nan, 0], "finite and >= 0"),
        (sharing, None, r"got object of shape \(\)"),
        (sharing, ["a", "b", "c"], "got <U1"),
        *((role, answer, says) for role in (selector, mates) for answer, says in (
            ([0], r"2 positions of members, integers of shape \(2,\), got int64 of shape \(1,\)"),
            ([0, 3], r"from 0 to 2, got \[0, 3\]"),
            ([-1, 0], "from 0 to 2"),
            ([0.0, 1.0], "got float64"),
            ([True, False], "got bool"),
            (None, "got object"),
        )),
        (replacement, POPULATION, "return None, got Population"),
    ],
)  # fmt: skip
def test_what_a_function_returns_is_checked(role, answer, says):
    with pytest.raises(ValueError, match=says):
        role(answer)


def test_answers_are_read():
    assert sharing([1, 2, 3]).dtype == np.float64
    assert selector([2, 0]).dtype == np.intp
    assert mates((1, 1)).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("convert", "says"),
    [
        (as_sharing, r"sharing must be a function f\(population\), got one of \(a, b, c, d\)"),
        (as_selector, r"selector must be a function f\(population, n, rng\)"),
        (as_mates, r"mates must be a function f\(population, first, rng\)"),
        (as_replacement, r"replacement must be a function f\(population, offspring\)"),
    ],
)
def test_functions_of_other_arguments_are_refused(convert, says):
    with pytest.raises(TypeError, match=says):
        convert(lambda a, b, c, d: None)
    for part in (7, "roulette", evoniche.RouletteSelector):
        with pytest.raises(TypeError, match=r"\(see evoniche.roles\) or a function f\("):
            convert(part)


def test_a_function_cannot_change_the_first_parents():
    def change(population, first, rng):
        first[:] = 0
        return first

    first = np.array([1, 2])
    as_mates(change).mates(POPULATION, first, rng=generator(0))
    assert first.tolist() == [1, 2]
