"""Merged adapters as one adapter: what peft makes of it is the merge of what the adapters do."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from tiny_adapters import adapter_folder, gpt2_folder, loaded_by_peft
from tiny_models import llama_folder, llama_tokenizer, unet_folder

from evoniche.merging import Recipe
from evoniche_torch.commands.export import export
from evoniche_torch.files import MergeError
from evoniche_torch.models import CheckpointSeeds
from evoniche_torch.output import write_adapter, write_checkpoint

LLAMA = {
    "ranks": [{"target_modules": ["q_proj", "up_proj"]}, {"target_modules": ["q_proj", "v_proj"], "r": 5}],
    "scales": [{"target_modules": ["q_proj"], "use_rslora": True}, {"target_modules": ["q_proj"], "lora_alpha": 1}],
    "embeddings": [{"target_modules": ["embed_tokens", "lm_head"]}, {"target_modules": ["embed_tokens", "o_proj"]}],
    "saved": [
        {"target_modules": ["q_proj"], "modules_to_save": ["lm_head", "norm"]},
        {"target_modules": ["lm_head", "k_proj"]},
    ],
    "tokens": [
        {"target_modules": ["q_proj"], "trainable_token_indices": [3, 60]},
        {"target_modules": ["k_proj"], "trainable_token_indices": [60, 1]},
    ],
    "tokens and all": [
        {"target_modules": ["q_proj"], "trainable_token_indices": [3, 60]},
        {"target_modules": ["embed_tokens"]},
    ],
    "three": [{"target_modules": "all-linear", "r": rank} for rank in (1, 2, 4)],
}


def random_recipe(seeds, cuts, seed=0):
    """Cuts anywhere, in the midst of rows too."""
    rng = np.random.default_rng(seed)
    places = np.unique(rng.integers(1, seeds.size, cuts))
    return Recipe.of([0, *places, seeds.size], rng.normal(size=(len(places) + 1, seeds.count)))


def assert_the_same(tmp_path, base, adapters, kind, *, cuts=60):
    with CheckpointSeeds([f"{base}+{adapter}" for adapter in adapters], base=base) as seeds:
        recipe = random_recipe(seeds, cuts)
        out = write_adapter(recipe, seeds, tmp_path / "out")
        flat = seeds.materialise(recipe)
        state = loaded_by_peft(kind(base), out)
        for tensor in seeds.index.merged:
            start, stop = seeds.index.span(tensor.name)
            wanted = flat[start:stop].view(tensor.shape)
            torch.testing.assert_close(state[tensor.name], wanted, rtol=2e-5, atol=1e-5)
    return out


def llamas(base):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(base)


@pytest.mark.parametrize("kinds", LLAMA.values(), ids=LLAMA)
def test_one_adapter_does_what_the_merge_does(tmp_path, kinds):
    base = llama_folder(tmp_path / "base", 0)
    adapters = [adapter_folder(tmp_path / f"a{k}", base, k, **kind)[0] for k, kind in enumerate(kinds)]
    assert_the_same(tmp_path, base, adapters, llamas)


def test_layers_that_are_stored_transposed(tmp_path):
    base = gpt2_folder(tmp_path / "base")
    kinds = [
        {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True, "bias": "all"},
        {"target_modules": ["c_attn", "c_fc"], "fan_in_fan_out": True, "bias": "lora_only"},
    ]
    adapters = [adapter_folder(tmp_path / f"a{k}", base, k, **kind)[0] for k, kind in enumerate(kinds)]
    assert_the_same(tmp_path, base, adapters, llamas)


def test_convolutions(tmp_path):
    from diffusers import UNet2DConditionModel

    base = unet_folder(tmp_path / "base", 0)
    adapters = [
        adapter_folder(tmp_path / f"a{k}", base, k, kind=UNet2DConditionModel.from_pretrained, target_modules=targets)
        for k, targets in enumerate((["conv1", "to_q"], ["conv1", "conv_in"]))
    ]
    assert_the_same(tmp_path, base, [path for path, _ in adapters], UNet2DConditionModel.from_pretrained)


def test_the_rank_is_the_sum_and_one_for_each_cut_within_a_row(tmp_path):
    base = llama_folder(tmp_path / "base", 0)
    adapters = [adapter_folder(tmp_path / f"a{k}", base, k, r=k + 2, target_modules=["q_proj"])[0] for k in range(2)]
    with CheckpointSeeds([f"{base}+{adapter}" for adapter in adapters], base=base) as seeds:
        name = "model.layers.0.self_attn.q_proj"
        start, _ = seeds.index.span(f"{name}.weight")
        for number, (cuts, rank) in enumerate((((), 5), ((32,), 5), ((40,), 6), ((33, 40), 6), ((7, 40), 7))):
            places = [start + cut for cut in cuts]
            table = np.random.default_rng(1).normal(size=(len(cuts) + 1, 2))
            out = write_adapter(Recipe.of([0, *places, seeds.size], table), seeds, tmp_path / f"out{number}")
            tensors = load_file(out / "adapter_model.safetensors")
            assert tensors[f"base_model.model.{name}.lora_A.weight"].shape == (rank, 32)
            config = json.loads((out / "adapter_config.json").read_text())
            assert (config["rank_pattern"].get(name, config["r"]), config["lora_alpha"]) == (rank, config["r"])
        pure = write_adapter(Recipe.of([0, seeds.size], [[1.0, 0.0]]), seeds, tmp_path / "pure")
        assert json.loads((pure / "adapter_config.json").read_text())["r"] == 2  # the other has no part in it


def test_the_folder(tmp_path, monkeypatch):
    base = llama_folder(tmp_path / "base", 0)
    for k in range(2):
        adapter_folder(tmp_path / f"a{k}", base, k, target_modules=["q_proj"])
    llama_tokenizer("{{ messages }}!").save_pretrained(tmp_path / "a1")
    monkeypatch.chdir(tmp_path)
    with CheckpointSeeds(["base+a0", "base+a1", "base"], base="base") as seeds:
        recipe = random_recipe(seeds, 3)
        out = write_adapter(recipe, seeds, "out", like=1, dtype="bfloat16", card={"title": "Two"})
        write_checkpoint(recipe, seeds, "whole", like=1, card={"title": "Two"})
        with pytest.raises(FileExistsError):
            write_adapter(recipe, seeds, "out")
    assert (out / "chat_template.jinja").read_text() == "{{ messages }}!"
    assert not (out / "config.json").exists()
    assert {t.dtype for t in load_file(out / "adapter_model.safetensors").values()} == {torch.bfloat16}
    card = (out / "README.md").read_text()
    assert "# Two" in card
    assert "It is an adapter (LoRA) of rank" in card
    ended = CliRunner().invoke(export, ["out/recipe.json", "--out", "again", "--quiet"])
    assert ended.exit_code == 0, ended.output
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()


def refused(*models, **options):
    with CheckpointSeeds(models, **options) as seeds, pytest.raises(MergeError) as error:
        write_adapter(Recipe.of([0, seeds.size], np.ones((1, seeds.count))), seeds, "never")
    return str(error.value)


def test_what_is_refused(tmp_path):
    base = llama_folder(tmp_path / "base", 0)
    other = llama_folder(tmp_path / "other" / "base", 1)
    plain, _ = adapter_folder(tmp_path / "plain", base, 0, target_modules=["q_proj"])
    dora, _ = adapter_folder(tmp_path / "dora", base, 1, target_modules=["q_proj"], use_dora=True)
    assert "name the base by --base" in refused(f"{base}+{plain}")
    assert "none of these models is an adapter" in refused(base, other, base=base)
    assert "plain is over" in (text := refused(f"{other}+{plain}", f"{base}+{dora}", base=base))
    assert "dora is a DoRA, whose weights differ from the base by no low rank" in text
    tied = llama_folder(tmp_path / "tied" / "base", 0, tie=True)
    kind = {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}
    both, _ = adapter_folder(tmp_path / "both", tied, 0, **kind)
    assert "which the base ties to another tensor" in refused(f"{tied}+{both}", base=tied)
