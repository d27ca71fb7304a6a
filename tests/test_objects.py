"""Objects that a user names by a file or module."""

import pickle
import subprocess
import sys

import pytest

from evoniche._objects import load_module, load_object, neighbours, source_files


def script(folder, text, name="tasks.py"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_in_a_file_and_in_a_module(tmp_path, monkeypatch):
    file = script(tmp_path / "my tasks: old", "class Outer:\n    inner = 3\n", "some tasks.py")
    assert load_object(f"{file}:Outer.inner") == 3
    assert load_object("json.decoder:JSONDecodeError").__name__ == "JSONDecodeError"
    monkeypatch.chdir(file.parent)
    assert load_object("some tasks.py:Outer") is load_object(f"{file}:Outer")


def test_files_find_what_is_beside_them(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for folder, value in (("one", 1), ("two", 2)):
        script(tmp_path / folder, f"X = {value}\n", "helper_of_tests.py")
        script(tmp_path / folder, "from helper_of_tests import X\ndef later():\n    import later_of_tests\n"
                                  "    return later_of_tests.X\n")  # fmt: skip
        script(tmp_path / folder, f"X = {value}\n", "later_of_tests.py")
    before = list(sys.path)
    files = [tmp_path / folder / "tasks.py" for folder in ("one", "two")]
    assert [load_object(f"{file}:X") for file in files] == [1, 2]
    for _ in range(2):
        for file, value in zip(files, (1, 2), strict=True):
            with neighbours(file):
                assert load_object(f"{file}:later")() == value
    assert sys.path == before
    assert not sys.dont_write_bytecode
    assert len(list(tmp_path.rglob("*"))) == 8


def test_what_is_installed_is_no_neighbour(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    script(tmp_path, "class Installed: ...\n", "installed_of_tests.py")
    one = script(tmp_path, "from installed_of_tests import Installed\n")
    other = script(tmp_path / "below", "from installed_of_tests import Installed\n")
    assert load_object(f"{one}:Installed") is load_object(f"{other}:Installed")


def test_what_a_file_defines_goes_to_other_processes(tmp_path):
    file = script(tmp_path / "größer", "from helper import X\nclass Point: ...\ndef double(x): return 2 * x + X\n")
    script(file.parent, "X = 1\n", "helper.py")
    module = load_module(file)
    data = pickle.dumps((module.Point(), module.double))
    assert pickle.loads(data)[1] is module.double
    program = "import pickle, sys\na, double = pickle.load(sys.stdin.buffer)\nprint(type(a).__name__, double(3))"
    run = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    assert run.stdout.split() == [b"Point", b"7"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nraise RuntimeError('no data')\n", r"cannot be imported: RuntimeError: no data \(line 2 of tasks.py\)"),
        ("def f(:\n", r"cannot be imported: SyntaxError: .*line 1"),
        ("import no_such_module\n", r"cannot be imported: ModuleNotFoundError: .*no_such_module.*line 1 of"),
        ("import sys\nsys.exit()\n", r"cannot be imported: SystemExit \(line 2"),
        ("import os\nmaths = 3\ndef math(model): ...\n", "no scorer 'maths'; it has math. Did you mean "),
        ("from pathlib import Path as maths\n", "no scorer 'text'; it has none."),
        ("", "no scorer 'maths'; it has none."),
    ],
)
def test_a_file_that_does_not_serve(text, message, tmp_path):
    file, before = script(tmp_path, text), (list(sys.path), sys.dont_write_bytecode)
    name = "text" if "text" in message else "maths"
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            load_object(f"{file}:{name}", what="scorer", accepts=callable)
    assert (sys.path, sys.dont_write_bytecode) == before


@pytest.mark.parametrize("name", ["tasks.py", "tasks", "tasks.py:", "tasks.py:1st", "a b:maths", ":maths", "", "a.:b"])
def test_what_is_no_name(name):
    with pytest.raises(ValueError, match=r"a scorer must be given as file\.py:name or package\.module:name, got '"):
        load_object(name, what="scorer")


def test_what_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"there is no file .*away\.py"):
        load_object(f"{tmp_path / 'away.py'}:maths")
    for name in ("no_such_module", "json.no_such_module", "no_such_module.below"):
        with pytest.raises(ValueError, match=rf"there is no module {name}\."):
            load_object(f"{name}:maths")


def test_a_module_that_needs_another_says_so(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    script(tmp_path, "import no_such_module\n", "needy_of_tests.py")
    with pytest.raises(ValueError, match=r"needy_of_tests cannot be imported: ModuleNotFoundError: .*no_such_module"):
        load_object("needy_of_tests:x")


def test_the_files_that_a_result_depends_on(tmp_path):
    file = script(tmp_path, "import numpy, one\nfrom package.inner import X\ndef later():\n    from two import Y\n")
    script(tmp_path, "import one, two\nfrom package import other\n", "one.py")
    for name in ("two.py", "package/__init__.py", "package/inner.py", "package/other.py", "package/unused.py", "no.py"):
        script(tmp_path, "", name)
    script(tmp_path, "from . import deep\nfrom .deep import Z\n", "package/inner.py")
    script(tmp_path, "def broken(:\n", "package/deep.py")
    found = [path.relative_to(tmp_path).as_posix() for path in source_files(file)]
    assert found == ["tasks.py", "one.py", "package/__init__.py", "package/deep.py", "package/inner.py",
                     "package/other.py", "two.py"]  # fmt: skip
    assert source_files(script(tmp_path, "p cnf 1 1\n", "formula.cnf")) == [tmp_path / "formula.cnf"]
