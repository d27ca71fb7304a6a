"""The examples in the documentation run as they stand, and print what they say they print."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples(page: Path) -> list[tuple[str, str]]:
    """Each python block with the text block that follows it."""
    blocks = BLOCK.findall(page.read_text())
    return [
        (code, "".join(text for kind, text in blocks[i + 1 : i + 2] if kind == "text"))
        for i, (language, code) in enumerate(blocks)
        if language == "python"
    ]


def test_readme_has_examples():
    assert len(examples(ROOT / "README.md")) >= 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_print_what_they_say(page):
    names: dict[str, object] = {}
    for code, expected in examples(page):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(page), "exec"), names)
        assert printed.getvalue() == expected


def test_a_newcomers_own_problem_takes_less_than_twenty_lines():
    code, _ = examples(ROOT / "README.md")[0]
    assert len([line for line in code.splitlines() if line.strip()]) < 20


def test_a_newcomers_reading_path_is_short():
    path = ["README.md", "evoniche/roles.py", "evoniche/crossovers/uniform.py", "evoniche/evolution/loop.py"]
    assert sum(len((ROOT / name).read_text().splitlines()) for name in path) <= 600


RESULTS = sorted((ROOT / "baselines" / "results").glob("*.md"))


@pytest.mark.parametrize("page", [*PAGES, *RESULTS], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert link.startswith("https://") or (page.parent / link).exists(), link
