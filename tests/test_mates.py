"""Mate selectors, against closed forms and enumerations."""

from itertools import permutations

import numpy as np
import pytest
from chance import assert_law

from evoniche import (
    AttractionMateSelector,
    ClearingSharing,
    ImplicitSharing,
    Population,
    RawSharing,
    TournamentSelector,
    UniformSelector,
)
from evoniche.functional import attraction, shared_fitness
from evoniche.genomes import BinaryGenome, RealGenome
from evoniche.mates import (
    LexicaseMateSelector,
    MaxUnionMateSelector,
    NegativeAssortativeMateSelector,
    PairMateSelector,
    RestrictedMateSelector,
)
from evoniche.randomness import generator, weighted_indices
from evoniche.selectors import ShuffleSelector
from evoniche.testing import check_mate_selector

N = 20_000
POINTS = np.array([[0.0], [1.0], [3.0], [3.5], [9.0]])
GRADED = np.array([[0.2, 0.9, 0.0, 0.5], [0.7, 0.1, 0.0, 0.5], [0.0, 0.3, 0.8, 0.0], [0.2, 1.0, 0.1, 0.6]])
BINARY = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 1, 1.0]])


@pytest.fixture
def rng():
    return generator(20250714)


def first_parents(parent, n=N):
    return np.full(n, parent, dtype=np.intp)


def at_points(points=POINTS, scores=None):
    """Members whose genomes are points."""
    return Population.of(np.ones((len(points), 2)) if scores is None else scores, genomes=points)


def line_distance(a, b):
    return np.abs(a - b.T)


# Max-union.


@pytest.mark.parametrize("scores", [GRADED, BINARY, GRADED.astype(np.float32), BINARY.astype(np.float32)])
@pytest.mark.parametrize("importance", [None, [1, 0, 2, 0.5]])
def test_max_union_is_what_the_mate_adds(scores, importance, rng):
    population = Population.of(scores, importance=importance)
    v = np.ones(4) if importance is None else np.array(importance)
    mates = MaxUnionMateSelector().mates(population, np.arange(N) % 4, rng=rng)
    for parent in range(4):
        added = [sum(v[j] * max(other[j] - scores[parent][j], 0) for j in range(4)) for other in scores]
        assert_law(mates[parent::4], np.array(added) / sum(added))


def test_max_union_ignores_how_many_can_do_it(rng):
    """Case 1 is solved by three others and case 2 by one: attraction prefers that one, max-union none."""
    population = Population.of([[1.0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
    mates = MaxUnionMateSelector().mates(population, first_parents(0), rng=rng)
    assert_law(mates, [0, 1 / 4, 1 / 4, 1 / 4, 1 / 4])
    mates = AttractionMateSelector().mates(population, first_parents(0), rng=rng)
    assert_law(mates, [0, 1 / 6, 1 / 6, 1 / 6, 1 / 2])


@pytest.mark.parametrize("mates", [AttractionMateSelector(), MaxUnionMateSelector()])
def test_who_is_attracted_by_nobody(mates, rng):
    population = Population.of([[1.0, 1], [1, 0], [0, 1], [0, 0]], sharing=ImplicitSharing(eps=0))
    assert_law(mates.mates(population, first_parents(0), rng=rng), [0, 1 / 2, 1 / 2, 0])
    nothing = Population.of(np.zeros((3, 2)))
    assert_law(mates.mates(nothing, first_parents(1), rng=rng), [1 / 2, 0, 1 / 2])
    assert mates.mates(Population.of([[0.0]]), first_parents(0, 3), rng=rng).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("scores", "n"), [(GRADED, 7), (BINARY, 100)])
def test_attraction_draws_as_it_always_did(scores, n):
    """With few first parents or binary scores: `weighted_indices` on the attraction and nothing else, bit for bit."""
    first = np.arange(n) % 4
    mates = AttractionMateSelector("max").mates(Population.of(scores), first, rng=generator(3))
    weights = attraction(scores, first, capacity="max")
    assert mates.tolist() == weighted_indices(weights, n, rng=generator(3)).tolist()


# Negative assortative.


@pytest.mark.parametrize("distance", [line_distance, RealGenome(1)])
@pytest.mark.parametrize("candidates", [1, 2, 5])
def test_the_farthest_candidate_mates(candidates, distance, rng):
    """Uniform candidates: P(one of the r nearest, itself included) = (r / members)**candidates."""
    mates = NegativeAssortativeMateSelector(distance, UniformSelector(), candidates)
    for parent in (0, 2):
        chosen = mates.mates(at_points(), first_parents(parent), rng=rng)
        rank = np.abs(POINTS - POINTS[parent])[:, 0].argsort().argsort()
        assert_law(rank[chosen], np.diff((np.arange(6) / 5) ** candidates))


def test_candidates_are_drawn_by_the_rule_of_the_first_parents(rng):
    """Tournaments of two by fitness 0, 1, 2, 3: member i comes with ((i + 1)**2 - i**2) / 16."""
    population = Population.of(np.arange(4.0)[:, None], genomes=np.array([[5.0], [1.0], [4.0], [0.0]]))
    mates = NegativeAssortativeMateSelector(line_distance, TournamentSelector(2), candidates=3)
    p = np.array([1, 3, 5, 7]) / 16
    nearest = [3, 1, 2, 0]  # to member 3, itself first
    up_to = np.cumsum(p[nearest]) ** 3
    chosen = mates.mates(population, first_parents(3), rng=rng)
    assert_law(chosen, np.diff(up_to, prepend=0)[np.argsort(nearest)])


def test_distance_of_scores_and_ties(rng):
    """Both others are equally far in scores: the first candidate that is one of them."""
    mates = NegativeAssortativeMateSelector("scores", UniformSelector(), candidates=2)
    chosen = mates.mates(Population.of(np.eye(3)), first_parents(0), rng=rng)
    assert_law(chosen, [1 / 9, 4 / 9, 4 / 9])


# Restricted.


@pytest.mark.parametrize(("radius", "parent", "expected"), [
    (2, 0, [0, 1, 0, 0, 0]),
    (2, 1, [1 / 2, 0, 1 / 2, 0, 0]),  # a distance equal to the radius is within
    (2, 4, [1 / 4, 1 / 4, 1 / 4, 1 / 4, 0]),  # nobody is near: any other
    (0, 2, [1 / 4, 1 / 4, 0, 1 / 4, 1 / 4]),
    (100, 2, [1 / 4, 1 / 4, 0, 1 / 4, 1 / 4]),
])  # fmt: skip
def test_mates_within_a_radius(radius, parent, expected, rng):
    # The second half has another first parent, and is not concerned.
    first = np.repeat([parent, 3], N // 2)
    for distance in (line_distance, RealGenome(1)):
        chosen = RestrictedMateSelector(distance, radius).mates(at_points(), first, rng=rng)
        assert_law(chosen[: N // 2], expected)


def test_clones_are_within_a_radius_of_zero(rng):
    chosen = RestrictedMateSelector(line_distance, 0).mates(at_points(POINTS[[0, 1, 0, 0]]), first_parents(0), rng=rng)
    assert_law(chosen, [0, 0, 1 / 2, 1 / 2])


# Lexicase.


def enumerated(scores, parent, threshold):
    """By the definition, over all orders of the cases that the parent fails."""
    failed = [j for j, score in enumerate(scores[parent]) if score < threshold] or range(len(scores[parent]))
    p, orders = np.zeros(len(scores)), list(permutations(failed))
    for order in orders:
        pool = [i for i in range(len(scores)) if i != parent]
        for j in order:
            best = max(scores[i][j] for i in pool)
            pool = [i for i in pool if scores[i][j] == best]
        p[pool] += 1 / len(pool) / len(orders)
    return p


@pytest.mark.parametrize("scores", [GRADED, BINARY, np.vstack([BINARY, BINARY[1:]])])
@pytest.mark.parametrize("threshold", [0, 0.5, 0.6, 2])
def test_lexicase_on_what_the_first_parent_fails(scores, threshold, rng):
    members = len(scores)
    chosen = LexicaseMateSelector(threshold).mates(Population.of(scores), np.arange(N) % members, rng=rng)
    for parent in range(members):
        assert_law(chosen[parent::members], enumerated(scores, parent, threshold))


def test_lexicase_mates_by_hand(rng):
    # Parent 0 fails cases 2 and 3: on 2 the members 1 and 3 are best, on 3 member 3, so 3 wins in either order.
    chosen = LexicaseMateSelector().mates(Population.of(BINARY), first_parents(0), rng=rng)
    assert (chosen == 3).all()
    # A parent that fails on nothing: the others on all cases.
    perfect = np.vstack([np.ones(4), BINARY[:2]])
    # Cases 0 and 2 tell the two apart.
    assert_law(LexicaseMateSelector().mates(Population.of(perfect), first_parents(0), rng=rng), [0, 1 / 2, 1 / 2])


# Pairs.


def test_neighbours_mate_with_each_other(rng):
    first = np.array([4, 0, 3, 3, 1, 2])
    assert PairMateSelector().mates(at_points(), first, rng=rng).tolist() == [0, 4, 3, 3, 2, 1]
    assert first.tolist() == [4, 0, 3, 3, 1, 2]


def test_an_odd_one_takes_another(rng):
    population = at_points()
    chosen = np.array([PairMateSelector().mates(population, np.array([1, 4, 2]), rng=rng) for _ in range(4000)])
    assert (chosen[:, :2] == [4, 1]).all()
    assert_law(chosen[:, 2], [1 / 4, 1 / 4, 0, 1 / 4, 1 / 4])


def test_shuffled_pairs_join_everybody_once(rng):
    population = at_points(np.arange(6.0)[:, None])
    for _ in range(20):
        first = ShuffleSelector().select(population, 6, rng=rng)
        mates = PairMateSelector().mates(population, first, rng=rng)
        assert sorted(first) == sorted(mates) == list(range(6))
        assert (first != mates).all()
        couples = {frozenset(pair) for pair in zip(first.tolist(), mates.tolist(), strict=True)}
        assert len(couples) == 3


# All of them.


@pytest.mark.parametrize("mates", [
    LexicaseMateSelector(),
    MaxUnionMateSelector(),
    NegativeAssortativeMateSelector("scores", UniformSelector()),
    NegativeAssortativeMateSelector(line_distance, UniformSelector()),
    PairMateSelector(),
    RestrictedMateSelector("scores", 1),
    RestrictedMateSelector(line_distance, 1),
])  # fmt: skip
def test_who_is_alone_mates_with_itself(mates, rng):
    for score in (0.0, 1.0):
        population = at_points(POINTS[:1], scores=[[score]])
        assert mates.mates(population, first_parents(0, 3), rng=rng).tolist() == [0, 0, 0]


BITS = BinaryGenome(9).sample(7, rng=generator(0))
REALS = RealGenome(3).sample(7, rng=generator(0))


@pytest.mark.parametrize(("mates", "genomes"), [
    (LexicaseMateSelector(), None),
    (LexicaseMateSelector(0), None),
    (MaxUnionMateSelector(), None),
    (NegativeAssortativeMateSelector("scores", TournamentSelector()), None),
    (NegativeAssortativeMateSelector(BinaryGenome(9), UniformSelector(), candidates=2), BITS),
    (PairMateSelector(), None),
    (RestrictedMateSelector("scores", 0.5), None),
    (RestrictedMateSelector(RealGenome(3), 1.5), REALS),
])  # fmt: skip
def test_contract(mates, genomes):
    check_mate_selector(mates, genomes=genomes)


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: NegativeAssortativeMateSelector("genes", UniformSelector()), TypeError, "distance=...\\) must be"),
    (lambda: NegativeAssortativeMateSelector("scores", "uniform"), TypeError, "selector must be a Selector"),
    (lambda: NegativeAssortativeMateSelector("scores", UniformSelector(), 0), ValueError, "candidates"),
    (lambda: RestrictedMateSelector(3, 1), TypeError, "distance=...\\) must be a Genome"),
    (lambda: RestrictedMateSelector("scores", -1), ValueError, "radius"),
    (lambda: LexicaseMateSelector(-0.1), ValueError, "threshold"),
])  # fmt: skip
def test_wrong_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


# One rule of pricing.


@pytest.mark.parametrize(
    ("sharing", "priced"),
    [
        (ImplicitSharing(), {}),
        (ImplicitSharing(capacity="one"), {"capacity": "one"}),
        (ImplicitSharing(capacity=[1.0, 2, 3, 4]), {"capacity": [1.0, 2, 3, 4]}),
        (ImplicitSharing(relative=True, eps=0.5), {"relative": True, "eps": 0.5}),
        (ImplicitSharing(alpha=3.0), {}),  # eq. 4 has no alpha
        (RawSharing(), {}),
        (ClearingSharing("scores", 0.5, 2), {}),  # its capacity is another thing
        (None, {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("scores", [GRADED, BINARY], ids=["graded", "binary"])
@pytest.mark.parametrize("n", [3, 40])
def test_attraction_prices_cases_as_the_sharing_does(scores, sharing, priced, n):
    population = Population.of(scores, sharing=sharing)
    first = np.arange(n) % len(scores)
    mates = AttractionMateSelector().mates(population, first, rng=generator(0))
    told = AttractionMateSelector(**{"capacity": "max", "relative": False, "eps": 1e-8} | priced)
    assert mates.tolist() == told.mates(population, first, rng=generator(0)).tolist()


@pytest.mark.parametrize("setting", [{"capacity": "one"}, {"relative": True}, {"eps": 5.0}, {"alpha": 0.0}])
def test_attraction_prices_otherwise_when_told_to(setting):
    population = Population.of(GRADED, sharing=ImplicitSharing())
    first = np.repeat(np.arange(len(GRADED)), 2000)
    expected = attraction(GRADED, first, **{"capacity": "max"} | setting)
    expected = expected[::2000] / expected[::2000].sum(axis=1, keepdims=True)
    mates = AttractionMateSelector(**setting).mates(population, first, rng=generator(0))
    drawn = np.array([np.bincount(row, minlength=len(GRADED)) / 2000 for row in mates.reshape(-1, 2000)])
    assert np.all(np.abs(drawn - expected) <= 4 * np.sqrt(expected * (1 - expected) / 2000))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("n", [1, 40])
def test_alpha_prices_mates_as_the_authors_code_does(alpha, n):
    """g with z**alpha in place of z, drawn by rejection as well as from the whole row."""
    first = np.repeat(2, n * 4000)
    population = Population.of(GRADED)
    worth = GRADED.max(axis=0) / (GRADED.sum(axis=0) ** alpha + 1e-8)
    expected = np.maximum(GRADED - GRADED[2], 0) @ worth
    expected /= expected.sum()
    mates = AttractionMateSelector(alpha=alpha).mates(population, first, rng=generator(1))
    drawn = np.bincount(mates, minlength=len(GRADED)) / len(first)
    assert np.all(np.abs(drawn - expected) <= 4 * np.sqrt(expected * (1 - expected) / len(first)))


def test_with_binary_scores_capacity_makes_no_difference():
    population = Population.of(np.vstack([BINARY, np.zeros_like(BINARY[:1])]), sharing=ImplicitSharing())
    first = np.arange(50) % len(population)
    selectors = [AttractionMateSelector(capacity=capacity) for capacity in (None, "one", "max")]
    mates = [selector.mates(population, first, rng=generator(0)) for selector in selectors]
    assert np.array_equal(mates[0], mates[1])
    assert np.array_equal(mates[0], mates[2])
    one, most = (ImplicitSharing(capacity=c).fitness(population) for c in ("one", "max"))
    assert one.tobytes() == most.tobytes()
    assert shared_fitness(population.scores, capacity="max").tobytes() == one.tobytes()
