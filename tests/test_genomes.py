"""What a representation says of its genomes: what a batch is, and where its bounds are."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import evoniche
from evoniche import BinaryGenome, IntegerGenome, ObjectGenome, PermutationGenome, RealGenome
from evoniche.arrays import to_numpy
from evoniche.randomness import generator
from evoniche.roles import Genome

BOUNDARIES = ("reflect", "clip", "resample")


class Words(Genome):
    """A user's genome: one method."""

    def sample(self, n, *, rng):
        return ["ab"[i] for i in rng.integers(2, size=n)]


def test_a_genome_is_one_method():
    evolution = evoniche.Evolution(
        Words(), lambda words: [[word.count("a")] for word in words], crossover=None, population_size=4, seed=0,
        sharing=evoniche.RawSharing(), selector=evoniche.RouletteSelector(), mates=evoniche.UniformMateSelector(),
        mutation=lambda word, rng: word + "a", replacement=evoniche.WorstReplacement(),
    )  # fmt: skip
    assert evolution.run(40, progress=False).best.score > 4


@pytest.mark.parametrize(("verb", "arguments"), [("distance", ([], [])), ("pack", ([],)), ("unpack", ({},))])
def test_what_a_genome_lacks_it_names_with_the_way_out(verb, arguments):
    with pytest.raises(NotImplementedError, match=rf"Words .*define {verb}|Words cannot be stored: define pack"):
        getattr(Words(), verb)(*arguments)


# Bounds.

BOUNDS = [(0.0, 1.0), (-3, 5), ([-1.0, 0.0, 10.0], [1.0, 0.5, 11.0]), (1e-3, 1e3)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
@given(values=arrays(np.float64, (4, 3), elements=st.floats(-1e30, 1e30) | st.floats(-20, 20)))
def test_real_genomes_are_brought_inside_and_only_those_that_are_outside(bounds, boundary, dtype, values):
    genome, values = RealGenome(3, bounds=bounds, boundary=boundary), values.astype(dtype)
    low, high = (np.asarray(bound, dtype=dtype) for bound in bounds)
    repaired = genome.repair(values, rng=generator(0))
    assert repaired.dtype == dtype
    assert ((repaired >= low) & (repaired <= high)).all()
    inside = (values >= low) & (values <= high)
    np.testing.assert_array_equal(repaired[inside], values[inside])


@pytest.mark.parametrize(
    ("x", "mirrored"), [(-0.25, 0.25), (1.25, 0.75), (2.25, 0.25), (-1.75, 0.25), (3.5, 0.5), (0.0, 0.0), (1.0, 1.0)]
)
def test_reflection_is_a_walk_between_two_mirrors(x, mirrored):
    assert RealGenome(1, bounds=(0, 1)).repair(np.array([[x]]), rng=generator(0)).tolist() == [[mirrored]]


@pytest.mark.parametrize(("x", "mirrored"), [(-1, 1), (10, 8), (18, 0), (19, 1), (-9, 9), (2**62, 2**62 % 18)])
def test_integers_are_reflected_as_whole_numbers(x, mirrored):
    mirrored = mirrored if mirrored < 10 else 18 - mirrored
    assert IntegerGenome(1, 0, 10).repair(np.array([[x]]), rng=generator(0)).tolist() == [[mirrored]]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@given(values=arrays(np.int64, (4, 2), elements=st.integers(-(2**63), 2**63 - 1)))
def test_integers_of_any_size_are_brought_inside(boundary, values):
    genome = IntegerGenome(2, [-5, 7], [3, 8], boundary=boundary)
    repaired = genome.repair(values, rng=generator(0))
    assert ((repaired >= [-5, 7]) & (repaired < [3, 8])).all()
    inside = (values >= [-5, 7]) & (values < [3, 8])
    np.testing.assert_array_equal(repaired[inside], values[inside])


def test_nothing_is_drawn_while_all_are_inside():
    rng, untouched = generator(0), generator(0)
    RealGenome(2, bounds=(0, 1), boundary="resample").repair(np.full((3, 2), 0.5), rng=rng)
    IntegerGenome(2, 0, 4, boundary="resample").repair(np.full((3, 2), 3), rng=rng)
    assert rng.random() == untouched.random()


def test_resampling_draws_from_the_whole_range():
    drawn = RealGenome(1, bounds=(2, 4), boundary="resample").repair(np.full((2000, 1), 9.0), rng=generator(0))
    assert 2 < drawn.min() < 2.05 < 3.95 < drawn.max() < 4
    drawn = IntegerGenome(1, 2, 5, boundary="resample").repair(np.full((2000, 1), 9), rng=generator(0))
    assert set(drawn.ravel().tolist()) == {2, 3, 4}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_torch_genomes_are_brought_inside(dtype):
    genome = RealGenome(3, bounds=(0, 0.1))
    values = torch.tensor([[-0.02, 0.05, 0.15]], dtype=dtype)
    repaired = genome.repair(values, rng=generator(0))
    assert repaired.dtype == dtype
    assert repaired[0, 1] == values[0, 1]
    assert bool(((repaired >= 0) & (repaired <= torch.tensor(0.1, dtype=dtype))).all())
    np.testing.assert_allclose(repaired.double().numpy(), [[0.02, 0.05, 0.05]], rtol=0.02)


@pytest.mark.parametrize("boundary", ["reflect", "clip"])
def test_infinity_ends_at_the_bound_and_nan_is_refused(boundary):
    genome = RealGenome(2, bounds=(0, 1), boundary=boundary)
    assert genome.repair(np.array([[np.inf, -np.inf]]), rng=generator(0)).tolist() == [[1, 0]]
    with pytest.raises(ValueError, match="NaN of a gene with bounds"):
        genome.repair(np.array([[np.nan, 0.5]]), rng=generator(0))


def test_resampling_takes_the_place_of_nan():
    repaired = RealGenome(1, bounds=(0, 1), boundary="resample").repair(np.array([[np.nan]]), rng=generator(0))
    assert 0 <= repaired[0, 0] <= 1


def test_without_bounds_genomes_stay_as_they_are():
    values = np.array([[np.nan, np.inf, 1e300]])
    assert RealGenome(3).repair(values, rng=generator(0)) is values


@pytest.mark.parametrize(
    ("genome", "made", "says"),
    [
        (BinaryGenome(2), np.array([[0, 2]]), "0 or 1 in every gene, got 2: choose operators for bits"),
        (BinaryGenome(2), np.array([[0, np.nan]]), "0 or 1 in every gene, got nan"),
        (PermutationGenome(3), np.array([[0, 1, 2], [0, 0, 2]]), r"permutations of 0 .. 2, got \[0, 0, 2\]"),
    ],
)
def test_an_operator_for_something_else_is_refused(genome, made, says):
    with pytest.raises(ValueError, match=says):
        genome.repair(made, rng=generator(0))


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(
    ("genome", "mutation"),
    [
        (lambda boundary: RealGenome(3, bounds=(0, 1), boundary=boundary), evoniche.GaussianMutation(7.7)),
        (lambda boundary: RealGenome(3, bounds=(0, 1), boundary=boundary), lambda x, rng: x + rng.normal(size=3)),
        (lambda boundary: IntegerGenome(3, 0, 5, boundary=boundary), evoniche.IntegerResetMutation(-50, 50, 1.0)),
    ],
    ids=["Gaussian", "function", "integers"],
)
def test_children_are_inside_whatever_the_operators_do(genome, mutation, boundary):
    seen = []

    def score(genomes):
        seen.append(genomes)
        return np.abs(genomes)

    genome = genome(boundary)
    evolution = evoniche.m2n2(score, genome=genome, crossover=None, mutation=mutation, population_size=5, seed=0)
    evolution.run(100, progress=False)
    seen = np.concatenate(seen)
    most = 4 if isinstance(genome, IntegerGenome) else 1
    assert ((seen >= 0) & (seen <= most)).all()
    assert len(np.unique(seen, axis=0)) > 20


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("uint8", 0, 257), ("uint8", -1, 9), ("int8", 0, 129), ("int8", [0, -129], 9), ("int32", 0, 2**31 + 1),
     ("uint64", -1, 9), ("bool", 0, 3), ("float16", 0, 2**17)],
)  # fmt: skip
def test_integers_that_the_dtype_cannot_hold_are_refused_before_any_is_drawn(dtype, low, high):
    mutation = evoniche.IntegerResetMutation(low, high, rate=1e-9)
    with pytest.raises(ValueError, match=r"IntegerResetMutation\(low.* begin with"):
        mutation.mutate(np.zeros((1, 2), dtype), rng=generator(0))


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("uint8", 254, 256), ("int8", -128, -126), ("int8", 126, 128), ("uint64", 2**62, 2**62 + 2), ("bool", 0, 2)],
)
def test_integers_that_the_dtype_can_just_hold_are_drawn(dtype, low, high):
    mutants = evoniche.IntegerResetMutation(low, high, rate=1.0).mutate(np.zeros((9, 9), dtype), rng=generator(0))
    assert mutants.dtype == dtype
    assert {*mutants.ravel().tolist()} == {low, low + 1}


def test_bounds_that_nobody_leaves_change_no_draw():
    def run(**settings):
        genome = RealGenome(4, bounds=(0, 1), **settings)
        shrink = lambda x, rng: x * rng.random(4)  # noqa: E731
        evolution = evoniche.m2n2(lambda x: x, genome=genome, mutation=shrink, crossover=None, seed=1)
        return evolution.run(200, progress=False).population.genomes.tobytes()

    assert len({run(boundary=boundary) for boundary in BOUNDARIES}) == 1


@pytest.mark.parametrize(
    ("genome", "mutation", "says"),
    [
        (PermutationGenome(5), lambda order, rng: order * 0, "must be permutations of 0 .. 4"),
        (BinaryGenome(5), lambda bits, rng: bits + 2, "cut to True and False"),
    ],
)
def test_operators_for_something_else_fail_before_anything_is_scored(genome, mutation, says):
    evolution = evoniche.m2n2(genome=genome, crossover=None, mutation=mutation, seed=0)
    with pytest.raises(ValueError, match=says):
        evolution.ask(1)


# The first genomes.


@pytest.mark.parametrize("lengths", [(2, 3), (3, 3)])
def test_arrays_as_objects_grow_and_shrink(lengths):
    genome = ObjectGenome(lambda rng: rng.normal(size=rng.integers(2, 6)))
    evolution = evoniche.m2n2(
        lambda batch: [[len(x) == n for n in range(20)] for x in batch],
        genome=genome,
        initial=[np.ones(n) for n in lengths],
        crossover=lambda a, b, rng: np.concatenate([a[:2], b[-2:]]),
        mutation=lambda x, rng: np.append(x, 0.0) if rng.random() < 0.7 else x[1:],
        population_size=6,
        seed=0,
    )
    members = evolution.run(60, progress=False).population.genomes
    assert isinstance(members, list)
    assert len({len(x) for x in members}) > 1


@pytest.mark.parametrize(
    ("genome", "first", "says"),
    [
        (RealGenome(2, bounds=(0, 1)), [[0.5, 1.5]], r"gene 1 of genome 0 must be from 0.0 to 1.0, got 1.5"),
        (RealGenome(2, bounds=(0, 1)), [[0.5, np.nan]], "got nan"),
        (RealGenome(2, bounds=([0, 5], [1, 6])), [[0.5, 5.5], [0.5, 0.5]], "gene 1 of genome 1 must be from 5.0 to 6"),
        (RealGenome(2), [[1.0, 2.0, 3.0]], r"must be an array of shape \(n, 2\), got \(1, 3\)"),
        (RealGenome(2), [[1.0, 2.0], [3.0]], "must be rows of 2 genes"),
        (RealGenome(2), [["a", "b"]], "must be numbers, got an array of <U1"),
        (RealGenome(2), [[1j, 0]], "must be numbers, got an array of complex128"),
        (RealGenome(2), np.ma.masked_greater([[1.0, 9.0]], 5), "must not be masked"),
        (IntegerGenome(2, 0, 4), [[0, 4]], "gene 1 of genome 0 must be from 0 to 3, got 4"),
        (IntegerGenome(2, 0, 4), [[0.0, 1.0]], "must be integers, got an array of float64"),
        (BinaryGenome(2), [[0, 3]], "0 or 1 in every gene, got 3"),
        (PermutationGenome(3), [[0, 1, 1]], "permutations of 0 .. 2"),
        (ObjectGenome(lambda rng: ""), "text", "must be a list, got str"),
        (ObjectGenome(lambda rng: ""), 7, "must be a list, got int"),
    ],
)
def test_first_genomes_that_are_none_of_the_representation_are_refused(genome, first, says):
    with pytest.raises(ValueError, match=says):
        genome.batch(first)


@pytest.mark.parametrize(
    ("genome", "first", "dtype"),
    [
        (RealGenome(2), [[1, 2], [3, 4]], np.float64),
        (RealGenome(2, dtype="float32"), np.ones((1, 2), dtype=int), np.float32),
        (RealGenome(2), np.ones((1, 2), dtype=np.float32), np.float32),
        (RealGenome(2), [np.ones(2, dtype=np.float32), np.full(2, 1e300)], np.float64),
        (RealGenome(2), torch.ones((1, 2), dtype=torch.bfloat16), torch.bfloat16),
        (RealGenome(2), torch.ones((1, 2), dtype=torch.int64), torch.float64),
        (IntegerGenome(2, 0, 4), [[0, 3]], np.int64),
        (IntegerGenome(2, 0, 4), np.zeros((1, 2), dtype=np.uint8), np.uint8),
        (BinaryGenome(2), [[0, 1], [1, 1]], np.int64),
        (PermutationGenome(2), [[1, 0]], np.int64),
    ],
)
def test_first_genomes_of_other_kinds_serve(genome, first, dtype):
    batch = genome.batch(first)
    assert batch.dtype == dtype
    np.testing.assert_array_equal(to_numpy(batch), [to_numpy(row) for row in first])


@pytest.mark.parametrize("lengths", [(2, 3), (3, 3)])
def test_arrays_of_any_length_are_a_list_of_objects(lengths):
    batch = ObjectGenome(lambda rng: np.ones(2)).batch([np.ones(n) for n in lengths])
    assert isinstance(batch, list)
    assert [len(genome) for genome in batch] == [*lengths]
    rows = ObjectGenome(lambda rng: np.ones(2)).batch(np.eye(3))
    assert isinstance(rows, list)
    assert len(rows) == 3


@pytest.mark.parametrize("boundary", ["mirror", None, 1])
def test_a_wrong_boundary_is_refused(boundary):
    for make in (lambda: RealGenome(1, bounds=(0, 1), boundary=boundary),
                 lambda: IntegerGenome(1, 0, 2, boundary=boundary)):  # fmt: skip
        with pytest.raises(ValueError, match=r"boundary=...\) must be one of 'reflect', 'clip', 'resample'"):
            make()
