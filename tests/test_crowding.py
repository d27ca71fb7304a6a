"""Crowding, restricted tournaments, (mu + lambda) and differential evolution, against literal versions and laws."""

import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from evoniche import (
    Evolution,
    ImplicitSharing,
    Offspring,
    Population,
    RawSharing,
    RealGenome,
    WorstReplacement,
)
from evoniche.crossovers import (
    ComplementaryCrossover,
    DifferentialCrossover,
    KPointCrossover,
    LerpCrossover,
    UniformCrossover,
)
from evoniche.mates import PairMateSelector
from evoniche.mutations import GaussianMutation
from evoniche.population import NOBODY
from evoniche.randomness import generator
from evoniche.replacements import (
    CrowdingReplacement,
    DeterministicCrowdingReplacement,
    PlusReplacement,
    RestrictedTournamentReplacement,
    SpeciesConservingReplacement,
)
from evoniche.selectors import ShuffleSelector
from evoniche.testing import check_crossover, check_replacement

LINE = RealGenome(1)
WORDS = ["", "a", "ab", "bbb", "ab"]
REALS = np.random.default_rng(0).standard_normal((6, 9))


def by_length(a, b):
    return [[abs(len(x) - len(y)) for y in b] for x in a]


def points(numbers):
    return np.array(numbers, dtype=np.float64)[:, None]


def population_of(places, fitness, sharing=None):
    """Members 0, 1, ... at places on a line, with a fitness each."""
    return Population.of(points(fitness), points(places), sharing=sharing)


def children_of(parents, places, fitness, ask=0):
    n = len(parents)
    return Offspring(points(places), np.arange(100, 100 + n), np.array(parents).reshape(n, 2), ask, 7, points(fitness))


def survivors(replacement, population, children):
    replacement.replace(population, children)
    return set(population.ids.tolist())


BY_DISTANCE = [CrowdingReplacement, DeterministicCrowdingReplacement, RestrictedTournamentReplacement]


@pytest.mark.parametrize("replacement", [
    *[operator(RealGenome(9)) for operator in BY_DISTANCE],
    PlusReplacement(),
])  # fmt: skip
def test_the_contract_of_replacements(replacement):
    check_replacement(replacement, genomes=REALS)


@pytest.mark.parametrize("operator", BY_DISTANCE)
def test_the_contract_in_single_precision_by_distances_of_scores(operator):
    check_replacement(operator("scores"), genomes=REALS.astype(np.float32))


@pytest.mark.parametrize("operator", BY_DISTANCE)
def test_the_contract_with_words_and_a_distance_that_is_a_function(operator):
    check_replacement(operator(by_length), genomes=WORDS)


def test_the_contract_with_tensors():
    torch = pytest.importorskip("torch")
    check_replacement(DeterministicCrowdingReplacement(RealGenome(9)), genomes=torch.asarray(REALS))


@pytest.mark.parametrize("operator", BY_DISTANCE)
def test_a_distance_must_be_one(operator):
    with pytest.raises(TypeError, match=r"distance=.*must be a Genome, a function of two batches or 'scores'"):
        operator("euclidean")


def test_at_least_one_member_is_drawn():
    with pytest.raises(ValueError, match=r"window=.*whole number >= 1, got 0"):
        RestrictedTournamentReplacement("scores", window=0)
    with pytest.raises(ValueError, match=r"factor=.*whole number >= 1, got 1\.5"):
        CrowdingReplacement("scores", factor=1.5)


# Deterministic crowding


@pytest.mark.parametrize(("parents", "place", "fitness", "expected"), [
    ([0, 1], 2, 6, {100, 1, 2, 3}),  # nearer to the first parent, and fitter
    ([0, 1], 2, 5, {0, 1, 2, 3}),  # as fit as it: the parent stays
    ([0, 1], 2, 4, {0, 1, 2, 3}),  # less fit than it, though fitter than the other parent
    ([0, 1], 8, 4, {0, 100, 2, 3}),  # nearer to the second parent
    ([1, 0], 8, 4, {0, 100, 2, 3}),
    ([0, 1], 8, 3, {0, 1, 2, 3}),
    ([0, 1], 29, 9, {0, 100, 2, 3}),  # nearest to a member that is no parent of it
    ([0, 0], 9, 6, {100, 1, 2, 3}),  # with itself
    ([1, 77], 2, 4, {0, 100, 2, 3}),  # one parent is gone
    ([77, 1], 2, 4, {0, 100, 2, 3}),
    ([1, NOBODY], 2, 4, {0, 100, 2, 3}),  # without crossover
    ([77, 78], 21, 2, {0, 1, 100, 3}),  # both are gone: the nearest member
    ([NOBODY, NOBODY], 29, 2, {0, 1, 2, 3}),
    ([NOBODY, NOBODY], 29, 8, {0, 1, 2, 100}),
])  # fmt: skip
def test_a_child_competes_with_the_nearer_of_its_living_parents(parents, place, fitness, expected):
    population = population_of([0, 10, 20, 30], [5, 3, 1, 7])
    assert survivors(DeterministicCrowdingReplacement(LINE), population, children_of([parents], [place], [fitness])) \
        == expected  # fmt: skip


@pytest.mark.parametrize("parents", [[[0, 1], [1, 0]], [[0, 1], [0, 1]], [[1, 0], [1, 0]]])
@pytest.mark.parametrize("swapped", [False, True])
def test_siblings_are_matched_jointly_and_not_by_fitness(parents, swapped):
    # Both children are nearer to parent 0. In sum it is 3 against 0 and 4 against 1 (3 + 6 < 4 + 7).
    # Each with its nearer parent, nobody would enter; by fitness, or in the order given, the child at 3 would.
    children = children_of(parents, [4, 3], [3, 4])
    children = children.take([1, 0]) if swapped else children
    population = population_of([0, 10], [5, 1])
    assert survivors(DeterministicCrowdingReplacement(LINE), population, children) == {0, 100}


def test_siblings_may_both_enter_or_both_fail():
    children = children_of([[0, 1], [1, 0]], [9, 1], [6, 6])
    assert survivors(DeterministicCrowdingReplacement(LINE), population_of([0, 10], [5, 5]), children) == {100, 101}
    assert survivors(DeterministicCrowdingReplacement(LINE), population_of([0, 10], [6, 6]), children) == {0, 1}


def test_children_that_are_told_apart_are_no_siblings():
    children = children_of([[0, 1], [1, 0]], [4, 3], [3, 4])
    population, replacement = population_of([0, 10], [5, 1]), DeterministicCrowdingReplacement(LINE)
    for i in (0, 1):
        replacement.replace(population, children.take([i]))
    assert set(population.ids) == {0, 1}


def test_of_three_siblings_the_third_is_alone_and_a_parent_that_left_is_gone():
    # 100 and 101 take the places of 0 and 1; for 102 both parents are gone, and 2 is the nearest member.
    children = children_of([[0, 1], [1, 0], [0, 1]], [1, 9, 19], [6, 6, 2])
    population = population_of([0, 10, 20], [5, 5, 1])
    assert survivors(DeterministicCrowdingReplacement(LINE), population, children) == {100, 101, 102}


@pytest.mark.parametrize(("parents", "expected"), [
    # 100 takes the place of 0, then 101 of 1; 102 is nearest to 100, which is fitter. Were 102 to come before its
    # turn, it would take the place of 1.
    ([[0, NOBODY], [1, NOBODY], [0, NOBODY]], {100, 101}),
    ([[0, 0], [1, 1], [0, 0]], {100, 101}),
    ([[0, 1], [1, NOBODY], [1, 0]], {100, 102}),  # a sibling comes with the first of the two
])  # fmt: skip
def test_children_compete_in_order_but_for_siblings(parents, expected):
    children = children_of(parents, [1, 30, 10], [6, 5.2, 5.5])
    assert survivors(DeterministicCrowdingReplacement(LINE), population_of([0, 10], [5, 5]), children) == expected


def test_while_there_is_room_nobody_leaves():
    for replacement in (DeterministicCrowdingReplacement(LINE), RestrictedTournamentReplacement(LINE),
                        CrowdingReplacement(LINE), PlusReplacement()):  # fmt: skip
        population = population_of([0, 10], [5, 5])
        population.limit = 4
        assert survivors(replacement, population, children_of([[0, 1], [1, 0]], [1, 9], [6, 0])) == {0, 1, 100, 101}


def test_fitness_is_shared_with_the_child_among_the_others():
    # The parent solves case 0 with another member, the child case 1 alone: equal scores, but not equal fitness.
    population = Population.of([[1, 0], [1, 0]], points([0, 5]), sharing=ImplicitSharing())
    child = Offspring(points([1]), np.array([100]), np.array([[0, NOBODY]]), 0, 7, np.array([[0.0, 1.0]]))
    assert survivors(DeterministicCrowdingReplacement(LINE), population, child) == {100, 1}
    population = Population.of([[1, 0], [1, 0]], points([0, 5]), sharing=RawSharing())
    assert survivors(DeterministicCrowdingReplacement(LINE), population, child) == {0, 1}


def literal_generation(places, fitness, couples, children, child_fitness):
    """Mahfoud's generation, on numbers: ids of those who live on."""
    alive = set(range(len(places)))
    for k, (p, q) in enumerate(couples):
        i, j = 2 * k, 2 * k + 1
        if abs(places[p] - children[i]) + abs(places[q] - children[j]) <= (
            abs(places[p] - children[j]) + abs(places[q] - children[i])
        ):
            duels = [(p, i), (q, j)]
        else:
            duels = [(p, j), (q, i)]
        for parent, child in duels:
            if child_fitness[child] > fitness[parent]:
                alive = alive - {parent} | {100 + child}
    return alive


def test_a_generation_is_that_of_mahfoud():
    rng = generator(3)
    entered = 0
    for _ in range(100):
        places, children = rng.random((2, 8))
        fitness, child_fitness = rng.integers(4, size=(2, 8))  # many ties
        couples = rng.permutation(8).reshape(4, 2).tolist()
        parents = [pair for p, q in couples for pair in ([p, q], [q, p])]
        order = rng.permutation(8) if rng.random() < 0.5 else np.arange(8)  # siblings need not come side by side
        expected = literal_generation(places, fitness, couples, children, child_fitness)
        offspring = children_of(parents, children, child_fitness).take(np.sort(order))
        population = population_of(places, fitness)
        assert survivors(DeterministicCrowdingReplacement(LINE), population, offspring) == expected
        entered += len(expected - set(range(8)))
    assert 100 < entered < 700


# Windows


@pytest.mark.parametrize("operator", [CrowdingReplacement, RestrictedTournamentReplacement])
@pytest.mark.parametrize("size", [1, 2, 9])
def test_who_leaves_is_the_nearest_of_a_random_window(operator, size):
    # The r-th nearest of P is the nearest of w drawn ones with probability C(P - r, w - 1) / C(P, w).
    places, asks = [3, 1, 0, 4, 2], 500
    law = {place: math.comb(4 - place, min(size, 5) - 1) / math.comb(5, min(size, 5)) for place in places}
    left = Counter()
    for ask in range(asks):
        population = population_of(places, [1] * 5)
        operator(LINE, size).replace(population, children_of([[0, 1]], [0], [2], ask))
        left[next(place for id_, place in enumerate(places) if id_ not in population.ids)] += 1
    for place, p in law.items():
        assert abs(left[place] - asks * p) <= 5 * math.sqrt(asks * p * (1 - p))
    assert sum(law.values()) == pytest.approx(1)


def test_each_child_has_a_window_of_its_own():
    same = 0
    for ask in range(400):
        population = population_of(range(5), [1] * 5)
        CrowdingReplacement(LINE, factor=1).replace(population, children_of([[0, 1]] * 2, [9, 9], [2, 2], ask))
        same += 100 not in population.ids  # the second child met the first
    assert abs(same - 80) < 5 * math.sqrt(400 * 0.2 * 0.8)


@pytest.mark.parametrize(("fitness", "expected"), [(6, {0, 100}), (5, {0, 1}), (4, {0, 1})])
def test_a_restricted_tournament_is_won_by_the_strictly_fitter(fitness, expected):
    population = population_of([0, 10], [1, 5])  # member 0 is less fit, but far
    child = children_of([[0, 0]], [8], [fitness])
    assert survivors(RestrictedTournamentReplacement(LINE), population, child) == expected


def test_in_crowding_the_nearest_leaves_also_when_it_is_fitter():
    population = population_of([0, 10], [1, 5])
    assert survivors(CrowdingReplacement(LINE), population, children_of([[0, 0]], [8], [0])) == {0, 100}


# (mu + lambda)


def test_plus_keeps_the_fittest_of_all_and_of_equals_the_younger():
    rng = generator(5)
    for _ in range(100):
        mu, lambda_ = rng.integers(1, 8, size=2).tolist()
        old, young = rng.integers(3, size=mu), rng.integers(3, size=lambda_)
        everybody = [(f, id_) for id_, f in enumerate(old)] + [(f, 100 + i) for i, f in enumerate(young)]
        expected = {id_ for _, id_ in sorted(everybody)[-mu:]}
        children = children_of([[0, 0]] * lambda_, range(lambda_), young)
        assert survivors(PlusReplacement(), population_of(range(mu), old), children) == expected


@pytest.mark.parametrize(("replacement", "expected"), [
    (PlusReplacement(), {0, 1, 101}),  # fitness 1/2, 1/2, and 1/3 of three
    (WorstReplacement(), {1, 100, 101}),  # 0 leaves when all four have 1/2, then 2 with 1/3
])  # fmt: skip
def test_plus_shares_once_among_all_and_worst_anew_for_every_child(replacement, expected):
    population = Population.of([[1, 0], [1, 0], [0, 1]], sharing=ImplicitSharing(eps=0))
    newcomers = np.array([[0.0, 1], [0, 1]])
    children = Offspring(np.arange(2), np.array([100, 101]), np.zeros((2, 2), dtype=np.int64), 0, 7, newcomers)
    assert survivors(replacement, population, children) == expected


# Differential evolution


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("shape", [(6, 9), (6, 3, 3), (54,), (54, 1), (1, 54), (2, 27)])
@pytest.mark.parametrize(("weight", "rate"), [(0.5, 0.9), (0, 0), (1, 1)])
def test_the_contract_of_differential_crossover(weight, rate, shape, dtype):
    check_crossover(DifferentialCrossover(weight, rate), REALS.reshape(shape).astype(dtype))


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_differential_crossover_of_tensors(dtype):
    torch = pytest.importorskip("torch")
    check_crossover(DifferentialCrossover(), torch.asarray(REALS, dtype=getattr(torch, dtype)))


def test_differential_crossover_refuses():
    with pytest.raises(ValueError, match="needs floating-point genomes, got int64"):
        DifferentialCrossover().cross(np.ones((2, 2), dtype=int), np.ones((2, 2), dtype=int), rng=generator(0))
    with pytest.raises(ValueError, match="works on arrays of genomes"):
        DifferentialCrossover().cross([1.0], [2.0], rng=generator(0))
    with pytest.raises(ValueError, match=r"weight=.*>= 0, got -1"):
        DifferentialCrossover(-1)
    with pytest.raises(ValueError, match=r"rate=.*from 0 to 1, got 2"):
        DifferentialCrossover(rate=2)


def differences(a, b, times, weight=0.7):
    """How often each pair of rows (r, s) made a child, by the row of the child; rows are 1, 10, 100, ... at CR = 1."""
    rng, scale = generator(11), sorted({*a, *b})
    steps = {round(x - y): (x, y) for x, y in permutations(scale, 2)} | {0: None}
    drawn = [Counter() for _ in a]
    for _ in range(times):
        children = DifferentialCrossover(weight, rate=1).cross(points(a), points(b), rng=rng)
        for counter, step in zip(drawn, ((children - points(b)) / weight)[:, 0], strict=True):
            counter[steps[round(step)]] += 1
    return drawn


def assert_uniform(counter, outcomes):
    n, p = counter.total(), 1 / len(outcomes)
    assert set(counter) == set(outcomes)
    assert all(abs(counter[o] - n * p) < 5 * math.sqrt(n * p * (1 - p)) for o in outcomes if p < 1)


def test_the_difference_is_of_two_others_uniformly():
    members = [1.0, 10.0, 100.0, 1000.0, 10000.0]
    a, b = members, members[1:] + members[:1]
    for x, y, drawn in zip(a, b, differences(a, b, 1000), strict=True):
        others = [member for member in members if member not in (x, y)]
        # Each ordered pair with the same probability, so that the mean of the difference is 0.
        assert_uniform(drawn, list(permutations(others, 2)))


def test_a_member_that_breeds_often_or_with_itself_is_one_genome():
    drawn = differences([1.0, 1.0, 1.0, 10.0], [1.0, 10.0, 100.0, 1.0], 600)
    assert_uniform(drawn[0], [(10.0, 100.0), (100.0, 10.0)])  # bred with itself: two others
    for others_are_too_few in drawn[1:]:
        assert_uniform(others_are_too_few, list(permutations([1.0, 10.0, 100.0], 2)))


def test_small_batches():
    assert_uniform(differences([1.0], [10.0], 500)[0], [(1.0, 10.0), (10.0, 1.0)])
    assert_uniform(differences([1.0], [1.0], 20)[0], [None])
    for drawn in differences([1.0, 10.0], [10.0, 1.0], 500):
        assert_uniform(drawn, [(1.0, 10.0), (10.0, 1.0)])
    assert_uniform(differences([5.0, 5.0, 5.0], [5.0, 5.0, 5.0], 20)[1], [None])


@pytest.mark.parametrize("rate", [0, 0.3, 0.9, 1])
def test_genes_come_from_v_with_the_rate_and_one_at_least(rate):
    # P(gene from v) = 1 - (1 - CR)(1 - 1/D); P(exactly one) = (1 - CR)^(D-1).
    n, size = 5000, 4
    a, b = np.zeros((n, size)), np.ones((n, size))
    from_b = DifferentialCrossover(0, rate).cross(a, b, rng=generator(2))
    assert set(np.unique(from_b)) <= {0, 1}
    assert from_b.any(axis=1).all()
    p = 1 - (1 - rate) * (1 - 1 / size)
    assert np.abs(from_b.sum(axis=0) - n * p).max() <= 5 * math.sqrt(n * p * (1 - p))
    p = (1 - rate) ** (size - 1)
    assert abs((from_b.sum(axis=1) == 1).sum() - n * p) <= 5 * math.sqrt(n * p * (1 - p))


def test_every_gene_is_moved_by_the_same_two_rows():
    rng = generator(4)
    a = rng.standard_normal((6, 5))
    b = a[[1, 0, 3, 2, 5, 4]]
    children = DifferentialCrossover(0.5, 0.6).cross(a, b, rng=rng)
    for i in range(6):
        others = [a[j] for j in range(6) if j not in (i, i ^ 1)]
        literal = [np.where(children[i] == a[i], a[i], b[i] + 0.5 * (r - s)) for r, s in permutations(others, 2)]
        assert sum(np.array_equal(children[i], child) for child in literal) == 1
        assert (children[i] != a[i]).any()


# In an evolution


def two_peaks(x):
    """Height 1 at 0.2 and 0.8 at 0.8, width 0.2."""
    return np.maximum(np.maximum(1 - abs(x - 0.2) / 0.2, 0.8 - abs(x - 0.8) / 0.25), 0)


def evolved(replacement, scorer, evaluations, size=20, *, crossover, mutation):
    evolution = Evolution(
        RealGenome(1, bounds=(0, 1)), scorer, sharing=RawSharing(), selector=ShuffleSelector(),
        mates=PairMateSelector(), crossover=crossover, mutation=mutation, replacement=replacement,
        population_size=size, batch_size=size, seed=1,
    )  # fmt: skip
    evolution.run(evaluations, progress=False)
    return evolution.population.genomes[:, 0]


@pytest.mark.parametrize(("replacement", "peaks"), [
    (DeterministicCrowdingReplacement(LINE), 2),
    (RestrictedTournamentReplacement(LINE), 2),
    (WorstReplacement(), 1),
    (PlusReplacement(), 1),
])  # fmt: skip
def test_crowding_keeps_both_peaks_for_200_generations(replacement, peaks):
    x = evolved(replacement, two_peaks, 4000, crossover=LerpCrossover(), mutation=GaussianMutation(0.02))
    near = [(abs(x - peak) < 0.01).any() for peak in (0.2, 0.8)]
    assert near == [True, peaks == 2]


def test_crowding_differential_evolution_finds_five_equal_peaks():
    # F2 of the CEC 2013 niching suite, to 1e-4 in height.
    x = evolved(
        RestrictedTournamentReplacement(LINE, window=50), lambda x: np.sin(5 * np.pi * np.clip(x, 0, 1)) ** 6, 5000,
        size=50, crossover=DifferentialCrossover(), mutation=None,
    )  # fmt: skip
    heights = np.sin(5 * np.pi * x) ** 6
    found = {round((place - 0.1) / 0.2) for place, height in zip(x, heights, strict=True) if height > 1 - 1e-4}
    assert found >= set(range(5))


# Species


def literal_conservation(members, scores, children, theirs, radius):
    """Li et al. 2002, figures 1 and 2, individual by individual; the numbers of the seeds and children that stay."""
    seeds = []
    for i in sorted(range(len(members)), key=lambda i: (-scores[i], i)):
        if all(abs(members[i] - members[j]) >= radius for j in seeds):
            seeds.append(i)
    place = {j: 100 + j for j in range(len(children))}
    processed = set()
    for i in seeds:
        free = [j for j in place if j not in processed]
        near = [j for j in free if abs(children[j] - members[i]) < radius]
        if near:
            worst = min(near, key=lambda j: theirs[j])
            if theirs[worst] < scores[i]:
                place[worst] = i
        elif free:
            worst = min(free, key=lambda j: theirs[j])
            place[worst] = i
        else:
            break
        processed.add(worst)
    return set(place.values())


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("radius", [0.5, 2.0, 30.0])
def test_species_are_conserved_as_in_the_source(seed, radius):
    rng = generator(seed)
    places, scores, children, theirs = rng.random((4, 12)) * 10
    population = population_of(places, scores)
    expected = literal_conservation(places, scores, children, theirs, radius)
    if len([i for i in expected if i < 100]) > 11:
        pytest.skip("a place is for a child")
    offspring = children_of([[0, 1]] * 12, children, theirs)
    assert survivors(SpeciesConservingReplacement(LINE, radius, share=1), population, offspring) == expected


def test_no_more_than_the_share_is_conserved():
    places = np.arange(8.0) * 10
    offspring = children_of([[0, 1]] * 8, places + 5, np.zeros(8))
    kept = survivors(SpeciesConservingReplacement(LINE, 1, share=0.25), population_of(places, places), offspring)
    assert {i for i in kept if i < 100} == {6, 7}
    assert len(kept) == 8


@pytest.mark.parametrize("crossover", [UniformCrossover(0.3), KPointCrossover(2)])
@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_complementary_children_lose_no_gene_of_their_parents(crossover, n):
    genomes = np.arange(n * 6).reshape(n, 6)  # each gene is one of a kind
    mates = PairMateSelector().mates(Population.of(np.ones((n, 1))), np.arange(n), rng=np.random.default_rng(0))
    children = ComplementaryCrossover(crossover).cross(genomes, genomes[mates], rng=np.random.default_rng(1))
    assert len(children) == n
    for i in range(0, n - 1, 2):
        np.testing.assert_array_equal(np.sort(children[i : i + 2], axis=0), genomes[i : i + 2])
    if n > 2:
        first = children[: n // 2 * 2 : 2] - genomes[: n // 2 * 2 : 2]
        assert len({row.tobytes() for row in first}) > 1  # not all pairs are crossed at the same genes
