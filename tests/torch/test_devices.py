"""Tensors stay where they are: formulas, operators and whole runs on a GPU as on the processor."""

import numpy as np
import pytest
import torch

from evoniche import (
    BinaryGenome,
    BitFlipMutation,
    ChainMutation,
    ComplementaryCrossover,
    DifferentialCrossover,
    ExplicitSharing,
    GaussianMutation,
    IntegerGenome,
    IntegerResetMutation,
    KPointCrossover,
    LerpCrossover,
    OccasionalCrossover,
    OrderCrossover,
    PermutationGenome,
    RealGenome,
    SlerpCrossover,
    SplitSlerpCrossover,
    SwapMutation,
    UniformCrossover,
    functional,
    ga,
    m2n2,
)
from evoniche.testing import check_crossover, check_mutation
from evoniche_torch import ModuleGenome, ModuleScorer

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_gpu)]
DTYPES = [torch.float32, torch.float64]


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


def tensor(values, device, dtype=torch.float64):
    return torch.as_tensor(np.asarray(values), dtype=dtype, device=device)


def close(found, expected, device, dtype=torch.float64):
    assert found.device.type == device
    assert found.dtype == dtype
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    np.testing.assert_allclose(found.cpu().numpy(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", [{}, {"capacity": "max"}, {"relative": True}, {"importance": np.arange(1.0, 41.0)}])
def test_competition_and_attraction(options, dtype, device):
    for scores in (np.random.default_rng(0).random((9, 40)), np.random.default_rng(0).random((9, 40)) < 0.4):
        exact = np.asarray(scores, dtype=np.float64 if dtype == torch.float64 else np.float32)
        there = tensor(exact, device, dtype)
        close(functional.shared_fitness(there, **options), functional.shared_fitness(exact, **options), device, dtype)
        found = functional.attraction(there, [0, 3, 8], **options)
        close(found, functional.attraction(exact, [0, 3, 8], **options), device, dtype)
        assert functional.coverage(there) == functional.coverage(exact)
        assert functional.entropy(there) == pytest.approx(functional.entropy(exact))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("angle", ["whole", "part"])
def test_split_slerp(angle, dtype, device):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(5, 30)).astype(np.float64 if dtype == torch.float64 else np.float32) for _ in range(2))
    ratio, split = rng.random(5), rng.integers(1, 30, 5)
    groups = functional.Chromosomes.of([10, 5, 15], ["a", "b", "a"])
    found = functional.split_slerp(tensor(a, device, dtype), tensor(b, device, dtype), ratio, split, angle=angle)
    close(found, functional.split_slerp(a, b, ratio, split, angle=angle), device, dtype)
    ratio, split = rng.random((5, 2)), rng.integers(1, 5, (5, 2))
    more = {"angle": angle, "chromosomes": groups}
    found = functional.split_slerp(tensor(a, device, dtype), tensor(b, device, dtype), ratio, split, **more)
    close(found, functional.split_slerp(a, b, ratio, split, **more), device, dtype)


CROSSOVERS = [
    SplitSlerpCrossover(),
    SplitSlerpCrossover("part"),
    SlerpCrossover(),
    LerpCrossover(),
    UniformCrossover(),
    KPointCrossover(2),
    DifferentialCrossover(),
    OccasionalCrossover(UniformCrossover(), 0.5),
    ComplementaryCrossover(UniformCrossover()),
]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, *DTYPES])
@pytest.mark.parametrize("crossover", CROSSOVERS, ids=repr)
def test_crossovers(crossover, dtype, device):
    genomes = tensor(np.random.default_rng(0).normal(size=(6, 12)), device, dtype)
    check_crossover(crossover, genomes)


@pytest.mark.parametrize("mutation", [GaussianMutation(0.1), ChainMutation([GaussianMutation(1), GaussianMutation(2)])])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, *DTYPES])
def test_mutations_of_floats(mutation, dtype, device):
    check_mutation(mutation, tensor(np.random.default_rng(0).normal(size=(6, 12)), device, dtype))


def test_other_mutations(device):
    check_mutation(BitFlipMutation(), tensor(np.random.default_rng(0).integers(2, size=(6, 12)), device, torch.bool))
    permutations = tensor(np.tile(np.arange(7), (5, 1)), device, torch.int64)
    check_mutation(SwapMutation(), permutations)
    check_mutation(IntegerResetMutation(0, 9), permutations)
    check_crossover(OrderCrossover(), permutations)


@pytest.mark.parametrize("genome", [RealGenome(5), BinaryGenome(5), IntegerGenome(5, 0, 9), PermutationGenome(5)],
                         ids=lambda genome: type(genome).__name__)  # fmt: skip
def test_distances(genome, device):
    batch = genome.sample(6, rng=np.random.default_rng(0))
    there = torch.as_tensor(batch, device=device)
    np.testing.assert_allclose(genome.distance(there, there[:4]), genome.distance(batch, batch[:4]))


def apart(a, b):
    return torch.cdist(a, b).cpu().numpy()


def explicit(scorer, **more):
    return m2n2(scorer, sharing=ExplicitSharing(apart, 1.0), **more)


@pytest.mark.parametrize("make", [m2n2, ga, explicit])
def test_a_run_takes_the_same_course_wherever_its_genomes_are(make, device):
    start = np.random.default_rng(0).normal(size=(4, 12))

    def course(where):
        def scorer(genomes):
            assert genomes.device.type == where
            return genomes > 0

        settings = {"mutation": GaussianMutation(0.3), "population_size": 6, "seed": 1}
        evolution = make(scorer, initial=tensor(start, where), **settings)
        result = evolution.run(150, progress=False)
        assert result.population.genomes.device.type == result.best.genome.device.type == where
        return result

    ours, theirs = course("cpu"), course(device)
    assert theirs.population.ids.tolist() == ours.population.ids.tolist()
    assert theirs.best.id == ours.best.id
    close(theirs.population.genomes, ours.population.genomes.numpy(), device)


def test_networks_are_scored_where_they_are(device):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    inputs, targets = torch.randn(60, 4), torch.randint(3, (60,))
    genomes = ModuleGenome(net).sample(5, rng=np.random.default_rng(0))
    expected = ModuleScorer(net, inputs, targets).score(genomes)
    for vectorize in (True, False):
        scorer = ModuleScorer(net, inputs, targets, device=device, vectorize=vectorize)
        for given in (genomes, genomes.to(device), genomes.numpy()):
            assert (np.asarray(scorer.score(given)) == np.asarray(expected)).mean() > 0.98  # a tie may fall otherwise
    evolution = m2n2(ModuleScorer(net, inputs, targets, device=device), initial=genomes.to(device), seed=0)
    assert evolution.run(60, progress=False).population.genomes.device.type == device
