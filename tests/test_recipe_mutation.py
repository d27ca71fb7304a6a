"""Mutation among recipes, of recipes and of flat vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evoniche
from evoniche import ArraySeeds, Chromosomes, RecipeGenome, RecipeMutation, SplitSlerpCrossover
from evoniche.mutations._stretches import Stretches
from evoniche.randomness import generator

SEEDS = np.random.default_rng(0).standard_normal((3, 60))
GROUPS = Chromosomes.of([20, 10, 30], "aba")
ALL = ("shift", "scale", "copy", "extend")


def condition(seeds):
    """The largest condition number of the Gram matrix of vectors, over all stretches; as many directions as can be."""
    worst, (count, size) = 1.0, seeds.shape
    for start in range(size):
        for stop in range(start + 1, size + 1):
            values = np.linalg.svd(seeds[:, start:stop], compute_uv=False)[: min(count, stop - start)]
            worst = max(worst, (values[0] / values[-1]) ** 2)
    return worst


def mutants(seed, n=200, **settings):
    """n mutants of one random combination, and where they differ from it."""
    genome = np.random.default_rng(1).standard_normal(3) @ SEEDS
    found = RecipeMutation(SEEDS, **settings).mutate(np.tile(genome, (n, 1)), rng=generator(seed))
    return genome, found, found != genome


@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 4),
    moves=st.lists(st.sampled_from(ALL), min_size=1, max_size=4, unique=True),
    with_base=st.booleans(),
    chromosomes=st.sampled_from([None, GROUPS]),
)
def test_recipes_and_flat_vectors_have_the_same_mutants(seed, count, moves, with_base, chromosomes):
    if chromosomes is not None:
        moves = [move for move in moves if move != "extend"] or ["shift"]
    count = 1 if "extend" in moves else count  # the next step would amplify the rounding of the one before
    base = np.full(60, 0.1) if with_base else None
    bank = ArraySeeds([*SEEDS], base=base, block=16)
    tasks = SEEDS if base is None else SEEDS - base
    recipes = RecipeGenome(bank, SplitSlerpCrossover()).sample(7, rng=generator(seed))
    settings = {"count": count, "moves": moves, "std": (0.1, 1), "chromosomes": chromosomes}
    of_recipes = RecipeMutation(**settings).mutate(recipes, rng=generator(seed))
    offset = 0 if base is None else base
    flat = np.stack([bank.materialise(recipe) for recipe in recipes]) - offset
    expected = RecipeMutation(tasks, **settings).mutate(flat, rng=generator(seed)) + offset
    found = np.stack([bank.materialise(recipe) for recipe in of_recipes])
    exact = 4 * np.finfo(float).eps * condition(tasks) if "extend" in moves else 1e-12
    np.testing.assert_allclose(found, expected, rtol=exact, atol=exact * np.abs(expected).max())


def test_a_shift_adds_a_multiple_of_the_difference_of_two_seeds_to_one_stretch():
    genome, found, changed = mutants(0, moves="shift", std=0.5, n=2000)
    steps, pairs = [], set()
    for mutant, where in zip(found, changed, strict=True):
        stretch = np.flatnonzero(where)
        assert len(stretch) == stretch[-1] - stretch[0] + 1
        if len(stretch) < 4:
            continue
        of_seeds, rest, _, _ = np.linalg.lstsq(SEEDS[:, stretch].T, (mutant - genome)[stretch], rcond=None)
        assert rest.sum() < 1e-20
        order = np.argsort(of_seeds)
        assert abs(of_seeds[order[1]]) < 1e-9  # the third seed
        assert of_seeds[order[0]] == pytest.approx(-of_seeds[order[2]], abs=1e-9)
        steps.append(of_seeds[order[2]])
        pairs.add((order[0], order[2]))
    assert len(pairs) == 6
    assert np.mean(np.square(steps)) == pytest.approx(0.25, rel=0.15)  # N(0, std**2)


def test_a_scaled_stretch_is_multiplied_by_a_lognormal_number():
    genome, found, changed = mutants(0, moves="scale", std=0.5, n=2000)
    factors = []
    for mutant, where in zip(found, changed, strict=True):
        ratio = (mutant / genome)[where]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)
        factors.append(ratio[0])
    assert np.log(factors).std() == pytest.approx(0.5, rel=0.1)
    assert abs(np.log(factors).mean()) < 0.05


def test_a_copied_stretch_is_that_of_a_seed():
    _, found, changed = mutants(0, moves="copy")
    of = [np.flatnonzero((np.abs(SEEDS - mutant) < 1e-14)[:, where].all(axis=1))
          for mutant, where in zip(found, changed, strict=True)]  # fmt: skip
    assert {int(seeds[0]) for seeds in of} == {0, 1, 2}


def test_an_extended_stretch_moves_a_boundary_between_two_combinations():
    a, b = (np.random.default_rng(seed).standard_normal(3) for seed in (1, 2))
    genome = np.concatenate([a @ SEEDS[:, :30], b @ SEEDS[:, 30:]])
    found = RecipeMutation(SEEDS, moves="extend").mutate(np.tile(genome, (400, 1)), rng=generator(0))
    moved = 0
    for mutant in found:
        side_a, side_b = (np.isclose(mutant, side @ SEEDS, rtol=1e-9, atol=1e-9) for side in (a, b))
        if (side_a | side_b).all() and side_a.any() and side_b.any() and side_a[0] and side_b[-1]:
            assert (np.diff(side_a.astype(int)) != 0).sum() == 1  # one boundary
            moved += np.count_nonzero(side_a) != 30
    assert moved > 20


def test_the_length_of_a_stretch_is_log_uniform_and_its_place_uniform():
    _, _, changed = mutants(0, moves="shift", n=20_000)
    lengths = changed.sum(axis=1)
    for low, high in ((1, 2), (4, 8), (15, 31)):
        expected = np.log(high / low) / np.log(61)
        assert np.mean((lengths >= low) & (lengths < high)) == pytest.approx(expected, abs=0.015)
    single = changed[lengths == 1].mean(axis=0)
    assert single == pytest.approx(np.full(60, 1 / 60), abs=0.015)
    assert lengths.max() == 60


def test_step_sizes_between_two_are_log_uniform():
    genome, found, changed = mutants(0, moves="scale", std=(0.01, 1), n=4000)
    logs = [np.log((mutant / genome)[where][0]) for mutant, where in zip(found, changed, strict=True)]
    expected = np.mean(np.square(np.logspace(-2, 0, 1001)))  # E of the variance
    assert np.mean(np.square(logs)) == pytest.approx(expected, rel=0.2)
    assert np.mean(np.abs(logs) < 0.05) > 0.3


def test_chromosomes_change_as_wholes():
    _, _, changed = mutants(0, moves=("shift", "scale", "copy"), chromosomes=GROUPS)
    of_a = np.r_[np.ones(20, bool), np.zeros(10, bool), np.ones(30, bool)]
    kinds = {tuple(row) for row in changed}
    assert kinds == {tuple(of_a), tuple(~of_a)}


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_single_precision_and_shapes_stay(dtype):
    images = SEEDS.astype(dtype).reshape(3, 6, 10)
    found = RecipeMutation(images, count=3, moves=ALL).mutate(images, rng=generator(0))
    assert (found.dtype, found.shape) == (images.dtype, images.shape)
    assert (found != images).any()


def test_it_evolves_what_no_merge_of_the_seeds_without_mutation_can_reach():
    """A scaled seed: its stretch is in the span, but not on any arc between the seeds."""
    seeds = np.array([[1.0] * 8, [0.0] * 8])
    target = np.repeat([3.0, -1.0], 4)

    def score(genomes):
        return 1 / (1 + np.abs(genomes - target))

    best = []
    for mutation in (None, RecipeMutation(seeds)):
        evolution = evoniche.m2n2(score, initial=seeds, mutation=mutation, seed=0)
        best.append(evolution.run(2000, progress=False).best.score)
    assert best[0] < 0.7
    assert best[1] > 0.9


@pytest.mark.parametrize(("settings", "message"), [
    ({"std": 0}, r"std=...\) must be a number > 0, or \(least, greatest\), got 0"),
    ({"std": (1, 0.5)}, r"got \(1, 0.5\)"),
    ({"std": (1, np.inf)}, r"got \(1, inf\)"),
    ({"std": (1, 2, 3)}, r"got \(1, 2, 3\)"),
    ({"std": "x"}, "std"),
    ({"moves": ()}, r"moves=...\) must be some of 'shift', 'scale', 'copy', 'extend', got \(\)"),
    ({"moves": "jump"}, "got 'jump'"),
    ({"count": 0}, r"count=...\) must be a whole number >= 1, got 0"),
    ({"chromosomes": GROUPS, "moves": "extend"}, "without 'extend' where chromosomes are given"),
    ({"founders": [1, 2]}, r"founders=...\) must be an array of floats"),
])  # fmt: skip
def test_other_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        RecipeMutation(**settings)


@pytest.mark.parametrize(("mutation", "genomes", "message"), [
    (RecipeMutation(), SEEDS, "must be the seed models"),
    (RecipeMutation(SEEDS), SEEDS[:, :5], "of the genomes' 5 numbers, got 60"),
    (RecipeMutation(SEEDS), np.arange(60)[None], "floating-point"),
    (RecipeMutation(SEEDS), [SEEDS[0]], "works on arrays"),
    (RecipeMutation(SEEDS), RecipeGenome(ArraySeeds([*SEEDS])).sample(2, rng=generator(0)), "must be None for recipes"),
    (RecipeMutation(SEEDS, chromosomes=Chromosomes.whole(5)), SEEDS, "of genomes of 5 numbers, got 60"),
])  # fmt: skip
def test_genomes_that_do_not_fit_are_refused(mutation, genomes, message):
    with pytest.raises(ValueError, match=message):
        mutation.mutate(genomes, rng=generator(0))


def test_a_layer_in_which_founders_are_all_but_equal_gives_no_wild_combination():
    """The combination beside a stretch is sought among directions that are there, not among rounding errors."""
    rng = np.random.default_rng(3)
    founders = rng.standard_normal(200) + 1e-7 * rng.standard_normal((8, 200))
    beside = np.array([[0, 20, 180, 200]])
    stretches = Stretches(beside, np.array([[True, False, False]]), beside)
    found = stretches.neighbours(founders.mean(axis=0)[None], founders)
    np.testing.assert_allclose(found, np.full((1, 8), 1 / 8), atol=1e-6)
