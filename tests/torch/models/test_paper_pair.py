"""The paper's pair of models in their file layout: Llama-2 as it lies on the hub, one of the two in torch's format."""

import json

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from tiny_models import llama, llama_tokenizer, log

from evoniche import enable_logging
from evoniche_torch.commands import merge as command
from evoniche_torch.models import CheckpointSeeds, load_pretrained

TASKS = """
import torch

WORDS = torch.arange(40).reshape(4, 10)

def maths(model):
    return model(WORDS).logits[:, -1].softmax(-1)[:, 7] * 20

def shop(model):
    return model(WORDS).logits[:, -1].softmax(-1)[:, 9] * 20
"""


def hub_folder(path, seed):
    """Two .bin files with an index, and the frequencies of the rotations in each layer."""
    tensors = llama(seed, dtype=torch.float16).state_dict()
    for layer in range(2):
        tensors[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = torch.arange(1, 5).reciprocal()
    config = llama(seed).config
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(path)
    llama_tokenizer().save_pretrained(path)
    names = sorted(tensors)
    weight_map = {}
    for number, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), start=1):
        file = f"pytorch_model-0000{number}-of-00002.bin"
        torch.save({name: tensors[name] for name in part}, path / file)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return path


@pytest.fixture
def _logging_is_left_off():
    yield
    enable_logging(False)


@pytest.mark.usefixtures("_logging_is_left_off", "one_thread")
def test_the_command_of_the_readme_merges_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed, label in enumerate(["maths-7b", "agent-7b"]):
        hub_folder(tmp_path / label, seed)
    (tmp_path / "tasks.py").write_text(TASKS)
    arguments = "maths-7b agent-7b --scorer tasks.py:maths --scorer tasks.py:shop --evaluations 20 --out merged"
    refused = CliRunner().invoke(command.merge, arguments.split())
    assert refused.exit_code
    assert "--allow-torch-files" in refused.output
    with log() as messages:
        result = CliRunner().invoke(command.merge, [*arguments.split(), "--warmup", "5", "--allow-torch-files"])
    assert not result.exit_code, result.output
    assert sum("2 tensors of the files are no part of a LlamaForCausalLM" in message for message in messages) == 1
    written = load_file(tmp_path / "merged" / "model.safetensors")
    assert "model.layers.1.self_attn.rotary_emb.inv_freq" in written
    with CheckpointSeeds([tmp_path / "merged"]) as seeds:
        live = load_pretrained(seeds.folders[0], seeds.index).module
    assert all(torch.equal(tensor, written[name]) for name, tensor in live.state_dict().items())
