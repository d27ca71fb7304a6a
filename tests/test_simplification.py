"""Recipes that do not grow without bound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoniche import ArraySeeds, Recipe, RecipeGenome, RecipeMutation, SplitSlerpCrossover
from evoniche.merging import Recipes, simplified
from evoniche.randomness import generator

SIZE = 40
BANK = ArraySeeds([*np.random.default_rng(0).standard_normal((3, SIZE))], block=8)


def recipe(segments, seed, spread=1.0):
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.choice(np.arange(1, SIZE), segments - 1, replace=False))
    return Recipe.of([0, *cuts, SIZE], 1 + spread * rng.standard_normal((segments, 3)))


def error(one, other):
    a, b = BANK.materialise(one), BANK.materialise(other)
    return np.linalg.norm(a - b) / np.linalg.norm(a)


@given(st.integers(1, 30), st.integers(0, 2**32), st.integers(1, 30), st.sampled_from([0.0, 0.01, 0.2, 3.0]))
def test_the_error_told_is_that_of_the_models(segments, seed, most, tolerance):
    given_ = recipe(segments, seed, spread=0.2)
    found, told = simplified(given_, BANK, segments=most, tolerance=tolerance)
    assert told == pytest.approx(error(given_, found), rel=1e-6, abs=1e-7)
    assert len(found.coefficients) <= most
    if segments <= most:
        assert told <= tolerance + 1e-7
    assert set(found.boundaries) <= set(given_.boundaries)
    rows = {tuple(row) for row in given_.coefficients}
    assert {tuple(row) for row in found.coefficients} <= rows  # no new numbers


@given(st.integers(2, 8), st.integers(0, 2**32))
def test_one_merge_is_the_one_that_costs_least(segments, seed):
    """Against all neighbours and both ways of merging them."""
    given_ = recipe(segments, seed)
    segments = len(given_.coefficients)
    choices = []
    for i in range(segments - 1):
        for kept in (i, i + 1):
            table = given_.coefficients.copy()
            table[i : i + 2] = table[kept]
            choices.append(error(given_, Recipe.of(given_.boundaries, table)))
    _, told = simplified(given_, BANK, segments=segments - 1)
    assert told == pytest.approx(min(choices), rel=1e-6, abs=1e-7)


def test_what_does_not_matter_merges_without_an_error():
    """A difference in a seed that is zero there, such as a layer that fine-tuning has left alone."""
    zeros = np.zeros((2, SIZE))
    zeros[0, :10], zeros[1, 30:] = 1, 1
    bank = ArraySeeds([*zeros])
    found, told = simplified(Recipe.of([0, 10, 20, 30, SIZE], [[1, 0], [5, 0], [3, 7], [0, 1]]), bank, tolerance=1e-9)
    assert told == 0
    assert len(found.coefficients) == 2


def test_a_model_of_zeros_has_no_error():
    assert simplified(Recipe.of([0, 5, SIZE], [[0, 0, 0], [0, 0, 0]]), BANK)[1] == 0
    assert simplified(Recipe.of([0, 5, SIZE], [[1, 0, 0], [0, 0, 0]]), BANK, segments=1)[0].coefficients.shape == (1, 3)


@pytest.mark.parametrize(("settings", "message"), [
    ({"segments": 0}, "segments must be None or a whole number >= 1, got 0"),
    ({"tolerance": -1}, "tolerance must be a number >= 0, got -1"),
    ({"tolerance": np.nan}, "tolerance must be a number >= 0, got nan"),
])  # fmt: skip
def test_other_limits_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        simplified(recipe(3, 0), BANK, **settings)


def test_children_of_a_limited_genome_do_not_grow():
    bank = ArraySeeds([*np.random.default_rng(0).standard_normal((3, 5000))])
    crossover, mutation = SplitSlerpCrossover(splits=3), RecipeMutation(count=2)
    grown = {}
    for limit in (None, 12):
        genome = RecipeGenome(bank, segments=limit)
        members = genome.sample(4, rng=generator(0))
        for generation in range(15):
            rng = generator(1, generation)
            children = crossover.cross(members, members.take(rng.permutation(4)), rng=rng)
            members = genome.repair(mutation.mutate(children, rng=rng), rng=rng)
        grown[limit] = max(len(member.coefficients) for member in members)
    assert grown[12] == 12
    assert grown[None] > 60


def test_without_a_limit_and_below_it_recipes_stay_as_they_are():
    batch = Recipes(BANK, [recipe(5, 0), recipe(9, 1)])
    assert RecipeGenome(BANK).repair(batch, rng=generator(0)) is batch
    assert RecipeGenome(BANK, segments=9).repair(batch, rng=generator(0)) is batch
    shorter = RecipeGenome(BANK, segments=8).repair(batch, rng=generator(0))
    assert shorter[0] is batch[0]
    assert len(shorter[1].coefficients) == 8
