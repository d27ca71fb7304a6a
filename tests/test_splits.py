"""Several split points: ratios that alternate from part to part."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoniche import ArraySeeds, Chromosomes, RecipeGenome, SplitSlerpCrossover
from evoniche.functional import slerp, split_slerp
from evoniche.randomness import generator

GROUPS = Chromosomes.of([30, 1, 60, 50], ["a", "one", "b", "a"])


def parents(size, n=5, seed=0):
    return np.random.default_rng(seed).standard_normal((2, n, size))


def by_hand(a, b, ratio, points, angle):
    """One child of one chromosome: cut at the points in order, and SLERP each part with w or 1 - w in turn."""
    child = np.empty_like(a)
    places = [0, *sorted(points), len(a)]
    whole = np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))
    for number, (start, stop) in enumerate(pairwise(places)):
        x, y = a[start:stop], b[start:stop]
        t = 1 - ratio if number % 2 else ratio
        if angle == "part":
            child[start:stop] = slerp(x[None], y[None], [t])[0] if start < stop else 0
        else:
            child[start:stop] = (np.sin((1 - t) * whole) * x + np.sin(t * whole) * y) / np.sin(whole)
    return child


@given(
    st.integers(2, 12),
    st.integers(0, 5),
    st.integers(0, 2**32),
    st.sampled_from(["whole", "part"]),
)
def test_the_ratios_alternate_from_part_to_part(size, splits, seed, angle):
    a, b = parents(size, seed=seed)
    rng = np.random.default_rng(seed)
    ratio, split = rng.random(5), rng.integers(1, size + 1, size=(5, 1, splits))  # at the size nothing is cut
    child = split_slerp(a, b, ratio, split, angle=angle)
    expected = [by_hand(*row, angle) for row in zip(a, b, ratio, split[:, 0], strict=True)]
    np.testing.assert_allclose(child, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("angle", ["whole", "part"])
def test_one_point_in_the_new_shape_is_the_split_point_of_the_paper(angle):
    a, b = parents(9)
    ratio, split = np.array([0.1, 0.2, 0.5, 0.8, 1.0]), np.array([1, 8, 4, 2, 3])
    new = split_slerp(a, b, ratio, split[:, None, None], angle=angle)
    np.testing.assert_array_equal(new, split_slerp(a, b, ratio, split, angle=angle))


@pytest.mark.parametrize("chromosomes", [None, GROUPS])
@pytest.mark.parametrize("angle", ["whole", "part"])
def test_the_default_draws_what_it_drew_before_there_were_several(angle, chromosomes):
    """First all ratios, then all split points, one for each child and chromosome: the published runs depend on it."""
    a, b = parents(141)
    rng, sizes = generator(3), np.array([141]) if chromosomes is None else chromosomes.sizes
    ratio = rng.random((5, len(sizes)))
    split = 1 + (rng.random((5, len(sizes))) * (sizes - 1)).astype(np.int64)
    expected = split_slerp(a, b, ratio, split, angle=angle, chromosomes=chromosomes)
    for crossover in (SplitSlerpCrossover(angle, chromosomes), SplitSlerpCrossover(angle, chromosomes, splits=1.0)):
        np.testing.assert_array_equal(crossover.cross(a, b, rng=generator(3)), expected)


@pytest.mark.parametrize("angle", ["whole", "part"])
def test_chromosomes_are_cut_as_if_each_were_alone(angle):
    a, b = parents(141)
    rng = np.random.default_rng(1)
    ratio = rng.random((5, 3))
    split = 1 + (rng.random((5, 3, 4)) * GROUPS.sizes[:, None]).astype(int)
    child = split_slerp(a, b, ratio, split, angle=angle, chromosomes=GROUPS)
    for label, mine in enumerate([np.r_[0:30, 91:141], np.r_[30], np.r_[31:91]]):
        alone = split_slerp(a[:, mine], b[:, mine], ratio[:, label], split[:, [label]], angle=angle)
        np.testing.assert_allclose(child[:, mine], alone, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("crossover", "mean"), [
    (SplitSlerpCrossover(splits=3), 3),
    (SplitSlerpCrossover(splits=0), 0),
    (SplitSlerpCrossover(splits=2.5, count="poisson"), 2.5),
    (SplitSlerpCrossover(splits=0, count="poisson"), 0),
    (SplitSlerpCrossover(chromosomes=Chromosomes.of([5_000, 5_000], "ab"), splits=2), 5),
    (SplitSlerpCrossover(chromosomes=Chromosomes.of([5_000, 5_000], "ab"), splits=1.5, count="poisson"), 4),
])  # fmt: skip
def test_as_many_points_are_drawn_as_asked_for(crossover, mean):
    """Counted as places where the share of A changes; that of two chromosomes changes between them as well."""
    n, size = 400, 10_000
    child = crossover.cross(np.ones((n, size)), np.zeros((n, size)), rng=generator(0))
    changes = (np.abs(np.diff(child, axis=1)) > 1e-12).sum(axis=1)
    poisson = crossover.count == "poisson"
    if poisson and mean:
        assert abs(changes.mean() - mean) < 4 * np.sqrt(mean / n)
        assert changes.var() == pytest.approx(mean - (crossover.chromosomes is not None), rel=0.35)
    else:
        assert (changes <= mean).all()
        assert changes.mean() > mean - 0.02  # two points may be equal


def test_recipes_have_the_same_children():
    seeds = np.random.default_rng(0).standard_normal((3, 200))
    genome = RecipeGenome(ArraySeeds(seeds, block=16))
    recipes = genome.sample(12, rng=generator(0))
    explicit = np.stack([genome.seeds.materialise(recipe) for recipe in recipes])
    for crossover in (
        SplitSlerpCrossover(splits=4),
        SplitSlerpCrossover("part", splits=3, count="poisson"),
        SplitSlerpCrossover("whole", Chromosomes.of([60, 100, 40], "aba"), splits=3, count="poisson"),
    ):
        children = crossover.cross(recipes, recipes.take(np.arange(12)[::-1]), rng=generator(1))
        expected = crossover.cross(explicit, explicit[::-1], rng=generator(1))
        found = np.stack([genome.seeds.materialise(recipe) for recipe in children])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("settings", "message"), [
    ({"splits": -1}, r"splits=...\) must be a number >= 0, got -1"),
    ({"splits": np.nan}, r"splits=...\) must be a number >= 0"),
    ({"splits": "3"}, r"splits=...\) must be a number >= 0"),
    ({"splits": 1.5}, r"splits=...\) must be a whole number unless count='poisson', got 1.5"),
    ({"count": "normal"}, r"count=...\) must be one of 'fixed', 'poisson'"),
])  # fmt: skip
def test_other_numbers_of_splits_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SplitSlerpCrossover(**settings)


@pytest.mark.parametrize("split", [0, 7, -1])
def test_a_point_out_of_range_is_refused(split):
    with pytest.raises(ValueError, match=r"split must be from 1 to size = 6, got \["):
        split_slerp(*parents(6, n=1), [0.5], [[[2, split]]])
