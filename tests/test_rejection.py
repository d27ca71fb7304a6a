"""A run that rejects early is the same run, bit for bit, and looks at fewer scores."""

import copy
import inspect

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from evoniche import (
    BinaryGenome,
    BitFlipMutation,
    ByCaseScorer,
    CaseScorer,
    Evolution,
    ExplicitSharing,
    GaussianMutation,
    GenerationalReplacement,
    ImplicitSharing,
    RawSharing,
    RealGenome,
    Sharing,
    UniformCrossover,
    m2n2,
)
from evoniche.evolution.bounds import bounds
from evoniche.population import Population
from evoniche.testing import check_scorer
from evoniche_baselines.problems.coverage import coverage
from evoniche_baselines.problems.digits import DigitsScorer, digits_genome, published_experts
from evoniche_baselines.problems.max_sat import max_sat

ALPHAS = (0.0, 0.3, 1.0, 1.5, 3.0)


def scorer_of_itself(cases, highest=1.0):
    """A genome is its own scores."""
    return ByCaseScorer(lambda genomes, asked: genomes[:, asked], cases=cases, highest=highest)


def sharings(cases):
    capacities = st.sampled_from(["one", "max", tuple(0.5 + np.arange(cases) % 3)])
    eps = st.sampled_from([1e-8, 0.5])
    return st.one_of(
        st.builds(ImplicitSharing, alpha=st.sampled_from(ALPHAS), capacity=capacities, eps=eps),
        st.builds(ImplicitSharing, alpha=st.sampled_from([0.0, 0.5, 1.0]), capacity=capacities, eps=st.just(0.0)),
        st.builds(ImplicitSharing, relative=st.just(True), capacity=capacities, eps=st.sampled_from([1e-8, 0.0, 0.5])),
        st.just(RawSharing()),
    )


@st.composite
def populations(draw):
    """Rows of scores of which the last ones are children, and how they compete."""
    members, children = draw(st.integers(2, 6)), draw(st.integers(1, 5))
    cases = draw(st.integers(2, 14))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = rng.random((members + children, cases))
    kind = draw(st.sampled_from(["binary", "steps", "graded", "high", "tiny"]))
    if kind == "binary":
        rows = (rows < rng.random((len(rows), 1))).astype(float)
    elif kind == "steps":
        rows = np.round(4 * rows * rng.random((len(rows), 1))) / 4
    elif kind == "high":
        rows = 1 - 0.05 * rows * rng.random((len(rows), 1))
    elif kind == "tiny":
        rows *= 10.0 ** rng.integers(-9, 1, rows.shape)
    if draw(st.booleans()):  # a child like a member, but for a little
        rows[-1] = rows[draw(st.integers(0, members - 1))]
        rows[-1, draw(st.integers(0, cases - 1))] *= draw(st.sampled_from([0.0, 0.5, 1 - 1e-7, 1.0]))
    importance = draw(st.sampled_from([None, "some", "none of the first"]))
    v = None if importance is None else 0.1 + rng.random(cases)
    if importance == "none of the first":
        v[0] = 0
    return rows.astype(dtype), members, v, draw(sharings(cases)), draw(st.integers(1, cases))


def evolve(rows, members, importance, sharing, reject_early, highest=1.0, evaluations=None):
    cases = rows.shape[1]
    evolution = Evolution(
        scorer=scorer_of_itself(cases, highest),
        initial=rows,
        sharing=sharing,
        importance=importance,
        population_size=members,
        crossover=UniformCrossover(),
        seed=3,
    )
    evolution.run(evaluations or len(rows), reject_early=reject_early, record_every=1, progress=False)
    return evolution


def assert_same(one, other):
    for a, b in ((one.population, other.population), (one.result().population, other.result().population)):
        for name in ("ids", "parents", "scores", "genomes", "load", "fitness", "means"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
            assert getattr(a, name).dtype == getattr(b, name).dtype
        assert (a.told, a.binary) == (b.told, b.binary)
    assert (one.best.id, one.best.score) == (other.best.id, other.best.score)
    np.testing.assert_array_equal(one.best.scores, other.best.scores)
    assert one.evaluations == other.evaluations
    assert one.pending is other.pending is None
    a, b = one.result().history, other.result().history
    assert list(a) == list(b)
    for name in a:
        if name not in ("seconds", "scored"):
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    np.testing.assert_array_equal(one.ask(3).genomes, other.ask(3).genomes)


@settings(max_examples=150)
@given(populations())
@example((np.array([[1.0, 0], [0, 1], [0, 1]]), 2, None, ImplicitSharing(), 1))
def test_who_leaves_is_never_another(case):
    rows, members, importance, sharing, block = case
    assert_same(*(evolve(rows, members, importance, sharing, early) for early in (False, block)))


@settings(max_examples=40)
@given(populations())
def test_children_of_children_are_the_same_too(case):
    rows, members, importance, sharing, block = case
    how = (rows, members, importance, sharing)
    assert_same(*(evolve(*how, early, evaluations=60) for early in (False, block)))


@settings(max_examples=40)
@given(populations(), st.floats(1, 50))
def test_scores_of_another_scale(case, scale):
    rows, members, _, sharing, block = case
    rows = (rows * scale).astype(rows.dtype)
    highest = float(rows.max())
    assert_same(*(evolve(rows, members, None, sharing, early, highest) for early in (False, block)))


@settings(max_examples=100)
@given(populations(), st.integers(0, 2**32 - 1))
def test_the_bounds_hold_whatever_the_child_scores(case, seed):
    """Beyond the decision: fitness itself lies within the bounds, also where what is seen is any part of the cases."""
    rows, members, importance, sharing, _ = case
    rows = rows.astype(np.float64)
    rng = np.random.default_rng(seed)
    population = Population.of(rows[:members], sharing=sharing, importance=importance)
    limits = bounds(population, 1.0)
    for child in (*rows[members:], rng.random(rows.shape[1]), rng.integers(0, 2, rows.shape[1]).astype(float)):
        seen = np.flatnonzero(rng.random(len(child)) < rng.random())
        unseen = np.setdiff1d(np.arange(len(child)), seen)
        together = Population.of(np.vstack([rows[:members], child]), sharing=sharing, importance=importance)
        most = limits.gain(seen, child[seen]) + limits.ceiling[unseen].sum()
        least = limits.floor + limits.rise(rows[:members, seen], seen, child[seen])
        assert together.fitness[-1] <= most * (1 + 1e-12)
        assert (together.fitness[:-1] >= least * (1 - 1e-12)).all()
        everything = np.arange(len(child))
        assert limits.gain(everything, child) == pytest.approx(together.fitness[-1], rel=1e-9, abs=1e-12)
        exactly = limits.floor + limits.rise(rows[:members], everything, child)
        np.testing.assert_allclose(exactly, together.fitness[:-1], rtol=1e-9, atol=1e-12)


def count(sharing, kind="binary", importance=None, cases=60, block=4):
    rng = np.random.default_rng(0)
    rows = rng.random((60, cases))
    rows = rows < 0.6 if kind == "binary" else rows
    rows[10::2] = rows[10::2] * 0.1 if kind != "binary" else rows[10::2] & (rng.random((25, cases)) < 0.2)
    rows = rows.astype(np.float32)
    full, early = (evolve(rows, 10, importance, sharing, reject) for reject in (False, block))
    assert_same(full, early)
    assert full.result().scored == rows.size
    return early.result().scored / rows.size


@pytest.mark.parametrize(
    "sharing",
    [
        *(ImplicitSharing(alpha) for alpha in ALPHAS),
        ImplicitSharing(capacity="one"),
        ImplicitSharing(capacity=np.linspace(1, 2, 60)),
        ImplicitSharing(relative=True),
        RawSharing(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["binary", "graded"])
@pytest.mark.parametrize("importance", [None, np.linspace(1, 3, 60)], ids=["alike", "importance"])
def test_scores_are_spared(sharing, kind, importance):
    assert count(sharing, kind, importance) < 0.9


@pytest.fixture(scope="module")
def digits():
    return DigitsScorer.load()[0]


@pytest.mark.parametrize("start", ["scratch", "experts"])
def test_the_digits(start, digits):
    scratch = start == "scratch"

    def evolution():
        return m2n2(
            digits,
            genome=digits_genome(),
            initial=2 if scratch else published_experts(),
            mutation=GaussianMutation(0.01) if scratch else None,
            seed=1,
        )

    full, early = evolution(), evolution()
    with threadpool_limits(1):
        full.run(300, progress=False)
        early.run(300, reject_early=True, progress=False)
    assert_same(full, early)
    assert early.result().scored < 0.99 * full.result().scored


@pytest.mark.parametrize(
    "problem",
    [max_sat(variables=40), max_sat(variables=40, specialists=2), coverage()],
    ids=["max-sat", "specialists", "coverage"],
)
@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0])
def test_problems(problem, alpha):
    def evolution():
        return m2n2(
            problem.scorer,
            genome=problem.genome,
            initial=problem.initial,
            alpha=alpha,
            crossover=problem.crossover,
            mutation=problem.mutation,
            seed=0,
        )

    full, early = evolution(), evolution()
    full.run(400, progress=False)
    early.run(400, reject_early=16, progress=False)
    assert_same(full, early)
    assert early.result().scored < full.result().scored


TARGETS = np.random.default_rng(5).random((80, 6))


def closeness(genomes, cases):
    """Graded: how near a point is to each of 80; sums go over the last axis, so cases do not depend on one another."""
    return np.exp(-3 * np.square(genomes[:, None] - TARGETS[cases]).sum(axis=2))


def near_points(**how):
    return m2n2(
        ByCaseScorer(closeness, cases=80),
        genome=RealGenome(6, bounds=(0, 1)),
        mutation=GaussianMutation(0.1),
        seed=2,
        **how,
    )


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"capacity": "one"},
        {"relative_scores": True},
        {"alpha": 2.0},
        {"alpha": 0.0, "attraction": False},
        {"importance": np.linspace(0, 1, 80)},
        {"population_size": 3},
    ],
    ids=["as it is", "one", "relative", "alpha 2", "alpha 0", "importance", "three members"],
)
def test_graded_scores(how):
    full, early = near_points(**how), near_points(**how)
    full.run(400, progress=False)
    early.run(400, reject_early=5, progress=False)
    assert_same(full, early)
    assert early.result().scored < full.result().scored


def test_a_child_as_fit_as_the_lowest_stays():
    rows = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
    evolution = evolve(rows, 2, None, ImplicitSharing(), 1)
    assert evolution.population.ids.tolist() == [0, 2]


def test_a_population_that_is_not_full_takes_everybody():
    rows = np.vstack([np.ones((2, 6)), np.zeros((3, 6))])
    evolution = evolve(rows, 5, None, ImplicitSharing(), 1)
    assert sorted(evolution.population.ids) == [0, 1, 2, 3, 4]
    assert evolution.result().scored == rows.size


def test_the_best_ever_is_seen_in_full_though_it_leaves():
    """It scores on what everybody can do, so it is the least fit, and its mean is the highest."""
    rows = np.zeros((4, 12))
    rows[0, 0] = rows[1, 1] = rows[2, 2] = 1
    rows[:3, 3:8] = 1
    rows[3, 3:8] = 1
    rows[3, 8] = 1e-3
    sharing = ImplicitSharing(capacity=tuple([1.0] * 3 + [0.1] * 9))
    rows[3, 8:] = 1
    full, early = (evolve(rows, 3, None, sharing, reject) for reject in (False, 2))
    assert early.best.id == 3
    assert 3 not in early.population.ids
    assert_same(full, early)


def test_scores_are_counted():
    evolution = near_points()
    result = evolution.run(100, reject_early=5, progress=False)
    assert 0 < result.scored < 100 * 80
    assert result.history["scored"][-1] == result.scored
    assert (np.diff(result.history["scored"]) > 0).all()
    asked = []
    counting = near_points()

    def listed(genomes, cases):
        asked.append(len(cases))
        return closeness(genomes, cases)

    object.__setattr__(counting.parts.scorer, "function", listed)
    assert counting.run(100, reject_early=5, progress=False).scored == sum(asked) == result.scored


def test_a_budget_of_scores():
    evolution = near_points()
    result = evolution.run(scores=20_000, reject_early=5, progress=False)
    assert result.stopped == "scores"
    assert 20_000 <= result.scored < 20_080
    assert result.evaluations > 250
    assert near_points().run(scores=20_000, progress=False).evaluations == 250
    more = evolution.run(scores=80, progress=False)
    assert result.scored + 80 <= more.scored < result.scored + 160
    with pytest.raises(ValueError, match="scores must be a whole number >= 0, got -1"):
        evolution.run(scores=-1)
    with pytest.warns(UserWarning, match="nothing to do"):
        evolution.run(scores=0, progress=False)


def test_a_target_and_callbacks_end_a_run_at_the_same_child():
    for how in ({"target": 0.22}, {"evaluations": 500, "callbacks": [lambda evolution: evolution.evaluations == 123]}):
        full, early = near_points(), near_points()
        one = full.run(**how, progress=False)
        two = early.run(**how, reject_early=5, progress=False)
        assert (one.stopped, one.evaluations) == (two.stopped, two.evaluations)
        assert_same(full, early)


def test_a_callback_may_tell_children_of_its_own():
    def intervene(evolution):
        if evolution.evaluations % 50 == 0:
            children = evolution.ask(2)
            evolution.tell(children, closeness(children.genomes, np.arange(80)))

    full, early = near_points(), near_points()
    full.run(400, callbacks=[intervene], progress=False)
    early.run(400, callbacks=[intervene], reject_early=5, progress=False)
    assert_same(full, early)


def test_a_scorer_that_fails_loses_nothing():
    full, early = near_points(), near_points()
    full.run(300, progress=False)
    early.run(100, reject_early=5, progress=False)
    calls = iter(range(10**6))

    def fails(genomes, cases):
        if next(calls) == 7:
            raise RuntimeError("out of memory")
        return closeness(genomes, cases)

    object.__setattr__(early.parts.scorer, "function", fails)
    with pytest.raises(RuntimeError, match="out of memory"):
        early.run(total=300, reject_early=5, record_every=20, progress=False)
    early.run(total=300, reject_early=5, progress=False)
    full_history = {name: column for name, column in full.result().history.items() if name == "best"}
    assert full_history["best"][-1] == early.result().history["best"][-1]
    np.testing.assert_array_equal(full.population.scores, early.population.scores)
    np.testing.assert_array_equal(full.population.ids, early.population.ids)


def test_it_can_be_switched_on_and_off_between_runs_and_copied():
    full, early = near_points(), near_points()
    for evaluations in (100, 100, 200):
        full.run(evaluations, progress=False)
    early.run(100, reject_early=7, progress=False)
    early.run(100, progress=False)
    early = copy.deepcopy(early)
    early.run(200, reject_early=True, progress=False)
    assert_same(full, early)


def run_with(scorer=None, **how):
    how = {"genome": RealGenome(6, bounds=(0, 1)), "mutation": GaussianMutation(0.1), "seed": 0, **how}
    return Evolution(scorer=ByCaseScorer(closeness, cases=80) if scorer is None else scorer, **how).run(
        200, reject_early=how.pop("reject_early", 5), progress=False
    )


class OtherSharing(Sharing):
    def fitness(self, population):
        return population.means


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"scorer": lambda genomes: genomes}, r"must be a CaseScorer, such as ByCaseScorer\(f, cases=...\), got Func"),
        ({"replacement": GenerationalReplacement(0)}, "only of WorstReplacement is known who leaves, got Generational"),
        ({"sharing": ExplicitSharing("scores", 1.0)}, "no bounds are known for the fitness of ExplicitSharing"),
        ({"sharing": OtherSharing()}, "no bounds are known for the fitness of .*OtherSharing"),
        ({"sharing": ImplicitSharing(2.0, relative=True)}, "for relative scores bounds are known where alpha is 1"),
        ({"sharing": ImplicitSharing(2.0, eps=0)}, "with alpha > 1 .* only where eps > 0, got 0"),
        ({"batch_size": 2}, "children told together compete one after the other, so batch_size must be 1, got 2"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_what_cannot_be_judged_is_refused_before_anything_is_scored(how, reason):
    calls = []
    how.setdefault("scorer", ByCaseScorer(lambda x, cases: calls.append(x), cases=80))
    with pytest.raises(ValueError, match=reason):
        run_with(**how)
    assert not calls


@pytest.mark.parametrize("size", [0, -1, 2.5, "all", None])
def test_a_block_is_a_whole_number_of_cases(size):
    with pytest.raises(ValueError, match="reject_early must be a whole number >= 1"):
        near_points().run(10, reject_early=size, progress=False)


@pytest.mark.parametrize("early", [True, 5])
def test_a_score_above_the_highest_is_an_error_and_nothing_is_told(early):
    for after in (0, 60):  # while the population fills, and when it is full
        evolution = near_points()
        if after:
            evolution.run(after, progress=False)
        object.__setattr__(evolution.parts.scorer, "function", lambda x, cases: np.full((len(x), len(cases)), 1.5))
        with pytest.raises(ValueError, match=r"no score is above 1, but gives 1\.5:"):
            evolution.run(10, reject_early=early, progress=False)
        assert evolution.evaluations == after
        assert len(evolution.pending) == 1


@pytest.mark.parametrize("wrong", [-0.5, np.nan, -np.inf])
def test_scores_that_are_none_are_refused_as_ever(wrong):
    evolution = near_points()
    evolution.run(60, progress=False)
    object.__setattr__(evolution.parts.scorer, "function", lambda x, cases: np.full((len(x), len(cases)), wrong))
    with pytest.raises(ValueError, match="scores must be finite and >= 0") as error:
        evolution.run(10, reject_early=5, progress=False)
    assert any("cases are counted there within a block" in note for note in error.value.__notes__)
    assert evolution.evaluations == 60


def test_a_scorer_must_answer_for_the_cases_it_is_asked_for():
    evolution = near_points()
    evolution.run(60, progress=False)
    object.__setattr__(evolution.parts.scorer, "function", lambda x, cases: np.zeros((len(x), 80)))
    with pytest.raises(ValueError, match=r"must give scores of shape \(1, 5\), got \(1, 80\)"):
        evolution.run(10, reject_early=5, progress=False)
    with pytest.raises(ValueError, match=r"must give scores of shape \(1, 80\), got \(1, 79\)"):
        run_with(ByCaseScorer(lambda x, cases: np.zeros((len(x), 79)), cases=80))


class Solves(CaseScorer):
    """Written as a class; of lists."""

    highest = 2.0
    cases = 12

    def score(self, genomes, cases=None):
        return 2 * genomes[:, np.arange(12) if cases is None else cases]


def test_a_scorer_of_your_own():
    full, early = (
        m2n2(Solves(), genome=BinaryGenome(12), crossover=UniformCrossover(), mutation=BitFlipMutation(), seed=0)
        for _ in range(2)
    )
    full.run(300, progress=False)
    early.run(300, reject_early=3, progress=False)
    assert_same(full, early)
    assert inspect.isabstract(CaseScorer)


def test_single_precision_close_to_a_tie():
    """Many cases in float32: fitness is wrong by more than children differ, and the decision is still the same."""
    rng = np.random.default_rng(0)
    rows = (rng.random((8, 5000)) * 0.9 + 0.05).astype(np.float32)
    near = np.repeat(rows[:1], 40, axis=0)
    near *= 1 - rng.random((40, 1)).astype(np.float32) * 1e-5
    rows = np.vstack([rows, near])
    for sharing in (ImplicitSharing(), ImplicitSharing(0.5, capacity="one"), RawSharing()):
        assert_same(*(evolve(rows, 8, None, sharing, early) for early in (False, 500)))


def test_the_contract_of_scoring_by_case(digits):
    genomes = np.random.default_rng(0).random((5, 6))
    check_scorer(ByCaseScorer(closeness, cases=80), genomes)
    check_scorer(digits, published_experts())
    for problem in (max_sat(variables=20), coverage()):
        check_scorer(problem.scorer, problem.genome.sample(5, rng=np.random.default_rng(0)))
    check_scorer(Solves(), np.eye(12))

    def by_place(genomes, cases):
        return genomes[:, : len(cases)]

    for broken, rule in (
        (ByCaseScorer(closeness, cases=80, highest=0.1), "no score may be above highest"),
        (ByCaseScorer(by_place, cases=6), "some cases must give what they give among all"),
        (ByCaseScorer(lambda genomes, cases: genomes[:, cases % 6][:, :5], cases=6), "cases must be 5, got 6"),
    ):
        with pytest.raises(AssertionError, match=rule):
            check_scorer(broken, genomes, pickles=False)


def test_a_run_goes_on_from_a_store(tmp_path):
    def part(evaluations):
        evolution = near_points()
        evolution.run(total=evaluations, reject_early=5, store=tmp_path / "run.sqlite", progress=False)
        return evolution

    part(100)
    early = part(300)
    whole = near_points()
    for evaluations in (100, 300):
        whole.run(total=evaluations, reject_early=5, progress=False)
    assert_same(whole, early)
    np.testing.assert_array_equal(whole.result().history["scored"], early.result().history["scored"])
