"""Each way of sharing against a value that was found otherwise: by hand, by enumeration, by another library."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from evoniche import (
    Evolution,
    Offspring,
    Population,
    RawSharing,
    RealGenome,
    Replacement,
    RouletteSelector,
    UniformMateSelector,
    UniformSelector,
    WorstReplacement,
)
from evoniche.sharing import (
    AdaptiveSharing,
    AntigenSharing,
    ClearingSharing,
    ExplicitSharing,
    NoveltySharing,
    SpeciationSharing,
)
from evoniche.testing import check_sharing

RNG = np.random.default_rng(0)
POINTS = RNG.random((9, 2))
GRADED = RNG.random((9, 6))
V = np.array([0, 1, 2, 0.5, 3, 1])
PLANE = RealGenome(2)


def on_a_line(a, b):
    """Genomes are numbers."""
    return np.abs(np.asarray(a, dtype=float)[:, None] - np.asarray(b, dtype=float))


def fitness(sharing, scores, genomes=None, importance=None):
    return Population.of(scores, genomes, sharing, importance).fitness


def raw(scores, importance=None):
    return fitness(RawSharing(), scores, importance=importance)


def child(number, scores, genome=None):
    genome = [[float(number), 0.0]] if genome is None else [genome]
    return Offspring(np.array(genome), np.array([number]), np.full((1, 2), -1), number, 0, np.array([scores]))


SHARINGS = [
    AdaptiveSharing(),
    AdaptiveSharing(1, 0.5, 0.1),
    AntigenSharing(1),
    AntigenSharing(3),
    AntigenSharing(100),
    AntigenSharing(2, 50),
    AntigenSharing(100, draws=1),
    *[
        sharing
        for distance in (PLANE, PLANE.distance, "scores")
        for sharing in (
            ExplicitSharing(distance, 0.3),
            ExplicitSharing(distance, 1e-300, 2),
            ClearingSharing(distance, 0.3),
            ClearingSharing(distance, 0, 2),
            SpeciationSharing(distance, 0.3),
            SpeciationSharing(distance, 0),
            NoveltySharing(distance),
            NoveltySharing(distance, 1),
        )
    ],
]
BY_DISTANCE = [ExplicitSharing, ClearingSharing, SpeciationSharing]
FOLLOW_FROM_THE_MEMBERS = [
    AntigenSharing(3),
    ExplicitSharing(PLANE, 0.5, 2),
    ClearingSharing(PLANE, 0.5, 2),
    SpeciationSharing(PLANE, 0.5),
    NoveltySharing(PLANE, 3),
]


# --- all of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sharing", SHARINGS, ids=repr)
@pytest.mark.parametrize("genomes", [POINTS, np.zeros((2, 2))], ids=["points", "one point"])
def test_contract(sharing, genomes):
    check_sharing(sharing, genomes=genomes)


@pytest.mark.parametrize("sharing", FOLLOW_FROM_THE_MEMBERS, ids=repr)
@pytest.mark.parametrize("importance", [None, V], ids=["equal", "weighted"])
def test_it_stays_true_while_members_come_and_go(sharing, importance):
    rng = np.random.default_rng(1)
    population = Population(7, sharing, importance)
    for i in range(60):
        WorstReplacement().replace(population, child(i, rng.random(6), rng.random(2)))
        assert population.fitness.shape == (len(population),)
        if i % 7 == 6:
            population.remove(rng.integers(len(population), size=2))
        # From scratch, in the order of age, as `of` gives ids.
        old = population.ids.argsort()
        afresh = fitness(sharing, population.scores[old], population.genomes[old], importance)
        np.testing.assert_allclose(population.fitness[old], afresh, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sharing", [
    AdaptiveSharing(30), AntigenSharing(3), ExplicitSharing(PLANE, 0.5), SpeciationSharing(PLANE, 0.5),
    NoveltySharing(PLANE, 40), NoveltySharing("scores", 40), ExplicitSharing("scores", 0.5),
], ids=repr)  # fmt: skip
def test_equals_are_equally_fit_to_the_last_bit(sharing, dtype, weighted):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        who, cases = rng.integers(4, size=61), 3 + 7 * seed
        scores = rng.random((4, cases)).astype(dtype)[who]
        found = fitness(sharing, scores, POINTS[who], rng.random(cases) if weighted else None)
        for kind in range(4):
            assert len(set(found[who == kind].tolist())) == 1


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: ExplicitSharing("genomes", 1), TypeError, r"ExplicitSharing\(distance=...\) must be a Genome"),
    (lambda: ExplicitSharing(PLANE, 0), ValueError, r"ExplicitSharing\(radius=...\) must be a number > 0, got 0"),
    (lambda: ExplicitSharing(PLANE, 1, 0), ValueError, r"alpha=...\) must be a number > 0"),
    (lambda: ClearingSharing(None, 1), TypeError, r"ClearingSharing\(distance=...\)"),
    (lambda: ClearingSharing(PLANE, -1), ValueError, r"radius=...\) must be a number >= 0"),
    (lambda: ClearingSharing(PLANE, 1, 0), ValueError, r"capacity=...\) must be a whole number >= 1"),
    (lambda: SpeciationSharing(3, 1), TypeError, r"SpeciationSharing\(distance=...\)"),
    (lambda: SpeciationSharing(PLANE, math.inf), ValueError, r"threshold=...\) must be a number >= 0"),
    (lambda: NoveltySharing(RealGenome), TypeError, r"NoveltySharing\(distance=...\)"),
    (lambda: NoveltySharing(PLANE, 0), ValueError, r"neighbours=...\) must be a whole number >= 1"),
    (lambda: AntigenSharing(0), ValueError, r"sample_size=...\) must be a whole number >= 1"),
    (lambda: AntigenSharing(1, 0), ValueError, r"draws=...\) must be a whole number >= 1"),
    (lambda: AdaptiveSharing(0), ValueError, r"interval=...\) must be a whole number >= 1"),
    (lambda: AdaptiveSharing(1, 0), ValueError, r"step=...\) must be a number > 0"),
    (lambda: AdaptiveSharing(1, 1, 0), ValueError, r"threshold=...\) must be a number > 0"),
])  # fmt: skip
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


# A measure that gives the same array each time, and rounding errors where there should be 0.
TABLE = PLANE.distance(POINTS, POINTS) + 1e-9


@pytest.mark.parametrize("sharing", [sharing(lambda a, b: TABLE, 0.3) for sharing in BY_DISTANCE]
                         + [NoveltySharing(lambda a, b: TABLE, 3)])  # fmt: skip
def test_a_measure_of_ones_own_stays_as_it_is(sharing):
    before = TABLE.copy()
    exact = type(sharing)(PLANE, *([3] if isinstance(sharing, NoveltySharing) else [0.3]))
    np.testing.assert_allclose(fitness(sharing, GRADED, POINTS), fitness(exact, GRADED, POINTS), rtol=1e-6)
    np.testing.assert_array_equal(TABLE, before)
    assert (fitness(type(sharing)(lambda a, b: TABLE, 1), GRADED, POINTS) <= raw(GRADED).max()).all()


@pytest.mark.parametrize("sharing", BY_DISTANCE)
def test_a_rounding_error_of_a_members_distance_from_itself_does_no_harm(sharing):
    at_zero = sharing(lambda a, b: np.full((len(a), len(b)), 1e-9), 1e-9 / 2)
    np.testing.assert_array_equal(fitness(at_zero, GRADED, POINTS), raw(GRADED))


# --- explicit -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("importance", [None, V], ids=["equal", "weighted"])
@pytest.mark.parametrize(("radius", "alpha"), [(0.3, 1), (0.7, 2), (0.5, 0.5), (10, 1)])
def test_explicit_sharing_is_the_double_sum(radius, alpha, importance):
    weights = np.ones(6) if importance is None else importance * 6 / importance.sum()
    expected = []
    for i in range(9):
        count = 0.0
        for k in range(9):
            d = math.dist(POINTS[i], POINTS[k])
            count += 1 - (d / radius) ** alpha if d < radius else 0
        assert count >= 1
        expected.append(sum(GRADED[i] * weights) / count)
    found = fitness(ExplicitSharing(PLANE, radius, alpha), GRADED, POINTS, importance)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_explicit_sharing_of_two_peaks():
    """Heights 3 and 1 with 6 and 2 members: proportional to height, so that all are equally fit."""
    genomes = np.array([0.0] * 6 + [5.0] * 2)
    scores = np.array([3.0] * 6 + [1.0] * 2)[:, None]
    assert fitness(ExplicitSharing(on_a_line, 4), scores, genomes).tolist() == [0.5] * 8
    # sh(5) = 1/2 across the peaks: counts are 6 + 2/2 and 2 + 6/2.
    np.testing.assert_allclose(fitness(ExplicitSharing(on_a_line, 10), scores, genomes), [3 / 7] * 6 + [1 / 5] * 2)


def test_explicit_sharing_counts_the_member_itself_and_divides():
    """Alone in its niche a member keeps what it scores; with self left out that would be infinite."""
    scores = np.array([[2.0], [3.0], [3.0]])
    assert fitness(ExplicitSharing(on_a_line, 1), scores, [0, 7, 7]).tolist() == [2, 1.5, 1.5]
    assert fitness(ExplicitSharing(on_a_line, 7), scores, [0, 7, 7]).tolist() == [2, 1.5, 1.5]  # d < radius


def test_the_distance_of_scores():
    by_genomes = fitness(ExplicitSharing(RealGenome(6), 0.9), GRADED, GRADED)
    np.testing.assert_allclose(fitness(ExplicitSharing("scores", 0.9), GRADED), by_genomes, rtol=1e-12)
    assert (by_genomes < raw(GRADED)).any()


# --- clearing -------------------------------------------------------------------------------------------------------

# On a line at 0, 1, 2, 3, 10, 11: the best is at 1, then 3, 2, 0; and 11 before 10.
LINE = [0, 1, 2, 3, 10, 11]
HEIGHTS = np.array([[3.0], [9], [5], [7], [1], [2]])


@pytest.mark.parametrize(("radius", "capacity", "expected"), [
    (1.5, 1, [0, 9, 0, 7, 0, 2]),  # 1 clears 0 and 2; 3 is not near 1
    (2, 1, [0, 9, 0, 7, 0, 2]),  # 3 is at a distance of 2, which is not < 2
    (2.5, 1, [0, 9, 0, 0, 0, 2]),
    (2.5, 2, [0, 9, 0, 7, 1, 2]),
    (1.5, 2, [0, 9, 5, 7, 1, 2]),  # 1 keeps 2 and clears 0; 3 has 2 as its second
    (2.5, 3, [0, 9, 5, 7, 1, 2]),
    (0, 1, [3, 9, 5, 7, 1, 2]),
    (100, 1, [0, 9, 0, 0, 0, 0]),
    (100, 2, [0, 9, 0, 7, 0, 0]),
    (100, 6, [3, 9, 5, 7, 1, 2]),
])  # fmt: skip
def test_clearing_by_hand(radius, capacity, expected):
    assert fitness(ClearingSharing(on_a_line, radius, capacity), HEIGHTS, LINE).tolist() == expected


def test_clearing_keeps_the_oldest_of_equals():
    population = Population(5, ClearingSharing(on_a_line, 1, 2))
    ids = np.array([7, 3, 9, 5])
    population.add(Offspring([0, 0, 0, 0], ids, np.full((4, 2), -1), 0, 0, np.ones((4, 1))))
    assert dict(zip(population.ids.tolist(), population.fitness.tolist(), strict=True)) == {3: 1, 5: 1, 7: 0, 9: 0}


def cleared_by_the_paper(scores, genomes, radius, kappa):
    """Petrowski 1996, figure 1, on lists."""
    P = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    f = list(scores)
    for i in range(len(P)):
        if f[P[i]] > 0:
            winners = 1
            for j in range(i + 1, len(P)):
                if f[P[j]] > 0 and math.dist(genomes[P[i]], genomes[P[j]]) < radius:
                    if winners < kappa:
                        winners += 1
                    else:
                        f[P[j]] = 0
    return f


@pytest.mark.parametrize("kappa", [1, 2, 3])
@pytest.mark.parametrize("radius", [0, 0.1, 0.3, 0.6, 2])
def test_clearing_is_the_papers_procedure(radius, kappa):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        genomes, scores = rng.random((30, 2)), rng.integers(0, 8, size=(30, 1)).astype(float)
        found = fitness(ClearingSharing(PLANE, radius, kappa), scores, genomes)
        expected = cleared_by_the_paper(scores[:, 0].tolist(), genomes, radius, kappa)
        assert found.tolist() == expected
        assert found[scores[:, 0].argmax()] == scores.max()  # upside down, it would be the first to go
        if kappa == 1:
            winners = np.flatnonzero(found)
            apart = PLANE.distance(genomes[winners], genomes[winners])
            assert (apart[~np.eye(len(winners), dtype=bool)] >= radius).all()
        if radius == 2:
            assert np.count_nonzero(found) == kappa
        if radius == 0:
            np.testing.assert_array_equal(found, scores[:, 0])


# --- speciation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("threshold", "sizes"), [
    (0, [2, 1, 2, 1, 1, 1]),
    (2, [3, 3, 3, 2, 2, 1]),  # 0 with 2; 5, for which 0 is too far, with 3; so 3 does not go to 2, which is no founder
    (3, [4, 4, 4, 4, 2, 2]),
    (9, [6] * 6),
])
def test_species_by_hand(threshold, sizes):
    genomes, scores = [0, 2, 0, 3, 5, 8], np.arange(1.0, 7)[:, None]
    found = fitness(SpeciationSharing(on_a_line, threshold), scores, genomes)
    np.testing.assert_allclose(found, scores[:, 0] / sizes, rtol=1e-15)


def test_the_oldest_represents_its_species_wherever_it_stands():
    """Of 0, 1 and 2 the middle one is the oldest, and all are near it; from either end they are not."""
    for order in itertools.permutations([(11, 0), (10, 1), (12, 2)]):
        population = Population(3, SpeciationSharing(on_a_line, 1))
        ids, genomes = zip(*order, strict=True)
        population.add(Offspring([*genomes], np.array(ids), np.full((3, 2), -1), 0, 0, np.full((3, 1), 6.0)))
        assert population.fitness.tolist() == [2, 2, 2]
        population.remove(int(population.ids.argmin()))
        assert population.fitness.tolist() == [6, 6]


def test_every_member_joins_the_first_species_that_takes_it():
    rng = np.random.default_rng(3)
    for _ in range(10):
        genomes = rng.random((40, 2))
        species = []
        for i in range(40):
            home = next((s for s in species if math.dist(genomes[s[0]], genomes[i]) <= 0.25), None)
            species.append([i]) if home is None else home.append(i)
        assert 1 < len(species) < 40
        expected = np.empty(40)
        for members in species:
            expected[members] = 1 / len(members)
        np.testing.assert_array_equal(fitness(SpeciationSharing(PLANE, 0.25), np.ones((40, 1)), genomes), expected)


# --- antigen --------------------------------------------------------------------------------------------------------


def by_enumeration(scores, size, importance=None):
    """All samples of each case, one as likely as another; equals share evenly."""
    members, cases = scores.shape
    importance = np.ones(cases) if importance is None else importance
    samples = [*itertools.combinations(range(members), min(size, members))]
    gains = np.zeros(members)
    for j in range(cases):
        for sample in samples:
            top = max(scores[i, j] for i in sample)
            best = [i for i in sample if scores[i, j] == top]
            gains[best] += importance[j] * top / len(best)
    return gains / len(samples)


COARSE = np.round(GRADED[:7] * 3) / 3  # many ties
BINARY = (GRADED[:7] > 0.6).astype(float)


@pytest.mark.parametrize("importance", [None, V], ids=["equal", "weighted"])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 7, 50])
@pytest.mark.parametrize("scores", [GRADED[:7], COARSE, BINARY, np.ones((7, 6)), np.zeros((7, 6)), GRADED[:1]])
def test_antigen_sharing_is_the_mean_over_all_samples(scores, size, importance):
    expected = by_enumeration(scores, size, importance)
    np.testing.assert_allclose(fitness(AntigenSharing(size), scores, importance=importance), expected, rtol=1e-12)


def test_antigen_sharing_at_both_ends():
    np.testing.assert_allclose(fitness(AntigenSharing(1), GRADED), raw(GRADED) / 9, rtol=1e-12)
    assert fitness(AntigenSharing(3), np.array([[5.0, 0], [4, 2], [4, 2]])).tolist() == [5, 1, 1]


def test_antigen_sharing_hands_out_the_best_of_each_sample_and_no_more():
    """With all in one sample, what is handed out is the best score of each case."""
    assert fitness(AntigenSharing(9), GRADED).sum() == pytest.approx(GRADED.max(axis=0).sum(), rel=1e-12)
    sums = [fitness(AntigenSharing(size), GRADED).sum() for size in range(1, 10)]
    assert sums == sorted(sums)


@pytest.mark.parametrize("size", [1, 2, 40, 2500, 4999, 5000])
def test_antigen_sharing_of_many_members(size):
    """Binomials of 5,000 have 1,500 digits; exact fractions for a few of the members, with ties above the 4,000th."""
    scores = np.arange(5000.0)
    scores[4000:] = 4000 + np.arange(1000) // 10
    order = np.random.default_rng(0).permutation(5000)
    found = fitness(AntigenSharing(size), scores[order][:, None])[order.argsort()]
    for i in (0, 1, 2499, 3999, 4000, 4995, 4999):
        lower, equal = int((scores < scores[i]).sum()), int((scores == scores[i]).sum())
        wins = Fraction(math.comb(lower + equal, size) - math.comb(lower, size), equal * math.comb(5000, size))
        assert found[i] == pytest.approx(float(wins * int(scores[i])), rel=1e-9, abs=1e-290)


def test_antigen_sharing_goes_block_by_block(monkeypatch):
    monkeypatch.setattr("evoniche.sharing.antigen._BLOCK", 7 * 4)  # four cases, or four draws, at a time
    np.testing.assert_allclose(fitness(AntigenSharing(3), COARSE), by_enumeration(COARSE, 3), rtol=1e-12)
    check_drawn(COARSE, 3, 5_001)


def check_drawn(scores, size, draws, importance=None):
    """Within 5 standard errors. A draw gives cases times a score, and the square of a score is a score too."""
    v = np.ones(6) if importance is None else importance
    expected = by_enumeration(scores, size, importance)
    squares = by_enumeration(scores**2, size, v**2) * 6
    error = np.sqrt((squares - expected**2) / draws)
    found = fitness(AntigenSharing(size, draws), scores, importance=importance)
    assert (np.abs(found - expected) <= 5 * error + 1e-12).all()


@pytest.mark.parametrize("importance", [None, V], ids=["equal", "weighted"])
@pytest.mark.parametrize("size", [1, 2, 4, 7, 50])
@pytest.mark.parametrize("scores", [COARSE, BINARY, np.ones((7, 6))], ids=["coarse", "binary", "equal"])
def test_drawn_antigens_have_the_closed_form_as_their_mean(scores, size, importance):
    check_drawn(scores, size, 40_000, importance)


def test_draws_follow_from_the_seed_and_the_evaluations():
    def drawn(seed, told):
        population = Population(9, AntigenSharing(2, 20), seed=seed)
        for i in range(told):
            population.add(child(i, GRADED[i % 9]))
        population.remove(range(9, told))
        return population.fitness.tolist()

    assert drawn(1, 9) == drawn(1, 9)
    assert drawn(1, 9) != drawn(2, 9)
    assert drawn(1, 9) != drawn(1, 10)


# --- novelty --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("neighbours", [1, 3, 8])
def test_novelty_beside_scikit_learn(neighbours):
    neighbors = pytest.importorskip("sklearn.neighbors")
    nearest, _ = neighbors.NearestNeighbors(n_neighbors=neighbours).fit(POINTS).kneighbors()  # self excluded
    found = fitness(NoveltySharing(PLANE, neighbours), GRADED, POINTS)
    np.testing.assert_allclose(found, nearest.mean(axis=1), rtol=1e-12)


@pytest.mark.parametrize("distance", [PLANE, "scores"], ids=["genomes", "scores"])
@pytest.mark.parametrize("neighbours", [1, 2, 5, 8, 9, 100])
def test_novelty_is_the_mean_distance_of_the_nearest(distance, neighbours):
    where = POINTS if distance is PLANE else GRADED
    expected = []
    for i in range(9):
        nearest = sorted(math.dist(where[i], where[k]) for k in range(9) if k != i)[:neighbours]
        expected.append(sum(nearest) / len(nearest))
    np.testing.assert_allclose(fitness(NoveltySharing(distance, neighbours), GRADED, POINTS), expected, rtol=1e-12)


def test_a_copy_is_a_neighbour_and_self_is_not():
    scores = np.ones((4, 1))
    assert fitness(NoveltySharing(on_a_line, 1), scores, [0, 0, 3, 7]).tolist() == [0, 0, 3, 4]
    assert fitness(NoveltySharing(on_a_line, 2), scores, [0, 0, 3, 7]).tolist() == [1.5, 1.5, 3, 5.5]
    assert fitness(NoveltySharing(on_a_line), scores[:1], [0]).tolist() == [0]


def test_copies_are_as_novel_to_the_last_bit():
    for seed in range(10):
        points = np.random.default_rng(seed).random((400, 2))
        points[399] = points[200] = points[0]
        found = fitness(NoveltySharing(PLANE, 150), np.ones((400, 1)), points)
        assert found[0] == found[200] == found[399]


# --- adaptive -------------------------------------------------------------------------------------------------------

# Members solve cases 0 1 2 / 3 / 3 4.
SOLVED = np.array([[1.0, 1, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 1, 1]])


def told_one_by_one(sharing, rows, limit=10, importance=None):
    """The population, and the weights after each."""
    population, weights = Population(limit, sharing, importance), []
    for i, row in enumerate(rows):
        WorstReplacement().replace(population, child(i, row))
        weights.append(sharing.weights(population).tolist())
    return population, weights


def test_adaptive_weights_by_hand():
    """Every two evaluations: 3 cases against 1; then 3 against 4; then 5 against 4 (where case 0 to 2 rose)."""
    population, weights = told_one_by_one(AdaptiveSharing(2), SOLVED[[0, 1, 2, 2, 1, 1]])
    assert weights == [
        [1, 1, 1, 1, 1],
        [1, 1, 1, 2, 2],  # the first fails on 3 and 4
        [1, 1, 1, 2, 2],
        [2, 2, 2, 2, 2],  # 3 against 2 + 2: the third is fittest and fails on 0, 1, 2
        [2, 2, 2, 2, 2],
        [2, 2, 2, 3, 3],  # 6 against 4: the first
    ]
    assert population.fitness.tolist() == [6, 3, 6, 6, 3, 3]


def test_adaptive_weights_of_equals_follow_the_oldest():
    _, weights = told_one_by_one(AdaptiveSharing(2), [[0, 1], [1, 0]])
    assert weights[-1] == [2, 1]
    sharing = AdaptiveSharing(2)
    population = Population(2, sharing)
    scores, ids = np.array([[0.0, 1], [1, 0]]), np.array([1, 0])
    population.add(Offspring([0, 1], ids, np.full((2, 2), -1), 0, 0, scores))
    assert sharing.weights(population).tolist() == [1, 2]


def test_adaptive_weights_step_threshold_and_importance():
    scores = [[0.4, 0.5, 0.6]]
    assert told_one_by_one(AdaptiveSharing(1), scores)[1] == [[2, 1, 1]]
    assert told_one_by_one(AdaptiveSharing(1, threshold=0.6), scores)[1] == [[2, 2, 1]]
    assert told_one_by_one(AdaptiveSharing(1, 0.25), scores)[1] == [[1.25, 1, 1]]
    importance = np.array([3.0, 1, 2])
    population, weights = told_one_by_one(AdaptiveSharing(1), scores, importance=importance)
    assert weights == [[6, 1, 2]]
    np.testing.assert_allclose(population.fitness, [0.4 * 6 + 0.5 + 0.6 * 2], rtol=1e-15)


def test_adaptive_weights_make_up_for_intervals_that_ended_at_once():
    sharing = AdaptiveSharing(1)
    population = Population(3, sharing)
    population.add(Offspring(np.arange(3), np.arange(3), np.full((3, 2), -1), 0, 0, SOLVED))
    # The first fails on 3, 4; with 2 + 2 the third is fittest and fails on 0, 1, 2; with 6 the first again.
    assert sharing.weights(population).tolist() == [2, 2, 2, 3, 3]


def test_adaptive_fitness_is_the_same_when_asked_again():
    sharing = AdaptiveSharing(2)
    population, weights = told_one_by_one(sharing, SOLVED[[0, 1, 2, 2]])
    first = population.fitness.tolist()
    for _ in range(3):
        assert sharing.fitness(population).tolist() == first
        assert sharing.weights(population).tolist() == weights[-1]
    sharing.weights(population)[:] = 77  # what is handed out is a copy
    assert sharing.fitness(population).tolist() == first
    assert Population.of(SOLVED, sharing=AdaptiveSharing()).fitness.tolist() == [3, 1, 2]  # others do not know


def test_a_child_that_leaves_at_once_does_not_freeze_the_weights():
    sharing = AdaptiveSharing(2)
    population = Population(2, sharing)
    for i, row in enumerate(SOLVED[[0, 2]]):
        WorstReplacement().replace(population, child(i, row))
    assert population.fitness.tolist() == [3, 4]
    for i in (2, 3):
        WorstReplacement().replace(population, child(i, np.zeros(5)))
        assert population.ids.tolist() == [0, 1]
    assert population.fitness.tolist() == [6, 4]  # the second was fittest and fails on three
    for i in (4, 5):
        WorstReplacement().replace(population, child(i, np.zeros(5)))
    assert population.fitness.tolist() == [6, 6]


def solved(genomes):
    return np.abs(genomes) > np.linspace(0.1, 2, 8)


class Watched(Replacement):
    """Plain weights beside those of the operator: told one at a time, changed every 5, by the definition."""

    def __init__(self):
        self.w, self.told, self.rises = np.ones(8), 0, 0

    def replace(self, population, offspring):
        if population.seed != 3:  # the rehearsal, on a population of its own
            return
        for i in range(len(offspring)):
            population.add(offspring.take([i]))
            self.told += 1
            if self.told % 5 == 0:
                ages = population.ids.argsort()
                fittest = max(ages, key=lambda i: population.scores[i] @ self.w)  # the first, that is oldest
                self.w = self.w + np.array([0 if s >= 0.5 else 1 for s in population.scores[fittest]])
                self.rises += 1
            np.testing.assert_array_equal(population.fitness, population.scores @ self.w)
            if len(population) > population.limit:
                worst = population.fitness == population.fitness.min()
                population.remove(int(min(np.flatnonzero(worst), key=lambda i: population.ids[i])))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_adaptive_weights_through_an_evolution(batch_size):
    def run(replacement, sharing):
        evolution = Evolution(
            RealGenome(8), solved, sharing=sharing, selector=RouletteSelector(), mates=UniformMateSelector(),
            crossover=lambda a, b, rng: (a + b) / 2, mutation=lambda x, rng: x + 0.3 * rng.standard_normal(8),
            replacement=replacement, population_size=6, batch_size=batch_size, seed=3,
        )  # fmt: skip
        evolution.run(150, progress=False)
        population = evolution.population
        return population.ids.tolist(), population.fitness.tolist(), sharing.weights(population).tolist()

    sharing, watched = AdaptiveSharing(5), Watched()
    first = run(watched, sharing)
    assert watched.rises == 30
    assert first[2] == watched.w.tolist()
    assert len(set(first[2])) > 2
    # A run of its own begins with weights of 1, also with the same operator, and takes the same course.
    assert run(WorstReplacement(), sharing) == first
    assert run(WorstReplacement(), AdaptiveSharing(5)) == first


@pytest.mark.parametrize("sharing", [AntigenSharing(3, 20), *FOLLOW_FROM_THE_MEMBERS], ids=repr)
def test_an_evolution_with_each(sharing):
    def run():
        evolution = Evolution(
            RealGenome(2), lambda x: np.exp(-np.abs(x)), sharing=sharing, selector=UniformSelector(),
            mates=UniformMateSelector(), crossover=None, mutation=lambda x, rng: x + rng.standard_normal(2),
            replacement=WorstReplacement(), population_size=6, seed=3,
        )  # fmt: skip
        return evolution.run(60, progress=False).population.ids.tolist()

    assert run() == run()


def test_weights_change_with_a_child_that_leaves_before_anybody_asks_for_fitness():
    population = Population(2, AdaptiveSharing(3))
    first = Offspring(np.arange(2), np.arange(2), np.full((2, 2), -1), 0, 0, np.array([[1.0, 0, 1], [1, 0, 0]]))
    population.add(first)
    assert population.fitness.tolist() == [2, 1]
    child = Offspring(np.arange(1), np.array([2]), np.array([[0, 1]]), 1, 0, np.array([[0.0, 1, 0]]))
    population.add(child)
    population.remove(2)
    assert population.fitness.tolist() == [2, 1]  # case 1, which nobody alive solves, is the one that weighs more
    assert AdaptiveSharing(3).weights(population).tolist() == [1, 2, 1]
    population.add(Offspring(child.genomes, np.array([3]), child.parents, 2, 0, child.scores))
    assert population.fitness.tolist() == [2, 1, 2]


@pytest.mark.parametrize("sharing", [ExplicitSharing, SpeciationSharing, ClearingSharing])
def test_a_newcomer_is_measured_once_for_each_member(sharing):
    measured = []

    def counted(a, b):
        measured.append(len(a) * len(b))
        return np.abs(a - b.T)  # (n, 1) and (m, 1)

    evolution = Evolution(
        RealGenome(1), lambda x: np.exp(-x**2), sharing=sharing(counted, 0.5), selector=RouletteSelector(),
        mates=UniformMateSelector(), crossover=None, mutation=lambda x, rng: x + rng.normal(size=1),
        replacement=WorstReplacement(), population_size=10, seed=0,
    )  # fmt: skip
    evolution.run(60, progress=False)
    rehearsal = 10 * 10 + 11  # a population as large as the first that breeds, and a child
    assert sum(measured) <= rehearsal + 10 * 10 + 50 * 11 + 10
    population = evolution.population
    afresh = Population.of(population.scores, population.genomes, sharing(counted, 0.5))
    if sharing is ExplicitSharing:  # the others also look at ids
        assert population.fitness.tolist() == afresh.fitness.tolist()
