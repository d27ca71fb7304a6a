"""Stores that are damaged, hostile, full or not to be written: one clear error, in bounded time and memory."""

import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from evoniche import BinaryGenome, Evolution, Store, StoreError
from evoniche.evolution.storage.blobs import pack, unpack


def evolution():
    return Evolution(BinaryGenome(8), lambda bits: bits, crossover=lambda a, b, rng: a | b, seed=0)


def run(path, total=30):
    return evolution().run(total=total, store=path, progress=False)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.db"


@pytest.fixture
def whole(path):
    run(path)
    return path


def change(path, statement, *values):
    connection = sqlite3.connect(path)
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def everything(path):
    """All that reads a store."""
    for row in Store(path).runs():
        store = Store(path, row["name"])
        store.about()
        for table in ("history", "members", "lineage", "phylogeny"):
            store.table(table)
    run(path, 40)


def mutants(content, dice, n):
    """Bytes changed, cut off, filled with zeros, or copied to another place."""
    for _ in range(n):
        bad = bytearray(content)
        kind = dice.randrange(4)
        start = dice.randrange(len(bad))
        if kind == 0:
            for _ in range(dice.choice([1, 1, 4, 50])):
                bad[dice.randrange(len(bad))] = dice.randrange(256)
        elif kind == 1:
            del bad[start:]
        elif kind == 2:
            bad[start : start + 4096] = bytes(len(bad[start : start + 4096]))
        else:
            piece = bad[start : start + min(512, len(bad) // 4)]
            place = dice.randrange(len(bad) - len(piece))
            bad[place : place + len(piece)] = piece
        yield bytes(bad)


def fuzz(content, path, n, seed=0):
    """Try n damaged files; how many were refused."""
    refused = 0
    for bad in mutants(content, random.Random(seed), n):
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        path.write_bytes(bad)
        try:
            everything(path)
        except StoreError as error:
            refused += str(path) in str(error)
    return refused


def test_damaged_files_are_refused_with_one_kind_of_error(whole):
    content = whole.read_bytes()
    assert fuzz(content, whole, 150) > 50


def test_damaged_arrays_are_refused_with_one_kind_of_error():
    blob = pack({"scores": np.arange(12.0).reshape(3, 4), "ids": np.arange(3), "text": np.array(["ab", "c"])})
    for bad in mutants(blob, random.Random(0), 2000):
        try:
            unpack(bad)
        except ValueError:
            continue


def test_arrays_come_back_as_they_were():
    arrays = {
        "": np.zeros(()), "a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True, False]),
        "c": np.array(["ä", "longer"]), "d": np.zeros((0, 5)), "e": np.array([np.nan, np.inf, -0.0]),
        "f": np.asfortranarray(np.arange(6).reshape(2, 3)), "g": np.zeros(3 << 20),
    }
    back = unpack(pack(arrays))
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


@pytest.mark.parametrize("array", [np.array([object()]), np.array(["2020-01-01"], dtype="datetime64[D]")])
def test_arrays_of_other_kinds_are_not_packed(array):
    with pytest.raises(TypeError, match="numbers, booleans or text"):
        pack({"a": array})


@pytest.mark.parametrize("shape", ["[1073741824]", "[-1]", "[true]", "[1e9]", '["a"]', "[0, 99999999999999999]"])
def test_a_blob_that_promises_too_much_allocates_nothing(shape):
    header = f'[["scores", "<f8", {shape}]]'.encode()
    blob = b"z" + len(header).to_bytes(4, "little") + header + b"\x78\x9c" + b"\0" * 50
    tracemalloc.start()
    with pytest.raises(ValueError, match="damaged"):
        unpack(blob)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "blob", [b"", b"z", b"p\0\0\0\0", b"z\xff\xff\xff\xff[", b"z\x00\x80\x00\x00" + b"[" * 0x8000, 5, None, "text"]
)
def test_what_is_no_blob_is_refused(blob):
    with pytest.raises(ValueError, match="damaged"):
        unpack(blob)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM events WHERE number = 7", "event 7 .* damaged"),
        ("UPDATE events SET number = 1000 WHERE number = 7", "event 7 .* damaged"),
        ("UPDATE events SET data = zeroblob(9) WHERE number = 7", "event 7 .* damaged"),
        ("UPDATE events SET seconds = 1 + seconds WHERE number = 7", "event 7 .* damaged"),
        ("UPDATE events SET data = 7 WHERE number = 7", "damaged"),
        ("UPDATE events SET kind = 'ask' WHERE kind = 'tell'", "damaged"),
        ("UPDATE genomes SET data = zeroblob(9)", "damaged"),
        ("UPDATE runs SET about = '{'", "damaged"),
        (f"UPDATE runs SET about = '{'[' * 100000}'", "damaged"),
        ("UPDATE runs SET about = '[]'", "damaged"),
        ("UPDATE runs SET run = 5", "damaged|no run"),
        ("PRAGMA user_version = 7", "newer evoniche .schema 7"),
        ("PRAGMA application_id = 7", "no store of evoniche"),
        ("CREATE TABLE more (a)", "no store of evoniche"),
        ("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END", "no store of evoniche"),
        ("DROP TABLE genomes", "no store of evoniche"),
    ],
)
def test_rows_that_are_not_as_they_were_written(whole, statement, what):
    change(whole, statement)
    if "run = 5" in statement:  # events without their run: nobody reads them
        assert Store(whole).runs()[0]["told"] == 0
        return
    with pytest.raises(StoreError, match=what) as refusal:
        everything(whole)
    assert str(whole) in str(refusal.value)


def test_a_view_in_the_place_of_a_table_is_not_run(path):
    change(path, "CREATE TABLE runs (run)")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    change(path, f"CREATE VIEW events AS {endless}")
    with pytest.raises(StoreError, match="no store of evoniche"):
        run(path)


def test_other_files_are_refused_and_left_alone(path):
    change(path, "CREATE TABLE mine (a)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="no store of evoniche"):
        run(path)
    assert path.read_bytes() == before
    path.write_text("some text of mine, long enough to be no empty file\n" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="no store of evoniche"):
        run(path)
    assert path.read_bytes() == before


def test_places_where_no_store_can_be(path, tmp_path):
    with pytest.raises(StoreError, match="no such file"):
        Store(path).history()
    with pytest.raises(StoreError, match="folder"):
        run(tmp_path / "nowhere" / "run.db")
    with pytest.raises(StoreError, match="folder"):
        run(tmp_path)


def test_a_folder_without_write_permission(whole, tmp_path):
    if os.name == "nt" or not os.geteuid():
        pytest.skip("permissions do not hold for this user")
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(StoreError, match=str(whole)):
            run(whole, 40)
    finally:
        tmp_path.chmod(0o755)


FULL = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from test_store_hostile import evolution
from evoniche import StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
one = evolution()
limit = [lambda e: e.evaluations == 20 and resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})) or False]
try:
    one.run(total=3000, store={path!r}, callbacks=limit, progress=False)
except StoreError as error:
    print(error)
    print(one.evaluations, len(one.pending or []))
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="limits of POSIX")
def test_when_no_more_can_be_written_nothing_is_lost(path):
    code = FULL.format(here=os.path.dirname(__file__), size=400_000, path=str(path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    message, state = done.stdout.splitlines()
    assert str(path) in message
    told, pending = map(int, state.split())
    assert Store(path).runs()[0]["told"] == told > 20
    assert pending <= 1
    one, plain = evolution(), evolution()
    one.run(total=told + 50, store=path, progress=False)
    plain.run(total=told + 50, progress=False)
    np.testing.assert_array_equal(one.population.genomes, plain.population.genomes)
    assert one.best.id == plain.best.id


def test_a_torn_log_of_sqlite_loses_no_more_than_its_end(path):
    """As if the power had gone: the file as a run had it, and its log cut off anywhere."""
    copies = path.parent / "copies"
    copies.mkdir()

    def keep(one):
        if one.evaluations == 25:
            for file in path.parent.glob("run.db*"):
                shutil.copy(file, copies)

    evolution().run(total=30, store=path, callbacks=[keep], progress=False)
    log = (copies / "run.db-wal").read_bytes()
    torn = path.parent / "torn.db"
    plain = evolution().run(total=40, progress=False)
    for cut in random.Random(0).sample(range(len(log)), 12):
        for file in path.parent.glob("torn.db*"):
            file.unlink()
        shutil.copy(copies / "run.db", torn)
        (path.parent / "torn.db-wal").write_bytes(log[:cut])
        result = run(torn, 40)
        np.testing.assert_array_equal(result.population.genomes, plain.population.genomes)


if __name__ == "__main__":  # python tests/evolution/test_store_hostile.py 2000 [SEED]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.db"
        run(file)
        print(f"{fuzz(file.read_bytes(), file, int(sys.argv[1]), int(*sys.argv[2:] or [1]))} of {sys.argv[1]} refused")
