"""Recipes are the arithmetic that they stand for: the same children, the same evolutions, the same weights."""

import io

import numpy as np
import pytest

from evoniche import (
    ArraySeeds,
    Chromosomes,
    LerpCrossover,
    Recipe,
    RecipeGenome,
    Recipes,
    SeedBank,
    SlerpCrossover,
    SplitSlerpCrossover,
    UniformCrossover,
    ga,
    m2n2,
    merge,
    mosaic,
)
from evoniche.merging import MOSAIC_SEGMENTS, gram_table
from evoniche.merging.gram_table import GramTable
from evoniche.randomness import generator

SIZE = 203
GROUPS = Chromosomes.of([50, 1, 40, 12, 60, 40], ["a", "one", "b", "a", "b", "c"])  # two lie scattered, one is a number

CROSSOVERS = {
    "split, whole angle": SplitSlerpCrossover(),
    "split, angle of parts": SplitSlerpCrossover("part"),
    "slerp": SlerpCrossover(),
    "lerp": LerpCrossover(),
    "split, whole angle, chromosomes": SplitSlerpCrossover("whole", GROUPS),
    "split, angle of parts, chromosomes": SplitSlerpCrossover("part", GROUPS),
    "slerp, chromosomes": SlerpCrossover(GROUPS),
    "lerp, chromosomes": LerpCrossover(GROUPS),
}
crossovers = pytest.mark.parametrize("crossover", CROSSOVERS.values(), ids=CROSSOVERS)


def models(count, size=SIZE, *, seed=0, dtype=np.float64, like=None):
    """Read-only vectors; with `like`, fine-tuned from that one."""
    vectors = np.random.default_rng(seed).standard_normal((count, size))
    vectors = (vectors if like is None else like + 0.1 * vectors).astype(dtype)
    vectors.flags.writeable = False
    return vectors


def explicit(batch, vectors):
    """The arithmetic that recipes stand for, number by number: shape (n, size)."""
    combined = np.zeros((len(batch), vectors.shape[1]))
    for row, recipe in enumerate(batch):
        of_each = np.repeat(recipe.coefficients, np.diff(recipe.boundaries), axis=0)  # (size, seeds)
        combined[row] = np.einsum("pk,kp->p", of_each, vectors.astype(np.float64))
    return combined


def difference(actual, expected):
    """Relative to the norm, the largest of the rows'."""
    actual, expected = np.atleast_2d(actual), np.atleast_2d(expected)
    return (np.linalg.norm(actual - expected, axis=1) / np.linalg.norm(expected, axis=1)).max()


def some_recipes(bank, n=12, seed=0):
    """Recipes with a few segments each."""
    crossover = SplitSlerpCrossover()
    batch = RecipeGenome(bank, crossover).sample(n, rng=generator(seed))
    return crossover.cross(batch, batch.take(np.roll(np.arange(n), 5)), rng=generator(seed, 1))


def one(bank, boundaries, coefficients):
    return Recipes(bank, [Recipe.of(boundaries, coefficients)])


# --- matings --------------------------------------------------------------------------------------------------------


def matings(crossover, vectors, bank, *, base=0.0, number, room=10):
    """Random matings of vectors and of recipes side by side, with random deaths; the largest difference ever."""
    explicitly, recipes, worst = vectors - base, Recipes.of_seeds(bank), 0.0
    for mating in range(number):
        rng = generator(7, mating)
        i, j = rng.integers(len(recipes), size=(2, 1))  # now and then the same one twice
        child = crossover.cross(explicitly[i], explicitly[j], rng=generator(1, mating))
        told = crossover.cross(recipes.take(i), recipes.take(j), rng=generator(1, mating))
        worst = max(worst, difference(explicit(told, vectors - base) + base, child + base))
        explicitly, recipes = np.vstack([explicitly, child]), recipes.join(told)
        if len(recipes) > room:
            left = np.delete(np.arange(room + 1), rng.integers(room + 1))
            explicitly, recipes = explicitly[left], recipes.take(left)
    written = np.array([bank.materialise(recipe) for recipe in recipes])
    return max(worst, difference(written, explicitly + base))


@crossovers
@pytest.mark.parametrize("with_base", [False, True], ids=["seeds", "task vectors"])
def test_random_matings_give_the_children_of_explicit_arithmetic(crossover, with_base):
    base = models(1, seed=9)[0] if with_base else None
    vectors = models(3, like=base)
    bank = ArraySeeds(list(vectors), base=base, block=32)
    assert matings(crossover, vectors, bank, base=base if with_base else 0.0, number=300) < 1e-12


@crossovers
@pytest.mark.parametrize(("count", "block"), [(1, 16), (2, 7), (2, 29), (5, SIZE), (5, 1000)])
def test_random_matings_of_any_number_of_seeds_in_blocks_of_any_size(crossover, count, block):
    vectors = models(count, seed=count)
    assert matings(crossover, vectors, ArraySeeds(list(vectors), block=block), number=40) < 1e-12


def slerp_by_the_book(a, b, t, angle_of_a, angle_of_b):
    omega = np.arccos(angle_of_a @ angle_of_b / np.linalg.norm(angle_of_a) / np.linalg.norm(angle_of_b))
    return np.sin((1 - t) * omega) / np.sin(omega) * a + np.sin(t * omega) / np.sin(omega) * b


@pytest.mark.parametrize("angle", ["whole", "part"])
def test_split_slerp_of_recipes_is_the_formula(angle):
    """Equation 2 as it is written, over three generations."""
    vectors = models(4)
    bank = ArraySeeds(list(vectors), block=64)
    parents, recipes = vectors, Recipes.of_seeds(bank)
    crossover = SplitSlerpCrossover(angle)
    for generation in range(3):
        rng = generator(generation)
        ratio, split = rng.random(4), 1 + (rng.random(4) * (SIZE - 1)).astype(int)
        children = np.empty_like(parents)
        mates = np.roll(parents, -1, axis=0)
        for child, a, b, w, s in zip(children, parents, mates, ratio, split, strict=True):
            for part, t in ((slice(s), w), (slice(s, None), 1 - w)):
                along = part if angle == "part" else slice(None)
                child[part] = slerp_by_the_book(a[part], b[part], t, a[along], b[along])
        recipes = crossover.cross(recipes, recipes.take(np.array([1, 2, 3, 0])), rng=generator(generation))
        parents = children
        assert difference(explicit(recipes, vectors), parents) < 1e-12


def test_task_vectors_are_merged_by_their_own_angle():
    """SLERP of what the seeds add to the base, which is not that of the seeds."""
    base, (one_way, other_way) = models(1, seed=9)[0], models(2, like=models(1, seed=9)[0])
    with_base, without = ArraySeeds([one_way, other_way], base=base), ArraySeeds([one_way, other_way])
    t = generator(3).random((1, 1))[0, 0]
    child, plain = (
        bank.materialise(SlerpCrossover().cross(pair.take([0]), pair.take([1]), rng=generator(3))[0])
        for bank, pair in ((bank, Recipes.of_seeds(bank)) for bank in (with_base, without))
    )
    expected = base + slerp_by_the_book(one_way - base, other_way - base, t, one_way - base, other_way - base)
    assert difference(child, expected) < 1e-13
    assert difference(plain, slerp_by_the_book(one_way, other_way, t, one_way, other_way)) < 1e-13
    assert difference(plain, expected) > 1e-3


@crossovers
@pytest.mark.parametrize("block", [7, 64, 1000])
def test_where_a_model_is_zero_recipes_are_as_good(crossover, block):
    """As a layer is that a fine-tuning has left alone, in task vectors; some seeds, or all of them."""
    for trial in range(20):
        vectors = models(3, seed=trial).copy()
        vectors[: 1 + trial % 3, 50:91] = 0  # the number and the first piece of the second chromosome
        vectors[: trial % 3, 163:] = 0
        bank = ArraySeeds(list(vectors), block=block)
        assert matings(crossover, vectors, bank, number=6) < 1e-12


@pytest.mark.parametrize("crossover", [SlerpCrossover(GROUPS), SplitSlerpCrossover("part", GROUPS)])
def test_a_small_layer_after_a_large_one_keeps_its_angle(crossover):
    vectors = models(2).copy()
    vectors[:, :50] *= 1e3
    vectors[:, 50:163] *= 1e-5
    batch = Recipes.of_seeds(ArraySeeds(list(vectors)))
    for mating in range(10):
        child = crossover.cross(vectors[:1], vectors[1:], rng=generator(mating))
        told = crossover.cross(batch.take([0]), batch.take([1]), rng=generator(mating))
        assert difference(explicit(told, vectors)[:, 51:163], child[:, 51:163]) < 1e-9


def test_where_seeds_are_equal_or_opposite_recipes_are_as_good():
    vectors = models(3).copy()
    vectors[1, 40:] = vectors[0, 40:]
    vectors[2, :90] = -0.5 * vectors[0, :90]
    for crossover in CROSSOVERS.values():
        assert matings(crossover, vectors, ArraySeeds(list(vectors), block=16), number=25) < 1e-9


def test_many_children_at_once():
    bank = ArraySeeds(list(models(3)))
    a, b = some_recipes(bank), some_recipes(bank, seed=1)
    crossover = SplitSlerpCrossover("part", GROUPS)
    together = crossover.cross(a, b, rng=generator(0))
    expected = crossover.cross(explicit(a, models(3)), explicit(b, models(3)), rng=generator(0))
    assert difference(explicit(together, models(3)), expected) < 1e-12


def test_single_precision_seeds_are_summed_in_double():
    vectors = models(3, dtype=np.float32)
    single, double = (some_recipes(ArraySeeds(list(each))) for each in (vectors, vectors.astype(np.float64)))
    assert single == double


@pytest.mark.parametrize(("crossover", "other", "message"), [
    (SlerpCrossover(), ArraySeeds([np.ones(3), np.zeros(3)]), "SlerpCrossover"),
    (SplitSlerpCrossover(), ArraySeeds([np.ones(4), np.zeros(4), np.ones(4)]), "the same seeds"),
    (LerpCrossover(GROUPS), None, "these chromosomes are of genomes of 203 numbers, got 4"),
    (UniformCrossover(), None, "UniformCrossover works on arrays of genomes"),
])  # fmt: skip
def test_what_cannot_be_merged_is_refused(crossover, other, message):
    batch = Recipes.of_seeds(ArraySeeds([np.ones(4), np.arange(4.0)]))
    mates = batch if other is None else Recipes.of_seeds(other).take(np.array([0, 1]))
    with pytest.raises(ValueError, match=message):
        crossover.cross(batch, mates, rng=generator(0))


def test_recipes_and_arrays_do_not_breed():
    batch = Recipes.of_seeds(ArraySeeds([np.ones(4), np.arange(4.0)]))
    for pair in ((batch, np.ones((2, 4))), (np.ones((2, 4)), batch)):
        with pytest.raises(ValueError, match="LerpCrossover works on arrays"):
            LerpCrossover().cross(*pair, rng=generator(0))


# --- evolutions -----------------------------------------------------------------------------------------------------

THRESHOLDS = np.random.default_rng(5).uniform(-1.2, -0.2, size=SIZE)


def passed(weights):
    """The cases of arrays of weights (n, size)."""
    return weights > THRESHOLDS


def same_runs(one_run, other_run):
    """Of vectors and of recipes."""
    vectors, recipes = (evolution.run(160, record_every=1, progress=False) for evolution in (one_run, other_run))
    for name in ("evaluations", "best", "mean", "coverage", "entropy"):
        assert np.array_equal(vectors.history[name], recipes.history[name]), name
    for name in ("ids", "parents", "scores", "fitness"):
        assert np.array_equal(getattr(vectors.population, name), getattr(recipes.population, name)), name
    assert vectors.best.id == recipes.best.id
    assert vectors.best.parents == recipes.best.parents
    return vectors, recipes


@pytest.mark.parametrize("make", [m2n2, ga])
@pytest.mark.parametrize("arguments", [
    {},
    {"angle": "part", "attraction": False, "population_size": 5},
    {"split_point": False},
    {"crossover": LerpCrossover()},
    {"chromosomes": GROUPS, "importance": np.arange(SIZE) % 5},
], ids=lambda arguments: "-".join(arguments))  # fmt: skip
def test_an_evolution_of_recipes_is_that_of_the_vectors(make, arguments):
    vectors = models(4, seed=2)
    bank = ArraySeeds(list(vectors), block=40)
    arguments = {name: value for name, value in arguments.items() if make is m2n2 or name != "attraction"}
    same = {"population_size": 12, "seed": 3} | arguments
    of_vectors, of_recipes = same_runs(
        make(passed, initial=vectors, **same),
        make(lambda recipes: passed(explicit(recipes, vectors)), initial=Recipes.of_seeds(bank), **same),
    )
    assert isinstance(of_recipes.population.genomes, Recipes)
    assert difference(bank.materialise(of_recipes.best.genome[0]), of_vectors.best.genome) < 1e-12
    assert difference(explicit(of_recipes.population.genomes, vectors), of_vectors.population.genomes) < 1e-12
    assert np.median(of_vectors.population.ids) > 40  # most of the first are gone


@pytest.mark.parametrize("chromosomes", [None, GROUPS])
def test_a_merge_begins_with_the_seeds_and_random_merges_and_goes_on_as_m2n2(chromosomes):
    vectors = models(3, seed=2)
    bank = ArraySeeds(list(vectors))
    crossover = SplitSlerpCrossover("part", chromosomes)

    def score(recipes):
        return passed(explicit(recipes, vectors))

    evolution = merge(bank, score, warmup=20, angle="part", chromosomes=chromosomes, seed=4)
    warm = evolution.ask(100)
    assert warm.genomes == RecipeGenome(bank, crossover).sample(23, rng=generator(4))
    assert (warm.parents == -1).all()
    evolution.tell(warm, score(warm.genomes))
    again = merge(bank, score, warmup=20, angle="part", chromosomes=chromosomes, seed=4)
    same = {"crossover": crossover, "capacity": "max", "population_size": 15, "batch_size": 1, "seed": 4}
    _, recipes = same_runs(m2n2(passed, initial=explicit(warm.genomes, vectors), **same), again)
    assert len(recipes.population) == 15


@pytest.mark.parametrize("with_base", [False, True])
def test_a_merge_by_mosaic_is_mosaic_over_recipes(with_base):
    """The same run as over flat vectors, whose founders are the seeds."""
    vectors = models(3, seed=2)
    base = vectors[2] if with_base else np.zeros_like(vectors[2])
    bank = ArraySeeds(list(vectors[: 3 - with_base]), base=base if with_base else None)

    def score(recipes):
        return passed(np.stack([bank.materialise(recipe) - base for recipe in recipes]))

    merging = merge(bank, score, method="mosaic", warmup=20, seed=4)
    assert merging.parts.genome.segments == MOSAIC_SEGMENTS
    warm = merging.ask(100)
    flat = np.stack([bank.materialise(recipe) - base for recipe in warm.genomes])
    seeds = flat[: bank.count]
    merging.tell(warm, passed(flat))
    beside = mosaic(passed, initial=seeds, mutation="recipe", population_size=15, seed=4)
    plain = mosaic(passed, initial=flat, mutation=beside.parts.mutation, population_size=15, seed=4)
    told = plain.ask(100)
    plain.tell(told, passed(told.genomes))
    for evolution in (merging, plain):
        evolution.run(120, progress=False)
    np.testing.assert_array_equal(merging.population.ids, plain.population.ids)
    found = np.stack([bank.materialise(recipe) - base for recipe in merging.population.genomes])
    np.testing.assert_allclose(found, plain.population.genomes, atol=1e-10)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"method": "cma"}, "method must be 'm2n2' or 'mosaic', got 'cma'"),
    ({"warmup": -1}, "warmup must be a whole number >= 0, got -1"),
    ({"warmup": 1.5}, r"warmup must be a whole number >= 0, got 1\.5"),
    ({"chromosomes": Chromosomes.whole(5)}, "chromosomes must be of the seeds' 203 parameters, got 5"),
    ({"split_point": False, "angle": "part"}, "angle='part' belongs to"),
    ({"population_size": 1}, "population_size must be a whole number >= 2"),
])  # fmt: skip
def test_wrong_arguments_of_a_merge_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        merge(ArraySeeds(list(models(2))), **arguments)


# --- a recipe -------------------------------------------------------------------------------------------------------


def test_equal_neighbours_are_one_segment():
    recipe = Recipe.of([0, 2, 5, 6, 9, 10], [[1, 0], [1, 0], [0.5, 0.5], [1, 0], [1, 0]])
    assert recipe.boundaries.tolist() == [0, 5, 6, 10]
    assert recipe.coefficients.tolist() == [[1, 0], [0.5, 0.5], [1, 0]]
    assert recipe.size == 10
    assert (recipe.boundaries.dtype, recipe.coefficients.dtype) == (np.int64, np.float64)


@crossovers
def test_a_parent_mated_with_itself_gains_no_segments(crossover):
    bank = ArraySeeds(list(models(3)))
    pure, mixed = Recipes.of_seeds(bank), some_recipes(bank)
    for mating in range(10):
        assert crossover.cross(pure, pure, rng=generator(mating)) == pure
        child = crossover.cross(mixed, mixed, rng=generator(mating))
        for before, after in zip(mixed, child, strict=True):
            # Chromosomes with another ratio each may differ by a rounding, and are then not joined; all else is.
            rounding = [] if crossover.chromosomes is None else crossover.chromosomes.boundaries.tolist()
            assert {*after.boundaries.tolist()} - {*before.boundaries.tolist()} <= {*rounding}
            np.testing.assert_allclose(after.coefficients, before.along(after.boundaries), rtol=1e-12)


def test_a_child_has_no_more_cuts_than_its_parents_and_its_own_split():
    bank = ArraySeeds(list(models(3)))
    a, b = some_recipes(bank), some_recipes(bank, seed=1)
    children = SplitSlerpCrossover().cross(a, b, rng=generator(0))
    for child, one_parent, other in zip(children, a, b, strict=True):
        inherited = {*one_parent.boundaries.tolist(), *other.boundaries.tolist()}
        assert len(set(child.boundaries.tolist()) - inherited) <= 1
    assert max(len(child.coefficients) for child in children) > 4


def test_a_recipe_cannot_be_written():
    recipe = Recipe.of([0, 2, 4], [[1, 0], [0, 1]])
    for array in (recipe.boundaries, recipe.coefficients):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_recipe_does_not_follow_the_arrays_it_was_made_of():
    boundaries, coefficients = np.array([0, 2, 4]), np.array([[1.0, 0.0], [0.0, 1.0]])
    recipe = Recipe.of(boundaries, coefficients)
    boundaries[1], coefficients[0] = 3, 9
    assert recipe.boundaries.tolist() == [0, 2, 4]
    assert recipe.coefficients.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(("boundaries", "coefficients", "message"), [
    ([0, 4], [[1.0]] * 2, r"one boundary more than segments, got shapes \(2, 1\) and \(2,\)"),
    ([0, 4], [1.0, 0.0], r"got shapes \(2,\) and \(2,\)"),
    ([0, 4], [[]], r"got shapes \(1, 0\)"),
    ([0], np.zeros((0, 2)), r"got shapes \(0, 2\) and \(1,\)"),
    ([[0, 4]], [[1.0]], r"and \(1, 2\)"),
    ([1, 4], [[1.0]], r"rise from 0 .*got \[1, 4\]"),
    ([0, 0], [[1.0]], r"rise from 0 .*got \[0, 0\]"),
    ([0, 3, 3], [[1.0], [0.0]], r"rise from 0 .*got \[0, 3, 3\]"),
    ([0, 5, 4], [[1.0], [0.0]], r"rise from 0 .*got \[0, 5, 4\]"),
    ([0, 4], [[np.nan, 1.0]], r"finite coefficients.*nan"),
    ([0, 4], [[np.inf, 1.0]], r"finite coefficients.*inf"),
])  # fmt: skip
def test_what_is_no_recipe_is_refused(boundaries, coefficients, message):
    with pytest.raises(ValueError, match=message):
        Recipe.of(boundaries, coefficients)


def test_the_pieces_between_two_positions():
    recipe = Recipe.of([0, 3, 4, 10], [[0.0], [1.0], [2.0]])
    for start in range(11):
        for stop in range(start, 11):
            pieces = [(low, high, float(row[0])) for low, high, row in recipe.pieces(start, stop)]
            numbers = [0.0] * 3 + [1.0] + [2.0] * 6
            assert [value for low, high, value in pieces for _ in range(low, high)] == numbers[start:stop]
            assert all(low < high for low, high, _ in pieces)
            ends = [start, *(high for _, high, _ in pieces)]
            assert [low for low, _, _ in pieces] == ends[:-1]


def test_its_text_tells_size_segments_and_seeds():
    text = repr(Recipe.of([0, 3, 4_000_000], [[0, 1, 0], [1, 0, 0]]))
    assert "4,000,000 parameters" in text
    assert "2 segments" in text
    assert "3 seeds" in text


# --- a batch of recipes ---------------------------------------------------------------------------------------------


def test_a_batch_can_be_taken_apart_and_joined():
    bank = ArraySeeds(list(models(3)))
    batch = some_recipes(bank, 5)
    assert len(batch) == 5
    assert batch.shape == (5, SIZE)
    assert [*batch] == [batch[row] for row in range(5)]
    taken = batch.take(np.array([4, 0, 4]))
    assert [*taken] == [batch[4], batch[0], batch[4]]
    assert [*batch.join(taken)] == [*batch, *taken]
    assert len(batch) == 5
    assert taken.seeds is batch.join(taken).seeds is bank
    assert len(batch.take(np.array([], dtype=int))) == 0


def test_batches_are_equal_when_their_recipes_are():
    bank = ArraySeeds(list(models(2)))
    batch = one(bank, [0, 9, SIZE], [[1, 0], [0, 1]])
    assert batch == one(bank, [0, 5, 9, SIZE], [[1, 0], [1, 0], [0, 1]])
    assert batch != one(bank, [0, 8, SIZE], [[1, 0], [0, 1]])
    assert batch != one(bank, [0, 9, SIZE], [[1, 0], [0.1, 1]])
    assert batch != one(bank, [0, SIZE], [[1, 0]])
    assert batch != batch.join(batch)
    assert batch != [*batch]
    with pytest.raises(TypeError, match="unhashable"):
        hash(batch)


def test_the_seeds_are_recipes_too():
    bank = ArraySeeds(list(models(3)))
    batch = Recipes.of_seeds(bank)
    assert [recipe.coefficients.tolist() for recipe in batch] == [[[1, 0, 0]], [[0, 1, 0]], [[0, 0, 1]]]
    assert all(recipe.boundaries.tolist() == [0, SIZE] for recipe in batch)


@pytest.mark.parametrize("recipe", [Recipe.of([0, SIZE], [[1, 0, 0]]), Recipe.of([0, SIZE - 1], [[1, 0]])])
def test_recipes_for_other_seeds_are_refused(recipe):
    bank = ArraySeeds(list(models(2)))
    with pytest.raises(ValueError, match=r"these seeds are 2 of 203 parameters each, got Recipe\(20[23] .* [23] seeds"):
        Recipes(bank, [*Recipes.of_seeds(bank), recipe])


def test_batches_over_other_seeds_do_not_join():
    batch = Recipes.of_seeds(ArraySeeds(list(models(2))))
    with pytest.raises(ValueError, match="over the same seeds"):
        batch.join(Recipes.of_seeds(ArraySeeds(list(models(3)))))


# --- seeds and what is made of them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("with_base", [False, True])
def test_pure_seeds_and_the_base_come_out_bit_for_bit(dtype, with_base):
    base = models(1, seed=9, dtype=dtype)[0]
    vectors = models(3, dtype=dtype, like=base).copy()
    vectors[:, ::7] = [[-0.0], [0.0], [np.finfo(dtype).smallest_subnormal]]
    bank = ArraySeeds(list(vectors), base=base if with_base else None)
    for recipe, vector in zip(Recipes.of_seeds(bank), vectors, strict=True):
        assert bank.materialise(recipe).dtype == dtype
        assert bank.materialise(recipe).tobytes() == vector.tobytes()
    patched = bank.materialise(Recipe.of([0, 50, 51, SIZE], np.eye(3)))
    assert patched.tobytes() == np.concatenate([vectors[0, :50], vectors[1, 50:51], vectors[2, 51:]]).tobytes()
    nothing = bank.materialise(Recipe.of([0, SIZE], [[0, 0, 0]]))
    assert np.array_equal(nothing, base if with_base else np.zeros(SIZE))
    assert nothing.dtype == dtype


@pytest.mark.parametrize("with_base", [False, True])
def test_merged_weights_are_the_combination(with_base):
    base = models(1, seed=9)[0]
    vectors = models(3, like=base)
    bank = ArraySeeds(list(vectors), base=base if with_base else None)
    for recipe in some_recipes(bank):
        tasks = vectors - base if with_base else vectors
        expected = explicit([recipe], tasks)[0] + (base if with_base else 0)
        np.testing.assert_allclose(bank.materialise(recipe), expected, rtol=1e-12, atol=1e-14)


def test_half_precision_is_rounded_once():
    vectors = models(4, 20_000, dtype=np.float16)
    bank = ArraySeeds(list(vectors))
    recipe = Recipe.of([0, 7000, 20_000], [[0.3, 0.31, 0.17, 0.27], [0.7, 0.1, -0.3, 0.5]])
    merged, exact = bank.materialise(recipe), explicit([recipe], vectors)[0]
    half_a_unit = np.spacing(np.abs(exact).astype(np.float16)).astype(np.float64) / 2
    terms = explicit([Recipe.of(recipe.boundaries, np.abs(recipe.coefficients))], np.abs(vectors))[0]
    assert (np.abs(merged - exact) <= half_a_unit + 5 * 2**-24 * terms).all()  # a rounding, and single precision before


def test_single_precision_is_computed_in_single_precision_or_better():
    vectors = models(4, 20_000, dtype=np.float32)
    coefficients = [[0.3, 0.31, 0.17, 0.27]]
    merged = ArraySeeds(list(vectors)).materialise(Recipe.of([0, 20_000], coefficients))
    exact, terms = np.array(coefficients) @ vectors.astype(np.float64), np.array(coefficients) @ np.abs(vectors)
    assert merged.dtype == np.float32
    assert (np.abs(merged - exact[0]) < 4 * 2**-24 * terms[0]).all()


def test_a_part_is_that_part_of_the_whole():
    bank = ArraySeeds(list(models(3, dtype=np.float32)), base=models(1, seed=9, dtype=np.float32)[0], block=16)
    for recipe in some_recipes(bank, 4):
        whole = bank.materialise(recipe)
        for start, stop in ((0, 1), (0, SIZE), (13, 14), (5, 120), (SIZE - 1, SIZE), (60, 60)):
            assert bank.materialise(recipe, start, stop).tobytes() == whole[start:stop].tobytes()
        assert bank.materialise(recipe, 70).tobytes() == whole[70:].tobytes()


def test_memory_maps_are_seeds(tmp_path):
    vectors = models(3, dtype=np.float32)
    vectors.tofile(tmp_path / "models")
    maps = [np.memmap(tmp_path / "models", dtype=np.float32, mode="r", offset=4 * SIZE * k, shape=(7, 29))
            for k in range(3)]  # fmt: skip
    on_disk, in_memory = ArraySeeds(maps, block=32), ArraySeeds(list(vectors), block=32)
    assert isinstance(on_disk, SeedBank)
    assert (on_disk.size, on_disk.count) == (in_memory.size, in_memory.count) == (SIZE, 3)
    batch, other = some_recipes(on_disk), some_recipes(in_memory)
    assert batch == other
    for recipe in batch:
        assert on_disk.materialise(recipe).tobytes() == in_memory.materialise(recipe).tobytes()


def test_seeds_are_neither_copied_nor_changed():
    base, vectors = models(1, seed=9)[0], models(3)  # read-only, and compared all the same
    before = vectors.copy(), base.copy()
    bank = ArraySeeds(list(vectors), base=base)
    for recipe in some_recipes(bank):
        weights = bank.materialise(recipe)
        weights[:] = 0  # nobody else's
    bank.materialise(Recipes.of_seeds(bank)[0])[:] = 0
    assert np.array_equal(vectors, before[0])
    assert np.array_equal(base, before[1])
    assert all(np.shares_memory(mine, vectors) for mine in bank._vectors[:3])


GOOD = np.array([1.0, 2.0])


@pytest.mark.parametrize(("arrays", "base", "message"), [
    ([], None, "at least one seed, got none"),
    ([[1.0, 2.0]], None, "seed 0 must be a numpy array of floats"),
    ([GOOD, np.array([1, 2])], None, "seed 1 must be a numpy array of floats, got array"),
    ([np.zeros(0)], None, "seed 0 must be a numpy array of floats"),
    ([GOOD, GOOD[:1]], None, r"one shape and dtype, got \(2,\) of float64 and \(1,\) of float64"),
    ([GOOD, GOOD.astype(np.float32)], None, r"got \(2,\) of float64 and \(2,\) of float32"),
    ([GOOD, GOOD[None]], None, r"got \(2,\) of float64 and \(1, 2\)"),
    ([GOOD], GOOD[:1], r"got \(2,\) of float64 and \(1,\) of float64"),
    ([GOOD], GOOD.astype(np.float32), "of float32"),
    *[([GOOD, np.array([1, bad])], base, "must be finite: .* NaN or infinity")
      for bad in (np.nan, np.inf, -np.inf, 1e200) for base in (None, GOOD)],
    *[([GOOD, GOOD], np.array([1, bad]), "must be finite") for bad in (np.nan, np.inf, 1e200)],
    *[([np.array([1, bad])], np.array([1, bad]), "must be finite") for bad in (np.nan, np.inf)],
    ([np.array([1, np.inf], dtype=np.float16)], None, "must be finite"),
])  # fmt: skip
def test_what_are_no_seeds_is_refused(arrays, base, message):
    with pytest.raises(ValueError, match=message):
        ArraySeeds(arrays, base=base)


# --- dot products of the seeds --------------------------------------------------------------------------------------


class Spied:
    """Vectors, and how many numbers of each were read."""

    def __init__(self, vectors):
        self.vectors = vectors
        self.reads = []

    def __call__(self, start, stop):
        self.reads.append((start, stop))
        return self.vectors[:, start:stop]

    def numbers(self):
        """Since the last time."""
        read = sum(stop - start for start, stop in self.reads)
        self.reads = []
        return read


def spied_table(block, size=SIZE, count=3):
    read = Spied(models(count, size))
    table = GramTable.build(read, size, block=block)
    assert all(stop - start <= block for start, stop in read.reads)
    assert read.numbers() == size
    return table, read


def positions(*values):
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize("block", [1, 7, 29, 64, SIZE, 1000])
def test_gram_matrices_are_dot_products(block):
    table, read = spied_table(block)
    rng = np.random.default_rng(0)
    ends = np.sort(rng.integers(0, SIZE + 1, size=(4, 60, 2)), axis=2)
    ends[0, :10, 1] = ends[0, :10, 0]  # empty
    ends[1, 0] = 0, SIZE
    ends[1, 1] = SIZE, SIZE
    ends[2] = ends[2] // block * block  # along blocks
    grams = table.between(ends[..., 0], ends[..., 1])
    assert grams.shape == (4, 60, 3, 3)
    assert grams.dtype == np.float64
    for gram, (start, stop) in zip(grams.reshape(-1, 3, 3), ends.reshape(-1, 2), strict=True):
        vectors = read.vectors[:, start:stop]
        np.testing.assert_allclose(gram, vectors @ vectors.T, atol=1e-12)
        if start == stop:
            assert not gram.any()


def test_gram_matrices_of_differences_from_the_base():
    base = models(1, seed=9)[0]
    vectors = models(3, like=base)
    bank = ArraySeeds(list(vectors), base=base, block=64)
    assert bank.count == 3
    tasks = (vectors - base)[:, 30:150]
    np.testing.assert_allclose(bank.grams(positions(30), positions(150))[0], tasks @ tasks.T, rtol=1e-12)


def test_a_new_cut_reads_its_block_and_a_known_one_nothing():
    block, size = 100, 100_000
    table, read = spied_table(block, size, count=2)
    table.between(positions(0, 700), positions(700, size))
    assert read.numbers() == 0  # whole blocks alone
    table.between(positions(0, 12_345), positions(12_345, size))
    assert all(12_300 <= start < stop <= 12_400 for start, stop in read.reads)
    assert 0 < read.numbers() <= block
    table.between(positions(0, 12_345), positions(12_345, size))
    assert read.numbers() == 0
    table.between(positions(0, 12_345, 77_777), positions(12_345, 77_777, size))
    assert all(77_700 <= start < stop <= 77_800 for start, stop in read.reads)
    assert 0 < read.numbers() <= block


def test_matings_of_recipes_read_a_block_for_each_new_cut():
    vectors = models(2, 20_000)
    read = Spied(vectors)
    bank = ArraySeeds(list(vectors), block=100)
    bank._table = GramTable.build(read, bank.size, block=100)
    read.numbers()
    batch = Recipes.of_seeds(bank)
    for mating in range(30):
        rng = generator(mating)
        child = SplitSlerpCrossover("part").cross(batch.take([mating % len(batch)]), batch.take([1]), rng=rng)
        batch = batch.join(child)
        assert read.numbers() <= 1000  # a few blocks of 200


def test_no_more_than_some_cuts_are_remembered(monkeypatch):
    monkeypatch.setattr(gram_table, "_PARTS_KEPT", 40)
    table, read = spied_table(100, 100_000, count=2)
    cuts = [150 + 100 * number for number in range(200)]

    def ask(cut):
        """How much is read for it."""
        table.between(positions(0, cut), positions(cut, 100_000))
        return read.numbers()

    assert all(ask(cut) > 0 for cut in cuts)
    assert ask(cuts[-1]) == ask(cuts[-10]) == 0
    assert ask(cuts[0]) > 0  # long forgotten
    for cut in cuts[100:190]:
        ask(cut)
        assert ask(cuts[0]) == 0  # in use, and so kept


# --- the genome -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crossover", [None, LerpCrossover(), SplitSlerpCrossover("part", GROUPS)])
def test_samples_are_the_seeds_and_then_merges_of_two_of_them(crossover):
    vectors = models(4)
    bank = ArraySeeds(list(vectors))
    genome = RecipeGenome(bank, crossover)
    for n in (1, 3, 4):
        assert genome.sample(n, rng=generator(0)) == Recipes.of_seeds(bank).take(np.arange(n))
    batch = genome.sample(200, rng=generator(0))
    assert len(batch) == 200
    assert batch.take(np.arange(4)) == Recipes.of_seeds(bank)
    first_merges = [genome.sample(5, rng=generator(seed))[4] for seed in range(60)]
    for recipes in (list(batch)[4:], first_merges):
        pairs = {tuple(np.flatnonzero(recipe.coefficients.any(axis=0)).tolist()) for recipe in recipes}
        assert pairs == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}
    assert batch == genome.sample(200, rng=generator(0))
    assert batch != genome.sample(200, rng=generator(1))


def ratio_of(child, a, b):
    """The t of SLERP_t(a, b) = child, from its coordinates along a and b."""
    (of_a, of_b), *_ = np.linalg.lstsq(np.stack([a, b], axis=1), child, rcond=None)
    omega = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return np.arctan2(of_b * np.sin(omega), of_a + of_b * np.cos(omega)) / omega


def test_samples_without_a_crossover_go_along_slerp():
    bank = ArraySeeds(list(models(2)))
    a, b = models(2)
    shares = []
    for recipe in list(RecipeGenome(bank).sample(300, rng=generator(0)))[2:]:
        assert recipe.boundaries.tolist() == [0, SIZE]
        child = bank.materialise(recipe)
        shares.append(ratio_of(child, a, b))
        assert difference(child, slerp_by_the_book(a, b, shares[-1], a, b)) < 1e-9
    assert 0.4 < np.mean(shares) < 0.6
    assert min(shares) < 0.1
    assert max(shares) > 0.9


@pytest.mark.parametrize("crossover", [None, SplitSlerpCrossover()])
def test_samples_of_a_single_seed_are_that_seed(crossover):
    bank = ArraySeeds(list(models(1)))
    for recipe in RecipeGenome(bank, crossover).sample(5, rng=generator(0)):
        assert difference(bank.materialise(recipe), models(1)) < 1e-12


@pytest.mark.parametrize("with_base", [False, True])
def test_distance_is_euclidean(with_base):
    base = models(1, seed=9)[0]
    vectors = models(3, like=base)
    bank = ArraySeeds(list(vectors), base=base if with_base else None, block=16)
    a, b = some_recipes(bank, 6), some_recipes(bank, 4, seed=1)
    of_a, of_b = (np.array([bank.materialise(recipe) for recipe in batch]) for batch in (a, b))
    expected = np.linalg.norm(of_a[:, None] - of_b, axis=2)
    np.testing.assert_allclose(RecipeGenome(bank).distance(a, b), expected, rtol=1e-9)
    assert (np.diag(RecipeGenome(bank).distance(a, a)) == 0).all()


def test_recipes_go_through_a_file(tmp_path):
    bank = ArraySeeds(list(models(3)))
    genome = RecipeGenome(bank)
    for batch in (some_recipes(bank, 9), some_recipes(bank, 9).join(Recipes.of_seeds(bank)), some_recipes(bank, 1)):
        np.savez(file := io.BytesIO(), allow_pickle=False, **genome.pack(batch))
        file.seek(0)
        back = genome.unpack(dict(np.load(file, allow_pickle=False)))
        assert back == batch
        assert back.seeds is bank


def test_recipes_of_other_seeds_are_not_unpacked():
    packed = RecipeGenome(ArraySeeds(list(models(3)))).pack(Recipes.of_seeds(ArraySeeds(list(models(3)))))
    with pytest.raises(ValueError, match="these seeds are 2 of 203 parameters each, got Recipe"):
        RecipeGenome(ArraySeeds(list(models(2)))).unpack(packed)
