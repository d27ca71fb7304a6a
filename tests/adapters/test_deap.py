"""The DEAP adapter beside evoniche's own parts, closed forms, and DEAP itself."""

import operator
import pickle
import random
from collections import Counter
from copy import deepcopy
from functools import partial

import numpy as np
import pytest
from deap import algorithms, base, creator, gp, tools

import evoniche
from evoniche import functional
from evoniche.adapters.deap import (
    CaseFitness,
    DeapCrossover,
    DeapGenome,
    DeapMutation,
    ea_niche,
    sel_attraction,
    sel_shared,
    sel_survivors,
)
from evoniche.population import NOBODY, Offspring
from evoniche.randomness import generator
from evoniche.testing import check_crossover, check_genome, check_mutation

if not hasattr(creator, "TestCaseFitness"):
    creator.create("TestCaseFitness", CaseFitness)
    creator.create("TestIndividual", list, fitness=creator.TestCaseFitness)
    creator.create("TestTree", gp.PrimitiveTree, fitness=creator.TestCaseFitness)
    creator.create("TestErrors", CaseFitness, weights=(-1.0,))
    creator.create("TestPlain", base.Fitness, weights=(1.0,))
    creator.create("TestPlainIndividual", list, fitness=creator.TestPlain)

PSET = gp.PrimitiveSet("MAIN", 3)
PSET.addPrimitive(operator.and_, 2)
PSET.addPrimitive(operator.or_, 2)
PSET.addPrimitive(operator.xor, 2)
PSET.addPrimitive(operator.not_, 1)
INPUTS = np.array([[i >> j & 1 for j in range(3)] for i in range(8)], dtype=bool)
PARITY = INPUTS.sum(axis=1) % 2 == 1


def individuals_of(scores):
    made = []
    for i, row in enumerate(scores):
        individual = creator.TestIndividual([i])
        individual.fitness.values = row
        made.append(individual)
    return made


def expression(pset, type_=None):
    return gp.genFull(pset, 1, 2, type_)


def parity_toolbox():
    toolbox = base.Toolbox()
    toolbox.register("expr", gp.genHalfAndHalf, pset=PSET, min_=1, max_=3)
    toolbox.register("individual", tools.initIterate, creator.TestTree, toolbox.expr)
    toolbox.register("evaluate", parity)
    toolbox.register("mate", gp.cxOnePoint)
    toolbox.register("mutate", gp.mutUniform, expr=expression, pset=PSET)
    return toolbox


def parity(tree):
    function = gp.compile(tree, PSET)
    return np.array([bool(function(*map(int, row))) for row in INPUTS]) == PARITY


def bits_toolbox(cases=20):
    toolbox = base.Toolbox()
    toolbox.register("individual", tools.initRepeat, creator.TestIndividual, partial(random.randint, 0, 1), cases)
    toolbox.register("evaluate", list)
    toolbox.register("mate", tools.cxTwoPoint)
    toolbox.register("mutate", tools.mutFlipBit, indpb=1 / cases)
    return toolbox


# The fitness


def test_order_is_by_the_mean():
    scores = generator(0).random((30, 7))
    fitnesses = [CaseFitness(row) for row in scores]
    means = scores.mean(axis=1)
    for a, x in zip(fitnesses, means, strict=True):
        for b, y in zip(fitnesses, means, strict=True):
            assert (a < b, a > b, a <= b, a >= b, a == b) == (x < y, x > y, x <= y, x >= y, x == y)
            assert a.dominates(b) == (x > y)
    assert CaseFitness([0, 1]) == CaseFitness([1, 0]) != CaseFitness([1, 1])
    assert hash(CaseFitness([0, 1])) == hash(CaseFitness([1, 0]))
    assert CaseFitness([0, 9]).dominates(CaseFitness([5, 5]), slice(1, 2))


def test_a_fitness_without_values_is_invalid_and_the_lowest():
    fitness = CaseFitness()
    assert not fitness.valid
    assert fitness.values == ()
    assert fitness < CaseFitness([0.0])
    fitness.values = (1, 0, 1)
    assert fitness.valid
    assert fitness.mean == pytest.approx(2 / 3)
    del fitness.values
    assert not fitness.valid
    assert fitness == CaseFitness()


def test_errors_are_minimised():
    low, high = creator.TestErrors([0.5, 1.0]), creator.TestErrors([2.0, 4.0])
    assert low > high
    assert high.mean == -3
    assert high.values.tolist() == [2, 4]


def test_values_are_copied_and_keep_their_precision():
    for dtype, kept in ((bool, np.float32), (np.float32, np.float32), (int, np.float64), (float, np.float64)):
        row = np.array([1, 0, 1], dtype=dtype)
        fitness = CaseFitness(row)
        row[:] = 0
        assert fitness.wvalues.dtype == kept
        assert fitness.values.tolist() == [1, 0, 1]


@pytest.mark.parametrize("copied", [deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_individuals_are_copied_with_their_fitness(copied):
    individual = creator.TestIndividual([1, 2])
    assert not copied(individual).fitness.valid
    individual.fitness.values = [0.5, 1.0]
    other = copied(individual)
    assert other == individual
    assert other.fitness == individual.fitness
    assert type(other.fitness) is creator.TestCaseFitness
    del other.fitness.values
    assert individual.fitness.values.tolist() == [0.5, 1.0]


@pytest.mark.parametrize("values", [[[1, 0]], 3.0, [np.nan, 1], [np.inf], ["a"], np.zeros(0)])
def test_what_is_no_row_of_scores_is_refused(values):
    with pytest.raises(ValueError, match="one finite number for each case"):
        CaseFitness().values = values


def test_weights_of_each_case_serve_deaps_lexicase():
    class Weighted(CaseFitness):
        weights = (1.0,) * 3

    with pytest.raises(ValueError, match="as many as the weights, 3, got 1"):
        Weighted([1.0])
    # Nobody is best anywhere but these two: each on the cases that it alone solves.
    individuals = individuals_of(np.eye(3))
    for individual, row in zip(individuals, [[1, 0, 0], [0, 1, 1], [0, 0, 0]], strict=True):
        individual.fitness = Weighted(row)
    random.seed(0)
    chosen = Counter(individual[0] for individual in tools.selLexicase(individuals, 300))
    assert chosen[2] == 0
    assert chosen[0] / 300 == pytest.approx(1 / 3, abs=0.1)


def test_deaps_own_tools_go_by_the_mean():
    scores = generator(1).random((12, 5))
    individuals = individuals_of(scores)
    ranked = np.argsort(-scores.mean(axis=1))
    assert [individual[0] for individual in tools.selBest(individuals, 4)] == ranked[:4].tolist()
    assert [individual[0] for individual in tools.selWorst(individuals, 1)] == ranked[-1:].tolist()
    assert tools.selTournament(individuals, 1, tournsize=500)[0][0] == ranked[0]
    hall = tools.HallOfFame(3)
    hall.update(individuals)
    assert [individual[0] for individual in hall] == ranked[:3].tolist()
    front = tools.ParetoFront()
    front.update(individuals)
    assert [individual[0] for individual in front] == ranked[:1].tolist()
    stats = tools.Statistics(lambda individual: individual.fitness.mean)
    stats.register("best", max)
    assert stats.compile(individuals)["best"] == scores.mean(axis=1).max()


# Selection


def frequencies(chosen, n):
    return np.bincount([individual[0] for individual in chosen], minlength=n) / len(chosen)


GRADED = generator(2).random((6, 10))


@pytest.mark.parametrize("pricing", [{}, {"alpha": 2.0, "capacity": "max", "eps": 0.1}, {"relative": True}])
def test_parents_and_mates_follow_the_formulas(pricing):
    individuals, n, k = individuals_of(GRADED), len(GRADED), 20_000
    random.seed(3)
    pairs = sel_attraction(individuals, k, **pricing)
    assert len(pairs) == k
    fitness = functional.shared_fitness(GRADED, **pricing)
    assert frequencies(pairs[::2], n) == pytest.approx(fitness / fitness.sum(), abs=0.02)
    attraction = functional.attraction(GRADED, range(n), **{name: pricing[name] for name in pricing if name != "alpha"})
    for a in range(n):
        mates = [mate for first, mate in zip(pairs[::2], pairs[1::2], strict=True) if first[0] == a]
        assert frequencies(mates, n) == pytest.approx(attraction[a] / attraction[a].sum(), abs=0.05)
    assert frequencies(sel_shared(individuals, k, **pricing), n) == pytest.approx(fitness / fitness.sum(), abs=0.02)


def test_complementary_parents_are_paired():
    individuals = individuals_of([[1, 1, 0, 0], [0, 0, 1, 1]])
    for first, mate in zip(*[iter(sel_attraction(individuals, 20))] * 2, strict=True):
        assert {first[0], mate[0]} == {0, 1}


def test_references_in_any_number():
    individuals = individuals_of(GRADED)
    for k in (1, 2, 7):
        for select in (sel_attraction, sel_shared):
            chosen = select(individuals, k)
            assert len(chosen) == k
            assert all(any(individual is one for one in individuals) for individual in chosen)


def test_parts_can_be_exchanged():
    individuals = individuals_of(GRADED)
    best = int(GRADED.sum(axis=1).argmax())
    champion = evoniche.TournamentSelector(200)
    raw = evoniche.RawSharing()
    assert {one[0] for one in sel_shared(individuals, 9, selector=champion, sharing=raw)} == {best}
    chosen = sel_attraction(individuals, 9, selector=champion, sharing=raw,
                            mates=evoniche.IndependentMateSelector(champion))
    assert {one[0] for one in chosen} == {best}


def test_random_seed_decides_and_numpys_state_is_left_alone():
    individuals = individuals_of(GRADED)
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    drawn = []
    for _ in range(2):
        random.seed(5)
        drawn.append([[one[0] for one in select(individuals, 40)] for select in (sel_attraction, sel_shared)])
    assert drawn[0] == drawn[1]
    assert [one[0] for one in sel_shared(individuals, 40)] != drawn[0][1]
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


# Survival


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("pricing", [{}, {"capacity": "max", "alpha": 0.5}, {"relative": True}])
def test_one_child_at_a_time_is_evoniches_replacement(binary, pricing):
    scores = generator(4).random((60, 9))
    scores = (scores < 0.4).astype(float) if binary else scores
    individuals = individuals_of(scores)
    population = evoniche.Population(10, evoniche.ImplicitSharing(**pricing))
    alive = []
    for i, row in enumerate(scores):
        child = Offspring(np.array([i]), np.array([i]), np.full((1, 2), NOBODY), 0, 0, row[None])
        evoniche.WorstReplacement().replace(population, child)
        alive = sel_survivors([*alive, individuals[i]], 10, **pricing)
        assert [one[0] for one in alive] == sorted(population.ids)


def test_a_generation_leaves_one_by_one_with_loads_kept():
    scores = generator(5).random((14, 6))
    left = list(range(14))
    while len(left) > 5:
        z = scores[left].sum(axis=0)
        left.pop(int((scores[left] / z).sum(axis=1).argmin()))
    assert [one[0] for one in sel_survivors(individuals_of(scores), 5, eps=0.0)] == left
    assert len(sel_survivors(individuals_of(scores), 99)) == 14


def test_of_equals_the_oldest_leaves():
    assert [one[0] for one in sel_survivors(individuals_of(np.ones((5, 3))), 2)] == [3, 4]


# Programs


@pytest.mark.parametrize("loop", ["eaSimple", "eaMuPlusLambda", "ea_niche", "steady"])
def test_programs_are_reproducible_and_improve(loop):
    def run():
        random.seed(7)
        toolbox = bits_toolbox()
        population = tools.initRepeat(list, toolbox.individual, 24)
        hall = tools.HallOfFame(2)
        stats = tools.Statistics(lambda individual: individual.fitness.mean)
        stats.register("best", max)
        shared = {"stats": stats, "halloffame": hall, "verbose": False}
        if loop == "eaSimple":
            toolbox.register("select", sel_attraction)
            result = algorithms.eaSimple(population, toolbox, 0.9, 0.3, 15, **shared)
        elif loop == "eaMuPlusLambda":
            toolbox.register("select", sel_survivors)
            result = algorithms.eaMuPlusLambda(population, toolbox, 24, 24, 0.6, 0.3, 15, **shared)
        elif loop == "ea_niche":
            result = ea_niche(population, toolbox, 0.9, 0.3, 15, **shared)
        else:
            result = ea_niche(population, toolbox, 1.0, 1.0, 100, lambda_=1, **shared)
        assert result[0] is population
        return result, hall

    (population, logbook), hall = run()
    (again, _), _ = run()
    assert population == again
    assert len(population) == 24
    assert hall[0].fitness.mean == max(logbook.select("best"))
    assert hall[0].fitness.mean > logbook[0]["best"]
    assert logbook.header == ["gen", "nevals", "best"]
    assert logbook[0]["nevals"] == 24
    if loop == "steady":
        assert set(logbook.select("nevals")[1:]) == {1}


def test_the_steady_state_is_m2n2_step_by_step():
    """Each generation the survivors are those of a population that the child joins."""
    random.seed(8)
    toolbox = bits_toolbox(10)
    population = tools.initRepeat(list, toolbox.individual, 8)
    joined = []

    def evaluate(individual):
        joined.append(list(individual))
        return individual

    toolbox.register("evaluate", evaluate)
    ea_niche(population, toolbox, 1.0, 1.0, 60, verbose=False, lambda_=1)
    own = evoniche.Population(8, evoniche.ImplicitSharing())
    for i, row in enumerate(np.array(joined, dtype=float)):
        child = Offspring(np.array([i]), np.array([i]), np.full((1, 2), NOBODY), 0, 0, row[None])
        evoniche.WorstReplacement().replace(own, child)
    assert [list(one) for one in population] == [joined[i] for i in sorted(own.ids)]


def test_untouched_children_do_not_join(capsys):
    random.seed(9)
    toolbox = bits_toolbox()
    population = tools.initRepeat(list, toolbox.individual, 10)
    before = list(population)
    _, logbook = ea_niche(population, toolbox, 0.0, 0.0, 3, verbose=True)
    assert logbook.select("nevals") == [10, 0, 0, 0]
    assert all(a is b for a, b in zip(population, before, strict=True))
    assert capsys.readouterr().out.split()[:2] == ["gen", "nevals"]


def test_trees_evolve():
    random.seed(10)
    toolbox = parity_toolbox()
    population = tools.initRepeat(list, toolbox.individual, 40)
    population, _ = ea_niche(population, toolbox, 0.8, 0.3, 12, verbose=False)
    assert all(isinstance(one, gp.PrimitiveTree) for one in population)
    assert tools.selBest(population, 1)[0].fitness.mean >= 0.75
    toolbox.register("select", sel_attraction)
    algorithms.eaSimple(population, toolbox, 0.8, 0.3, 2, verbose=False)


# Messages


def test_messages():
    good = individuals_of(GRADED)
    plain = creator.TestPlainIndividual([0])
    plain.fitness.values = (1.0,)
    for select in (sel_attraction, sel_shared, sel_survivors):
        with pytest.raises(ValueError, match=r"must have a CaseFitness.*at position 6"):
            select([*good, plain], 1)
        with pytest.raises(ValueError, match=r"got None at position 0"):
            select([[1, 0]], 1)
        with pytest.raises(ValueError, match=r"evaluated.*at position 6"):
            select([*good, creator.TestIndividual()], 1)
        with pytest.raises(ValueError, match="as many cases as the first, 10, got 2 at position 6"):
            select(good + individuals_of([[1, 1]]), 1)
        with pytest.raises(ValueError, match=r">= 0, got -1.0 at position 0, case 1: make scores of errors"):
            select(individuals_of([[1, -1], [1, 1]]), 1)
        with pytest.raises(TypeError, match="not both"):
            select(good, 1, sharing=evoniche.RawSharing(), alpha=1.0)
        with pytest.raises(TypeError, match="capcity"):
            select(good, 1, capcity="max")
        with pytest.raises(TypeError, match="sharing must be a Sharing"):
            select(good, 1, sharing=3)
        with pytest.raises(ValueError, match="k must be a whole number >= 1"):
            select(good, 0)
    with pytest.raises(TypeError, match="selector must be a Selector"):
        sel_shared(good, 1, selector=tools.selBest)
    with pytest.raises(TypeError, match="mates must be a MateSelector"):
        sel_attraction(good, 1, mates=tools.selBest)


# DEAP's operators in evoniche

BITS = generator(6).random((7, 12)) < 0.5
REALS = generator(7).random((7, 12))
ORDERS = np.array([generator(i).permutation(12) for i in range(7)])
TREES = DeapGenome(parity_toolbox().individual).sample(7, rng=generator(0))


def scored(batch):
    for genome in batch:
        genome.fitness.values = [1.0]
    return batch


@pytest.mark.parametrize(("mate", "genomes"), [
    (DeapCrossover(tools.cxOnePoint), BITS),
    (DeapCrossover(tools.cxTwoPoint), BITS.astype(np.uint8)),
    (DeapCrossover(tools.cxTwoPoint), [row.tolist() for row in BITS]),
    (DeapCrossover(tools.cxUniform, indpb=0.3), BITS.astype(int)),
    (DeapCrossover(tools.cxBlend, alpha=0.5), REALS),
    (DeapCrossover(tools.cxSimulatedBinaryBounded, eta=5, low=0.0, up=1.0), REALS.astype(np.float32)),
    (DeapCrossover(tools.cxOrdered), ORDERS),
    (DeapCrossover(tools.cxPartialyMatched), ORDERS),
    (DeapCrossover(tools.cxMessyOnePoint), [row.tolist() for row in BITS]),
    (DeapCrossover(gp.cxOnePoint), TREES),
    (DeapCrossover(gp.cxOnePoint), scored(deepcopy(TREES))),
])
def test_crossovers_keep_the_contract(mate, genomes):
    check_crossover(mate, genomes)


@pytest.mark.parametrize(("mutate", "genomes"), [
    (DeapMutation(tools.mutFlipBit, indpb=0.2), BITS),
    (DeapMutation(tools.mutFlipBit, indpb=0.2), BITS.astype(int).tolist()),
    (DeapMutation(tools.mutGaussian, mu=0.0, sigma=1.0, indpb=0.5), REALS),
    (DeapMutation(tools.mutPolynomialBounded, eta=5, low=0.0, up=1.0, indpb=0.5), REALS),
    (DeapMutation(tools.mutShuffleIndexes, indpb=0.3), ORDERS),
    (DeapMutation(tools.mutUniformInt, low=0, up=9, indpb=0.5), ORDERS.astype(np.int16)),
    (DeapMutation(gp.mutUniform, expr=expression, pset=PSET), TREES),
    (DeapMutation(gp.mutShrink), TREES),
])
def test_mutations_keep_the_contract(mutate, genomes):
    # A primitive set holds builtins by way of its context, which pickle; nothing here is a lambda.
    check_mutation(mutate, genomes)


def test_children_are_those_that_deap_makes():
    rng, mate = generator(1), DeapCrossover(tools.cxTwoPoint)
    children = mate.cross(BITS[:3], BITS[3:6], rng=generator(1))
    state = random.getstate()
    random.seed(int(rng.integers(2**63)))
    for child, a, b in zip(children, BITS[:3].tolist(), BITS[3:6].tolist(), strict=True):
        assert child.tolist() == tools.cxTwoPoint(a, b)[0]
    random.setstate(state)
    assert children.dtype == bool


def test_two_points_are_not_swapped_in_views():
    """Of ones and zeros, what comes from the mate must be a piece of the right length somewhere, and both occur."""
    children = DeapCrossover(tools.cxTwoPoint).cross(np.ones((200, 8), int), np.zeros((200, 8), int), rng=generator(2))
    lengths = Counter((children == 0).sum(axis=1).tolist())
    assert set(lengths) >= {1, 2, 3, 4, 5, 6}
    assert (np.abs(np.diff(children, axis=1)).sum(axis=1) <= 2).all()


def test_permutations_stay_permutations():
    children = DeapCrossover(tools.cxOrdered).cross(ORDERS, ORDERS[::-1], rng=generator(3))
    assert np.array_equal(np.sort(children, axis=1), np.tile(np.arange(12), (7, 1)))
    assert not np.array_equal(children, ORDERS)


def test_numpys_global_generator_is_seeded_and_restored():
    def noise(individual):
        return [gene + np.random.standard_normal() for gene in individual],  # noqa: NPY002

    mutate, before = DeapMutation(noise), np.random.get_state()[1].tolist()  # noqa: NPY002
    one, same, other = (mutate.mutate(REALS, rng=generator(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert (one - REALS).std() == pytest.approx(1, abs=0.25)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_global_generators_are_restored_after_an_error():
    def fail(individual):
        random.random()
        raise RuntimeError("failed")

    before = random.getstate()
    with pytest.raises(RuntimeError, match="failed"):
        DeapMutation(fail).mutate(REALS, rng=generator(0))
    assert random.getstate() == before


def test_children_carry_no_fitness_and_parents_keep_theirs():
    trees = scored(deepcopy(TREES))
    for children in (
        DeapCrossover(gp.cxOnePoint).cross(trees, trees[::-1], rng=generator(0)),
        DeapMutation(gp.mutShrink).mutate(trees, rng=generator(0)),
    ):
        assert not any(child.fitness.valid for child in children)
        assert all(isinstance(child, creator.TestTree) for child in children)
    assert all(tree.fitness.valid for tree in trees)


def test_messages_of_operators():
    with pytest.raises(ValueError, match=r"shape \(n, length\)"):
        DeapMutation(tools.mutFlipBit, indpb=0.1).mutate(np.zeros((2, 3, 4)), rng=generator(0))
    with pytest.raises(ValueError, match="must return as many individuals as it takes, a tuple of 1"):
        DeapMutation(lambda individual: individual).mutate(REALS, rng=generator(0))
    with pytest.raises(ValueError, match="must not make float64 of int64 genomes"):
        DeapCrossover(tools.cxBlend, alpha=0.5).cross(ORDERS, ORDERS[::-1], rng=generator(0))
    with pytest.raises(ValueError, match="genomes of different lengths"):
        DeapCrossover(tools.cxMessyOnePoint).cross(BITS, BITS, rng=generator(0))


def test_trees_are_a_genome_that_evoniche_evolves_and_saves():
    genome = DeapGenome(
        parity_toolbox().individual,
        measure=lambda a, b: abs(len(a) - len(b)),
        encode=str,
        decode=partial(creator.TestTree.from_string, pset=PSET),
    )
    check_genome(genome, pickles=False)
    evolution = evoniche.m2n2(
        lambda trees: np.array([parity(tree) for tree in trees]),
        genome=genome,
        crossover=DeapCrossover(gp.cxOnePoint),
        mutation=DeapMutation(gp.mutUniform, expr=expression, pset=PSET),
        population_size=30,
        seed=0,
    )
    result = evolution.run(400, progress=False)
    assert result.best.score >= 0.75
    assert isinstance(result.best.genome, gp.PrimitiveTree)


def test_nobody_to_choose_from_is_said():
    with pytest.raises(ValueError, match="at least one"):
        sel_attraction([], 2)


def test_one_case_is_nothing_to_share():
    class One(list):
        fitness = CaseFitness([3])

    individuals = [One([0]), One([1])]
    with pytest.warns(UserWarning, match="one case"):
        sel_attraction(individuals, 2)


def test_an_option_that_is_no_pricing_is_refused():
    with pytest.raises(TypeError, match="no such option: tournsize"):
        sel_shared([], 2, tournsize=3)
