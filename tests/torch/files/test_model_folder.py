"""Which files a model's folder is found to have, and which folders are refused."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import (
    CONFIG,
    llama_folder,
    numbers,
    pipeline_folder,
    plain_folder,
    sharded_folder,
    unet_folder,
    write_json,
)

from evoniche_torch.files import MergeError
from evoniche_torch.files.model_folder import open_folder


def refused(*args, **options):
    with pytest.raises(MergeError) as error:
        open_folder(*args, **options)
    return str(error.value)


def names(paths):
    return [Path(path).name for path in paths]


def pipeline(path, parts=("unet", "vae")):
    """A pipeline by hand."""
    for part in parts:
        plain_folder(path / part, config={"_class_name": "Net"}, name="diffusion_pytorch_model.safetensors")
    index = {"_class_name": "Pipeline", "_diffusers_version": "0.30", **{part: ["diffusers", "Net"] for part in parts}}
    write_json(path / "model_index.json", {**index, "safety_checker": [None, None]})
    return path


def test_a_folder_of_transformers(tmp_path):
    path = llama_folder(tmp_path / "llama")
    (path / "README.md").write_text("about")
    (path / "LICENSE").write_text("yes")
    (path / "modeling_llama.py").write_text("1")
    (path / "pytorch_model.bin").write_bytes(b"0")
    (path / "training_args.bin").write_bytes(b"0")
    folder = open_folder(str(path))
    assert (folder.path, folder.label, folder.kind, folder.component) == (path, "llama", "transformers", None)
    assert (folder.stem, folder.variant, folder.weights) == ("model", None, (path / "model.safetensors",))
    assert folder.weights_folder == path
    assert folder.config["model_type"] == "llama"
    assert names(folder.side_files) == [
        "LICENSE", "chat_template.jinja", "config.json", "generation_config.json", "tokenizer.json",
        "tokenizer_config.json",
    ]  # fmt: skip
    assert not any(file.is_absolute() for file in folder.side_files)


def test_shards_and_variants_as_transformers_names_them(tmp_path):
    path = llama_folder(tmp_path / "llama", shard_size="20KB", variant="fp16", tokenizer=False)
    folder = open_folder(path, variant="fp16")
    assert len(folder.weights) > 1
    assert (folder.stem, folder.variant) == ("model", "fp16")
    assert names(folder.side_files) == ["config.json", "generation_config.json"]
    assert open_folder(path) == folder  # the only one there is
    assert "no variant 'ema'" in refused(path, variant="ema")


def test_folders_of_diffusers(tmp_path):
    whole = open_folder(unet_folder(tmp_path / "unet"))
    assert (whole.kind, whole.stem, whole.component) == ("diffusers", "diffusion_pytorch_model", None)
    parts = open_folder(unet_folder(tmp_path / "parts", shard_size="60KB", variant="fp16"), variant="fp16")
    assert len(parts.weights) > 1
    assert set(parts.weight_map.values()) == set(names(parts.weights))


def test_a_pipeline_of_diffusers(tmp_path):
    path = pipeline_folder(tmp_path / "ldm")
    folder = open_folder(path)
    assert (folder.kind, folder.component, folder.weights_folder) == ("diffusers", "unet", path / "unet")
    assert folder.weights == (path / "unet" / "diffusion_pytorch_model.safetensors",)
    assert sorted(map(str, folder.side_files)) == [
        "model_index.json", "scheduler/scheduler_config.json", "unet/config.json", "vqvae/config.json",
        "vqvae/diffusion_pytorch_model.safetensors",
    ]  # fmt: skip
    other = open_folder(path, component="vqvae")
    assert other.component == "vqvae"
    assert Path("unet/diffusion_pytorch_model.safetensors") in other.side_files


def test_which_component_must_be_clear(tmp_path):
    assert open_folder(pipeline(tmp_path / "dit", ("transformer", "vae"))).component == "transformer"
    assert "vae, prior" in refused(pipeline(tmp_path / "none", ("vae", "prior")))
    assert "unet, transformer" in refused(pipeline(tmp_path / "both", ("unet", "transformer")))
    path = pipeline(tmp_path / "sd")
    assert "no component 'scheduler'" in refused(path, component="scheduler")
    assert "no component '../sd'" in refused(path, component="../sd")
    assert "it is no pipeline" in refused(plain_folder(tmp_path / "one"), component="unet")


def test_what_a_pipeline_takes_along(tmp_path):
    path = pipeline(tmp_path / "sd", ("unet", "vae", "old"))
    (path / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"0")
    (path / "vae" / "README.md").write_text("about")
    (path / "old" / "diffusion_pytorch_model.safetensors").rename(path / "old" / "diffusion_pytorch_model.bin")
    (path / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"0")
    (path / "v1-5-pruned.safetensors").write_bytes(b"0")
    (path / "feature_extractor").mkdir()
    (path / "feature_extractor" / "preprocessor_config.json").write_text("{}")  # in no index
    assert sorted(map(str, open_folder(path).side_files)) == [
        "model_index.json", "old/config.json", "old/diffusion_pytorch_model.bin",  # there is nothing else of it
        "unet/config.json", "vae/config.json", "vae/diffusion_pytorch_model.safetensors",
    ]  # fmt: skip


def test_python_files_only_where_the_config_speaks_of_them(tmp_path):
    path = plain_folder(tmp_path / "own", config={**CONFIG, "auto_map": {"AutoModel": "modeling_own.Own"}})
    (path / "modeling_own.py").write_text("1")
    (path / "vocab_heads.bin").write_bytes(b"0")  # weights, whatever they are called
    (path / "vocab.txt").write_text("a")
    assert names(open_folder(path).side_files) == ["config.json", "modeling_own.py", "vocab.txt"]
    write_json(path / "config.json", CONFIG)
    assert names(open_folder(path).side_files) == ["config.json", "vocab.txt"]


def test_a_bare_file(tmp_path):
    path = plain_folder(tmp_path / "folder", name="merged.safetensors") / "merged.safetensors"
    folder = open_folder(path)
    assert (folder.kind, folder.label, folder.stem, folder.config) == ("file", "merged", "merged", None)
    assert (folder.path, folder.weights, folder.weights_folder) == (path, (path,), path.parent)
    assert folder.side_files == ()
    assert "has no component" in refused(path, component="unet")
    assert "must be a .safetensors file" in refused(path.parent / "config.json")


def test_a_file_of_another_name_is_taken_if_it_is_the_only_one(tmp_path):
    path = plain_folder(tmp_path / "lora", name="other.safetensors", config=None)
    assert (open_folder(path).stem, open_folder(path).kind) == ("other", "file")
    save_file(numbers(), path / "more.safetensors")
    assert "several sets of weights: more.safetensors, other.safetensors" in refused(path)
    save_file(numbers(), path / "model.safetensors")
    assert open_folder(path).stem == "model"  # the usual name goes before all others


def test_one_set_of_weights_must_be_meant(tmp_path):
    path = plain_folder(tmp_path / "two", name="model.fp16.safetensors")
    save_file(numbers(), path / "model.ema.safetensors")
    assert "model.ema.safetensors, model.fp16.safetensors" in refused(path)
    assert open_folder(path, variant="ema").weights == (path / "model.ema.safetensors",)
    stale = sharded_folder(tmp_path / "stale")
    save_file(numbers(), stale / "model.safetensors")
    assert "model.safetensors, model.safetensors.index.json" in refused(stale)


def test_what_is_missing_is_named(tmp_path):
    assert "no such folder" in refused(tmp_path / "nowhere")
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    assert "no weights" in refused(tmp_path / "empty")
    assert "inner" in refused(tmp_path / "empty")
    path = sharded_folder(tmp_path / "shards")
    (path / "model-00002-of-00002.safetensors").unlink()
    assert "missing: model-00002-of-00002.safetensors" in refused(path)
    (path / "model.safetensors.index.json").unlink()
    assert "no model.safetensors.index.json" in refused(path)


@pytest.mark.parametrize(
    "name",
    [
        "../outside.safetensors", "/etc/outside.safetensors", "inner/x.safetensors", "..\\x.safetensors",
        "C:\\x.safetensors", "C:x.safetensors", "..", ".", "", "x\0.safetensors", None, 3, ["model.safetensors"],
    ],
)  # fmt: skip
def test_an_index_may_only_name_files_beside_it(tmp_path, name):
    save_file(numbers(), tmp_path / "outside.safetensors")
    path = sharded_folder(tmp_path / "shards", weight_map={"lm_head.weight": name})
    assert "plain names" in refused(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "damaged"),
        ("[]", "must hold a JSON object"),
        ("{}", "weight_map"),
        ('{"weight_map": {}}', "weight_map"),
        ('{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}', "'a' is in it twice"),
        ('{"weight_map": {"a": "pytorch_model.bin"}}', ".safetensors files alone"),
        ("[" * 200_000, "damaged"),
    ],
)
def test_a_broken_index(tmp_path, content, said):
    path = sharded_folder(tmp_path / "shards")
    (path / "model.safetensors.index.json").write_text(content)
    assert said in refused(path)


def test_a_broken_config(tmp_path):
    path = plain_folder(tmp_path / "broken")
    (path / "config.json").write_text('{"a": 1,')
    message = refused(path)
    assert "config.json" in message
    assert "damaged" in message


@pytest.mark.parametrize("where", ["config", "text_config"])
def test_quantised_models_are_refused(tmp_path, where):
    config = {"quantization_config": {"bits": 4}}
    config = {**CONFIG, **(config if where == "config" else {where: config})}
    assert "before they were quantised" in refused(plain_folder(tmp_path / "int4", config=config))


# Links


@pytest.fixture
def outside(tmp_path):
    return plain_folder(tmp_path / "elsewhere") / "model.safetensors"


def test_links_that_lead_out_are_refused(tmp_path, outside):
    path = plain_folder(tmp_path / "model")
    (path / "model.safetensors").unlink()
    (path / "model.safetensors").symlink_to(outside)
    assert "leads out of the model's folder" in refused(path)
    (path / "model.safetensors").unlink()
    save_file(numbers(), path / "weights")
    (path / "model.safetensors").symlink_to("weights")
    assert open_folder(path).weights == (path / "model.safetensors",)  # one that stays inside


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "LICENSE", "model.safetensors.index.json"])
def test_so_are_links_of_other_files(tmp_path, name):
    secret = tmp_path / "secret"
    secret.write_text("{}")
    path = sharded_folder(tmp_path / "model")
    (path / name).unlink(missing_ok=True)
    (path / name).symlink_to(secret)
    assert "leads out" in refused(path)
    assert name in refused(path)


def test_a_link_to_the_folder_itself_is_the_users_own(tmp_path, outside):
    (tmp_path / "link").symlink_to(outside.parent)
    assert open_folder(tmp_path / "link").label == "link"


def test_shards_may_not_be_links_out_either(tmp_path, outside):
    path = sharded_folder(tmp_path / "shards")
    (path / "model-00001-of-00002.safetensors").unlink()
    (path / "model-00001-of-00002.safetensors").symlink_to(outside)
    assert "leads out" in refused(path)


def test_nor_components_of_a_pipeline(tmp_path, outside):
    path = pipeline(tmp_path / "sd")
    (path / "vae" / "more").symlink_to(outside)
    assert "leads out" in refused(path)


def hub(tmp_path, blob=None):
    """A snapshot as huggingface_hub keeps it: links into the blobs of the model."""
    model = tmp_path / "hub" / "models--org--tiny"
    snapshot = model / "snapshots" / "0123abc"
    (model / "blobs").mkdir(parents=True)
    made = plain_folder(tmp_path / "made")
    for file in list(made.iterdir()):
        file.rename(model / "blobs" / file.name)
        snapshot.mkdir(parents=True, exist_ok=True)
        (snapshot / file.name).symlink_to(os.path.relpath(model / "blobs" / file.name, snapshot))
    return snapshot


def test_a_snapshot_of_the_hub_cache(tmp_path, outside):
    snapshot = hub(tmp_path)
    folder = open_folder(snapshot)
    assert folder.label == "tiny"
    assert names(folder.side_files) == ["config.json"]
    (snapshot / "tokenizer.json").symlink_to(outside)
    assert "leads out" in refused(snapshot)


def test_blobs_of_other_models_are_out(tmp_path):
    snapshot = hub(tmp_path)
    other = tmp_path / "hub" / "models--org--other" / "blobs"
    other.mkdir(parents=True)
    (other / "x").write_text("{}")
    (snapshot / "tokenizer.json").symlink_to(other / "x")
    assert "leads out" in refused(snapshot)


def test_blobs_that_models_share_are_in(tmp_path):
    snapshot = hub(tmp_path)
    shared = tmp_path / "hub" / "blobs"
    shared.mkdir()
    weights = snapshot / "model.safetensors"
    blob = weights.resolve()
    blob.rename(shared / "ab")
    blob.symlink_to(shared / "ab")
    assert "leads out" in refused(snapshot)  # any folder can be called blobs
    (shared / ".huggingface-shared-blobs").write_text("1\n")
    assert open_folder(snapshot).weights == (weights,)


# Files in torch's format


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt"])
def test_torch_files_must_be_allowed(tmp_path, name):
    path = tmp_path / "old"
    path.mkdir()
    torch.save(numbers(), path / name)
    torch.save({}, path / "optimizer.pt")  # what training leaves behind
    for given in (path, path / name):
        message = refused(given)
        assert "--allow-torch-files" in message
        assert "safetensors" in message
        assert name in message
        assert open_folder(given, allow_torch_files=True).weights == (path / name,)
    save_file(numbers(), path / "model.safetensors")
    assert open_folder(path).weights == (path / "model.safetensors",)


def test_sharded_torch_files(tmp_path):
    path = tmp_path / "old"
    path.mkdir()
    for part in ("1", "2"):
        torch.save({part: torch.zeros(1)}, path / f"pytorch_model-0000{part}-of-00002.bin")
    weight_map = {part: f"pytorch_model-0000{part}-of-00002.bin" for part in ("1", "2")}
    (path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert "--allow-torch-files" in refused(path)
    folder = open_folder(path, allow_torch_files=True)
    assert (len(folder.weights), folder.stem) == (2, "model")


def test_adapters_are_refused(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(MergeError, match="is an adapter"):
        open_folder(tmp_path)
