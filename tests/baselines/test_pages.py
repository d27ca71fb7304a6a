"""The commands on the pages are accepted: names and options exist, and each problem offers what the methods need."""

import re
import shlex
from pathlib import Path

import pytest

from evoniche_baselines.catalogue import find_method, find_problem
from evoniche_baselines.compare.command import compare, split_methods

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "baselines/results").glob("*.md")),
         ROOT / "Makefile"]
COMMAND = re.compile(r"^(?:\$ |\t\$\(BIN\)/)?evoniche compare (.*)$", re.MULTILINE)
PACKAGE = "ones --methods m2n2,four-at-a-time,hill-climber"  # of a package that the reader has made


def commands() -> list[tuple[str, str]]:
    return [(page.name, command) for page in PAGES
            for command in COMMAND.findall(re.sub(r"\\\n\t?", "", page.read_text()))
            if command != PACKAGE and not command.startswith("--list")]


def test_there_are_commands():
    assert {page for page, _ in commands()} >= {"comparing.md", "digits.md", "niching.md", "Makefile"}


@pytest.mark.parametrize(("page", "command"), commands())
def test_a_command_can_run(page, command, tmp_path, monkeypatch):
    if "mine.py" in command:
        blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
        (tmp_path / "mine.py").write_text(next(block for block in blocks if "def ones" in block))
        monkeypatch.chdir(tmp_path)
    if "study.toml" in command:
        text = (ROOT / "docs" / page).read_text()
        (tmp_path / "study.toml").write_text(text.partition("```toml\n")[2].partition("```")[0])
        (tmp_path / "second").mkdir()  # of the other machine
        monkeypatch.chdir(tmp_path)
    given = compare.make_context("compare", shlex.split(command, comments=True)).params
    for problem in map(find_problem, given["problems"]):
        for name in split_methods(given["methods"]):
            find_method(name).search(problem, seed=0)
