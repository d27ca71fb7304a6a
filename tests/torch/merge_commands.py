"""Runs of `evoniche merge` on tiny models, for its tests: `from merge_commands import run`."""

import re
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from evoniche_torch.commands import merge as command
from evoniche_torch.output import read_recipe

TASKS = """
import os
from pathlib import Path
import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent
A, B = (load_file(HERE / label / "model.safetensors") for label in "ab")
TOKENS = torch.arange(60).reshape(6, 10)

def layers(model):  # a mixture of both, with another ratio in the second layer
    ratios = {name: 0.4 if "layers.1" in name else 0.8 for name in A}
    return [torch.exp(-30 * (tensor - ratio * A[name] - (1.2 - ratio) * B[name]).abs().mean())
            for (name, ratio), tensor in zip(ratios.items(), map(model.state_dict().get, ratios))]

def odd(model):
    return model(TOKENS[:4]).logits[:, -1, :32].logsumexp(-1) > model(TOKENS[:4]).logits[:, -1, 32:].logsumexp(-1)

def later(model):
    return model(TOKENS[4:]).logits[:, -1].softmax(-1)[:, 9] * 20

def counted(model):  # says how often it was asked, and does what it is told to do then
    with (HERE / "calls").open("a") as file:
        file.write("x")
    number = len((HERE / "calls").read_text())
    if os.environ.get("AT") == str(number):
        raise {"error": RuntimeError("out of luck"), "ctrl-c": KeyboardInterrupt()}[os.environ["DO"]]
    if os.environ.get("NAN_AT") == str(number):
        return [0.5, 0.5, float("nan")]
    if os.environ.get("SHORT_AT") == str(number):
        return [0.5, 0.5]
    return layers(model)[:3]

def stopped(model):
    raise KeyboardInterrupt

def failing_later(model):  # the second time that it is asked, as DO says
    if (HERE / "later").exists():
        raise {"error": RuntimeError("out of luck"), "ctrl-c": KeyboardInterrupt()}[os.environ["DO"]]
    (HERE / "later").touch()
    return [1.0]
"""


def run(*arguments, models=("a", "b"), scorer="tasks.py:layers", evaluations=8, warmup=3, out="out", quiet=True):
    options = [*(("--scorer", scorer) if scorer else ()), "--evaluations", evaluations, "--warmup", warmup]
    options += [*(("--out", out) if out else ()), *(["--quiet"] if quiet else [])]
    return CliRunner().invoke(command.merge, [*models, *map(str, options), *map(str, arguments)])


def succeeded(ended):
    assert ended.exit_code == 0, ended.output
    return ended


def recipe(out="out"):
    return read_recipe(Path(out) / "recipe.json").recipe


def the_same(one, other):
    return np.array_equal(one.boundaries, other.boundaries) and np.array_equal(one.coefficients, other.coefficients)


def rows(output):
    """The table that is printed: model -> column -> number."""
    lines = output.splitlines()
    end = next(i for i, line in enumerate(lines) if line.startswith("merged model in"))
    start = next(i for i, line in enumerate(lines) if line.startswith("  "))
    columns = re.split(r"\s{2,}", lines[start].strip())
    cells = [line.split() for line in lines[start + 1 : end]]
    return {model: dict(zip(columns, map(float, row), strict=True)) for model, *row in cells}
