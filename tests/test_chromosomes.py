"""Chromosomes: groups of numbers that are merged as if each were a genome of its own."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoniche import Chromosomes, LerpCrossover, SlerpCrossover, SplitSlerpCrossover
from evoniche.functional import lerp, slerp, split_slerp
from evoniche.randomness import generator


@st.composite
def chromosomes(draw):
    """A few pieces, each of any of a few groups, which are numbered in any order."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=9))
    groups = draw(st.lists(st.integers(0, 4), min_size=len(sizes), max_size=len(sizes)))
    as_they_come = Chromosomes.of(sizes, groups)
    order = draw(st.permutations(range(as_they_come.count)))
    return Chromosomes(as_they_come.boundaries, [order[label] for label in as_they_come.labels])


def label_of_each(chromosomes):
    """Position by position, shape (size,)."""
    stretches = zip(chromosomes.boundaries, chromosomes.boundaries[1:], chromosomes.labels, strict=False)
    labels = np.full(chromosomes.size, -1)
    for start, stop, label in stretches:
        labels[start:stop] = label
    return labels


def splits(chromosomes, n, rng):
    """Shape (n, count), counted along each chromosome."""
    return 1 + (rng.random((n, chromosomes.count)) * (chromosomes.sizes - 1)).astype(int)


# --- what they are --------------------------------------------------------------------------------------------------


def test_pieces_of_a_group_are_one_chromosome():
    layers = Chromosomes.of([4, 2, 3, 1, 5, 6], ["norm", "weight", "weight", "norm", 7, "weight"])
    assert layers.boundaries.tolist() == [0, 4, 9, 10, 15, 21]  # neighbours of one group are one stretch
    assert layers.labels.tolist() == [0, 1, 0, 2, 1]  # numbered as they come
    assert layers.sizes.tolist() == [5, 11, 5]
    assert layers.count == 3
    assert layers.size == 21
    assert layers.boundaries.dtype == layers.labels.dtype == layers.sizes.dtype == np.int64


def test_all_in_one():
    whole = Chromosomes.whole(8)
    assert whole == Chromosomes.of([3, 5], ["a", "a"]) == Chromosomes([0, 8], [0])
    assert (whole.boundaries.tolist(), whole.labels.tolist(), whole.sizes.tolist()) == ([0, 8], [0], [8])


def test_they_are_compared_by_what_is_in_them_and_pickle():
    two = Chromosomes([0, 3, 5], [0, 1])
    assert two == Chromosomes.of([3, 2], ["x", "y"]) == Chromosomes(np.array([0, 3, 5], dtype=np.uint8), (0, 1))
    assert two != Chromosomes([0, 2, 5], [0, 1])
    assert two != Chromosomes([0, 3, 5], [1, 0])
    assert two != Chromosomes.whole(5)
    assert pickle.loads(pickle.dumps(two)) == two
    assert SplitSlerpCrossover("part", two) == SplitSlerpCrossover("part", Chromosomes([0, 3, 5], [0, 1]))
    assert SplitSlerpCrossover("part", two) != SplitSlerpCrossover("part")


def test_they_are_neither_written_nor_do_they_follow_the_arrays_they_were_made_of():
    boundaries, labels = np.array([0, 3, 5]), np.array([0, 1])
    two = Chromosomes(boundaries, labels)
    boundaries[1], labels[:] = 4, [1, 0]
    assert two == Chromosomes([0, 3, 5], [0, 1])
    for array in (two.boundaries, two.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7


@pytest.mark.parametrize(("boundaries", "labels", "message"), [
    ([0, 3, 5], [0], r"rise from 0 to the size.*got \[0, 3, 5\] for 1 labels"),
    ([0, 5], [0, 1], r"got \[0, 5\] for 2 labels"),
    ([0], [], r"got \[0\] for 0 labels"),
    ([], [], r"got \[\] for 0 labels"),
    ([1, 5], [0], r"rise from 0 .*got \[1, 5\]"),
    ([0, 5, 5], [0, 1], r"rise from 0 .*got \[0, 5, 5\]"),
    ([0, 5, 4], [0, 1], r"rise from 0 .*got \[0, 5, 4\]"),
    ([0, 3, 5], [1, 2], r"labels=...\) must be 0, 1, ... without gaps, got \[1, 2\]"),
    ([0, 3, 5], [0, 2], r"without gaps, got \[0, 2\]"),
    ([0, 3, 5], [0, -1], r"without gaps, got \[0, -1\]"),
    ([0.0, 5.0], [0], r"must be lists of integers, got \[0.0, 5.0\]"),
    ([0, 5], ["a"], r"must be lists of integers, got \['a'\]"),
    ([[0, 5]], [0], r"must be lists of integers, got \[\[0, 5\]\]"),
    ([0, 5], [True], r"must be lists of integers, got \[True\]"),
])  # fmt: skip
def test_what_are_no_chromosomes_is_refused(boundaries, labels, message):
    with pytest.raises(ValueError, match=message):
        Chromosomes(boundaries, labels)


@pytest.mark.parametrize(("sizes", "groups", "message"), [
    ([3, 2], ["a"], "a group for each piece, got 1 for 2"),
    ([], [], r"got \[0\] for 0 labels"),
    ([3, 0, 2], ["a", "b", "c"], r"at least one number, got sizes \[3, 0, 2\]"),
    ([3, 0, 2], ["a", "a", "a"], r"at least one number, got sizes \[3, 0, 2\]"),
    ([3, -1, 2], ["a", "a", "a"], r"at least one number, got sizes \[3, -1, 2\]"),
    ([2.5, 2], ["a", "b"], "lists of integers"),
])  # fmt: skip
def test_wrong_pieces_are_refused(sizes, groups, message):
    with pytest.raises(ValueError, match=message):
        Chromosomes.of(sizes, groups)


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from("abcd")), min_size=1, max_size=9))
def test_every_number_belongs_to_the_chromosome_of_its_group(pieces):
    sizes, groups = zip(*pieces, strict=True)
    found = Chromosomes.of(sizes, groups)
    names = list(dict.fromkeys(groups))
    expected = [names.index(group) for size, group in pieces for _ in range(size)]
    assert label_of_each(found).tolist() == expected
    assert found.sizes.tolist() == [expected.count(label) for label in range(len(names))]
    assert (np.diff(found.labels) != 0).all()  # no two stretches where one does


# --- where they are cut ---------------------------------------------------------------------------------------------


@given(chromosomes(), st.integers(0, 2**32))
def test_each_is_cut_where_its_split_says(chromosomes, seed):
    """Against the place of every single number along its chromosome."""
    split = splits(chromosomes, 4, np.random.default_rng(seed))
    bounds, labels, tail = chromosomes.cut(split)
    pieces = len(chromosomes.labels) + chromosomes.count
    assert (bounds.shape, labels.shape, tail.shape) == ((4, pieces + 1), (4, pieces), (4, pieces))
    of_each = label_of_each(chromosomes)
    along = np.array([np.count_nonzero(of_each[:place] == of_each[place]) for place in range(chromosomes.size)])
    for i in range(4):
        lengths = np.diff(bounds[i])
        assert (bounds[i, 0], bounds[i, -1]) == (0, chromosomes.size)
        assert (lengths >= 0).all()
        np.testing.assert_array_equal(np.repeat(labels[i], lengths), of_each)
        np.testing.assert_array_equal(np.repeat(tail[i], lengths), along >= split[i, of_each])


def test_a_chromosome_of_one_number_is_all_head():
    bounds, labels, tail = Chromosomes.of([2, 1], ["a", "one"]).cut([[1, 1]])
    numbers = np.diff(bounds[0])
    assert np.repeat(labels[0], numbers).tolist() == [0, 0, 1]
    assert np.repeat(tail[0], numbers).tolist() == [False, True, False]


@pytest.mark.parametrize("split", [[[0, 1]], [[3, 1]], [[-1, 1]], [[1, 2]], [[1, 0]], [[1, 1], [3, 1]]])
def test_a_split_leaves_a_head_and_a_tail_of_every_chromosome(split):
    with pytest.raises(ValueError, match=r"split must be from 1 to size - 1 = 2, 1, got \["):
        Chromosomes.of([2, 2, 1], ["a", "b", "a"]).cut(split)


# --- what is made of them -------------------------------------------------------------------------------------------


def parents(size, n=3, seed=0):
    return np.random.default_rng(seed).standard_normal((2, n, size))


def each_alone(chromosomes, a, b, merge):
    """What `merge(a, b, label)` makes of each chromosome as a vector of its own, put back in its places."""
    child, of_each = np.full_like(a, np.nan), label_of_each(chromosomes)
    for label in range(chromosomes.count):
        mine = of_each == label
        child[:, mine] = merge(a[:, mine], b[:, mine], label)
    return child


@given(chromosomes(), st.integers(0, 2**32), st.sampled_from(["whole", "part"]))
def test_split_slerp_crosses_each_as_a_genome_of_its_own(chromosomes, seed, angle):
    a, b = parents(chromosomes.size, seed=seed)
    rng = np.random.default_rng(seed)
    ratio, split = rng.random((3, chromosomes.count)), splits(chromosomes, 3, rng)

    def alone(a, b, label):
        if a.shape[1] == 1:  # all head
            return slerp(a, b, ratio[:, label])
        return split_slerp(a, b, ratio[:, label], split[:, label], angle=angle)

    child = split_slerp(a, b, ratio, split, angle=angle, chromosomes=chromosomes)
    np.testing.assert_allclose(child, each_alone(chromosomes, a, b, alone), rtol=1e-6, atol=1e-9)


@given(chromosomes(), st.integers(0, 2**32), st.sampled_from([slerp, lerp]))
def test_slerp_and_lerp_merge_each_as_a_genome_of_its_own(chromosomes, seed, merge):
    a, b = parents(chromosomes.size, seed=seed)
    t = np.random.default_rng(seed).random((3, chromosomes.count))
    child = merge(a, b, t, chromosomes=chromosomes)
    expected = each_alone(chromosomes, a, b, lambda a, b, label: merge(a, b, t[:, label]))
    np.testing.assert_allclose(child, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("angle", ["whole", "part"])
def test_all_in_one_is_as_if_there_were_none(angle):
    a, b = parents(9)
    ratio, split, whole = np.array([0.1, 0.5, 0.8]), np.array([1, 8, 4]), Chromosomes.whole(9)
    expected = split_slerp(a, b, ratio, split, angle=angle)
    np.testing.assert_array_equal(split_slerp(a, b, ratio, split, angle=angle, chromosomes=whole), expected)
    for merge in (slerp, lerp):
        np.testing.assert_array_equal(merge(a, b, ratio, chromosomes=whole), merge(a, b, ratio))
    for with_them, without in (
        (SplitSlerpCrossover(angle, whole), SplitSlerpCrossover(angle)),
        (SlerpCrossover(whole), SlerpCrossover()),
        (LerpCrossover(whole), LerpCrossover()),
    ):
        children = (crossover.cross(a, b, rng=generator(0)) for crossover in (with_them, without))
        np.testing.assert_array_equal(*children)


@pytest.mark.parametrize("make", [SplitSlerpCrossover, SlerpCrossover, LerpCrossover])
def test_a_crossover_draws_for_each_chromosome_alone(make):
    """Of ones and zeros each number of the child is the share of A there."""
    groups = Chromosomes.of([30, 1, 60, 50], ["a", "one", "b", "a"])
    child = make(chromosomes=groups).cross(np.ones((400, 141)), np.zeros((400, 141)), rng=generator(0))
    of_a, of_b = child[:, np.r_[0:30, 91:141]], child[:, 31:91]
    heads, splits = [], []
    for part in (of_a, of_b):
        head, tail = part[:, 0], part[:, -1]
        size = part.shape[1]
        if make is SplitSlerpCrossover:
            np.testing.assert_allclose(head + tail, 1)
            split = np.count_nonzero(np.isclose(part, head[:, None]), axis=1)
            assert ((np.arange(size) < split[:, None]) == np.isclose(part, head[:, None])).all()
            assert 1 <= split.min() < 0.1 * size
            assert 0.9 * size < split.max() <= size - 1
            assert 0.45 < split.mean() / size < 0.55
            splits.append(split)
        else:
            np.testing.assert_allclose(part, head[:, None] * np.ones(size))
        assert 0.45 < head.mean() < 0.55
        heads.append(head)
    for independent in (heads, splits, [child[:, 30], heads[0]]):
        assert not independent or abs(np.corrcoef(*independent)[0, 1]) < 0.15


@pytest.mark.parametrize("crossover", [
    SplitSlerpCrossover("whole", Chromosomes.whole(8)),
    SlerpCrossover(Chromosomes.of([4, 6], [0, 1])),
    LerpCrossover(Chromosomes.of([4, 6], [0, 1])),
])  # fmt: skip
def test_chromosomes_of_another_size_are_refused(crossover):
    message = f"these chromosomes are of genomes of {crossover.chromosomes.size} numbers, got 9"
    with pytest.raises(ValueError, match=message):
        crossover.cross(*parents(9), rng=generator(0))


@pytest.mark.parametrize("make", [SplitSlerpCrossover, SlerpCrossover, LerpCrossover])
def test_other_things_are_no_chromosomes(make):
    with pytest.raises(TypeError, match="chromosomes"):
        make(chromosomes=[0, 3, 5])
