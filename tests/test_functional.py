"""The formulas: values worked out by hand, the definitions as loops, and what SLERP must do."""

import math

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import evoniche
from evoniche import functional
from evoniche.functional import (
    Chromosomes,
    attracted,
    attraction,
    case_capacity,
    case_load,
    case_weights,
    coverage,
    entropy,
    lerp,
    niches,
    relative_scores,
    shared_fitness,
    slerp,
    slerp_weights,
    split_slerp,
)

# Load: 6, 2, 1. The largest of each case: 4, 1, 1.
S = [[4, 0, 1], [2, 1, 0], [0, 1, 0]]
FLOOR = np.array([1, 2, 3])


class Library:
    """An array library and a dtype of it."""

    def __init__(self, name, dtype):
        self.xp = {"numpy": np, "strict": array_api_strict}.get(name) or pytest.importorskip(name)
        self.dtype = getattr(self.xp, dtype)
        self.tolerance = {"float64": 1e-12, "float32": 1e-6}[dtype]

    def __call__(self, values):
        return self.xp.asarray(np.asarray(values, dtype=np.float64), dtype=self.dtype)

    def equal(self, actual, expected, slack=1):
        """Compare values, and see that the array is still one of this library and dtype."""
        assert type(actual) is type(self([0]))
        assert actual.dtype == self.dtype
        tolerance = slack * self.tolerance
        np.testing.assert_allclose(np.from_dlpack(actual), expected, rtol=tolerance, atol=tolerance)


@pytest.fixture(params=["numpy", "strict", "torch"])
def name(request):
    return request.param


@pytest.fixture(params=["float64", "float32"])
def lib(name, request):
    return Library(name, request.param)


def test_case_load(lib):
    lib.equal(case_load(lib(S)), [6, 2, 1])


def test_relative_scores(lib):
    lib.equal(relative_scores(lib(S + FLOOR)), S)
    lib.equal(relative_scores(lib([[1, 5], [3, 4]])), [[0, 1], [2, 0]])


def test_case_capacity(lib):
    lib.equal(case_capacity(lib(S)), [4, 1, 1])
    lib.equal(case_capacity(lib(S), "one"), [1, 1, 1])
    lib.equal(case_capacity(lib(S), "max"), [4, 1, 1])
    lib.equal(case_capacity(lib(S), [0, 3, 0.5]), [0, 3, 0.5])
    lib.equal(case_capacity(lib(S), lib([0, 3, 0.5])), [0, 3, 0.5])


@pytest.mark.parametrize(("capacity", "message"), [
    ("min", "got 'min'"),
    ([1, 2], r"3 cases, got shape \(2,\)"),
    ([[1, 2, 3]], r"got shape \(1, 3\)"),
    ([1, -2, 3], r">= 0 for every case, got -2"),
    ([1, math.nan, 3], r">= 0 for every case"),
])  # fmt: skip
def test_wrong_capacities_are_refused(lib, capacity, message):
    with pytest.raises(ValueError, match=message):
        case_capacity(lib(S), capacity)


def test_case_weights(lib):
    load, capacity = lib([4, 9, 1]), lib([2, 1, 5])
    lib.equal(case_weights(load, capacity, eps=1), [2 / 5, 1 / 10, 5 / 2])
    lib.equal(case_weights(load, capacity, alpha=0.5, eps=1), [2 / 3, 1 / 4, 5 / 2])
    lib.equal(case_weights(load, capacity, alpha=2, eps=1), [2 / 17, 1 / 82, 5 / 2])
    lib.equal(case_weights(load, capacity, alpha=0, eps=1), [1, 1 / 2, 5 / 2])


@pytest.mark.parametrize(("options", "expected"), [
    ({"capacity": "one"}, [4 / 6 + 1, 2 / 6 + 1 / 2, 1 / 2]),
    ({}, [16 / 6 + 1, 8 / 6 + 1 / 2, 1 / 2]),
    ({"capacity": "max"}, [16 / 6 + 1, 8 / 6 + 1 / 2, 1 / 2]),
    ({"capacity": [0, 3, 0.5]}, [0.5, 1.5, 1.5]),
    ({"alpha": 0, "capacity": "one"}, [5, 3, 1]),
    ({"alpha": 0.5, "capacity": "one"}, [4 / 6**0.5 + 1, 2 / 6**0.5 + 0.5**0.5, 0.5**0.5]),
    ({"alpha": 2, "capacity": "one"}, [4 / 36 + 1, 2 / 36 + 1 / 4, 1 / 4]),
    ({"eps": 2, "capacity": "one"}, [4 / 8 + 1 / 3, 2 / 8 + 1 / 4, 1 / 4]),
    ({"alpha": 0, "eps": 1, "capacity": "one"}, [2.5, 1.5, 0.5]),
    ({"alpha": 2, "capacity": "max", "eps": 4}, [16 / 40 + 1 / 5, 8 / 40 + 1 / 8, 1 / 8]),
])  # fmt: skip
def test_shared_fitness(lib, options, expected):
    options = {"eps": 0} | options
    lib.equal(shared_fitness(lib(S), **options), expected)
    # What all members score in common counts for nothing when scores are relative.
    lib.equal(shared_fitness(lib(S + FLOOR), relative=True, **options), expected)


def test_a_given_load_is_used(lib):
    lib.equal(shared_fitness(lib(S), load=lib([12, 4, 2]), eps=0), [11 / 6, 11 / 12, 1 / 4])
    lib.equal(attraction(lib(S), [2], load=lib([12, 4, 2]), eps=0), [[11 / 6, 4 / 6, 0]])


@pytest.mark.parametrize(("capacity", "total"), [("one", 3), ("max", 6), ([0, 3, 0.5], 3.5)])
def test_members_share_the_whole_capacity(lib, capacity, total):
    fitness = shared_fitness(lib(S), capacity=capacity, eps=0)
    assert float(lib.xp.sum(fitness)) == pytest.approx(total, rel=lib.tolerance)


@pytest.mark.parametrize(("options", "expected"), [
    ({"capacity": "one"}, [[0, 1 / 2, 1 / 2], [2 / 6 + 1, 0, 0], [4 / 6 + 1, 2 / 6, 0]]),
    ({}, [[0, 1 / 2, 1 / 2], [8 / 6 + 1, 0, 0], [16 / 6 + 1, 8 / 6, 0]]),
    ({"capacity": "one", "alpha": 0}, [[0, 1, 1], [3, 0, 0], [5, 2, 0]]),
    ({"capacity": "one", "alpha": 2}, [[0, 1 / 4, 1 / 4], [2 / 36 + 1, 0, 0], [4 / 36 + 1, 2 / 36, 0]]),
    ({"alpha": 0.5}, [[0, 0.5**0.5, 0.5**0.5], [8 / 6**0.5 + 1, 0, 0], [16 / 6**0.5 + 1, 8 / 6**0.5, 0]]),
    ({"capacity": "max"}, [[0, 1 / 2, 1 / 2], [8 / 6 + 1, 0, 0], [16 / 6 + 1, 8 / 6, 0]]),
    ({"capacity": [3, 4, 0]}, [[0, 2, 2], [1, 0, 0], [2, 1, 0]]),
    ({"eps": 2, "capacity": "one"}, [[0, 1 / 4, 1 / 4], [2 / 8 + 1 / 3, 0, 0], [4 / 8 + 1 / 3, 2 / 8, 0]]),
])  # fmt: skip
def test_attraction(lib, options, expected):
    options = {"eps": 0} | options
    lib.equal(attraction(lib(S), [0, 1, 2], **options), expected)
    lib.equal(attraction(lib(S + FLOOR), [0, 1, 2], relative=True, **options), expected)
    lib.equal(attraction(lib(S), np.array([2, 0, 2]), **options), [expected[2], expected[0], expected[2]])
    lib.equal(attraction(lib(S), [1], **options), [expected[1]])


def test_attraction_of_binary_scores(lib):
    scores = lib([[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 0]])  # load 3, 3, 2, 0
    expected = [[0, 1 / 3, 0, 1 / 3], [1 / 4, 0, 1 / 4, 1 / 4], [1 / 4, 7 / 12, 0, 7 / 12], [0, 0, 0, 0]]
    for binary in (None, True, False):
        lib.equal(attraction(scores, [0, 1, 2, 3], eps=1, binary=binary), expected)
        lib.equal(attraction(scores, [2], eps=1, binary=binary), [expected[2]])


def test_coverage_and_entropy(lib):
    scores = lib([[1, 0.5, 0, 1], [0, 0.4, 0.2, 1], [0.6, 0, 0, 0.5], [0.2, 0, 0.4, 0.7]])  # solved by 2, 1, 0, 4 of 4
    assert coverage(scores) == 3 / 4
    assert coverage(scores, threshold=0.3) == 1
    assert coverage(scores, threshold=1.1) == 0
    quarter = 2 - 0.75 * math.log2(3)  # H2(1 / 4)
    assert entropy(scores) == pytest.approx((1 + quarter) / 4, rel=1e-12)
    assert entropy(scores, threshold=1) == pytest.approx((quarter + 1) / 4, rel=1e-12)  # solved by 1, 0, 0, 2
    assert entropy(scores, threshold=0) == 0


def test_a_case_that_nobody_solves_is_worth_nothing_without_eps():
    scores = np.array([[1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_array_equal(shared_fitness(scores, eps=0), [0.5, 0.5])
    np.testing.assert_array_equal(attraction(scores, [0], eps=0), [[0, 0]])


@pytest.mark.parametrize("alpha", [-1, math.nan])
def test_a_wrong_alpha_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha must be >= 0"):
        shared_fitness(np.ones((2, 2)), alpha=alpha)
    with pytest.raises(ValueError, match="alpha must be >= 0"):
        attraction(np.ones((2, 2)), [0], alpha=alpha)
    with pytest.raises(ValueError, match="alpha must be >= 0"):
        attracted(np.ones((2, 2)), [0], alpha=alpha, rng=np.random.default_rng(0))


# The definitions as loops.


def capacity_by_definition(scores, capacity, relative):
    if isinstance(capacity, str):
        floor = scores.min(axis=0) if relative else 0
        return np.ones(scores.shape[1]) if capacity == "one" else (scores - floor).max(axis=0)
    return np.asarray(capacity)


def shared_fitness_by_definition(scores, alpha, capacity, relative, eps=functional.EPS):
    c = capacity_by_definition(scores, capacity, relative)
    members, cases = scores.shape
    fitness = np.zeros(members)
    for j in range(cases):
        column = [scores[i, j] - (min(scores[:, j]) if relative else 0) for i in range(members)]
        for i in range(members):
            fitness[i] += column[i] * c[j] / (sum(column) ** alpha + eps)
    return fitness


def attraction_by_definition(scores, first, capacity, relative, eps=functional.EPS):
    c = capacity_by_definition(scores, capacity, relative)
    members, cases = scores.shape
    g = np.zeros((len(first), members))
    for row, a in enumerate(first):
        for b in range(members):
            for j in range(cases):
                load = sum(scores[i, j] - (min(scores[:, j]) if relative else 0) for i in range(members))
                g[row, b] += c[j] / (load + eps) * max(scores[b, j] - scores[a, j], 0)
    return g


shapes = st.tuples(st.integers(1, 6), st.integers(1, 7))
score = st.one_of(st.just(0.0), st.just(1.0), st.floats(1 / 64, 8, width=32))
score_arrays = st.one_of(
    shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0]))),
    shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=score)),
)


@st.composite
def problems(draw):
    """Scores, capacity, and whether they count relative to the worst."""
    scores = draw(score_arrays)
    each = arrays(np.float64, scores.shape[1], elements=st.floats(0, 4, width=16))
    return scores, draw(st.one_of(st.sampled_from(["one", "max"]), each)), draw(st.booleans())


@settings(deadline=None)
@given(problems(), st.sampled_from([0, 0.5, 1, 2]))
def test_shared_fitness_is_its_definition(problem, alpha):
    scores, capacity, relative = problem
    actual = shared_fitness(scores, alpha=alpha, capacity=capacity, relative=relative)
    expected = shared_fitness_by_definition(scores, alpha, capacity, relative)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)
    assert (actual >= 0).all()


@settings(deadline=None)
@given(problems(), st.data())
def test_attraction_is_its_definition(problem, data):
    scores, capacity, relative = problem
    first = data.draw(st.lists(st.integers(0, len(scores) - 1), min_size=1, max_size=5))
    expected = attraction_by_definition(scores, first, capacity, relative)
    for numbers in (1, 20, niches._BLOCK):  # one case at a time, a few, all
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(niches, "_BLOCK", numbers)
            actual = attraction(scores, first, capacity=capacity, relative=relative)
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)
    assert (actual[np.arange(len(first)), first] == 0).all()


@settings(deadline=None)
@given(problems())
def test_fitness_and_attraction_do_not_depend_on_the_order_of_the_members(problem):
    scores, capacity, relative = problem
    options = {"capacity": capacity, "relative": relative}
    turned = np.roll(np.arange(len(scores)), 1)
    f, g = shared_fitness(scores, **options), attraction(scores, [0], **options)
    np.testing.assert_allclose(shared_fitness(scores[turned], **options), f[turned], rtol=1e-6, atol=1e-6)
    position = turned.tolist().index(0)
    np.testing.assert_allclose(attraction(scores[turned], [position], **options), g[:, turned], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("relative", [False, True])
def test_equal_members_are_equally_fit_to_the_last_bit(dtype, relative):
    """Or a selector that looks at ranks would prefer one of them, each time."""
    rng = np.random.default_rng(0)
    for members in range(3, 20):
        scores = np.vstack([np.tile(rng.random(257), (members, 1)), rng.random(257)]).astype(dtype)
        assert len(set(shared_fitness(scores, relative=relative)[:-1].tolist())) == 1


@pytest.mark.parametrize("spread", [0, 1e-6, 1e-3])
def test_relative_fitness_keeps_its_digits_in_single_precision(spread):
    scores = np.full((5, 3), 0.9) + spread * np.random.default_rng(0).random((5, 3))
    scores[:, 2] = [0.1, 0.2, 0.3, 0.4, 0.5]
    scores = scores.astype(np.float32)
    expected = shared_fitness_by_definition(scores.astype(np.float64), 1, "one", relative=True)
    np.testing.assert_allclose(shared_fitness(scores, capacity="one", relative=True), expected, rtol=1e-3)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_fitness_and_attraction_in_half_precision(dtype):
    torch = pytest.importorskip("torch")
    scores = torch.asarray([[1.0, 1, 0, 0], [0, 1, 1, 0], [0.5, 0, 0, 0]], dtype=getattr(torch, dtype))
    fitness, g = shared_fitness(scores), attraction(scores, [2, 0])
    assert fitness.dtype == g.dtype == scores.dtype
    np.testing.assert_allclose(fitness.float(), [1 / 1.5 + 1 / 2, 1 / 2 + 1, 0.5 / 1.5], rtol=1e-2)
    np.testing.assert_allclose(g.float(), [[0.5 / 1.5 + 1 / 2, 1 / 2 + 1, 0], [0, 1, 0]], rtol=1e-2)


# LERP and SLERP.


def directions(n=20, size=9, seed=0):
    return np.random.default_rng(seed).standard_normal((2, n, size))


def test_slerp_weights(lib):
    # Right angle; 60 degrees of unequal lengths; the same direction; opposite directions; a zero vector.
    aa, ab, bb = lib([1, 4, 1, 1, 0]), lib([0, 3, 2, -2, 0]), lib([1, 9, 4, 4, 5])
    wa, wb = slerp_weights(aa, ab, bb, lib([1 / 3, 1 / 2, 0.25, 0.25, 0.25]))
    lib.equal(wa, [math.cos(math.pi / 6), 1 / math.sqrt(3), 0.75, 0.75, 0.75])
    lib.equal(wb, [math.sin(math.pi / 6), 1 / math.sqrt(3), 0.25, 0.25, 0.25])


def test_slerp(lib):
    a, b = lib([[2, 0], [3, 0], [0, 0]]), lib([[0, 2], [0, 1], [1, 2]])
    lib.equal(slerp(a, b, [1 / 3, 0.5, 0.25]), [[3**0.5, 1], [3 * 0.5**0.5, 0.5**0.5], [0.25, 0.5]])


def test_lerp(lib):
    a, b = lib([[2, 0, 1], [3, 1, 0]]), lib([[0, 2, 1], [3, 5, 8]])
    lib.equal(lerp(a, b, [0.25, 0.5]), [[1.5, 0.5, 1], [3, 3, 4]])


@pytest.mark.parametrize("merge", [lerp, slerp])
def test_a_merge_begins_with_a_and_ends_with_b(lib, merge):
    a, b = directions()
    lib.equal(merge(lib(a), lib(b), np.zeros(20)), a)
    lib.equal(merge(lib(a), lib(b), np.ones(20)), b)


def test_slerp_keeps_the_norm_and_goes_along_the_angle(lib):
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in directions())
    t = np.linspace(0, 1, 20)
    child = slerp(lib(a), lib(b), t)
    child = np.from_dlpack(child).astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(child, axis=1), 1, rtol=1e-5)
    whole, part = (np.arccos(np.clip((a * x).sum(axis=1), -1, 1)) for x in (b, child))
    np.testing.assert_allclose(part, t * whole, atol=2e-3)


@pytest.mark.parametrize("factor", [1, 0.5, 7, -1, -0.3, -3, 0])
def test_slerp_of_vectors_on_one_line_is_linear(lib, factor):
    a = directions()[0]
    b = factor * lib(a)
    t = np.random.default_rng(1).random(20)
    ahead, behind = ((1 - at) * a + at * factor * a for at in (t[:, None], 1 - t[:, None]))
    lib.equal(slerp(lib(a), b, t), ahead, slack=10)
    for angle in ("whole", "part"):
        expected = np.hstack([ahead[:, :8], behind[:, 8:]])
        lib.equal(split_slerp(lib(a), b, t, np.full(20, 8), angle=angle), expected, slack=10)


@pytest.mark.parametrize("merge", [lerp, slerp])
def test_a_merge_is_the_same_from_the_other_end(merge):
    a, b = directions()
    t = np.random.default_rng(1).random(20)
    np.testing.assert_allclose(merge(a, b, t), merge(b, a, 1 - t), rtol=1e-9)


def test_split_slerp_along_the_whole_angle(lib):
    a, b = lib([[1, 0, 1, 0]]), lib([[0, 1, 0, 1]])  # a right angle
    head, tail = math.sin(math.pi / 6), math.cos(math.pi / 6)
    child = split_slerp(a, b, [1 / 3], [1])
    lib.equal(child, [[tail, tail, head, tail]])  # w_m = 1/3 before the split, 2/3 after it
    lib.equal(split_slerp(a, b, [1 / 3], [3]), [[tail, head, tail, tail]])
    lib.equal(split_slerp(a, b, [0], [2]), [[1, 0, 0, 1]])
    lib.equal(split_slerp(a, b, [1], [2]), [[0, 1, 1, 0]])


def test_split_slerp_along_the_angle_of_each_part(lib):
    # 60 degrees before the split, in one line after it: linear there.
    a, b = lib([[1, 0, 1, 1]]), lib([[0.5, 0.75**0.5, 3, 3]])
    child = split_slerp(a, b, [0.5], [2], angle="part")
    lib.equal(child, [[0.75**0.5, 0.5, 2, 2]])
    lib.equal(split_slerp(a, b, [0.25], [2], angle="part")[:, 2:], [[2.5, 2.5]])


@pytest.mark.parametrize("angle", ["whole", "part"])
def test_split_slerp_is_slerp_of_its_parts(lib, angle):
    a, b = directions()
    ratio, split = np.random.default_rng(1).random(20), np.random.default_rng(2).integers(1, 9, size=20)
    split[:2] = 1, 8  # both ends
    expected = np.empty_like(a)
    for i, (t, s) in enumerate(zip(ratio, split, strict=True)):
        for part, at in ((slice(0, s), t), (slice(s, 9), 1 - t)):
            if angle == "part":
                expected[i, part] = slerp(a[i : i + 1, part], b[i : i + 1, part], [at])[0]
            else:
                expected[i, part] = slerp(a[i : i + 1], b[i : i + 1], [at])[0, part]
    lib.equal(split_slerp(lib(a), lib(b), ratio, split, angle=angle), expected, slack=10)


# A right angle in the first chromosome, which lies scattered; 60 degrees in the second; one line in the third.
GROUPS = Chromosomes.of([1, 2, 1, 1], ["right", "sixty", "right", "line"])
A, B = [[1, 2, 0, 0, 4]], [[0, 1.5, 1.5 * 3**0.5, 2, 8]]


def test_lerp_of_chromosomes(lib):
    child = lerp(lib(A), lib(B), [[0.25, 0.5, 1]], chromosomes=GROUPS)
    lib.equal(child, [[0.75, 1.75, 0.75 * 3**0.5, 0.5, 8]])


def test_slerp_of_chromosomes(lib):
    child = slerp(lib(A), lib(B), [[1 / 3, 0.5, 0.25]], chromosomes=GROUPS)
    lib.equal(child, [[math.cos(math.pi / 6), 3.5 / 3**0.5, 1.5, 1, 5]])


@pytest.mark.parametrize("angle", ["whole", "part"])
def test_split_slerp_of_chromosomes(lib, angle):
    child = split_slerp(lib(A), lib(B), [[1 / 3, 0.5, 0.25]], [[1, 1, 1]], angle=angle, chromosomes=GROUPS)
    if angle == "whole":  # 1/3 and then 2/3 of the right angle, 1/2 of the 60 degrees all the way
        lib.equal(child, [[math.cos(math.pi / 6), 3.5 / 3**0.5, 1.5, 2 * math.cos(math.pi / 6), 5]])
    else:  # no angle is left in parts of one number
        lib.equal(child, [[2 / 3, 1.75, 0.75 * 3**0.5, 4 / 3, 5]])


def test_each_row_has_ratios_and_splits_of_its_own(lib):
    a, b = directions(size=5)
    rng = np.random.default_rng(1)
    ratio = rng.random((20, 3))
    split = np.stack([np.ones(20, dtype=int), rng.integers(1, 3, size=20), np.ones(20, dtype=int)], axis=1)
    groups = Chromosomes.of([1, 2, 1, 1], ["two", "three", "one", "three"])
    for merge, drawn in ((lerp, (ratio,)), (slerp, (ratio,)), (split_slerp, (ratio, split))):
        rows = [merge(a[[i]], b[[i]], *(x[i] for x in drawn), chromosomes=groups)[0] for i in range(20)]
        lib.equal(merge(lib(a), lib(b), *drawn, chromosomes=groups), rows, slack=10)


@pytest.mark.parametrize("merge", [lerp, slerp])
def test_chromosomes_of_another_size_are_refused(merge):
    with pytest.raises(ValueError, match="these chromosomes are of genomes of 5 numbers, got 3"):
        merge(np.ones((1, 3)), np.ones((1, 3)), [[0.5] * 3], chromosomes=GROUPS)


def test_the_parents_are_left_as_they_are(lib):
    a, b = directions()
    parents = lib(a), lib(b)
    t, groups = np.random.default_rng(1).random((20, 2)), Chromosomes.of([4, 5], [0, 1])
    for merge, drawn in ((lerp, (t,)), (slerp, (t,)), (split_slerp, (t, np.full((20, 2), 3)))):
        for ratios, chromosomes in ((drawn, groups), ([x[:, 0] for x in drawn], None)):
            merge(*parents, *ratios, chromosomes=chromosomes)
            lib.equal(parents[0], a)
            lib.equal(parents[1], b)


def test_split_slerp_of_an_empty_half_is_its_other_half():
    a, b = np.array([[0.0, 0.0, 1.0, 2.0]]), np.array([[1.0, 1.0, 1.0, 2.0]])
    np.testing.assert_allclose(split_slerp(a, b, [0.25], [2], angle="part"), [[0.25, 0.25, 1, 2]])


def test_an_unknown_angle_is_refused():
    with pytest.raises(ValueError, match="angle must be 'whole' or 'part', got 'half'"):
        split_slerp(np.ones((1, 2)), np.ones((1, 2)), [0.5], [1], angle="half")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("angle", ["whole", "part"])
def test_slerp_in_half_precision(dtype, angle):
    torch = pytest.importorskip("torch")
    a, b = (torch.asarray(x, dtype=getattr(torch, dtype)) for x in directions(size=400))
    ratio, split = np.random.default_rng(1).random(20), np.random.default_rng(2).integers(1, 400, size=20)
    eps = torch.finfo(a.dtype).eps
    groups = {"chromosomes": Chromosomes.of([90, 110, 200], ["a", "b", "a"])}
    ratios, splits = np.random.default_rng(3).random((20, 2)), np.random.default_rng(4).integers(1, 110, size=(20, 2))
    for merge, drawn, options in (
        (lerp, [ratio], {}),
        (slerp, [ratio], {}),
        (split_slerp, [ratio, split], {"angle": angle}),
        (lerp, [ratios], groups),
        (slerp, [ratios], groups),
        (split_slerp, [ratios, splits], {"angle": angle, **groups}),
    ):
        child, expected = (merge(*pair, *drawn, **options) for pair in ((a, b), (a.double(), b.double())))
        assert child.dtype == a.dtype
        np.testing.assert_allclose(child.double(), expected, atol=8 * eps, rtol=2 * eps)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_angle_is_not_rounded_to_half_precision(dtype):
    torch = pytest.importorskip("torch")
    a, noise = directions(size=400)
    a, b = (torch.asarray(x, dtype=getattr(torch, dtype)) for x in (a, 0.4 * noise - a))  # nearly opposite
    ratio = np.random.default_rng(1).random(20)
    norm, expected = (slerp(x, y, ratio).double().norm(dim=1) for x, y in ((a, b), (a.double(), b.double())))
    np.testing.assert_allclose(norm, expected, rtol=1.2 * torch.finfo(a.dtype).eps)


# --- what is solved, and nothing else ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [bool, int])
def test_solved_or_not_is_one_or_zero(dtype):
    solved = np.array([[1, 1, 0], [0, 1, 0]])
    floats, given = solved.astype(float), solved.astype(dtype)
    for formula in (functional.shared_fitness, functional.relative_scores, functional.case_load):
        np.testing.assert_array_equal(formula(given), formula(floats))
    np.testing.assert_array_equal(functional.attraction(given, [1]), functional.attraction(floats, [1]))
    assert functional.entropy(given) == functional.entropy(floats)


@pytest.mark.parametrize("split", [0, 3, -1])
def test_a_split_leaves_a_head_and_a_tail(split):
    with pytest.raises(ValueError, match=r"split must be from 1 to size - 1 = 2"):
        functional.split_slerp(np.ones((1, 3)), np.ones((1, 3)), [0.5], [split])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("eps", [0, 1e-320, 1e-100, 1e-30])
@pytest.mark.parametrize("capacity", ["one", "max"])
@pytest.mark.parametrize("alpha", [0, 0.5, 1, 2, 300])
def test_scores_near_zero_give_finite_fitness(dtype, eps, capacity, alpha):
    shape = np.array([[0, 1, 1, 2], [0, 0, 1, 1], [0, 3, 1, 0]], dtype)
    with np.errstate(all="raise", under="ignore"):
        for tiny in (np.finfo(dtype).smallest_subnormal, np.finfo(dtype).smallest_normal):
            scores = shape * tiny
            load = scores.sum(axis=0, dtype=np.float64)
            fitness = functional.shared_fitness(scores, alpha=alpha, capacity=capacity, eps=eps, load=load)
            assert np.isfinite(fitness).all()
            assert (fitness >= 0).all()


@pytest.mark.parametrize("before_pi", [0.1, 0.0046, 0.0044, 1e-4, 1e-5, 2e-6])
@pytest.mark.parametrize("t", [0.0, 0.25, 0.5, 1.0])
def test_slerp_in_double_precision_is_slerp_until_the_vectors_are_opposite(before_pi, t):
    omega = np.pi - before_pi
    a, b = np.array([[1.0, 0.0]]), np.array([[np.cos(omega), np.sin(omega)]])
    child = slerp(a, b, [t])
    np.testing.assert_allclose(child, [[np.cos(t * omega), np.sin(t * omega)]], atol=1e-3 if before_pi < 1e-4 else 1e-6)
    recipes = evoniche.RecipeGenome(evoniche.ArraySeeds(np.concatenate([a, b]))).sample(2, rng=np.random.default_rng(0))
    coefficients = slerp(recipes.take(np.array([0])), recipes.take(np.array([1])), [t])[0].coefficients
    np.testing.assert_allclose(coefficients @ np.concatenate([a, b]), child, rtol=1e-9)


@pytest.mark.parametrize(("dtype", "before_pi"), [(np.float64, 1e-7), (np.float64, 0.0), (np.float32, 0.004)])
def test_what_rounding_cannot_tell_from_opposite_is_interpolated_linearly(dtype, before_pi):
    omega = np.pi - before_pi
    a, b = np.array([[1, 0]], dtype), np.array([[np.cos(omega), np.sin(omega)]], dtype)
    np.testing.assert_allclose(slerp(a, b, [0.25]), 0.75 * a + 0.25 * b, atol=1e-7)
