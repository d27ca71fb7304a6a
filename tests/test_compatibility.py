"""How well two members merge, and mates that do."""

import numpy as np
import pytest

from evoniche import (
    ArraySeeds,
    AttractionMateSelector,
    CompatibleMateSelector,
    Evolution,
    ImplicitSharing,
    ObservingReplacement,
    Offspring,
    Population,
    RecipeGenome,
    SlerpCrossover,
)
from evoniche.compatibility import compatibility, cosines
from evoniche.functional import attraction, slerp
from evoniche.randomness import generator
from evoniche_baselines.problems.families import families, family_of, first_networks

GENOMES = np.random.default_rng(0).standard_normal((6, 8))
SCORES = np.random.default_rng(1).random((6, 9))


def by_hand(genomes):
    unit = genomes / np.linalg.norm(genomes, axis=1, keepdims=True)
    return unit @ unit.T


def child(population, parents, score, number=100):
    scores = np.full((1, population.scores.shape[1]), score)
    return Offspring(GENOMES[:1], np.array([number]), np.array([parents]), ask=1, seed=0, scores=scores)


def test_cosines_are_those_of_vectors_and_of_task_vectors():
    population = Population.of(SCORES, GENOMES)
    np.testing.assert_allclose(cosines(population), by_hand(GENOMES), atol=1e-12)
    np.testing.assert_allclose(cosines(population, GENOMES[0] + 1), by_hand(GENOMES - GENOMES[0] - 1), atol=1e-12)
    zero = Population.of(SCORES[:2], np.array([[0.0, 0.0], [1.0, 0.0]]))
    assert cosines(zero).tolist() == [[0, 0], [0, 1]]


def test_cosines_of_recipes_are_those_of_the_models_they_stand_for():
    bank = ArraySeeds([*GENOMES[:3]])
    recipes = RecipeGenome(bank).sample(6, rng=generator(0))
    explicit = np.stack([bank.materialise(recipe) for recipe in recipes])
    np.testing.assert_allclose(cosines(Population.of(SCORES, recipes)), by_hand(explicit), atol=1e-12)


def test_without_children_compatibility_is_the_positive_part_of_the_cosine():
    expected = np.maximum(by_hand(GENOMES), 0)
    np.testing.assert_allclose(compatibility(Population.of(SCORES, GENOMES)), expected, atol=1e-12)


def test_children_tell_of_pairs_that_are_as_alike_as_their_parents():
    """Against the formula: a kernel over the cosine, and the prior as one child more."""
    population = Population.of(SCORES, GENOMES, sharing=ImplicitSharing())
    rule = ObservingReplacement(lambda population, offspring: None)
    told = [((0, 1), 0.2), ((2, 3), 0.4), ((0, 4), 5.0)]  # the last keeps more than all
    for parents, score in told:
        rule.replace(population, child(population, parents, score))
    cosine = by_hand(GENOMES)
    kept = [min(1.0, score / population.means[list(parents)].mean()) for parents, score in told]
    near = [np.exp(-((cosine - cosine[parents]) ** 2) / 0.02) for parents, _ in told]
    expected = (sum(k * r for k, r in zip(near, kept, strict=True)) + np.maximum(cosine, 0)) / (sum(near) + 1)
    np.testing.assert_allclose(compatibility(population), expected, atol=1e-12)


@pytest.mark.parametrize("parents", [(0, 0), (0, 77), (77, 0), (-1, -1), (0, -1)])
def test_children_without_two_living_parents_are_not_observed(parents):
    population = Population.of(SCORES, GENOMES)
    before = compatibility(population)
    ObservingReplacement(lambda population, offspring: None).replace(population, child(population, parents, 0.5))
    np.testing.assert_array_equal(compatibility(population), before)


def test_observing_changes_nothing_else():
    one, two = (Population.of(SCORES, GENOMES, sharing=ImplicitSharing()) for _ in range(2))
    ObservingReplacement().replace(one, child(one, (0, 1), 0.9))
    Evolution(initial=GENOMES).parts.replacement.replace(two, child(two, (0, 1), 0.9))
    np.testing.assert_array_equal(one.ids, two.ids)


@pytest.mark.parametrize("strength", [0, 1, 3.5])
def test_mates_are_drawn_by_attraction_times_compatibility(strength):
    population = Population.of(SCORES, GENOMES, sharing=ImplicitSharing())
    n = 40_000
    drawn = CompatibleMateSelector(strength).mates(population, np.full(n, 2), rng=generator(0))
    weights = attraction(SCORES, [2])[0] * compatibility(population)[2] ** strength
    expected = weights / weights.sum()
    frequency = np.bincount(drawn, minlength=6) / n
    np.testing.assert_allclose(frequency, expected, atol=4 * np.sqrt(0.25 / n))


def test_with_strength_zero_the_draws_are_those_of_attraction():
    population = Population.of(SCORES, GENOMES, sharing=ImplicitSharing())
    first = np.arange(6)
    drawn = (mates.mates(population, first, rng=generator(5))
             for mates in (CompatibleMateSelector(0), AttractionMateSelector()))  # fmt: skip
    np.testing.assert_array_equal(*drawn)


def test_genomes_that_are_no_vectors_are_refused():
    population = Population.of(SCORES, list("abcdef"), sharing=ImplicitSharing())
    with pytest.raises(ValueError, match=r"compatibility needs genomes that are vectors.*got list"):
        CompatibleMateSelector().mates(population, np.array([0]), rng=generator(0))


def test_a_negative_strength_is_refused():
    with pytest.raises(ValueError, match=r"strength=...\) must be a number >= 0, got -1"):
        CompatibleMateSelector(-1)


# --- two families of networks -----------------------------------------------------------------------------------------


def evolve(strength, seed, evaluations):
    """The share of viable children, that of the smaller family at the end, and the evolution."""
    problem = families().begun(seed)
    evolution = Evolution(
        problem.genome, problem.scorer, mates=CompatibleMateSelector(strength), replacement=ObservingReplacement(),
        crossover=SlerpCrossover(), mutation=problem.mutation, initial=problem.initial, population_size=40, seed=seed,
    )  # fmt: skip
    viable = []
    evolution.run(40, progress=False)
    while evolution.evaluations < evaluations:
        asked = evolution.ask(1)
        scores = problem.scorer(asked.genomes)
        population = evolution.population
        parents = np.isin(population.ids, asked.parents[0])
        viable.append(scores.mean() > 0.9 * population.means[parents].mean())
        evolution.tell(asked, scores)
    share = family_of(evolution.population.genomes).mean()
    return np.mean(viable), min(share, 1 - share), evolution


def test_with_compatibility_more_children_live_and_two_families_hold():
    """Each family is right where the other is wrong, so attraction alone draws mates from the other one."""
    alone, together = (np.array([evolve(strength, seed, 200)[:2] for seed in range(3)]) for strength in (0, 4))
    assert alone[:, 0].mean() < 0.4  # viable children
    assert together[:, 0].mean() > 0.9
    assert (together[:, 1] > 0.25).all()  # the share of the smaller family


def test_the_estimate_ranks_pairs_as_the_true_loss_of_their_midpoint_does():
    evolution = evolve(1, 0, 150)[2]
    population = evolution.population
    i, j = np.triu_indices(len(population), 1)
    genomes = population.genomes
    midpoints = families().scorer(slerp(genomes[i], genomes[j], np.full(len(i), 0.5))).mean(axis=1)
    true = 1 - midpoints / population.means[np.stack([i, j])].mean(axis=0)
    ranks = [np.argsort(np.argsort(values)) for values in (true, -compatibility(population)[i, j])]
    assert np.corrcoef(*ranks)[0, 1] > 0.5


def test_each_family_is_right_where_the_other_is_wrong():
    networks = first_networks(0)
    assert family_of(networks).tolist() == [False] * 20 + [True] * 20
    one, other = families().scorer(networks).reshape(2, 20, -1).mean(axis=1)
    assert np.corrcoef(one, other)[0, 1] < -0.8
    assert (np.maximum(one, other) > 0.7).mean() > 0.8
