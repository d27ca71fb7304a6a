"""The niching functions: against another implementation, and against optima found independently."""

import pickle

import ioh
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from evoniche.randomness import generator
from evoniche.testing import check_crossover, check_genome, check_mutation, check_scorer
from evoniche_baselines.compare.runs import Task, run
from evoniche_baselines.problems.cec2013 import ACCURACIES, SUITE, cec2013, count_optima

NUMBERS = range(1, 11)
FOUND_BY_SEARCH = [1, 2, 3, 4, 5, 6, 7, 10]
"""Those with few enough optima for a search from every maximum of a grid."""


def highest(function, sign=1.0):
    """Where a search from each of the highest (lowest for -1) local maxima of a dense grid ends."""
    axes = [np.linspace(low, high, 4001 if function.dimensions == 1 else 301) for low, high in bounds(function)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    values = sign * function(points.reshape(-1, function.dimensions)).reshape(points.shape[:-1])
    peak = np.ones(values.shape, dtype=bool)
    for axis in range(values.ndim):
        padded = np.pad(values, [(1, 1) if i == axis else (0, 0) for i in range(values.ndim)], constant_values=-np.inf)
        size = values.shape[axis]
        peak &= (values >= padded.take(range(size), axis)) & (values >= padded.take(range(2, size + 2), axis))
    margin = 0.1 * (values.max() - values.min())
    return np.array([
        minimize(lambda x: -sign * function(x[None])[0], start, bounds=bounds(function), method="Nelder-Mead",
                 options={"xatol": 1e-9, "fatol": 1e-13}).x
        for start in points[peak & (values > values.max() - margin)]
    ])


def bounds(function):
    return list(zip(function.low, function.high, strict=True))


def true_optima(number):
    """The optima, by closed form or by a search in one dimension."""
    function = SUITE[number - 1]
    if number in (7, 9):  # sin(10 ln x) = 1
        axis = np.exp((np.pi / 2 + 2 * np.pi * np.arange(-2, 4)) / 10)
        return grid(axis, function.dimensions)
    if number == 10:
        return np.array([((2 * i + 1) / 6, (2 * j + 1) / 8) for i in range(3) for j in range(4)])
    if number == 8:  # all combinations of extreme factors whose product is negative enough
        x = np.linspace(-10, 10, 200_001)
        factor = sum(j * np.cos((j + 1) * x + j) for j in range(1, 6))
        left, middle, right = factor[:-2], factor[1:-1], factor[2:]
        extreme = ((middle - left) * (right - middle) <= 0) & ((middle > 14.5) | (middle < -12.87))
        vertex = x[1:-1] - 1e-4 * (right - left) / (2 * (right - 2 * middle + left))  # of the parabola through three
        points = grid(vertex[extreme], 3)
        return points[function(points) > 2709]
    return highest(function)


def grid(axis, dimensions):
    return np.stack(np.meshgrid(*[axis] * dimensions), axis=-1).reshape(-1, dimensions)


def official_count(function, points, accuracy):
    """The suite's algorithm as published, point by point: seeds first, heights afterwards."""
    values = function(points)
    seeds = []
    for i in np.argsort(values)[::-1]:
        if all(np.sqrt(((points[i] - points[j]) ** 2).sum()) > function.radius for j in seeds):
            seeds.append(i)
    return min(function.optima, sum(abs(values[i] - function.height) <= accuracy for i in seeds))


@pytest.mark.parametrize("number", NUMBERS)
def test_values_are_those_of_ioh(number):
    function = SUITE[number - 1]
    other = ioh.get_problem(1100 + number, 1, function.dimensions, ioh.ProblemClass.CEC2013)
    points = generator(number).uniform(function.low, function.high, size=(200, function.dimensions))
    np.testing.assert_allclose(function(points), [other(list(point)) for point in points], rtol=1e-12, atol=1e-9)
    assert function.optima == len(other.optima)
    if number != 5:  # there its bounds of y are those of x
        assert (function.low, function.high) == (tuple(other.bounds.lb), tuple(other.bounds.ub))


def test_bounds_of_f5_are_the_official_ones():
    assert (SUITE[4].low, SUITE[4].high) == ((-1.9, -1.1), (1.9, 1.1))


@pytest.mark.parametrize("number", NUMBERS)
def test_true_optima_are_as_many_and_as_high_as_the_suite_says(number):
    function = SUITE[number - 1]
    optima = true_optima(number)
    best = optima[np.abs(function(optima) - function.height) < 1e-6]
    for accuracy in map(float, ACCURACIES[1:]):
        assert count_optima(function, best, accuracy) == function.optima
    problem = cec2013(number)
    scores = problem.scorer.score(best)
    assert scores.shape == (len(best), 1)
    np.testing.assert_allclose(scores, 1, atol=1e-6)
    assert problem.niches(best, scores) == function.optima
    assert problem.metrics["peak_ratio_1e-4"](best, scores) == 1
    details = problem.details(best, scores)
    assert details["peak_ratio_1e-5"] == details["success_1e-5"] == 1


@pytest.mark.parametrize("number", NUMBERS)
def test_nothing_is_higher_than_the_height_or_lower_than_the_bound(number):
    function = SUITE[number - 1]
    if number in FOUND_BY_SEARCH:
        lowest = function(highest(function, sign=-1.0)).min()
    else:
        lowest = function(generator(0).uniform(function.low, function.high, size=(200_000, 3))).min()
    span = function.height - function.lower
    assert function.lower <= lowest + 1e-12
    assert lowest - function.lower < (0.01 if number in FOUND_BY_SEARCH else 0.1) * span  # and no wide gap
    points = generator(1).uniform(function.low, function.high, size=(100_000, function.dimensions))
    assert function(points).max() <= function.height + 1e-9


@pytest.mark.parametrize("number", [1, 2, 4, 6, 7, 9])
@pytest.mark.parametrize("accuracy", [1e-1, 1e-4])
def test_count_is_that_of_the_published_algorithm(number, accuracy):
    function = SUITE[number - 1]
    rng = generator(number)
    optima = true_optima(number)
    optima = optima[rng.random(len(optima)) < 0.7]
    width = np.subtract(function.high, function.low)
    near = np.repeat(optima, 4, axis=0) + rng.normal(size=(4 * len(optima), function.dimensions)) * 1e-4 * width
    points = np.clip(np.concatenate([near, rng.uniform(function.low, function.high, near.shape)]), *zip(
        *bounds(function), strict=True))[:300]
    assert count_optima(function, points, accuracy) == official_count(function, points, accuracy)


def test_count_tells_partial_success():
    problem = cec2013(2)
    members = np.array([[0.1], [0.1001], [0.5], [0.502], [0.71]])
    scores = problem.scorer.score(members)
    assert problem.niches(members, scores) == 2
    assert problem.metrics["peak_ratio_1e-4"](members, scores) == 2 / 5
    assert problem.details(members, scores)["peak_ratio_1e-1"] == 3 / 5  # sin(3.55 pi)^6 = .928
    assert problem.details(members, scores)["success_1e-1"] == 0
    assert count_optima(SUITE[1], np.zeros((3, 1)), 0.1) == 0


@pytest.mark.parametrize("number", NUMBERS)
def test_scores_keep_the_finest_accuracy(number):
    """A step of 1e-5 in f is far more than the rounding of its score."""
    function = SUITE[number - 1]
    assert 1e-5 / (function.height - function.lower) > 1e4 * np.finfo(np.float64).eps


@pytest.mark.parametrize("number", [1, 5, 8])
def test_parts_keep_their_contracts(number):
    problem = cec2013(number)
    genomes = problem.genome.sample(20, rng=generator(0))
    check_genome(problem.genome)
    check_scorer(problem.scorer, genomes)
    check_crossover(problem.crossover, genomes)
    check_mutation(problem.mutation, genomes)
    f = SUITE[number - 1]
    mutants = problem.mutation.mutate(np.tile(f.high, (500, 1)), rng=generator(0))
    assert (mutants >= f.low).all()
    assert (mutants <= f.high).all()
    inside = problem.mutation.mutate(np.tile(np.add(f.low, f.high) / 2, (5000, 1)), rng=generator(0))
    lengths = np.abs(inside - np.add(f.low, f.high) / 2) / np.subtract(f.high, f.low)
    np.testing.assert_allclose(np.log2(lengths / 0.1).mean(axis=0), -8, atol=0.3)  # log-uniform from 2**-16 to 1
    assert lengths.max() <= 0.1 + 1e-12
    start = problem.vector.start(generator(0))
    assert start.shape == (problem.vector.size,)
    cells = problem.descriptor.cell(genomes, problem.scorer.score(genomes))
    assert len(set(cells)) > 10
    assert problem.offers >= {"distance", "descriptor", "vector", "crossover"}
    for part in (problem.scorer, problem.niches, problem.metrics, problem.vector.start, problem.descriptor):
        pickle.loads(pickle.dumps(part))


@pytest.mark.parametrize("options", [{"function": 0}, {"function": 11}, {"function": "F1"}, {"step": 0}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        cec2013(**options)


@pytest.mark.parametrize("number", [1, 2, 4, 5, 6, 7, 8, 10])
def test_the_radius_of_niches_keeps_two_optima_apart(number):
    function = SUITE[number - 1]
    optima = true_optima(number)
    optima = optima[np.abs(function(optima) - function.height) < 1e-6]
    apart = cdist(optima, optima)
    least = apart[apart > function.radius / 2].min()  # a search may end twice at one optimum
    assert 0.95 * least / 2 < cec2013(number).radius <= least / 2 + 1e-9


@pytest.mark.parametrize("name", [
    "clearing",
    "speciation",
    "evoniche_baselines.methods.niching:species_conserving",
    "explicit-sharing:conserve=true",
    "restricted-tournament",
    "deterministic-crowding",
])  # fmt: skip
def test_niching_methods_hold_the_five_equal_maxima(name):
    """Deb and Goldberg 1989, Petrowski 1996, Harik 1995: 100 members hold all peaks of F2; here to 1e-4."""
    result = run(Task("cec2013:function=2", name, seed=0, evaluations=10_000, records=2))
    assert result.final["peak_ratio_1e-4"] == 1


def test_peaks_ever_found_are_told_beside_those_held():
    result = run(Task("cec2013:function=2", "explicit-sharing", seed=0, evaluations=5_000, records=5))
    found = result.over_time["niches_found"]
    assert found[-1] == result.final["niches_found"] == 5 > result.final["niches"]
    assert (np.diff(found) >= 0).all()
