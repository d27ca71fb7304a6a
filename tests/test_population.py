"""The population follows every change, whatever its genomes are made of."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from evoniche import ImplicitSharing, Offspring, Population
from evoniche.batches import rows


class Words:
    """A batch type of a user's own."""

    def __init__(self, words):
        self.words = tuple(words)

    def __len__(self):
        return len(self.words)

    def take(self, indices):
        return Words(self.words[i] for i in indices)

    def join(self, other):
        return Words(self.words + other.words)


def narrow(ids):
    """A dtype that holds these ids, and not many more."""
    return np.int8 if max(ids) < 10 else np.int16


# What a batch of genomes with these ids looks like, and how one genome tells its id.
BATCHES = {
    "array": (lambda ids: np.array([[i, -i] for i in ids]), lambda genome: int(genome[0])),
    "widening": (lambda ids: np.array([[i, -i] for i in ids], narrow(ids)), lambda genome: int(genome[0])),
    "torch": (lambda ids: torch.tensor([[i, -i] for i in ids]), lambda genome: int(genome[0])),
    "list": (lambda ids: [f"genome {i}" for i in ids], lambda genome: int(genome.split()[1])),
    "own": (lambda ids: Words(f"genome {i}" for i in ids), lambda genome: int(genome.words[0].split()[1])),
}


def children(ids, scores, kind="array", parents=None):
    ids = np.asarray(ids)
    parents = np.full((len(ids), 2), -1) if parents is None else np.asarray(parents)
    return Offspring(BATCHES[kind][0](ids.tolist()), ids, parents, ask=0, seed=0, scores=np.asarray(scores))


class OfTold:
    """A sharing whose fitness follows what it remembers, and changes when a newcomer has come and gone."""

    def fitness(self, population):
        population.remember(self, population.told)
        return population.means * (1.0 + population.told)


class Model(NamedTuple):
    """What a population should be: its members, one after the other; everything else is computed afresh."""

    members: tuple = ()  # of (id, scores, parents)
    told: int = 0
    remembered: int | None = None
    graded: bool = False  # a score other than 0 and 1 has been told


class Subject:
    """A population, its model, and the model at `begin`."""

    def __init__(self, population, model):
        self.population, self.model, self.begun = population, model, None


SHARINGS = {"none": lambda: None, "implicit": ImplicitSharing, "told": OfTold}
KEYS = [object(), object(), object()]  # of pairwise numbers; two are kept


def close(actual, desired, rtol, atol=0.0):
    return np.shape(actual) == np.shape(desired) and np.allclose(actual, desired, rtol=rtol, atol=atol)


class Bookkeeping(RuleBasedStateMachine):
    """Any sequence of changes of a population and its snapshots; everything is compared after each."""

    @initialize(
        kind=st.sampled_from(sorted(BATCHES)),
        sharing=st.sampled_from(sorted(SHARINGS)),
        weighted=st.booleans(),
        limit=st.integers(1, 5),
        cases=st.integers(1, 4),
        dtype=st.sampled_from([np.float32, np.float64]),
        steps=st.sampled_from([1, 10, 12, 1000]),  # 1: binary scores, 12: of all magnitudes
        pause=st.integers(1, 3),
        n=st.integers(2, 8),
        data=st.data(),
    )
    def start(self, kind, sharing, weighted, limit, cases, dtype, steps, pause, n, data):
        self.kind, self.sharing, self.cases, self.dtype, self.steps = kind, sharing, cases, dtype, steps
        self.importance = np.arange(1.0, cases + 1) if weighted else None
        self.pause = pause  # what is computed when asked for is asked for after each so many changes
        self.changes = self.next_id = 0
        self.subjects = [Subject(Population(limit, SHARINGS[sharing](), self.importance), Model())]
        self.join(0, n, data)

    def subject(self, which):
        self.changes += 1
        return self.subjects[which % len(self.subjects)]

    def scores(self, n, data):
        row = st.lists(st.integers(0, self.steps), min_size=self.cases, max_size=self.cases)
        rows = np.array(data.draw(st.lists(row, min_size=n, max_size=n)), dtype=self.dtype)
        return self.dtype(10) ** (rows - 12) if self.steps == 12 else rows / self.dtype(min(self.steps, 10))

    def let_in(self, subject, scores):
        ids = list(range(self.next_id, self.next_id + len(scores)))
        parents = [(i - 2, i - 1) for i in ids]
        self.next_id += len(ids)
        subject.population.add(children(ids, scores, self.kind, parents))
        subject.model = Model(
            (*subject.model.members, *zip(ids, scores, parents, strict=True)),
            subject.model.told + len(ids),
            subject.model.remembered,
            subject.model.graded or not set(np.unique(scores)) <= {0, 1},
        )
        return ids

    def let_go(self, subject, ids, form=np.array):
        ids = set(ids)
        positions = [p for p, id_ in enumerate(subject.population.ids.tolist()) if id_ in ids]
        subject.population.remove(form(positions))
        left = tuple(member for member in subject.model.members if member[0] not in ids)
        subject.model = subject.model._replace(members=left)

    WHICH = st.integers(0, 2)

    @rule(which=WHICH, n=st.integers(1, 8), data=st.data())
    def join(self, which, n, data):
        self.let_in(self.subject(which), self.scores(n, data))

    @rule(which=WHICH, data=st.data())
    def one_leaves(self, which, data):
        subject = self.subject(which)
        if subject.model.members:
            position = data.draw(st.integers(0, len(subject.model.members) - 1))
            self.let_go(subject, [int(subject.population.ids[position])], lambda positions: positions[0])

    @rule(which=WHICH, data=st.data())
    def several_leave(self, which, data):
        subject = self.subject(which)
        n = len(subject.model.members)
        mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool)
        self.let_go(subject, subject.population.ids[mask].tolist(), lambda _: mask)

    @rule(which=WHICH, data=st.data())
    def many_join_and_several_leave(self, which, data):
        self.join(which, 8, data)
        self.several_leave(which, data)

    @rule(which=WHICH, data=st.data())
    def all_but_one_leave(self, which, data):
        subject = self.subject(which)
        if subject.model.members:
            stays = data.draw(st.integers(0, len(subject.model.members) - 1))
            self.let_go(subject, [i for p, i in enumerate(subject.population.ids.tolist()) if p != stays])

    @rule(which=WHICH, n=st.integers(1, 3), ask=st.booleans(), data=st.data())
    def newcomers_leave_at_once(self, which, n, ask, data):
        subject = self.subject(which)
        newcomers = self.let_in(subject, self.scores(n, data))
        if ask:
            self.what_is_computed_when_asked_for(subject)
        self.let_go(subject, [])
        self.let_go(subject, newcomers)

    @rule(which=WHICH, first=st.booleans(), data=st.data())
    def two_newcomers_leave_one_after_the_other(self, which, first, data):
        subject = self.subject(which)
        newcomers = self.let_in(subject, self.scores(2, data))
        self.let_go(subject, [newcomers[first]])
        self.what_is_known(subject)
        self.let_go(subject, [newcomers[not first]])

    @rule(which=WHICH, data=st.data())
    def a_giant_comes_and_goes(self, which, data):
        subject = self.subject(which)
        giant = self.let_in(subject, np.full((1, self.cases), 1e12, dtype=self.dtype))
        self.let_in(subject, self.scores(4, data))
        self.let_go(subject, giant)

    @rule(which=WHICH, value=st.integers())
    def remember(self, which, value):
        subject = self.subject(which)
        subject.population.remember("somebody", value)
        subject.model = subject.model._replace(remembered=value)

    @rule(which=WHICH)
    def begin(self, which):
        subject = self.subject(which)
        if subject.begun is None:
            token = subject.population.begin()
            assert subject.population.undo is token is not None
            subject.begun = subject.model

    @rule(which=WHICH)
    def roll_back(self, which):
        subject = self.subject(which)
        subject.population.roll_back()
        subject.model, subject.begun = subject.begun or subject.model, None

    @rule(which=WHICH)
    def commit(self, which):
        subject = self.subject(which)
        subject.population.commit()
        subject.begun = None

    @rule(which=WHICH)
    def snapshot(self, which):
        subject = self.subject(which)
        self.subjects = [*self.subjects[:2], Subject(subject.population.snapshot(), subject.model)]

    @rule(which=st.integers(0, 1), ask=st.booleans(), data=st.data())
    def change_and_go_back(self, which, ask, data):
        which %= len(self.subjects)
        subject = self.subject(which)
        self.roll_back(which)
        self.begin(which)
        self.one_leaves(which, data)
        self.join(which, 1, data)
        if ask:
            self.what_is_computed_when_asked_for(subject)
        self.snapshot(which)
        self.roll_back(which)
        self.what_is_computed_when_asked_for(subject)

    @precondition(lambda self: self.next_id)
    @invariant()
    def everything_follows(self):
        for subject in self.subjects:
            self.what_is_known(subject)
            if self.changes % self.pause == 0:
                self.what_is_computed_when_asked_for(subject)

    def fresh(self, subject):
        """Scores in the order of the population's ids, and their means."""
        by_id = {member[0]: member for member in subject.model.members}
        members = [by_id[i] for i in subject.population.ids.tolist()]
        scores = np.array([member[1] for member in members], dtype=self.dtype).reshape(-1, self.cases)
        v = np.ones(self.cases) if self.importance is None else self.importance
        return members, scores, scores.astype(np.float64) @ v / v.sum(), v

    def what_is_known(self, subject):
        population, model = subject.population, subject.model
        ids = population.ids.tolist()
        assert sorted(ids) == [member[0] for member in model.members]
        members, scores, means, _ = self.fresh(subject)
        genome_id = BATCHES[self.kind][1]
        assert len(population) == len(ids)
        assert population.scores.dtype == self.dtype
        assert population.scores.tolist() == scores.tolist()
        assert [tuple(pair) for pair in population.parents.tolist()] == [member[2] for member in members]
        assert [genome_id(genome) for genome in rows(population.genomes)] == ids
        assert [genome_id(population.member(p).genome) for p in range(len(ids))] == ids
        handed_out = (population.scores, population.ids, population.parents, population.means, population.load)
        assert not any(array.flags.writeable for array in handed_out)
        if self.kind == "list":
            population.genomes.clear()  # a list of the caller's
        assert len(population.genomes) == len(ids)
        assert close(population.load, scores.sum(axis=0, dtype=np.float64), rtol=1e-9)
        if len(ids) == 1:  # summed afresh
            assert population.load.tolist() == scores[0].tolist()
        assert close(population.means, means, rtol=1e-12)
        assert population.told == model.told
        assert population.recall("somebody") == model.remembered
        assert (population.undo is None) == (subject.begun is None)
        # It may forget a newcomer who left at once, but never takes grades for solved or not.
        assert population.binary or model.graded
        assert not population.binary or set(np.unique(scores)) <= {0, 1}
        if ids:  # the best is the oldest of the best
            kept = population.means.tolist()
            assert ids[population.best_member] == min(i for i, mean in zip(ids, kept, strict=True) if mean == max(kept))

    def what_is_computed_when_asked_for(self, subject):
        population = subject.population
        _, scores, means, v = self.fresh(subject)
        if self.sharing == "implicit":
            load = scores.sum(axis=0, dtype=np.float64)
            shares = np.divide(scores, load, out=np.zeros_like(scores), where=load > 0, casting="same_kind")
            shares *= scores.max(axis=0, initial=0) * v  # what a case can give
            fitness, precision = shares.sum(axis=1), 1e-3 if self.dtype == np.float32 else 1e-7
            assert close(population.fitness, fitness, rtol=precision, atol=1e-6)
        else:
            factor = self.cases if self.sharing == "none" else 1.0 + population.told
            assert close(population.fitness, means * factor, rtol=1e-12)
        assert population.fitness is population.fitness  # computed once
        assert not population.fitness.flags.writeable
        keys = KEYS if self.changes % 5 == 0 else KEYS[:2]
        apart = np.abs(population.ids[:, None] - population.ids)
        for number, key in enumerate(keys):
            matrix = population.pairwise(key, lambda positions, n=number: (n + apart[positions]).astype(float))
            assert matrix.tolist() == (number + apart).tolist()
            assert not matrix.flags.writeable
        for key in keys[-2:]:  # measured once
            assert population.pairwise(key, pytest.fail).tolist() == (keys.index(key) + apart).tolist()


Bookkeeping.TestCase.settings = settings(max_examples=80, stateful_step_count=15, deadline=None, derandomize=True)
TestBookkeeping = Bookkeeping.TestCase


def test_load_does_not_drift_over_a_long_run():
    rng = np.random.default_rng(0)
    population = Population(20)
    population.add(children(range(20), rng.random((20, 5))))
    for i in range(20, 20_000):
        population.add(children([i], rng.random((1, 5))))
        population.remove(int(rng.integers(21)))
    np.testing.assert_allclose(population.load, population.scores.sum(axis=0), rtol=1e-13)


def test_load_of_one_member_is_what_it_scores():
    rng = np.random.default_rng(0)
    population = Population(1)
    population.add(children([0], rng.random((1, 5))))
    for i in range(1, 50):
        population.add(children([i], rng.random((1, 5))))
        population.remove(0)
        np.testing.assert_array_equal(population.load, population.scores[0])


@pytest.mark.parametrize("kind", BATCHES)
def test_it_grows_beyond_its_limit(kind):
    population = Population(2)
    for i in range(0, 40, 4):
        population.add(children(range(i, i + 4), np.full((4, 1), i), kind))
    assert population.ids.tolist() == list(range(40))
    assert population.scores[:, 0].tolist() == [i - i % 4 for i in range(40)]
    assert [BATCHES[kind][1](population.member(p).genome) for p in range(40)] == list(range(40))


@pytest.mark.parametrize("name", ["scores", "genomes", "ids", "parents", "load", "means", "fitness"])
def test_what_is_handed_out_cannot_be_written(name):
    population = Population.of(np.ones((3, 2)), genomes=np.eye(3), sharing=ImplicitSharing())
    with pytest.raises(ValueError, match="read-only"):
        getattr(population, name)[0] = 7


@pytest.mark.parametrize("kind", ["array", "torch"])
def test_a_member_is_a_copy(kind):
    population = Population.of([[1.0, 0.0], [0.0, 1.0]], BATCHES[kind][0]([5, 6]))
    member = population.member(0)
    member.genome[0] = 9
    member.scores[0] = 9
    assert BATCHES[kind][1](population.member(0).genome) == 5
    assert population.scores[0].tolist() == [1, 0]


def test_a_member_outlives_the_population():
    population = Population(2)
    population.add(children([4, 5], [[1.0, 0.5], [0.0, 0.0]], parents=[(2, 3), (-1, -1)]))
    member = population.member(0)
    population.remove([0, 1])
    assert (member.id, member.parents, member.score, member.genome.tolist()) == (4, (2, 3), 0.75, [4, -4])
    assert len(population) == 0


def test_the_callers_arrays_are_neither_kept_nor_changed():
    scores, genomes = np.eye(3), np.arange(6.0).reshape(3, 2)
    population = Population.of(scores, genomes)
    population.remove(0)
    assert np.array_equal(scores, np.eye(3))
    assert np.array_equal(genomes, np.arange(6.0).reshape(3, 2))
    scores[:] = 7
    genomes[:] = 7
    assert population.scores.max() == 1
    assert population.genomes.max() == 5


def test_of_scores_alone():
    population = Population.of([[1, 0], [1, 1]])
    assert population.genomes.tolist() == [0, 1]
    assert population.ids.tolist() == [0, 1]
    assert population.parents.tolist() == [[-1, -1], [-1, -1]]
    assert population.load.tolist() == [2, 1]
    assert population.fitness.tolist() == [1, 2]
    assert population.binary
    assert population.limit == 2


def test_an_empty_population_says_so():
    population = Population(5)
    assert len(population) == len(population.ids) == len(population.means) == len(population.genomes) == 0
    with pytest.raises(ValueError, match="empty population has no best"):
        _ = population.best_member


def test_its_text_tells_how_full_it_is():
    population = Population(5)
    population.add(children([0, 1], np.eye(2, 7)))
    assert "2 of 5 members" in repr(population)
    assert "7 cases" in repr(population)


# --- positions, and what a float cannot hold ------------------------------------------------------------------------


def test_positions_come_alone_in_lists_or_as_a_mask():
    scores = np.arange(12.0).reshape(4, 3)
    some, nobody = np.array([True, False, True, False]), np.zeros(4, dtype=bool)
    for positions, left in (
        (np.int64(1), [0, 2, 3]), ([0, 3], [1, 2]), (some, [1, 3]), (nobody, [0, 1, 2, 3]), ([], [0, 1, 2, 3]),
    ):
        population = Population.of(scores)
        population.remove(positions)
        assert sorted(population.ids.tolist()) == left
        np.testing.assert_array_equal(population.load, population.scores.sum(axis=0))
    for positions in (-1, 4, [0, 9], [1.5], [True, False]):
        population = Population.of(scores)
        with pytest.raises(IndexError, match="positions must be"):
            population.remove(positions)
        assert len(population) == 4


def test_load_survives_a_giant_that_leaves():
    population = Population.of(np.array([[1e20, 1.0], [4.0, 1.0], [5.0, 1.0], [0.0, 1.0]]))
    population.remove(0)
    np.testing.assert_array_equal(population.load, [9, 3])


def test_a_child_that_leaves_at_once_leaves_no_trace():
    rng = np.random.default_rng(0)
    population = Population.of(rng.random((5, 7)), sharing=ImplicitSharing())
    load, fitness = population.load.copy(), population.fitness.copy()
    newcomer = Population.of(1e9 * rng.random((1, 7)))
    population.add(Offspring(newcomer.genomes, np.array([99]), np.array([[0, 1]]), 1, 0, newcomer.scores))
    assert not np.array_equal(population.load, load)
    population.remove(5)
    np.testing.assert_array_equal(population.load, load)
    np.testing.assert_array_equal(population.fitness, fitness)
