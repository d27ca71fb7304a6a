"""Lexicase selection and its relatives, against enumerations of all orders, their definitions and DEAP."""

import math
import random
import sys
from itertools import permutations

import numpy as np
import pytest
from chance import assert_law
from deap import base, tools

from evoniche import Population
from evoniche.functional import dalex, lexicase
from evoniche.randomness import generator
from evoniche.selectors import (
    DalexSelector,
    DownsampledLexicaseSelector,
    EpsilonLexicaseSelector,
    LexicaseSelector,
    ShuffleSelector,
)
from evoniche.testing import check_selector

N = 20_000
VARIANTS = ("static", "semi-dynamic", "dynamic")

BINARY = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 1, 1], [1, 1, 0, 0.0]])
GRADED = np.array([[0.2, 0.9, 0.0, 0.5], [0.7, 0.1, 0.0, 0.5], [0.0, 0.3, 0.8, 0.0], [0.2, 1.0, 0.1, 0.6]])
TIED = np.array([[2, 1, 1], [2, 1, 1], [2, 1, 1], [2, 0, 1], [0, 3, 1.0]])
TABLES = {
    "binary": BINARY,
    "graded": GRADED,
    "tied": TIED,
    "equal": np.ones((3, 4)),
    "zero": np.zeros((4, 2)),
    "alone": GRADED[:1],
    "one case": GRADED[:, :1],
    "random": np.random.default_rng(5).integers(0, 6, size=(7, 5)) / 5,
    "float32": np.random.default_rng(6).integers(0, 4, size=(6, 4)).astype(np.float32),
    "far apart": np.array([[1e-9, 1e9, 3], [2e-9, 1, 2], [1e-9, 2e9, 2.5], [0, 0, 2]]),
}


@pytest.fixture
def rng():
    return generator(20250714)


def mad(values):
    return np.median(np.abs(np.asarray(values) - np.median(values)))


def enumerated(scores, epsilon=0, variant="semi-dynamic", among=None, on=None):
    """The probability of each member by the definition, over all orders of the cases, one by one."""
    scores = np.asarray(scores, dtype=np.float64)
    among = range(len(scores)) if among is None else among
    on = range(scores.shape[1]) if on is None else on
    tolerance = [mad(scores[:, j]) if epsilon == "mad" else epsilon for j in range(scores.shape[1])]
    passes = scores >= scores.max(axis=0) - tolerance
    p = np.zeros(len(scores))
    orders = list(permutations(on))
    for order in orders:
        pool = list(among)
        for j in order:
            if len(pool) == 1:
                break
            if variant == "static":
                passing = [i for i in pool if passes[i, j]]
                pool = passing or pool
                continue
            best = max(scores[i, j] for i in pool)
            slack = mad([scores[i, j] for i in pool]) if (variant, epsilon) == ("dynamic", "mad") else tolerance[j]
            pool = [i for i in pool if scores[i, j] >= best - slack]
        p[pool] += 1 / len(pool) / len(orders)
    return p


def population_of(scores):
    return Population.of(np.asarray(scores))


# Lexicase.


def test_the_enumeration_by_hand():
    # Case 0 first: 1 wins. Case 1 first: 0 and 2 are left, then case 0 keeps both, case 2 keeps 2.
    scores = [[1, 1, 0], [2, 0, 0], [1, 1, 1]]
    # 2 wins whenever case 2 is first (2 orders) and whenever case 1 is (2); 1 wins the other 2.
    assert enumerated(scores).tolist() == pytest.approx([0, 1 / 3, 2 / 3])


@pytest.mark.parametrize("scores", TABLES.values(), ids=TABLES)
def test_lexicase(scores, rng):
    assert_law(LexicaseSelector().select(population_of(scores), N, rng=rng), enumerated(scores))


def deap_individuals(scores):
    fitness = type("Cases", (base.Fitness,), {"weights": (1.0,) * len(scores[0])})
    individuals = []
    for i, row in enumerate(scores):
        individual = type("Individual", (list,), {})([i])
        individual.fitness = fitness(row.tolist())
        individuals.append(individual)
    return individuals


@pytest.mark.parametrize(("deap_s", "options"), [
    (tools.selLexicase, {}),
    (lambda individuals, n: tools.selEpsilonLexicase(individuals, n, 0.3), {"epsilon": 0.3}),
    (tools.selAutomaticEpsilonLexicase, {"epsilon": "mad", "variant": "dynamic"}),
])  # fmt: skip
def test_deap_selects_as_often(deap_s, options, rng):
    scores = TABLES["random"]
    n = 2000
    random.seed(1)
    theirs = np.bincount([individual[0] for individual in deap_s(deap_individuals(scores), n)], minlength=len(scores))
    ours = np.bincount(lexicase(scores, n, rng=rng, **options), minlength=len(scores))
    both = theirs + ours
    # Two samples of the same law: the difference of two counts has the variance 2 n p (1 - p).
    deviation = (theirs - ours) / np.sqrt(np.maximum(both * (1 - both / (2 * n)), 1e-9))
    assert np.abs(deviation).max() < 5, deviation
    assert_law(np.repeat(np.arange(len(scores)), theirs), enumerated(scores, **options))


def test_parents_have_independent_orders(rng):
    # Each of two specialists wins with 1 / 2: so do all four pairs with 1 / 4.
    chosen = lexicase(np.eye(2), N, rng=rng)
    assert_law(chosen[::2] + 2 * chosen[1::2], [1 / 4] * 4)


def test_long_orders_many_members_and_small_blocks(rng, monkeypatch):
    """Pools that shrink slowly, clones among them, and parents that are chosen some at a time."""
    # By its name in sys.modules: in the package, the function stands in the place of its module.
    monkeypatch.setattr(sys.modules[lexicase.__module__], "_BLOCK", 1000)
    # Each but the last two fails one case of its own, so nothing but the last two can be left.
    scores = np.ones((42, 60))
    scores[np.arange(40), np.arange(40)] = 0
    assert_law(lexicase(scores, 1000, rng=rng), [0] * 40 + [1 / 2] * 2)
    # Without the two perfect ones: the case of which comes last wins.
    assert_law(lexicase(scores[:40], 4000, rng=rng), [1 / 40] * 40)


def test_clones_share_what_their_kind_wins(rng):
    scores = np.tile(np.eye(3), (1, 20))  # 60 cases
    copies = [0, 1, 1, 2, 2, 2]
    assert_law(lexicase(scores[copies], N, rng=rng), [1 / 3, 1 / 6, 1 / 6, 1 / 9, 1 / 9, 1 / 9])


def test_some_members_and_some_cases(rng):
    n = 4 * 3000
    members = np.ones((n, 5), dtype=bool)
    cases = np.ones((n, 4), dtype=bool)
    part = np.arange(n) % 4
    members[part == 1, 0] = False
    cases[part == 2, 2] = False
    members[part == 3, 3] = cases[part == 3, :2] = False
    chosen = lexicase(BINARY, n, members=members, cases=cases, rng=rng)
    assert_law(chosen[part == 0], enumerated(BINARY))
    assert_law(chosen[part == 1], enumerated(BINARY, among=[1, 2, 3, 4]))
    assert_law(chosen[part == 2], enumerated(BINARY, on=[0, 1, 3]))
    assert_law(chosen[part == 3], enumerated(BINARY, among=[0, 1, 2, 4], on=[2, 3]))


def test_the_scores_stay_as_they_are(rng):
    scores = GRADED.copy()
    for variant in VARIANTS:
        lexicase(scores, 9, epsilon="mad", variant=variant, rng=rng)
    dalex(scores, 9, standardize=True, rng=rng)
    assert (scores == GRADED).all()


# With epsilon.


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("epsilon", ["mad", 0, 0.2, 0.55])
@pytest.mark.parametrize("scores", TABLES.values(), ids=TABLES)
def test_epsilon_lexicase(scores, epsilon, variant, rng):
    chosen = EpsilonLexicaseSelector(epsilon, variant).select(population_of(scores), 4000, rng=rng)
    assert_law(chosen, enumerated(scores, epsilon, variant))


def test_epsilon_of_zero_is_lexicase_but_for_the_static_variant():
    # Who is left after case 0 has not passed case 1, which the last does best: so the static variant cannot tell.
    scores = np.array([[2, 0], [2, 1], [0, 2]])
    for variant, expected in zip(VARIANTS, ([1, 1, 2], [0, 2, 2], [0, 2, 2]), strict=True):
        chosen = lexicase(scores, N, epsilon=0, variant=variant, rng=generator(2))
        assert_law(chosen, np.array(expected) / 4)


@pytest.mark.parametrize(("variant", "expected"), [
    # Medians 1.5 and 3.5, deviations .5 1.5 .5 1.5 and 2.5 .5 .5 .5: epsilon is 1 on case 0, .5 on case 1.
    # Members 0 and 3 pass case 0, members 1 and 2 pass case 1, and nobody both.
    ("static", [1 / 4, 1 / 4, 1 / 4, 1 / 4]),
    # After case 0, case 1 is won by member 3. After case 1, members 1 and 2 are within 1 of each other on case 0.
    ("semi-dynamic", [0, 1 / 4, 1 / 4, 1 / 2]),
    # Of these two alone, epsilon is a half, and member 2 wins.
    ("dynamic", [0, 0, 1 / 2, 1 / 2]),
])  # fmt: skip
def test_where_the_variants_differ(variant, expected, rng):
    scores = np.array([[2, 1], [0, 4], [1, 4], [3, 3.0]])
    assert_law(lexicase(scores, N, epsilon="mad", variant=variant, rng=rng), expected)


@pytest.mark.parametrize(("variant", "epsilon"), [("both", 1), ("static", -1), ("static", "sd"), ("dynamic", math.nan)])
def test_wrong_epsilon(variant, epsilon, rng):
    word = "variant" if variant == "both" else "epsilon"
    with pytest.raises(ValueError, match=f"{word} must be"):
        lexicase(GRADED, 3, epsilon=epsilon, variant=variant, rng=rng)
    with pytest.raises(ValueError, match=rf"EpsilonLexicaseSelector\({word}=...\) must be"):
        EpsilonLexicaseSelector(epsilon, variant)


# On some of the cases.


def test_downsampling_with_all_cases_is_lexicase(rng):
    chosen = DownsampledLexicaseSelector(1.0).select(population_of(GRADED), N, rng=rng)
    assert_law(chosen, enumerated(GRADED))


@pytest.mark.parametrize("rate", [0.01, 0.25, 0.3])
def test_downsampling_to_one_case(rate, rng):
    """All parents of a call are judged by the same case, each call by one of its own."""
    selector, population = DownsampledLexicaseSelector(rate), population_of(np.eye(4))
    calls = [selector.select(population, 5, rng=rng) for _ in range(2000)]
    assert all((chosen == chosen[0]).all() for chosen in calls)
    assert_law(np.array([chosen[0] for chosen in calls]), [1 / 4] * 4)


def test_downsampling_to_two_cases(rng):
    selector, population = DownsampledLexicaseSelector(0.5), population_of(np.eye(4))
    calls = np.array([selector.select(population, 20, rng=rng) for _ in range(500)])
    assert {len(np.unique(chosen)) for chosen in calls} <= {1, 2}
    assert_law(calls[:, 0], [1 / 4] * 4)
    assert_law((calls[:, 0] == calls[:, 1]).astype(int), [1 / 2, 1 / 2])


@pytest.mark.parametrize("rate", [0, -0.5, 1.1])
def test_wrong_rate(rate):
    with pytest.raises(ValueError, match="rate"):
        DownsampledLexicaseSelector(rate)


# DALex.


def test_dalex_with_a_large_std_is_lexicase(rng):
    # One member alone is best on each case, so that the heaviest case decides.
    assert_law(dalex(GRADED, N, std=1e5, rng=rng), enumerated(GRADED))
    # Here later cases break ties, and a std must not be so large that rounding hides them.
    for scores in (BINARY, TIED):
        law = enumerated(scores)
        apart = [np.abs(np.bincount(dalex(scores, N, std=std, rng=rng), minlength=5) / N - law).sum() / 2
                 for std in (0, 12)]
        assert apart[0] > 0.1
        assert apart[1] < 0.03


@pytest.mark.parametrize("std", [0, 1e-9])
def test_dalex_without_std_is_the_best_mean(std, rng):
    chosen = DalexSelector(std).select(population_of(GRADED), 100, rng=rng)
    assert (chosen == GRADED.mean(axis=1).argmax()).all()


def test_ties_of_dalex_are_broken_at_random(rng):
    scores = np.tile([[0.1, 0.2, 0.3], [0.3, 0.1, 0.2], [0.1, 0.1, 0.1], [0.1, 0.2, 0.3]], (1, 30))
    assert_law(dalex(scores, N, std=0, rng=rng), [1 / 3, 1 / 3, 0, 1 / 3])
    # The same numbers in another order have the same sum but for rounding.
    numbers = np.append(rng.random(100), 0)
    reordered = np.array([numbers, *(rng.permutation(numbers) for _ in range(3))])
    assert_law(dalex(reordered, N, std=0, rng=rng), [1 / 4] * 4)
    assert_law(dalex(scores[[0, 3, 2]], N, std=3, rng=rng), [1 / 2, 1 / 2, 0])


@pytest.mark.parametrize("std", [0.5, 2, 20])
def test_dalex_of_two_cases_in_closed_form(std, rng):
    """Weights w and 1 - w: the first wins if w a > (1 - w) b, that is x_0 - x_1 > log(b / a), ~ N(0, 2 std^2)."""
    a, b = 1.0, 3.0
    p = 0.5 * math.erfc(math.log(b / a) / (2 * std))
    assert_law(dalex(np.array([[a, 0], [0, b]]), N, std=std, rng=rng), [p, 1 - p])
    assert_law(dalex(np.array([[a, 0], [0, b]]) + 7, N, std=std, rng=rng), [p, 1 - p])


def test_standardized_dalex_does_not_depend_on_scale(rng):
    scales = np.array([1, 1e-200, 1e200])
    one, other = (dalex(GRADED[:, :3] * s, 500, std=3, standardize=True, rng=generator(1)) for s in (1, scales))
    assert (one == other).all()
    # Deviations of (a, 0) and (0, b) are a / 2 and b / 2: both win as often.
    assert_law(dalex(np.array([[1.0, 0], [0, 3]]), N, std=1, standardize=True, rng=rng), [1 / 2, 1 / 2])


# In turn.


@pytest.mark.parametrize("n", [1, 4, 5, 13])
def test_all_are_chosen_before_any_is_chosen_again(n, rng):
    for _ in range(20):
        chosen = ShuffleSelector().select(population_of(np.zeros((5, 1))), n, rng=rng)
        assert len(chosen) == n
        for start in range(0, n, 5):
            assert len({*chosen[start : start + 5]}) == min(5, n - start)


def test_turns_are_in_random_order(rng):
    chosen = ShuffleSelector().select(population_of(np.zeros((3, 1))), 3 * 6000, rng=rng).reshape(-1, 3)
    place = {order: i for i, order in enumerate(permutations(range(3)))}
    assert_law([place[tuple(order)] for order in chosen.tolist()], [1 / 6] * 6)


@pytest.mark.parametrize("selector", [
    LexicaseSelector(),
    EpsilonLexicaseSelector(),
    EpsilonLexicaseSelector(0.1, "static"),
    EpsilonLexicaseSelector("mad", "static"),
    EpsilonLexicaseSelector("mad", "dynamic"),
    DownsampledLexicaseSelector(),
    DownsampledLexicaseSelector(0.6),
    DalexSelector(),
    DalexSelector(3, standardize=True),
    ShuffleSelector(),
], ids=repr)  # fmt: skip
def test_contract(selector):
    check_selector(selector)
