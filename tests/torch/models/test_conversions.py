"""Live models of libraries that rename, join, split and transpose tensors, beyond the table of architectures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from merged_models import assert_equal, expected, some_recipe
from safetensors.torch import load_file, save_file
from tiny_models import CONFIG, llama, llama_folder, log, numbers, plain_folder
from torch import nn

from evoniche_torch.files import MergeError
from evoniche_torch.models import (
    CheckpointSeeds,
    ModuleSeeds,
    conversions,
    filling_plan,
    load_into,
    load_pretrained,
    module_loader,
)
from evoniche_torch.models.conversions import Conversion, Target
from evoniche_torch.models.traced import TracedTensor


@pytest.fixture(params=[1 << 18, 7])
def _blocks(request, monkeypatch):
    """The usual blocks and tiny ones."""
    monkeypatch.setattr(module_loader, "MERGE_BLOCK", request.param)
    monkeypatch.setattr(module_loader, "_LARGE_BLOCK", 2 * request.param)


CONVERSIONS = {
    "columns": lambda x: {"a": x["large"][:, :5].contiguous(), "b": x["large"][:, 5:].contiguous(), "c": x["small"]},
    "interleaved": lambda x: {"a": x["large"].reshape(6, 4, 2).transpose(1, 2).reshape(6, 8), "c": x["small"]},
    "joined": lambda x: {"a": torch.cat([x["large"].T, x["small"][:8, None]], dim=1).contiguous()},
    "stacked": lambda x: {"a": torch.stack([x["large"][0], x["small"][:8]], dim=1), "b": x["large"][1:]},
}


def converted(name, dtype, change=torch.Tensor.clone):
    """A module whose library makes its tensors of two tensors of a file in this way."""
    shapes = {"large": (6, 8), "small": (9,)}
    traced = CONVERSIONS[name]({key: TracedTensor.of(key, shape, dtype) for key, shape in shapes.items()})
    targets = {key: Target(tuple(tensor.shape), tensor.pieces) for key, tensor in traced.items()}
    module = nn.ParameterDict(
        {key: nn.Parameter(change(torch.zeros(t.shape, dtype=dtype))) for key, t in targets.items()}
    )
    return module, Conversion(targets, frozenset(), ())


def by_columns(tensor):
    """The same tensor in another layout of memory."""
    return tensor.mT.contiguous().mT if tensor.ndim > 1 else tensor


def two_models(dtype):
    return [
        {
            "large": torch.randn(6, 8, generator=generator).to(dtype),
            "small": torch.randn(9, generator=generator).to(dtype),
        }
        for generator in (torch.Generator().manual_seed(seed) for seed in range(2))
    ]


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("name", CONVERSIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("change", [torch.Tensor.clone, by_columns])
def test_every_way_to_move_numbers(name, dtype, change, monkeypatch):
    seeds = ModuleSeeds(two_models(dtype))
    module, conversion = converted(name, dtype, change)
    monkeypatch.setattr(filling_plan, "trace_conversion", lambda model, index: conversion)
    recipe = some_recipe(seeds)
    load_into(module, recipe, seeds)
    assert_equal(dict(module.state_dict()), CONVERSIONS[name](expected(seeds, recipe)))


def test_a_float32_module_holds_what_its_library_would_load_from_the_file(tmp_path):
    folders = [llama_folder(tmp_path / label, k, dtype=torch.bfloat16, tokenizer=False) for k, label in enumerate("ab")]
    live = llama(2, dtype=torch.float32)
    with CheckpointSeeds(folders) as seeds:
        load_into(live, some_recipe(seeds), seeds)
        wanted = {name: tensor.float() for name, tensor in expected(seeds, some_recipe(seeds)).items()}
    assert_equal(dict(live.state_dict()), wanted)


def test_a_module_is_looked_at_once(tmp_path, monkeypatch):
    folders = [llama_folder(tmp_path / label, k, tokenizer=False) for k, label in enumerate("ab")]
    calls = []
    trace = conversions.trace_conversion
    monkeypatch.setattr(filling_plan, "trace_conversion", lambda *args: calls.append(1) or trace(*args))
    with CheckpointSeeds(folders) as seeds:
        live = load_pretrained(seeds.folders[0], seeds.index).module
        for number in range(3):
            load_into(live, some_recipe(seeds), seeds)
            if number == 1:
                live.lm_head.weight = nn.Parameter(torch.zeros(64, 32))  # memory of its own, which is filled as well
        assert_equal(dict(live.state_dict()), expected(seeds, some_recipe(seeds)))
    assert len(calls) == 1


def test_what_was_loaded_is_compared_with_the_file(tmp_path, monkeypatch):
    folder = llama_folder(tmp_path / "a", tokenizer=False)
    import transformers

    right = transformers.LlamaForCausalLM.from_pretrained.__func__

    def wrong(cls, path, *args, **options):
        loaded = right(cls, path, *args, **options)
        if path is not None:
            with torch.no_grad():
                loaded.model.norm.weight[3] += 1
        return loaded

    monkeypatch.setattr(transformers.LlamaForCausalLM, "from_pretrained", classmethod(wrong))
    with (
        CheckpointSeeds([folder]) as seeds,
        pytest.raises(MergeError, match=r"model\.norm\.weight is not in the Llama"),
    ):
        load_pretrained(seeds.folders[0], seeds.index)


def test_a_library_that_changes_numbers_is_refused_by_name(tmp_path, monkeypatch):
    folder = llama_folder(tmp_path / "a", tokenizer=False)
    import transformers
    from transformers.core_model_loading import ConversionOps, WeightConverter

    class Doubled(ConversionOps):
        def convert(self, input_dict, source_patterns, target_patterns, **_):
            (tensors,) = input_dict.values()
            return {target_patterns[0]: tensors[0] * 2}

    monkeypatch.setattr(
        transformers.modeling_utils, "get_model_conversion_mapping",
        lambda *_: [WeightConverter("model.norm.weight", "model.norm.weight", [Doubled()])],
    )  # fmt: skip
    with CheckpointSeeds([folder]) as seeds, pytest.raises(MergeError, match=r"changes numbers \(aten.mul"):
        load_pretrained(seeds.folders[0], seeds.index)


def test_a_loader_that_raises_gives_one_clear_error(tmp_path):
    folder = plain_folder(tmp_path / "a", numbers(), config={**CONFIG, "num_hidden_layers": 1})
    with CheckpointSeeds([folder]) as seeds, pytest.raises(MergeError) as error:
        load_pretrained(seeds.folders[0], seeds.index)
    assert "a: transformers cannot load it" in str(error.value)
    assert "MISMATCH" in str(error.value)  # what transformers would only have logged
    assert "up_proj.weight" in str(error.value)


def test_weights_that_one_model_stores_twice_must_be_equal(tmp_path):
    folders = [llama_folder(tmp_path / label, k, tie=True, tokenizer=False) for k, label in enumerate("ab")]
    file = folders[1] / "model.safetensors"
    tensors = load_file(file)
    save_file({**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"].clone()}, file, {"format": "pt"})
    with CheckpointSeeds(folders) as seeds:
        assert "lm_head.weight" not in seeds.index.tied
    with CheckpointSeeds(folders[::-1]) as seeds:
        assert seeds.index.tied["lm_head.weight"] == "model.embed_tokens.weight"
    save_file({**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"] + 1}, file, {"format": "pt"})
    with pytest.raises(MergeError, match=r"lm_head\.weight: in b, missing in a"):
        CheckpointSeeds(folders)


def test_weights_that_are_equal_in_the_first_model_alone(tmp_path):
    folders = [llama_folder(tmp_path / label, k, tie=True, tokenizer=False) for k, label in enumerate("ab")]
    for number, folder in enumerate(folders):
        tensors = load_file(folder / "model.safetensors")
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + number
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with CheckpointSeeds(folders) as seeds, log() as messages:
        live = load_pretrained(seeds.folders[0], seeds.index).module
        load_into(live, some_recipe(seeds), seeds)
        assert_equal(dict(live.state_dict()), expected(seeds, some_recipe(seeds)))
    assert any("equal in the first model and differ in others" in message for message in messages)


MEASURED = """
import re, sys, threading, time
import torch
from evoniche import Recipes
from evoniche_torch import CheckpointSeeds, load_into
from evoniche_torch.models import load_pretrained

def used():
    return int(re.search(r"RssAnon:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024

def peak(work):
    highest, ended = [used()], threading.Event()
    def watch():
        while not ended.wait(0.002):
            highest[0] = max(highest[0], used())
    thread = threading.Thread(target=watch)
    thread.start()
    result = work()
    ended.set()
    thread.join()
    return result, highest[0]

def opened(folders):
    with CheckpointSeeds(folders, cache=False) as seeds:
        return load_pretrained(seeds.folders[0], seeds.index)

opened(sys.argv[1:2])  # what the library itself takes
with CheckpointSeeds(sys.argv[2:], cache=False) as seeds:
    size = sum(tensor.size * tensor.dtype.itemsize for tensor in seeds.index.merged)
    before = used()
    live, opening = peak(lambda: load_pretrained(seeds.folders[0], seeds.index))
    between = used()
    _, filling = peak(lambda: load_into(live.module, Recipes.of_seeds(seeds)[1], seeds))
    print(size, opening - before, between - before, filling - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured by /proc")
def test_filling_joined_experts_takes_little_more_than_the_model(tmp_path):
    from transformers import MixtralConfig, MixtralForCausalLM

    for label, size in (("tiny", 8), ("a", 512), ("b", 512)):
        config = MixtralConfig(
            vocab_size=1024, hidden_size=size, intermediate_size=2 * size, num_hidden_layers=8, num_attention_heads=8,
            num_key_value_heads=8, num_local_experts=6,
        )  # fmt: skip
        MixtralForCausalLM(config).bfloat16().save_pretrained(tmp_path / label)
    command = [sys.executable, "-c", MEASURED, *(str(tmp_path / label) for label in ("tiny", "a", "b"))]
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}  # else each thread of the loader keeps memory it has freed
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert not ended.returncode, ended.stderr
    size, opening, held, filling = map(int, ended.stdout.split())
    assert size > 150e6
    print(json.dumps({"model": size, "opening": opening / size, "held": held / size, "filling": filling / size}))
    assert held > 0.9 * size  # it does measure
    assert filling < 1.3 * size
    assert opening < 1.3 * size
