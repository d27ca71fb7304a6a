"""Whatever goes wrong: a clear message, and nothing is lost."""

import os
import re
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

import evoniche
from evoniche import (
    AttractionMateSelector,
    BinaryGenome,
    BitFlipMutation,
    Crossover,
    CrowdingReplacement,
    Evolution,
    ExplicitSharing,
    GaussianMutation,
    GenerationalReplacement,
    IntegerGenome,
    KPointCrossover,
    Mutation,
    ObjectGenome,
    Population,
    RawSharing,
    RealGenome,
    Replacement,
    RestrictedMateSelector,
    RouletteSelector,
    SingleScorer,
    TournamentSelector,
    UniformCrossover,
    WorstReplacement,
    ga,
    m2n2,
)
from evoniche.randomness import generator

CASES = 5
OBJECTS = ObjectGenome(lambda rng: [int(rng.integers(9))])
GRADES = np.random.default_rng(0).random((8, CASES))


def grades(genomes):
    """Some graded scores of real vectors."""
    return np.abs(np.sin(genomes @ GRADES))


def small(scorer=grades, make=m2n2, **arguments):
    defaults = {"genome": RealGenome(8), "mutation": GaussianMutation(0.1), "population_size": 4, "seed": 0}
    return make(scorer, **(defaults | arguments))


def under_way():
    """Four told, the population full, and children 4 and 5 asked for."""
    evolution = small()
    evolution.run(4, progress=False)
    return evolution, evolution.ask(2)


def state(evolution):
    """All that a refused input must leave as it was."""
    population = evolution.population
    return {
        "scores": np.array(population.scores),
        "genomes": np.array(population.genomes),
        "ids": np.array(population.ids),
        "parents": np.array(population.parents),
        "load": np.array(population.load),
        "means": np.array(population.means),
        "evaluations": evolution.evaluations,
        "best": evolution.best and (evolution.best.id, evolution.best.score),
        "pending": None if evolution.pending is None else evolution.pending.ids.tolist(),
    }


def refused(evolution, children, scores, message):
    """Telling this raises and changes nothing, and the children can still be told."""
    before = state(evolution)
    with pytest.raises(ValueError, match=message):
        evolution.tell(children, scores)
    np.testing.assert_equal(state(evolution), before)
    evolution.tell(evolution.pending, grades(evolution.pending.genomes))
    assert evolution.pending is None
    assert evolution.evaluations == before["evaluations"] + len(before["pending"])


# --- scores ---------------------------------------------------------------------------------------------------------


@given(
    row=st.integers(0, 1),
    case=st.integers(0, CASES - 1),
    value=st.sampled_from([np.nan, np.inf, -np.inf]) | st.floats(max_value=0, exclude_max=True),
    dtype=st.sampled_from([np.float32, np.float64]),
    by_id=st.booleans(),
)
@settings(deadline=None, max_examples=50)
def test_a_wrong_score_is_named_with_child_and_case(row, case, value, dtype, by_id):
    evolution, children = under_way()
    scores = grades(children.genomes).astype(dtype)
    with np.errstate(over="ignore"):
        scores[row, case] = min(value, -1e-30) if value < 0 else value
    refused(evolution, [4, 5] if by_id else children, scores, rf"got (nan|inf|-.*) for child {4 + row}, case {case}\b")


@given(array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=7).filter(lambda shape: shape != (2, CASES)))
@settings(deadline=None, max_examples=50)
def test_scores_of_another_shape(shape):
    evolution, children = under_way()
    text = rf"scores of children \[4, 5\] must have .*got ({re.escape(str(shape))}|shape|{shape[-1] if shape else ''})"
    refused(evolution, children, np.ones(shape), text)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.ones((3, CASES)), r"shape \(2, cases\), got \(3, 5\)"),
        (np.ones(2), r"shape \(2, cases\), got \(2,\): one row for each child, one column for each case"),
        (np.ones((2, 4)), "5 cases as before, got 4"),
        ([[1.0] * 5, [1.0] * 4], "rectangular array"),
        (np.full((2, CASES), "good"), "must be numbers or booleans, got dtype <U4"),
        (np.full((2, CASES), 1j), "must be numbers or booleans, got dtype complex128"),
        (np.full((2, CASES), None), "must be numbers or booleans, got dtype object"),
        (None, r"shape \(2, cases\), got \(\)"),
    ],
)
def test_scores_that_are_none(scores, message):
    refused(*under_way(), scores, message)


@pytest.mark.parametrize("kind", [np.ma.stack, list, tuple, lambda rows: [list(row) for row in rows]],
                         ids=["array", "list of rows", "tuple of rows", "list of lists"])  # fmt: skip
@pytest.mark.parametrize("dtype", [float, bool])
def test_masked_scores_are_missing_scores(kind, dtype):
    rows = [np.ma.masked_array(np.ones(CASES, dtype), np.arange(CASES) == missing) for missing in (-1, 3)]
    refused(*under_way(), kind(rows), "got a masked score for child 5, case 3")


def test_scores_without_cases_at_the_very_first():
    evolution = small()
    children = evolution.ask(4)
    with pytest.raises(ValueError, match=r"at least one case, got shape \(4, 0\)"):
        evolution.tell(children, np.ones((4, 0)))
    evolution.tell(children, np.ones((4, 1)))


@pytest.mark.parametrize(
    ("scores", "dtype"),
    [
        (np.eye(4, dtype=bool), np.float32),
        (np.eye(4, dtype=np.uint8), np.float64),
        (np.eye(4, dtype=np.float16), np.float64),
        (np.eye(4, dtype=np.float32), np.float32),
        (np.eye(4), np.float64),
        (np.eye(4).tolist(), np.float64),
        (np.eye(4, dtype=int).tolist(), np.float64),
        (torch.eye(4), np.float32),
        (torch.eye(4, dtype=torch.bool), np.float32),
        (torch.eye(4, requires_grad=True), np.float32),
        (torch.eye(4, dtype=torch.bfloat16), np.float64),
    ],
    ids=lambda value: str(getattr(value, "dtype", "list")),
)
def test_scores_of_any_number_type_are_welcome(scores, dtype):
    evolution = small()
    evolution.tell(evolution.ask(4), scores)
    assert np.array_equal(evolution.population.scores, np.eye(4))
    if dtype == np.float32:
        assert evolution.population.scores.dtype == dtype


@pytest.mark.parametrize("make", [m2n2, ga])
@pytest.mark.parametrize("arguments", [{}, {"crossover": None}], ids=["slerp", "no crossover"])
def test_scores_that_are_all_zero(make, arguments):
    evolution = small(lambda genomes: np.zeros((len(genomes), 3)), make, **arguments)
    result = evolution.run(60, progress=False)
    assert (result.evaluations, result.best.score, len(result.population)) == (60, 0, 4)
    assert len(set(evolution.ask(100).parents[:, 0].tolist())) == 4


def test_generations_of_nothing_but_zeros():
    evolution = small(lambda genomes: np.zeros((len(genomes), 3)), ga, generational=True)
    assert evolution.run(61, progress=False).evaluations == 61


# --- ids ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("children", "message"),
    [
        ([4, 99], "child 99 was never asked for"),
        ([4, -1], "child -1 was never asked for"),
        ([4, 0], "child 0 was told or given up already"),
        ([4, 4], r"each child can be told once, got ids \[4, 4\]"),
        ([], "at least one child"),
    ],
)
def test_ids_that_cannot_be_told(children, message):
    refused(under_way()[0], children, np.ones((len(children), CASES)), message)


@pytest.mark.parametrize(
    ("places", "message"),
    [([0, 0], r"each child can be told once, got ids \[4, 4\]"), ([], "at least one child")],
)
def test_children_that_cannot_be_told(places, message):
    evolution, children = under_way()
    refused(evolution, children.take(places), np.ones((len(places), CASES)), message)


def test_children_told_twice():
    evolution, children = under_way()
    evolution.tell(children, grades(children.genomes))
    before = state(evolution)
    with pytest.raises(ValueError, match="child 4 was told or given up already"):
        evolution.tell(children, grades(children.genomes))
    np.testing.assert_equal(state(evolution), before)


@pytest.mark.parametrize(
    "genomes", [np.ones((1, 8)), np.ones((3, 8)), np.ones((2, 7)), np.ones((2, 1)), np.ones(2)], ids=np.shape
)
def test_children_told_with_genomes_that_do_not_fit(genomes):
    evolution, children = under_way()
    told = attrs.evolve(children, genomes=genomes)
    refused(evolution, told, np.ones((2, CASES)), r"genomes.*shape|genomes.*each child")


# --- populations and genomes ----------------------------------------------------------------------------------------


def test_nobody_to_breed_from():
    evolution = small(initial=2)
    evolution.ask(2)
    with pytest.raises(ValueError, match=r"nobody to breed from.*tell scores"):
        evolution.ask(1)
    evolution.tell([1], np.ones((1, CASES)))
    assert evolution.ask(1).parents.tolist() == [[1, 1]]


@pytest.mark.parametrize("make", [m2n2, ga])
def test_a_single_member_breeds_with_itself(make):
    evolution = small(make=make, initial=1)
    result = evolution.run(20, progress=False)
    assert len(result.population) == 4
    alone = small(make=make, initial=1)
    alone.tell(alone.ask(1), np.ones((1, CASES)))
    assert (alone.ask(5).parents == 0).all()


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        ([np.ones(3), np.ones(4)], r"one shape, got \[\(3,\), \(4,\)\]"),
        ([torch.ones(3), torch.ones(4)], r"one shape, got \[\(3,\), \(4,\)\]"),
        ([], "initial must hold at least one genome"),
        (np.ones((0, 3)), "initial must hold at least one genome"),
        (np.array(3.0), "leading axis"),
        ("genomes", "got str"),
        ({1: 2}, "got dict"),
        (None, "initial=.*genome="),
        (3, "initial=.*genome="),
    ],
    ids=str,
)
def test_initial_genomes_that_are_no_batch(initial, message):
    with pytest.raises(ValueError, match=message):
        m2n2(initial=initial)


@attrs.frozen
class CutCrossover(Crossover):
    """A crossover with a bug: children of another length."""

    length: int

    def cross(self, a, b, *, rng):
        return a[:, : self.length]


@attrs.frozen
class FewCrossover(Crossover):
    """A crossover with a bug: fewer children than pairs."""

    def cross(self, a, b, *, rng):
        return a[1:]


def of_any_length(genomes):
    """A scorer that does not mind how long a genome is."""
    return np.abs(np.sin(genomes.sum(axis=1, keepdims=True) + np.arange(CASES)))


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize(
    "crossover",
    [lambda a, b, rng: a[:5], lambda a, b, rng: a[:1], CutCrossover(5), CutCrossover(1)],
    ids=["function 5", "function 1", "class 5", "class 1"],
)
def test_a_crossover_that_changes_the_length_of_arrays(crossover, batch_size):
    evolution = small(of_any_length, crossover=crossover, mutation=None, batch_size=batch_size, initial=4)
    with pytest.raises(ValueError, match=r"(?i)(cross|genomes|children).*(shape|length)"):
        evolution.run(20, progress=False)
    assert evolution.evaluations == 0  # found before anything was scored


def test_a_crossover_that_gives_children_of_different_lengths():
    lengths = iter([8, *range(1, 9)] * 5)  # the first is right, so that the rehearsal finds nothing
    evolution = small(crossover=lambda a, b, rng: a[: next(lengths)], mutation=None, batch_size=20)
    with pytest.raises(ValueError, match=r"one shape.*ObjectGenome or a list"):
        evolution.run(30, progress=False)
    assert evolution.result().evaluations == 4


def test_a_crossover_that_gives_too_few_children():
    evolution = small(crossover=FewCrossover(), batch_size=3)
    with pytest.raises(ValueError, match=r"one for each child, got 0"):
        evolution.run(30, progress=False)


@pytest.mark.parametrize("part", ["crossover", "mutation"])
def test_a_function_that_forgets_to_return(part):
    def forgetful(*_):
        return None

    with pytest.raises(ValueError, match="forgetful returned None"):
        small(**{part: forgetful}).run(10, progress=False)


@pytest.mark.parametrize("genomes", [np.ones((2, 1)), ["a", "b", "c", "d"]], ids=["too few", "too many"])
def test_a_population_of_scores_and_another_number_of_genomes(genomes):
    with pytest.raises(ValueError, match="genomes"):
        Population.of(np.ones((3, 2)), genomes)


# --- arguments ------------------------------------------------------------------------------------------------------


def says(name, value):
    """The argument and its value, as a message must have them."""
    return rf"\b{name}\b.* must .*got {re.escape(repr(value))}"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("population_size", [1, 0, -3, True, 20.0, "20", None]),
        ("batch_size", [0, -1, True, 1.5]),
        ("seed", [-1, True, 1.0, "x"]),
        ("initial", [0, -1, True]),
        ("alpha", [-0.1, np.nan, np.inf, "1"]),
        ("eps", [-1e-9, np.nan, "0"]),
        ("capacity", ["many"]),
    ],
)
def test_arguments_of_an_evolution(name, values):
    for value in values:
        with pytest.raises(ValueError, match=says(name, value)):
            small(**{name: value})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("total", [-1, True, 1.5, np.nan, "10"]),
        ("seconds", [-1, np.nan, "1"]),
        ("target", [np.nan, "1"]),
        ("record_every", [0, True, 1.5]),
    ],
)
def test_arguments_of_a_run(name, values):
    for value in values:
        evolution = small()
        with pytest.raises(ValueError, match=says(name, value)):
            evolution.run(**({"total": 5, "progress": False} | {name: value}))
        assert evolution.evaluations == 0


@pytest.mark.parametrize("n", [0, -1, True, 1.5, "1"])
def test_how_many_children(n):
    with pytest.raises(ValueError, match=says("n", n)):
        small().ask(n)


def test_numpy_integers_are_sizes_like_any_other():
    size = np.int64(6)
    evolution = small(population_size=size, batch_size=size, seed=size, initial=size)
    assert evolution.run(size, record_every=size, progress=False).evaluations == 6


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (RealGenome, "length"),
        (BinaryGenome, "length"),
        (KPointCrossover, "points"),
        (TournamentSelector, "size"),
        (GenerationalReplacement, "elites"),
    ],
)
@pytest.mark.parametrize("value", [1.5, -1, "3"])
def test_sizes_of_parts_are_whole_numbers(make, name, value):
    with pytest.raises(ValueError, match=says(name, value)):
        make(value)


@pytest.mark.parametrize(
    ("capacity", "message"),
    [
        ([1, -2, 1], r"capacity.*finite and >= 0, got -2 for case 1"),
        ([1, np.nan], r"capacity.*finite and >= 0, got nan for case 1"),
        ([[1, 1]], r"capacity.*one number per case, got shape \(1, 2\)"),
        (3.0, r"capacity.*one number per case, got shape \(\)"),
    ],
)
def test_capacities_that_can_never_be_right(capacity, message):
    with pytest.raises(ValueError, match=message):
        small(capacity=capacity)


def for_competition(capacity):
    return small(capacity=capacity)


def for_attraction_alone(capacity):
    return Evolution(
        RealGenome(8),
        grades,
        sharing=RawSharing(),
        selector=RouletteSelector(),
        mates=AttractionMateSelector(capacity),
        crossover=UniformCrossover(),
        mutation=None,
        replacement=WorstReplacement(),
        population_size=4,
    )


@pytest.mark.parametrize("make", [for_competition, for_attraction_alone])
def test_a_capacity_of_another_length_is_found_before_anything_is_kept(make):
    evolution = make([1.0] * (CASES + 1))
    children = evolution.ask(2)
    with pytest.raises(ValueError, match=r"capacity.*each of the 5 cases, got shape \(6,\)"):
        evolution.tell(children, grades(children.genomes))
    assert (evolution.evaluations, len(evolution.population), evolution.best) == (0, 0, None)
    evolution.tell(children, np.ones((2, CASES + 1)))
    assert evolution.evaluations == 2


@pytest.mark.parametrize("part", ["crossover", "mutation", "scorer"])
@pytest.mark.parametrize("value", [5, [1, 2], SingleScorer, UniformCrossover], ids=str)
def test_operators_that_are_neither_objects_nor_functions(part, value):
    """A class is not an operator: `UniformCrossover` for `UniformCrossover()`."""
    with pytest.raises(TypeError, match=rf"{part} must be .*function.*got {re.escape(repr(value))}"):
        small(**{part: value})


@pytest.mark.parametrize("part", ["genome", "sharing", "selector", "mates", "replacement"])
def test_parts_that_do_not_play_their_role(part):
    parts = {
        "genome": RealGenome(8),
        "sharing": RawSharing(),
        "selector": RouletteSelector(),
        "mates": AttractionMateSelector(),
        "replacement": WorstReplacement(),
    }
    joined = {"crossover": None, "mutation": None, "population_size": 4}
    for wrong in (type(parts[part]), IntegerGenome if part != "genome" else RawSharing()):
        with pytest.raises(TypeError, match=rf"{part} must be a \w+ .*got "):
            Evolution(**joined, **(parts | {part: wrong}))


def test_a_run_needs_an_end_and_a_scorer():
    with pytest.raises(ValueError, match="needs an end: evaluations, total, scores, seconds, target, or a callback"):
        small().run(progress=False)
    with pytest.raises(ValueError, match=r"needs Evolution\(scorer=...\)"):
        small(scorer=None).run(10, progress=False)


# --- scorers that fail ----------------------------------------------------------------------------------------------


class Failing:
    """Grades, except at one call."""

    def __init__(self, at, fail):
        self.at, self.fail, self.seen = at, fail, []

    def __call__(self, genomes):
        self.seen.append(genomes.copy())
        return self.fail(genomes) if len(self.seen) == self.at else grades(genomes)


def out_of_memory(genomes):
    raise MemoryError("too large")


@pytest.mark.parametrize(
    ("fail", "error", "message"),
    [
        (out_of_memory, MemoryError, "too large"),
        (lambda genomes: grades(genomes)[:, :3], ValueError, r"\[9, 10, 11\] must have 5 cases as before, got 3"),
        (lambda genomes: grades(genomes) - 5, ValueError, "for child 9, case 0"),
        (lambda genomes: None, ValueError, r"children \[9, 10, 11\]"),
    ],
    ids=["raises", "other cases", "negative", "nothing"],
)
def test_a_scorer_that_fails_once_costs_nothing(fail, error, message):
    undisturbed = small(batch_size=3, initial=6)
    undisturbed.run(30, progress=False)
    scorer = Failing(4, fail)
    evolution = small(scorer, batch_size=3, initial=6)
    with pytest.raises(error, match=message):
        evolution.run(30, progress=False)
    result = evolution.result()
    assert (result.evaluations, len(result.population)) == (9, 4)
    assert result.best.score == max(grades(genomes).mean(axis=1).max() for genomes in scorer.seen[:3])
    assert result.history["evaluations"][0] == 3
    assert evolution.pending.ids.tolist() == [9, 10, 11]
    evolution.run(total=30, progress=False)
    assert np.array_equal(scorer.seen[3], scorer.seen[4])
    np.testing.assert_equal(state(evolution), state(undisturbed))


def test_the_error_of_a_scorer_carries_the_childrens_ids():
    with pytest.raises(MemoryError) as caught:
        small(Failing(2, out_of_memory), batch_size=2).run(30, progress=False)
    assert "children [2, 3]" in " ".join(caught.value.__notes__)


# --- Ctrl-C ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def ctrl_c():
    """A real Ctrl-C to this process, which handles it as Python does, whatever started the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def survive(evolution, **arguments):
    """Run to 30 evaluations; a KeyboardInterrupt that gets out would end the tests altogether."""
    try:
        return evolution.run(total=30, **({"progress": False} | arguments))
    except KeyboardInterrupt:
        pytest.fail("Ctrl-C got out of run")


@pytest.fixture
def undisturbed():
    evolution = small()
    evolution.run(30, progress=False)
    return state(evolution)


def test_ctrl_c_while_scoring(ctrl_c, undisturbed):
    evolution = small(Failing(11, lambda genomes: ctrl_c()))
    result = survive(evolution)
    assert (result.stopped, result.evaluations, len(result.population)) == ("interrupted", 10, 4)
    assert result.history["evaluations"][-1] == 10
    assert evolution.pending.ids.tolist() == [10]
    assert survive(evolution).stopped == "evaluations"
    np.testing.assert_equal(state(evolution), undisturbed)


def test_ctrl_c_ends_a_scorer_that_takes_long(ctrl_c):
    def wait(genomes):
        threading.Timer(0.01, ctrl_c).start()
        time.sleep(20)
        raise AssertionError("nobody interrupted")

    assert survive(small(wait)).stopped == "interrupted"


def test_ctrl_c_in_a_callback(ctrl_c, undisturbed):
    evolution = small()
    result = survive(evolution, callbacks=[lambda e: ctrl_c() if e.evaluations == 7 else None])
    assert (result.stopped, result.evaluations) == ("interrupted", 7)
    survive(evolution)
    np.testing.assert_equal(state(evolution), undisturbed)


@pytest.mark.parametrize(("at", "record_every"), [(7, 1), (30, 1), (30, 100)])
def test_ctrl_c_in_a_metric(at, record_every, ctrl_c, undisturbed):
    """Also in that of the last record."""
    waiting = [ctrl_c]

    def size(evolution):
        if evolution.evaluations == at and waiting:
            waiting.pop()()
        return len(evolution.population)

    evolution = small()
    result = survive(evolution, metrics={"size": size}, record_every=record_every)
    assert (result.stopped, result.evaluations) == ("interrupted", at)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where it came after the last tell, there is nothing left to do
        result = survive(evolution)
    assert len({len(column) for column in result.history.values()}) == 1
    np.testing.assert_equal(state(evolution), undisturbed)


def test_ctrl_c_while_told_waits_until_the_child_is_in(ctrl_c):
    class Interrupted(Replacement):
        """Between joining and leaving, when the population is one too many."""

        def replace(self, population, offspring):
            population.add(offspring)
            ctrl_c()
            population.remove(list(range(len(population) - population.limit)))

    evolution = Evolution(
        RealGenome(8),
        grades,
        sharing=RawSharing(),
        selector=RouletteSelector(),
        mates=AttractionMateSelector(),
        crossover=None,
        mutation=None,
        replacement=Interrupted(),
        population_size=4,
        batch_size=6,
        seed=0,
    )
    result = survive(evolution)
    assert (result.stopped, result.evaluations) == ("interrupted", 4)
    result = survive(evolution)
    assert (result.stopped, result.evaluations, len(result.population)) == ("interrupted", 10, 4)
    assert evolution.pending is None


def run_interrupted(evolution, line):
    """Run to the end, with a Ctrl-C at that line of evoniche's code.

    Returns:
        How many lines there were to interrupt.
    """
    package, lines, before = str(Path(evoniche.__file__).parent), 0, sys.gettrace()

    def trace(frame, event, _):
        nonlocal lines
        if not frame.f_code.co_filename.startswith(package):
            return None
        if event == "line":
            lines += 1
            if lines == line:
                os.kill(os.getpid(), signal.SIGINT)
        return trace

    sys.settrace(trace)
    try:
        evolution.run(total=7, progress=False, record_every=1)
    except KeyboardInterrupt:
        pass  # in the first or last lines, where nobody handles it yet or any more
    finally:
        sys.settrace(before)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return lines


def test_ctrl_c_at_any_line_tears_nothing(ctrl_c):
    def begun():
        evolution = small(batch_size=2)
        evolution.run(5, progress=False, record_every=1)
        return evolution

    undisturbed = begun()
    lines = run_interrupted(undisturbed, line=0)
    assert lines > 100
    for line in range(1, lines + 1):
        evolution = begun()
        run_interrupted(evolution, line)
        history = evolution.result().history
        assert {len(column) for column in history.values()} == {len(history["evaluations"])}, line
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where the interrupt came after the last tell, there is nothing left to do
            evolution.run(total=7, progress=False)
        np.testing.assert_equal(state(evolution), state(undisturbed), err_msg=f"Ctrl-C at line {line}")


def test_a_program_with_a_handler_of_its_own_keeps_it(ctrl_c):
    caught = []
    signal.signal(signal.SIGINT, lambda *_: caught.append(1))
    try:
        result = survive(small(Failing(3, lambda genomes: ctrl_c() or grades(genomes))))
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert caught == [1]
    assert (result.stopped, result.evaluations) == ("evaluations", 30)


def test_a_run_in_another_thread(undisturbed):
    evolution = small()
    thread = threading.Thread(target=evolution.run, args=(30,), kwargs={"progress": False})
    thread.start()
    thread.join()
    np.testing.assert_equal(state(evolution), undisturbed)


def test_a_store_that_is_no_path():
    with pytest.raises(TypeError, match=r"a store is a path, such as 'run.db', or a Store, got 5"):
        small().run(3, store=5, progress=False)


# --- what would be lost without a word ------------------------------------------------------------------------------


def test_scores_that_the_precision_of_the_first_cannot_hold():
    evolution = small(initial=4)
    evolution.tell(evolution.ask(4), np.ones((4, CASES), dtype=bool))
    child = evolution.ask(1)
    said = r"got 1e\+300 \(too large for single precision.*child 4, case 0"
    with np.errstate(over="raise"), pytest.raises(ValueError, match=said):
        evolution.tell(child, np.full((1, CASES), 1e300))
    evolution.tell(child, np.ones((1, CASES)))
    assert evolution.population.scores.dtype == np.float32


def test_scores_too_large_to_be_added_up():
    evolution = small(initial=2)
    with pytest.raises(ValueError, match="child 1 are too large"):
        evolution.tell(evolution.ask(2), np.vstack([np.ones(CASES), np.full(CASES, 1e306)]))
    assert len(evolution.population) == 0


@pytest.mark.parametrize("lifted", [True, False])
def test_floats_are_not_cut_to_integers(lifted):
    class Noise(Mutation):
        def mutate(self, genomes, *, rng):
            return genomes + rng.random(genomes.shape)

    mutation = (lambda genome, rng: genome + rng.random(8)) if lifted else Noise()
    evolution = small(genome=None, initial=np.zeros((4, 8), dtype=int), mutation=mutation, crossover=None)
    with pytest.raises(ValueError, match=r"float64 of int64 genomes.*begin with floats"):
        evolution.ask(1)


def test_pending_children_stay_within_the_budget():
    evolution = small(initial=4)
    evolution.tell(evolution.ask(4), np.ones((4, CASES)))
    evolution.ask(50)
    assert evolution.run(total=10, progress=False).evaluations == 10
    assert len(evolution.pending) == 44


@pytest.mark.parametrize("count", [False, True])
def test_a_child_that_cannot_be_scored_can_be_given_up(count):
    evolution = small(Failing(3, out_of_memory), initial=2)
    with pytest.raises(MemoryError) as caught:
        evolution.run(20, progress=False)
    assert "given up first" in caught.value.__notes__[-1]
    lost = evolution.pending
    evolution.give_up(lost, count=count)
    assert evolution.pending is None
    assert evolution.evaluations == 2 + count * len(lost)
    for call in (evolution.give_up, lambda children: evolution.tell(children, np.ones((len(lost), CASES)))):
        with pytest.raises(ValueError, match=f"child {lost.ids[0]} was told or given up already"):
            call(lost)
    assert evolution.run(total=20, progress=False).evaluations == 20
    population = evolution.population
    assert not np.isin(lost.ids, [population.ids, *population.parents.T]).any()


@pytest.mark.parametrize("seed", [1, 2])
def test_children_of_another_evolution(seed):
    evolution = small(seed=1)
    evolution.ask(2)
    with pytest.raises(ValueError, match="children of another evolution"):
        evolution.tell(small(seed=seed).ask(2), np.ones((2, CASES)))
    assert len(evolution.pending) == 2


# --- rehearsals: what cannot work fails before anything is scored ----------------------------------------------------


def never(genomes):
    raise AssertionError("this was paid for")


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ({"genome": BinaryGenome(8)}, ValueError, "SplitSlerpCrossover needs floating-point genomes"),
        ({"genome": OBJECTS, "crossover": UniformCrossover()}, ValueError, "UniformCrossover works on arrays"),
        ({"mutation": BitFlipMutation()}, ValueError, "BitFlipMutation"),
        ({"genome": OBJECTS, "crossover": None, "replacement": CrowdingReplacement(OBJECTS)}, NotImplementedError,
         r"ObjectGenome\(measure=...\) is needed"),
        ({"genome": OBJECTS, "crossover": None, "sharing": ExplicitSharing(OBJECTS, 1.0)}, NotImplementedError,
         r"ObjectGenome\(measure=...\) is needed"),
        ({"genome": OBJECTS, "crossover": None, "mates": RestrictedMateSelector(OBJECTS, 1.0)}, NotImplementedError,
         r"ObjectGenome\(measure=...\) is needed"),
        ({"mutation": lambda genome, rng: genome[:3]}, ValueError, "shape"),
    ],
)  # fmt: skip
def test_parts_that_cannot_work_on_these_genomes_fail_before_anything_is_scored(parts, error, message):
    evolution = Evolution(**({"genome": RealGenome(8), "scorer": never, "seed": 0} | parts))
    for call in (lambda: evolution.run(100, progress=False), evolution.ask):
        with pytest.raises(error, match=message) as caught:
            call()
        assert "before the first genome is scored" in " ".join(caught.value.__notes__)
    assert (evolution.evaluations, evolution.pending) == (0, None)


def test_parts_that_cannot_work_with_these_scores_fail_before_one_is_kept():
    class Full(Replacement):
        def replace(self, population, offspring):
            population.add(offspring)
            if len(population) > population.limit:
                raise RuntimeError("only when the population is full")

    evolution = Evolution(RealGenome(8), replacement=Full(), population_size=10, seed=0)
    child = evolution.ask(1)
    with pytest.raises(RuntimeError, match="only when the population is full") as caught:
        evolution.tell(child, np.ones((1, CASES)))
    assert "before the first scores are kept" in " ".join(caught.value.__notes__)
    assert (evolution.evaluations, evolution.pending.ids.tolist()) == (0, [0])


@pytest.mark.parametrize(
    "part",
    [
        {"mates": lambda population, first, rng: [rng.choice(np.delete(np.arange(len(population)), i)) for i in first]},
        {"selector": lambda population, n, rng: [min(rng.choice(len(population), 5, replace=False)) for _ in range(n)]},
    ],
)  # fmt: skip
def test_a_rule_that_needs_several_members_is_not_refused_because_the_first_child_is_told_alone(part):
    evolution = Evolution(RealGenome(8), scorer=lambda genomes: np.abs(genomes), population_size=5, seed=0, **part)
    assert evolution.run(20, progress=False).evaluations == 20


def test_metrics_cannot_take_the_place_of_the_historys_own_columns():
    with pytest.raises(ValueError, match="the history has evaluations already"):
        small().run(5, metrics={"evaluations": lambda evolution: 0.0}, progress=False)


@pytest.mark.parametrize("threshold", [np.nan, -1, None])
def test_the_coverage_threshold_is_a_number(threshold):
    with pytest.raises(ValueError, match="coverage_threshold must be a number >= 0"):
        small().run(5, coverage_threshold=threshold, progress=False)


def test_a_rehearsal_changes_no_run():
    calls = []

    def cross(a, b, rng):
        calls.append(rng.random())
        return a

    evolution = small(initial=4, crossover=cross, mutation=None)
    evolution.ask(4)
    assert len(calls) == 1
    evolution.tell(range(4), np.ones((4, CASES)))
    evolution.ask(1)
    first = RouletteSelector().select(evolution.population, 1, rng=(rng := generator(0, 1)))
    AttractionMateSelector().mates(evolution.population, first, rng=rng)
    assert calls[1:] == [rng.random()]


# --- nobody else's objects ------------------------------------------------------------------------------------------


def test_a_scorer_that_repairs_in_place_does_not_change_the_callers_objects():
    seeds = [[3, 1], [2, 0], [5]]

    def repair(genomes):
        for genome in genomes:
            genome.sort()
        return np.ones((len(genomes), 2))

    evolution = m2n2(repair, initial=seeds, crossover=None, mutation=lambda genome, rng: [*genome, 0], seed=0)
    evolution.run(10, progress=False)
    assert seeds == [[3, 1], [2, 0], [5]]
    assert [1, 3] in evolution.population.genomes


def test_members_do_not_share_one_object_when_there_is_no_operator():
    evolution = m2n2(initial=[[1], [2]], crossover=None, population_size=6, seed=0)
    while evolution.evaluations < 6:
        evolution.tell(children := evolution.ask(1), np.ones((len(children), 2)))
    genomes = evolution.population.genomes
    assert len({id(genome) for genome in genomes}) == 6


def test_a_result_is_a_snapshot():
    evolution = small()
    result = evolution.run(10, progress=False)
    before = [np.array(part) for part in (result.population.scores, result.population.genomes, result.population.ids)]
    seen = (result.evaluations, result.best.score, len(result.history["evaluations"]), repr(result.population))
    evolution.run(200, progress=False)
    for part, kept in zip((result.population.scores, result.population.genomes, result.population.ids), before,
                          strict=True):
        np.testing.assert_array_equal(part, kept)
    assert seen == (result.evaluations, result.best.score, len(result.history["evaluations"]), repr(result.population))
    assert not np.array_equal(evolution.population.ids, result.population.ids)


@pytest.mark.parametrize("answer", [None, "much", np.ones(2)])
def test_a_metric_that_gives_no_number_leaves_no_half_row(answer):
    evolution = small()
    with pytest.raises(TypeError, match="metric 'odd' must return a number"):
        evolution.run(20, progress=False, metrics={"good": lambda _: 1.0, "odd": lambda _: answer}, record_every=1)
    result = evolution.run(20, progress=False, record_every=5)
    assert {len(column) for column in result.history.values()} == {len(result.history["evaluations"])}
    assert "odd" not in result.history


def test_the_threshold_of_coverage_is_an_argument_of_the_run():
    scores = np.array([[0.2, 0.6], [0.3, 0.1]])
    histories = []
    for threshold in (0.25, 0.5, 0.9):
        evolution = m2n2(lambda genomes: scores[: len(genomes)], initial=np.eye(2), batch_size=2, seed=0)
        histories.append(evolution.run(2, coverage_threshold=threshold, progress=False).history["coverage"][-1])
    assert histories == [1.0, 0.5, 0.0]
