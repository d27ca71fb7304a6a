"""Files and folders that are there complete or not at all."""

import errno
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from evoniche import _files
from evoniche._files import check_writable, new_file, new_folder, write_bytes, write_json, write_npz, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read_back(tmp_path):
    write_text(tmp_path / "below/further/a.txt", "größer\n")
    write_bytes(tmp_path / "b", b"\0\xff")
    write_json(tmp_path / "c.json", {"b": [1, None], "a": "ä"}, sort_keys=True)
    write_npz(tmp_path / "d.npz", x=np.arange(3), y=[True])
    assert (tmp_path / "below/further/a.txt").read_bytes() == "größer\n".encode()
    assert (tmp_path / "b").read_bytes() == b"\0\xff"
    assert (tmp_path / "c.json").read_text(encoding="utf-8").startswith('{\n  "a": "ä"')
    assert json.loads((tmp_path / "c.json").read_bytes()) == {"a": "ä", "b": [1, None]}
    with np.load(tmp_path / "d.npz", allow_pickle=False) as arrays:
        assert {name: arrays[name].tolist() for name in arrays} == {"x": [0, 1, 2], "y": [True]}
    assert names(tmp_path) == ["b", "below", "c.json", "d.npz"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), MemoryError()])
def test_a_block_that_fails_leaves_the_old_file(error, tmp_path):
    write_text(tmp_path / "a", "old")
    def fail():
        with new_file(tmp_path / "a") as file:
            file.write(b"new")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


@pytest.mark.parametrize("content", [{"x": float("nan")}, {"x": object()}])
def test_what_json_does_not_have_leaves_the_old_file(content, tmp_path):
    write_json(tmp_path / "a", 1)
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "a", content)
    assert json.loads((tmp_path / "a").read_text()) == 1


def test_objects_are_not_pickled_into_arrays(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        write_npz(tmp_path / "a.npz", x=np.array([object()]))
    assert names(tmp_path) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_names_the_file(step, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    write_text(tmp_path / "a", "old")
    monkeypatch.setattr(*(os, "fsync", full) if step == "fsync" else (_files.Path, "replace", full))
    with pytest.raises(OSError, match=r"No space left on device: '.*/a'") as caught:
        write_text(tmp_path / "a", "new")
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_errors_name_the_path_that_was_given(tmp_path):
    (tmp_path / "file").touch()
    for write in (lambda path: write_text(path, ""), check_writable):
        with pytest.raises(NotADirectoryError, match=r"Not a directory: '.*file/below'"):
            write(tmp_path / "file" / "below")
    with pytest.raises(IsADirectoryError, match=f"'{tmp_path}'"):
        write_text(tmp_path, "")
    assert names(tmp_path) == ["file"]


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="'elsewhere'"), new_file(tmp_path / "a") as file:
        shutil.copyfile("elsewhere", file.name)
    with pytest.raises(OSError, match=r"^in words$"), new_file(tmp_path / "a"):
        raise OSError("in words")


def test_links_and_permissions_stay(tmp_path):
    write_text(tmp_path / "a", "old")
    (tmp_path / "a").chmod(0o640)
    (tmp_path / "link").symlink_to("a")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_text() == "new"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    write_text(tmp_path / "b", "")
    (tmp_path / "usual").touch()
    assert (tmp_path / "b").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_device_is_written_and_not_replaced():
    run = [sys.executable, "-c", "from evoniche._files import write_text; write_text('/dev/stdout', 'there')"]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "there"
    write_text(os.devnull, "gone")
    assert not os.path.isfile(os.devnull)


def test_a_folder_is_checked_before_the_work(tmp_path):
    check_writable(tmp_path / "new" / "folder")
    assert names(tmp_path / "new" / "folder") == []


def test_a_folder_takes_its_place(tmp_path):
    with new_folder(tmp_path / "below" / "out") as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "a").write_text("1")
        assert not (tmp_path / "below" / "out").exists()
    with new_folder(tmp_path / "below" / "out") as partial:
        (partial / "b").write_text("2")
    assert names(tmp_path / "below") == ["out"]
    assert names(tmp_path / "below" / "out") == ["b"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").touch()

    def fail():
        with new_folder(tmp_path / "out") as partial:
            (partial / "b").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["a"]


def test_a_folder_is_checked_before_and_after(tmp_path):
    def check():
        if (tmp_path / "out").exists():
            raise FileExistsError("it is there")

    with pytest.raises(FileExistsError, match="it is there"), new_folder(tmp_path / "out", check=check):
        (tmp_path / "out").mkdir()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == []


def test_one_folder_is_written_once_at_a_time(tmp_path):
    with new_folder(tmp_path / "out") as partial:
        (partial / "a").touch()
        with pytest.raises(FileExistsError, match="is being written by this process already"):
            new_folder(tmp_path / "out").__enter__()
    assert names(tmp_path / "out") == ["a"]


def test_a_full_disk_names_the_folder(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def fail():
        with new_folder(tmp_path / "out") as partial:
            (partial / "a").write_text("1")
            monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match=r"No space left on device: '.*/out'"):
        fail()
    assert names(tmp_path) == []


def test_what_killed_processes_left_is_cleared_up(tmp_path):
    killed = "import os, sys\nfrom evoniche._files import new_folder\nwith new_folder(sys.argv[1]): os._exit(9)"
    subprocess.run([sys.executable, "-c", killed, str(tmp_path / "out[1]")], check=False)
    assert len(names(tmp_path)) == 1
    (tmp_path / names(tmp_path)[0].replace("partial", "replaced")).mkdir()  # killed between the two renames

    def fail():
        with new_folder(tmp_path / "out[1]"):
            assert names(tmp_path)[-1] == "out[1]"
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert names(tmp_path) == ["out[1]"]
