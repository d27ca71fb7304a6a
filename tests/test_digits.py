"""The digits problem: its data, its scorer and its experts."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import evoniche
from evoniche.randomness import generator
from evoniche_baselines.catalogue import find_problem
from evoniche_baselines.compare.runs import Task, run
from evoniche_baselines.problems.digits import (
    CLASSES,
    PARAMETERS,
    DigitsScorer,
    digits_genome,
    published_experts,
    train_experts,
)


@pytest.fixture(scope="module")
def scorers():
    return DigitsScorer.load()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small networks train faster so, above all where cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained():
    return train_experts(3)


def answers(parameters, images):
    """The network 64-256-10 layer by layer, in double precision."""
    weights = torch.from_numpy(parameters).double()
    first, second = torch.nn.Linear(64, 256, dtype=torch.float64), torch.nn.Linear(256, 10, dtype=torch.float64)
    w1, b1, w2, b2 = torch.split(weights, [64 * 256, 256, 256 * 10, 10])
    first.weight.data, first.bias.data = w1.view(64, 256).T, b1
    second.weight.data, second.bias.data = w2.view(256, 10).T, b2
    network = torch.nn.Sequential(first, torch.nn.ReLU(), second)
    with torch.no_grad():
        return network(torch.from_numpy(images).double()).numpy()


def test_the_images_come_in_file_order(scorers):
    images, labels = load_digits(return_X_y=True)
    train, test = scorers
    assert (len(train.labels), len(test.labels)) == (1437, 360)
    assert np.array_equal(np.concatenate([train.images, test.images]), images)
    assert np.array_equal(np.concatenate([train.labels, test.labels]), labels)
    assert (train.images.min(), train.images.max()) == (0, 16)
    assert train.images.dtype == np.float32


def test_a_genome_is_a_small_random_network():
    networks = digits_genome().sample(2, rng=generator(0))
    assert PARAMETERS == 64 * 256 + 256 + 256 * 10 + 10 == 19_210
    assert networks.shape == (2, 19_210)
    assert networks.dtype == np.float32
    assert abs(networks.std() - 0.01) < 2e-4
    assert abs(networks.mean()) < 2e-4


def test_the_scorer_computes_the_network(scorers):
    random = digits_genome().sample(2, rng=generator(1)) * 10
    networks = np.concatenate([published_experts(), random])
    for scorer in scorers:
        scores = scorer.score(networks)
        assert scores.dtype == np.bool_
        for network, row in zip(networks, scores, strict=True):
            expected = answers(network, scorer.images)
            np.testing.assert_allclose(scorer.logits(network), expected, rtol=1e-4, atol=1e-4)
            assert np.array_equal(row, expected.argmax(axis=1) == scorer.labels)


def test_scoring_leaves_the_networks_alone(scorers):
    networks = published_experts()
    scorers[0].score(networks)
    assert np.array_equal(networks, published_experts())


def test_the_published_experts_are_as_good_as_published(scorers):
    _, test = scorers
    accuracies = [test.accuracy(expert) for expert in published_experts()]
    assert [round(100 * accuracy, 1) for accuracy in accuracies] == [44.2, 45.3]


@pytest.mark.parametrize("source", ["published", "trained"])
def test_each_expert_knows_its_half_and_nothing_of_the_other(scorers, trained, source):
    low, high = trained if source == "trained" else published_experts()
    for scorer in scorers:
        by_class = scorer.class_accuracy(low)
        assert by_class[:5].mean() > 0.8
        assert by_class[5:].max() == 0
        by_class = scorer.class_accuracy(high)
        assert by_class[5:].mean() > 0.8
        assert by_class[:5].max() == 0


def test_trained_experts_follow_from_the_seed(trained):
    assert trained.shape == (2, PARAMETERS)
    assert trained.dtype == np.float32
    assert np.array_equal(trained, train_experts(3))
    assert not np.array_equal(train_experts(3, steps=1), train_experts(4, steps=1))


def test_more_steps_train_longer(scorers, trained):
    train, _ = scorers
    for expert, less in zip(trained, train_experts(3, steps=1), strict=True):
        assert train.accuracy(less) < train.accuracy(expert)


def test_accuracy_by_class_adds_up_to_accuracy(scorers):
    for scorer in scorers:
        counts = np.bincount(scorer.labels, minlength=CLASSES)
        for expert in published_experts():
            by_class = scorer.class_accuracy(expert)
            right = answers(expert, scorer.images).argmax(axis=1) == scorer.labels
            np.testing.assert_allclose(by_class, [right[scorer.labels == digit].mean() for digit in range(CLASSES)])
            np.testing.assert_allclose(by_class @ counts / counts.sum(), scorer.accuracy(expert))


def test_a_digit_without_images_counts_as_unknown():
    scorer = DigitsScorer(np.zeros((2, 64), dtype=np.float32), np.array([3, 3]))
    network = np.zeros(PARAMETERS, dtype=np.float32)
    network[-CLASSES + 3] = 1  # a bias towards 3
    assert scorer.class_accuracy(network).tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]


def ran(problem, method, seed=3, evaluations=40):
    return run(Task(problem, method, seed, evaluations))


def test_a_run_is_that_of_the_loop(scorers):
    """The published runs were made by `Evolution.run`."""
    train, test = scorers
    mutation = evoniche.GaussianMutation(0.01)
    evolution = evoniche.m2n2(train, genome=digits_genome(), initial=2, mutation=mutation, seed=3)
    result = evolution.run(40, progress=False)
    compared = ran("digits", "m2n2")
    order = np.argsort(result.population.ids)
    np.testing.assert_array_equal(compared.scores, result.population.scores[order])
    best = result.population.genomes[order][compared.scores.mean(axis=1).argmax()]
    assert compared.final["test accuracy"] == test.accuracy(best)
    assert compared.final["best_member"] == train.accuracy(best)
    by_class = test.class_accuracy(best)
    assert [compared.final[f"test accuracy on {digit}"] for digit in range(10)] == by_class.tolist()
    assert compared.final["digits not learned"] == (by_class < 0.2).sum()


@pytest.mark.parametrize(
    ("method", "ablation"),
    [("m2n2:crossover=slerp", {"split_point": False}), ("fitness-mating", {"attraction": False}),
     ("ga", {"alpha": 0.0, "attraction": False}), ("m2n2:alpha=0.5", {"alpha": 0.5}),
     ("m2n2:alpha=0.5,mate_alpha=0.5", {"alpha": 0.5, "mates": evoniche.AttractionMateSelector(alpha=0.5)}),
     ("m2n2:crossover=none", {"crossover": None})],
)  # fmt: skip
def test_the_ablations_of_the_paper(scorers, method, ablation):
    evolution = evoniche.m2n2(scorers[0], initial=published_experts(), seed=1, **ablation)
    result = evolution.run(30, progress=False)
    scores = result.population.scores[np.argsort(result.population.ids)]
    np.testing.assert_array_equal(ran("digits:start=experts", method, 1, 30).scores, scores)


def test_fresh_experts_are_trained_for_each_run(trained):
    problem = find_problem("digits:start=fresh")
    assert np.array_equal(problem.begun(3).initial, trained)
    one, another = (ran("digits:start=fresh", "m2n2", seed, 4).scores for seed in (3, 4))
    np.testing.assert_array_equal(one[:2], problem.scorer.score(trained))
    assert not np.array_equal(one, another)


def test_the_angle_is_an_option():
    whole, part = (ran(f"digits:start=experts,angle={angle}", "m2n2").scores for angle in ("whole", "part"))
    assert not np.array_equal(whole, part)


@pytest.mark.parametrize(
    ("spec", "message"),
    [("digits:start=nowhere", "start must be one of scratch, experts, fresh, got 'nowhere'"),
     ("digits:angle=none", "angle")],
)  # fmt: skip
def test_options_that_cannot_be(spec, message):
    with pytest.raises(ValueError, match=message):
        find_problem(spec)


def test_another_crossover_that_cannot_be():
    with pytest.raises(ValueError, match="crossover must be own, slerp or none, got 'cut'"):
        ran("digits:start=experts", "ga:crossover=cut")
