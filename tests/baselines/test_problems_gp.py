"""Genetic programming: the multiplexer and symbolic regression, each solved by a tree written by hand."""

import itertools
import pickle
import random
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from deap import gp

from evoniche.randomness import generator
from evoniche.testing import check_crossover, check_genome, check_mutation, check_scorer
from evoniche_baselines.problems._gp import HEIGHT, subtree_crossover, subtree_mutation
from evoniche_baselines.problems.multiplexer import multiplexer
from evoniche_baselines.problems.regression import TARGETS, regression

RIGHT = {
    6: "IF(a1, IF(a0, d3, d2), IF(a0, d1, d0))",
    11: "IF(a2, IF(a1, IF(a0, d7, d6), IF(a0, d5, d4)), IF(a1, IF(a0, d3, d2), IF(a0, d1, d0)))",
}
X2, X3 = "mul(x, x)", "mul(x, mul(x, x))"
ONE = "div(x, x)"
SUM_TO_4 = f"add(x, add({X2}, add({X3}, mul({X2}, {X2}))))"
SQUARES = "add(square(sub(x1, 3.0)), add(square(sub(x2, 3.0)), add(square(sub(x3, 3.0)), " \
          "add(square(sub(x4, 3.0)), square(sub(x5, 3.0))))))"
OWN = {
    "koza-1": SUM_TO_4,
    "nguyen-1": f"add(x, add({X2}, {X3}))",
    "nguyen-2": SUM_TO_4,
    "nguyen-3": f"add({SUM_TO_4}, mul({X2}, {X3}))",
    "nguyen-4": f"add(add({SUM_TO_4}, mul({X2}, {X3})), mul({X3}, {X3}))",
    "nguyen-5": f"sub(mul(sin({X2}), cos(x)), {ONE})",
    "nguyen-6": f"add(sin(x), sin(add(x, {X2})))",
    "nguyen-7": f"add(log(add(x, {ONE})), log(add({X2}, {ONE})))",
    "nguyen-8": f"exp(div(log(x), add({ONE}, {ONE})))",
    "vladislavleva-4": f"div(10.0, add(5.0, {SQUARES}))",
}
PAGIE = "div(x4, add(x4, div(x1, x1)))".replace("x4", "mul(mul(x1, x1), mul(x1, x1))")
OWN["pagie-1"] = f"add({PAGIE}, {PAGIE.replace('x1', 'x2')})"


def tree(problem, text):
    return gp.PrimitiveTree.from_string(text, problem.genome.language.primitives)


def simple_trees(problem):
    return problem.genome.sample(30, rng=generator(0))


def by_deap(problem, one, values):
    """What DEAP's own compiled function gives, case by case."""
    function = gp.compile(one, problem.genome.language.primitives)
    return [function(*row) for row in values]


@pytest.mark.parametrize("inputs", [6, 11])
def test_a_right_tree_answers_every_row(inputs):
    problem = multiplexer(inputs)
    scores = problem.scorer.score([tree(problem, RIGHT[inputs]), tree(problem, f"NOT({RIGHT[inputs]})")])
    assert scores.shape == (2, problem.cases) == (2, 2**inputs)
    assert scores[0].all()
    assert not scores[1].any()


@pytest.mark.parametrize("inputs", [6, 11])
def test_rows_are_those_of_the_formula(inputs):
    problem = multiplexer(inputs)
    k = {6: 2, 11: 3}[inputs]
    rows = [tuple(row)[::-1] for row in itertools.product([0, 1], repeat=inputs)]  # the first input changes fastest
    right = np.array([row[k + int("".join(map(str, row[:k][::-1])), 2)] for row in rows])
    python = {"AND": "({} & {})", "OR": "({} | {})", "NOT": "(1 - {})", "IF": "({1} if {0} else {2})"}
    trees = simple_trees(problem)[:10]
    for scores, one in zip(problem.scorer.score(trees), trees, strict=True):
        stack = []
        for node in reversed(one):
            stack.append(python[node.name].format(*[stack.pop() for _ in range(node.arity)]) if node.arity else
                         node.format())
        names = problem.genome.language.inputs
        answer = eval(f"lambda {', '.join(names)}: {stack[0]}")
        answers = np.array([answer(*row) for row in rows])
        assert np.array_equal(scores, answers == right)


def test_distance_is_how_many_rows_are_answered_differently():
    problem = multiplexer()
    trees = [tree(problem, text) for text in ("a0", "NOT(a0)", "AND(a0, a1)", "a0")]
    expected = [[0, 64, 16, 0], [64, 0, 48, 64], [16, 48, 0, 16], [0, 64, 16, 0]]
    assert problem.genome.distance(trees, trees).tolist() == expected
    assert problem.metrics["behaviours"](trees, problem.scorer.score(trees)) == 3


@pytest.mark.parametrize("target", OWN)
def test_the_target_itself_scores_1(target):
    problem = regression(target)
    own = [tree(problem, OWN[target])]
    scores = problem.scorer.score(own)
    assert scores.shape == (1, problem.cases)
    np.testing.assert_allclose(scores, 1, atol=1e-12)
    assert scores.mean() >= problem.target
    assert problem.metrics["hits"](own, scores) == 1
    if problem.held_out is not None:
        np.testing.assert_allclose(problem.held_out.score(own), 1, atol=1e-12)


def test_harmonic_numbers():
    problem = regression("keijzer-6")
    assert problem.scorer.y[[0, 1, 2, 49]].tolist() == pytest.approx([1, 1.5, 1.5 + 1 / 3, 4.499205338329423])
    assert problem.held_out.y[-1] == pytest.approx(5.368868286857286)
    scores = problem.scorer.score([tree(problem, "neg(neg(1.0))")])[0]
    np.testing.assert_allclose(scores[:3], [1, 1 / 1.5, 1 / (1 + 0.5 + 1 / 3)])


@pytest.mark.parametrize(
    ("target", "points", "low", "high", "test"),
    [
        ("koza-1", 20, -1, 1, None),
        ("nguyen-7", 20, 0, 2, None),
        ("nguyen-8", 20, 0, 4, None),
        ("pagie-1", 26**2, -5, 5, None),
        ("keijzer-6", 50, 1, 50, (120, 1, 120)),
        ("vladislavleva-4", 1024, 0.05, 6.05, (5000, -0.25, 6.35)),
    ],
)
def test_points_are_those_of_the_table(target, points, low, high, test):
    problem = regression(target)
    for scorer, n, least, most in ((problem.scorer, points, low, high), (problem.held_out, *(test or (0, 0, 0)))):
        if scorer is None:
            assert test is None
            continue
        x = scorer.x
        assert x.shape == (TARGETS[target].variables, n)
        assert len(scorer.y) == n
        assert least - 1e-9 <= x.min() <= least + 0.2 * (most - least)
        assert most - 0.2 * (most - least) <= x.max() <= most + 1e-9
    if target in ("pagie-1", "keijzer-6"):
        steps = np.unique(np.diff(np.unique(np.round(problem.scorer.x, 9))).round(9))
        assert steps.tolist() == [{"pagie-1": 0.4, "keijzer-6": 1.0}[target]]


@pytest.mark.parametrize("target", ["koza-1", "keijzer-6", "vladislavleva-4"])
@pytest.mark.filterwarnings("ignore:(overflow|invalid|divide)")
def test_scores_are_those_of_trees_compiled_by_deap(target):
    problem = regression(target)
    trees = simple_trees(problem)
    points, y = problem.scorer.x.T[:20], problem.scorer.y[:20]
    errors = np.abs(np.array([by_deap(problem, one, points) for one in trees], dtype=float) - y)
    expected = np.where(np.isfinite(errors), 1 / (1 + errors), 0)
    np.testing.assert_allclose(problem.scorer.score(trees)[:, :20], expected, rtol=1e-9)


def test_what_is_not_finite_scores_0_without_a_warning():
    problem = regression("koza-1")
    towering = tree(problem, "exp(exp(exp(exp(exp(exp(exp(x)))))))")
    scores = problem.scorer.score([towering, tree(problem, "sub(X, X)".replace("X", str(towering)))])
    assert (scores[0] < 1e-9).all()
    assert (scores[1] == 0).any()
    protected = problem.scorer.score([tree(problem, "div(x, sub(x, x))"), tree(problem, "log(sub(x, x))")])
    np.testing.assert_allclose(protected, 1 / (1 + np.abs([[1], [0]] - problem.scorer.y)))


@pytest.mark.parametrize("make", [multiplexer, lambda: regression("keijzer-6"), lambda: regression("vladislavleva-4")])
def test_parts_keep_their_contracts(make):
    problem = make()
    trees = simple_trees(problem)
    check_genome(problem.genome)
    check_scorer(problem.scorer, trees)
    check_crossover(problem.crossover, trees)
    check_mutation(problem.mutation, trees)
    check_mutation(subtree_mutation(problem.genome.language, rate=1.0), trees)
    assert [problem.genome.language.read(problem.genome.language.write(one)) for one in trees] == trees
    assert len(set(problem.descriptor.cell(trees, problem.scorer.score(trees)))) > 5
    pickle.loads(pickle.dumps((problem.metrics, problem.descriptor, problem.genome)))


def test_the_same_options_make_the_same_problem():
    one, same, other = regression("vladislavleva-4"), regression("vladislavleva-4"), regression("vladislavleva-4", 1)
    assert np.array_equal(one.scorer.x, same.scorer.x)
    assert np.array_equal(one.held_out.y, same.held_out.y)
    assert not np.array_equal(one.scorer.x, other.scorer.x)
    assert simple_trees(one) == simple_trees(same)


def test_random_trees_are_ramped_and_leave_global_randomness_alone():
    before = random.getstate()
    heights = np.array([one.height for one in multiplexer().genome.sample(500, rng=generator(1))])
    assert random.getstate() == before
    assert (heights.min(), heights.max()) == (2, 6)
    assert all((heights == height).mean() > 0.05 for height in range(2, 7))


def test_inner_nodes_are_crossed_in_nine_of_ten_and_mutants_one_of_ten():
    problem = multiplexer()
    trees = [one for one in problem.genome.sample(400, rng=generator(2)) if one.height > 3]
    language = problem.genome.language
    for rate in (0.1, 1.0):
        mutants = subtree_mutation(language, rate=rate).mutate(trees * 5, rng=generator(3))
        changed = np.mean([a != b for a, b in zip(trees * 5, mutants, strict=True)])
        assert changed == pytest.approx(rate, abs=0.12 if rate == 1 else 0.03)
    marked = [tree(problem, "AND(a0, NOT(a0))")] * 2000  # a leaf or NOT(a0) makes way
    mates = [tree(problem, "OR(d3, IF(d3, d3, d3))")] * 2000  # for a leaf or the IF
    children = problem.crossover.cross(marked, mates, rng=generator(4))
    inner = np.mean(["NOT" not in str(child) and len(child) > 2 for child in children])
    assert inner == pytest.approx(0.9, abs=0.03)  # the point in the first parent


def test_children_do_not_grow_beyond_the_limit():
    problem = multiplexer()
    deep = tree(problem, "NOT(" * (HEIGHT - 1) + "AND(a0, d0)" + ")" * (HEIGHT - 1))
    assert deep.height == HEIGHT
    language, trees = problem.genome.language, [deep] * 200
    for grow in (
        lambda **limit: subtree_crossover(**limit).cross(trees, trees, rng=generator(0)),
        lambda **limit: subtree_mutation(language, 1.0, **limit).mutate(trees, rng=generator(0)),
    ):
        free = grow(height=99)
        too_high = sum(one.height > HEIGHT for one in free)
        assert 0 < too_high < 200
        assert grow() == [deep if one.height > HEIGHT else one for one in free]


def test_constants_travel_to_another_process():
    problem = regression("keijzer-6")
    trees = simple_trees(problem)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        scores = pool.submit(problem.scorer.score, trees).result()
        sampled = pool.submit(problem.genome.sample, 30, rng=generator(0)).result()
    assert np.array_equal(scores, problem.scorer.score(trees))
    assert [*map(str, sampled)] == [*map(str, trees)]
    assert any(re.search(r"-?\d+\.\d", str(one)) for one in trees)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (multiplexer, {"inputs": 20}, "must be 6 or 11, got 20"),
        (regression, {"target": "koza-9"}, "must be one of koza-1"),
        (regression, {"instance": -1}, "must be a whole number >= 0"),
    ],
)
def test_wrong_options_are_refused(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
