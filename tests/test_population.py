"""The population follows every change, whatever its genomes are made of."""

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from evoniche import ImplicitSharing, Offspring, Population


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


# What a batch of genomes with these ids looks like, and how one genome tells its id.
BATCHES = {
    "array": (lambda ids: np.array([[i, -i] for i in ids]), lambda genome: int(genome[0])),
    "torch": (lambda ids: torch.tensor([[i, -i] for i in ids]), lambda genome: int(genome[0])),
    "list": (lambda ids: [f"genome {i}" for i in ids], lambda genome: int(genome.split()[1])),
    "own": (lambda ids: Words(f"genome {i}" for i in ids), lambda genome: int(genome.words[0].split()[1])),
}


def children(ids, scores, kind="array", parents=None):
    ids = np.asarray(ids)
    parents = np.full((len(ids), 2), -1) if parents is None else np.asarray(parents)
    return Offspring(BATCHES[kind][0](ids.tolist()), ids, parents, ask=0, seed=0, scores=np.asarray(scores))


class Bookkeeping(RuleBasedStateMachine):
    """Any sequence of joining and leaving, beside a dictionary id -> (scores, parents)."""

    @initialize(
        kind=st.sampled_from(sorted(BATCHES)),
        limit=st.integers(1, 5),
        cases=st.integers(1, 4),
        dtype=st.sampled_from([np.float32, np.float64]),
        steps=st.sampled_from([1, 10, 1000]),  # 1: binary scores
    )
    def start(self, kind, limit, cases, dtype, steps):
        self.kind, self.cases, self.dtype, self.steps = kind, cases, dtype, steps
        self.precision = 1e-5 if dtype == np.float32 else 1e-9
        self.population = Population(limit, ImplicitSharing())
        self.members = {}
        self.next_id = 0
        self.always_binary = True

    @rule(n=st.integers(1, 8), data=st.data())
    def join(self, n, data):
        row = st.lists(st.integers(0, self.steps), min_size=self.cases, max_size=self.cases)
        rows = data.draw(st.lists(row, min_size=n, max_size=n))
        scores = np.array(rows, dtype=self.dtype) / self.dtype(min(self.steps, 10))
        ids = list(range(self.next_id, self.next_id + n))
        parents = [(i - 2, i - 1) for i in ids]
        self.population.add(children(ids, scores, self.kind, parents))
        self.members |= dict(zip(ids, zip(scores, parents, strict=True), strict=True))
        self.next_id += n
        self.always_binary &= set(np.unique(scores)) <= {0, 1}

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def leave(self, data):
        positions = data.draw(st.sets(st.integers(0, len(self.members) - 1), min_size=1, max_size=3))
        for gone in self.population.ids[list(positions)].tolist():
            del self.members[gone]
        self.population.remove(positions.pop() if len(positions) == 1 else np.array(sorted(positions)))

    @precondition(lambda self: self.next_id)
    @invariant()
    def everything_follows(self):
        population, ids = self.population, self.population.ids.tolist()
        scores = np.array([self.members[i][0] for i in ids], dtype=self.dtype).reshape(-1, self.cases)
        load = scores.sum(axis=0, dtype=np.float64)
        assert sorted(ids) == sorted(self.members)
        assert len(population) == len(ids)
        np.testing.assert_array_equal(population.scores, scores)
        assert population.scores.dtype == self.dtype
        assert [tuple(pair) for pair in population.parents.tolist()] == [self.members[i][1] for i in ids]
        assert [BATCHES[self.kind][1](population.member(p).genome) for p in range(len(ids))] == ids
        np.testing.assert_allclose(population.load, load, rtol=1e-9)
        np.testing.assert_allclose(population.means, scores.mean(axis=1, dtype=np.float64), rtol=1e-12)
        shares = np.divide(scores, load, out=np.zeros_like(scores), where=load > 0, casting="same_kind")
        shares *= scores.max(axis=0, initial=0)  # what a case can give
        np.testing.assert_allclose(population.fitness, shares.sum(axis=1), rtol=100 * self.precision, atol=1e-6)
        # It may forget a newcomer who left at once, but never takes grades for solved or not.
        assert population.binary or not self.always_binary
        assert not population.binary or set(np.unique(scores)) <= {0, 1}

    @precondition(lambda self: self.members)
    @invariant()
    def the_best_is_the_oldest_of_the_best(self):
        means = {i: scores.sum(dtype=np.float64) for i, (scores, _) in self.members.items()}
        best = min(i for i in means if means[i] == max(means.values()))
        assert self.population.ids[self.population.best_member] == best


Bookkeeping.TestCase.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
TestBookkeeping = Bookkeeping.TestCase


def test_load_does_not_drift_over_a_long_run():
    rng = np.random.default_rng(0)
    population = Population(20)
    population.add(children(range(20), rng.random((20, 5))))
    for i in range(20, 20_000):
        population.add(children([i], rng.random((1, 5))))
        population.remove(int(rng.integers(21)))
    np.testing.assert_allclose(population.load, population.scores.sum(axis=0), rtol=1e-13)


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
    for positions, left in ((np.int64(1), [0, 2, 3]), ([0, 3], [1, 2]), (np.array([True, False, True, False]), [1, 3])):
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
