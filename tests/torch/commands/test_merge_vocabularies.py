"""`evoniche merge --tokenizer`: the live model has the vocabulary of the merge, and so has what is written."""

import pytest
from click.testing import CliRunner
from safetensors.torch import load_file
from tiny_vocabularies import vocabulary_folder

from evoniche_torch.commands.export import export
from evoniche_torch.commands.merge import merge
from evoniche_torch.output import read_recipe

TASKS = """
import torch
from transformers import AutoTokenizer

def words(model):
    tokenizer = AutoTokenizer.from_pretrained(model.name_or_path)
    assert not model.training
    scores = []
    for text in ("<|im_start|>the cat", "<|tool|>on the mat", "a merge"):
        numbers = torch.tensor([tokenizer(text)["input_ids"]])
        assert tokenizer.decode(numbers[0]) == text
        assert int(numbers[0, 0]) >= 280 or text == "a merge"
        logits = model(numbers).logits
        assert logits.shape[-1] == model.config.vocab_size == len(tokenizer) == 282
        scores.append(logits[0, -1].softmax(-1)[:141].sum())
    return torch.stack(scores)
"""


@pytest.mark.parametrize("tie", [False, True])
@pytest.mark.parametrize("choice", ["union", "b", "./b"])
def test_a_run(tmp_path, monkeypatch, choice, tie):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    vocabulary_folder(tmp_path / "a", 0, ["<|im_start|>"], tie=tie)
    vocabulary_folder(tmp_path / "b", 1, ["<|tool|>", "<|im_start|>"], tie=tie)
    (tmp_path / "tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    options = ["--tokenizer", choice, "--scorer", "tasks.py:words", "--evaluations", "6", "--warmup", "2", "--quiet"]
    ended = CliRunner().invoke(merge, ["a", "b", *options, "--out", "out"])
    assert ended.exit_code == 0, ended.output
    assert read_recipe("out/recipe.json").tokenizer == ("union" if choice == "union" else 1)
    tokenizer = AutoTokenizer.from_pretrained("out")
    assert tokenizer.decode(tokenizer("<|tool|> the <|im_start|>")["input_ids"]) == "<|tool|> the <|im_start|>"
    model = AutoModelForCausalLM.from_pretrained("out")
    assert model.get_input_embeddings().weight.shape == (282, 8) == load_file("out/model.safetensors")[
        "model.embed_tokens.weight"
    ].shape
    ended = CliRunner().invoke(export, ["out/recipe.json", "--out", "again", "--quiet"])
    assert ended.exit_code == 0, ended.output
    for name in ("model.safetensors", "recipe.json", "tokenizer.json", "config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_without_the_option(tmp_path, monkeypatch):
    vocabulary_folder(tmp_path / "a", 0)
    vocabulary_folder(tmp_path / "b", 1, ["<|tool|>"])
    (tmp_path / "tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(merge, ["a", "b", "--scorer", "tasks.py:words", "--out", "out"])
    assert ended.exit_code == 1
    assert "--tokenizer union or first" in ended.output
