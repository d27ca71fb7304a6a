"""A population goes back to where a change began, wherever the change or the way back is interrupted."""

import copy
import sys

import numpy as np
import pytest
import torch

from evoniche import ExplicitSharing, ImplicitSharing, NoveltySharing, Offspring, Population
from evoniche.population import growing
from evoniche.population import population as module

CASES = 3
FILES = {module.__file__, growing.__file__}


def line(a, b):
    """The distance of genomes that are arrays of one number, lists of them, or tensors."""
    a, b = (np.array([float(x[0]) for x in batch]) for batch in (a, b))
    return np.abs(a[:, None] - b[None, :])


SHARINGS = {
    "implicit": lambda: ImplicitSharing(capacity="max"),
    "explicit": lambda: ExplicitSharing(line, radius=30.0),
    "novelty": lambda: NoveltySharing(line, neighbours=2),
}
KINDS = {
    "array": lambda ids: np.array([[float(i * i)] for i in ids]),
    "torch": lambda ids: torch.tensor([[float(i * i)] for i in ids]),
    "list": lambda ids: [(float(i * i),) for i in ids],
}


def children(ids, kind="array", scores=None):
    rng = np.random.default_rng(ids[0])
    scores = rng.random((len(ids), CASES)) if scores is None else scores
    return Offspring(KINDS[kind](ids), np.array(ids), np.full((len(ids), 2), -1), 0, 0, scores=np.asarray(scores))


def full(sharing="implicit", kind="array"):
    population = Population(5, SHARINGS[sharing]())
    population.add(children([0, 1, 2, 3, 4], kind))
    population.remember("somebody", "something")
    _ = population.fitness
    return population


def change(population, kind="array"):
    """All kinds of changes, one after the other."""
    population.remove([0, 4])
    population.add(children([10, 11], kind))
    population.remember("somebody", "something else")
    _ = population.fitness
    population.add(children([12, 13, 14, 15, 16, 17], kind))  # more than there is room for
    _ = population.fitness
    population.remove([1, 2, 5, 8])
    population.add(children([18], kind))
    population.remove(len(population) - 1)
    _ = population.fitness


def state(population):
    """All that is known of a population, computed by itself."""
    return copy.deepcopy({
        "scores": np.array(population.scores),
        "genomes": [np.asarray(genome).tolist() for genome in population.genomes],
        "ids": population.ids.tolist(),
        "parents": population.parents.tolist(),
        "means": population.means.tolist(),
        "load": population.load.tolist(),
        "binary": population.binary,
        "told": population.told,
        "remembered": population.recall("somebody"),
        "fitness": population.fitness.tolist(),
    })


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sharing", SHARINGS)
def test_it_goes_back(sharing, kind):
    population, twin = full(sharing, kind), full(sharing, kind)
    before = state(population)
    token = population.begin()
    assert population.undo is token
    change(population, kind)
    assert state(population)["ids"] != before["ids"]
    population.roll_back()
    assert population.undo is None
    np.testing.assert_equal(state(population), before)
    for each in (population, twin):  # and is then changed as if nothing had been
        change(each, kind)
    np.testing.assert_equal(state(population), state(twin))


def test_what_is_remembered_and_measured_is_kept():
    asked = []

    def measure(positions):
        asked.append(positions.tolist())
        return np.zeros((len(positions), len(population)))

    population = full()
    assert population.recall("somebody") == "something"
    for _ in range(2):
        assert population.pairwise("key", measure).shape == (5, 5)
    population.add(children([5]))
    population.remove(0)
    for _ in range(2):
        population.pairwise("key", measure)
    assert asked == [[0, 1, 2, 3, 4], [0]]
    fitness = population.fitness
    assert population.fitness is fitness


def test_pairs_of_the_two_latest_keys_are_kept():
    population, asked = full(), []
    for key in ("a", "b", "a", "c", "c", "b", "a"):
        population.pairwise(key, lambda positions, key=key: asked.append(key) or np.zeros((len(positions), 5)))
    assert asked == ["a", "b", "c", "a"]


def test_pairs_follow_members_that_move_before_they_are_measured():
    population = full()

    def measure(positions):
        return np.abs(population.ids[positions, None] - population.ids).astype(float)

    population.pairwise("key", measure)  # of five members
    population.add(children(list(range(5, 11))))
    population.remove([0, 1, 5, 6, 7, 8, 9])  # a measured and an unmeasured member move
    np.testing.assert_array_equal(population.pairwise("key", measure), measure(np.arange(4)))


def test_what_is_committed_stays():
    population = full()
    population.begin()
    change(population)
    after = state(population)
    population.commit()
    population.commit()
    population.roll_back()
    np.testing.assert_equal(state(population), after)


def test_one_change_at_a_time():
    population = full()
    population.begin()
    with pytest.raises(RuntimeError, match="open already"):
        population.begin()


class Interrupted(BaseException):
    pass


def interrupted(call, at):
    """Call, and raise at the line number `at` of our files, counted from the first; whether it came so far."""
    seen = 0

    def trace(frame, event, _):
        nonlocal seen
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line":
            seen += 1
            if seen == at:
                raise Interrupted
        return trace

    tracer = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except Interrupted:
        return True
    finally:
        sys.settrace(tracer)
    return False


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sharing", ["implicit", "explicit"])
def test_an_exception_at_any_line_of_a_change_is_undone(sharing, kind):
    before = state(full(sharing, kind))
    at = 0
    while True:
        at += 1
        population = full(sharing, kind)

        def begin_and_change(population=population):
            population.begin()
            change(population, kind)

        if not interrupted(begin_and_change, at):
            break
        population.roll_back()
        np.testing.assert_equal(state(population), before)
    assert at > 100


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sharing", ["implicit", "explicit"])
def test_an_exception_at_any_line_of_the_way_back_is_made_good_by_going_again(sharing, kind):
    before = state(full(sharing, kind))
    at = 0
    while True:
        at += 1
        population = full(sharing, kind)
        population.begin()
        change(population, kind)
        came = interrupted(population.roll_back, at)
        interrupted(population.roll_back, at + 2)  # a second time, further on
        population.roll_back()
        np.testing.assert_equal(state(population), before)
        if not came:
            break
    assert at > 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("inside", [False, True])
def test_a_snapshot_and_the_population_do_not_follow_each_other(inside, sharing, kind):
    population = full(sharing, kind)
    if inside:
        population.begin()
        population.remove(1)
        population.add(children([9], kind))
    snapshot, before = population.snapshot(), state(population)
    if inside:
        population.roll_back()
    change(population, kind)
    np.testing.assert_equal(state(snapshot), before)
    after = state(population)
    change(snapshot, kind)
    np.testing.assert_equal(state(population), after)
    assert (snapshot.limit, snapshot.sharing, snapshot.seed) == (population.limit, population.sharing, population.seed)


def test_a_snapshot_shares_the_memory_until_one_changes():
    population = full()
    snapshot = population.snapshot()
    assert np.shares_memory(population.scores, snapshot.scores)
    snapshot.remove(0)
    assert not np.shares_memory(population.scores, snapshot.scores)


def test_many_who_leave_one_after_the_other_leave_no_rounding_errors():
    population = Population.of([[1.0], [1e-5], [1e-10], [1e-15], [0.0], [0.0], [0.0], [0.0], [0.0]])
    for i in range(3):
        population.remove(int(np.flatnonzero(population.ids == i)[0]))
    np.testing.assert_allclose(population.load, [1e-15], rtol=1e-9)


def test_an_array_takes_what_its_dtype_could_not_hold():
    population = Population(4)
    bytes_ = np.zeros((2, 1), np.uint8)
    population.add(Offspring(bytes_, np.arange(2), np.full((2, 2), -1), 0, 0, scores=np.ones((2, 1))))
    population.add(Offspring(np.array([[300]]), np.array([2]), np.full((1, 2), -1), 0, 0, scores=np.ones((1, 1))))
    assert population.genomes.tolist() == [[0], [0], [300]]
