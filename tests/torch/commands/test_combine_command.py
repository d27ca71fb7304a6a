"""`evoniche combine`: what is written, that it is made again byte by byte, and what is refused."""

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from tiny_models import llama_folder
from tiny_vocabularies import vocabulary_folder

from evoniche_torch.commands.combine import combine
from evoniche_torch.commands.export import export
from evoniche_torch.models import CheckpointSeeds, ExplicitFilling, ExplicitMerge
from evoniche_torch.output import read_recipe

NAME = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def place(tmp_path, monkeypatch):
    for seed, label in enumerate(["a", "b", "base"]):
        llama_folder(tmp_path / label, seed, dtype=torch.bfloat16)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments, quiet=True):
    return CliRunner().invoke(combine, [*map(str, arguments), *(["--quiet"] if quiet else [])])


@pytest.mark.parametrize("method", ["ties", "dare_ties", "dare_linear"])
def test_ties_and_dare(place, method):
    from transformers import AutoModelForCausalLM

    weights = ["--weight", "1", "--weight", "0.5", "--scale", "0.7"]
    ended = run(method, "a", "b", "--base", "base", *weights, "--density", "0.3", "--seed", "3", "--out", "out")
    assert ended.exit_code == 0, ended.output
    found = load_file(place / "out" / "model.safetensors")
    with CheckpointSeeds(["a", "b"], base="base") as seeds:
        start, stop = seeds.index.span(NAME)
        wanted = torch.empty(stop - start, dtype=torch.bfloat16)
        ExplicitFilling(ExplicitMerge(method, (1, 0.5), 0.3, 0.7, seed=3), seeds).into(wanted, start)
    assert torch.equal(found[NAME].view(-1), wanted)
    AutoModelForCausalLM.from_pretrained(place / "out")
    record = read_recipe(place / "out" / "recipe.json")
    assert record.explicit == ExplicitMerge(method, (1, 0.5), 0.3, 0.7, seed=3)
    assert f"{method} of the differences of the 2 models below" in (place / "out" / "README.md").read_text()
    ended = CliRunner().invoke(export, ["out/recipe.json", "--out", "again", "--quiet"])
    assert ended.exit_code == 0, ended.output
    for name in ("model.safetensors", "recipe.json", "README.md"):
        assert (place / "again" / name).read_bytes() == (place / "out" / name).read_bytes()


def test_linear_and_task_arithmetic_are_recipes(place):
    assert run("linear", "a", "b", "--weight", "3", "--weight", "1", "--out", "mean").exit_code == 0
    assert read_recipe("mean/recipe.json").coefficients == ((0.75, 0.25),)
    assert run("linear", "a", "b", "--no-normalize", "--out", "sum").exit_code == 0
    assert read_recipe("sum/recipe.json").coefficients == ((1, 1),)
    assert run("task_arithmetic", "a", "b", "--base", "base", "--scale", "0.4", "--out", "added").exit_code == 0
    record = read_recipe("added/recipe.json")
    assert (record.coefficients, record.base.path, record.explicit) == (((0.4, 0.4),), "base", None)
    states = [load_file(place / label / "model.safetensors")[NAME].float() for label in ("a", "b", "base")]
    wanted = states[2] + 0.4 * (states[0] + states[1] - 2 * states[2])
    torch.testing.assert_close(load_file("added/model.safetensors")[NAME].float(), wanted, rtol=8e-3, atol=1e-4)


def test_vocabularies_that_differ(place):
    for seed, (label, added) in enumerate({"x": [], "y": ["<|x|>"], "z": []}.items()):
        vocabulary_folder(place / label, seed, added)
    ended = run("ties", "x", "y", "--base", "z", "--tokenizer", "union", "--out", "out")
    assert ended.exit_code == 0, ended.output
    found = load_file("out/model.safetensors")["lm_head.weight"]
    assert torch.equal(found[280], load_file("y/model.safetensors")["lm_head.weight"][280])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ties", "a", "b"], "ties needs --base"),
        (["linear", "a", "b", "--base", "base"], "linear has no --base"),
        (["linear", "a", "b", "--density", "0.5"], "--density is of TIES and DARE"),
        (["linear", "a", "b", "--like", "3"], "--like must be from 1 to 2"),
        (["linear", "a", "b", "--weight", "1"], "weights must be one for each of 2 models, got 1"),
        (["linear", "a", "b", "--weight", "1", "--weight", "-1"], "the weights sum to 0"),
        (["ties", "a", "b", "--base", "base", "--density", "0"], "--density"),
        (["slerp", "a", "b"], "slerp"),
        (["ties", "a", "gone", "--base", "base"], "no such folder"),
    ],
)
def test_what_is_refused(place, arguments, said):
    ended = run(*arguments, "--out", "out")
    assert ended.exit_code != 0
    assert said in ended.output
    assert not (place / "out").exists()
