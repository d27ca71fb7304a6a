"""Models whose vocabularies differ: rows by tokens, what is copied, the tokenizer that is written, what is refused."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_adapters import adapter_folder
from tiny_models import log, plain_folder, write_json
from tiny_vocabularies import TEXT, tokenizer_with, vocabulary_folder

from evoniche.merging import Recipe, Recipes
from evoniche_torch.files import MergeError
from evoniche_torch.models import CheckpointSeeds, ModuleSeeds
from evoniche_torch.output import write_adapter, write_checkpoint

EMBEDDINGS = ("model.embed_tokens.weight", "lm_head.weight")
CHAT, TOOL = "<|im_start|>", "<|tool|>"


def tensors(seeds, recipe):
    flat = seeds.materialise(recipe)
    return {t.name: flat[slice(*seeds.index.span(t.name))].view(t.shape) for t in seeds.index.merged}


def table(seeds, *rows):
    return Recipe.of([0, seeds.size], [list(rows)])


def merged(path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(path), AutoTokenizer.from_pretrained(path)


def refused(*args, **options):
    with pytest.raises(MergeError) as error:
        CheckpointSeeds(*args, **options)
    return str(error.value)


def test_a_union_of_added_tokens(tmp_path):
    """a has one token more, b has it too under another number, and one of its own before it."""
    a = vocabulary_folder(tmp_path / "a", 0, [CHAT])
    b = vocabulary_folder(tmp_path / "b", 1, [TOOL, CHAT])
    one, two = load_file(a / "model.safetensors"), load_file(b / "model.safetensors")
    size = one[EMBEDDINGS[0]].shape[0]
    with CheckpointSeeds([a, b], tokenizer="union") as seeds:
        recipe = table(seeds, 0.75, 0.5)  # of the sum 1.25
        found = tensors(seeds, recipe)
        out = write_checkpoint(recipe, seeds, tmp_path / "out")
    for name in EMBEDDINGS:
        wanted = 0.75 * one[name] + 0.5 * two[name][[*range(size - 1), size]]
        torch.testing.assert_close(found[name][:size], wanted)
        assert torch.equal(found[name][size], two[name][size - 1])  # copied, whatever the sum
    name = "model.norm.weight"
    torch.testing.assert_close(found[name], 0.75 * one[name] + 0.5 * two[name])
    model, tokenizer = merged(out)
    assert model.config.vocab_size == size + 1 == len(tokenizer)
    assert torch.equal(model.lm_head.weight, found["lm_head.weight"])
    text = f"<s>{CHAT} the cat{TOOL} sat</s> é"
    numbers = tokenizer(text)["input_ids"]
    assert [tokenizer.convert_tokens_to_ids(token) for token in (CHAT, TOOL)] == [size - 1, size]
    assert {size - 1, size} <= set(numbers)
    assert tokenizer.decode(numbers) == text
    assert tokenizer.decode(numbers, skip_special_tokens=True) == " the cat sat é"
    assert tokenizer(TEXT[0])["input_ids"] == tokenizer_with()(TEXT[0])["input_ids"]


def test_each_model_does_what_it_did(tmp_path):
    """A pure seed in the union gives the logits of its model, at the tokens that it knows."""
    paths = [
        vocabulary_folder(tmp_path / "a", 0, [CHAT], rows=300), vocabulary_folder(tmp_path / "b", 1, [TOOL, CHAT])
    ]  # fmt: skip
    text = f"<s>{CHAT} the order"
    with CheckpointSeeds(paths, tokenizer="union") as seeds:
        for k, path in enumerate(paths):
            out = write_checkpoint(Recipes.of_seeds(seeds)[k], seeds, tmp_path / f"out{k}")
            (old, before), (new, after) = merged(path), merged(out)
            ids = [torch.tensor([tokenizer(text)["input_ids"]]) for tokenizer in (before, after)]
            order = [after.get_vocab()[token] for token, _ in sorted(before.get_vocab().items(), key=lambda x: x[1])]
            torch.testing.assert_close(new(ids[1]).logits[..., order], old(ids[0]).logits[..., : len(before)])


def test_the_vocabulary_of_one_model(tmp_path):
    a = vocabulary_folder(tmp_path / "a", 0, [CHAT])
    b = vocabulary_folder(tmp_path / "b", 1, [TOOL, CHAT], template="{{ messages }}!")
    one, two = load_file(a / "model.safetensors"), load_file(b / "model.safetensors")
    size, name = one[EMBEDDINGS[0]].shape[0], EMBEDDINGS[0]
    for choice in ("first", 0, "a"):
        with CheckpointSeeds([a, b], tokenizer=choice) as seeds:
            found = tensors(seeds, table(seeds, 0.5, 0.5))
            assert found[name].shape == (size, 8)
            torch.testing.assert_close(found[name], (one[name] + two[name][[*range(size - 1), size]]) / 2)
    with CheckpointSeeds([a, b], tokenizer="b") as seeds:
        found = tensors(seeds, table(seeds, 0.5, 0.5))
        torch.testing.assert_close(found[name][size], (one[name][size - 1] + two[name][size]) / 2)
        assert torch.equal(found[name][size - 1], two[name][size - 1])
        out = write_checkpoint(table(seeds, 0.5, 0.5), seeds, tmp_path / "out")
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (out / file).read_bytes() == (b / file).read_bytes()


def test_numbers_of_tokens_in_configurations(tmp_path):
    """The configuration of one model with the tokenizer of another: eos_token_id is the same token as before."""
    a = vocabulary_folder(tmp_path / "a", 0, [CHAT])
    b = vocabulary_folder(tmp_path / "b", 1, [TOOL, CHAT], eos=CHAT)
    write_json(b / "generation_config.json", {"eos_token_id": [280, 281], "pad_token_id": None, "top_k": 280})
    with CheckpointSeeds([a, b], tokenizer="first") as seeds, log() as messages:
        out = write_checkpoint(table(seeds, 0.5, 0.5), seeds, tmp_path / "out", like=1)
    config = json.loads((out / "config.json").read_text())
    assert (config["vocab_size"], config["eos_token_id"], config["bos_token_id"]) == (281, 280, 0)
    generation = json.loads((out / "generation_config.json").read_text())
    assert generation == {"eos_token_id": [280], "pad_token_id": None, "top_k": 280}
    assert any(f"is the token {TOOL!r}, which the vocabulary of the merge does not have" in text for text in messages)


def test_padding(tmp_path):
    """Rows behind the tokens belong together by their numbers; those of one model are copied."""
    a = vocabulary_folder(tmp_path / "a", 0, [], rows=288)
    b = vocabulary_folder(tmp_path / "b", 1, [CHAT], rows=284)
    one, two = load_file(a / "model.safetensors"), load_file(b / "model.safetensors")
    name = EMBEDDINGS[1]
    with CheckpointSeeds([a, b], tokenizer="union") as seeds:
        found = tensors(seeds, table(seeds, 0.6, 0.6))[name]
    assert found.shape == (288, 8)
    torch.testing.assert_close(found[:280], 0.6 * (one[name][:280] + two[name][:280]))
    assert torch.equal(found[280], two[name][280])  # the token of b alone
    torch.testing.assert_close(found[281:284], 0.6 * (one[name][281:284] + two[name][281:284]))
    assert torch.equal(found[284:], one[name][284:])


def test_rows_that_some_models_have(tmp_path):
    """A model that lacks a token takes no part in its rows; with a base that has it, it adds nothing to it."""
    a = vocabulary_folder(tmp_path / "a", 0, [CHAT])
    b = vocabulary_folder(tmp_path / "b", 1, [CHAT])
    c = vocabulary_folder(tmp_path / "c", 2, [])
    rows = [load_file(path / "model.safetensors")[EMBEDDINGS[0]] for path in (a, b, c)]
    with CheckpointSeeds([a, b, c], tokenizer="union") as seeds:
        found = tensors(seeds, table(seeds, 0.25, 0.5, 0.25))[EMBEDDINGS[0]]
    torch.testing.assert_close(found[280], 0.25 * rows[0][280] + 0.5 * rows[1][280] + 0.125 * (rows[0] + rows[1])[280])
    with CheckpointSeeds([a, c], base=b, tokenizer="union") as seeds:
        found = tensors(seeds, table(seeds, 0.5, 0.9))[EMBEDDINGS[0]]
    torch.testing.assert_close(found[280], rows[1][280] + 0.5 * (rows[0][280] - rows[1][280]))
    with CheckpointSeeds([a, c], base=c, tokenizer="union") as seeds:
        found = tensors(seeds, table(seeds, 0.5, 0.9))[EMBEDDINGS[0]]
    assert torch.equal(found[280], rows[0][280])


def test_dot_products_and_bits(tmp_path):
    """The seeds are vectors in which copied rows are 0; any stretch of them has the same bits."""
    paths = [
        vocabulary_folder(tmp_path / "a", 0, [CHAT], dtype=torch.bfloat16),
        vocabulary_folder(tmp_path / "b", 1, [TOOL, CHAT], dtype=torch.bfloat16),
        vocabulary_folder(tmp_path / "c", 2, ["<|x|>", TOOL], rows=290, dtype=torch.bfloat16),
    ]
    with CheckpointSeeds(paths, tokenizer="union") as seeds:
        explicit = []
        for k in range(3):
            infos = seeds.index.merged
            explicit.append({t.name: seeds.read(k, t.name, 0, t.size).clone().float().view(t.shape) for t in infos})
        modules = ModuleSeeds(explicit)
        rng = np.random.default_rng(0)
        ends = np.sort(rng.integers(0, seeds.size + 1, (20, 2)), axis=1)
        one, two = seeds.grams(ends[:, 0], ends[:, 1]), modules.grams(ends[:, 0], ends[:, 1])
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12)
        recipe = Recipe.of([0, 999, 2002, seeds.size], rng.normal(size=(3, 3)))
        whole = seeds.materialise(recipe)
        copied = seeds.vocabulary.copied
        assert np.flatnonzero(copied).tolist() == [282]  # <|x|>; the padding of c is left out
        for name in EMBEDDINGS:
            start, stop = seeds.index.span(name)
            rows = torch.from_numpy(np.repeat(copied, 8))
            expected = modules.materialise(recipe, start, stop)
            assert torch.equal(whole[start:stop][~rows], expected[~rows])
            assert not expected[rows].any()
        for low, high in np.sort(rng.integers(0, seeds.size + 1, (30, 2)), axis=1).tolist():
            assert torch.equal(seeds.materialise(recipe, low, high), whole[low:high])


def test_tied_models_stay_tied(tmp_path):
    paths = [vocabulary_folder(tmp_path / str(k), k, added, tie=True) for k, added in enumerate(([], [CHAT]))]
    for path in paths:
        stored = load_file(path / "model.safetensors")
        twice = {**stored, "lm_head.weight": stored[EMBEDDINGS[0]].clone()}
        save_file(twice, path / "model.safetensors", {"format": "pt"})
    with CheckpointSeeds(paths, tokenizer="union") as seeds:
        assert dict(seeds.index.tied) == {"model.embed_tokens.weight": "lm_head.weight"}
        model, _ = merged(write_checkpoint(table(seeds, 0.5, 0.5), seeds, tmp_path / "out"))
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.lm_head.weight.shape == (281, 8)


def test_biases_across(tmp_path):
    """Models such as Marian have a bias of the shape (1, tokens)."""
    paths = []
    for k, added in enumerate(([CHAT], [TOOL, CHAT])):
        paths.append(vocabulary_folder(tmp_path / str(k), k, added))
        state = load_file(paths[k] / "model.safetensors")
        state["final_logits_bias"] = torch.arange(280.0 + len(added))[None] + 100 * k
        save_file(state, paths[k] / "model.safetensors", {"format": "pt"})
    with CheckpointSeeds(paths, tokenizer="union") as seeds:
        found = tensors(seeds, table(seeds, 0.5, 0.5))["final_logits_bias"]
    assert found.shape == (1, 282)
    assert found[0, [0, 279, 280, 281]].tolist() == [50, 329, (280 + 381) / 2, 380]


def test_other_rows_change_the_key_of_the_cache(tmp_path):
    a, b = vocabulary_folder(tmp_path / "a", 0, [CHAT]), vocabulary_folder(tmp_path / "b", 1, [TOOL])
    totals = []
    for token in (TOOL, CHAT):
        tokenizer_with([token]).save_pretrained(b)
        with CheckpointSeeds([a, b], tokenizer="first") as seeds:
            totals.append(seeds.grams(np.array(0), np.array(seeds.size))[0, 1])
    assert totals[0] != totals[1]


# What is refused


def test_vocabularies_that_differ_are_refused_with_the_way_out(tmp_path):
    a, b = vocabulary_folder(tmp_path / "a", 0), vocabulary_folder(tmp_path / "b", 1, [CHAT])
    assert "merged token by token with --tokenizer union or first" in refused([a, b])
    c = vocabulary_folder(tmp_path / "c", 1, rows=288)
    assert "merged token by token with --tokenizer union or first" in refused([a, c])


def test_tokenizers_that_cannot_be_united(tmp_path):
    a = vocabulary_folder(tmp_path / "a", 0)
    b = vocabulary_folder(tmp_path / "b", 1, size=290)
    text = refused([a, b], tokenizer="union")
    assert "cannot be united" in text
    assert "a and b have vocabularies that differ in 10 tokens beside those added" in text
    assert "a and b merge other pairs" in text
    CheckpointSeeds([a, b], tokenizer="first").close()
    c = vocabulary_folder(tmp_path / "c", 2)
    found = json.loads((c / "tokenizer.json").read_text())
    write_json(c / "tokenizer.json", {**found, "normalizer": {"type": "Lowercase"}})
    assert "a and c differ in normalizer" in refused([a, c], tokenizer="union")
    write_json(c / "tokenizer.json", {**found, "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}})
    assert "a and c are of the types BPE and WordLevel" in refused([a, c], tokenizer="union")


def test_what_else_is_refused(tmp_path):
    a, b = vocabulary_folder(tmp_path / "a", 0), vocabulary_folder(tmp_path / "b", 1, [CHAT])
    for choice in ("last", 2, -1, True):
        assert "tokenizer must be first, union, or one of the models a, b" in refused([a, b], tokenizer=choice)
    (b / "tokenizer.json").write_text("{}")
    assert "tokenizer.json: is damaged" in refused([a, b], tokenizer="union")
    (b / "tokenizer.json").unlink()
    assert "has no tokenizer.json" in refused([a, b], tokenizer="union")
    bare = [plain_folder(tmp_path / name, {"w": torch.ones(3)}) for name in "xy"]
    for path in bare:
        tokenizer_with().save_pretrained(path)
    assert "has no embedding of tokens that is known here" in refused(bare, tokenizer="union")


def test_an_adapter_keeps_the_vocabulary_of_its_base(tmp_path):
    a = vocabulary_folder(tmp_path / "a", 0)
    adapter, _ = adapter_folder(tmp_path / "adapter", a, 0, target_modules=["q_proj"])
    with CheckpointSeeds([f"{a}+{adapter}"], base=a, tokenizer="union") as seeds:
        recipe = Recipes.of_seeds(seeds)
        with pytest.raises(MergeError, match="an adapter has the vocabulary of its base"):
            write_adapter(recipe, seeds, tmp_path / "out")
