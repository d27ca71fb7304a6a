"""How much each case counts: in mean scores, fitness, attraction, and what the history tells."""

import math

import numpy as np
import pytest
import torch

from evoniche import (
    AttractionMateSelector,
    GaussianMutation,
    GenerationalReplacement,
    ImplicitSharing,
    Offspring,
    Population,
    RawSharing,
    RealGenome,
    WorstReplacement,
    ga,
    m2n2,
)
from evoniche.functional import attraction, coverage, entropy, shared_fitness
from evoniche.randomness import generator

RNG = np.random.default_rng(0)
GRADED = RNG.random((6, 9))
GRADED[0] /= 9
BINARY = (RNG.random((6, 9)) < 0.4).astype(float)
V = np.array([0, 1, 2, 0.5, 3, 1, 0, 7, 1])
TIMES = np.array([1, 2, 1, 3, 1, 1, 2, 1, 1])  # cases that are there several times
CAPACITY = RNG.random(9)

tables = pytest.mark.parametrize("scores", [GRADED, BINARY], ids=["graded", "binary"])
sharings = pytest.mark.parametrize("options", [
    {},
    {"alpha": 0},
    {"alpha": 2},
    {"alpha": 0.5, "capacity": "max"},
    {"capacity": CAPACITY},
    {"relative": True},
    {"relative": True, "capacity": "max"},
    {"relative": True, "capacity": CAPACITY, "alpha": 0.5, "eps": 0.1},
], ids=lambda options: "-".join(map(str, options)) or "paper")  # fmt: skip


def capacity_and_load(scores, capacity="max", relative=False):
    """By their definitions: c and z."""
    scores = scores - scores.min(axis=0) if relative else scores
    words = {"one": np.ones(scores.shape[1]), "max": scores.max(axis=0)}
    return words[capacity] if isinstance(capacity, str) else capacity, scores.sum(axis=0)


def repeated(options):
    """For cases that are there several times."""
    return {name: value if name != "capacity" or isinstance(value, str) else np.repeat(value, TIMES)
            for name, value in options.items()}  # fmt: skip


# --- the formulas ---------------------------------------------------------------------------------------------------


@tables
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_mean_score_is_weighted(scores, dtype):
    population = Population.of(scores.astype(dtype), importance=V)
    np.testing.assert_allclose(population.means, (scores * V).sum(axis=1) / V.sum(), rtol=1e-6)
    assert population.means.dtype == np.float64
    assert population.best_member == np.argmax(scores @ V)
    assert population.member(2).score == population.means[2]


def test_importance_decides_who_is_best():
    scores = np.array([[1.0, 1, 0, 0], [0, 0, 1, 0]])
    assert Population.of(scores).best_member == 0
    assert Population.of(scores, importance=np.array([1.0, 1, 3, 0])).best_member == 1
    assert Population.of(scores, importance=np.array([1.0, 1, 2, 0])).best_member == 0  # the older of equals


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_who_solves_every_case_has_a_mean_score_of_one(dtype):
    """To the last bit, for it may be the target of a run."""
    for seed in range(200):
        importance = np.random.default_rng(seed).random(seed + 1)
        assert (Population.of(np.ones((2, seed + 1), dtype=dtype), importance=importance).means == 1).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sharing", [None, RawSharing(), ImplicitSharing(), ImplicitSharing(relative=True)])
def test_equal_members_stay_equal_to_the_last_bit(dtype, sharing):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        scores = np.vstack([np.tile(rng.random(3 + 7 * seed), (5, 1)), rng.random(3 + 7 * seed)]).astype(dtype)
        population = Population.of(scores, sharing=sharing, importance=rng.random(3 + 7 * seed))
        assert len(set(population.means[:-1].tolist())) == 1
        assert len(set(population.fitness[:-1].tolist())) == 1


@tables
@sharings
def test_fitness_is_the_formula(scores, options):
    c, load = capacity_and_load(scores, **{k: v for k, v in options.items() if k in ("capacity", "relative")})
    shared = scores - scores.min(axis=0) if options.get("relative") else scores
    alpha, eps = options.get("alpha", 1), options.get("eps", 1e-8)
    expected = [sum(shared[i, j] * V[j] * c[j] / (load[j] ** alpha + eps) for j in range(9)) for i in range(6)]
    sharing = ImplicitSharing(**options)
    population = Population.of(scores, sharing=sharing, importance=V)
    np.testing.assert_allclose(shared_fitness(scores, importance=V, **options), expected, rtol=1e-12)
    np.testing.assert_allclose(population.fitness, expected, rtol=1e-9)
    np.testing.assert_allclose(shared @ sharing.weights(population), expected, rtol=1e-9)


@tables
def test_fitness_without_competition_is_the_weighted_sum(scores):
    for sharing in (RawSharing(), None):
        population = Population.of(scores, sharing=sharing, importance=V)
        np.testing.assert_allclose(population.fitness, 9 * scores @ V / V.sum(), rtol=1e-12)


@tables
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("capacity", ["one", "max", CAPACITY], ids=["one", "max", "each"])
def test_attraction_is_the_formula(scores, capacity, relative):
    c, load = capacity_and_load(scores, capacity, relative)
    w = V * c / (load + 1e-8)
    expected = [[(w * np.maximum(scores[b] - scores[a], 0)).sum() for b in range(6)] for a in (0, 3, 3, 5)]
    options = {"capacity": capacity, "relative": relative}
    for binary in (False, True, None) if scores is BINARY else (False, None):
        actual = attraction(scores, [0, 3, 3, 5], importance=V, binary=binary, **options)
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-15)
        for row, first in enumerate((0, 3)):
            alone = attraction(scores, [first], importance=V, binary=binary, **options)
            np.testing.assert_allclose(alone[0], expected[row], rtol=1e-12, atol=1e-15)


@tables
@pytest.mark.parametrize("capacity", ["one", "max"])
def test_mates_are_drawn_by_weighted_attraction(scores, capacity):
    population = Population.of(scores, importance=V)
    first = np.full(40_000, 1)
    mates = AttractionMateSelector(capacity).mates(population, first, rng=generator(0))
    g, plain = (attraction(scores, [1], capacity=capacity, importance=v)[0] for v in (V, None))
    drawn = np.bincount(mates, minlength=6) / len(first)
    np.testing.assert_allclose(drawn, g / g.sum(), atol=0.01)
    assert np.abs(drawn - plain / plain.sum()).max() > 0.03


@tables
def test_coverage_and_entropy_are_weighted(scores):
    for threshold in (0.5, 0.9):
        p = (scores >= threshold).mean(axis=0)
        bits = [0 if x in (0, 1) else -x * math.log2(x) - (1 - x) * math.log2(1 - x) for x in p]
        options = {"threshold": threshold, "importance": V}
        assert coverage(scores, **options) == pytest.approx((V * (p > 0)).sum() / V.sum(), rel=1e-12)
        assert entropy(scores, **options) == pytest.approx((V * bits).sum() / V.sum(), rel=1e-12)


def test_a_list_or_tensor_of_importances_is_one_too():
    expected = [shared_fitness(GRADED, importance=V), attraction(GRADED, [1], importance=V)]
    expected.append(coverage(GRADED, importance=V))
    for given, scores in ((V.tolist(), GRADED), (torch.tensor(V), torch.tensor(GRADED)), (V, torch.tensor(GRADED))):
        actual = shared_fitness(scores, importance=given), attraction(scores, [1], importance=given)
        assert all(type(one) is type(scores) for one in actual)
        for one, other in zip((*actual, coverage(scores, importance=given)), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)


# --- what follows ---------------------------------------------------------------------------------------------------


@tables
@sharings
def test_where_all_are_as_important_it_is_as_without(scores, options):
    one, none = (Population.of(scores, sharing=ImplicitSharing(**options), importance=v) for v in (np.ones(9), None))
    np.testing.assert_allclose(one.means, none.means, rtol=1e-14)
    np.testing.assert_allclose(one.fitness, none.fitness, rtol=1e-14)
    np.testing.assert_allclose(one.sharing.weights(one), none.sharing.weights(none), rtol=1e-14)
    assert one.best_member == none.best_member
    for formula in (coverage, entropy):
        assert formula(scores, importance=np.ones(9)) == pytest.approx(formula(scores), rel=1e-14)
    g, plain = (attraction(scores, [1, 2], importance=v) for v in (np.ones(9), None))
    np.testing.assert_allclose(g, plain, rtol=1e-14)


@tables
@sharings
def test_a_case_that_is_there_several_times_is_one_of_such_importance(scores, options):
    several = np.repeat(scores, TIMES, axis=1)
    importance = TIMES.astype(float)
    one = Population.of(scores, sharing=ImplicitSharing(**options), importance=importance)
    other = Population.of(several, sharing=ImplicitSharing(**repeated(options)))
    np.testing.assert_allclose(one.means, other.means, rtol=1e-12)
    np.testing.assert_allclose(one.fitness, other.fitness, rtol=1e-12)
    pricing = {name: value for name, value in options.items() if name != "alpha"}
    g = attraction(scores, [0, 1, 4], importance=importance, **pricing)
    np.testing.assert_allclose(g, attraction(several, [0, 1, 4], **repeated(pricing)), rtol=1e-12, atol=1e-15)
    for formula in (coverage, entropy):
        assert formula(scores, importance=importance) == pytest.approx(formula(several), rel=1e-12)
    raw, raw_of_several = Population.of(scores, importance=importance), Population.of(several)
    np.testing.assert_allclose(raw.fitness / raw.fitness.sum(), raw_of_several.fitness / raw_of_several.fitness.sum())


@tables
@sharings
def test_a_case_of_no_importance_is_as_good_as_none(scores, options):
    counts = np.arange(9) != 4
    kept = {k: v[counts] if isinstance(v, np.ndarray) else v for k, v in options.items()}
    one = Population.of(scores, sharing=ImplicitSharing(**options), importance=counts.astype(float))
    other = Population.of(scores[:, counts], sharing=ImplicitSharing(**kept))
    np.testing.assert_allclose(one.means, other.means, rtol=1e-12)
    np.testing.assert_allclose(one.fitness, other.fitness, rtol=1e-12)


def test_it_stays_while_members_come_and_go():
    rng = np.random.default_rng(0)
    population = Population(8, ImplicitSharing(capacity="max"), V)
    for i in range(300):
        child = Offspring(np.array([[i]]), np.array([i]), np.full((1, 2), -1), i, 0, rng.random((1, 9)))
        replacement = GenerationalReplacement(7) if i % 10 == 9 else WorstReplacement()
        replacement.replace(population, child)
        afresh = Population.of(population.scores, sharing=ImplicitSharing(capacity="max"), importance=V)
        np.testing.assert_allclose(population.means, afresh.means, rtol=1e-12)
        np.testing.assert_allclose(population.fitness, afresh.fitness, rtol=1e-9)
        assert len(population) == min(i + 1, 8)


# --- evolutions -----------------------------------------------------------------------------------------------------


def passed(genomes):
    """Nine cases, some easy and some hard."""
    return np.abs(genomes) > np.linspace(0.1, 1.2, 9)


def graded(genomes):
    return np.exp(-((genomes - np.linspace(-1, 1, 9)) ** 2))


def small(make, scorer=passed, **arguments):
    defaults = {"genome": RealGenome(9), "mutation": GaussianMutation(0.2), "population_size": 8, "seed": 1}
    return make(scorer, **(defaults | arguments))


def outcome(result):
    columns = {name: column.tolist() for name, column in result.history.items() if name != "seconds"}
    return columns, result.population.ids.tolist(), result.best.id


@pytest.mark.parametrize("make", [m2n2, ga])
@pytest.mark.parametrize("scorer", [passed, graded])
def test_an_evolution_speaks_of_weighted_scores(make, scorer):
    seen = []

    def noted(genomes):
        seen.append(scorer(genomes))
        return seen[-1]

    evolution = small(make, noted, importance=V.tolist())
    result = evolution.run(60, record_every=10, progress=False)
    population = result.population
    np.testing.assert_array_equal(population.importance, V)
    means = np.concatenate(seen) @ V / V.sum()
    assert result.best.score == pytest.approx(means.max(), rel=1e-9)
    assert result.best.id == means.argmax()
    assert result.best.score == pytest.approx(result.best.scores @ V / V.sum(), rel=1e-6)
    assert result.history["best"][-1] == population.means.max()
    assert result.history["mean"][-1] == population.means.mean()
    assert result.history["coverage"][-1] == coverage(population.scores, importance=V)
    assert result.history["entropy"][-1] == entropy(population.scores, importance=V)


@pytest.mark.parametrize("make", [m2n2, ga])
def test_it_changes_the_course_of_an_evolution_unless_all_are_equal(make):
    run = {"evaluations": 200, "record_every": 20, "progress": False}
    none, equal, other = (small(make, importance=v).run(**run) for v in (None, [2.0] * 9, V))
    assert outcome(none)[1:] == outcome(equal)[1:]
    for name in ("best", "mean", "coverage", "entropy"):
        np.testing.assert_allclose(none.history[name], equal.history[name], rtol=1e-12)
    assert outcome(none)[1] != outcome(other)[1]


@pytest.mark.parametrize("make", [m2n2, ga])
def test_a_repeated_case_in_an_evolution(make):
    run = {"evaluations": 200, "record_every": 20, "progress": False}
    one = small(make, graded, importance=TIMES).run(**run)
    other = small(make, lambda genomes: np.repeat(graded(genomes), TIMES, axis=1)).run(**run)
    assert outcome(one)[1:] == outcome(other)[1:]
    np.testing.assert_allclose(one.history["mean"], other.history["mean"], rtol=1e-12)


@pytest.mark.parametrize("scorer", [passed, graded])
def test_ga_is_m2n2_without_its_two_ideas_also_when_cases_are_weighted(scorer):
    run = {"evaluations": 200, "progress": False}
    one = small(ga, scorer, importance=V).run(**run)
    other = small(m2n2, scorer, importance=V, alpha=0, capacity="one", eps=0, attraction=False).run(**run)
    assert one.population.ids.tolist() == other.population.ids.tolist()
    assert np.array_equal(one.population.genomes, other.population.genomes)


def test_the_target_is_a_weighted_mean():
    importance = np.array([1.0, 1, 1, 0, 0, 0, 0, 0, 0])
    result = small(m2n2, importance=importance).run(5000, target=1.0, progress=False)
    assert result.stopped == "target"
    assert result.best.score == 1
    assert result.best.scores[:3].all()
    assert not result.best.scores.all()


def test_importance_is_copied():
    importance = np.ones(9)
    evolution = small(m2n2, importance=importance)
    importance[:] = 7
    assert (evolution.population.importance == 1).all()
    with pytest.raises(ValueError, match="read-only"):
        evolution.population.importance[0] = 7


@pytest.mark.parametrize("given", [[True] * 4 + [False] * 5, np.arange(9), torch.ones(9), tuple(V), np.float32(V)])
def test_what_is_importance(given):
    found = small(m2n2, importance=given).population.importance
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, np.asarray(given, dtype=np.float64))


@pytest.mark.parametrize("make", [m2n2, ga])
@pytest.mark.parametrize("wrong", [
    [1, -1], [1, np.nan], [1, np.inf], [0, 0], [], 3, [[1, 2]], ["a", "b"], "ab", [1, None], [1j, 1], {1: 2},
], ids=str)  # fmt: skip
def test_what_is_no_importance_is_refused(make, wrong):
    with pytest.raises(ValueError, match="importance must be one finite number >= 0 for each case, and not all 0, got"):
        small(make, importance=wrong)


@pytest.mark.parametrize("make", [m2n2, ga])
def test_importance_of_another_number_of_cases_is_found_at_the_first_scores(make):
    evolution = small(make, importance=[1.0] * 8)
    children = evolution.ask(3)
    with pytest.raises(ValueError, match="importance must have one number for each of the 9 cases, got 8"):
        evolution.tell(children, passed(children.genomes))
    assert evolution.evaluations == len(evolution.population) == 0
    assert evolution.best is None
    assert evolution.pending.ids.tolist() == [0, 1, 2]
    evolution.tell(children, passed(children.genomes)[:, :8])
    assert len(evolution.population) == 3


@pytest.mark.parametrize("length", [1, 8, 10])
def test_a_population_needs_an_importance_for_each_case(length):
    with pytest.raises(ValueError, match=f"one number for each of the 9 cases, got {length}"):
        Population.of(GRADED, importance=np.ones(length))
