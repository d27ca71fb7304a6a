"""A few damaged files of each kind on every run of the tests, and what was found with thousands of them.

`python tests/fuzzing.py 6000` tries the thousands.
"""

import json
import signal
from pathlib import Path

import fuzzing
import numpy as np
import pytest
import torch

from evoniche import BinaryGenome, RecordedScorer
from evoniche._reading import parse_json
from evoniche_baselines.catalogue import find_method, find_problem
from evoniche_torch import MergeError
from evoniche_torch.files.torch_reader import TorchWeights

UNCHANGED = ("accepted", "refused")


@pytest.mark.parametrize("name", fuzzing.KINDS)
def test_bad_input_is_read_or_refused_by_name(name, monkeypatch):
    before = signal.signal(signal.SIGALRM, fuzzing._alarm)
    try:
        answers = fuzzing.fuzz(name, 25, seed="tests")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert sum(answers.values()) == 25
    assert set(answers) <= set(UNCHANGED)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("9" * 301, "has 301 digits"),
        ("-" + "9" * 300, "has 301 digits"),
        (b'{"a": "\xff"}', "byte 7 is not of UTF-8"),
        ("{", "Expecting property name"),
    ],
)
def test_json_is_refused_with_the_rule(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_json(text)
    assert type(caught.value) in (ValueError, json.JSONDecodeError)
    assert len(str(caught.value)) < 200


def test_whole_numbers_of_json_are_exact_and_have_a_float():
    assert parse_json(b"[18446744073709551616, -1, 1e3]") == [2**64, -1, 1000.0]
    assert float(parse_json("9" * 300)) == pytest.approx(1e300)


@pytest.mark.parametrize(
    "scores",
    [
        "[[" * 40 + "]]" * 40,
        "[0, 1",
        "[0.5]",
        "[" + "9" * 400 + "]",
        "[1, [2]]",
        "[NaN, 1, 1, 1]",
        '{"a": 1}',
        '"1111"',
    ],
)
def test_a_line_that_is_no_row_of_a_record_costs_that_line_alone(tmp_path, scores):
    path, asked = tmp_path / "record.jsonl", []

    def scorer():
        return RecordedScorer(lambda bits: asked.append(len(bits)) or bits * 1.0, BinaryGenome(4), path)

    genomes = np.eye(4, dtype=bool)
    scorer().score(genomes)
    lines = path.read_text().splitlines()
    name = json.loads(lines[2])["genome"]
    lines[2] = f'{{"genome": "{name}", "scores": {scores}}}'
    path.write_text("\n".join(lines) + "\n")
    asked.clear()
    assert np.array_equal(scorer().score(genomes), genomes)
    assert asked == [1]


@pytest.mark.parametrize(
    ("find", "spec", "message"),
    [
        (find_problem, "max-sat:variables=1000000000000", "variables must be a whole number >= 3 and <= 1,000,000"),
        (find_problem, "max-sat:ratio=1e300", "ratio times variables must be"),
        (find_problem, "max-sat:ratio=x", "ratio must be a number, got 'x'"),
        (find_problem, "max-sat:ratio=1e999", "ratio must be a number, got inf"),
        (find_problem, "coverage:sites=1000000000", "sites times customers must be"),
        (find_problem, "niches:shared=10000000000", "shared must be a whole number"),
        (find_problem, "niches:members=10000000000", "members must be a whole number"),
        (find_problem, "diagnostics:traits=10000000000", "traits must be a whole number"),
        (find_problem, "immune:bits=1073741824", "bits must be a whole number"),
        (find_problem, "immune:antibodies=1e9", "antibodies must be a whole number, got 1000000000.0"),
        (find_method, "m2n2:crossover={}", "crossover must be own, slerp or none, got {}"),
        (find_method, "implicit-sharing:selector=[]", "selector must be roulette, tournament, got []"),
        (find_method, "antigen:draws=x", "draws must be a whole number or none, got 'x'"),
        (find_method, "tournament:size=true", "size must be a whole number, got True"),
    ],
)
def test_options_have_types_and_bounds_before_memory_is_taken(find, spec, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace("[]", r"\[\]").replace("{}", r"\{\}")):
        find(spec)


def test_types_of_options_let_right_values_pass(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        "from typing import Literal\n"
        "from evoniche_baselines.catalogue import find_problem\n"
        "def own(a: int | None = 1, b: float = 2.0, c: Literal['x', 3] = 3, d=None, e: 'No' = 0, f: list[int] = []):\n"
        "    return find_problem(f'niches:unique_a={a or 5}')\n"
    )
    assert "5 and" in find_problem(f"{file}:own:a=none,b=1,c=x,d=what,e=1,f=[1]").name
    assert "7 and" in find_problem(f"{file}:own:a=7,c=3").name
    assert Path(file).exists()


def test_a_method_refuses_numbers_that_would_never_end():
    problem = find_problem("niches")
    with pytest.raises(ValueError, match="draws must be a whole number >= 1 and <= 1,000,000"):
        find_method("antigen:draws=10000000000").search(problem, seed=0)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_long_name_of_a_class_is_refused_before_torch_quotes_it(tmp_path, zipped):
    long = type("Y", (), {"__reduce__": lambda self: (_named, ())})()
    _named.__qualname__ = "n" * 5000
    path = tmp_path / "model.pt"
    try:
        setattr(fuzzing, "n" * 5000, _named)
        _named.__module__ = "fuzzing"
        torch.save({"a": torch.ones(2), "b": long}, path, _use_new_zipfile_serialization=zipped)
    finally:
        delattr(fuzzing, "n" * 5000)
    with pytest.raises(MergeError, match=r"model.pt: .*a longer name than any has"):
        TorchWeights([path])


def _named():
    return 1
