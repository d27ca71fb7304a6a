"""The pyribs adapter beside evoniche's own population and laws, and inside pyribs' own scheduler and emitters."""

import numpy as np
import pytest
from ribs.archives import GridArchive
from ribs.emitters import EvolutionStrategyEmitter, GaussianEmitter, GeneticAlgorithmEmitter
from ribs.schedulers import Scheduler

import evoniche
from evoniche import functional
from evoniche.adapters.ribs import MatingEmitter, NicheArchive
from evoniche.population import NOBODY

CASES = 12
SCORES = {"scores": ((CASES,), np.float64)}


def archive_of(members=10, dim=CASES, fields=SCORES, **options):
    return NicheArchive(solution_dim=dim, members=members, extra_fields=fields, **{"seed": 0, **options})


def filled(scores, **options):
    scores = np.asarray(scores, dtype=float)
    fields = {"scores": ((scores.shape[1],), np.float64)}
    archive = archive_of(len(scores), 1, fields, **options)
    archive.add(np.arange(float(len(scores)))[:, None], None, None, scores=scores)
    return archive


def take_first(a, b, rng):
    return a


def evolve(scheduler, iterations=20, measures=0):
    for _ in range(iterations):
        x = scheduler.ask()
        scores = 1 / (1 + x**2)  # a gene is a case, 0 is best
        scheduler.tell(scores.mean(axis=1), x[:, :measures], scores=scores)


@pytest.mark.parametrize("size", [1, 7])
def test_survivors_are_those_of_evoniches_population(size):
    rng = np.random.default_rng(1)
    archive, mine = archive_of(), evoniche.Population(10, evoniche.ImplicitSharing())
    for ask in range(60 // size):
        x, scores = rng.random((size, CASES)), (rng.random((size, CASES)) < 0.3).astype(float)
        ids = ask * size + np.arange(size)
        before = set(mine.ids.tolist())
        parents = np.full((size, 2), NOBODY)
        evoniche.WorstReplacement().replace(mine, evoniche.Offspring(x, ids, parents, ask, 0, scores))
        info = archive.add(x, None, None, scores=scores)
        assert sorted(map(tuple, archive.data("solution"))) == sorted(map(tuple, mine.genomes))
        status = 2 if len(before) < 10 else 1
        assert info["status"].tolist() == [status * int(i in mine.ids) for i in ids]
    assert (archive.data("scores") == archive.population.scores).all()
    assert (archive.data("solution") == archive.population.genomes).all()
    assert np.allclose(archive.data("objective"), archive.data("scores").mean(axis=1))
    assert len(set(archive.population.ids)) == 10


def test_the_value_is_the_fitness_among_members_and_batch():
    rng = np.random.default_rng(2)
    members, batch = rng.random((5, 8)), rng.random((3, 8))
    info = filled(members).add(np.zeros((3, 1)), None, None, scores=batch)
    everybody = np.concatenate([members, batch])
    assert np.allclose(info["value"], batch @ (everybody.max(axis=0) / everybody.sum(axis=0)))


def test_elites_are_sampled_in_proportion_to_shared_fitness():
    scores = [[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]  # fitness 2, 1, 1, 0
    drawn = filled(scores).sample_elites(20_000)["solution"][:, 0].astype(int)
    assert np.allclose(np.bincount(drawn, minlength=4) / 20_000, [0.5, 0.25, 0.25, 0], atol=0.015)


def test_elites_without_replacement():
    archive = filled([[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    draws = np.array([archive.sample_elites(2, replace=False)["objective"] for _ in range(4000)])
    first = np.array([archive.sample_elites(4, replace=False)["solution"][:, 0] for _ in range(4000)])
    assert len(draws[0]) == 2
    assert (np.sort(first) == np.arange(4)).all()
    assert (first[:, 3] == 3).all()  # without any fitness, last
    # P(0 first) = 1/2; P(0 second) = 2 * 1/4 * 2/3
    assert np.allclose([(first[:, i] == 0).mean() for i in range(3)], [1 / 2, 1 / 3, 1 / 6], atol=0.03)
    with pytest.raises(ValueError, match="at most 4"):
        archive.sample_elites(5, replace=False)


@pytest.mark.parametrize("kind", ["niche", "grid"])
def test_parents_follow_the_laws_of_sharing_and_attraction(kind):
    scores = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 1]], dtype=float)
    if kind == "niche":
        archive = filled(scores)
    else:
        archive = GridArchive(solution_dim=1, dims=[4], ranges=[(0, 4)], extra_fields={"scores": ((4,), np.float64)})
        archive.add(np.arange(4.0)[:, None], scores.mean(axis=1), np.arange(4.0)[:, None], scores=scores)
    emitter = MatingEmitter(archive, crossover=take_first, initial_solutions=[[0.0]], batch_size=20_000, seed=1)
    children = emitter.ask()
    first, mates = emitter.parents.T
    who = archive.data("solution")[:, 0].astype(int)
    assert (children[:, 0] == who[first]).all()
    fitness = functional.shared_fitness(scores)
    assert np.allclose(np.bincount(who[first], minlength=4) / 20_000, fitness / fitness.sum(), atol=0.015)
    for a in range(4):
        law = functional.attraction(scores, [a])[0]
        met = np.bincount(who[mates[who[first] == a]], minlength=4)
        assert np.allclose(met / met.sum(), law / law.sum(), atol=0.03)


def stock(kind, archive):
    x0 = np.ones(CASES)
    if kind == "gaussian":
        return GaussianEmitter(archive, sigma=0.1, x0=x0, batch_size=8, seed=1)
    if kind == "genetic":
        return GeneticAlgorithmEmitter(archive, operator="gaussian", operator_kwargs={"sigma": 0.1}, x0=x0,
                                       batch_size=8, seed=1)
    return EvolutionStrategyEmitter(archive, x0=x0, sigma0=0.2, ranker=kind, batch_size=8, seed=1)


@pytest.mark.parametrize("add_mode", ["batch", "single"])
@pytest.mark.parametrize("kind", ["gaussian", "genetic", "2imp", "imp", "obj", "2obj", "2rd"])
def test_stock_emitters_in_the_stock_scheduler(kind, add_mode):
    archive = archive_of(measure_dim=2, ranges=[(-1, 1), (-1, 1)])
    result = GridArchive(solution_dim=CASES, dims=[5, 5], ranges=[(-2, 2)] * 2, extra_fields=SCORES)
    mating = MatingEmitter(archive, crossover=evoniche.UniformCrossover(), initial_solutions=np.eye(CASES),
                           mutation=evoniche.GaussianMutation(0.1), batch_size=8, seed=2)
    scheduler = Scheduler(archive, [stock(kind, archive), mating], result_archive=result, add_mode=add_mode)
    evolve(scheduler, measures=2)
    assert len(archive) == 10
    assert not result.empty
    assert archive.stats.obj_max > 0.6  # of x0: 0.5


def test_cma_me_restarts_from_a_member():
    archive = archive_of()
    emitter = EvolutionStrategyEmitter(archive, x0=np.ones(CASES), sigma0=0.2, restart_rule=3, batch_size=8, seed=1)
    scheduler = Scheduler(archive, [emitter])
    evolve(scheduler)
    assert emitter.restarts >= 6
    nobody_stays = archive.add(np.zeros((1, CASES)), None, None, scores=np.zeros((1, CASES)))
    assert nobody_stays["status"] == [0]


def test_the_same_seed_gives_the_same_run():
    def run(seed):
        archive = archive_of(seed=seed)
        scheduler = Scheduler(archive, [
            MatingEmitter(archive, crossover=evoniche.UniformCrossover(),
                          mutation=lambda x, rng: x + rng.normal(size=CASES),
                          initial_solutions=np.eye(CASES), batch_size=4, seed=seed),
            GaussianEmitter(archive, sigma=0.1, x0=np.ones(CASES), batch_size=4, seed=seed),
        ])
        evolve(scheduler, 10)
        return archive.data("solution")

    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert (run(3) == run(3)).all()
    assert not np.array_equal(run(3), run(4))
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


@pytest.mark.parametrize("kind", ["niche", "grid"])
def test_solutions_of_any_kind(kind):
    words = ["niche", "mate", ("a", "tuple"), ["a", "list"]]
    fields = {"scores": ((4,), np.float32)}
    if kind == "niche":
        archive = archive_of(4, (), fields, solution_dtype=object)
    else:
        archive = GridArchive(solution_dim=(), dims=[4], ranges=[(0, 4)], extra_fields=fields, solution_dtype=object,
                              objective_dtype=float, measures_dtype=float)
    seen = []

    def cross(a, b, rng):
        seen.extend([a, b])
        return a

    emitter = MatingEmitter(archive, crossover=cross, initial_solutions=words, batch_size=6, seed=0)
    scheduler = Scheduler(archive, [emitter])
    for _ in range(3):
        solutions = scheduler.ask()
        assert all(any(type(x) is type(word) and x == word for word in words) for x in solutions)
        at = [next(i for i, word in enumerate(words) if type(x) is type(word) and x == word) for x in solutions]
        measures = np.empty((len(at), 0)) if kind == "niche" else np.array(at, dtype=float)[:, None]
        scheduler.tell(np.zeros(len(at)), measures, scores=np.eye(4)[at])
    assert len(archive) == 4
    assert {type(x) for x in seen} == {str, tuple, list}
    if kind == "niche":
        assert archive.add_single(["one", "more"], 0.0, None, scores=np.ones(4))["status"] == 1
        assert any(x["solution"] == ["one", "more"] for x in archive)


def test_statistics_and_fields():
    archive = filled([[1, 0, 0], [0, 1, 0]], qd_score_offset=-1.0)
    archive.add([[7.0]], [-5.0], None, scores=[[1, 1, 1]])  # the best in scores, the last in objective
    assert (archive.data("objective") == [-5.0, 1 / 3]).all()
    stats = archive.stats
    assert (stats.num_elites, stats.coverage, stats.obj_max) == (2, 1.0, pytest.approx(1 / 3))
    assert stats.qd_score == pytest.approx(-5 + 1 / 3 + 2)
    assert stats.norm_qd_score == pytest.approx(stats.qd_score / 2)
    assert stats.obj_mean == pytest.approx((-5 + 1 / 3) / 2)
    assert archive.best_elite["solution"] == [0.0]  # no member any more
    assert archive.field_list == ["solution", "objective", "measures", "scores", "index"]
    assert archive.dtypes["scores"] == np.float64
    assert [*archive.data(["objective", "scores"], "pandas")] == ["objective", "scores_0", "scores_1", "scores_2"]
    assert [elite["objective"] for elite in archive] == archive.data("objective").tolist()
    archive.clear()
    assert archive.empty
    assert archive.best_elite is None
    assert archive.stats.obj_mean is None
    with pytest.raises(IndexError, match="empty"):
        archive.sample_elites(1)
    with pytest.raises(NotImplementedError, match="no cells"):
        archive.retrieve([[0.0]])
    archive.add([[1.0]], None, None, scores=[[1, 0, 0]])
    assert archive.population.ids.tolist() == [3]  # numbers are not given again


def test_replacements_that_look_at_parents_are_told():
    told = []

    class Looks(evoniche.Replacement):
        def replace(self, population, offspring):
            told.append(offspring.parents.copy())
            evoniche.GenerationalReplacement().replace(population, offspring)

    fields = {**SCORES, "parents": ((2,), np.int64)}
    archive = archive_of(fields=fields, replacement=Looks())
    emitter = MatingEmitter(archive, crossover=take_first, initial_solutions=np.eye(CASES)[:10], batch_size=9, seed=0)
    scheduler = Scheduler(archive, [emitter])
    for _ in range(3):
        x = scheduler.ask()
        scheduler.tell(x.mean(axis=1), np.empty((len(x), 0)), scores=x, parents=emitter.parents)
    assert (told[0] == NOBODY).all()
    assert (told[1] >= 0).all()
    assert archive.population.ids.max() == 27
    assert (archive.population.ids >= 19).sum() == 9  # nine children and one elite
    assert (archive.data("parents") == [archive.population.parents[i] for i in range(10)]).all()


def test_whole_numbers_and_bounds():
    archive = archive_of(4, CASES, solution_dtype=bool)
    emitter = MatingEmitter(archive, crossover=evoniche.UniformCrossover(), mutation=evoniche.BitFlipMutation(),
                            initial_solutions=np.eye(CASES, dtype=bool), batch_size=5, seed=0)
    archive.add(emitter.ask(), None, None, scores=emitter.initial_solutions)
    assert emitter.ask().dtype == bool
    assert 0 < emitter.ask().mean() < 1
    archive = filled(np.eye(3))
    wide = MatingEmitter(archive, crossover=take_first, mutation=lambda x, rng: x + rng.normal(scale=9, size=1),
                         initial_solutions=[[9.0]], bounds=[(-1, 2)], batch_size=50, seed=0)
    assert wide.initial_solutions == [[2.0]]
    assert set(np.sort(wide.ask()[:, 0])[[0, -1]]) == {-1.0, 2.0}


@pytest.mark.parametrize(("change", "message"), [
    ({}, r"needs \['scores'\]"),
    ({"scores": -np.ones((2, 3))}, "finite and >= 0"),
    ({"scores": np.ones((2, 4))}, "3 cases"),
    ({"scores": np.ones((1, 3))}, r"shape \(2, cases\)"),
    ({"scores": np.ones((2, 3)), "colour": [1, 2]}, "colour"),
    ({"scores": np.ones((2, 3)), "objective": [0.0, np.nan]}, "objective must be finite"),
    ({"scores": np.ones((2, 3)), "solution": np.ones((2, 2))}, r"solution must have shape \(2, 1\)"),
])
def test_what_is_refused_changes_nothing(change, message):
    archive = filled(np.eye(3))
    before = archive.data("solution")
    with pytest.raises(ValueError, match=message):
        archive.add(**{"solution": np.ones((2, 1)), "objective": [0.0, 1.0], "measures": None, **change})
    assert (archive.data("solution") == before).all()
    assert archive.population.told == 3


def test_a_sharing_that_does_not_fit_the_cases_is_found_before_anything_changes():
    archive = archive_of(sharing=evoniche.ImplicitSharing(capacity=np.ones(3)))
    with pytest.raises(ValueError, match="12 cases"):
        archive.add(np.eye(CASES), None, None, scores=np.eye(CASES))
    assert archive.empty
    assert not len(archive.population)


def test_parts_that_do_not_fit():
    with pytest.raises(ValueError, match="scores"):
        archive_of(fields={})
    with pytest.raises(ValueError, match="members"):
        archive_of(1)
    with pytest.raises(TypeError, match="sharing"):
        archive_of(sharing=evoniche.RouletteSelector())
    grid = GridArchive(solution_dim=1, dims=[2], ranges=[(0, 1)])
    with pytest.raises(ValueError, match="extra_fields"):
        MatingEmitter(grid, crossover=take_first, initial_solutions=[[0.0]])
    archive = filled(np.eye(3))
    with pytest.raises(ValueError, match="solutions must have shape"):
        MatingEmitter(archive, crossover=take_first, initial_solutions=[0.0])
    with pytest.raises(TypeError, match="crossover"):
        MatingEmitter(archive, crossover=None, initial_solutions=[[0.0]])
