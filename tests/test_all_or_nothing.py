"""`ask` and `tell` take place as a whole or not at all, whoever raises and wherever, in every niching method."""

import copy
import pickle
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import evoniche
from evoniche import (
    AdaptiveSharing,
    AntigenSharing,
    AttractionMateSelector,
    ClearingSharing,
    Crossover,
    CrowdingReplacement,
    DalexSelector,
    DeterministicCrowdingReplacement,
    DifferentialCrossover,
    DownsampledLexicaseSelector,
    EpsilonLexicaseSelector,
    Evolution,
    ExplicitSharing,
    GaussianMutation,
    GenerationalReplacement,
    ImplicitSharing,
    IndependentMateSelector,
    LexicaseMateSelector,
    LexicaseSelector,
    MateSelector,
    MaxUnionMateSelector,
    Mutation,
    NegativeAssortativeMateSelector,
    NoveltySharing,
    PairMateSelector,
    PlusReplacement,
    RawSharing,
    RealGenome,
    Replacement,
    RestrictedMateSelector,
    RestrictedTournamentReplacement,
    RouletteSelector,
    Selector,
    Sharing,
    ShuffleSelector,
    SpeciationSharing,
    TournamentSelector,
    UniformCrossover,
    UniformMateSelector,
    UniformSelector,
    WorstReplacement,
)

LENGTH, SIZE = 3, 4
LINE = RealGenome(LENGTH)
CAUSES = (RuntimeError, MemoryError, KeyboardInterrupt)

RANK = RouletteSelector()
METHODS = {
    "M2N2": {},
    "implicit": {"sharing": ImplicitSharing(), "replacement": GenerationalReplacement(0)},
    "explicit": {"sharing": ExplicitSharing(LINE, 1.0), "replacement": GenerationalReplacement(0)},
    "explicit, one leaves": {"sharing": ExplicitSharing(LINE, 1.0)},
    "clearing": {"sharing": ClearingSharing(LINE, 1.0), "replacement": GenerationalReplacement(1)},
    "species": {"sharing": SpeciationSharing(LINE, 1.0), "replacement": GenerationalReplacement(0)},
    "antigens": {"sharing": AntigenSharing(2), "replacement": GenerationalReplacement(0)},
    "novelty": {"sharing": NoveltySharing("scores"), "replacement": GenerationalReplacement(0)},
    "adaptive": {"sharing": AdaptiveSharing(), "replacement": GenerationalReplacement(1)},
    "adaptive, one leaves": {"sharing": AdaptiveSharing()},
    "lexicase": {"selector": LexicaseSelector(), "replacement": GenerationalReplacement(0)},
    "epsilon lexicase": {"selector": EpsilonLexicaseSelector(), "replacement": GenerationalReplacement(0)},
    "down-sampled lexicase": {"selector": DownsampledLexicaseSelector(0.5), "replacement": GenerationalReplacement(0)},
    "DALex": {"selector": DalexSelector(), "replacement": GenerationalReplacement(0)},
    "deterministic crowding": {
        "selector": ShuffleSelector(),
        "mates": PairMateSelector(),
        "replacement": DeterministicCrowdingReplacement(LINE),
    },
    "restricted tournament": {
        "selector": ShuffleSelector(),
        "mates": UniformMateSelector(),
        "replacement": RestrictedTournamentReplacement(LINE, 2),
    },
    "crowding": {"replacement": CrowdingReplacement(LINE, 2)},
    "crowding differential evolution": {
        "selector": ShuffleSelector(),
        "mates": UniformMateSelector(),
        "crossover": DifferentialCrossover(),
        "replacement": RestrictedTournamentReplacement("scores", SIZE),
    },
    "mating restriction": {"mates": RestrictedMateSelector(LINE, 1.0)},
    "negative assortative": {"mates": NegativeAssortativeMateSelector(LINE, RANK)},
    "max-union": {"mates": MaxUnionMateSelector()},
    "lexicase mates": {"mates": LexicaseMateSelector()},
    "plus": {"selector": UniformSelector(), "replacement": PlusReplacement()},
    "tournament": {"selector": TournamentSelector(2), "sharing": RawSharing()},
}  # fmt: skip


class Fault:
    """Raises at one of the next calls of any part."""

    def __init__(self):
        self.calls, self.cause = 0, RuntimeError

    def arm(self, calls, cause):
        self.calls, self.cause = calls, cause

    def __call__(self):
        self.calls -= 1
        if not self.calls:
            raise self.cause("a part failed")


def faulty(role, verb, part, fault):
    """The same part, which fails before or after its work when the fault is due."""

    def call(self, *args, **kwargs):
        fault()
        answer = getattr(part, verb)(*args, **kwargs)
        fault()
        return answer

    shell = type("Faulty", (role,), {verb: call, "__deepcopy__": lambda self, memo: self})()
    if hasattr(part, "distance"):
        shell.distance = part.distance
    return shell


def evolution_of(method, fault=lambda: None, seed=0):
    """One of the methods, all of whose parts have the fault."""
    given = {
        "sharing": RawSharing() if method not in ("M2N2", "max-union") else ImplicitSharing(),
        "selector": RANK,
        "mates": AttractionMateSelector() if method == "M2N2" else IndependentMateSelector(RANK),
        "crossover": UniformCrossover(),
        "mutation": GaussianMutation(0.3),
        "replacement": WorstReplacement(),
    } | METHODS[method]
    roles = {
        "sharing": (Sharing, "fitness"),
        "selector": (Selector, "select"),
        "mates": (MateSelector, "mates"),
        "crossover": (Crossover, "cross"),
        "mutation": (Mutation, "mutate"),
        "replacement": (Replacement, "replace"),
    }
    parts = {name: faulty(*roles[name], part, fault) for name, part in given.items()}
    return Evolution(LINE, population_size=SIZE, seed=seed, **parts)


def grades(genomes):
    """Four cases, graded."""
    return np.exp(-((genomes[:, :1] - np.arange(4.0)) ** 2) - genomes[:, 1:2] ** 2)


def state(evolution):
    """All that a call which fails must leave as it was."""
    population = evolution.population
    memory = {repr(key): value for key, value in vars(population).get("_memory", {}).items()}
    return copy.deepcopy({
        "scores": np.array(population.scores),
        "genomes": np.array(population.genomes),
        "ids": np.array(population.ids),
        "parents": np.array(population.parents),
        "load": np.array(population.load),
        "told": population.told,
        "fitness": np.array(population.fitness) if len(population) else None,
        "remembered": sorted(memory),
        "evaluations": evolution.evaluations,
        "best": evolution.best and (evolution.best.id, evolution.best.score, evolution.best.genome),
        "pending": None if evolution.pending is None else evolution.pending.ids,
    })


class Faults(RuleBasedStateMachine):
    """An evolution whose parts fail now and then, beside a twin whose parts never do."""

    @initialize(method=st.sampled_from(sorted(METHODS)), seed=st.integers(0, 3))
    def start(self, method, seed):
        self.fault = Fault()
        self.evolution, self.twin = evolution_of(method, self.fault, seed), evolution_of(method, seed=seed)
        self.same()

    def same(self):
        np.testing.assert_equal(state(self.evolution), state(self.twin))

    def once_more_after(self, calls, cause, call):
        """Let a call fail; nothing has changed, and the same call is right the second time."""
        self.fault.arm(calls, CAUSES[cause])
        try:
            answer = call()
        except (*CAUSES, ValueError) as error:
            if isinstance(error, ValueError):
                raise
            self.fault.arm(0, RuntimeError)
            self.same()
            answer = call()
        self.fault.arm(0, RuntimeError)
        return answer

    @rule(n=st.integers(1, 5), calls=st.integers(0, 12), cause=st.integers(0, 2))
    def ask(self, n, calls, cause):
        told = len(self.twin.population)
        if not told and self.twin.pending is not None and len(self.twin.pending) == SIZE:
            return
        children = self.once_more_after(calls, cause, lambda: self.evolution.ask(n))
        others = self.twin.ask(n)
        assert np.array_equal(children.genomes, others.genomes)
        assert np.array_equal(children.parents, others.parents)
        self.same()

    @rule(data=st.data(), calls=st.integers(0, 12), cause=st.integers(0, 2))
    def tell(self, data, calls, cause):
        if (pending := self.twin.pending) is None:
            return
        ids = data.draw(st.lists(st.sampled_from(pending.ids.tolist()), min_size=1, max_size=6, unique=True))
        scores = grades(pending.take(np.searchsorted(pending.ids, np.sort(ids))).genomes)
        ids = sorted(ids)
        self.once_more_after(calls, cause, lambda: self.evolution.tell(ids, scores))
        self.twin.tell(ids, scores)
        self.same()

    @rule(data=st.data(), count=st.booleans())
    def give_up(self, data, count):
        if (pending := self.twin.pending) is None or (len(self.twin.population) == 0 and self.twin.evaluations == 0):
            return
        ids = data.draw(st.lists(st.sampled_from(pending.ids.tolist()), min_size=1, max_size=2, unique=True))
        for evolution in (self.evolution, self.twin):
            evolution.give_up(ids, count=count)
        self.same()


Faults.TestCase.settings = settings(max_examples=150, stateful_step_count=15, deadline=None)
TestFaults = Faults.TestCase

PACKAGE = str(Path(evoniche.__file__).parent)


def raise_at(line, call, cause=KeyboardInterrupt):
    """Call, with an exception at that line of evoniche's code.

    Returns:
        How many lines there were, and whether the exception came out.
    """
    lines, before = 0, sys.gettrace()

    def trace(frame, event, _):
        nonlocal lines
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            lines += 1
            if lines == line:
                raise cause("at any line")
        return trace

    sys.settrace(trace)
    try:
        call()
    except cause:
        return lines, True
    finally:
        sys.settrace(before)
    return lines, False


@pytest.mark.parametrize("call", ["ask", "tell"])
@pytest.mark.parametrize("method", METHODS)
def test_an_exception_at_any_line_changes_nothing(method, call):
    """As Ctrl-C or a MemoryError may come."""
    begun = evolution_of(method)
    for _ in range(3):
        begun.tell(children := begun.ask(2), grades(children.genomes))
    children = begun.ask(3)

    def act(evolution):
        return evolution.ask(2) if call == "ask" else evolution.tell(children, grades(children.genomes))

    undisturbed = copy.deepcopy(begun)
    lines, _ = raise_at(0, lambda: act(undisturbed))
    assert lines > 30
    evolution, before, after = copy.deepcopy(begun), state(begun), state(undisturbed)
    for line in range(1, lines + 1):
        _, raised = raise_at(line, lambda: act(evolution))
        assert raised, line
        np.testing.assert_equal(state(evolution), before, err_msg=f"an exception at line {line} of {call}")
    act(evolution)
    np.testing.assert_equal(state(evolution), after)


def test_a_second_exception_while_the_first_is_undone_is_mended_by_the_next_call():
    begun = evolution_of("M2N2")
    for _ in range(4):
        begun.tell(children := begun.ask(2), grades(children.genomes))
    children = begun.ask(1)
    best = np.full((1, 4), 2.0)  # so that the child stays, and a member has to be put back
    undisturbed = copy.deepcopy(begun)
    undisturbed.tell(children, best)
    where = str(Path(PACKAGE, "population"))

    class Twice(Replacement):
        def replace(self, population, offspring):
            WorstReplacement().replace(population, offspring)
            raise RuntimeError("the first")

    torn = 0
    for line in range(1, 60):
        evolution = copy.deepcopy(begun)
        good = evolution.parts
        object.__setattr__(evolution, "parts", copy.copy(good))
        object.__setattr__(evolution.parts, "replacement", Twice())
        seen, undoing, before = 0, False, sys.gettrace()

        def trace(frame, event, _):
            nonlocal seen, undoing
            if frame.f_code.co_name == "roll_back":
                undoing = True
            if not (undoing and frame.f_code.co_filename.startswith(where)):
                return trace
            if event == "line":
                seen += 1
                if seen == line:  # noqa: B023 - called in this round alone
                    raise MemoryError("the second")
            return trace

        sys.settrace(trace)
        try:
            evolution.tell(children, best)
        except MemoryError:
            torn += 1
        except RuntimeError:
            pass
        finally:
            sys.settrace(before)
        object.__setattr__(evolution, "parts", good)
        evolution.tell(children, best)
        np.testing.assert_equal(state(evolution), state(undisturbed), err_msg=f"line {line}")
    assert torn > 5


def test_ctrl_c_at_random_moments_of_a_loop_by_hand():
    """Real signals, which come between any two steps of the interpreter."""
    rng = np.random.default_rng(0)
    evolution, undisturbed = evolution_of("M2N2"), evolution_of("M2N2")
    caught = 0

    def go_on():
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 1e-3))
        while evolution.evaluations < 400:
            children = evolution.pending or evolution.ask(1)
            evolution.tell(children, grades(children.genomes))
        signal.setitimer(signal.ITIMER_REAL, 0)

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        while evolution.evaluations < 400:
            try:
                go_on()
            except KeyboardInterrupt:
                caught += 1
        while True:
            try:
                signal.signal(signal.SIGALRM, signal.SIG_IGN)
                break
            except KeyboardInterrupt:  # the last of them, late
                continue
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    while undisturbed.evaluations < 400:
        children = undisturbed.ask(1)
        undisturbed.tell(children, grades(children.genomes))
    assert caught > 20
    np.testing.assert_equal(state(evolution), state(undisturbed))


def test_threads_that_ask_and_tell_get_one_child_each():
    evolution = evoniche.m2n2(genome=LINE, mutation=GaussianMutation(0.2), population_size=10, seed=0)
    evolution.tell(children := evolution.ask(10), grades(children.genomes))
    seen, errors = [], []

    def work():
        try:
            for _ in range(50):
                child = evolution.ask(1)
                seen.extend(child.ids.tolist())
                evolution.tell(child, grades(child.genomes))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not errors
    assert sorted(seen) == list(range(10, 410))
    assert (evolution.evaluations, evolution.pending) == (410, None)
    population = evolution.population
    assert len(set(population.ids.tolist())) == len(population) == 10
    np.testing.assert_array_equal(population.scores, grades(population.genomes))
    np.testing.assert_allclose(population.load, population.scores.sum(axis=0))


def test_a_second_thread_cannot_run_what_another_runs():
    entered, ended = threading.Event(), threading.Event()

    def wait(genomes):
        entered.set()
        ended.wait(20)
        return grades(genomes)

    evolution = evoniche.m2n2(wait, genome=LINE, seed=0)
    thread = threading.Thread(target=evolution.run, args=(1,), kwargs={"progress": False})
    thread.start()
    entered.wait(20)
    try:
        with pytest.raises(RuntimeError, match="another thread runs this evolution"):
            evolution.run(1, progress=False)
    finally:
        ended.set()
        thread.join()
    assert evolution.evaluations == 1


@pytest.mark.parametrize("verb", ["ask", "tell", "give_up"])
def test_a_part_that_calls_its_own_evolution_is_refused(verb):
    class Meddling(Replacement):
        armed = False

        def replace(self, population, offspring):
            WorstReplacement().replace(population, offspring)
            armed, Meddling.armed = Meddling.armed, False
            if armed and verb == "ask":
                evolution.ask(1)
            elif armed and verb == "tell":
                evolution.tell(other, grades(other.genomes))
            elif armed:
                evolution.give_up(other)

    evolution = Evolution(LINE, replacement=Meddling(), population_size=SIZE, seed=0)
    evolution.tell(children := evolution.ask(4), grades(children.genomes))
    child, other = evolution.ask(1), evolution.ask(1)
    before, Meddling.armed = state(evolution), True
    with pytest.raises(RuntimeError, match="must not call ask, tell or give_up"):
        evolution.tell(child, grades(child.genomes))
    np.testing.assert_equal(state(evolution), before)
    evolution.tell(child, grades(child.genomes))
    evolution.tell(other, grades(other.genomes))
    assert evolution.evaluations == 6


@pytest.mark.parametrize("left", [0, SIZE + 1])
def test_a_replacement_that_leaves_too_many_or_nobody_is_refused(left):
    class Wrong(Replacement):
        def replace(self, population, offspring):
            population.add(offspring)
            if population.told > SIZE and not left:
                population.remove(np.arange(len(population)))

    evolution = Evolution(LINE, replacement=Wrong(), population_size=SIZE, seed=0)
    for _ in range(SIZE):
        evolution.tell(child := evolution.ask(1), grades(child.genomes))
    child = evolution.ask(1)
    before = state(evolution)
    with pytest.raises(ValueError, match=rf"must leave from 1 to {SIZE} members, got {left}"):
        evolution.tell(child, grades(child.genomes))
    np.testing.assert_equal(state(evolution), before)


def test_an_evolution_pickles_in_the_middle():
    evolution = evoniche.m2n2(genome=LINE, mutation=GaussianMutation(0.2), population_size=SIZE, seed=0)
    evolution.tell(children := evolution.ask(4), grades(children.genomes))
    children = evolution.ask(2)
    twin = pickle.loads(pickle.dumps(evolution))
    sent = pickle.loads(pickle.dumps(children))
    for each, told in ((evolution, children), (twin, sent)):
        each.tell(told, grades(told.genomes))
        each.tell(more := each.ask(3), grades(more.genomes))
    np.testing.assert_equal(state(twin), state(evolution))
