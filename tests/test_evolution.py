"""The loop: asking, telling and running."""

import copy
import dataclasses
import random

import attrs
import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import evoniche
from evoniche import (
    AttractionMateSelector,
    BinaryGenome,
    BitFlipMutation,
    Evolution,
    GaussianMutation,
    ImplicitSharing,
    ObjectGenome,
    RawSharing,
    RealGenome,
    RouletteSelector,
    SingleScorer,
    SplitSlerpCrossover,
    UniformCrossover,
    WorstReplacement,
    ga,
    m2n2,
)
from evoniche.randomness import generator


def bits(genomes):
    """Every bit is a case."""
    return genomes


def on_bits(scorer=bits, *, seed=0, length=8, **arguments):
    defaults = {
        "genome": BinaryGenome(length),
        "crossover": UniformCrossover(),
        "mutation": BitFlipMutation(),
        "population_size": 6,
    }
    return m2n2(scorer, seed=seed, **(defaults | arguments))


def everything(evolution):
    """All that another run must equal bit for bit."""
    population = evolution.population
    return {
        "scores": population.scores.copy(),
        "genomes": np.array(population.genomes),
        "ids": population.ids.copy(),
        "parents": population.parents.copy(),
        "load": population.load.copy(),
        "evaluations": evolution.evaluations,
        "best": evolution.best and (evolution.best.id, evolution.best.score, evolution.best.genome.tolist()),
    }


class AskAndTell(RuleBasedStateMachine):
    """Asks and tells in any order, beside what a user knows: the open children, and those told with their scores."""

    @initialize(seed=st.integers(0, 5), initial=st.integers(1, 7), size=st.integers(2, 5))
    def start(self, seed, initial, size):
        self.evolution = on_bits(None, seed=seed, initial=initial, population_size=size, length=4)
        self.first = initial
        self.open, self.told = {}, {}

    def can_ask(self):
        return len(self.open) + len(self.told) < self.first or self.told

    @precondition(can_ask)
    @rule(n=st.integers(1, 4))
    def ask(self, n):
        given = len(self.open) + len(self.told)
        members = set(self.evolution.population.ids.tolist())
        children = self.evolution.ask(n)
        assert children.ids.tolist() == list(range(given, given + len(children)))
        if given < self.first:
            assert len(children) == min(n, self.first - given)
            assert (children.parents == -1).all()
        else:
            assert len(children) == n
            assert set(children.parents.ravel().tolist()) <= members
        self.open |= {int(child): children.take([place]) for place, child in enumerate(children.ids)}

    @precondition(lambda self: self.open)
    @rule(data=st.data(), by_id=st.booleans())
    def tell(self, data, by_id):
        ids = data.draw(st.lists(st.sampled_from(sorted(self.open)), min_size=1, unique=True))
        scores = np.array([self.open[child].genomes[0] for child in ids])
        if by_id:
            self.evolution.tell(ids, scores)
        else:
            for child, row in zip(ids, scores, strict=True):
                self.evolution.tell(self.open[child], row[None])
        self.told |= {child: self.open.pop(child) for child in ids}

    @invariant()
    def nothing_is_lost(self):
        evolution, population = self.evolution, self.evolution.population
        assert evolution.evaluations == len(self.told)
        assert sorted([] if evolution.pending is None else evolution.pending.ids.tolist()) == sorted(self.open)
        assert len(population) == min(len(self.told), evolution.population_size)
        assert len(set(population.ids.tolist())) == len(population)
        for place, child in enumerate(population.ids.tolist()):
            assert np.array_equal(population.genomes[place], self.told[child].genomes[0])
            assert np.array_equal(population.scores[place], self.told[child].genomes[0])
            assert np.array_equal(population.parents[place], self.told[child].parents[0])
        np.testing.assert_allclose(population.load, population.scores.sum(axis=0))
        if self.told:
            assert evolution.best.score == max(child.genomes.mean() for child in self.told.values())
            assert np.array_equal(evolution.best.genome, self.told[evolution.best.id].genomes[0])


AskAndTell.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestAskAndTell = AskAndTell.TestCase


def test_initial_genomes_come_first_and_unmixed():
    seeds = np.eye(5)
    evolution = m2n2(initial=seeds, population_size=4, seed=0)
    first, rest = evolution.ask(3), evolution.ask(3)
    assert np.array_equal(np.concatenate([first.genomes, rest.genomes]), seeds)
    assert (first.ids.tolist(), rest.ids.tolist()) == ([0, 1, 2], [3, 4])
    evolution.tell(rest, np.ones((2, 7)))
    children = evolution.ask(3)
    assert children.ids.tolist() == [5, 6, 7]
    assert set(children.parents.ravel().tolist()) == {3, 4}


@pytest.mark.parametrize(
    ("initial", "kind"),
    [
        (np.eye(3), np.ndarray),
        (list(np.eye(3)), np.ndarray),
        (torch.eye(3), torch.Tensor),
        (list(torch.eye(3)), torch.Tensor),
        (["a", "bb", "ccc"], list),
        (("a", "bb", "ccc"), list),
        ([[1], [1, 2], [1, 2, 3]], list),
    ],
)
def test_initial_genomes_of_any_kind(initial, kind):
    children = m2n2(initial=initial, crossover=None).ask(3)
    assert type(children.genomes) is kind
    assert all(np.array_equal(child, genome) for child, genome in zip(children.genomes, initial, strict=True))


def test_random_initial_genomes_follow_from_the_seed():
    once, again, other = (on_bits(None, seed=seed, initial=4, length=50).ask(4).genomes for seed in (1, 1, 2))
    assert once.shape == (4, 50)
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_told_by_ids_across_asks_each_child_gets_its_scores():
    evolution = on_bits(None, initial=6)
    one, two = evolution.ask(2), evolution.ask(3)
    ids = [4, 0, 2]
    evolution.tell(ids, np.array([[4.0], [0.0], [2.0]]))
    assert evolution.pending.ids.tolist() == [1, 3]
    genomes = np.concatenate([one.genomes, two.genomes])
    for member in map(evolution.population.member, range(3)):
        assert member.scores == [member.id]
        assert np.array_equal(member.genome, genomes[member.id])


def test_a_tell_may_say_what_became_of_the_genomes():
    """A scorer that repairs or trains what it scores."""
    evolution = m2n2(initial=np.zeros((2, 3)), seed=0)
    children = evolution.ask(2)
    evolution.tell(attrs.evolve(children, genomes=children.genomes + 5), np.ones((2, 4)))
    assert (evolution.population.genomes == 5).all()


def test_a_child_without_operators_is_its_first_parent():
    evolution = m2n2(initial=np.arange(12.0).reshape(4, 3), crossover=None, seed=0)
    evolution.tell(evolution.ask(4), np.eye(4))
    children = evolution.ask(50)
    assert set(children.parents[:, 0].tolist()) == {0, 1, 2, 3}
    assert (children.parents[:, 1] == -1).all()
    assert np.array_equal(children.genomes, np.arange(12.0).reshape(4, 3)[children.parents[:, 0]])


def test_mutation_alone_starts_from_the_first_parent():
    evolution = m2n2(initial=np.zeros((2, 1000)), crossover=None, mutation=GaussianMutation(0.5), seed=0)
    evolution.tell(evolution.ask(2), np.eye(2))
    child = evolution.ask(1)
    assert child.parents[0, 1] == -1
    assert 0.45 < child.genomes.std() < 0.55


def test_the_draws_of_an_ask_follow_from_seed_and_number():
    """What `Offspring` promises: seed and ask are the whole record of what the operators drew."""
    evolution = m2n2(initial=np.random.default_rng(0).random((5, 9)), mutation=GaussianMutation(0.1), seed=42)
    evolution.tell(evolution.ask(5), np.random.default_rng(1).random((5, 6)))
    evolution.ask(2)
    children = evolution.ask(4)
    assert (children.seed, children.ask) == (42, 2)
    rng, population = generator(42, 2), evolution.population
    first = RouletteSelector().select(population, 4, rng=rng)
    mates = AttractionMateSelector().mates(population, first, rng=rng)
    genomes = SplitSlerpCrossover().cross(population.genomes[first], population.genomes[mates], rng=rng)
    assert np.array_equal(children.genomes, GaussianMutation(0.1).mutate(genomes, rng=rng))
    assert np.array_equal(children.parents, population.ids[np.array([first, mates]).T])


def test_an_ask_does_not_depend_on_how_many_the_one_before_wanted():
    one, two = (on_bits(None, initial=4) for _ in range(2))
    for evolution, n in ((one, 1), (two, 9)):
        children = evolution.ask(4)
        evolution.tell(children, children.genomes)
        evolution.ask(n)
    assert np.array_equal(one.ask(3).genomes, two.ask(3).genomes)


@pytest.mark.parametrize(
    "watched",
    [
        {},
        {"progress": True},
        {"record_every": 1},
        {"metrics": {"size": lambda evolution: len(evolution.population)}},
        {"callbacks": [lambda evolution: False]},
    ],
    ids=lambda watched: "".join(watched) or "same",
)
def test_the_same_seed_is_the_same_run(watched):
    plain, other = on_bits(seed=3), on_bits(seed=3)
    plain.run(200, progress=False)
    other.run(200, **({"progress": False} | watched))
    np.testing.assert_equal(everything(other), everything(plain))


def test_a_run_in_two_parts_is_the_same_run():
    whole, parts = on_bits(seed=3), on_bits(seed=3)
    whole.run(100, progress=False)
    parts.run(37, progress=False)
    parts.run(13, progress=False)
    parts.run(total=100, progress=False)
    np.testing.assert_equal(everything(parts), everything(whole))


def test_another_seed_is_another_run():
    one, two = on_bits(seed=3), on_bits(seed=4)
    one.run(10, progress=False)
    two.run(10, progress=False)
    assert not np.array_equal(one.population.genomes, two.population.genomes)


def test_without_a_seed_each_run_is_another_and_can_be_repeated():
    one, two = on_bits(seed=None), on_bits(seed=None)
    assert one.seed != two.seed
    again = on_bits(seed=one.seed)
    one.run(50, progress=False)
    again.run(50, progress=False)
    np.testing.assert_equal(everything(again), everything(one))


def test_global_randomness_is_left_alone():
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    on_bits().run(50, progress=False)
    np.testing.assert_equal((random.getstate(), np.random.get_state()), before)  # noqa: NPY002


def test_a_budget_is_so_many_more_or_so_many_in_all_and_never_exceeded():
    evolution = on_bits(batch_size=4)
    assert evolution.run(10, progress=False).evaluations == 10
    result = evolution.run(25, progress=False)
    assert (result.evaluations, result.stopped, evolution.evaluations) == (35, "evaluations", 35)
    assert evolution.run(total=50, progress=False).evaluations == 50
    with pytest.raises(ValueError, match=r"give evaluations=\.\.\. .* or total="):
        evolution.run(10, total=60)


@pytest.mark.parametrize("budget", [{"evaluations": 0}, {"total": 20}, {"total": 7}, {"target": 0.1}, {"seconds": 0}])
def test_a_run_that_has_nothing_to_do_says_so(budget):
    evolution = on_bits()
    evolution.run(20, progress=False)
    with pytest.warns(UserWarning, match=r"nothing to do.*after 20 evaluations"):
        result = evolution.run(**budget, progress=False)
    assert result.evaluations == 20


def test_batch_size_is_what_the_scorer_gets():
    sizes = []

    def scorer(genomes):
        sizes.append(len(genomes))
        return genomes

    on_bits(scorer, batch_size=4, initial=6).run(16, progress=False)
    assert sizes == [4, 2, 4, 4, 2]


def test_seconds_end_a_run_and_begin_anew_with_the_next():
    evolution = on_bits()
    first = evolution.run(seconds=0.05, progress=False)
    assert first.stopped == "seconds"
    assert evolution.run(seconds=0.05, progress=False).evaluations > first.evaluations


def test_a_target_ends_the_run_that_reaches_it():
    told = []

    def scorer(genomes):
        told.extend(genomes.mean(axis=1))
        return genomes

    result = on_bits(scorer, length=20).run(5000, target=0.9, progress=False)
    assert result.stopped == "target"
    assert told[-1] == result.best.score >= 0.9
    assert max(told[:-1]) < 0.9


def test_a_callback_sees_every_tell_and_can_stop():
    seen, also = [], []

    def stop(evolution):
        seen.append(evolution.evaluations)
        return len(seen) == 3

    result = on_bits(batch_size=2).run(callbacks=[stop, lambda evolution: also.append(evolution.evaluations)])
    assert (result.stopped, result.evaluations) == ("callback", 6)
    assert seen == also == [2, 4, 6]


def test_the_history_describes_the_members_alive():
    evolution = on_bits()
    rows = []
    result = evolution.run(40, record_every=1, progress=False, callbacks=[lambda e: rows.append(everything(e))])
    scores = [row["scores"] for row in rows]
    shares = [s.mean(axis=0) for s in scores]
    mixed = [np.where((p == 0) | (p == 1), 0.5, p) for p in shares]
    bits_each = [-(q * np.log2(q) + (1 - q) * np.log2(1 - q)) for q in mixed]
    history = result.history
    assert list(history) == ["evaluations", "seconds", "scored", "best", "best_member", "mean", "coverage", "entropy"]
    assert history["evaluations"].tolist() == list(range(1, 41))
    assert (np.diff(history["seconds"]) >= 0).all()
    np.testing.assert_allclose(history["best"], [row["best"][1] for row in rows])
    np.testing.assert_allclose(history["best_member"], [s.mean(axis=1).max() for s in scores])
    np.testing.assert_allclose(history["mean"], [s.mean() for s in scores])
    np.testing.assert_allclose(history["coverage"], [s.max(axis=0).mean() for s in scores])
    expected = [np.where((p == 0) | (p == 1), 0, b).mean() for p, b in zip(shares, bits_each, strict=True)]
    np.testing.assert_allclose(history["entropy"], expected, atol=1e-6)


@pytest.mark.parametrize(("batch_size", "expected"), [(1, [1, 11, 21, 25]), (8, [8, 24, 25])])
def test_records_come_as_often_as_asked_and_at_the_end(batch_size, expected):
    result = on_bits(batch_size=batch_size, initial=8).run(25, record_every=10, progress=False)
    assert result.history["evaluations"].tolist() == expected


def test_metrics_are_columns_and_nan_where_nobody_measured():
    evolution = on_bits()
    evolution.run(10, record_every=5, progress=False)
    result = evolution.run(10, record_every=5, progress=False, metrics={"size": lambda e: len(e.population)})
    lengths = {len(column) for column in result.history.values()}
    assert lengths == {len(result.history["evaluations"])}
    early = result.history["evaluations"] <= 10
    assert np.isnan(result.history["size"][early]).all()
    assert (result.history["size"][~early] == 6).all()


def test_nothing_is_printed_without_progress(capfd):
    on_bits().run(50, progress=False)
    assert capfd.readouterr() == ("", "")


def test_progress_goes_to_standard_error_and_shows_best_and_coverage(capfd):
    on_bits().run(50)
    out, err = capfd.readouterr()
    assert out == ""
    assert "50/50" in err
    assert "best=" in err
    assert "coverage=" in err


def test_the_result():
    evolution = on_bits()
    empty = evolution.result()
    assert (empty.best, empty.evaluations, empty.history, empty.stopped) == (None, 0, {}, "")
    result = evolution.run(60, progress=False)
    assert result.best.score == result.best.scores.mean()
    assert np.array_equal(result.best.scores, result.best.genome)
    assert 0 <= result.best.id < 60
    assert all(-1 <= parent < result.best.id for parent in result.best.parents)
    assert evolution.result().evaluations == 60


def test_the_best_is_kept_when_the_population_drops_it():
    evolution = m2n2(initial=np.eye(3), capacity=[0, 0, 0, 1], population_size=2, seed=0)
    best, *others = (evolution.ask(1) for _ in range(3))
    evolution.tell(best, [[1, 1, 1, 0]])
    for other in others:
        evolution.tell(other, [[0, 0, 0, 1]])
    assert sorted(evolution.population.ids.tolist()) == [1, 2]
    assert evolution.result().best.id == 0
    assert evolution.result().best.score == 0.75
    assert evolution.result().best.genome.tolist() == [1, 0, 0]


def test_the_best_is_the_first_of_equals():
    evolution = m2n2(initial=np.eye(3), seed=0)
    for scores in ([[1, 0]], [[0, 1]], [[1, 0]]):
        evolution.tell(evolution.ask(1), scores)
    assert evolution.best.id == 0


@dataclasses.dataclass
class Plan:
    """A genome of a user's own class."""

    steps: list


def word(rng):
    return "".join(rng.choice(list("ab"), size=rng.integers(1, 5)))


def grow(genome, rng):
    """Append something that fits."""
    if isinstance(genome, str):
        return genome + "ab"[rng.integers(2)]
    if isinstance(genome, tuple):
        return (*genome, int(rng.integers(2)))
    genome.steps.append(int(rng.integers(2)))
    return genome


def halves(a, b, rng):
    """The first half of one and the second of the other."""
    if isinstance(a, Plan):
        return Plan(a.steps[: len(a.steps) // 2] + b.steps[len(b.steps) // 2 :])
    return a[: len(a) // 2] + b[len(b) // 2 :]


@pytest.mark.parametrize(
    "create",
    [word, lambda rng: tuple(rng.integers(2, size=rng.integers(1, 5)).tolist()), lambda rng: Plan([1])],
    ids=["strings", "tuples", "dataclasses"],
)
def test_any_object_evolves_with_plain_functions(create):
    def length(genome):
        return [min(len(genome.steps if isinstance(genome, Plan) else genome), 9)]

    genome = ObjectGenome(create)
    evolution = m2n2(SingleScorer(length), genome=genome, crossover=halves, mutation=grow, seed=0)
    result = evolution.run(300, progress=False)
    kind = type(create(generator(0)))
    assert all(type(member) is kind for member in result.population.genomes)
    assert (result.population.scores == 9).all()


def spoil(a, b, rng):
    a[0], b[0] = 99, 99
    return a


@pytest.mark.parametrize(
    "initial", [np.zeros((3, 2)), [[0, 0], [0], [0, 0, 0]], torch.zeros(3, 2)], ids=["array", "lists", "torch"]
)
def test_functions_that_change_their_arguments_change_only_the_child(initial):
    before = copy.deepcopy(initial)
    evolution = m2n2(initial=initial, crossover=spoil, mutation=lambda genome, rng: spoil(genome, [0], rng), seed=0)
    evolution.tell(evolution.ask(3), np.eye(3))
    children = evolution.ask(20)
    assert all(child[0] == 99 for child in children.genomes)
    assert all(member[0] == 0 for member in evolution.population.genomes)
    assert all(np.array_equal(a, b) for a, b in zip(initial, before, strict=True))


def test_changing_the_initial_genomes_later_changes_no_run():
    seeds = np.eye(3)
    evolution = m2n2(initial=seeds, seed=0)
    seeds[:] = 7
    assert np.array_equal(evolution.ask(3).genomes, np.eye(3))


def test_changing_told_genomes_and_scores_changes_no_member():
    evolution = m2n2(initial=np.eye(3), seed=0)
    children, scores = evolution.ask(3), np.eye(3)
    evolution.tell(children, scores)
    children.genomes[:] = 7
    scores[:] = 7
    assert np.array_equal(evolution.population.genomes, np.eye(3))
    assert np.array_equal(evolution.population.scores, np.eye(3))
    assert evolution.best.scores.max() == 1


@pytest.mark.parametrize("elites", [0, 1, 3])
def test_generations_keep_their_elites(elites):
    """Heavy mutation spoils most children: only elites hold what was reached."""
    evolution = ga(
        bits,
        genome=BinaryGenome(30),
        crossover=UniformCrossover(),
        mutation=BitFlipMutation(0.2),
        generational=True,
        elites=elites,
        population_size=10,
        seed=0,
    )
    tops, kept = [], []

    def watch(evolution):
        means, ids = evolution.population.means, evolution.population.ids
        fittest = set(ids[np.argsort(-means)[:elites]].tolist())
        kept.append((fittest, set(ids.tolist())))
        tops.append(means.max())

    evolution.run(10 + 40 * (10 - elites), callbacks=[watch], progress=False)
    assert len(evolution.population) == 10
    falls = (np.diff(tops) < 0).any()
    assert falls == (elites == 0)
    values = [len(old & now) for (_, old), (_, now) in zip(kept[-30:], kept[-29:], strict=False)]
    assert set(values) == {elites}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_genomes_from_end_to_end(dtype):
    target = torch.linspace(-1, 1, 10, dtype=dtype)

    def closeness(genomes):
        assert isinstance(genomes, torch.Tensor)
        return torch.exp(-((genomes - target) ** 2))

    start = torch.zeros((2, 10), dtype=dtype)
    evolution = m2n2(closeness, initial=start, mutation=GaussianMutation(0.1), capacity="max", seed=0)
    result = evolution.run(150, progress=False)
    assert result.population.genomes.dtype == result.best.genome.dtype == dtype
    assert result.best.score > closeness(start[:1]).mean() + 0.05
    assert (start == 0).all()


def test_numpy_and_torch_genomes_take_the_same_course():
    start = np.random.default_rng(0).normal(size=(4, 12))

    def course(initial, scorer):
        evolution = m2n2(scorer, initial=initial, mutation=GaussianMutation(0.1), population_size=5, seed=1)
        return evolution.run(60, progress=False).population

    ours = course(start, lambda genomes: genomes > 0)
    theirs = course(torch.from_numpy(start), lambda genomes: genomes > 0)
    assert ours.ids.tolist() == theirs.ids.tolist()
    np.testing.assert_allclose(np.asarray(theirs.genomes), ours.genomes, rtol=1e-12)


def test_parts_of_ones_own_choice():
    evolution = Evolution(
        RealGenome(3),
        lambda genomes: np.abs(genomes),
        sharing=RawSharing(),
        selector=RouletteSelector(),
        mates=evoniche.UniformMateSelector(),
        crossover=lambda a, b, rng: (a + b) / 2,
        mutation=None,
        replacement=WorstReplacement(),
        population_size=4,
        seed=0,
    )
    evolution.tell(first := evolution.ask(4), np.ones((4, 2)))
    children = evolution.ask(10)
    parents = first.genomes[children.parents]  # (n, 2, length)
    np.testing.assert_allclose(children.genomes, parents.mean(axis=1))
    assert (children.parents[:, 0] != children.parents[:, 1]).all()


def test_sharing_is_what_the_population_is_priced_by():
    evolution = m2n2(initial=np.eye(2), alpha=2.0, seed=0)
    evolution.tell(evolution.ask(2), [[1.0, 1.0], [1.0, 0.0]])
    assert evolution.parts.sharing == ImplicitSharing(alpha=2.0)
    np.testing.assert_allclose(evolution.population.fitness, [1.25, 0.25])


def test_its_text_tells_where_it_stands():
    evolution = on_bits()
    assert "nothing told yet" in repr(evolution)
    evolution.run(12, progress=False)
    assert "12 evaluations" in repr(evolution)
    assert "6 of 6 members" in repr(evolution)
