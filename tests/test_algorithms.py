"""The named compositions."""

import numpy as np
import pytest

from evoniche import (
    AttractionMateSelector,
    BinaryGenome,
    BitFlipMutation,
    Chromosomes,
    Evolution,
    GaussianMutation,
    GenerationalReplacement,
    ImplicitSharing,
    IndependentMateSelector,
    KPointCrossover,
    PlusReplacement,
    Population,
    RawSharing,
    RealGenome,
    RecipeMutation,
    RouletteSelector,
    SlerpCrossover,
    SplitSlerpCrossover,
    TournamentSelector,
    UniformCrossover,
    UniformMateSelector,
    WorstReplacement,
    ga,
    m2n2,
    mosaic,
)
from evoniche.randomness import generator

HALVES = Chromosomes.of([2, 2], ["a", "b"])

PARTS = (
    "sharing",
    "selector",
    "mates",
    "crossover",
    "mutation",
    "replacement",
)


def parts(make, **arguments):
    evolution = make(genome=RealGenome(4), seed=0, **arguments)
    parts = {name: getattr(evolution.parts, name) for name in PARTS}
    return parts | {"population_size": evolution.population_size, "batch_size": evolution.batch_size}


def test_m2n2_is_the_papers():
    assert parts(m2n2) == {
        "sharing": ImplicitSharing(alpha=1, relative=False, eps=1e-8),
        "selector": RouletteSelector(),
        "mates": AttractionMateSelector(),
        "crossover": SplitSlerpCrossover("whole"),
        "mutation": None,
        "replacement": WorstReplacement(),
        "population_size": 20,
        "batch_size": 1,
    }


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        ({"crossover": None}, {"crossover": None}),
        ({"crossover": KPointCrossover(1)}, {"crossover": KPointCrossover(1)}),
        ({"split_point": False}, {"crossover": SlerpCrossover()}),
        ({"angle": "part"}, {"crossover": SplitSlerpCrossover("part")}),
        ({"chromosomes": HALVES}, {"crossover": SplitSlerpCrossover("whole", HALVES)}),
        ({"chromosomes": HALVES, "angle": "part"}, {"crossover": SplitSlerpCrossover("part", HALVES)}),
        ({"chromosomes": HALVES, "split_point": False}, {"crossover": SlerpCrossover(HALVES)}),
        ({"mutation": GaussianMutation(0.1)}, {"mutation": GaussianMutation(0.1)}),
        ({"attraction": False}, {"mates": IndependentMateSelector(RouletteSelector())}),
        ({"alpha": 0.5}, {"sharing": ImplicitSharing(alpha=0.5)}),
        ({"capacity": "one"}, {"sharing": ImplicitSharing(capacity="one")}),
        ({"relative_scores": True}, {"sharing": ImplicitSharing(relative=True)}),
        ({"eps": 0.1}, {"sharing": ImplicitSharing(eps=0.1)}),
        ({"population_size": 7}, {"population_size": 7}),
        ({"batch_size": 5}, {"batch_size": 5}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_each_ablation_changes_its_part_and_no_other(arguments, changes):
    assert parts(m2n2, **arguments) == parts(m2n2) | changes


def test_ga_has_neither_competition_nor_attraction():
    plain = {"sharing": RawSharing(), "mates": IndependentMateSelector(RouletteSelector())}
    assert parts(ga) == parts(m2n2) | plain


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        ({"crossover": UniformCrossover()}, {"crossover": UniformCrossover()}),
        ({"split_point": False}, {"crossover": SlerpCrossover()}),
        ({"angle": "part"}, {"crossover": SplitSlerpCrossover("part")}),
        ({"chromosomes": HALVES}, {"crossover": SplitSlerpCrossover("whole", HALVES)}),
        ({"chromosomes": HALVES, "angle": "part"}, {"crossover": SplitSlerpCrossover("part", HALVES)}),
        ({"chromosomes": HALVES, "split_point": False}, {"crossover": SlerpCrossover(HALVES)}),
        ({"mutation": GaussianMutation(0.1)}, {"mutation": GaussianMutation(0.1)}),
        (
            {"selector": TournamentSelector(3)},
            {"selector": TournamentSelector(3), "mates": IndependentMateSelector(TournamentSelector(3))},
        ),
        ({"population_size": 7}, {"population_size": 7}),
        ({"generational": True}, {"replacement": GenerationalReplacement(1), "batch_size": 19}),
        ({"generational": True, "elites": 4}, {"replacement": GenerationalReplacement(4), "batch_size": 16}),
    ],
    ids=lambda value: "-".join(value),
)
def test_each_argument_of_ga_changes_its_part_and_no_other(arguments, changes):
    assert parts(ga, **arguments) == parts(ga) | changes


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("scorer", "capacity"),
    [(lambda genomes: genomes > 0, None), (lambda genomes: np.exp(-((genomes - 0.3) ** 2)), "one")],
    ids=["binary", "graded"],
)
def test_ga_is_m2n2_without_its_two_ideas(scorer, capacity, seed):
    same = {"genome": RealGenome(6), "mutation": GaussianMutation(0.1), "population_size": 8, "seed": seed}
    one = ga(scorer, **same).run(300, progress=False)
    two = m2n2(scorer, alpha=0, capacity=capacity, attraction=False, **same).run(300, progress=False)
    three = m2n2(scorer, alpha=0, capacity=capacity, **same).run(300, progress=False)
    assert np.array_equal(one.population.genomes, two.population.genomes)
    assert np.array_equal(one.population.ids, two.population.ids)
    assert np.array_equal(one.population.parents, two.population.parents)
    assert one.best.id == two.best.id
    assert not np.array_equal(one.population.genomes, three.population.genomes)


@pytest.mark.parametrize("make", [m2n2, ga])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"crossover": "uniform"}, "crossover must be 'slerp'.*got 'uniform'"),
        ({"crossover": UniformCrossover(), "split_point": False}, "crossover=UniformCross.* beside split_point=False"),
        ({"crossover": UniformCrossover(), "angle": "part"}, "crossover=UniformCrossover.* beside angle='part'"),
        ({"crossover": UniformCrossover(), "chromosomes": HALVES}, "crossover=Uni.* beside chromosomes=Chromosomes"),
        ({"crossover": None, "chromosomes": HALVES}, "crossover=.*none.* beside chromosomes=Chromosomes"),
        ({"crossover": None, "split_point": False}, "crossover=.*none.* beside split_point=False"),
        ({"split_point": False, "angle": "part"}, "angle='part' belongs to.* split point, got split_point=False"),
        ({"angle": "half"}, "angle.*'whole', 'part'.*got 'half'"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(genome=RealGenome(4), **arguments)


@pytest.mark.parametrize(
    ("part", "shortcut"),
    [
        ({"sharing": RawSharing()}, {"alpha": 1.0}),
        ({"sharing": RawSharing()}, {"capacity": "one"}),
        ({"sharing": RawSharing()}, {"relative_scores": False}),
        ({"sharing": RawSharing()}, {"eps": 0.0}),
        ({"mates": UniformMateSelector()}, {"attraction": True}),
    ],
)
def test_a_part_and_a_shortcut_to_its_settings_exclude_each_other(part, shortcut):
    with pytest.raises(ValueError, match=f"give {next(iter(part))}=... or its settings, not both: got"):
        m2n2(genome=RealGenome(4), **part, **shortcut)


EXCHANGED = {
    "sharing": RawSharing(),
    "selector": TournamentSelector(3),
    "mates": UniformMateSelector(),
    "crossover": KPointCrossover(1),
    "mutation": GaussianMutation(0.1),
    "replacement": PlusReplacement(),
}


@pytest.mark.parametrize("make", [m2n2, Evolution])
@pytest.mark.parametrize("name", EXCHANGED)
def test_one_part_is_exchanged_at_a_time(make, name):
    assert parts(make, **{name: EXCHANGED[name]}) == parts(m2n2) | {name: EXCHANGED[name]}


def test_an_evolution_of_no_parts_is_m2n2():
    assert parts(Evolution) == parts(m2n2)


@pytest.mark.parametrize("elites", [-1, 20, 1.5])
def test_elites_must_leave_room_for_children(elites):
    with pytest.raises(ValueError, match=rf"elites must be.* got {elites}"):
        ga(genome=RealGenome(4), generational=True, elites=elites)


def test_a_generational_ga_solves_onemax():
    evolution = ga(
        lambda genomes: genomes,
        genome=BinaryGenome(60),
        crossover=UniformCrossover(),
        mutation=BitFlipMutation(),
        selector=TournamentSelector(2),
        generational=True,
        population_size=50,
        seed=0,
    )
    result = evolution.run(10_000, target=1.0, progress=False)
    assert result.stopped == "target"
    assert result.best.genome.all()
    assert len(result.population) == 50


@pytest.mark.parametrize("seed", range(3))
def test_competition_keeps_all_specialists_where_a_ga_drifts_to_one(seed):
    """Eight niches that exclude each other, each a member of the first population, and nothing but selection.

    All members are equally good, so a GA loses niches by chance; sharing makes the last of its kind the fittest.
    """
    specialists = np.arange(8)[:, None]
    one_case_each = {"scorer": lambda genomes: np.eye(8)[genomes[:, 0]], "initial": specialists, "crossover": None}
    niches = m2n2(**one_case_each, population_size=24, seed=seed).run(1500, progress=False).population
    drifted = ga(**one_case_each, population_size=24, seed=seed).run(1500, progress=False).population
    assert np.array_equal(np.unique(niches.genomes), np.arange(8))
    assert len(np.unique(drifted.genomes)) == 1


@pytest.mark.parametrize("seed", range(2))
def test_niches_are_found_and_not_only_kept(seed):
    """Antibodies against four antigens: a case is an antigen, and a bit string can match only one of them well."""
    antigens = np.array([[0, 0] * 8, [0, 1] * 8, [1, 0] * 8, [1, 1] * 8], dtype=bool)
    search = {
        "scorer": lambda genomes: (genomes[:, None, :] == antigens).mean(axis=2) ** 4,  # (n, 4)
        "genome": BinaryGenome(16),
        "crossover": UniformCrossover(),
        "mutation": BitFlipMutation(),
        "population_size": 40,
        "seed": seed,
    }
    niches = m2n2(**search).run(3000, progress=False).population
    single = ga(**search).run(3000, progress=False).population
    assert (niches.scores.max(axis=0) >= (15 / 16) ** 4).all()
    assert sorted(single.scores.max(axis=0) > 0.5) == [False, False, False, True]


@pytest.mark.parametrize("sharing", [
    ImplicitSharing(), ImplicitSharing(alpha=0.5, capacity="max"), ImplicitSharing(capacity=np.arange(6.0)),
])  # fmt: skip
def test_weights_of_cases_make_the_fitness(sharing):
    population = Population.of(np.random.default_rng(0).random((4, 6)), sharing=sharing)
    np.testing.assert_allclose(population.scores @ sharing.weights(population), population.fitness)


def test_first_genomes_compete_by_fitness_under_generations_too():
    evolution = ga(lambda g: g, genome=RealGenome(1, bounds=(0, 1)), initial=50, crossover=None, generational=True,
                   population_size=10, seed=0)
    while evolution.evaluations < 50:
        children = evolution.ask()
        evolution.tell(children, children.genomes)
    best = np.sort(RealGenome(1, bounds=(0, 1)).sample(50, rng=generator(0))[:, 0])[-10:]
    np.testing.assert_allclose(np.sort(evolution.population.means), best)


SEED_MODELS = np.random.default_rng(0).standard_normal((2, 4))


def test_mosaic_is_m2n2_with_other_parents_and_mutation():
    expected = parts(m2n2) | {
        "selector": TournamentSelector(3, by="score"),
        "mutation": RecipeMutation(SEED_MODELS, std=(0.05, 1)),
    }
    assert parts(mosaic, initial=SEED_MODELS) == expected


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        ({"tournament": 5}, {"selector": TournamentSelector(5, by="score")}),
        ({"alpha": 0.5}, {"sharing": ImplicitSharing(alpha=0.5)}),
        ({"mutation": None}, {"mutation": None}),
        ({"mutation": GaussianMutation(0.1), "initial": None}, {"mutation": GaussianMutation(0.1)}),
        ({"chromosomes": HALVES}, {"crossover": SplitSlerpCrossover("whole", HALVES)}),
        ({"crossover": UniformCrossover()}, {"crossover": UniformCrossover()}),
        ({"population_size": 7, "batch_size": 3}, {"population_size": 7, "batch_size": 3}),
    ],
)
def test_each_argument_of_mosaic_changes_its_part_and_no_other(arguments, changes):
    assert parts(mosaic, **{"initial": SEED_MODELS} | arguments) == parts(mosaic, initial=SEED_MODELS) | changes


@pytest.mark.parametrize(("arguments", "message"), [
    ({}, "mutation='recipe' needs two seed models or more.*got initial=None"),
    ({"initial": 20}, "needs two seed models or more.*got initial=20"),
    ({"initial": SEED_MODELS[:1]}, "needs two seed models or more"),
    ({"initial": SEED_MODELS, "mutation": "noise"}, "mutation must be 'recipe', a Mutation.*got 'noise'"),
    ({"initial": SEED_MODELS, "tournament": 0}, r"size=...\) must be a whole number >= 1, got 0"),
])  # fmt: skip
def test_wrong_arguments_of_mosaic_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        mosaic(genome=RealGenome(4), **arguments)
