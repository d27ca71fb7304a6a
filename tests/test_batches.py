"""What an operator, a scorer or a user makes is kept as it is, or refused with the reason: never cut to a dtype."""

import warnings

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import evoniche
from evoniche.arrays import fitted, to_numpy
from evoniche.batches import as_batch, conform, stack

CASES = 2

CUT = [
    (np.uint8, 300, "300 would be cut"),
    (np.uint8, -1, "-1 would be cut"),
    (np.int64, np.uint64(2**63), "9223372036854775808 would be cut"),
    (np.int32, 1.5, "would be cut, begin with floats"),
    (np.int32, 1.0, "would be cut, begin with floats"),
    (np.float32, 1e300, r"1e\+300 would become infinite"),
    (np.float16, 70000, "70000 would become infinite"),
    (np.float64, 1 + 1j, "would be cut, begin with complex numbers"),
    (np.complex64, 1e300 + 0j, "would become infinite"),
    (np.bool_, 2, "cut to True and False"),
    (np.bool_, 0.5, "cut to True and False"),
    (np.bool_, np.nan, "cut to True and False"),
    ("<U3", "four", "'four'.* would be cut to .*'fou'"),
    ("<U3", 5, "not the same kind of thing"),
    (np.int64, "5", "not the same kind of thing"),
    (np.float64, None, "not the same kind of thing"),
    ("S3", b"four", "would be cut to"),
    ("datetime64[D]", np.datetime64("2020-01-01T12:00"), "would be cut to"),
    ("float32", np.ma.masked_array([1.0, 2.0], [False, True]), "must not be masked"),
]
KEPT = [
    (np.uint8, 200, 200),
    (np.uint8, True, 1),
    (np.float32, 3, 3),
    (np.float32, 0.1, np.float32(0.1)),
    (np.float32, np.inf, np.inf),
    (np.float32, np.nan, np.nan),
    (np.float16, np.float32(0.1), np.float16(0.1)),
    (np.complex64, 2.5, 2.5),
    (np.bool_, 1, True),
    (np.bool_, 0.0, False),
    ("<U3", "two", "two"),
    (object, {"any": "thing"}, {"any": "thing"}),
    ("datetime64[ms]", np.datetime64("2020-01-01"), np.datetime64("2020-01-01")),
]


def first_genomes(dtype):
    return np.full((4, 2), "ab", dtype) if np.dtype(dtype).kind in "US" else np.zeros((4, 2), dtype)


def evolution_with(initial, mutation):
    evolution = evoniche.m2n2(initial=initial, crossover=None, mutation=mutation, population_size=4, seed=0)
    evolution.tell(evolution.ask(4), np.ones((4, CASES)))
    return evolution


@attrs.frozen
class Constant(evoniche.Mutation):
    """An operator on batches that makes arrays of its own dtype."""

    value: object

    def mutate(self, genomes, *, rng):
        if isinstance(self.value, np.ma.MaskedArray):
            return np.ma.stack([self.value] * len(genomes))
        batch = np.empty(genomes.shape, dtype=np.asarray(self.value).dtype)
        batch[...] = self.value
        return batch


def single(value):
    made = value if isinstance(value, np.ma.MaskedArray) else [value, value]
    return lambda genome, rng: made


@pytest.mark.parametrize("path", [single, Constant])
@pytest.mark.parametrize(("dtype", "value", "says"), CUT, ids=str)
def test_what_the_dtype_cannot_hold_is_refused(path, dtype, value, says):
    with pytest.raises(ValueError, match=says):
        evolution_with(first_genomes(dtype), path(value)).ask(1)


@pytest.mark.parametrize("path", [single, Constant])
@pytest.mark.parametrize(("dtype", "value", "kept"), KEPT, ids=str)
def test_what_the_dtype_can_hold_is_kept_and_the_scorer_sees_what_lives(path, dtype, value, kept):
    evolution = evolution_with(first_genomes(dtype), path(value))
    children = evolution.ask(1)
    assert children.genomes.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(children.genomes, np.full((1, 2), kept, dtype))
    evolution.tell(children, np.full((1, CASES), 2.0))
    np.testing.assert_array_equal(evolution.best.genome, children.genomes[0])


TORCH_CUT = [
    (torch.uint8, 300, "300 would be cut"),
    (torch.int32, 0.5, "begin with floats"),
    (torch.bfloat16, 3.4e38, "would become infinite"),
    (torch.float16, 1e5, "would become infinite"),
    (torch.float32, 1j, "begin with complex numbers"),
    (torch.bool, 3, "cut to True and False"),
]


@pytest.mark.parametrize("library", [torch.as_tensor, np.asarray, list], ids=["torch", "numpy", "list"])
@pytest.mark.parametrize(("dtype", "value", "says"), TORCH_CUT, ids=str)
def test_torch_genomes_are_not_cut_either(library, dtype, value, says):
    made = library(np.array([value, value])) if library is not list else [value, value]
    with pytest.raises(ValueError, match=says):
        evolution_with(torch.zeros((4, 2), dtype=dtype), lambda genome, rng: made).ask(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int64])
def test_torch_genomes_of_another_precision_are_kept(dtype):
    made = torch.tensor([1, 2], dtype=torch.int32 if dtype == torch.int64 else torch.float64)
    child = evolution_with(torch.zeros((4, 2), dtype=dtype), lambda genome, rng: made).ask(1).genomes
    assert child.dtype == dtype
    assert child.tolist() == [[1, 2]]


def test_what_a_scorer_has_made_of_the_genomes_is_not_cut_when_it_is_told():
    evolution = evolution_with(np.ones((4, 2), np.float32), lambda genome, rng: genome)
    children = evolution.ask(1)
    trained = attrs.evolve(children, genomes=np.full((1, 2), 1e300))
    with pytest.raises(ValueError, match=r"the genomes told must not make float64 of float32 .* become infinite"):
        evolution.tell(trained, np.ones((1, CASES)))
    evolution.tell(attrs.evolve(children, genomes=np.full((1, 2), 0.1)), np.full((1, CASES), 3.0))
    assert evolution.best.genome.dtype == np.float32
    assert evolution.best.genome.tolist() == [np.float32(0.1)] * 2


@given(
    value=st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(2**70), 2**70) | st.booleans() | st.text("ab"),
    dtype=st.sampled_from(["?", "u1", "i1", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "c16", "U1", "U4"]),
)
def test_every_value_is_kept_or_refused(value, dtype):
    template = np.zeros(1, dtype)
    given_array = np.array([value])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            kept = fitted(given_array, template, "a test")
        except ValueError:
            return
    assert kept.dtype == template.dtype
    if kept.dtype.kind in "fc":  # rounded, as all arithmetic in this precision is
        with np.errstate(over="ignore"):
            nearest = given_array.astype(dtype)
        np.testing.assert_array_equal(kept, nearest)
        np.testing.assert_array_equal(np.isfinite(kept), np.isfinite(given_array.astype(np.complex128)))
    else:
        assert kept.tolist() == given_array.tolist()


# Lists of first genomes.


@pytest.mark.parametrize(
    ("genomes", "dtype"),
    [
        ([np.ones(2, np.float32), np.full(2, 1e300)], np.float64),
        ([np.ones(2, np.uint8), np.full(2, 300)], np.int64),
        ([np.ones(2, bool), np.full(2, 2)], np.int64),
        ([np.array(["ab"]), np.array(["abcd"])], "<U4"),
        ([np.ones(2, int), np.full(2, 0.5)], np.float64),
        ([np.ones(2), np.full(2, 1j)], np.complex128),
        ([torch.ones(2, dtype=torch.float32), torch.full((2,), 1e300, dtype=torch.float64)], torch.float64),
        ([torch.ones(2, dtype=torch.int32), torch.full((2,), 0.5, dtype=torch.float64)], torch.float64),
    ],
)
def test_a_list_of_arrays_gets_the_dtype_that_holds_them_all(genomes, dtype):
    for order in (genomes, genomes[::-1]):
        batch = as_batch(order)
        assert batch.dtype == dtype
        for row, genome in zip(batch, order, strict=True):
            np.testing.assert_array_equal(to_numpy(row), to_numpy(genome))


@pytest.mark.parametrize(
    ("genomes", "says"),
    [
        ([np.array(["a"]), np.array([5])], "not the same kind of thing"),
        ([np.ones(2), torch.ones(2)], "arrays of one library"),
        ([np.ma.masked_greater([1.0, 9.0], 5), np.ones(2)], "must not be masked"),
        (np.ma.masked_greater([[1.0, 9.0]], 5), "must not be masked"),
    ],
)
def test_lists_that_no_dtype_holds_are_refused(genomes, says):
    with pytest.raises(ValueError, match=says):
        as_batch(genomes)


# Other kinds of batches.


@pytest.mark.parametrize("made", [7, 1.5, None, "ab", {1, 2}])
def test_what_is_no_batch_is_refused(made):
    with pytest.raises(ValueError, match="an operator must be"):
        conform(made, 2, [1, 2], "an operator")


def test_a_list_stays_a_list_whatever_sequence_comes():
    assert conform(("a", "b"), 2, ["x"], "an operator") == ["a", "b"]
    assert isinstance(conform(np.eye(2), 2, ["x"], "an operator"), list)
    assert stack([1, 2], ["x"]) == [1, 2]


def test_a_batch_type_stays_of_its_type():
    recipes = evoniche.RecipeGenome(evoniche.ArraySeeds(np.eye(3))).sample(3, rng=np.random.default_rng(0))
    assert conform(recipes, 3, recipes, "an operator") is recipes
    with pytest.raises(ValueError, match=r"must be a Recipes as the initial genomes, got a list"):
        conform([1, 2, 3], 3, recipes, "an operator")


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_a_copy_of_a_parent_is_another_object(rate):
    parents = [[i] for i in range(20)]
    crossover = evoniche.OccasionalCrossover(lambda a, b, rng: [*a, *b], rate=rate)
    children = crossover.cross(parents, parents[::-1], rng=np.random.default_rng(0))
    assert any(child == parent for child, parent in zip(children, parents, strict=True))
    assert not {id(child) for child in children} & {id(parent) for parent in parents}
