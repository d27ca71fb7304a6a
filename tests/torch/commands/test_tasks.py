"""Scorers as they are named on the command line: functions in files, tasks of the harness."""

import sys

import pytest

from evoniche_torch.commands import tasks
from evoniche_torch.commands.tasks import read_tasks


def script(folder, text, name="tasks.py"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_a_function_in_a_folder_with_spaces(tmp_path):
    file = script(tmp_path / "my tasks: old", "def maths(model):\n    return [model]\n", "some tasks.py")
    assert read_tasks([f"{file}:maths"], [])(0.5) == [0.5]


def test_functions_of_a_file_share_what_it_loads(tmp_path, monkeypatch):
    file = script(tmp_path, "data = [0]\ndef one(model):\n    data[0] += 1\n    return data\ntwo = one\n")
    monkeypatch.chdir(tmp_path)
    assert read_tasks([f"{file}:one", "tasks.py:two"], [])(None).tolist() == [1, 2]


def test_neighbours_are_found_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    script(tmp_path, "value = 0.25\n", "neighbour_at_once.py")
    script(tmp_path, "value = 0.75\n", "neighbour_later.py")
    file = script(tmp_path, "import neighbour_at_once\ndef maths(model):\n    import neighbour_later\n"
                            "    return [neighbour_at_once.value, neighbour_later.value]\n")  # fmt: skip
    before = list(sys.path)
    scorer = read_tasks([f"{file}:maths"], [])
    assert scorer(None).tolist() == [0.25, 0.75]
    assert sys.path == before
    assert not sys.dont_write_bytecode
    assert {path.name for path in tmp_path.iterdir()} == {"tasks.py", "neighbour_at_once.py", "neighbour_later.py"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nraise RuntimeError('no data')\n", r"cannot be imported: RuntimeError: no data \(line 2 of tasks.py\)"),
        ("def f(:\n", r"cannot be imported: SyntaxError: .*line 1"),
        ("import no_such_module\n", r"cannot be imported: ModuleNotFoundError: .*no_such_module.*line 1 of"),
        ("import sys\nsys.exit()\n", r"cannot be imported: SystemExit \(line 2"),
        ("from pathlib import Path\nmaths = 3\ndef words(model): ...\n", "no scorer 'maths'; it has words."),
        ("", "no scorer 'maths'; it has none."),
    ],
)
def test_a_file_that_does_not_serve(text, message, tmp_path):
    file, before = script(tmp_path, text), (list(sys.path), sys.dont_write_bytecode)
    with pytest.raises(ValueError, match=message):
        read_tasks([f"{file}:maths"], [])
    assert (list(sys.path), sys.dont_write_bytecode) == before


@pytest.mark.parametrize("spec", ["tasks.py", "tasks.py:", "tasks.py:1st", ":maths", ""])
def test_what_is_no_function_of_a_file(spec):
    with pytest.raises(ValueError, match=r"a scorer must be given as file\.py:name"):
        read_tasks([spec], [])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"there is no file .*away\.py"):
        read_tasks([f"{tmp_path / 'away.py'}:maths"], [])


def test_a_function_of_a_module():
    assert read_tasks(["math:sqrt"], [])
    with pytest.raises(ValueError, match="there is no module no_such_tasks"):
        read_tasks(["no_such_tasks:maths"], [])


def test_files_of_two_folders_have_each_their_own_helper(tmp_path):
    text = "from helper import value\ndef {}(model):\n    import helper\n    return [value, helper.value]\n"
    for folder, value in (("one", 0.25), ("two", 0.75)):
        script(tmp_path / folder, f"value = {value}\n", "helper.py")
        script(tmp_path / folder, text.format(folder))
    scorer = read_tasks([f"{tmp_path / folder / 'tasks.py'}:{folder}" for folder in ("one", "two")], [])
    assert scorer(None).tolist() == [0.25, 0.25, 0.75, 0.75]


def test_a_function_that_fails_says_where(tmp_path):
    file = script(tmp_path, "def maths(model):\n    return help_of(model)\ndef help_of(model):\n    return 1 / model\n")
    with pytest.raises(ValueError, match=r"scorer .*tasks\.py:maths failed: ZeroDivisionError: .* \(line 4 of tasks"):
        read_tasks([f"{file}:maths"], [])(0)


def test_names_and_weights(tmp_path):
    file = script(tmp_path, "def maths(model): return [1.0]\ndef words(model): return [0.0, 1.0, 1.0]\n")
    other = script(tmp_path, "def maths(model): return [0.5, 0.5]\n", "other.py")
    specs = [f"{file}:maths", f"{file}:words", f"{other}:maths"]
    scorer = read_tasks(specs, [], weights={"words": 3})
    assert scorer(None).tolist() == [1, 0, 1, 1, 0.5, 0.5]
    assert list(scorer.slices) == ["maths", "words", f"{other}:maths"]
    assert scorer.importance.tolist() == pytest.approx([6 / 5, *[6 / 5] * 3, *[3 / 5] * 2])
    with pytest.raises(ValueError, match="the tasks are maths, words, there is no art that could have a weight"):
        read_tasks(specs[:2], [], weights={"art": 2})
    with pytest.raises(ValueError, match="two tasks are called"):
        read_tasks([specs[0]] * 3, [])


def test_arguments_of_the_harness_are_known_by_name():
    with pytest.raises(ValueError, match=r"takes metric, .*num_fewshot.* here, got fewshots"):
        read_tasks([], ["anything"], harness={"fewshots": 3})
    assert read_tasks([], ["arc.easy"], harness={"limit": 2, "metric": "acc"}, weights={"arc.easy": 2})


def test_a_task_file_is_named_after_itself(tmp_path):
    (tmp_path / "shop.yaml").write_text("task: shop\n")
    assert "shop)" in repr(read_tasks([], [str(tmp_path / "shop.yaml")]))


@pytest.mark.parametrize(
    ("error", "message"),
    [(KeyError("no such task"), "the task arc failed: KeyError: no such"), (ValueError("as it is"), "^as it is$")],
)
def test_a_task_that_fails(error, message, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(tasks.LmEvalScorer, "__call__", fail)
    with pytest.raises(ValueError, match=message):
        read_tasks([], ["arc"])(None)
