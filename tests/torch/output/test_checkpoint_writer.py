"""Merged models as files: what is written, how it loads, and what stays when it goes wrong."""

import errno
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from merged_models import assert_equal, expected, some_recipe
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_models import CONFIG, llama, llama_folder, numbers, pipeline_folder, plain_folder, sharded_folder, unet_folder

from evoniche import Recipe, Recipes, _files
from evoniche_torch.models import CheckpointSeeds, ModuleSeeds, TensorSeeds
from evoniche_torch.output import (
    Card,
    check_output_folder,
    checkpoint_writer,
    read_recipe,
    write_checkpoint,
)
from evoniche_torch.output.provenance import seed_shares

pytestmark = pytest.mark.usefixtures("_offline")


@pytest.fixture
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")


def plain_pair(tmp_path, dtype=torch.float32, **options):
    return [plain_folder(tmp_path / label, numbers(k, dtype), **options) for k, label in enumerate("ab")]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def header(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return length, json.loads(data[8 : 8 + length])


def test_a_file_is_what_the_safetensors_package_writes(tmp_path):
    with CheckpointSeeds(plain_pair(tmp_path)) as seeds:
        recipe = some_recipe(seeds)
        out = write_checkpoint(recipe, seeds, tmp_path / "out")
        save_file(expected(seeds, recipe), tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    assert out == tmp_path / "out"
    assert names(out) == ["README.md", "config.json", "model.safetensors", "recipe.json"]
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "theirs.safetensors").read_bytes()


@pytest.mark.parametrize("tie", [False, True])
@pytest.mark.parametrize("shard_size", ["5GB", "20KB"])
def test_transformers_loads_it(tmp_path, tie, shard_size):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folders = [llama_folder(tmp_path / label, k, tie=tie, dtype=torch.bfloat16) for k, label in enumerate("ab")]
    with CheckpointSeeds(folders) as seeds:
        recipe = some_recipe(seeds)
        out = write_checkpoint(recipe, seeds, tmp_path / "out", shard_size=shard_size)
        wanted = expected(seeds, recipe)
    model, report = AutoModelForCausalLM.from_pretrained(out, output_loading_info=True)
    assert not any(report.values())
    found = model.state_dict()
    assert_equal({name: found[name] for name in wanted}, wanted)
    assert tie == torch.equal(found["lm_head.weight"], found["model.embed_tokens.weight"])
    assert model.dtype == torch.bfloat16
    assert ("model.safetensors.index.json" in names(out)) == (shard_size == "20KB")
    assert AutoTokenizer.from_pretrained(out).chat_template
    for name in ("config.json", "generation_config.json", "tokenizer.json", "chat_template.jinja"):
        assert (out / name).read_bytes() == (folders[0] / name).read_bytes()


@pytest.mark.parametrize(("variant", "shard_size"), [(None, "5GB"), (None, "10KB"), ("fp16", "5GB"), ("fp16", "10KB")])
def test_diffusers_loads_it(tmp_path, variant, shard_size):
    from diffusers import UNet2DConditionModel

    options = {"variant": variant, "dtype": torch.float16 if variant else torch.float32}
    folders = [unet_folder(tmp_path / label, k, **options) for k, label in enumerate("ab")]
    with CheckpointSeeds(folders, variant=variant) as seeds:
        recipe = Recipe.of([0, seeds.size // 2, seeds.size], [[0.6, 0.5], [0.1, 0.9]])
        out = write_checkpoint(recipe, seeds, tmp_path / "out", shard_size=shard_size)
        wanted = expected(seeds, recipe)
    theirs = unet_folder(tmp_path / "theirs", variant=variant, shard_size=shard_size, dtype=options["dtype"])
    of_weights = [name for name in names(theirs) if "safetensors" in name]
    ours = [name for name in names(out) if "safetensors" in name]
    if shard_size == "5GB":
        assert ours == of_weights
    else:  # the order of tensors is another, and so may be the number of files
        assert {name.split("-")[0] for name in ours} == {name.split("-")[0] for name in of_weights}
    model = UNet2DConditionModel.from_pretrained(out, variant=variant, torch_dtype=options["dtype"])
    assert_equal(dict(model.state_dict()), wanted)


def test_a_pipeline_with_its_other_components(tmp_path):
    from diffusers import DiffusionPipeline

    folders = [pipeline_folder(tmp_path / label, k) for k, label in enumerate("ab")]
    with CheckpointSeeds(folders) as seeds:
        recipe = some_recipe(seeds)
        out = write_checkpoint(recipe, seeds, tmp_path / "out")
        wanted = expected(seeds, recipe)
    assert names(out) == ["README.md", "model_index.json", "recipe.json", "scheduler", "unet", "vqvae"]
    for part in (folders[0] / "vqvae").iterdir():
        assert (out / "vqvae" / part.name).read_bytes() == part.read_bytes()
    pipeline = DiffusionPipeline.from_pretrained(out)
    assert_equal(dict(pipeline.unet.state_dict()), wanted)
    assert "library_name: diffusers" in (out / "README.md").read_text()


def test_bare_files(tmp_path):
    for k, label in enumerate("ab"):
        save_file(numbers(k), tmp_path / f"{label}.safetensors")
    with CheckpointSeeds([tmp_path / "a.safetensors", tmp_path / "b.safetensors"]) as seeds:
        recipe = some_recipe(seeds)
        out = write_checkpoint(recipe, seeds, tmp_path / "out")
        assert names(out) == ["README.md", "a.safetensors", "recipe.json"]
        assert_equal(load_file(out / "a.safetensors"), expected(seeds, recipe))
        out = write_checkpoint(recipe, seeds, tmp_path / "sharded", shard_size=400)
        assert "a.safetensors.index.json" in names(out)
        assert "a-00001-of-00006.safetensors" in names(out)


def test_shards_hold_what_fits_and_a_larger_tensor_is_alone(tmp_path):
    sizes = {"a": 4, "b": 3, "c": 3, "d": 20, "e": 5, "f": 5, "g": 1}
    states = [{name: torch.full((size,), k + 1.0) for name, size in sizes.items()} for k in range(2)]
    seeds = ModuleSeeds(states)
    out = write_checkpoint(some_recipe(seeds), seeds, tmp_path / "out", shard_size=40)
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 4 * 41}
    files = [f"model-0000{i}-of-00004.safetensors" for i in range(1, 5)]
    assert names(out) == ["README.md", *files, "model.safetensors.index.json", "recipe.json"]
    assert index["weight_map"] == {
        "a": files[0], "b": files[0], "c": files[0], "d": files[1], "e": files[2], "f": files[2], "g": files[3]
    }  # fmt: skip
    for file in files:
        with safe_open(out / file, "pt") as opened:
            assert opened.metadata() == {"format": "pt"}
            assert set(opened.keys()) == {name for name, place in index["weight_map"].items() if place == file}


def test_every_tensor_is_aligned_and_what_is_not_merged_is_the_first_seeds(tmp_path):
    shapes = {"a": (3,), "b": (5, 1), "c": (), "empty": (0, 4), "mask": (3,), "steps": ()}
    dtypes = [torch.bfloat16, torch.float32, torch.float16, torch.float32, torch.bool, torch.int64]
    states = [
        {name: torch.full(shape, k + 1).to(dtype) for (name, shape), dtype in zip(shapes.items(), dtypes, strict=True)}
        for k in range(2)
    ]
    seeds = ModuleSeeds(states)
    out = write_checkpoint(Recipe.of([0, seeds.size], [[0.5, 0.25]]), seeds, tmp_path / "out")
    found = load_file(out / "model.safetensors")
    assert {name: tensor.dtype for name, tensor in found.items()} == dict(zip(shapes, dtypes, strict=True))
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == shapes
    assert all((found[name] == 1).all() for name in shapes)
    length, table = header(out / "model.safetensors")
    assert length % 8 == 0
    for name, tensor in found.items():
        assert table[name]["data_offsets"][0] % tensor.dtype.itemsize == 0


def test_numbers_are_rounded_once_to_the_dtype_asked_for(tmp_path):
    config = {"dtype": "float32", "text_config": {"torch_dtype": "float32", "name": "float32"}, "architectures": []}
    with CheckpointSeeds(plain_pair(tmp_path, config=config)) as seeds:
        recipe = some_recipe(seeds)
        for dtype in (torch.bfloat16, "float16", "torch.float64"):
            out = write_checkpoint(recipe, seeds, tmp_path / str(dtype), dtype=dtype)
            name = str(dtype).removeprefix("torch.")
            assert_equal(load_file(out / "model.safetensors"), expected(seeds, recipe, getattr(torch, name)))
            assert json.loads((out / "config.json").read_text()) == {
                "dtype": name, "text_config": {"torch_dtype": name, "name": "float32"}, "architectures": []
            }  # fmt: skip


def test_like_another_seed(tmp_path):
    one = plain_folder(tmp_path / "a", numbers(0))
    two = plain_folder(tmp_path / "b", numbers(1, torch.bfloat16), config={**CONFIG, "use_cache": False})
    with CheckpointSeeds([one, two], mixed_dtypes=True) as seeds:
        recipe = some_recipe(seeds)
        out = write_checkpoint(recipe, seeds, tmp_path / "out", like=1)
        assert_equal(load_file(out / "model.safetensors"), expected(seeds, recipe, torch.bfloat16))
    assert (out / "config.json").read_bytes() == (two / "config.json").read_bytes()


def test_tied_tensors_are_written_as_they_were_found(tmp_path):
    config = {"model_type": "llama", "tie_word_embeddings": True}
    for k, label in enumerate("ab"):
        tensors = numbers(k)
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
        plain_folder(tmp_path / label, tensors, config=config)
    with CheckpointSeeds([tmp_path / "a", tmp_path / "b"]) as seeds:
        assert seeds.index.tied
        recipe = some_recipe(seeds)
        out = write_checkpoint(recipe, seeds, tmp_path / "out", shard_size=500)
        wanted = expected(seeds, recipe)
    files = set(json.loads((out / "model.safetensors.index.json").read_text())["weight_map"].values())
    found = {name: tensor for file in files for name, tensor in load_file(out / file).items()}
    assert_equal(found, wanted)
    assert torch.equal(found["lm_head.weight"], found["model.embed_tokens.weight"])


def test_task_vectors_over_a_base(tmp_path):
    folders = [*plain_pair(tmp_path), plain_folder(tmp_path / "base", numbers(2))]
    with CheckpointSeeds(folders[:2], base=folders[2]) as seeds:
        recipe = Recipe.of([0, seeds.size], [[0.5, 2.0]])
        out = write_checkpoint(recipe, seeds, tmp_path / "out")
        assert_equal(load_file(out / "model.safetensors"), expected(seeds, recipe))
    a, b, base = (numbers(k)["lm_head.weight"].double() for k in range(3))
    merged = load_file(out / "model.safetensors")["lm_head.weight"].double()
    torch.testing.assert_close(merged, base + 0.5 * (a - base) + 2 * (b - base), rtol=1e-6, atol=1e-6)


def test_modules_in_memory(tmp_path):
    seeds = ModuleSeeds([llama(0), llama(1)])
    recipe = some_recipe(seeds)
    out = write_checkpoint(Recipes(seeds, [recipe]), seeds, tmp_path / "out", card={"title": "Two"})
    assert names(out) == ["README.md", "model.safetensors", "recipe.json"]
    assert_equal(load_file(out / "model.safetensors"), expected(seeds, recipe))
    assert read_recipe(out / "recipe.json").kind == "memory"


def test_blocks_make_no_difference(tmp_path, monkeypatch):
    with CheckpointSeeds(plain_pair(tmp_path, torch.bfloat16)) as seeds:
        recipe = some_recipe(seeds)
        whole = write_checkpoint(recipe, seeds, tmp_path / "whole")
        monkeypatch.setattr(checkpoint_writer, "MERGE_BLOCK", 7)
        small = write_checkpoint(recipe, seeds, tmp_path / "small")
    for name in names(whole):
        assert (whole / name).read_bytes() == (small / name).read_bytes()


def test_a_sharded_seed_and_links_become_files(tmp_path):
    for k, label in enumerate("ab"):
        sharded_folder(tmp_path / label, numbers(k))
        (tmp_path / label / "config.json").rename(tmp_path / label / "original.json")
        (tmp_path / label / "config.json").symlink_to("original.json")
    with CheckpointSeeds([tmp_path / "a", tmp_path / "b"]) as seeds:
        out = write_checkpoint(some_recipe(seeds), seeds, tmp_path / "out")
    assert names(out) == ["README.md", "config.json", "model.safetensors", "recipe.json"]  # in one file now
    assert not (out / "config.json").is_symlink()


# The card


def test_the_model_card(tmp_path):
    from yaml import safe_load

    snapshot = tmp_path / "models--org--first" / "snapshots" / "0123"
    (snapshot.parent.parent / "blobs").mkdir(parents=True)
    folders = [plain_folder(snapshot, numbers(0)), plain_folder(tmp_path / 'the "b"', numbers(1))]
    card = Card(
        title="Both",
        command="evoniche merge first b",
        scores=(["model", "maths"], [["first", 0.25], ["a|b", 1], ["merged", 0.98765]]),
        lineage=["child 7 of 3 and 5"],
        notes="Noted.",
    )
    with CheckpointSeeds(folders) as seeds:
        recipe = Recipe.of([0, seeds.size // 4, seeds.size], [[1.0, 0.0], [-0.25, 0.75]])
        out = write_checkpoint(recipe, seeds, tmp_path / "out", card=card)
    np.testing.assert_allclose(seed_shares(recipe, np.array([0, recipe.size]))[0], [0.25 + 0.75 * 0.25, 0.75 * 0.75])
    text = (out / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    assert safe_load(front) == {
        "base_model": ["org/first", 'the "b"'], "tags": ["merge", "evoniche"], "library_name": "transformers"
    }  # fmt: skip
    for part in (
        "# Both\n", "| `first` | 43.8% |", "| first | 0.250 |", "| a\\|b | 1 |", "| merged | 0.988 |", "Noted.",
        "- child 7 of 3 and 5\n", "evoniche merge first b\n", "evoniche export recipe.json --out DIR",
    ):  # fmt: skip
        assert part in body
    assert str(tmp_path) not in text
    assert read_recipe(out / "recipe.json").card == card


def test_the_words_of_a_card_are_shown_as_they_are(tmp_path):
    folders = [plain_folder(tmp_path / label, numbers(seed)) for seed, label in enumerate("ab")]
    hostile = "![x](/etc/passwd) <b>"
    card = Card(title=hostile, command="a ``` b", scores=(["model", hostile], [[hostile, 1.0]]), lineage=[hostile])
    with CheckpointSeeds(folders) as seeds:
        out = write_checkpoint(Recipe.of([0, seeds.size], [[0.5, 0.5]]), seeds, tmp_path / "out", card=card)
    text = (out / "README.md").read_text()
    assert text.count(r"\!\[x\](/etc/passwd) \<b\>") == 4
    assert hostile not in text
    assert "````sh\na ``` b\n````" in text


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"titel": "x"}, "no 'titel': it may have title, command"),
        ({"title": 3}, "title=...) must be text, got 3"),
        ({"lineage": [3]}, "must be lines of text"),
        ({"scores": [["a", "b"], [["c"]]]}, "as many cells in each row"),
        ({"scores": [["a"], [[float("nan")]]]}, "a finite number"),
        ({"scores": 3}, "must be (columns, rows), got 3"),
    ],
)
def test_cards_that_are_wrong(tmp_path, card, said):
    seeds = ModuleSeeds([{"a": torch.zeros(2)}])
    with pytest.raises(ValueError) as error:  # noqa: PT011
        write_checkpoint(Recipe.of([0, 2], [[1.0]]), seeds, tmp_path / "out", card=card)
    assert said in str(error.value)
    assert not (tmp_path / "out").exists()


# What is refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dtype": torch.int8}, "dtype must be one of float32, bfloat16"),
        ({"dtype": "half"}, "got 'half'"),
        ({"like": 2}, "like must be the number of a seed, 0 to 1, got 2"),
        ({"like": -1}, "got -1"),
        ({"shard_size": 0}, "shard_size must be a number of bytes"),
        ({"shard_size": "5 parsecs"}, "got '5 parsecs'"),
        ({"shard_size": "GB"}, "got 'GB'"),
        ({"shard_size": True}, "got True"),
    ],
)
def test_options_out_of_range(tmp_path, options, said):
    seeds = ModuleSeeds([{"a": torch.zeros(2)}, {"a": torch.ones(2)}])
    with pytest.raises(ValueError) as error:  # noqa: PT011
        write_checkpoint(Recipe.of([0, 2], [[0.5, 0.5]]), seeds, tmp_path / "out", **options)
    assert said in str(error.value)
    assert names(tmp_path) == []


def test_recipes_that_do_not_fit(tmp_path):
    seeds = ModuleSeeds([{"a": torch.zeros(2)}, {"a": torch.ones(2)}])
    with pytest.raises(ValueError, match="a batch of 2: choose one"):
        write_checkpoint(Recipes.of_seeds(seeds), seeds, tmp_path / "out")
    with pytest.raises(TypeError, match="must be a Recipe, or Recipes of one row, got float"):
        write_checkpoint(0.5, seeds, tmp_path / "out")
    with pytest.raises(ValueError, match="over these seeds, 2 of 2 parameters each"):
        write_checkpoint(Recipe.of([0, 3], [[0.5, 0.5]]), seeds, tmp_path / "out")


def test_numbers_that_the_dtype_cannot_hold(tmp_path):
    seeds = ModuleSeeds([{"big": torch.full((3,), 60_000.0), "more": torch.full((2,), float("inf"))}] * 2)
    recipe = Recipe.of([0, seeds.size], [[1.0, 1.0]])
    with pytest.raises(ValueError, match=r"big has merged numbers that torch.float16 cannot hold, up to 1.2e\+05"):
        write_checkpoint(recipe, seeds, tmp_path / "out", dtype="float16")
    assert names(tmp_path) == []
    half = Recipe.of([0, seeds.size], [[0.5, 0.5]])
    out = write_checkpoint(half, seeds, tmp_path / "out", dtype="float16")  # what was infinite may stay so
    assert load_file(out / "model.safetensors")["more"].isinf().all()


def test_folders_that_are_not_written_to(tmp_path, monkeypatch):
    folders = plain_pair(tmp_path / "models")
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    (tmp_path / "link").symlink_to(folders[0])
    for out, options, said in [
        (folders[0], {}, f"apart from the models that are merged, {folders[0]} is {folders[0]}"),
        (tmp_path / "link", {}, f"is {folders[0]}"),
        (folders[1] / "merged", {}, f"is inside {folders[1]}"),
        (tmp_path / "models", {}, "holds a, b"),
        (tmp_path / "models", {"overwrite": True}, f"since {folders[0]} is in it"),
        (tmp_path / "file", {}, "is a file"),
        (tmp_path / "full", {}, "holds thesis.tex: choose another folder, or replace it by --overwrite"),
        (tmp_path / "full", {"overwrite": True}, "holds thesis.tex and no model"),
        (tmp_path / "file" / "below", {}, "cannot be written"),
    ]:
        with CheckpointSeeds(folders) as seeds, pytest.raises((ValueError, OSError)) as error:
            write_checkpoint(some_recipe(seeds), seeds, out, **options)
        assert said in str(error.value)
        with pytest.raises((ValueError, OSError)):
            check_output_folder(out, inputs=folders, **options)
    assert names(tmp_path) == ["file", "full", "link", "models"]
    check_output_folder(tmp_path / "new" / "one", inputs=folders)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="cannot be written"):
        check_output_folder(tmp_path / "new" / "one")


# What stays when it goes wrong


def test_an_empty_folder_is_filled_and_a_model_is_replaced(tmp_path):
    folders = plain_pair(tmp_path / "models")
    out = tmp_path / "out"
    out.mkdir()
    with CheckpointSeeds(folders) as seeds:
        write_checkpoint(some_recipe(seeds), seeds, out, shard_size=500)
        assert "model.safetensors.index.json" in names(out)
        write_checkpoint(some_recipe(seeds), seeds, out, overwrite=True)
    assert names(out) == ["README.md", "config.json", "model.safetensors", "recipe.json"]  # no index survives
    assert names(tmp_path) == ["models", "out"]


class Failing(TensorSeeds):
    """Seeds that can be read a few times."""

    def __init__(self, error, reads=40):
        self.inner = ModuleSeeds([numbers(0), numbers(1)])
        self.index, self.labels, self.base_label = self.inner.index, self.inner.labels, None
        self.error, self.reads = error, reads

    def read(self, seed, name, low, high):
        self.reads -= high > low
        if self.reads < 0:
            raise self.error
        return self.inner.read(seed, name, low, high)

    def dtype_of(self, seed, name):
        return self.inner.dtype_of(seed, name)

    def gram_table(self):
        return self.inner.gram_table()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EIO, "the disk has gone"), MemoryError()])
@pytest.mark.parametrize("before", [False, True])
def test_nothing_half_written_stays(tmp_path, error, before, monkeypatch):
    monkeypatch.setattr(checkpoint_writer, "MERGE_BLOCK", 10)
    out = tmp_path / "out"
    old = None
    if before:
        seeds = ModuleSeeds([numbers(2)])
        write_checkpoint(some_recipe(seeds), seeds, out)
        old = {name: (out / name).read_bytes() for name in names(out)}
    seeds = Failing(error)
    with pytest.raises(type(error)):
        write_checkpoint(some_recipe(seeds), seeds, out, overwrite=True)
    assert seeds.reads < 0
    assert names(tmp_path) == (["out"] if before else [])
    assert old is None or old == {name: (out / name).read_bytes() for name in names(out)}


def test_a_full_disk(tmp_path):
    seeds = ModuleSeeds([{"a": torch.ones(300_000)}])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OSError, match="too large"):  # the system's word for the limit that stands in for the disk's
            write_checkpoint(some_recipe(seeds), seeds, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert names(tmp_path) == []


def test_a_disk_without_room_is_refused_before_the_work(tmp_path, monkeypatch):
    folders = plain_pair(tmp_path / "models")
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(checkpoint_writer, "write_tensors", None)  # is not reached
    with CheckpointSeeds(folders) as seeds, pytest.raises(OSError, match="GB are needed, ") as error:
        write_checkpoint(some_recipe(seeds), seeds, tmp_path / "out")
    assert error.value.errno == errno.ENOSPC
    assert names(tmp_path) == ["models"]


def test_an_exchange_that_fails_puts_the_old_model_back(tmp_path, monkeypatch):
    seeds = ModuleSeeds([numbers(0)])
    out = write_checkpoint(some_recipe(seeds), seeds, tmp_path / "out")
    old = (out / "recipe.json").read_bytes()
    rename = Path.rename

    def failing(path, target):
        if ".partial-" in path.name:
            raise OSError("no")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no"):
        write_checkpoint(some_recipe(seeds, 5), seeds, out, overwrite=True)
    assert names(tmp_path) == ["out"]
    assert (out / "recipe.json").read_bytes() == old


KILLED = """
import os, signal, sys, torch
from evoniche import Recipe
from evoniche_torch import ModuleSeeds, write_checkpoint
seeds = ModuleSeeds([{"a": torch.ones(1000), "b": torch.ones(1000)}])
read = ModuleSeeds.read
def dying(self, seed, name, low, high):
    if name == "b" and high:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(self, seed, name, low, high)
ModuleSeeds.read = dying
write_checkpoint(Recipe.of([0, 2000], [[1.0]]), seeds, sys.argv[1])
"""


def test_what_a_killed_process_leaves_is_removed_by_the_next(tmp_path):
    out = tmp_path / "[out]*"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False)
    assert ended.returncode == -signal.SIGKILL
    (left,) = names(tmp_path)
    assert left.startswith(".[out]*.partial-")
    (tmp_path / f".[out]*.partial-{_files._HOST}-{os.getppid()}").mkdir()  # of a process that lives
    (tmp_path / ".[out]*.partial-elsewhere-1").mkdir()  # of another computer
    replaced = tmp_path / left.replace("partial", "replaced")  # and one that was killed between two renames
    replaced.mkdir()
    (replaced / "model.safetensors").touch()
    seeds = ModuleSeeds([numbers(0)])
    with pytest.raises(FileExistsError, match="holds model"):
        write_checkpoint(some_recipe(seeds), seeds, out)  # which is back in its place
    write_checkpoint(some_recipe(seeds), seeds, out, overwrite=True)
    stays = [f".[out]*.partial-{_files._HOST}-{os.getppid()}", ".[out]*.partial-elsewhere-1", "[out]*"]
    assert names(tmp_path) == sorted(stays)


MEASURED = """
import re, sys
import torch
from evoniche import Recipe
from evoniche_torch import CheckpointSeeds, load_into, write_checkpoint

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) // 1000

loaded = {"transformers", "diffusers", "lm_eval", "click"} & set(sys.modules)
assert not loaded, loaded
folder, shape = sys.argv[1], [int(size) for size in sys.argv[2:]]
module = torch.nn.ParameterDict({"large": torch.nn.Parameter(torch.zeros(shape, dtype=torch.bfloat16))})
with CheckpointSeeds([folder + "/a.safetensors", folder + "/b.safetensors"], cache=False) as seeds:
    recipe = Recipe.of([0, seeds.size // 3, seeds.size], [[0.25, 1.0], [0.5, 0.5]])
    before = peak()
    write_checkpoint(recipe, seeds, folder + "/out")
    between = peak()
    load_into(module, recipe, seeds)
    print(before, between - before, peak() - between)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured by /proc")
def test_memory_does_not_grow_with_the_model(tmp_path):
    shape = (10_000, 10_000)  # one tensor of 200 MB
    entry = {"dtype": "BF16", "shape": shape, "data_offsets": [0, 200_000_000]}
    head = json.dumps({"large": entry}).encode()
    for label in "ab":
        with (tmp_path / f"{label}.safetensors").open("wb") as file:
            file.write(struct.pack("<Q", len(head)) + head)
            file.truncate(8 + len(head) + 200_000_000)  # zeros that take no room
    command = [sys.executable, "-c", MEASURED, str(tmp_path), *map(str, shape)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not ended.returncode, ended.stderr
    before, writing_it, loading_it = map(int, ended.stdout.split())
    assert before > 100  # it does measure
    assert writing_it < 40
    assert loading_it < 40
    shutil.rmtree(tmp_path)
