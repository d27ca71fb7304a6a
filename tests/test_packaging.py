"""What is said of the library in more than one place is the same in each."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import evoniche

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OF_DEVELOPERS = {"test", "lint", "bench", "docs"}


def stated():
    """Library -> the oldest version that pyproject.toml allows."""
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for name in extras.keys() - OF_DEVELOPERS for line in extras[name])]
    pairs = [line.split(">=") for line in lines if not line.startswith("evoniche")]
    return {name.lower(): number(version) for name, version in pairs}


def number(version):
    """A version with as many parts as matter: 2.0.0 is 2."""
    return re.sub(r"(\.0)+$", "", version)


def test_the_oldest_versions_are_those_that_are_stated():
    lines = (ROOT / "constraints-oldest.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert {name.lower(): number(version) for name, version in pins.items()} == stated()


def test_the_extra_all_has_every_extra_of_users():
    (line,) = PROJECT["optional-dependencies"]["all"]
    named = set(re.fullmatch(r"evoniche\[(.*)\]", line)[1].split(","))
    assert named == PROJECT["optional-dependencies"].keys() - OF_DEVELOPERS - {"all"}


def test_the_citation_names_this_version_and_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == evoniche.__version__
    assert citation["license"] == PROJECT["license"]
    assert "2508.16204" in citation["preferred-citation"]["url"]


def test_forms_for_issues_ask_something():
    for file in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")):
        form = yaml.safe_load(file.read_text(encoding="utf-8"))
        if file.name != "config.yml":
            assert {"name", "description", "body"} <= form.keys()
            ids = [field["id"] for field in form["body"]]
            assert len(ids) == len(set(ids)) > 0


def test_the_module_is_the_command():
    ended = subprocess.run([sys.executable, "-m", "evoniche", "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout == f"evoniche, version {evoniche.__version__}\n"


def test_versions_are_shown_and_nothing_is_imported_for_it():
    code = "import evoniche, sys; evoniche.show_versions(); assert 'torch' not in sys.modules"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows = dict(line.split(maxsplit=1) for line in ended.stdout.splitlines())
    assert rows["evoniche"] == evoniche.__version__
    assert rows["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert rows["numpy"] == pytest.importorskip("numpy").__version__
    assert {"click", "matplotlib", "torch"} <= rows.keys()


def test_every_target_of_make_that_must_be_green_has_a_plain_command():
    ci = re.findall(r"^make (\S+)$", (ROOT / ".ci/run").read_text(encoding="utf-8"), flags=re.MULTILINE)
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert ci
    assert [target for target in ci if f"| `make {target}` | " not in table] == []
