"""What is kept on disk between runs, and that nothing wrong in it does any harm."""

import hashlib
import json
import os
import time

import numpy as np
import pytest
from tiny_models import log, numbers, plain_folder

from evoniche_torch.files import Cache, MergeError
from evoniche_torch.files import cache as caches
from evoniche_torch.files.cache import cache_folder, clear_cache
from evoniche_torch.models import CheckpointSeeds, checkpoint_seeds

KEY = "0" * 64
OLD = time.time() - 100


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"some bytes")
    os.utime(path, (OLD, OLD))
    return path


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_where_it_is(monkeypatch, tmp_path):
    assert str(cache_folder()) == os.environ["EVONICHE_CACHE"]
    monkeypatch.delenv("EVONICHE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "evoniche"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the specification says to ignore such
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "evoniche"


def test_digests_are_right_and_remembered(file, own_cache, monkeypatch):
    right = hashlib.sha256(b"some bytes").hexdigest()
    done = []
    assert Cache().digests([file, file], done=done.append) == [right, right]
    assert done == [10, 10]
    monkeypatch.setattr(caches, "_sha256", lambda path: pytest.fail("read again"))
    assert Cache().digests([file]) == [right]
    assert files_in(own_cache) == ["digests.json"]


def test_a_changed_file_is_read_again(file):
    Cache().digests([file])
    file.write_bytes(b"other byte")  # as many
    os.utime(file, (OLD + 1, OLD + 1))
    assert Cache().digests([file]) == [hashlib.sha256(b"other byte").hexdigest()]


def test_a_file_that_was_just_written_is_not_remembered(file, own_cache):
    os.utime(file)  # it may change again without a change of its time
    Cache().digests([file])
    assert files_in(own_cache) == []


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MergeError, match="nothing-here"):
        Cache().digests([tmp_path / "nothing-here"])


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", b"[]", b"\xff", b'{"format": 1}', b'{"format": 1, "files": 3}', b'{"format": 99, "files": {}}',
     b'{"format": 1, "files": {"PLACE": "PLACE"}}', b'{"format": 1, "files": {"PLACE": [1, 2, 3, "zz"]}}'],
)  # fmt: skip
def test_damaged_digests_are_made_again(file, own_cache, content):
    (own_cache / "digests.json").write_bytes(content.replace(b"PLACE", str(file).encode()))
    right = hashlib.sha256(b"some bytes").hexdigest()
    assert Cache().digests([file]) == [right]
    assert right in json.loads((own_cache / "digests.json").read_text())["files"][str(file)]


def test_sums_come_back_as_they_were(own_cache):
    sums = np.random.default_rng(0).standard_normal((3, 2, 2))
    Cache().save_sums(KEY, sums)
    assert np.array_equal(Cache().load_sums(KEY, (3, 2, 2)), sums)
    assert Cache().load_sums(KEY, (4, 2, 2)) is None
    assert Cache().load_sums("1" * 64, (3, 2, 2)) is None
    assert files_in(own_cache) == [f"grams/{KEY}.npz"]  # and no temporary file


def damage(how, path):
    data = path.read_bytes()
    sums = np.ones((3, 2, 2))
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "flipped":
        middle = data.index(b"sums.npy") + 150
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    elif how == "garbage":
        path.write_bytes(b"garbage")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "another key":
        np.savez(path, key=np.array("1" * 64), sums=sums)
    elif how == "another dtype":
        np.savez(path, key=np.array(KEY), sums=sums.astype(np.float32))
    elif how == "not finite":
        np.savez(path, key=np.array(KEY), sums=sums * np.nan)
    elif how == "no sums":
        np.savez(path, key=np.array(KEY))
    else:
        np.savez(path, key=np.array(KEY), sums=np.array([{"a": 1}], dtype=object))  # a pickle


@pytest.mark.parametrize(
    "how",
    ["truncated", "flipped", "garbage", "empty", "another key", "another dtype", "not finite", "no sums", "pickle"],
)
def test_damaged_sums_are_ignored(own_cache, how):
    Cache().save_sums(KEY, np.ones((3, 2, 2)))
    damage(how, own_cache / "grams" / f"{KEY}.npz")
    assert Cache().load_sums(KEY, (3, 2, 2)) is None


def test_a_folder_that_cannot_be_written_only_warns(file, tmp_path):
    (tmp_path / "blocked").write_text("a file where the folder should be")
    cache = Cache(tmp_path / "blocked")
    with log() as messages:
        assert cache.digests([file]) == [hashlib.sha256(b"some bytes").hexdigest()]
        cache.save_sums(KEY, np.ones((3, 2, 2)))
    assert cache.load_sums(KEY, (3, 2, 2)) is None
    assert len([message for message in messages if "cannot be written" in message]) == 1


def test_no_half_written_file_stays(own_cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with log():
        Cache().save_sums(KEY, np.ones((3, 2, 2)))
    assert files_in(own_cache) == []


def test_clear_removes_what_is_ours_and_nothing_else(file, own_cache):
    Cache().digests([file])
    Cache().save_sums(KEY, np.ones((3, 2, 2)))
    (own_cache / "letter.txt").write_text("not ours")
    clear_cache()
    assert files_in(own_cache) == ["letter.txt"]
    (own_cache / "letter.txt").unlink()
    clear_cache()
    assert not own_cache.exists()
    clear_cache()


def seeds(tmp_path, **options):
    paths = [tmp_path / "a", tmp_path / "b"]
    for number, path in enumerate(paths):
        if not path.exists():
            plain_folder(path, numbers(number))
    return CheckpointSeeds(paths, **options)


def whole(bank):
    return bank.grams(np.array(0), np.array(bank.size))


def test_the_sums_of_checkpoints_are_found_again(tmp_path, own_cache, monkeypatch):
    first = whole(seeds(tmp_path))
    monkeypatch.setattr(checkpoint_seeds, "sum_grams", lambda *_, **__: pytest.fail("summed again"))
    assert np.array_equal(whole(seeds(tmp_path)), first)
    assert len(files_in(own_cache / "grams")) == 1


def test_and_not_for_other_weights_or_a_base(tmp_path, own_cache):
    bank = seeds(tmp_path)
    whole(bank)
    plain_folder(tmp_path / "new", numbers(7))
    (tmp_path / "new" / "model.safetensors").rename(tmp_path / "b" / "model.safetensors")
    changed = seeds(tmp_path)
    assert changed.digests != bank.digests
    assert not np.array_equal(whole(changed), whole(bank))
    whole(seeds(tmp_path, base=plain_folder(tmp_path / "base", numbers(9))))
    whole(CheckpointSeeds([tmp_path / "b", tmp_path / "a"]))
    assert len(files_in(own_cache / "grams")) == 4
    whole(CheckpointSeeds([tmp_path / "a", tmp_path / "b", tmp_path / "base"]))  # the files of those with a base
    assert len(files_in(own_cache / "grams")) == 5


def test_without_a_cache_nothing_is_written(tmp_path, own_cache):
    bank = seeds(tmp_path, cache=False)
    before = files_in(tmp_path)
    assert whole(bank).shape == (2, 2)
    assert bank.digests
    assert files_in(own_cache) == []
    assert files_in(tmp_path) == before


def test_a_cache_somewhere_else(tmp_path, own_cache):
    whole(seeds(tmp_path, cache=tmp_path / "mine"))
    assert files_in(own_cache) == []
    assert len(files_in(tmp_path / "mine" / "grams")) == 1
