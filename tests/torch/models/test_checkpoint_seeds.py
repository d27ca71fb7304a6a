"""Checkpoints as seeds: what is read, what is refused, and that files are merged as modules are."""

import hashlib
import json
import os
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import (
    CONFIG,
    VOCABULARY,
    llama,
    llama_folder,
    log,
    malicious_file,
    numbers,
    pipeline_folder,
    plain_folder,
    sharded_folder,
    tokenizer_json,
    unet,
    unet_folder,
)

from evoniche.merging import GRAM_BLOCK, Recipe
from evoniche_torch.files import SAFETENSORS_DTYPES, MergeError, safetensors_reader
from evoniche_torch.files.safetensors_reader import read_header
from evoniche_torch.models import CheckpointSeeds, ModuleSeeds, gram_sums


def refused(*args, **options):
    with pytest.raises(MergeError) as error:
        CheckpointSeeds(*args, **options)
    return str(error.value)


def whole(bank):
    return bank.grams(np.array(0), np.array(bank.size))


def recipe(bank, seed=0):
    rng = np.random.default_rng(seed)
    cuts = np.unique(rng.integers(1, bank.size, 5))
    return Recipe.of([0, *cuts, bank.size], rng.random((len(cuts) + 1, bank.count)))


def assert_same_as(files, modules):
    """Equal dot products between any two positions, and equal merged models."""
    assert [t.name for t in files.index.merged] == [t.name for t in modules.index.merged]
    rng = np.random.default_rng(1)
    ends = np.sort(rng.integers(0, files.size + 1, (20, 2)), axis=1)
    ends[0] = 0, files.size
    one, two = files.grams(ends[:, 0], ends[:, 1]), modules.grams(ends[:, 0], ends[:, 1])
    np.testing.assert_allclose(one, two, rtol=1e-14, atol=1e-14 * np.abs(two).max())
    assert torch.equal(files.materialise(recipe(files)), modules.materialise(recipe(modules)))


# Parity


def test_llamas_on_disk_are_as_in_memory(tmp_path):
    paths = [llama_folder(tmp_path / "a", 1), llama_folder(tmp_path / "b", 2, shard_size="20KB", tokenizer=False)]
    with CheckpointSeeds(paths, base=llama_folder(tmp_path / "base", 0)) as files:
        assert (files.labels, files.base_label) == (("a", "b"), "base")
        assert repr(files) == f"CheckpointSeeds(a, b, base base: {files.size:,} parameters)"
        assert [folder.path.name for folder in files.folders] == ["a", "b", "base"]
        assert_same_as(files, ModuleSeeds([llama(1), llama(2)], base=llama(0)))


def test_tied_llamas(tmp_path):
    files = CheckpointSeeds([llama_folder(tmp_path / str(seed), seed, tie=True) for seed in range(2)])
    assert files.size == ModuleSeeds([llama(0, tie=True)]).size
    assert "lm_head.weight" not in [tensor.name for tensor in files.index.merged]


def test_unets_on_disk_are_as_in_memory(tmp_path):
    paths = [unet_folder(tmp_path / "a", 1), unet_folder(tmp_path / "b", 2, shard_size="60KB", variant="fp16")]
    assert_same_as(CheckpointSeeds(paths), ModuleSeeds([unet(1), unet(2)]))


def test_pipelines(tmp_path):
    paths = [pipeline_folder(tmp_path / str(seed), seed) for seed in range(2)]
    bank = CheckpointSeeds(paths)
    assert {"conv_in.weight", "time_embedding.linear_1.bias"} <= {tensor.name for tensor in bank.index.merged}
    assert list(bank.digests[0]) == ["unet/diffusion_pytorch_model.safetensors"]
    with log() as messages:
        whole(CheckpointSeeds(paths, component="vqvae"))  # the same in both
    assert "same model" in messages[0]


@pytest.mark.parametrize("based", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_sums_over_many_blocks(tmp_path, dtype, based, monkeypatch):
    monkeypatch.setattr(gram_sums, "_AT_ONCE", 2)

    def model(seed):
        generator = torch.Generator().manual_seed(seed)
        sizes = [GRAM_BLOCK, 1, 3 * GRAM_BLOCK + 7, 5, GRAM_BLOCK // 2]
        return {f"t{i}": torch.randn(n, generator=generator).to(dtype) for i, n in enumerate(sizes)}

    models = [model(seed) for seed in range(2 + based)]
    paths = [plain_folder(tmp_path / str(seed), tensors) for seed, tensors in enumerate(models)]
    threads = torch.get_num_threads()
    options = {"base": paths[2]} if based else {}
    files = CheckpointSeeds(paths[:2], cache=False, **options)
    assert_same_as(files, ModuleSeeds(models[:2], base=models[2] if based else None))
    assert torch.get_num_threads() == threads


# Reading


def every_dtype():
    generator = torch.Generator().manual_seed(0)
    raw = torch.randint(0, 2, (4, 6 * 8), generator=generator, dtype=torch.uint8)
    found = {name: raw[:, : 6 * dtype.itemsize].clone().view(dtype) for name, dtype in SAFETENSORS_DTYPES.items()}
    return {**found, "scalar": torch.tensor(3.5), "count": torch.tensor(7), "empty": torch.zeros(0, 3)}


def test_any_stretch_of_any_dtype(tmp_path):
    tensors = {name: t for name, t in every_dtype().items() if not name.startswith("F8")}
    bank = CheckpointSeeds([plain_folder(tmp_path / "all", tensors)])
    for name, tensor in tensors.items():
        flat = tensor.reshape(-1)
        for low, high in ((0, flat.numel()), (flat.numel() // 3, flat.numel() // 2), (0, 0)):
            read = bank.read(0, name, low, high)
            assert read.dtype == tensor.dtype
            assert torch.equal(read, flat[low:high])
    assert "scalar" in [tensor.name for tensor in bank.index.merged]
    assert {"count", "empty", "BOOL"} <= {tensor.name for tensor in bank.index.copied}


def test_headers_say_where_the_bytes_are(tmp_path):
    path = tmp_path / "all.safetensors"
    tensors = every_dtype()
    save_file(tensors, path, metadata={"format": "pt"})
    header = read_header(path)
    content = path.read_bytes()
    assert header.metadata == {"format": "pt"}
    assert set(header.tensors) == set(tensors)
    for name, tensor in load_file(path).items():
        entry = header.tensors[name]
        assert (entry.info.dtype, entry.info.shape) == (tensor.dtype, tuple(tensor.shape))
        assert content[entry.start : entry.stop] == tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def test_the_pass_holds_no_more_than_a_block_of_each(tmp_path, monkeypatch):
    path = plain_folder(tmp_path / "large", {"w": torch.ones(4 * GRAM_BLOCK), "v": torch.ones(9)})
    most = []
    room = safetensors_reader.SafetensorsWeights._room
    monkeypatch.setattr(
        safetensors_reader.SafetensorsWeights, "_room", lambda self, size: (most.append(size), room(self, size))[1]
    )
    whole(CheckpointSeeds([path], cache=False))
    assert 0 < max(most) <= 4 * GRAM_BLOCK


def test_a_file_that_shrinks_while_it_is_open(tmp_path):
    path = plain_folder(tmp_path / "a")
    bank = CheckpointSeeds([path])
    bank.read(0, "model.norm.weight", 0, 8)
    os.truncate(path / "model.safetensors", 800)
    with pytest.raises(MergeError, match=r"model\.safetensors: model\.norm\.weight .*truncated since it was opened"):
        bank.read(0, "model.norm.weight", 0, 8)


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_a_file_that_changes_before_it_is_read(tmp_path, how):
    path = plain_folder(tmp_path / "a")
    bank = CheckpointSeeds([path])
    (path / "model.safetensors").unlink()
    if how == "replaced":
        save_file(numbers(5), path / "model.safetensors", metadata={"format": "pt"})  # as long as before
    with pytest.raises(MergeError, match="since it was opened"):
        bank.read(0, "model.norm.weight", 0, 8)


def test_many_shards_with_few_files_open(tmp_path, monkeypatch):
    monkeypatch.setattr(safetensors_reader, "_OPEN", 1)
    path = sharded_folder(tmp_path / "a")
    assert_same_as(CheckpointSeeds([path]), ModuleSeeds([numbers()]))


def test_closed_seeds_are_not_read(tmp_path):
    with CheckpointSeeds([plain_folder(tmp_path / "a")]) as bank:
        bank.read(0, "model.norm.weight", 0, 8)
    with pytest.raises(ValueError, match="closed"):
        bank.read(0, "model.norm.weight", 0, 8)


def test_digests(tmp_path):
    bank = CheckpointSeeds([sharded_folder(tmp_path / "a"), plain_folder(tmp_path / "b") / "model.safetensors"])
    assert [list(files) for files in bank.digests] == [
        ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], ["model.safetensors"],
    ]  # fmt: skip
    for folder, files in zip(bank.folders, bank.digests, strict=True):
        for file in folder.weights:
            assert files[file.name] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_labels_are_told_apart(tmp_path):
    paths = [plain_folder(tmp_path / run / "final", numbers(i)) for i, run in enumerate("ab")]
    assert CheckpointSeeds(paths).labels == ("a/final", "b/final")
    assert CheckpointSeeds([*paths, paths[0]]).labels == ("a/final (1)", "b/final", "a/final (3)")


# Broken files


def header(content, body=bytes(24)):
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text + body


ENTRY = {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}
TWICE = b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}'


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:-3], "truncated or damaged"),
        (lambda data: data[:20], "truncated or damaged"),
        (lambda data: b"", "truncated or damaged"),
        (lambda data: data + b"more", "truncated or damaged"),
        (lambda data: data[:8] + b"x" * (len(data) - 8), "truncated or damaged"),
        (lambda data: b"<html>404 Not Found</html>", "truncated or damaged"),
        (lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n", "git lfs pull"),
        (lambda data: struct.pack("<Q", 1 << 62) + data[8:], "truncated or damaged"),
        (lambda data: header({"a": ENTRY, "b": {**ENTRY, "data_offsets": [8, 20]}}, bytes(20)), "truncated or damaged"),
        (lambda data: header({"a": {**ENTRY, "shape": [4]}}, bytes(12)), "truncated or damaged"),
        (lambda data: header({"a": {**ENTRY, "dtype": "F99"}}, bytes(12)), "truncated or damaged"),
        (lambda data: header(TWICE, bytes(12)), "'a' is in it twice"),
        (lambda data: header({"a": {"dtype": "F4", "shape": [6], "data_offsets": [0, 3]}}, bytes(3)), "dequantise"),
    ],
)
def test_a_broken_file_is_named(tmp_path, damage, said):
    path = plain_folder(tmp_path / "broken")
    file = path / "model.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    message = refused([plain_folder(tmp_path / "good"), path])
    assert said in message
    assert str(file) in message


def test_all_that_cannot_be_opened_is_named(tmp_path):
    broken = plain_folder(tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"")
    message = refused([broken, plain_folder(tmp_path / "good"), tmp_path / "nowhere"])
    assert "2 reasons" in message
    assert "truncated" in message
    assert "nowhere" in message


def test_index_and_files_must_agree(tmp_path):
    wrong_file = sharded_folder(tmp_path / "a", weight_map={"lm_head.weight": "model-00001-of-00002.safetensors"})
    assert "disagree about 1 tensors" in refused([wrong_file])
    more = sharded_folder(tmp_path / "b", weight_map={"ghost": "model-00001-of-00002.safetensors"})
    assert "ghost" in refused([more])
    twice = sharded_folder(tmp_path / "c")
    save_file(numbers(), twice / "model-00001-of-00002.safetensors")
    assert "is in model-0000" in refused([twice])


def test_nothing_to_open():
    for given in ([], "model"):
        with pytest.raises(ValueError, match="must be a list of folders or files"):
            CheckpointSeeds(given)


def test_nothing_to_merge(tmp_path):
    assert "no float tensors" in refused([plain_folder(tmp_path / "ints", {"ids": torch.arange(3)})])


# Models that do not fit


def test_all_mismatches_in_one_message(tmp_path):
    one = numbers()
    other = {**numbers(1), "model.norm.weight": torch.zeros(9), "extra": torch.zeros(1)}
    other["lm_head.weight"] = other["lm_head.weight"].to(torch.bfloat16)
    del other["model.layers.0.mlp.up_proj.bias"]
    first = plain_folder(tmp_path / "one", one, tokenizer=tokenizer_json())
    config = {**CONFIG, "vocab_size": 7, "rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}}
    vocabulary = tokenizer_json({**VOCABULARY, "e": 6, "f": 5})
    message = refused([first, plain_folder(tmp_path / "two", other, config=config, tokenizer=vocabulary)])
    for said in (
        "for 7 reasons", "model.norm.weight: shape [8] in one, [9] in two", "extra: in two, missing in one",
        "model.layers.0.mlp.up_proj.bias: in one, missing in two", "lm_head.weight: float32 in one, bfloat16 in two",
        "vocab_size is 6 in one, 7 in two", "rope_theta is 10000.0 in one, 500000.0 in two",
        "vocabulary differs in 2, the first are 'e' (5, 6), 'f' (null, 5)", "--mixed-dtypes", "--ignore-config",
    ):  # fmt: skip
        assert said in message


def test_the_base_must_fit_too(tmp_path):
    base = plain_folder(tmp_path / "base", {**numbers(), "extra": torch.zeros(1)})
    assert "extra: in base, missing in a" in refused([plain_folder(tmp_path / "a")], base=base)


def test_other_architectures(tmp_path):
    config = {**CONFIG, "model_type": "gemma", "x": 1}
    message = refused([plain_folder(tmp_path / "a"), plain_folder(tmp_path / "b", config=config)])
    assert 'model_type is "llama" in a, "gemma" in b' in message
    assert "1 reason:" in message  # not each key that another architecture has besides


def test_dtypes_may_be_mixed_on_request(tmp_path):
    paths = [plain_folder(tmp_path / str(d), numbers(i, d)) for i, d in enumerate((torch.float32, torch.bfloat16))]
    assert "--mixed-dtypes" in refused(paths)
    bank = CheckpointSeeds(paths, mixed_dtypes=True)
    assert {tensor.dtype for tensor in bank.index.merged} == {torch.float32}
    halves = ModuleSeeds([numbers(0), {name: t.bfloat16().float() for name, t in numbers(1).items()}])
    assert_same_as(bank, halves)
    ids = {**numbers(1), "lm_head.weight": torch.zeros(6, 8, dtype=torch.int64)}
    message = refused([paths[0], plain_folder(tmp_path / "ids", ids)], mixed_dtypes=True)
    assert "lm_head.weight: float32" in message


def test_float8_is_refused(tmp_path):
    tensors = {**numbers(), "model.norm.weight": torch.zeros(8).to(torch.float8_e4m3fn)}
    message = refused([plain_folder(tmp_path / "eight", tensors)])
    assert "eight has 1 float8 tensors, such as model.norm.weight: dequantise" in message


def configs(tmp_path, change, **options):
    """What is logged when the second model's config is another, or the refusal."""
    paths = [plain_folder(tmp_path / "a"), plain_folder(tmp_path / "b", numbers(1), config={**CONFIG, **change})]
    with log() as messages:
        CheckpointSeeds(paths, **options).close()
    return messages


@pytest.mark.parametrize(
    "change",
    [
        {"torch_dtype": "float16", "dtype": "float32", "transformers_version": "4.1.0", "_name_or_path": "x/y"},
        {"use_cache": True, "attention_dropout": 0.5, "initializer_range": 1.0, "encoder_layerdrop": 0.1},
        {"attention_bias": False, "rope_scaling": None, "pruned_heads": {}},  # as if they were left out
        {"head_dim": 4, "num_key_value_heads": 2},  # as they follow from others
    ],
)
def test_keys_that_do_not_matter(tmp_path, change):
    assert configs(tmp_path, change) == []


def test_rope_as_transformers_4_wrote_it(tmp_path):
    old = {key: value for key, value in CONFIG.items() if key != "rope_parameters"}
    new = plain_folder(tmp_path / "new")
    CheckpointSeeds([new, plain_folder(tmp_path / "old", config={**old, "rope_theta": 10000.0, "rope_scaling": None})])
    other = plain_folder(tmp_path / "other", config={**old, "rope_theta": 1e6})
    assert "rope_parameters.rope_theta is 10000.0 in new, 1000000.0 in other" in refused([new, other])


@pytest.mark.parametrize("key", ["max_position_embeddings", "eos_token_id", "pad_token_id"])
def test_keys_that_are_noted(tmp_path, key):
    (message,) = configs(tmp_path, {key: 77})
    assert f"{key} is null in a, 77 in b" in message


@pytest.mark.parametrize("change", [{"rms_norm_eps": 1e-5}, {"text_config": {"rms_norm_eps": 1e-5}}])
def test_all_others_matter_unless_they_are_named(tmp_path, change):
    with pytest.raises(MergeError, match=r"(text_config\.)?rms_norm_eps|text_config"):
        configs(tmp_path, change)
    paths = [tmp_path / "a", tmp_path / "b"]
    assert CheckpointSeeds(paths, ignore=[*change]).ignore == tuple(change)


def test_nested_configs_are_compared_key_by_key(tmp_path):
    nested = [{**CONFIG, "text_config": {"use_cache": cached, "eps": eps}} for cached, eps in ((1, 2), (2, 3))]
    paths = [plain_folder(tmp_path / str(i), config=config) for i, config in enumerate(nested)]
    message = refused(paths)
    assert "text_config.eps is 2 in 0, 3 in 1" in message
    assert "use_cache" not in message
    CheckpointSeeds(paths, ignore=["text_config.eps"])
    CheckpointSeeds(paths, ignore=["eps"])


MERGES = [["a", "b"], ["b", "c"]]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (tokenizer_json(VOCABULARY, MERGES, [("<e>", 6)]), "added token differs in 1, the first are '<e>' (null, 6)"),
        (tokenizer_json({**VOCABULARY, "e": 9}, MERGES), "vocabulary differs in 1, the first are 'e' (5, 9)"),
        (tokenizer_json(VOCABULARY, MERGES[::-1]), "merge 0 is 'a b' and 'b c'"),
        (tokenizer_json(VOCABULARY, MERGES[:1]), "2 and 1 merges"),
        ({"model": 3}, "cannot be compared"),
    ],
)
def test_tokenizers(tmp_path, other, said):
    first = plain_folder(tmp_path / "a", tokenizer=tokenizer_json(VOCABULARY, MERGES))
    second = plain_folder(tmp_path / "b", numbers(1), tokenizer=other)
    message = refused([first, second])
    assert f"tokenizer.json of a and b: {said}" in message
    CheckpointSeeds([first, second], ignore=["tokenizer"])


def test_the_same_vocabulary_written_in_another_way(tmp_path):
    texts = tokenizer_json(dict(reversed(VOCABULARY.items())), [" ".join(pair) for pair in MERGES])
    paths = [plain_folder(tmp_path / "a", tokenizer=tokenizer_json(VOCABULARY, MERGES))]
    paths += [plain_folder(tmp_path / "b", tokenizer=texts), plain_folder(tmp_path / "without")]
    CheckpointSeeds(paths)


@pytest.mark.parametrize(
    ("name", "one", "other", "said"),
    [
        ("vocab.json", b'{"a": 1}', b'{"a": 2}', "'a' (1, 2)"),
        ("vocab.txt", b"a\nb", b"a\nc", "line 1 is 'b' and 'c'"),
        ("merges.txt", b"#version: 1\na b", b"#version: 2\na c", "line 0 is 'a b' and 'a c'"),
        ("tokenizer.model", b"\x01", b"\x02", "the files differ"),
    ],
)
def test_older_tokenizers(tmp_path, name, one, other, said):
    paths = [plain_folder(tmp_path / label, numbers(i)) for i, label in enumerate("ab")]
    for path, content in zip(paths, (one, other), strict=True):
        (path / name).write_bytes(content)
    assert f"{name} of a and b: " in refused(paths)
    assert said in refused(paths)
    (paths[1] / name).write_bytes(one)
    CheckpointSeeds(paths)


# What is allowed, and said


def test_one_model_alone(tmp_path):
    with log() as messages:
        bank = CheckpointSeeds([plain_folder(tmp_path / "only")])
        assert_same_as(bank, ModuleSeeds([numbers()]))
    assert messages == []


def test_one_model_twice(tmp_path):
    path = plain_folder(tmp_path / "a")
    scaled = plain_folder(tmp_path / "scaled", {name: 2 * tensor for name, tensor in numbers().items()})
    other = plain_folder(tmp_path / "other", numbers(1))
    with log() as messages:
        whole(CheckpointSeeds([path, path]))
        whole(CheckpointSeeds([path, other, scaled]))
        whole(CheckpointSeeds([path, other], base=path))
    assert [message.split(":")[0] for message in messages] == [
        f"{tmp_path.name}/a (1) and {tmp_path.name}/a (2) are the same model, or multiples of each other",
        "a and scaled are the same model, or multiples of each other",
        f"{tmp_path.name}/a (1) is equal to the base {tmp_path.name}/a (3)",
    ]


def test_models_that_hardly_differ_are_not_the_same(tmp_path):
    close = {name: tensor + 1e-5 * torch.randn(tensor.shape) for name, tensor in numbers().items()}
    with log() as messages:
        whole(CheckpointSeeds([plain_folder(tmp_path / "a"), plain_folder(tmp_path / "b", close)]))
    assert messages == []


def test_integers_that_differ_are_said(tmp_path):
    paths = []
    for seed in range(2):
        tensors = {**numbers(seed), "ids": torch.arange(5) + seed, "same": torch.arange(5), "count": torch.tensor(seed)}
        paths.append(plain_folder(tmp_path / str(seed), tensors))
    with log() as messages:
        bank = CheckpointSeeds(paths)
    assert len(messages) == 1
    assert "2 tensors that are no floats differ" in messages[0]
    assert bank.read(0, "ids", 0, 5).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["seed", "base"])
def test_numbers_that_are_not_finite(tmp_path, value, where):
    broken = numbers(1)
    broken["model.layers.1.mlp.up_proj.weight"][3, 4] = value
    good, bad = plain_folder(tmp_path / "good"), plain_folder(tmp_path / "bad", broken)
    options = {"models": [good, bad]} if where == "seed" else {"models": [good], "base": bad}
    said = r"model\.layers\.1\.mlp\.up_proj\.weight of bad has NaN or infinity"
    bank = CheckpointSeeds(**options)  # opening does not look
    threads = torch.get_num_threads()
    with pytest.raises(MergeError, match=said):
        whole(bank)
    assert torch.get_num_threads() == threads
    with pytest.raises(MergeError, match=said):
        bank.check_finite()
    assert "NaN" in refused(check_finite=True, **options)
    CheckpointSeeds([good], check_finite=True)


def tied_models(tie, equal=True):
    models = []
    for seed in range(2):
        tensors = numbers(seed)
        if equal or seed:
            tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
        tensors["model.layers.1.mlp.up_proj.bias"] = tensors["model.layers.0.mlp.up_proj.bias"].clone()
        models.append(tensors)
    config = {**CONFIG, "tie_word_embeddings": tie}
    return models, config if tie is not None else {k: v for k, v in CONFIG.items() if k != "tie_word_embeddings"}


@pytest.mark.parametrize(
    ("tie", "equal", "tied"), [(True, True, True), (None, True, True), (False, True, False), (True, False, False)]
)
def test_tied_weights_that_are_stored_twice(tmp_path, tie, equal, tied):
    models, config = tied_models(tie, equal)
    bank = CheckpointSeeds([plain_folder(tmp_path / str(i), m, config=config) for i, m in enumerate(models)])
    assert bank.index.tied == ({"model.embed_tokens.weight": "lm_head.weight"} if tied else {})
    assert bank.size == sum(tensor.numel() for tensor in models[0].values()) - 48 * tied


def test_tensors_that_only_begin_alike_are_not_tied(tmp_path):
    tensors = {"a": torch.ones(40, 40), "b": torch.ones(40, 40), "c": torch.ones(40, 40)}
    tensors["c"][39, 39] = 2
    bank = CheckpointSeeds([plain_folder(tmp_path / "a", tensors, config={**CONFIG, "tie_word_embeddings": True})])
    assert bank.index.tied == {"b": "a"}


# Torch's format


def torch_folder(path, tensors):
    plain_folder(path)
    (path / "model.safetensors").unlink()
    torch.save(tensors, path / "pytorch_model.bin")
    return path


@pytest.mark.parametrize("nested", [False, True])
def test_torch_files_where_they_are_allowed(tmp_path, nested):
    models = [{**numbers(seed), "tied": numbers(seed)["lm_head.weight"].T} for seed in range(2)]
    paths = [torch_folder(tmp_path / str(i), {"state_dict": m} if nested else m) for i, m in enumerate(models)]
    assert "--allow-torch-files" in refused(paths)
    bank = CheckpointSeeds(paths, allow_torch_files=True)
    assert_same_as(bank, ModuleSeeds(models))
    assert list(bank.digests[0]) == ["pytorch_model.bin"]
    bank.close()
    with pytest.raises(ValueError, match="closed"):
        bank.read(0, "tied", 0, 1)


@pytest.mark.parametrize("old", [False, True])
def test_a_malicious_file_is_refused_all_the_same(tmp_path, old, monkeypatch):
    path = torch_folder(tmp_path / "bad", {})
    mark = tmp_path / "mark"
    malicious_file(path / "pytorch_model.bin", mark, old=old)
    asked, load = [], torch.load
    monkeypatch.setattr(torch, "load", lambda *args, **options: (asked.append(options), load(*args, **options))[1])
    message = refused([path], allow_torch_files=True)
    assert "it is refused" in message
    assert str(path / "pytorch_model.bin") in message
    assert old or "posix.system" in message
    assert "weights_only" not in message  # torch's own message says how to run it all the same
    assert [options["weights_only"] for options in asked] == [True]
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"a": torch.zeros(2), "step": 3}, "these are none: 'step'"),
        ({"a": torch.zeros(2).to_sparse()}, "these are none: 'a'"),
        ([torch.zeros(2)], "must hold a state dict"),
        ({}, "must hold a state dict"),
        ({"a": torch.nn.Linear(1, 1)}, "torch.nn.modules.linear.Linear"),
    ],
)
def test_torch_files_of_other_things(tmp_path, content, said):
    assert said in refused([torch_folder(tmp_path / "odd", content)], allow_torch_files=True)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"garbage"])
def test_broken_torch_files(tmp_path, damage):
    path = torch_folder(tmp_path / "broken", numbers())
    file = path / "pytorch_model.bin"
    file.write_bytes(damage(file.read_bytes()))
    message = refused([path], allow_torch_files=True)
    assert str(file) in message
    assert "damaged" in message
