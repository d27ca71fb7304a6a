"""The problems against definitions, enumerations and formulas that are written down here a second time."""

import itertools
import pickle

import numpy as np
import pytest
import scipy.stats
from formula_bias import walksat_flips

from evoniche import Evolution
from evoniche.algorithms import m2n2
from evoniche.batches import join
from evoniche.mates import IndependentMateSelector
from evoniche.population import Population
from evoniche.randomness import generator
from evoniche.replacements import GenerationalReplacement
from evoniche.selectors import RouletteSelector, TournamentSelector
from evoniche.sharing import AntigenSharing, ImplicitSharing, RawSharing
from evoniche.testing import check_crossover, check_genome, check_mutation, check_scorer
from evoniche_baselines.problems import random_formula
from evoniche_baselines.problems.coverage import SubsetCrossover, SubsetGenome, best_coverage, coverage
from evoniche_baselines.problems.diagnostics import KINDS, DiagnosticScorer, ReboundMutation, diagnostics
from evoniche_baselines.problems.digits import DigitsScorer, digits, published_experts
from evoniche_baselines.problems.formula import Formula, read_dimacs, write_dimacs
from evoniche_baselines.problems.immune import immune, maximally_distant_antigens
from evoniche_baselines.problems.max_sat import max_sat, planted, specialist_assignments
from evoniche_baselines.problems.niches import niches

PROBLEMS = {
    "immune": immune,
    "max-sat": lambda: max_sat(variables=20),
    "complementary": lambda: max_sat(variables=20, draw="complementary"),
    "specialists": lambda: max_sat(variables=20, specialists=3),
    "coverage": lambda: coverage(sites=12, chosen=3, customers=30),
    "niches": lambda: niches(shared=5),
    "digits": digits,
    "experts": lambda: digits("experts"),
    **{f"{kind} {valleys}": (lambda kind=kind, valleys=valleys: diagnostics(kind, 6, valleys=valleys))
       for kind in KINDS for valleys in (False, True)},
}


@pytest.fixture(params=PROBLEMS)
def problem(request):
    return PROBLEMS[request.param]()


def test_every_part_keeps_its_contract(problem):
    genomes = problem.genome.sample(8, rng=generator(1))
    check_genome(problem.genome)
    check_scorer(problem.scorer, genomes)
    if problem.held_out is not None:
        check_scorer(problem.held_out, genomes[:2])
    if problem.crossover is not None:
        check_crossover(problem.crossover, genomes)
    if problem.mutation is not None:
        check_mutation(problem.mutation, genomes)


def test_every_problem_is_what_it_says(problem):
    genomes = problem.genome.sample(problem.population_size, rng=generator(1))
    scores = np.asarray(problem.scorer.score(genomes))
    assert scores.shape == (len(genomes), problem.cases)
    assert scores.min() >= 0
    assert scores.max() <= 1
    if problem.niches is not None:
        assert isinstance(problem.niches(genomes, scores), int)
    assert all(isinstance(measure(genomes, scores), float) for measure in problem.metrics.values())
    if problem.vector is not None:
        start = problem.vector.start(generator(2))
        assert start.shape == (problem.vector.size,)
        decoded = problem.vector.decode(np.stack([start, start]).astype(np.float64))
        assert decoded.dtype == genomes.dtype
        assert problem.scorer.score(decoded).shape == (2, problem.cases)
    parts = problem.genome, problem.scorer, problem.niches, *problem.metrics.values()
    pickle.dumps((parts, problem.vector and problem.vector.start, problem.descriptor))


def test_a_problem_follows_from_its_options(problem, request):
    again = PROBLEMS[request.node.callspec.params["problem"]]()
    genomes = problem.genome.sample(9, rng=generator(3))
    np.testing.assert_array_equal(problem.scorer.score(genomes), again.scorer.score(genomes))
    np.testing.assert_array_equal(problem.initial, again.initial)
    assert (problem.name, problem.target) == (again.name, again.target)


@pytest.mark.parametrize("make", [lambda i: max_sat(20, instance=i), lambda i: coverage(12, 3, 30, instance=i)])
def test_another_instance_is_another_problem(make):
    genomes = make(0).genome.sample(50, rng=generator(0))
    assert (np.asarray(make(0).scorer.score(genomes)) != make(1).scorer.score(genomes)).any()
    assert make(0).name != make(1).name


def test_a_run_with_the_number_of_the_instance_does_not_begin_with_the_solution():
    for number in range(5):
        _, hidden = planted(50, 4.26, number)
        genomes = max_sat(50, instance=number, draw="planted").genome.sample(20, rng=generator(number))
        assert (genomes != hidden).sum(axis=1).min() > 5


# immune


@pytest.mark.parametrize(("antigens", "bits"), [(8, 64), (63, 64), (3, 4)])
def test_antigens_differ_in_half_of_their_bits(antigens, bits):
    rows = maximally_distant_antigens(antigens, bits)
    assert rows.shape == (antigens, bits)
    for a, b in itertools.combinations(rows, 2):
        assert (a != b).sum() == bits // 2
    assert immune(antigens, bits).radius == bits / 4


def test_the_score_is_the_share_of_matching_bits():
    problem = immune(5, 16)
    genomes = problem.genome.sample(7, rng=generator(0))
    expected = [[sum(map(np.equal, genome, antigen)) / 16 for antigen in problem.scorer.antigens] for genome in genomes]
    np.testing.assert_allclose(problem.scorer.score(genomes), expected, rtol=1e-15)


def test_antigens_are_held_by_who_matches_nine_tenths():
    problem = immune()
    antigens = problem.scorer.antigens
    almost = antigens.copy()
    almost[0, :6] ^= True  # 58 of 64
    almost[1, :7] ^= True  # 57 of 64 is less than .9
    scores = problem.scorer.score(almost)
    assert problem.niches(almost, scores) == 7
    assert problem.metrics["complete matches"](almost, scores) == 6
    generalist = antigens.mean(axis=0)[None] > 0.5
    assert problem.niches(generalist, problem.scorer.score(generalist)) == 0
    assert problem.scorer.score(generalist).mean() > scores.mean()  # what the mean score prefers


def test_winner_takes_all_holds_every_antigen_and_the_mean_score_none():
    problem = immune(antigens=4, bits=16, antibodies=60, crossover=False)
    assert "crossover" not in problem.offers

    def held(sharing, selector):
        evolution = Evolution(
            problem.genome, problem.scorer, sharing=sharing, selector=selector, crossover=problem.crossover,
            mutation=problem.mutation, mates=IndependentMateSelector(selector), replacement=GenerationalReplacement(0),
            population_size=60, batch_size=60, seed=0,
        )
        population = evolution.run(6000, progress=False).population
        return problem.niches(population.genomes, population.scores)

    assert held(AntigenSharing(60), RouletteSelector()) == 4
    assert held(RawSharing(), TournamentSelector(2)) == 0


@pytest.mark.parametrize("options", [{"bits": 48}, {"antigens": 64}, {"antigens": 1}, {"antibodies": 1}])
def test_wrong_options_of_immune(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be .* got {next(iter(options.values()))}"):
        immune(**options)


# max-sat


def satisfied(clauses, assignment):
    return [any(assignment[abs(literal) - 1] == (literal > 0) for literal in clause) for clause in clauses]


def test_clauses_are_scored_as_they_read():
    clauses = [(1, -2, 3), (-1,), (2, 3), (-3, -2, -1, 4)]
    formula = Formula(4, clauses)
    assignments = np.array([*itertools.product([False, True], repeat=4)])
    expected = [satisfied(clauses, assignment) for assignment in assignments]
    np.testing.assert_array_equal(formula.score(assignments), expected)


@pytest.mark.parametrize("ratio", [4.26, 6.0])
def test_uniform_formulas_are_all_that_can_be_satisfied(ratio, monkeypatch):
    # Against an enumeration: no formula is passed over that has a solution, and none is kept without.
    every = np.array([*itertools.product([False, True], repeat=8)])
    tried = []
    solve = random_formula._solve
    monkeypatch.setattr(random_formula, "_solve", lambda formula: tried.append(formula) or solve(formula))
    for instance in range(20):
        tried.clear()
        formula, solution = random_formula.uniform.__wrapped__(8, ratio, instance)
        assert all(satisfied(formula.clauses, solution))
        assert not any(other.score(every).all(axis=1).any() for other in tried[:-1])
        assert tried[-1] == formula
        assert len(formula) == round(8 * ratio)
    assert max_sat(8, ratio, instance=3).scorer == random_formula.uniform(8, ratio, 3)[0]


def test_clauses_are_uniform():
    literals = np.array([random_formula.uniform(50, 3, i)[0].clauses for i in range(40)])  # hardly any is passed over
    assert all(len(set(map(abs, clause))) == 3 for clause in literals.reshape(-1, 3).tolist())
    counts = np.unique_counts(literals).counts
    assert len(counts) == 100
    assert scipy.stats.chisquare(counts).pvalue > 0.01


def test_a_hidden_complement_leaves_no_trace():
    agree = {}
    for name in ("complementary", "planted"):
        formulas = [random_formula.DRAWS[name](100, 4.26, i) for i in range(10)]
        agree[name] = np.mean([(s[np.abs(f._literals) - 1] == (f._literals > 0)).mean() for f, s in formulas])
        for formula, solution in formulas:
            assert formula.score(solution[None]).all()
            assert formula.score(~solution[None]).all() == (name == "complementary")
    assert agree["planted"] == pytest.approx(4 / 7, abs=0.01)  # 12,780 literals: the standard error is .0044
    assert agree["complementary"] == pytest.approx(1 / 2, abs=0.01)


def test_uniform_formulas_are_harder_than_planted_ones():
    flips = {name: [walksat_flips(random_formula.DRAWS[name](60, 4.26, i)[0], i) for i in range(20)]
             for name in ("uniform", "planted")}
    assert np.median(flips["uniform"]) > 1.5 * np.median(flips["planted"])


def test_what_cannot_be_satisfied_is_refused(monkeypatch):
    monkeypatch.setattr(random_formula, "_ATTEMPTS", 5)
    with pytest.raises(ValueError, match=r"ratio must be one .* none of 5 formulas of 20 variables with ratio 20 can"):
        max_sat(20, ratio=20)
    assert max_sat(20, ratio=20, draw="complementary").name == (
        "max-sat (20 variables, 400 clauses, instance 0, complementary)")


@pytest.mark.parametrize("variables", [50, 100, 250])
def test_the_hidden_assignment_satisfies_all(variables):
    formula, hidden = planted(variables, 4.26, 3)
    assert formula == max_sat(variables, instance=3, draw="planted").scorer
    assert len(formula) == round(4.26 * variables)
    assert all(len({*map(abs, clause)}) == 3 for clause in formula.clauses)
    assert all(satisfied(formula.clauses, hidden))
    assert 0.3 < hidden.mean() < 0.7
    random = max_sat(variables).genome.sample(200, rng=generator(1))
    # A random literal is more often true under the hidden assignment (4/7), but elsewhere as good as any: 7/8.
    assert formula.score(random).mean() == pytest.approx(7 / 8, abs=0.01)
    assert max_sat(variables).target == 1


@pytest.mark.parametrize(("count", "given"), [(2, True), (3, True), (3, False)])
def test_specialists_know_their_parts_and_hold_a_solution(count, given):
    formula, hidden = planted(40, 4.26, 0)
    specialists = specialist_assignments(formula, count, hidden if given else None, rng=generator(0))
    known = formula.score(specialists)
    assert known.any(axis=0).all()  # every clause is somebody's
    assert not known.all(axis=1).any()  # nobody knows all
    assert (known.sum(axis=1) >= len(formula) // count).all()
    if given:
        parts = np.array_split(generator(0).permutation(len(formula)), count)
        assert all(known[i, part].all() for i, part in enumerate(parts))
        assert ((specialists != hidden).sum(axis=0) <= 1).all()  # all but one have each variable right
        assert ((specialists != hidden).sum(axis=1) > 0.2 * 40 / count).all()
    else:
        vote = specialists.sum(axis=0) > 1  # at most one of three is wrong about a variable
        assert formula.score(vote[None]).all()


def test_specialists_are_seeds_without_mutation():
    problem = max_sat(30, specialists=True)
    assert problem.initial.shape == (2, 30)
    assert (problem.mutation, problem.seeds) == (None, True)
    assert {"seeds", "crossover"} <= problem.offers
    assert "seeds" not in max_sat(30).offers


def test_a_part_that_nothing_satisfies_is_refused(monkeypatch):
    monkeypatch.setattr("evoniche_baselines.problems.max_sat._FLIPS", 20)
    with pytest.raises(ValueError, match="found none for 8 clauses"):
        specialist_assignments(Formula(2, [(1,), (-1,)] * 4), 2, rng=generator(0))


def test_a_formula_comes_back_from_its_file(tmp_path):
    formula = Formula(9, [(1, -2), (-9,), (3, 4, -5, 6)])
    write_dimacs(tmp_path / "f.cnf", formula, "two\nlines")
    assert read_dimacs(tmp_path / "f.cnf") == formula
    problem = max_sat(file=str(tmp_path / "f.cnf"))
    assert (problem.cases, problem.genome.length, problem.name) == (3, 9, "max-sat (f.cnf)")


def test_files_of_satlib_can_be_read(tmp_path):
    text = "c a comment\nc\n p  cnf 4 3 \n 1 -2\n 3 0 -4\nc between\n0\n2 4 0\n%\n0\n\n"
    (tmp_path / "uf.cnf").write_text(text)
    assert read_dimacs(tmp_path / "uf.cnf") == Formula(4, [(1, -2, 3), (-4,), (2, 4)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must begin with a line 'p cnf VARIABLES CLAUSES', got ''"),
        ("1 2 0\n", "must begin with a line 'p cnf"),
        ("p wcnf 2 1\n1 2 0\n", "got 'p wcnf 2 1'"),
        ("p cnf 2\n1 2 0\n", "got 'p cnf 2'"),
        ("p cnf 2 -1\n", "got 'p cnf 2 -1'"),
        ("p cnf 2 1\n1 x 0\n", "line 2 must hold whole numbers, got 'x'"),
        ("p cnf 2 1\n1 3 0\n", "line 2 must be of the variables 1 to 2, got 3"),
        ("p cnf 3 1\n99999999999999999999 0\n", "line 2 must be of the variables 1 to 3"),
        (f"p cnf 3 1\n{'9' * 5000} 0\n", "line 2 must hold whole numbers of at most 19 digits, got 99999"),
        ("p cnf 1000000000 1\n1 0\n", "line 1 must announce 1 to 16,777,216 variables, got 1,000,000,000"),
        (f"p cnf {'9' * 5000} 1\n1 0\n", "line 1 must hold whole numbers of at most 19 digits"),
        ("p cnf ² 1\n1 0\n", "must begin with a line 'p cnf"),
        ("p cnf 2 20000\n" + "1 " * 20_000 + "0\n" + "1 0\n" * 19_999, "are more than a scorer holds"),
        ("p cnf 2 2\n1 0\n0\n", "clause 2 is empty"),
        ("p cnf 2 3\n1 0\n2 0\n", "line 1 announces 3 clauses, but there are 2"),
        ("p cnf 2 0\n", "at least one clause"),
        ("p cnf 0 1\n1 0\n", "variables"),
        ("\x00\xff\x80PNG", "must begin with"),
    ],
)
def test_garbled_files_are_refused(tmp_path, text, message):
    path = tmp_path / "bad.cnf"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"bad\.cnf is not a DIMACS file") as error:
        max_sat(file=str(path))
    assert message in str(error.value)


def test_a_file_that_is_not_there():
    with pytest.raises(ValueError, match=r"there is no file nowhere\.cnf"):
        max_sat(file="nowhere.cnf")


@pytest.mark.parametrize(
    "options", [{"variables": 2}, {"ratio": 0}, {"instance": -1}, {"specialists": 1}, {"draw": "easy"}]
)
def test_wrong_options_of_max_sat(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        max_sat(**options)


# coverage


@pytest.mark.parametrize("instance", range(3))
def test_the_optimum_is_that_of_an_enumeration(instance):
    problem = coverage(sites=10, chosen=3, customers=40, instance=instance)
    reach = problem.scorer.reach
    best = max(reach[list(choice)].any(axis=0).sum() for choice in itertools.combinations(range(10), 3))
    assert best_coverage(reach, 3) == best
    assert problem.target == best / 40
    everything = problem.genome.sample(500, rng=generator(0))
    assert problem.scorer.score(everything).mean(axis=1).max() == problem.target


def test_customers_are_covered_by_any_chosen_site():
    problem = coverage(sites=9, chosen=4, customers=25)
    genomes = problem.genome.sample(6, rng=generator(0))
    expected = [[any(g and r for g, r in zip(genome, column, strict=True)) for column in problem.scorer.reach.T]
                for genome in genomes]
    np.testing.assert_array_equal(problem.scorer.score(genomes), expected)


def test_choices_keep_their_size():
    genome = SubsetGenome(12, 4)
    a, b = (genome.sample(300, rng=generator(i)) for i in (0, 1))
    children = SubsetCrossover().cross(a, b, rng=generator(2))
    mutants = coverage(12, 4, 10).mutation.mutate(a, rng=generator(3))
    for batch in (a, children, mutants):
        assert (batch.sum(axis=1) == 4).all()
    assert not (children & ~(a | b)).any()
    assert not (a & b & ~children).any()
    from_mate = (children & b & ~a).sum() / (b & ~a).sum()
    assert from_mate == pytest.approx(0.5, abs=0.05)
    assert ((a != mutants).sum(axis=1) == 2).all()
    assert np.ptp(a.mean(axis=0)) < 0.15  # 1/3 each
    distance = genome.distance(a[:5], mutants[:5])
    assert np.diag(distance).tolist() == [1] * 5
    assert distance[0, 1] == len({*np.flatnonzero(a[0])} - {*np.flatnonzero(mutants[1])})


@pytest.mark.parametrize("options", [{"sites": 1}, {"chosen": 50}, {"chosen": 0}, {"customers": 0}, {"radius": 0}])
def test_wrong_options_of_coverage(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
        coverage(**options)


# diagnostics


GENES = [[5, 3, 9, 9, 2, 4], [100, 99.5, 99, 10, 10, 87], [7, 8, 8.5, 30, 12, 11.5]]
TRAITS = {
    "exploitation": GENES,
    "ordered": [[5, 3, 0, 0, 0, 0], [100, 99.5, 99, 10, 10, 0], [7, 0, 0, 0, 0, 0]],
    "contradictory": [[0, 0, 9, 0, 0, 0], [100, 0, 0, 0, 0, 0], [0, 0, 0, 30, 0, 0]],
    "multi-path": [[0, 0, 9, 9, 2, 0], [100, 99.5, 99, 10, 10, 0], [0, 0, 0, 30, 12, 11.5]],
}
# Peaks at 8, 9, 11, 29, 86 and 99: 8.5 -> 7.5, 10 -> 8, 12 -> 10, 11.5 -> 10.5, 30 -> 28, 87 -> 85, 99.5 -> 98.5
ACROSS = {
    "exploitation": [[5, 3, 9, 9, 2, 4], [100, 98.5, 99, 8, 8, 85], [7, 8, 7.5, 28, 10, 10.5]],
    "ordered": [[5, 3, 0, 0, 0, 0], [100, 98.5, 99, 8, 8, 0], [7, 0, 0, 0, 0, 0]],
    "contradictory": [[0, 0, 9, 0, 0, 0], [100, 0, 0, 0, 0, 0], [0, 0, 0, 28, 0, 0]],
    "multi-path": [[0, 0, 9, 9, 2, 0], [100, 98.5, 99, 8, 8, 0], [0, 0, 0, 28, 10, 10.5]],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("valleys", "expected"), [(False, TRAITS), (True, ACROSS)])
def test_traits_by_hand(kind, valleys, expected):
    problem = diagnostics(kind, traits=6, valleys=valleys)
    np.testing.assert_allclose(100 * problem.scorer.score(np.array(GENES, dtype=float)), expected[kind], rtol=1e-14)


def test_valleys_gene_by_gene():
    peaks = [8, 9, 11, 14, 18, 23, 29, 36, 44, 53, 63, 74, 86, 99]
    genes = np.arange(0, 100.01, 0.25)
    expected = [gene if gene <= 8 or gene >= 99.9 else 2 * max(p for p in peaks if p <= gene) - gene for gene in genes]
    scored = DiagnosticScorer("exploitation", True).score(genes[None])[0]
    np.testing.assert_allclose(100 * scored, expected, rtol=1e-14)
    assert np.diff(peaks).tolist() == list(range(1, 14))
    assert scored.min() >= 0


def test_what_is_satisfied_and_which_genes_are_greatest():
    problem = diagnostics("contradictory", traits=4)
    genomes = np.array([[99.0, 0, 0, 0], [0, 98.9, 0, 0], [100, 0, 99.9, 0], [0, 0, 0, 99.5]])
    scores = problem.scorer.score(genomes)
    assert problem.niches(genomes, scores) == 2
    assert problem.metrics["activation genes"](genomes, scores) == 3
    assert problem.target is None


def test_mutation_rebounds_and_is_as_frequent_as_published():
    genomes = np.tile([[0.0], [50.0], [100.0]], (1, 20_000))
    mutants = ReboundMutation(0.007).mutate(genomes, rng=generator(0))
    assert mutants.min() >= 0
    assert mutants.max() <= 100
    changed = mutants != genomes
    assert changed.mean() == pytest.approx(0.007, rel=0.1)
    assert (mutants - genomes)[1, changed[1]].std() == pytest.approx(1, abs=0.15)
    assert (mutants - genomes)[0, changed[0]].mean() == pytest.approx(np.sqrt(2 / np.pi), abs=0.15)
    assert diagnostics(traits=100).mutation.rate == pytest.approx(0.007)
    start = diagnostics(traits=100).genome.sample(50, rng=generator(0))
    assert 0 <= start.min() < start.max() <= 1


@pytest.mark.parametrize("options", [{"kind": "best"}, {"traits": 0}, {"population": 1}])
def test_wrong_options_of_diagnostics(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        diagnostics(**options)
    with pytest.raises(TypeError, match="valleys"):
        diagnostics(valleys="yes")


# niches


@pytest.mark.parametrize(("unique", "share"), [((30, 10), 0.75), ((20, 10), 2 / 3)])
@pytest.mark.parametrize("shared", [0, 25])
def test_both_kinds_are_equally_fit_at_the_equilibrium(unique, share, shared):
    problem = niches(*unique, shared=shared)
    genomes = np.arange(1200)[:, None] < 1200 * share
    scores = problem.scorer.score(genomes)
    fitness = ImplicitSharing().fitness(Population.of(scores))
    assert np.ptp(fitness) < 1e-6 * fitness.mean()
    assert problem.metrics["share of A"](genomes, scores) == pytest.approx(share)
    assert (problem.niches(genomes, scores), problem.niches(genomes[:9], scores[:9])) == (2, 1)
    # The height of a niche, as explicit sharing sees it.
    assert scores[0].mean() / scores[-1].mean() == pytest.approx((unique[0] + shared) / (unique[1] + shared))


def test_kinds_are_told_apart_by_the_radius():
    problem = niches()
    kinds = np.array([[True], [False]])
    np.testing.assert_array_equal(problem.genome.distance(kinds, kinds) > problem.radius, [[0, 1], [1, 0]])
    assert problem.offers == {"cases", "distance"}


@pytest.mark.parametrize("options", [{"unique_a": 0}, {"unique_b": 0}, {"shared": -1}, {"members": 1}])
def test_wrong_options_of_niches(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        niches(**options)


# digits


def test_digits_are_those_of_the_paper():
    scratch, experts = digits("scratch"), digits("experts")
    assert (scratch.initial, scratch.mutation.std, scratch.population_size, scratch.seeds) == (2, 0.01, 20, False)
    np.testing.assert_array_equal(experts.initial, published_experts())
    assert (experts.mutation, experts.seeds, scratch.vector.size, scratch.vector.std) == (None, True, 19_210, 0.01)
    np.testing.assert_allclose(experts.vector.start(generator(0)), published_experts().mean(axis=0))
    assert scratch.vector.start(generator(0)).std() == pytest.approx(0.01, rel=0.02)
    assert {"descriptor", "vector", "cases", "crossover"} <= scratch.offers
    with pytest.raises(ValueError, match="start must be one of scratch, experts, fresh, got 'middle'"):
        digits("middle")


def test_the_grid_is_over_odd_and_even_digits():
    problem, (train, test) = digits("experts"), DigitsScorer.load()
    scores = problem.scorer.score(published_experts())
    by_class, counts = [train.class_accuracy(expert) for expert in published_experts()], np.bincount(train.labels)
    expected = [[np.average(right[start::2], weights=counts[start::2]) for start in (1, 0)] for right in by_class]
    np.testing.assert_allclose(problem.descriptor.measure(None, scores), expected)
    rows = [min(int(10 * odd), 9) * 10 + min(int(10 * even), 9) for odd, even in expected]
    np.testing.assert_array_equal(problem.descriptor.cell(None, scores), rows)
    held_out = problem.held_out.score(published_experts()).mean(axis=1)
    np.testing.assert_allclose(held_out, [test.accuracy(expert) for expert in published_experts()])


def test_an_evolution_takes_the_parts_as_they_are(problem):
    evolution = m2n2(
        problem.scorer, genome=problem.genome, initial=problem.initial, crossover=problem.crossover,
        mutation=problem.mutation, population_size=problem.population_size, seed=0,
    )
    result = evolution.run(problem.population_size + 5, progress=False)
    assert len(result.population) == problem.population_size
    join(result.population.genomes, problem.genome.sample(1, rng=generator(0)))  # of one kind
