"""The command line: the commands that are there, and what is said in the place of those that are not."""

import contextlib
import importlib.metadata
import io
import subprocess
import sys

import attrs
import pytest
from loguru import logger

from evoniche import __version__, enable_logging
from evoniche.commands import main


@attrs.frozen
class Ended:
    code: int
    out: str
    err: str


def evoniche(*arguments):
    """What the command does, within this process."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["evoniche", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
        logger.remove()
        enable_logging(False)
    return Ended(ended.value.code, out.getvalue(), err.getvalue())


def test_help_lists_every_command():
    ended = evoniche("--help")
    assert ended.code == 0
    for word in ("compare", "export", "merge", "--version", "--verbose"):
        assert word in ended.out
    assert __version__ in evoniche("--version").out


@pytest.mark.parametrize("name", ["run", "plot", "sudoku"])
def test_an_unknown_command(name):
    ended = evoniche(name)
    assert ended.code == 2
    assert f"No such command '{name}'" in ended.err


@pytest.mark.parametrize(
    ("command", "words"),
    [("compare", ["PROBLEM", "--methods", "--runs", "--evaluations", "--population", "--seed", "--jobs", "--out"])],
)
def test_help_mentions_every_option(command, words):
    ended = evoniche(command, "--help")
    assert ended.code == 0
    assert [word for word in words if word not in ended.out] == []


@pytest.mark.parametrize(
    ("module", "extra"), [("evoniche_baselines.gone", "baselines"), ("evoniche_torch.gone", "llm")]
)
def test_a_command_whose_libraries_are_missing_names_the_extra(module, extra, monkeypatch):
    entry = importlib.metadata.EntryPoint("theirs", f"{module}:command", "evoniche.commands")
    monkeypatch.setattr("evoniche.commands.group.entry_points",
                        lambda **wanted: importlib.metadata.EntryPoints([entry]).select(**wanted))
    needs = f"needs {module}: pip install 'evoniche[{extra}]'."
    ended = evoniche("theirs", "--anything", 3)
    assert (ended.code, ended.err) == (1, f"Error: theirs {needs}\n")
    assert needs in " ".join(evoniche("--help").out.split())


def test_without_click_the_command_names_the_extra():
    program = "import sys; sys.modules['click'] = None\nfrom evoniche.commands import main\nmain()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "the command line needs click: pip install 'evoniche[cli]'" in ended.stderr
