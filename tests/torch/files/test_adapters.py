"""Adapters (LoRA) as models: what peft makes of each, the same from files block by block, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_adapters import adapter_folder, gpt2_folder
from tiny_models import llama_folder, plain_folder, unet_folder, write_json

from evoniche.merging import Recipe, Recipes
from evoniche_torch.files import AdaptedWeights, MergeError, adapted_weights, split_adapter
from evoniche_torch.models import CheckpointSeeds, ModuleSeeds

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
KINDS = {
    "plain": {"target_modules": ["q_proj", "v_proj"]},
    "all-linear": {"target_modules": "all-linear"},
    "rslora": {"target_modules": ATTENTION, "use_rslora": True},
    "patterns": {
        "target_modules": ATTENTION, "rank_pattern": {"layers.1.self_attn.q_proj": 2, "v_proj": 1},
        "alpha_pattern": {"^model.layers.0.*k_proj": 7, "o_proj": 1},
    },
    "rslora patterns": {"target_modules": ATTENTION, "use_rslora": True, "rank_pattern": {"k_proj": 7}},
    "dora": {"target_modules": [*ATTENTION, "up_proj"], "use_dora": True},
    "head": {"target_modules": ["lm_head", "q_proj"]},
    "embedding": {"target_modules": ["embed_tokens", "q_proj"]},
    "dora embedding": {"target_modules": ["embed_tokens", "q_proj"], "use_dora": True},
    "modules_to_save": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head", "embed_tokens", "norm"]},
    "tokens": {"target_modules": ["q_proj"], "trainable_token_indices": [3, 60]},
    "tokens of both": {
        "target_modules": ["q_proj"], "trainable_token_indices": {"embed_tokens": [1, 2], "lm_head": [9]},
    },
    "layers": {"target_modules": ["down_proj"], "layers_to_transform": [1]},
}  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return llama_folder(tmp_path_factory.mktemp("llama") / "base", 0)


def merged_in(paths, **options):
    """The tensors of base+adapter, in the dtype of the files."""
    with CheckpointSeeds([f"{paths[0]}+{paths[1]}"], cache=False, **options) as seeds:
        flat = seeds.materialise(Recipes.of_seeds(seeds))
        found = {}
        for tensor in seeds.index.merged:
            start, stop = seeds.index.span(tensor.name)
            found[tensor.name] = flat[start:stop].view(tensor.shape).to(tensor.dtype)
        return found | {alias: found[name] for alias, name in seeds.index.tied.items()}


def assert_as_peft(found, wanted):
    assert set(found) <= set(wanted)
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, wanted[name], rtol=2e-6, atol=1e-6)


def refused(base, adapter, **options):
    with pytest.raises(MergeError) as error:
        CheckpointSeeds([f"{base}+{adapter}"], **options)
    return str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_what_peft_merges(base, tmp_path, kind):
    adapter, wanted = adapter_folder(tmp_path / "adapter", base, **KINDS[kind])
    found = merged_in((base, adapter))
    assert_as_peft(found, wanted)
    original = load_file(base / "model.safetensors")
    changed = {name for name, tensor in found.items() if not torch.equal(tensor, original[name])}
    assert changed == {name for name in found if not torch.equal(wanted[name], original[name])} != set()


@pytest.mark.parametrize("dora", [False, True])
def test_layers_that_are_stored_transposed(tmp_path, dora):
    base = gpt2_folder(tmp_path / "base")
    options = {"target_modules": ["c_attn", "c_proj", "c_fc"], "use_dora": dora, "fan_in_fan_out": True}
    adapter, wanted = adapter_folder(tmp_path / "adapter", base, **options)
    assert_as_peft(merged_in((base, adapter)), wanted)
    config = json.loads((adapter / "adapter_config.json").read_text())
    write_json(adapter / "adapter_config.json", {**config, "fan_in_fan_out": False})  # as the last layer left it
    assert_as_peft(merged_in((base, adapter)), wanted)


def test_biases(tmp_path):
    base = gpt2_folder(tmp_path / "base")
    adapter, wanted = adapter_folder(
        tmp_path / "adapter", base, target_modules=["c_attn"], lora_bias=True, fan_in_fan_out=True
    )
    assert_as_peft(merged_in((base, adapter)), wanted)
    adapter, wanted = adapter_folder(tmp_path / "all", base, target_modules=["c_fc"], bias="all", fan_in_fan_out=True)
    found = merged_in((base, adapter))
    assert_as_peft(found, wanted)
    name = "transformer.ln_f.bias"
    assert not torch.equal(found[name], load_file(base / "model.safetensors")[name])


@pytest.mark.parametrize("dora", [False, True])
def test_convolutions(tmp_path, dora):
    from diffusers import UNet2DConditionModel

    base = unet_folder(tmp_path / "base", 0)
    adapter, wanted = adapter_folder(
        tmp_path / "adapter", base, kind=UNet2DConditionModel.from_pretrained, use_dora=dora,
        target_modules=["conv1", "conv_shortcut", "to_q", "to_out.0"],
    )  # fmt: skip
    assert_as_peft(merged_in((base, adapter)), wanted)


def test_models_without_the_prefix_of_their_base_model(tmp_path):
    """A file without a head calls `layers...` what the adapter of a model with a head calls `model.layers...`."""
    base = llama_folder(tmp_path / "base", 0)
    state = load_file(base / "model.safetensors")
    adapter, wanted = adapter_folder(tmp_path / "adapter", base, target_modules=["q_proj"])
    bare = {name.removeprefix("model."): tensor for name, tensor in state.items() if name != "lm_head.weight"}
    save_file(bare, base / "model.safetensors", metadata={"format": "pt"})
    found = merged_in((base, adapter))
    assert_as_peft({f"model.{name}": tensor for name, tensor in found.items()}, wanted)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_dtypes_are_rounded_once(tmp_path, dtype):
    base = llama_folder(tmp_path / "base", 0, dtype=dtype)
    adapter, _ = adapter_folder(tmp_path / "adapter", base, target_modules=["q_proj"])
    name, module = "model.layers.1.self_attn.q_proj.weight", "base_model.model.model.layers.1.self_attn.q_proj"
    factors = load_file(adapter / "adapter_model.safetensors")
    a, b = (factors[f"{module}.lora_{which}.weight"].double() for which in "AB")
    exact = load_file(base / "model.safetensors")[name].double() + 5 / 3 * (b @ a)
    with CheckpointSeeds([f"{base}+{adapter}"]) as seeds:
        assert seeds.dtype_of(0, name) == dtype
        start, stop = seeds.index.span(name)
        found = seeds.materialise(Recipes.of_seeds(seeds), start, stop).view(exact.shape)
    single = dtype != torch.float64
    torch.testing.assert_close(found, exact.float() if single else exact, rtol=2e-7 if single else 1e-14, atol=1e-16)


@pytest.mark.parametrize("kind", ["all-linear", "dora", "dora embedding", "tokens"])
def test_any_stretch_has_the_same_bits(base, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(adapted_weights, "_CHUNK", 100)  # three rows of 32
    adapter, _ = adapter_folder(tmp_path / "adapter", base, **KINDS[kind])
    rng = np.random.default_rng(0)
    with CheckpointSeeds([f"{base}+{adapter}"]) as seeds:
        for tensor in seeds.index.merged:
            whole = seeds.read(0, tensor.name, 0, tensor.size).clone()
            assert whole.shape == (tensor.size,)
            for low, high in np.sort(rng.integers(0, tensor.size + 1, (12, 2)), axis=1).tolist():
                assert torch.equal(seeds.read(0, tensor.name, low, high), whole[low:high])


def test_adapted_models_are_seeds_as_modules_are(base, tmp_path):
    """Dot products and merges, with a base and several threads, are those of the merged models in memory."""
    adapters, states = zip(*(
        adapter_folder(tmp_path / f"a{seed}", base, seed, **KINDS[kind])
        for seed, kind in enumerate(["plain", "dora", "modules_to_save"])
    ), strict=True)  # fmt: skip
    original = load_file(base / "model.safetensors")
    modules = ModuleSeeds([{name: state[name] for name in original} for state in states], base=original)
    with CheckpointSeeds([f"{base}+{path}" for path in adapters], base=base) as files:
        assert files.labels == ("a0", "a1", "a2")
        ends = np.sort(np.random.default_rng(0).integers(0, files.size + 1, (20, 2)), axis=1)
        one, two = files.grams(ends[:, 0], ends[:, 1]), modules.grams(ends[:, 0], ends[:, 1])
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-4)
        recipe = Recipe.of([0, 777, files.size], [[0.5, 0.2, 0.9], [0.1, -0.4, 1.0]])
        torch.testing.assert_close(files.materialise(recipe), modules.materialise(recipe), rtol=1e-5, atol=3e-6)


def test_only_factors_and_a_few_rows_are_in_memory(tmp_path, monkeypatch):
    rows, width = 4096, 256
    base = plain_folder(tmp_path / "base", {"up.weight": torch.ones(rows, width), "norm.weight": torch.ones(9)})
    (tmp_path / "adapter").mkdir()
    shapes = {"A": (2, width), "B": (rows, 2)}
    factors = {f"base_model.model.up.lora_{which}.weight": torch.ones(shape) for which, shape in shapes.items()}
    save_file(factors, tmp_path / "adapter" / "adapter_model.safetensors")
    write_json(tmp_path / "adapter" / "adapter_config.json", {"peft_type": "LORA", "lora_alpha": 4, "r": 2})
    most = []
    inner = AdaptedWeights._sum
    monkeypatch.setattr(AdaptedWeights, "_sum", lambda *args: (most.append(found := inner(*args)), found)[1])
    with CheckpointSeeds([f"{base}+{tmp_path / 'adapter'}"], cache=False) as seeds:
        flat = seeds.materialise(Recipes.of_seeds(seeds))
    assert flat[-1] == 1 + 2 * 2
    assert max(values.numel() for values in most) <= adapted_weights._CHUNK < rows * width


# Names


def test_plus_signs(tmp_path):
    (tmp_path / "a+b").mkdir()
    (tmp_path / "c").mkdir()
    assert split_adapter(tmp_path / "a+b") == (tmp_path / "a+b", None)
    assert split_adapter(f"{tmp_path}/a+b+{tmp_path}/c") == (tmp_path / "a+b", tmp_path / "c")
    assert split_adapter(f"{tmp_path}/c+d") == (tmp_path / "c", type(tmp_path)("d"))
    assert split_adapter(f"{tmp_path}/c+") == (tmp_path / "c+", None)
    assert split_adapter("plain") == (type(tmp_path)("plain"), None)


def test_digests_tell_apart_what_differs_in_the_config_alone(base, tmp_path):
    adapter, _ = adapter_folder(tmp_path / "adapter", base, **KINDS["plain"])
    with CheckpointSeeds([f"{base}+{adapter}"]) as seeds:
        before = seeds.digests[0]
        total = seeds.grams(np.array(0), np.array(seeds.size))
    assert list(before) == ["model.safetensors", "+adapter_model.safetensors", "+adapter_config.json"]
    config = json.loads((adapter / "adapter_config.json").read_text())
    write_json(adapter / "adapter_config.json", {**config, "lora_alpha": 50})
    with CheckpointSeeds([f"{base}+{adapter}"]) as seeds:  # the cache must not give the old dot products
        assert not np.allclose(seeds.grams(np.array(0), np.array(seeds.size)), total)


# What is refused


def changed(adapter, path, **values):
    shutil.copytree(adapter, path)
    config = json.loads((adapter / "adapter_config.json").read_text())
    write_json(path / "adapter_config.json", {**config, **values})
    return path


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"peft_type": "LOHA"}, "of the kind LOHA"),
        ({"peft_type": None}, "of the kind None"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the weights of the base: save it with path_initial_model"),
        ({"init_lora_weights": "loftq"}, "changes the weights of the base"),
        ({"layer_replication": [[0, 1]]}, "layer_replication is set: it repeats layers"),
        ({"target_parameters": ["experts.up"]}, "target_parameters is set"),
        ({"alora_invocation_tokens": [1]}, "it works on some tokens only"),
        ({"use_qalora": True}, "use_qalora is set"),
        ({"use_new_thing": {"x": 1}}, "use_new_thing is not known here"),
        ({"lora_alpha": "much"}, "is damaged"),
        ({"alpha_pattern": {"(": 1}}, "is damaged"),
        ({"use_dora": True}, r"use_dora is True in adapter_config.json, and the adapter has no lora_magnitude_vector"),
        ({"base_model_name_or_path": "other/model"}, "was made over other/model, not over"),
    ],
)  # fmt: skip
def test_configs_that_are_refused(base, tmp_path, values, said):
    adapter, _ = adapter_folder(tmp_path / "adapter", base, **KINDS["plain"])
    assert said in refused(base, changed(adapter, tmp_path / "changed", **values))


def test_the_name_of_the_base(base, tmp_path):
    adapter, _ = adapter_folder(tmp_path / "adapter", base, **KINDS["plain"])
    for name in ("org/BASE", "C:\\models\\base", "", None, "/elsewhere/base"):
        other = changed(adapter, tmp_path / f"a{len(list(tmp_path.iterdir()))}", base_model_name_or_path=name)
        CheckpointSeeds([f"{base}+{other}"]).close()
    other = changed(adapter, tmp_path / "other", base_model_name_or_path="org/another")
    assert "--ignore-config base_model_name_or_path" in refused(base, other)
    CheckpointSeeds([f"{base}+{other}"], ignore="base_model_name_or_path").close()


def test_an_adapter_of_another_base(base, tmp_path):
    adapter, _ = adapter_folder(tmp_path / "adapter", base, **KINDS["plain"])
    text = refused(gpt2_folder(tmp_path / "gpt2"), adapter, ignore=["base_model_name_or_path"])
    assert "does not fit the model that it was given with" in text
    assert "model.layers.0.self_attn.q_proj.weight: there is no such tensor in the base" in text
    wide = llama_folder(tmp_path / "wide", 0)
    state = load_file(wide / "model.safetensors")
    name = "model.layers.0.self_attn.q_proj.weight"
    save_file({**state, name: torch.zeros(40, 40)}, wide / "model.safetensors", metadata={"format": "pt"})
    text = refused(wide, adapter, ignore=["base_model_name_or_path"])
    assert f"{name}: is of shape [40, 40] in the base, the adapter has" in text


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda t: t.pop(next(name for name in t if "lora_B" in name)), "the adapter has of it only"),
        (lambda t: t.update({"base_model.model.model.layers.0.self_attn.q_proj.lora_C.weight": torch.ones(1)}),
         "is no part of a LoRA that is known here"),
        (lambda t: t.update({"base_model.model.model.norm.weight": torch.ones(7)}), "is of shape [7], the base has"),
        (lambda t: t.update({"base_model.model.new.weight": torch.ones(7)}), "new.weight: there is no such tensor"),
        (lambda t: t.update({"model.layers.0.self_attn.q_proj.lora_A.weight": torch.ones(3, 32)}), "twice"),
    ],
)  # fmt: skip
def test_tensors_that_are_refused(base, tmp_path, edit, said):
    adapter, _ = adapter_folder(tmp_path / "adapter", base, **KINDS["plain"])
    tensors = load_file(adapter / "adapter_model.safetensors")
    edit(tensors)
    save_file(tensors, adapter / "adapter_model.safetensors")
    assert said in refused(base, adapter)


def test_folders_that_are_refused(base, tmp_path):
    adapter, _ = adapter_folder(tmp_path / "adapter", base, **KINDS["plain"])
    with pytest.raises(MergeError, match=r"say over which model it is, as MODEL\+"):
        CheckpointSeeds([adapter])
    assert "no such folder of an adapter" in refused(base, tmp_path / "nowhere")
    assert "has no adapter_config.json" in refused(base, base)
    (adapter / "adapter_model.safetensors").rename(tmp_path / "away")
    assert "has no adapter_model.safetensors" in refused(base, adapter)
    torch.save(load_file(tmp_path / "away"), adapter / "adapter_model.bin")
    assert "--allow-torch-files" in refused(base, adapter)
    CheckpointSeeds([f"{base}+{adapter}"], allow_torch_files=True).close()


# Tied weights


def test_an_adapter_of_one_of_two_tied_tensors_is_refused(tmp_path):
    base = llama_folder(tmp_path / "base", 0, tie=True)
    for kind in ({"target_modules": ["embed_tokens"]}, {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}):
        adapter, _ = adapter_folder(tmp_path / f"a{len(list(tmp_path.iterdir()))}", base, **kind)
        assert "ties its embedding and its head, and the adapter changes one of the two" in refused(base, adapter)


@pytest.mark.parametrize("kind", [
    {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    {"target_modules": ["q_proj"], "trainable_token_indices": [3, 60]},
])  # fmt: skip
def test_adapters_that_keep_ties(tmp_path, kind):
    base = llama_folder(tmp_path / "base", 0, tie=True)
    adapter, wanted = adapter_folder(tmp_path / "adapter", base, **kind)
    found = merged_in((base, adapter))
    assert "lm_head.weight" not in found
    assert_as_peft(found, wanted)


def test_an_adapter_of_both_tied_tensors_counts_once(tmp_path):
    base = llama_folder(tmp_path / "base", 0, tie=True)
    kind = {"target_modules": ["embed_tokens", "lm_head"], "ensure_weight_tying": True}
    adapter, _ = adapter_folder(tmp_path / "adapter", base, **kind)
    factors = load_file(adapter / "adapter_model.safetensors")
    module = "base_model.model.model.embed_tokens"
    a, b = (factors[f"{module}.lora_embedding_{which}"] for which in "AB")
    found = merged_in((base, adapter))["model.embed_tokens.weight"]
    torch.testing.assert_close(found, factors[f"{module}.base_layer.weight"] + 5 / 3 * (b @ a).T)
