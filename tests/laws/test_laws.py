"""What the operators do on average, with fixed seeds: counts within five standard deviations of their laws."""

import math
from itertools import combinations

import numpy as np
import pytest
from chance import assert_law

from evoniche import (
    AttractionMateSelector,
    BinaryGenome,
    BitFlipMutation,
    GaussianMutation,
    ImplicitSharing,
    IndependentMateSelector,
    IntegerGenome,
    IntegerResetMutation,
    KPointCrossover,
    OccasionalCrossover,
    OrderCrossover,
    PermutationGenome,
    Population,
    RankSelector,
    RealGenome,
    RouletteSelector,
    SlerpCrossover,
    SplitSlerpCrossover,
    SwapMutation,
    TournamentSelector,
    UniformCrossover,
    UniformMateSelector,
    UniformSelector,
)
from evoniche.functional import UNDECIDED, attracted, attraction, shared_fitness
from evoniche.randomness import generator, normal32, weighted_indices

N = 20_000


@pytest.fixture
def rng():
    return generator(20250714)


def assert_share(hits, probability):
    """A share of true values."""
    assert_law(np.asarray(hits).ravel().astype(np.intp), [1 - probability, probability])


def assert_distribution(numbers, cumulated):
    """Kolmogorov and Smirnov: the largest gap between the empirical distribution and F, at a level of 1 in 1000."""
    x = np.sort(np.asarray(numbers, dtype=np.float64).ravel())
    n = len(x)
    gap = np.abs(cumulated(x) - (np.arange(n) + 0.5) / n).max() + 0.5 / n
    assert gap * math.sqrt(n) < 1.95, gap * math.sqrt(n)


def uniform(x):
    return np.clip(x, 0, 1)


def normal(x):
    return 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def population_of(scores, sharing=None):
    return Population.of(np.asarray(scores, dtype=np.float64), sharing=sharing)


# Generators and draws.


def test_a_generator_is_its_seed_and_key():
    assert (generator(5, 3).random(9) == generator(5, 3).random(9)).all()
    keys = [(0,), (0, 0), (0, 1), (1,), (1, 0), (0, 0, 0), (2**70,), (2**70, 1)]
    first = {generator(*key).integers(2**63).item() for key in keys}
    assert len(first) == len(keys)


def test_a_generator_is_the_same_in_every_version():
    """A saved run goes on from two integers: these are SFC64's first numbers for them."""
    assert generator(0).bit_generator.random_raw(2).tolist() == [10490465040999277362, 4331856608414834465]
    assert generator(0, 3).bit_generator.random_raw(2).tolist() == [17976938584401502244, 14153464326958891077]


def test_generators_of_neighbouring_keys_are_independent():
    streams = np.array([generator(seed, key).random(2000) for seed in (0, 1) for key in range(20)])
    correlation = np.corrcoef(streams)[np.triu_indices(len(streams), 1)]
    assert np.abs(correlation).max() * math.sqrt(2000) < 5
    assert_distribution(streams[:, 0], uniform)  # across keys
    assert_distribution(streams, uniform)


def test_weighted_indices(rng):
    weights = np.array([0, 1, 0, 2, 5, 0, 1e-12, 0])
    assert_law(weighted_indices(weights, N, rng=rng), np.where(weights < 1e-9, 0, weights) / 8)


def test_weighted_indices_of_a_row_each(rng):
    rows = np.array([[0, 1, 3, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 7]], dtype=np.float64)
    drawn = weighted_indices(np.tile(rows, (N // 4, 1)), N, rng=rng).reshape(-1, 4)
    for column, p in zip(drawn.T, [[0, 0.25, 0.75, 0], [0.5, 0.5, 0, 0], [0.25] * 4, [0, 0, 0, 1]], strict=True):
        assert_law(column, p)


def test_weighted_indices_without_any_weight_are_uniform(rng):
    assert_law(weighted_indices(np.zeros(5), N, rng=rng), [0.2] * 5)


class Spin:
    """An rng whose numbers are as near to 0 or 1 as they get."""

    def __init__(self, value):
        self.value = value

    def random(self, n):
        return np.full(n, self.value)


@pytest.mark.parametrize("spin", [0, 1 - 2**-53])
@pytest.mark.parametrize("scale", [1e-320, 1e-30, 1 / 3, 1, 1e300])
def test_members_without_weight_are_never_drawn(spin, scale):
    weights = scale * np.array([0, 0, 1, 0.1, 0.7, 0, 0])
    last = 2 if spin == 0 else 4
    assert weighted_indices(weights, 3, rng=Spin(spin)).tolist() == [last] * 3
    assert weighted_indices(np.tile(weights, (3, 1)), 3, rng=Spin(spin)).tolist() == [last] * 3


@pytest.mark.parametrize("shape", [(200_001,), (10, 10, 1000)])
def test_normal32_is_normal(shape, rng):
    numbers = normal32(shape, rng=rng)
    assert numbers.shape == shape
    assert numbers.dtype == np.float32
    assert np.abs(numbers).max() < 5.8
    assert_distribution(numbers, normal)


def test_moments_of_normal32(rng):
    numbers = normal32((1_000_000,), rng=rng).astype(np.float64)
    # Mean, variance, skewness, kurtosis: 0, 1, 0, 3, and the variances of their estimates, 1, 2, 15, 96.
    moments = np.array([np.mean(numbers**power) for power in (1, 2, 3, 4)])
    assert (np.abs(moments - [0, 1, 0, 3]) < 5 * np.sqrt(np.array([1, 2, 15, 96]) / 1_000_000)).all()


def test_normal32_numbers_are_independent(rng):
    numbers = normal32((N,), rng=rng).astype(np.float64)
    for lag in (1, 2, N // 2):  # sine and cosine of one angle are half of the array apart
        for power in (1, 2):
            x = numbers**power - np.mean(numbers**power)
            correlation = np.mean(x[lag:] * x[:-lag]) / np.var(x)
            assert abs(correlation) * math.sqrt(N - lag) < 5


# Selectors.

FITNESS = np.array([3.0, 0.0, 1.0, 6.0])


def test_roulette_is_proportional_to_fitness(rng):
    assert_law(RouletteSelector().select(population_of(FITNESS[:, None]), N, rng=rng), FITNESS / 10)


def test_roulette_draws_by_shared_fitness(rng):
    scores = [[1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 1, 1]]
    drawn = RouletteSelector().select(population_of(scores, ImplicitSharing()), N, rng=rng)
    assert_law(drawn, np.array([1 / 3 + 1, 1 / 3, 1 / 3 + 2]) / 4)


def test_roulette_without_any_fitness_is_uniform(rng):
    assert_law(RouletteSelector().select(population_of(np.zeros((4, 2))), N, rng=rng), [0.25] * 4)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_tournament(size, rng):
    chosen = TournamentSelector(size).select(population_of(FITNESS[:, None]), N, rng=rng)
    up_to = (np.arange(5) / 4) ** size  # P(rank <= r) = (r / P)**size
    assert_law(FITNESS.argsort().argsort()[chosen], np.diff(up_to))


def test_tournament_of_equals_is_uniform(rng):
    assert_law(TournamentSelector(3).select(population_of(np.ones((4, 2))), N, rng=rng), [0.25] * 4)


@pytest.mark.parametrize(("by", "of_the_last"), [("fitness", 1 - 0.8**2), ("score", 0.2**2)])
def test_tournament_by_score_asks_for_the_mean_and_not_for_the_fitness(by, of_the_last, rng):
    """Four share what they solve; the last solves less, and alone."""
    population = population_of([[1, 1, 1, 0]] * 4 + [[0, 0, 0, 1]], ImplicitSharing())
    chosen = TournamentSelector(2, by=by).select(population, N, rng=rng)
    assert_law((chosen == 4).astype(int), [1 - of_the_last, of_the_last])


@pytest.mark.parametrize("pressure", [1, 1.5, 2])
def test_linear_ranking(pressure, rng):
    chosen = RankSelector(pressure).select(population_of(FITNESS[:, None]), N, rng=rng)
    expected_children = np.linspace(2 - pressure, pressure, 4)  # of worst to best
    assert_law(FITNESS.argsort().argsort()[chosen], expected_children / 4)


def test_linear_ranking_of_equals(rng):
    chosen = RankSelector(2).select(population_of([[1], [5], [1], [0]]), N, rng=rng)
    assert_law(chosen, np.array([1, 2, 1, 0]) / 4)


def test_uniform_selection(rng):
    assert_law(UniformSelector().select(population_of(FITNESS[:, None]), N, rng=rng), [0.25] * 4)


# Mates.

GRADED = [[0.2, 0.9, 0, 0.5], [0.7, 0.1, 0, 0.5], [0, 0.3, 0.8, 0], [0.2, 1, 0.1, 0.6]]
BINARY = [[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 1, 1]]


def first_parents(parent, n=N):
    return np.full(n, parent, dtype=np.intp)


@pytest.mark.parametrize("scores", [GRADED, BINARY])
@pytest.mark.parametrize("options", [{}, {"capacity": "max", "relative": True}, {"capacity": [0, 1, 5, 2]}])
def test_attraction(scores, options, rng):
    population = population_of(scores)
    for parent in range(3):
        g = attraction(population.scores, [parent], **options)[0]
        mates = AttractionMateSelector(**options).mates(population, first_parents(parent), rng=rng)
        assert_law(mates, g / g.sum())


def test_attraction_of_different_first_parents_at_once(rng):
    population = population_of(BINARY)
    mates = AttractionMateSelector().mates(population, np.arange(N) % 4, rng=rng)
    for parent, g in enumerate(attraction(population.scores, range(4))):
        assert_law(mates[parent::4], g / g.sum())


def test_who_is_attracted_by_nobody_mates_by_fitness_but_not_with_itself(rng):
    population = population_of([[1, 1, 1], [1, 0, 0], [1, 1, 0], [0, 0, 0]], ImplicitSharing())
    f = shared_fitness(population.scores)
    f[0] = 0
    # The second half is attracted, and not concerned.
    first = np.repeat([0, 1], N // 2)
    mates = AttractionMateSelector().mates(population, first, rng=rng)
    assert_law(mates[: N // 2], f / f.sum())
    g = attraction(population.scores, [1])[0]
    assert_law(mates[N // 2 :], g / g.sum())


@pytest.mark.parametrize("scores", [[[0, 0]] * 4, [[0, 0], [0, 0], [5, 1], [0, 0]]])
def test_where_no_other_has_any_fitness_each_is_as_good_a_mate(scores, rng):
    mates = AttractionMateSelector().mates(population_of(scores), first_parents(2), rng=rng)
    assert_law(mates, np.array([1, 1, 0, 1]) / 3)


@pytest.mark.parametrize("selector", [AttractionMateSelector(), UniformMateSelector()])
@pytest.mark.parametrize("score", [0, 1])
def test_who_is_alone_mates_with_itself(selector, score, rng):
    assert selector.mates(population_of([[score]]), first_parents(0, 3), rng=rng).tolist() == [0, 0, 0]


def test_uniform_mates(rng):
    mates = UniformMateSelector().mates(population_of(BINARY), np.arange(N) % 4, rng=rng)
    for parent in range(4):
        assert_law(mates[parent::4], np.where(np.arange(4) == parent, 0, 1 / 3))


def test_independent_mates_are_drawn_like_first_parents(rng):
    mates = IndependentMateSelector(RouletteSelector()).mates(
        population_of(FITNESS[:, None]), first_parents(3), rng=rng
    )
    assert_law(mates, FITNESS / 10)


# Crossovers. With zeros and ones for parents, a child's genes say whence they come.


def zeros_and_ones(length, n=N):
    return np.zeros((n, length), dtype=np.int64), np.ones((n, length), dtype=np.int64)


@pytest.mark.parametrize("rate", [0, 0.3, 0.5, 1])
def test_uniform_crossover(rate, rng):
    from_mate = UniformCrossover(rate).cross(*zeros_and_ones(6, N // 6), rng=rng)
    for gene in from_mate.T:
        assert_share(gene, rate)
    pairs = from_mate[:, 0] + 2 * from_mate[:, 1]  # genes do not depend on each other
    assert_law(pairs, [(1 - rate) ** 2, rate * (1 - rate), rate * (1 - rate), rate**2])


@pytest.mark.parametrize("points", [1, 2, 3, 5])
def test_k_point_crossover(points, rng):
    from_mate = KPointCrossover(points).cross(*zeros_and_ones(6), rng=rng)
    cuts = np.diff(from_mate, axis=1) != 0  # (n, 5)
    assert (cuts.sum(axis=1) == points).all()
    sets = list(combinations(range(5), points))
    place = {sum(1 << cut for cut in cut_set): i for i, cut_set in enumerate(sets)}
    assert_law([place[code] for code in (cuts @ (1 << np.arange(5))).tolist()], [1 / len(sets)] * len(sets))
    for column in from_mate.T:  # the first segment is from either, so is every gene
        assert_share(column, 0.5)


def textbook_order_crossover(a, b, start, stop):
    """Davis's OX: a[start:stop] stays, the others of b follow from `stop` on, around the end."""
    length = len(a)
    child = [None] * length
    child[start:stop] = a[start:stop]
    others = [b[(stop + i) % length] for i in range(length) if b[(stop + i) % length] not in a[start:stop]]
    for i, gene in enumerate(others):
        child[(stop + i) % length] = gene
    return tuple(child)


def test_order_crossover_is_the_textbook_s(rng):
    a, b = [3, 0, 4, 1, 5, 2], [5, 4, 3, 2, 1, 0]
    children = OrderCrossover().cross(np.tile(a, (N, 1)), np.tile(b, (N, 1)), rng=rng)
    cuts = [(start, stop) for start in range(7) for stop in range(start, 7)]
    textbook = {}  # child -> how many of the 7 x 7 pairs of cuts make it
    for start, stop in cuts:
        child = textbook_order_crossover(a, b, start, stop)
        textbook[child] = textbook.get(child, 0) + (1 if start == stop else 2)
    place = {child: i for i, child in enumerate(textbook)}
    assert len(place) > 10
    assert_law([place[child] for child in map(tuple, children.tolist())], np.array(list(textbook.values())) / 49)


def test_order_crossover_of_random_parents(rng):
    a, b = (PermutationGenome(6).sample(200, rng=rng) for _ in range(2))
    cuts = [(start, stop) for start in range(7) for stop in range(start, 7)]
    for x, y, child in zip(a.tolist(), b.tolist(), OrderCrossover().cross(a, b, rng=rng).tolist(), strict=True):
        assert tuple(child) in {textbook_order_crossover(x, y, *cut) for cut in cuts}


def test_textbook_order_crossover():
    """The example of Eiben and Smith 2015, section 4.5.1."""
    a, b = [1, 2, 3, 4, 5, 6, 7, 8, 9], [9, 3, 7, 8, 2, 6, 5, 1, 4]
    assert textbook_order_crossover(a, b, 3, 7) == (3, 8, 2, 4, 5, 6, 7, 1, 9)


@pytest.mark.parametrize("angle", ["whole", "part"])
def test_split_slerp_splits_anywhere_with_any_ratio(angle, rng):
    # SLERP of 1 and 0 is linear: a gene is its parent's share, 1 - w_m before the split and w_m after it.
    ones, zeros = np.ones((N, 6)), np.zeros((N, 6))
    child = SplitSlerpCrossover(angle).cross(ones, zeros, rng=rng)
    ratio = 1 - child[:, 0]
    head = np.isclose(child, 1 - ratio[:, None])
    split = head.sum(axis=1)
    assert (np.isclose(child, ratio[:, None]) | head).all()
    assert (head[:, :-1] >= head[:, 1:]).all()  # one split
    assert_law(split, [0, *[1 / 5] * 5])
    assert_distribution(ratio, uniform)
    for place in range(1, 6):
        assert_distribution(ratio[split == place], uniform)  # whatever the split


def test_slerp_has_any_ratio(rng):
    child = SlerpCrossover().cross(np.ones((N, 3)), np.zeros((N, 3)), rng=rng)
    assert (child == child[:, :1]).all()
    assert_distribution(child[:, 0], uniform)


# Mutations.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gaussian_noise(dtype, rng):
    genomes = np.full((N, 3), 10, dtype=dtype)
    noise = GaussianMutation(0.5).mutate(genomes, rng=rng) - 10
    assert_distribution(noise.astype(np.float64) / 0.5, normal)
    correlation = np.corrcoef(noise.T)[np.triu_indices(3, 1)]
    assert np.abs(correlation).max() * math.sqrt(N) < 5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gaussian_noise_on_a_share_of_the_genes(dtype, rng):
    noise = GaussianMutation(2, rate=0.3).mutate(np.zeros((N, 3), dtype=dtype), rng=rng)
    for gene in noise.T:
        assert_share(gene != 0, 0.3)
    assert_distribution(noise[noise != 0] / 2, normal)


@pytest.mark.parametrize(("rate", "expected"), [(None, 1 / 8), (0, 0), (0.3, 0.3), (1, 1)])
def test_bit_flips(rate, expected, rng):
    bits = BinaryGenome(8).sample(N, rng=rng)
    flipped = bits ^ BitFlipMutation(rate).mutate(bits, rng=rng)
    for place in range(8):
        assert_share(flipped[:, place], expected)
    assert_share(flipped[bits], expected)


@pytest.mark.parametrize(("rate", "expected"), [(None, 1 / 5), (0, 0), (0.4, 0.4), (1, 1)])
def test_integers_are_drawn_anew(rate, expected, rng):
    mutants = IntegerResetMutation(-1, 3, rate=rate).mutate(np.full((N, 5), 99), rng=rng)
    for gene in mutants.T:
        assert_share(gene != 99, expected)
    if expected:
        assert_law(mutants[mutants != 99] + 1, [0.25] * 4)


def test_integers_are_drawn_within_the_bounds_of_their_gene(rng):
    mutants = IntegerResetMutation([0, 10, -2], [2, 11, 3], rate=1).mutate(np.zeros((N, 3), dtype=int), rng=rng)
    assert_law(mutants[:, 0], [0.5, 0.5])
    assert (mutants[:, 1] == 10).all()
    assert_law(mutants[:, 2] + 2, [0.2] * 5)


def test_swap_exchanges_two_places(rng):
    orders = PermutationGenome(5).sample(N, rng=rng)
    mutants = SwapMutation().mutate(orders, rng=rng)
    assert (np.sort(mutants, axis=1) == np.arange(5)).all()
    changed = mutants != orders
    assert (changed.sum(axis=1) == 2).all()
    place = {(1 << i) + (1 << j): index for index, (i, j) in enumerate(combinations(range(5), 2))}
    assert_law([place[code] for code in (changed @ (1 << np.arange(5))).tolist()], [1 / 10] * 10)


def test_two_swaps_change_none_three_or_four_places(rng):
    orders = np.tile(np.arange(5), (N, 1))
    changed = (SwapMutation(2).mutate(orders, rng=rng) != orders).sum(axis=1)
    # The second exchange takes the same two places, one of them, or neither: 1, 6 and 3 of 10 pairs.
    assert_law(changed, [0.1, 0, 0, 0.6, 0.3])


# Genomes.


def test_permutations_are_uniform(rng):
    orders = PermutationGenome(4).sample(N, rng=rng)
    place = {order: i for i, order in enumerate(sorted({tuple(order) for order in orders.tolist()}))}
    assert len(place) == 24
    assert_law([place[tuple(order)] for order in orders.tolist()], [1 / 24] * 24)


def test_bits_are_fair(rng):
    bits = BinaryGenome(3).sample(N, rng=rng)
    assert_law(bits @ [1, 2, 4], [1 / 8] * 8)


def test_integers_are_uniform_between_their_bounds(rng):
    genes = IntegerGenome(2, [-1, 5], [2, 10]).sample(N, rng=rng)
    assert_law(genes[:, 0] + 1, [1 / 3] * 3)
    assert_law(genes[:, 1] - 5, [1 / 5] * 5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reals_are_normal_or_uniform(dtype, rng):
    genes = RealGenome(2, std=3, dtype=dtype).sample(N, rng=rng)
    assert genes.dtype == dtype
    assert_distribution(genes / 3, normal)
    bounded = RealGenome(2, bounds=([0, -2], [1, 6]), dtype=dtype).sample(N, rng=rng)
    assert_distribution(bounded[:, 0], uniform)
    assert_distribution((bounded[:, 1] + 2) / 8, uniform)


# All of them.

REALS = np.random.default_rng(0).standard_normal((2, 40, 30))
BITS = REALS > 0
ORDERS = PermutationGenome(30).sample(40, rng=generator(0))


@pytest.mark.parametrize("draw", [
    lambda rng: BinaryGenome(30).sample(40, rng=rng),
    lambda rng: IntegerGenome(30, 0, 9).sample(40, rng=rng),
    lambda rng: PermutationGenome(30).sample(40, rng=rng),
    lambda rng: RealGenome(30).sample(40, rng=rng),
    lambda rng: KPointCrossover().cross(*REALS, rng=rng),
    lambda rng: OrderCrossover().cross(ORDERS, ORDERS[::-1], rng=rng),
    lambda rng: SlerpCrossover().cross(*REALS, rng=rng),
    lambda rng: SplitSlerpCrossover().cross(*REALS, rng=rng),
    lambda rng: UniformCrossover().cross(*REALS, rng=rng),
    lambda rng: BitFlipMutation().mutate(BITS[0], rng=rng),
    lambda rng: GaussianMutation(1).mutate(REALS[0], rng=rng),
    lambda rng: IntegerResetMutation(0, 9, rate=0.5).mutate(ORDERS, rng=rng),
    lambda rng: SwapMutation().mutate(ORDERS, rng=rng),
])  # fmt: skip
def test_each_genome_and_each_generator_draws_anew(draw):
    one, other = draw(generator(1)), draw(generator(2))
    assert (one != other).any(axis=1).sum() > 35
    assert len(np.unique(one, axis=0)) > 35


def test_occasional_crossover_leaves_the_others_as_their_first_parents_are(rng):
    crossover = OccasionalCrossover(UniformCrossover(1), 0.3)  # a child is its mate
    children = crossover.cross(np.arange(N)[:, None], -1 - np.arange(N)[:, None], rng=rng)[:, 0]
    crossed = children < 0
    assert (np.where(crossed, -1 - children, children) == np.arange(N)).all()
    assert_share(crossed, 0.3)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("capacity", ["one", "max", [0, 1, 2.5, 1, 1]])
def test_many_mates_by_trials_follow_attraction(rng, capacity, relative):
    scores = 0.5 + rng.random((6, 5))
    importance = np.array([1, 2, 0, 3, 1])
    options = {"capacity": capacity, "relative": relative, "importance": importance}
    weights = attraction(scores, [2], **options)[0]
    mates = attracted(scores, np.full(N, 2), trials=400, rng=rng, **options)
    assert (mates == UNDECIDED).mean() < 0.001
    assert_law(mates[mates != UNDECIDED], weights / weights.sum())
    few = attracted(scores, np.full(N, 2), trials=1, rng=rng, **options)
    assert_law(few[few != UNDECIDED], weights / weights.sum())


def test_nobody_is_found_for_who_is_attracted_by_nobody(rng):
    scores = np.array([[0.9, 0.9], [0.5, 0.2], [0.3, 0.8]])
    assert (attracted(scores, [0, 0], rng=rng) == UNDECIDED).all()
    mates = AttractionMateSelector(capacity="max").mates(Population.of(scores), np.zeros(N, dtype=np.intp), rng=rng)
    assert_law(mates, [0, 0.7 / 1.8, 1.1 / 1.8])
