"""`evoniche merge base+adapter base+adapter`: the folder that comes out, and that it is made again byte by byte."""

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from tiny_adapters import adapter_folder, loaded_by_peft
from tiny_models import llama_folder, llama_tokenizer

from evoniche_torch.commands import merge as command
from evoniche_torch.commands import merge_output
from evoniche_torch.commands.export import export
from evoniche_torch.models import CheckpointSeeds
from evoniche_torch.output import read_recipe

TASKS = """
import torch

def words(model):
    logits = model(torch.arange(40).reshape(4, 10)).logits[:, -1]
    return logits[:, :32].logsumexp(-1) > logits[:, 32:].logsumexp(-1)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    base = llama_folder(tmp_path / "base", 0)
    adapter_folder(tmp_path / "maths", base, 1, target_modules=["q_proj", "up_proj"])
    adapter_folder(tmp_path / "dutch", base, 2, target_modules=["v_proj"], use_dora=True, modules_to_save=["lm_head"])
    llama_tokenizer("{{ messages }}!").save_pretrained(tmp_path / "dutch")
    (tmp_path / "tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(merge_output, "draw_merge", lambda *_: None)
    return tmp_path


def run(*arguments):
    options = ["--scorer", "tasks.py:words", "--evaluations", "7", "--warmup", "3", "--quiet"]
    return CliRunner().invoke(command.merge, [*arguments, *options])


@pytest.mark.parametrize("options", [[], ["--base", "base"]])
def test_adapters_are_models(place, options):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ended = run("base+maths", "base+dutch", "--out", "out", "--like", "2", *options)
    assert ended.exit_code == 0, ended.output
    record = read_recipe(place / "out" / "recipe.json")
    assert [seed.path for seed in record.seeds] == ["base+maths", "base+dutch"]
    assert [seed.label for seed in record.seeds] == ["maths", "dutch"]
    with CheckpointSeeds(["base+maths", "base+dutch"], base="base" if options else None) as seeds:
        flat = seeds.materialise(record.recipe)
        start, stop = seeds.index.span("model.layers.1.mlp.up_proj.weight")
    found = load_file(place / "out" / "model.safetensors")
    assert torch.equal(found["model.layers.1.mlp.up_proj.weight"].view(-1), flat[start:stop])
    model = AutoModelForCausalLM.from_pretrained(place / "out")
    assert torch.equal(model.state_dict()["lm_head.weight"], found["lm_head.weight"])
    assert AutoTokenizer.from_pretrained(place / "out").chat_template == "{{ messages }}!"  # that of the adapter
    card = (place / "out" / "README.md").read_text()
    assert all(f'- "{name}"' in card for name in ("base", "maths", "dutch"))
    ended = CliRunner().invoke(export, ["out/recipe.json", "--out", "again", "--quiet"])
    assert ended.exit_code == 0, ended.output
    for name in ("model.safetensors", "recipe.json", "README.md", "config.json", "chat_template.jinja"):
        assert (place / "again" / name).read_bytes() == (place / "out" / name).read_bytes()


def test_an_adapter_comes_out(place):
    from transformers import AutoModelForCausalLM

    adapter_folder(place / "shop", place / "base", 3, target_modules=["q_proj", "o_proj"])
    ended = run("base+maths", "base+shop", "--as-adapter", "--out", "out")
    assert ended.exit_code == 0, ended.output
    record = read_recipe(place / "out" / "recipe.json")
    assert record.base.path == "base"
    name = "model.layers.1.self_attn.q_proj.weight"
    found = loaded_by_peft(AutoModelForCausalLM.from_pretrained("base"), "out")[name]
    with CheckpointSeeds(["base+maths", "base+shop"], base="base") as seeds:
        wanted = seeds.materialise(record.recipe, *seeds.index.span(name))
    torch.testing.assert_close(found.view(-1), wanted, rtol=2e-5, atol=1e-6)


def test_no_adapter_comes_out_of_a_dora(place):
    ended = run("base+maths", "base+dutch", "--as-adapter", "--out", "out")
    assert ended.exit_code == 1
    assert "dutch is a DoRA" in ended.output
    assert not (place / "out").exists()


def test_an_adapter_is_never_overwritten(place):
    ended = run("base+maths", "base+dutch", "--out", "maths", "--overwrite")
    assert ended.exit_code == 1
    assert "out must be a folder apart from the models that are merged" in ended.output


def test_a_changed_adapter_is_not_exported(place):
    assert run("base+maths", "base+dutch", "--out", "out").exit_code == 0
    config = place / "dutch" / "adapter_config.json"
    config.write_text(config.read_text().replace('"lora_alpha": 5', '"lora_alpha": 6'))
    ended = CliRunner().invoke(export, ["out/recipe.json", "--out", "again", "--quiet"])
    assert ended.exit_code == 1
    assert "+adapter_config.json" in ended.output
