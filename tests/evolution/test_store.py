"""Runs in a file: what goes in, what comes out, and how they go on."""

import copy
import csv
import json
import os
import sqlite3
import subprocess
import sys
import threading

import attrs
import numpy as np
import pytest
from click.testing import CliRunner

import evoniche
from evoniche import BinaryGenome, Evolution, ObjectGenome, RealGenome, Store, StoreError, UniformCrossover
from evoniche.commands.group import commands

BITS = 16


def score(bits):
    return bits.astype(float)


def evolution(scorer=score, seed=0, **parts):
    how = {"crossover": UniformCrossover(), "mutation": evoniche.BitFlipMutation(), **parts}
    return Evolution(BinaryGenome(BITS), scorer, seed=seed, **how)


def run(store, total=60, **parts):
    """What an evolution made anew comes to."""
    anew = evolution(**parts)
    anew.run(total=total, store=store, progress=False)
    return anew


def assert_same(one, other):
    for name in ("scores", "ids", "parents", "load", "fitness", "genomes"):
        np.testing.assert_array_equal(getattr(one.population, name), getattr(other.population, name))
    assert one.best.id == other.best.id
    np.testing.assert_array_equal(one.best.genome, other.best.genome)
    assert one.evaluations == other.evaluations
    mine, theirs = one.ask(4), other.ask(4)
    np.testing.assert_array_equal(mine.genomes, theirs.genomes)
    np.testing.assert_array_equal(mine.ids, theirs.ids)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.db"


class StopError(Exception):
    pass


def stopping(after, scorer=score):
    """The same scorer, but that it fails after so many genomes."""
    left = [after]

    def count(bits):
        left[0] -= len(bits)
        if left[0] < 0:
            raise StopError
        return scorer(bits)

    return count


def cut_off(store, after, **parts):
    """A run that its scorer has ended; the store does not mind another scorer here."""
    with pytest.raises(StopError):
        run(attrs.evolve(store, accept=["scorer"]), scorer=stopping(after), **parts)


@pytest.mark.parametrize("genomes", [True, False])
@pytest.mark.parametrize("synchronous", ["full", "normal"])
def test_a_new_evolution_goes_on_where_the_last_one_was_cut_off(path, genomes, synchronous):
    store = Store(path, genomes=genomes, synchronous=synchronous, accept=["scorer"])
    cut_off(store, 33)
    assert_same(run(store), run(None))
    history = store.history()
    for name, column in run(None).result().history.items():
        if name != "seconds":
            np.testing.assert_array_equal(history[name], column)


def test_nothing_is_scored_twice(path):
    scored = []

    def counting(bits):
        scored.append(len(bits))
        return score(bits)

    run(path, scorer=counting)
    run(path, scorer=counting, total=90)
    run(path, scorer=counting, total=90)
    assert sum(scored) == 90


def test_open_children_and_those_given_up_are_there_again(path):
    one = evolution()
    with Store(path).recording(one):
        first, second = one.ask(6), one.ask(6)
        one.tell(second.take([4, 1]), score(second.take([4, 1]).genomes))
        one.give_up(first.take([2]), count=True)
        one.tell(first.take([0]), score(first.take([0]).genomes))
    other = evolution()
    with Store(path).recording(other):
        pass
    np.testing.assert_array_equal(one.pending.ids, other.pending.ids)
    np.testing.assert_array_equal(one.pending.genomes, other.pending.genomes)
    assert_same(one, other)


def test_a_tell_of_children_of_several_asks_draws_the_same_again(path):
    how = {"replacement": evoniche.CrowdingReplacement(BinaryGenome(BITS))}
    one = evolution(**how)
    with Store(path).recording(one):
        for _ in range(3):
            while (open_children := one.ask(5)) is not None and len(one.pending) < 12:
                pass
            assert open_children is not None
            mixed = one.pending
            one.tell(mixed.take([0, 8]), score(mixed.take([0, 8]).genomes))
            one.tell(mixed.take([3]), score(mixed.take([3]).genomes))
    other = evolution(**how)
    with Store(path).recording(other):
        pass
    assert_same(one, other)


def test_genomes_that_the_scorer_has_changed_are_stored(path):
    def repair(bits):
        bits[:, :3] = 1
        return score(bits)

    one = evolution(repair)
    one.run(total=30, store=path, progress=False)
    other = evolution(repair)
    with Store(path).recording(other):
        assert other.evaluations == 30
    assert other.population.genomes[:, :3].all()
    assert_same(one, other)


def test_a_changed_genome_that_cannot_be_stored_is_warned_of(path):
    def grow(words):
        for word in words:
            word.append(1)
        return np.ones((len(words), 2))

    words = ObjectGenome(lambda rng: [int(rng.integers(5))])
    one = Evolution(words, grow, crossover=None, mutation=lambda word, rng: word, seed=0)
    with pytest.warns(UserWarning, match="encode and decode"):
        one.run(total=3, store=path, progress=False)


def test_objects_without_a_way_to_be_stored_are_bred_again(path):
    def make():
        return Evolution(
            ObjectGenome(lambda rng: list(map(int, rng.integers(5, size=4)))),
            lambda words: np.array(words, dtype=float),
            crossover=lambda a, b, rng: [*a[:2], *b[2:]],
            mutation=lambda word, rng: [int(rng.integers(5)), *word[1:]],
            seed=0,
        )

    one = make()
    one.run(total=30, store=path, progress=False)
    with sqlite3.connect(path) as file:
        assert not file.execute("SELECT count(*) FROM genomes").fetchone()[0]
    file.close()
    other = make()
    with Store(path).recording(other):
        pass
    assert other.population.genomes == one.population.genomes
    assert other.ask(3).genomes == one.ask(3).genomes


def test_operators_are_not_asked_again_for_genomes_that_are_stored(path):
    def make(calls):
        def cross(a, b, rng):
            calls.append(1)
            return a.copy()

        return evolution(crossover=cross, mutation=None)

    calls = []
    make(calls).run(total=40, store=path, progress=False)
    paid = len(calls)
    other = make(calls)
    with Store(path).recording(other):
        assert other.evaluations == 40
    assert len(calls) == paid + 1  # the rehearsal


def test_what_an_ask_of_the_fitness_changes_is_the_same_again(path):
    how = {"sharing": evoniche.AdaptiveSharing(interval=7), "selector": evoniche.LexicaseSelector(), "seed": 3}
    look = {"callbacks": [lambda evolution: evolution.evaluations % 5 == 0 and evolution.population.fitness.sum() < 0]}
    one, other, plain = evolution(**how), evolution(**how), evolution(**how)
    one.run(total=50, store=path, progress=False, **look)
    other.run(total=90, store=path, progress=False, **look)
    plain.run(total=90, progress=False, **look)
    assert_same(other, plain)


def test_one_evolution_may_run_in_its_store_again_and_again(path):
    one = evolution()
    for total in (20, 40, 60):
        one.run(total=total, store=path, progress=False)
    other = evolution()
    with Store(path).recording(other):
        pass
    assert_same(one, other)


def test_a_run_that_has_nothing_left_to_do_is_silent(path):
    one, other = run(path), run(path)
    assert_same(one, other)


def test_what_happened_outside_of_the_store_is_refused(path):
    one = evolution()
    one.run(total=20, store=path, progress=False)
    one.ask(1)
    with pytest.raises(StoreError, match="not in the store"):
        one.run(total=40, store=path, progress=False)
    other = evolution()
    other.run(10, progress=False)
    with pytest.raises(StoreError, match="first run"):
        other.run(total=40, store=path, progress=False)


def test_another_process_that_went_on_is_noticed(path):
    one = evolution()
    one.run(total=20, store=path, progress=False)
    run(path, total=40)
    with pytest.raises(StoreError, match="anew"):
        one.run(total=60, store=path, progress=False)


def table_score(bits):
    return bits * PRICES


PRICES = np.ones(BITS)


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"seed": 1}, "seed: there 0, here 1"),
        ({"population_size": 30}, "population_size: there 20, here 30"),
        ({"importance": np.arange(1.0, BITS + 1)}, "importance"),
        ({"initial": np.ones((4, BITS), dtype=np.int64)}, "initial.genomes: there 20, here 4"),
        ({"scorer": lambda bits: bits * 2.0}, "scorer.function.code"),
        ({"scorer": stopping(5)}, "scorer.function"),
        ({"crossover": UniformCrossover(rate=0.25)}, "crossover.rate: there '0.5', here '0.25'"),
        ({"crossover": evoniche.KPointCrossover(points=2)}, "crossover.type"),
        ({"sharing": evoniche.ImplicitSharing(alpha=0.5)}, "sharing.alpha"),
        ({"mutation": None}, "mutation"),
    ],
)
def test_another_run_is_refused_with_what_differs(path, parts, what):
    run(path, 20)
    with pytest.raises(StoreError, match=what.replace("(", r"\(")) as refusal:
        run(path, 40, **parts)
    assert str(path) in str(refusal.value)
    assert "name=" in str(refusal.value)


def test_a_run_from_which_nothing_has_come_gives_its_place_to_the_mended_one(path):
    def mistaken(bits):
        raise StopError

    with pytest.raises(StopError):
        run(path, 40, scorer=mistaken)
    with pytest.raises(StopError):
        run(Store(path, "batches"), 40, scorer=stopping(1), batch_size=1)
    assert_same(run(path, 40, seed=1), run(None, 40, seed=1))
    assert Store(path).about()["seed"] == 1
    assert [(row["name"], row["told"]) for row in Store(path).runs()] == [("main", 40), ("batches", 1)]
    with pytest.raises(StoreError, match="scorer"):  # one score was paid for
        run(Store(path, "batches"), 40, batch_size=1)


def test_other_data_behind_the_same_function_are_refused(path, monkeypatch):
    run(path, 20, scorer=table_score)
    monkeypatch.setitem(globals(), "PRICES", PRICES[::-1] * 2)
    with pytest.raises(StoreError, match=r"scorer\.function\.globals\.PRICES"):
        run(path, 40, scorer=table_score)
    with pytest.raises(StoreError, match="code"):
        run(path, 40, scorer=lambda bits: bits * PRICES / 2)


def test_what_differs_is_said_as_it_would_be_accepted(path):
    run(path, 20)
    with pytest.raises(StoreError, match=r"Store\(\.\.\., accept=\['mutation', 'scorer'\]\)\.$"):
        run(path, 40, scorer=table_score, mutation=None)
    with pytest.raises(StoreError, match=r"Without seed=\.\.\., each evolution is another one\.$"):
        run(path, 40, seed=None)


def words(encode, decode):
    genome = ObjectGenome(lambda rng: "ab" if rng.random() < 0.5 else "ba", encode=encode, decode=decode)
    return Evolution(
        genome, lambda batch: [[len(word)] for word in batch], crossover=lambda a, b, rng: a, mutation=None, seed=0
    )


@pytest.mark.parametrize(
    ("encode", "error", "message"),
    [(str.encode, TypeError, r"encode must return a string \(str\), got bytes"),
     (lambda word: word + "\0", ValueError, "must not end in a null character, got '..")],
)  # fmt: skip
def test_text_that_would_come_back_as_another_is_refused(path, encode, error, message):
    with pytest.raises(error, match=message):
        words(encode, str).run(total=30, store=path, progress=False)


def test_a_decode_that_fails_is_no_damage_of_the_file(path):
    words(str, str).run(total=30, store=path, progress=False)
    mended = Store(path, accept=["genome"])
    with pytest.raises(StoreError, match=r"ObjectGenome cannot make .* \(ValueError: .*decode of encode") as refusal:
        words(str, int).run(total=40, store=mended, progress=False)
    assert "damaged" not in str(refusal.value)
    assert words(str, str).run(total=40, store=mended, progress=False).evaluations == 40


def test_another_version_is_refused_and_may_be_accepted(path, monkeypatch):
    run(path, 20)
    monkeypatch.setattr("evoniche.evolution.storage.identity.__version__", "9.9")
    with pytest.raises(StoreError, match=r"evoniche: there .*, here '9\.9'"):
        run(path, 40)
    assert run(Store(path, accept=["evoniche"]), 40).evaluations == 40


def test_an_operator_that_has_changed_unseen_is_found_by_the_parents(path):
    class Fickle(evoniche.Selector):
        shift = 0

        def select(self, population, n, *, rng):
            return (rng.integers(len(population), size=n) + Fickle.shift) % len(population)

    run(path, 40, selector=Fickle())
    Fickle.shift = 1
    with pytest.raises(StoreError, match="other parents"):
        run(path, 50, selector=Fickle())


def test_several_runs_in_one_file(path):
    for name in ("first", "second"):
        run(Store(path, name), seed=len(name))
    assert [row["name"] for row in Store(path).runs()] == ["first", "second"]
    with pytest.raises(StoreError, match="'first', 'second'"):
        Store(path).history()


def test_runs_with_names_are_written_at_the_same_time(path):
    failed = []

    def work(name):
        try:
            run(Store(path, name, synchronous="normal"), seed=int(name))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(str(i),)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for i in range(3):
        assert_same(run(Store(path, str(i)), seed=i), run(None, seed=i))


def test_two_writers_of_one_run_are_refused(path):
    with Store(path).recording(evolution()):
        with pytest.raises(StoreError, match="being written already"):
            run(path)
        code = f"""
import evoniche
from evoniche import *
e = Evolution(BinaryGenome({BITS}), lambda b: b, crossover=None, seed=0)
try:
    e.run(total=5, store={str(path)!r}, progress=False)
except evoniche.StoreError as error:
    print(error)
"""
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "being written already" in said


def test_a_writer_that_the_lock_has_not_kept_out_is_found_by_the_order_of_events(path, monkeypatch):
    one = evolution()
    with Store(path).recording(one):
        one.ask(1)
        monkeypatch.setattr("evoniche.evolution.storage.lock._lock", lambda *_: None)
        monkeypatch.setattr("evoniche.evolution.storage.lock._held", set())
        run(path, 5)
        with pytest.raises(StoreError, match="somebody else"):
            one.ask(1)
        assert len(one.pending) == 1


def test_it_is_read_while_it_grows(path):
    seen = []
    look = [lambda evolution: seen.append(Store(path).runs()[0]["told"])]
    evolution().run(total=5, store=path, callbacks=look, progress=False)
    assert seen == [1, 2, 3, 4, 5]


def test_a_call_that_is_interrupted_after_its_commit_has_not_taken_place(path, monkeypatch):
    one = evolution()
    with Store(path).recording(one):
        children = one.ask(2)
        call = type(one._books.recorder).call

        def interrupted(self, *args):
            call(self, *args)
            raise KeyboardInterrupt

        for _ in range(2):
            monkeypatch.setattr(type(one._books.recorder), "call", interrupted)
            with pytest.raises(KeyboardInterrupt):
                one.tell(children, score(children.genomes))
            assert one.evaluations == 0
            monkeypatch.undo()
        one.tell(children.take([1]), score(children.take([1]).genomes))
        monkeypatch.setattr(type(one._books.recorder), "call", interrupted)
        with pytest.raises(KeyboardInterrupt):
            one.ask(3)
        monkeypatch.undo()
    assert Store(path).runs()[0]["asked"] == 2
    other = evolution()
    with Store(path).recording(other):
        assert other.pending.ids.tolist() == [0]
    assert_same(one, other)


def test_copies_of_an_evolution_are_not_recorded(path):
    one = evolution()
    with Store(path).recording(one):
        children = one.ask(1)
        twin = copy.deepcopy(one)
        twin.ask(3)
        one.tell(children, score(children.genomes))
    assert Store(path).runs()[0]["asked"] == 1


def test_tables(path):
    one = run(path)
    store = Store(path)
    members = store.members()
    order = np.argsort(one.population.ids)
    np.testing.assert_array_equal(members["id"], one.population.ids[order])
    np.testing.assert_array_equal(members["scores"], one.population.scores[order])
    np.testing.assert_array_equal(members["score"], one.population.means[order])
    lineage = store.lineage()
    assert len(lineage["id"]) == 60
    assert set(lineage["id"][lineage["left"] < 0]) == set(one.population.ids.tolist())
    assert (lineage["asked"] < lineage["told"]).all()
    np.testing.assert_array_equal(lineage["told"], np.arange(1, 61))
    assert (lineage["first_parent"] < lineage["id"]).all()
    pd = pytest.importorskip("pandas")
    frame = store.to_pandas("members")
    assert isinstance(frame, pd.DataFrame)
    assert frame.shape == (len(one.population), 4 + BITS)
    with pytest.raises(ValueError, match="history, members"):
        store.table("nothing")


def test_a_run_without_a_tell_has_empty_tables(path):
    with Store(path).recording(evolution()):
        pass
    assert Store(path).members()["scores"].shape == (0, 0)
    assert Store(path).history() == {}
    assert len(Store(path).lineage()["id"]) == 0


def test_the_commands(path, tmp_path):
    one = run(path)
    call = CliRunner().invoke
    assert "main" in call(commands, ["runs", "list", str(path)]).output
    shown = call(commands, ["runs", "show", str(path)]).output
    assert "60 of 60 children told" in shown
    assert json.loads(shown.split("crossover: ")[1].splitlines()[0])["type"] == "UniformCrossover"
    rows = list(csv.DictReader(call(commands, ["runs", "export", str(path)]).output.splitlines()))
    assert [float(row["best"]) for row in rows] == one.result().history["best"].tolist()
    out = tmp_path / "tree.csv"
    for table, parents in (("phylogeny", 2), ("matriline", 1)):
        assert call(commands, ["runs", "export", str(path), "--table", table, "--out", str(out)]).exit_code == 0
        rows = list(csv.DictReader(out.read_text().splitlines()))
        assert rows[0]["ancestor_list"] == "[none]"
        assert max(row["ancestor_list"].count(",") for row in rows) == parents - 1
        assert {"id", "ancestor_list", "origin_time", "destruction_time"} < set(rows[0])
        alive = [int(row["id"]) for row in rows if row["destruction_time"] == "inf"]
        assert alive == sorted(one.population.ids.tolist())
    pq = pytest.importorskip("pyarrow.parquet")
    made = call(commands, ["runs", "export", str(path), "--table", "members", "--out", str(tmp_path / "m.parquet")])
    assert made.exit_code == 0, made.output
    assert pq.read_table(tmp_path / "m.parquet").num_rows == len(one.population)
    wrong = call(commands, ["runs", "export", str(path), "--out", str(tmp_path / "m.txt")])
    assert ".parquet" in wrong.output
    assert "no run 'other'" in call(commands, ["runs", "show", str(path), "--name", "other"]).output


def test_real_genomes_and_importance(path):
    def make():
        targets = np.random.default_rng(0).normal(size=(5, 6))
        return Evolution(
            RealGenome(6, dtype="float32"), lambda genomes: np.exp(-np.abs(genomes @ targets.T)),
            importance=[1, 2, 3, 4, 5], batch_size=3, seed=1,
        )

    one, other, plain = make(), make(), make()
    one.run(total=31, store=path, progress=False)
    other.run(total=70, store=path, progress=False)
    plain.run(total=31, progress=False)
    plain.run(total=70, progress=False)
    assert_same(other, plain)
    assert other.population.genomes.dtype == np.float32


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_finished_store_in_a_folder_without_write_permission_is_read(path, tmp_path):
    run(path, 20)
    tmp_path.chmod(0o555)
    try:
        assert Store(path).runs()[0]["told"] == 20
    finally:
        tmp_path.chmod(0o755)
