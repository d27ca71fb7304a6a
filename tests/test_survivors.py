"""Survivors of a generation: the same as when every fitness is computed anew for each leaver."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoniche import ImplicitSharing, RawSharing
from evoniche.adapters._survivors import survivors as survivors_of
from evoniche.functional import shared_fitness, survivors
from evoniche.population import Population

ALPHAS = st.sampled_from([0.0, 0.5, 1.0, 1.3, 2.0])


def plain(population, k, protected=-1):
    """The loop in the words of the definition, on a population that shares anew after each leaver."""
    while len(population) > k:
        fitness = np.where(population.ids == protected, np.inf, population.fitness)
        population.remove(int(np.lexsort((population.ids, fitness))[0]))
    return np.sort(population.ids)


@st.composite
def generations(draw):
    """Scores of many kinds, with equal rows, rows of zeros, and cases that few or none score on."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, cases = draw(st.integers(2, 30)), draw(st.integers(1, 40))
    kinds = {
        "binary": lambda: rng.random((n, cases)) < rng.random(),
        "tenths": lambda: rng.integers(0, 11, (n, cases)) / 10,
        "tenths, single": lambda: (rng.integers(0, 11, (n, cases)) / 10).astype(np.float32),
        "skewed": lambda: rng.random((n, cases)) ** 20,
        "sparse, single": lambda: (rng.random((n, cases)) * (rng.random((n, cases)) < 0.2)).astype(np.float32),
        "sizes apart": lambda: rng.integers(0, 4, (n, cases)) / 3 * 10.0 ** rng.integers(-8, 8, (n, cases)),
    }
    scores = kinds[draw(st.sampled_from(sorted(kinds)))]()
    if draw(st.booleans()):
        scores = scores[rng.integers(0, n, n)]
    if draw(st.booleans()):
        scores[rng.integers(0, n, n // 3)] = 0
    capacity = draw(st.sampled_from(["one", "max", "array"]))
    importance = rng.random(cases) + 0.01 if draw(st.booleans()) else None
    return scores, 3 * rng.random(cases) if capacity == "array" else capacity, importance


@settings(max_examples=400)
@given(generations(), st.data(), ALPHAS, st.sampled_from([1e-8, 0.0, 0.5]))
def test_survivors_are_those_of_the_plain_loop(generation, data, alpha, eps):
    scores, capacity, importance = generation
    sharing = ImplicitSharing(alpha=alpha, capacity=capacity, eps=eps)
    k = data.draw(st.integers(1, len(scores)))
    protected = data.draw(st.integers(-1, len(scores) - 1))
    first, second = (Population.of(scores, sharing=sharing, importance=importance) for _ in range(2))
    np.testing.assert_array_equal(survivors_of(first, k, protected=protected), plain(second, k, protected))


@pytest.mark.parametrize("sharing", [ImplicitSharing(relative=True), RawSharing()], ids=repr)
def test_other_fitness_has_the_plain_loop(sharing):
    scores = np.random.default_rng(0).random((20, 7))
    left = plain(Population.of(scores, sharing=sharing), 5)
    np.testing.assert_array_equal(survivors_of(Population.of(scores, sharing=sharing), 5), left)


def test_relative_scores_and_raw_fitness_lead_to_other_survivors():
    scores = np.random.default_rng(0).random((20, 7))
    sharings = [ImplicitSharing(), ImplicitSharing(relative=True), RawSharing()]
    assert len({tuple(survivors_of(Population.of(scores, sharing=s), 5)) for s in sharings}) == 3


@given(generations(), ALPHAS)
def test_scores_alone_are_enough(generation, alpha):
    """Without load and with scores of any kind of number, against the formula."""
    scores, capacity, importance = generation
    scores = np.round(4 * np.minimum(scores, 1).astype(float)) / 4  # sums without rounding, in whatever order
    left = list(range(len(scores)))
    while len(left) > 2:
        fitness = shared_fitness(scores[left], alpha=alpha, capacity=capacity, importance=importance)
        left.pop(int(fitness.argmin()))
    assert survivors(scores, 2, alpha=alpha, capacity=capacity, importance=importance).tolist() == left


def test_nobody_leaves_where_there_is_room_and_all_leave_where_there_is_none():
    assert survivors(np.eye(3), 5).tolist() == [0, 1, 2]
    assert survivors(np.eye(3), 0).tolist() == []


def test_what_is_refused():
    with pytest.raises(ValueError, match="alpha must be >= 0, got -1"):
        survivors(np.eye(3), 1, alpha=-1)
    with pytest.raises(ValueError, match="capacity must have one number for each of the 3 cases"):
        survivors(np.eye(3), 1, capacity=[1.0])
