import copy
import pickle

import numpy as np
import pytest
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.evaluator import Evaluator
from pymoo.core.population import Population as PymooPopulation
from pymoo.core.problem import ElementwiseProblem, Problem
from pymoo.core.variable import Choice, Real
from pymoo.operators.crossover.dex import DEX
from pymoo.operators.crossover.erx import ERX
from pymoo.operators.crossover.hux import HUX
from pymoo.operators.crossover.ox import OrderCrossover
from pymoo.operators.crossover.pcx import PCX
from pymoo.operators.crossover.pntx import TwoPointCrossover
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.crossover.spx import SPX
from pymoo.operators.crossover.ux import UX
from pymoo.operators.mutation.bitflip import BitflipMutation
from pymoo.operators.mutation.gauss import GaussianMutation
from pymoo.operators.mutation.inversion import InversionMutation
from pymoo.operators.mutation.pm import PM
from pymoo.operators.mutation.rm import ChoiceRandomMutation
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.lhs import LHS
from pymoo.operators.sampling.rnd import (
    BinaryRandomSampling,
    FloatRandomSampling,
    IntegerRandomSampling,
    PermutationRandomSampling,
)
from pymoo.optimize import minimize
from pymoo.problems.static import StaticProblem

import evoniche
from evoniche import (
    AttractionMateSelector,
    ImplicitSharing,
    Offspring,
    Population,
    RawSharing,
    TournamentSelector,
    UniformMateSelector,
    WorstReplacement,
)
from evoniche.adapters.pymoo import AttractionSelection, PymooCrossover, PymooGenome, PymooMutation, SharingSurvival
from evoniche.randomness import generator
from evoniche.testing import check_crossover, check_genome, check_mutation

BITS = 24
FREE = Problem(n_var=2, n_obj=1)
SCORES = np.array([[1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 0, 1, 1, 1, 0]], dtype=float)


class Satisfy(Problem):
    """A planted formula; with constraints, at most so many variables may be true."""

    def __init__(self, most=None):
        rng = np.random.default_rng(0)
        self.variables, signs = rng.integers(BITS, size=(100, 3)), rng.random((100, 3)) < 0.5
        planted = rng.permutation(np.arange(BITS) < BITS // 3)
        signs[:, 0] = planted[self.variables[:, 0]]
        self.signs, self.most = signs, most
        super().__init__(n_var=BITS, n_obj=1, n_ieq_constr=int(most is not None), xl=0, xu=1, vtype=bool)

    def _evaluate(self, x, out, *args, **kwargs):
        out["scores"] = (x[:, self.variables] == self.signs).any(axis=2)
        out["F"] = -out["scores"].mean(axis=1)
        if self.most is not None:
            out["G"] = x.sum(axis=1) - self.most


def algorithm(**changes):
    parts = {
        "pop_size": 40,
        "sampling": BinaryRandomSampling(),
        "selection": AttractionSelection(),
        "crossover": UX(),
        "mutation": BitflipMutation(),
        "survival": SharingSurvival(),
    }
    return GA(**(parts | changes))


def members(scores, **columns):
    scores = np.asarray(scores)
    x = np.arange(2.0 * len(scores)).reshape(-1, 2)
    return PymooPopulation.new(X=x, F=-scores.mean(axis=1, keepdims=True), scores=scores, **columns)


def shared(scores, alive):
    """Eq. 3, spelled out."""
    scores = np.asarray(scores)[list(alive)]
    gives = scores.max(axis=0) / np.where(scores.any(axis=0), scores.sum(axis=0), 1)
    return (scores * gives).sum(axis=1).tolist()


def law(scores):
    """P(first, mate) by eq. 3 and 4, spelled out."""
    load, n = scores.sum(axis=0), len(scores)
    fitness = np.array(shared(scores, range(n)))
    price = scores.max(axis=0) / np.where(load > 0, load, 1)
    gain = np.array([[sum(p * max(b - a, 0) for a, b, p in zip(scores[i], scores[k], price, strict=True))
                      for k in range(n)] for i in range(n)])
    return (fitness / fitness.sum())[:, None] * gain / gain.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("scores", [SCORES, SCORES * [[0.5], [2], [1.5], [0.7]]], ids=["binary", "graded"])
def test_parents_follow_the_law(scores):
    n = 40_000
    pairs = AttractionSelection().do(FREE, members(scores), n, 2, to_pop=False, random_state=generator(0))
    assert pairs.shape == (n, 2)
    drawn = np.zeros((4, 4))
    np.add.at(drawn, tuple(pairs.T), 1)
    expected = law(scores)
    assert np.all(np.abs(drawn / n - expected) <= 4 * np.sqrt(expected * (1 - expected) / n))


def test_pairs_are_those_of_evoniche_and_the_third_is_the_mate_of_the_second():
    chosen = AttractionSelection().do(FREE, members(SCORES), 50, 4, to_pop=False, random_state=generator(3))
    population, rng = Population.of(SCORES.astype(bool), sharing=ImplicitSharing()), generator(3)
    rng.integers(2**63)
    expected = [evoniche.RouletteSelector().select(population, 50, rng=rng)]
    for _ in range(3):
        expected.append(AttractionMateSelector().mates(population, expected[-1], rng=rng))
    assert np.array_equal(chosen, np.transpose(expected))


def test_any_selector_mates_and_sharing():
    selection = AttractionSelection(TournamentSelector(64), UniformMateSelector(), RawSharing())
    first, mate = selection.do(FREE, members(SCORES), 2000, 2, to_pop=False, random_state=generator(0)).T
    assert set(first) == {0, 3}  # the highest sums
    assert set(mate) == {0, 1, 2, 3}
    assert np.all(first != mate)


class Greedy(evoniche.Sharing):
    """Looks at genomes, and draws."""

    def fitness(self, population):
        assert population.genomes.shape == (len(population), 2)
        return population.generator().random(len(population))


def test_a_sharing_that_draws_follows_the_random_state():
    def survivors(seed):
        kept = SharingSurvival(Greedy(), keep_best=False).do(
            FREE, members(np.tile(SCORES, (5, 1))), n_survive=10, random_state=generator(seed)
        )
        return tuple(kept.get("X")[:, 0])

    assert survivors(0) == survivors(0)
    assert len({survivors(seed) for seed in range(5)}) > 1


@pytest.mark.parametrize("kind", [bool, float])
@pytest.mark.parametrize("sharing", [ImplicitSharing(), ImplicitSharing(capacity="max", alpha=0.5), RawSharing()])
def test_child_by_child_the_same_live_as_in_evoniche(kind, sharing):
    rng = np.random.default_rng(0)
    scores = rng.random((60, 15)) < 0.3 if kind is bool else rng.integers(0, 4, (60, 15)) / 3  # with ties
    ours = Population(10, sharing)
    theirs = members(scores)[:10]
    rows = np.arange(60)
    survival = SharingSurvival(sharing, keep_best=False)
    for now in (rows[:10], *rows[10:, None]):
        child = Offspring(now, now, np.full((len(now), 2), -1), 0, 0, Population.of(scores[now]).scores)
        WorstReplacement().replace(ours, child)
    for i in rows[10:]:
        theirs = PymooPopulation.merge(theirs, members(scores)[[i]])
        theirs = survival.do(FREE, theirs, n_survive=10, random_state=rng)
    assert sorted(ours.ids) == sorted(theirs.get("X")[:, 0] // 2)


def test_a_generation_leaves_one_after_the_other_by_shared_fitness():
    scores = np.random.default_rng(1).random((30, 8)) < 0.4
    alive = list(range(30))
    while len(alive) > 12:
        fitness = np.round(shared(scores.astype(float), alive), 9)
        alive.pop(int(np.argmin(fitness)))  # of equals the oldest
    kept = SharingSurvival(keep_best=False).do(FREE, members(scores), n_survive=12, random_state=generator(0))
    assert list(kept.get("X")[:, 0] // 2) == alive


def test_of_two_who_alone_solve_a_case_one_stays():
    scores = np.array([[0, 0, 1], [0, 0, 1], [1, 1, 0], [1, 1, 0], [1, 1, 0]])
    kept = SharingSurvival(keep_best=False).do(FREE, members(scores), n_survive=3, random_state=generator(0))
    assert list(kept.get("X")[:, 0] // 2) == [1, 3, 4]  # 0 and 1 had the lowest fitness at first


def test_the_best_stays_unless_it_may_leave():
    scores = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.1], [0.0, 1.0, 0.1]])
    pop = members(scores)
    pop.set("F", np.array([[-3.0], [-1.0], [-2.0]]))
    for keep_best, alive in ((True, [0, 2]), (False, [1, 2])):
        kept = SharingSurvival(keep_best=keep_best).do(FREE, pop, n_survive=2, random_state=generator(0))
        assert list(kept.get("X")[:, 0] // 2) == alive


def test_many_objectives_need_no_best():
    pop = members(SCORES)
    pop.set("F", np.zeros((4, 2)))
    two = Problem(n_var=2, n_obj=2)
    with pytest.raises(ValueError, match="needs one objective, got 2: keep_best=False"):
        SharingSurvival().do(two, pop, n_survive=3, random_state=generator(0))
    kept = SharingSurvival(keep_best=False).do(two, pop, n_survive=3, random_state=generator(0))
    assert len(kept) == 3
    assert len(SharingSurvival().do(FREE, members(SCORES), n_survive=9, random_state=generator(0))) == 4


def test_feasible_solutions_stay_and_breed_before_all_others():
    constrained = Problem(n_var=2, n_obj=1, n_ieq_constr=1)
    pop = members(SCORES, G=np.array([[2.0], [-1.0], [0.0], [1.0]]))
    for n, alive in ((1, {1}), (2, {1, 2}), (3, {1, 2, 3}), (4, {0, 1, 2, 3})):
        kept = SharingSurvival().do(constrained, pop, n_survive=n, random_state=generator(0))
        assert {*kept.get("X")[:, 0] // 2} == alive
    parents = AttractionSelection().do(constrained, pop, 99, 2, to_pop=False, random_state=generator(0))
    assert {*parents.ravel()} == {1, 2}
    pop.set("G", np.array([[2.0], [-1.0], [3.0], [1.0]]))
    pop.set("CV", None)
    parents = AttractionSelection().do(constrained, pop, 99, 2, to_pop=False, random_state=generator(0))
    assert {*parents.ravel()} == {0, 1, 2, 3}


def test_it_solves_a_formula():
    result = minimize(Satisfy(), algorithm(), ("n_gen", 40), seed=1)
    assert result.F[0] == -1
    assert Satisfy().evaluate(result.X[None])[0, 0] == -1
    assert result.pop.get("scores").shape == (40, 100)
    assert len({x.tobytes() for x in result.pop.get("X")}) == 40  # no duplicates


def test_it_solves_a_formula_with_few_true_variables():
    problem = Satisfy(most=BITS // 3)
    result = minimize(problem, algorithm(), ("n_gen", 60), seed=0)
    assert result.G[0] <= 0
    assert result.X.sum() <= BITS // 3
    assert result.F[0] <= -0.98
    assert result.pop.get("feas").all()


@pytest.mark.parametrize("keep_best", [True, False])
def test_the_same_seed_gives_the_same_run(keep_best):
    def run(seed):
        parts = algorithm(survival=SharingSurvival(keep_best=keep_best))
        return minimize(Satisfy(), parts, ("n_gen", 6), seed=seed, save_history=keep_best)

    a, b, c = run(1), run(1), run(2)
    assert np.array_equal(a.pop.get("X"), b.pop.get("X"))
    assert not np.array_equal(a.pop.get("X"), c.pop.get("X"))


def test_the_result_is_the_best_ever_scored():
    best = []
    minimize(Satisfy(), algorithm(pop_size=12), ("n_gen", 12), seed=3,
             callback=lambda now: best.append((now.opt[0].F[0], now.off.get("F").min())))
    ever = np.minimum.accumulate([low for _, low in best])
    assert np.array_equal([found for found, _ in best], ever)


def test_ask_and_tell_is_the_same_run():
    problem, run = Satisfy(), algorithm()
    run.setup(problem, termination=("n_gen", 5), seed=4, verbose=False)
    while run.has_next():
        asked = run.ask()
        scores = (asked.get("X")[:, problem.variables] == problem.signs).any(axis=2)
        Evaluator().eval(StaticProblem(problem, F=-scores.mean(axis=1), scores=scores), asked)
        run.tell(infills=asked)
    whole = minimize(problem, algorithm(), ("n_gen", 5), seed=4)
    assert np.array_equal(run.result().pop.get("X"), whole.pop.get("X"))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_in_the_middle_goes_on_as_the_original(copied):
    run = algorithm()
    run.setup(Satisfy(), termination=("n_gen", 6), seed=5)
    for _ in range(3):
        run.next()
    twin = copied(run)
    assert np.array_equal(run.run().pop.get("X"), twin.run().pop.get("X"))


@pytest.mark.parametrize("n_offsprings", [1, 7, None])
@pytest.mark.parametrize("eliminate_duplicates", [True, False])
def test_offspring_numbers_and_duplicates(n_offsprings, eliminate_duplicates):
    parts = algorithm(n_offsprings=n_offsprings, eliminate_duplicates=eliminate_duplicates, crossover=SPX(), pop_size=8)
    assert len(minimize(Satisfy(), parts, ("n_gen", 5), seed=0).pop) == 8


class Sphere(ElementwiseProblem):
    """Graded scores, solution by solution."""

    def __init__(self):
        super().__init__(n_var=4, n_obj=1, xl=-2, xu=2)

    def _evaluate(self, x, out, *args, **kwargs):
        out["scores"] = 1 / (1 + (x - 1) ** 2)
        out["F"] = -out["scores"].mean()


@pytest.mark.parametrize("crossover", [SBX(), DEX(n_diffs=1), DEX(n_diffs=2), PCX()], ids=["SBX", "DEX", "DEX2", "PCX"])
@pytest.mark.parametrize("sampling", [FloatRandomSampling(), LHS()], ids=["random", "LHS"])
def test_graded_scores_and_crossovers_of_many_parents(crossover, sampling):
    parts = algorithm(
        pop_size=20,
        sampling=sampling,
        selection=AttractionSelection(
            mates=AttractionMateSelector(capacity="max"), sharing=ImplicitSharing(capacity="max")
        ),
        crossover=crossover,
        mutation=PM(),
        survival=SharingSurvival(ImplicitSharing(capacity="max")),
    )
    assert minimize(Sphere(), parts, ("n_gen", 20), seed=0).F[0] < -0.95


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (None, r'out\["scores"\].*beside out\["F"\].*got none'),
        (np.ones(4), r"scores\[:, None\]\), got shape \(\)"),
        (np.ones((4, 2, 2)), r"got shape \(2, 2\)"),
        ([np.ones(2), np.ones(3), np.ones(2), np.ones(2)], r"got shape \(2,\) and shape \(3,\)"),
        (SCORES - 1, r"finite and >= 0, got -1.0 for solution 0, case 3.*1 / \(1 \+ error\)"),
        (np.where(SCORES, np.nan, 0.5), "got nan for solution 0, case 0"),
        (np.where(SCORES, np.inf, 0.5), "got inf for solution 0, case 0"),
        (np.full((4, 2), "a"), "must be numbers"),
        (np.zeros((4, 0)), "at least one case"),
    ],
)
def test_scores_that_are_none(scores, message):
    pop = members(SCORES)
    pop.set("scores", scores)
    with pytest.raises(ValueError, match=message):
        AttractionSelection().do(FREE, pop, 2, 2, random_state=generator(0))
    with pytest.raises(ValueError, match=message):
        SharingSurvival().do(FREE, pop, n_survive=2, random_state=generator(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AttractionSelection(RawSharing()), "selector must be a Selector"),
        (lambda: AttractionSelection(mates="one"), "mates must be a MateSelector"),
        (lambda: AttractionSelection(sharing=1), "sharing must be a Sharing"),
        (lambda: SharingSurvival("max"), "sharing must be a Sharing"),
        (lambda: PymooCrossover(PM()), "Crossover"),
        (lambda: PymooMutation(PM), "Mutation"),
        (lambda: PymooGenome(LHS(), 3), "Problem"),
        (lambda: PymooGenome(SBX(), FREE), "Sampling"),
    ],
)
def test_parts_of_the_wrong_kind(make, message):
    with pytest.raises(TypeError, match=message):
        make()


# The other way round ---------------------------------------------------------------------------------------------

BOUNDS = (-1.0, 1.0)
REALS = evoniche.RealGenome(6, bounds=BOUNDS).sample(9, rng=generator(0))
BINARY = evoniche.BinaryGenome(6).sample(9, rng=generator(0))
ORDERS = evoniche.PermutationGenome(6).sample(9, rng=generator(0))
INTEGERS = evoniche.IntegerGenome(6, 0, 5).sample(9, rng=generator(0))
WORDS = Problem(vars={f"v{i}": Choice(options=["a", "bc", "def"]) for i in range(6)})
CHOICES = np.random.default_rng(0).choice(np.array(["a", "bc", "def"], dtype=object), size=(9, 6))
ROUND = {"vtype": float, "repair": RoundingRepair()}


@pytest.mark.parametrize(
    ("crossover", "genomes"),
    [
        *((PymooCrossover(c, bounds=BOUNDS), REALS)
          for c in (SBX(), SBX(prob=1.0, n_offsprings=1), UX(), TwoPointCrossover(), SPX(), DEX(), DEX(F=3.0, CR=1.0),
                    DEX(n_diffs=2), PCX())),
        *((PymooCrossover(c), genomes) for c in (UX(), TwoPointCrossover(), SPX(), HUX())
          for genomes in (REALS, BINARY, INTEGERS, CHOICES, REALS.astype(np.float32))),
        (PymooCrossover(SBX(), bounds=BOUNDS), REALS.astype(np.float32)),
        (PymooCrossover(SBX(**ROUND), bounds=(0, 4)), INTEGERS),
        (PymooCrossover(DEX()), REALS),
        (PymooCrossover(PCX()), REALS),
        (PymooCrossover(OrderCrossover()), ORDERS),
        (PymooCrossover(OrderCrossover(shift=True)), ORDERS),
        (PymooCrossover(ERX()), ORDERS),
        (PymooCrossover(SBX(), problem=Problem(n_var=6, xl=-1, xu=1)), REALS),
        (PymooCrossover(SBX(), bounds=(np.full(6, -1), [1] * 6)), REALS),
    ],
    ids=str,
)
def test_crossovers_keep_the_contract(crossover, genomes):
    check_crossover(crossover, genomes)


@pytest.mark.parametrize(
    ("mutation", "genomes"),
    [
        (PymooMutation(PM(), bounds=BOUNDS), REALS),
        (PymooMutation(PM(prob=0.5, prob_var=0.5), bounds=BOUNDS), REALS.astype(np.float32)),
        (PymooMutation(GaussianMutation(sigma=0.9, prob_var=1.0), bounds=BOUNDS), REALS),  # often out of bounds
        (PymooMutation(BitflipMutation()), BINARY),
        (PymooMutation(InversionMutation()), ORDERS),
        (PymooMutation(PM(prob_var=1.0, eta=3, **ROUND), bounds=(0, 4)), INTEGERS),
        (PymooMutation(ChoiceRandomMutation(prob_var=0.5), problem=WORDS), CHOICES),
    ],
    ids=str,
)
def test_mutations_keep_the_contract(mutation, genomes):
    check_mutation(mutation, genomes)
    assert not np.array_equal(mutation.mutate(genomes, rng=generator(1)), genomes)


@pytest.mark.parametrize(
    ("sampling", "kind", "xu"),
    [
        (FloatRandomSampling(), "f", 4),
        (LHS(), "f", 4),
        (BinaryRandomSampling(), "b", 1),
        (IntegerRandomSampling(), "i", 4),
        (PermutationRandomSampling(), "i", 5),
    ],
)
def test_genomes_keep_the_contract(sampling, kind, xu):
    genome = PymooGenome(sampling, Problem(n_var=6, xl=0, xu=xu))
    check_genome(genome)
    batch = genome.sample(50, rng=generator(0))
    assert batch.shape == (50, 6)
    assert batch.dtype.kind == kind
    assert 0 <= batch.min() < batch.max() <= xu
    i, k = batch[:2]
    expected = np.linalg.norm(i - k) if kind == "f" else (i != k).sum()
    assert genome.distance(batch[:1], batch[1:2])[0, 0] == pytest.approx(expected)


def test_each_bit_of_a_uniform_child_is_as_often_of_either_parent_and_prob_holds():
    a, b = np.zeros((1500, 6), dtype=bool), np.ones((1500, 6), dtype=bool)
    child = PymooCrossover(UX(prob=1.0)).cross(a, b, rng=generator(0))
    assert child.mean() == pytest.approx(0.5, abs=0.03)
    child = PymooCrossover(UX(prob=0.25)).cross(a, b, rng=generator(0))
    assert child.any(axis=1).mean() == pytest.approx(0.25 * (1 - 2**-6), abs=0.045)  # else the first parent
    flipped = PymooMutation(BitflipMutation(prob=0.5, prob_var=1.0)).mutate(a, rng=generator(0))
    assert flipped.all(axis=1).mean() == pytest.approx(0.5, abs=0.05)


def test_children_are_of_their_own_parents():
    a = np.arange(7.0)[:, None] * np.ones((1, 6))
    b = a + 0.5
    for crossover in (UX(), SPX(), TwoPointCrossover(), SBX(n_offsprings=1)):
        child = PymooCrossover(crossover, bounds=(0, 9)).cross(a, b, rng=generator(0))
        assert np.all(np.abs(child - (a + 0.25)) <= 0.6), crossover
    order = PymooCrossover(OrderCrossover(prob=1.0)).cross(ORDERS, ORDERS, rng=generator(0))
    assert np.array_equal(order, ORDERS)


def test_sbx_keeps_the_mean_of_the_parents_and_the_bounds():
    a, b = np.full((100, 50), 0.2), np.full((100, 50), 0.6)
    child = PymooCrossover(SBX(prob=1.0, prob_var=1.0, eta=2), bounds=(0, 1)).cross(a, b, rng=generator(0))
    assert child.mean() == pytest.approx(0.4, abs=0.02)
    assert child.std() > 0.1
    assert 0 <= child.min() < child.max() <= 1


def test_further_parents_are_those_of_the_next_pairs():
    a, b = 10.0 * np.arange(1, 6)[:, None], 10.0 * np.arange(1, 6)[:, None] + 1
    child = PymooCrossover(DEX(F=0.5, CR=1.0)).cross(a, b, rng=generator(0))
    factor = (child - a)[:, 0] / (b - np.roll(a, -1, axis=0))[:, 0]
    assert factor == pytest.approx(0.5, abs=1e-4)  # pymoo's differential jitters F by 1e-4


def test_a_batch_costs_one_call(monkeypatch):
    calls = []
    cross = UX._do
    monkeypatch.setattr(UX, "_do", lambda self, problem, X, **options: calls.append(X.shape) or
                        cross(self, problem, X, **options))
    PymooCrossover(UX(prob=1.0)).cross(REALS, REALS[::-1], rng=generator(0))
    assert calls == [(2, 9, 6)]


def test_pymoo_is_left_as_it_was():
    import pymoo.util

    with pytest.raises(ValueError, match="bounds"):
        PymooMutation(GaussianMutation()).mutate(REALS, rng=generator(0))
    assert pymoo.util.np is np


def test_torch_genomes_stay_such():
    torch = pytest.importorskip("torch")
    genomes = torch.from_numpy(REALS.astype(np.float32))
    child = PymooCrossover(SBX(), bounds=BOUNDS).cross(genomes, genomes.flip(0), rng=generator(0))
    assert (child.dtype, child.shape) == (torch.float32, (9, 6))
    assert PymooMutation(PM(), bounds=BOUNDS).mutate(genomes, rng=generator(0)).dtype == torch.float32


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: PymooCrossover(SBX(prob=1.0)).cross(REALS, REALS, rng=generator(0)), "PymooCrossover.*SBX.*bounds="),
        (lambda: PymooMutation(PM()).mutate(REALS, rng=generator(0)), "PymooMutation.*PM.*bounds="),
        (lambda: PymooGenome(LHS(), FREE).sample(3, rng=generator(0)), "PymooGenome.*LHS.*xl and xu"),
        (lambda: PymooCrossover(SBX(), bounds=(1, -1)), "low <= high.*got"),
        (lambda: PymooCrossover(SBX(), bounds=3), "must be .low, high."),
        (lambda: PymooMutation(PM(), bounds=(0, 1), problem=FREE), "not beside problem"),
        (lambda: PymooCrossover(UX()).cross(list(REALS), list(REALS), rng=generator(0)), "works on arrays"),
        (lambda: PymooCrossover(UX()).cross(REALS, REALS[:3], rng=generator(0)), "same shape"),
        (lambda: PymooMutation(PM(), bounds=(0, 1)).mutate(REALS[0], rng=generator(0)), "rows"),
        (lambda: PymooCrossover(UX(), problem=FREE).cross(REALS, REALS, rng=generator(0)), "length 2, got 6"),
        (lambda: PymooMutation(PM(prob=1.0), bounds=(0, 4)).mutate(INTEGERS, rng=generator(0)), "RoundingRepair"),
    ],
)
def test_what_operators_cannot_use(use, message):
    with pytest.raises(ValueError, match=message):
        use()


def test_a_type_error_of_an_operator_with_bounds_is_its_own():
    class Broken(SBX):
        def _do(self, *args, **kwargs):
            raise TypeError("of the user's")

    with pytest.raises(TypeError, match="of the user's"):
        PymooCrossover(Broken(prob=1.0), bounds=(0, 1)).cross(REALS, REALS, rng=generator(0))


def test_whole_evolutions_with_operators_of_pymoo():
    def distances(orders):  # a case for each place: who is where they belong
        return orders == np.arange(6)

    evolution = evoniche.m2n2(
        distances,
        genome=PymooGenome(PermutationRandomSampling(), Problem(n_var=6)),
        crossover=PymooCrossover(ERX()),
        mutation=PymooMutation(InversionMutation()),
        seed=0,
    )
    assert evolution.run(400, progress=False).best.score == 1


def test_variables_of_mixed_kinds_can_be_chosen_and_survive():
    class Mixed(ElementwiseProblem):
        def _evaluate(self, x, out, *args, **kwargs):
            out["scores"] = [x["b"] == "p", 1 - abs(x["a"] - 0.5)]
            out["F"] = -np.mean(out["scores"])

    from pymoo.core.mixed import MixedVariableGA, MixedVariableMating

    problem = Mixed(vars={"a": Real(bounds=(0, 1)), "b": Choice(options=["p", "q"])})
    mating = MixedVariableMating(AttractionSelection(), eliminate_duplicates=None)
    run = MixedVariableGA(10, mating=mating, survival=SharingSurvival())
    assert minimize(problem, run, ("n_gen", 8), seed=0).F[0] < -0.9


# Simulations that crash.


class Simulation(Problem):
    """x[0] > 0.8 crashes, with the objective `F` and the scores `S` that a user's code then gives."""

    def __init__(self, F, S=0.0, constraints=0):
        super().__init__(n_var=4, n_obj=1, n_ieq_constr=constraints, xl=0.0, xu=1.0)
        self.crash_F, self.crash_S = F, S

    def _evaluate(self, x, out, *args, **kwargs):
        crashed = x[:, 0] > 0.8
        out["scores"] = np.where(crashed[:, None], self.crash_S, x)
        out["F"] = np.where(crashed, self.crash_F, -x.mean(axis=1))
        if self.n_ieq_constr:
            out["G"] = np.where(crashed, -1.0, x[:, 1] - 0.5)[:, None]  # what has crashed looks feasible


@pytest.mark.parametrize("keep_best", [True, False])
@pytest.mark.parametrize("constraints", [0, 1])
@pytest.mark.parametrize("F", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("S", [0.0, 1.0, np.nan])
def test_what_has_crashed_is_never_the_result(F, S, constraints, keep_best):
    algorithm = GA(12, selection=AttractionSelection(), survival=SharingSurvival(keep_best=keep_best))
    result = minimize(Simulation(F, S, constraints), algorithm, ("n_gen", 12), seed=1)
    assert np.isfinite(result.F).all()
    assert np.isfinite(result.pop.get("F")).all()
    assert len(result.pop) == 12


def test_where_all_have_crashed_all_stay():
    pop = members(SCORES)
    pop.set("F", np.full((4, 1), np.nan))
    assert len(SharingSurvival().do(FREE, pop, n_survive=4, random_state=generator(0))) == 4


def test_positions_of_survivors_count_those_that_have_crashed():
    pop = members(SCORES)
    pop.set("F", np.array([[np.nan], [-1.0], [-2.0], [-3.0]]))
    kept = SharingSurvival().do(FREE, pop, n_survive=4, return_indices=True, random_state=generator(0))
    assert sorted(kept) == [1, 2, 3]


def test_masked_scores_are_missing_scores():
    pop = members(SCORES)
    pop[1].set("scores", np.ma.masked_array(SCORES[1], SCORES[1] > 0))
    with pytest.raises(ValueError, match="must not be masked"):
        SharingSurvival().do(FREE, pop, n_survive=3, random_state=generator(0))
