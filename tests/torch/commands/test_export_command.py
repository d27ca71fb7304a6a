"""recipe.json, and `evoniche export`, which makes the same bytes of it again."""

import json
import shutil

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from merged_models import some_recipe
from safetensors.torch import save_file
from tiny_models import CONFIG, llama_folder, numbers, pipeline_folder, plain_folder, sharded_folder, unet_folder

from evoniche_torch.commands.export import export
from evoniche_torch.models import CheckpointSeeds, ModuleSeeds
from evoniche_torch.output import read_recipe, write_checkpoint

CARD = {"title": "Ünited", "command": "evoniche merge a b", "scores": [["model", "x"], [["a", 0.1], ["merged", 1 / 3]]],
        "lineage": ["child 3 of 1 and 2"], "notes": ["one", "two"]}  # fmt: skip


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(*arguments):
    return CliRunner().invoke(export, [*map(str, arguments), "--quiet"])


def written(tmp_path, folders, options=None, **writing):
    """A merged model in tmp_path / "out"."""
    with CheckpointSeeds(folders, **(options or {})) as seeds:
        return write_checkpoint(some_recipe(seeds), seeds, tmp_path / "out", **writing)


def pair(tmp_path, make=plain_folder, **options):
    if make in (plain_folder, sharded_folder):
        return [make(tmp_path / label, numbers(k), **options) for k, label in enumerate("ab")]
    return [make(tmp_path / label, k, **options) for k, label in enumerate("ab")]


def bare_files(tmp_path):
    for k, label in enumerate("ab"):
        save_file(numbers(k), tmp_path / f"{label}.safetensors")
    return [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]


def mixed(tmp_path):
    """Two models of different dtypes and configurations, of which one is in several files."""
    return [
        sharded_folder(tmp_path / "a", numbers(0)),
        plain_folder(tmp_path / "b", numbers(1, torch.bfloat16), config={**CONFIG, "hidden_act": "silu"}),
    ]


CASES = {
    "llama": (lambda path: pair(path, llama_folder, dtype=torch.bfloat16), {}, {"card": CARD}),
    "sharded": (lambda path: pair(path, llama_folder, shard_size="30KB"), {}, {"shard_size": "20KB"}),
    "dtype": (pair, {}, {"dtype": torch.bfloat16}),
    "unet": (lambda path: pair(path, unet_folder), {}, {"shard_size": "10KB"}),
    "variant": (lambda path: pair(path, unet_folder, variant="fp16", dtype=torch.float16), {"variant": "fp16"}, {}),
    "pipeline": (lambda path: pair(path, pipeline_folder), {"component": "unet"}, {}),
    "bare files": (bare_files, {}, {}),
    "like the second": (mixed, {"mixed_dtypes": True, "ignore": ["hidden_act"]}, {"like": 1}),
    "variant of one": (
        lambda path: [unet_folder(path / "a", 0), unet_folder(path / "b", 1, variant="ema")], {}, {"like": 1}
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_same_bytes_again(tmp_path, case):
    make, options, writing = CASES[case]
    out = written(tmp_path, make(tmp_path), options, **writing)
    ended = run(out / "recipe.json", "--out", tmp_path / "again" / "here")
    assert ended.exit_code == 0, ended.output
    assert ended.output == f"merged model in {tmp_path / 'again' / 'here'}\n"
    assert files(tmp_path / "again" / "here") == files(out)
    assert {"recipe.json", "README.md"} < set(files(out))


def test_over_a_base_and_from_other_places(tmp_path, monkeypatch):
    folders = [*pair(tmp_path), plain_folder(tmp_path / "base", numbers(2))]
    monkeypatch.chdir(tmp_path)
    out = written(tmp_path, ["a", "b"], {"base": "base"}, card=CARD)
    record = read_recipe(out / "recipe.json")
    assert [seed.path for seed in record.seeds] == ["a", "b"]  # as they were given
    assert record.base.path == "base"
    assert run("out/recipe.json", "--out", "again").exit_code == 0
    assert files(tmp_path / "again") == files(out)

    for folder in folders:
        folder.rename(tmp_path / f"moved {folder.name}")
    ended = run("out/recipe.json", "--out", "third")
    assert ended.exit_code == 1
    assert "a: there is no such folder" in ended.output
    moved = ["--model", "moved a", "--model", "moved b", "--base", "moved base"]
    assert run("out/recipe.json", "--out", "third", *moved).exit_code == 0
    assert files(tmp_path / "third") == files(out)


def test_a_bare_file_may_have_another_name_now(tmp_path):
    one, two = bare_files(tmp_path)
    out = written(tmp_path, [one, two])
    one.rename(tmp_path / "c.safetensors")
    models = ["--model", tmp_path / "c.safetensors", "--model", two]
    assert run(out / "recipe.json", "--out", tmp_path / "again", *models).exit_code == 0
    assert files(tmp_path / "again") == files(out)
    ended = run(out / "recipe.json", "--out", tmp_path / "third", *reversed(models[1::2]), "--model", two)
    assert ended.exit_code


def test_models_that_have_changed(tmp_path):
    folders = pair(tmp_path, llama_folder)
    out = written(tmp_path, folders)
    shutil.copytree(folders[1], tmp_path / "changed")
    shutil.copy(folders[0] / "model.safetensors", tmp_path / "changed")
    (folders[0] / "tokenizer_config.json").write_text("{}")
    for models, said in (
        (["--model", folders[0], "--model", tmp_path / "changed"], f"{tmp_path / 'changed'} are not those"),
        (["--model", folders[1], "--model", folders[0]], f"{folders[1]} are not those"),
        ([], "tokenizer_config.json"),
    ):
        ended = run(out / "recipe.json", "--out", tmp_path / "again", *models)
        assert ended.exit_code == 1
        assert said in ended.output
        assert ("model.safetensors" in ended.output) == bool(models)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "changed", "out"]


def test_what_cannot_be_exported(tmp_path):
    folders = pair(tmp_path)
    out = written(tmp_path, folders)
    recipe = out / "recipe.json"
    for arguments, said in (
        (["--model", folders[0]], "--model must be given once for each of 2 models (a, b), got 1"),
        (["--base", folders[0]], "--base is of recipes with a base"),
        (["--out", out], "holds README.md, config.json, model.safetensors"),
        (["--out", folders[0] / "in"], f"is inside {folders[0]}"),
    ):
        ended = run(recipe, "--out", tmp_path / "again", *arguments)
        assert ended.exit_code
        assert said in " ".join(ended.output.split())
    assert run(recipe, "--out", out, "--overwrite").exit_code == 0
    seeds = ModuleSeeds([numbers(0)])
    memory = write_checkpoint(some_recipe(seeds), seeds, tmp_path / "memory")
    ended = run(memory / "recipe.json", "--out", tmp_path / "again")
    assert "is of models in memory" in ended.output
    assert "made again from files" in (memory / "README.md").read_text()
    assert not (tmp_path / "again").exists()


def test_a_recipe_is_read_back_exactly(tmp_path):
    with CheckpointSeeds(pair(tmp_path)) as seeds:
        recipe = some_recipe(seeds, 9)
        out = write_checkpoint(recipe, seeds, tmp_path / "out", card=CARD)
        record = read_recipe(out / "recipe.json")
    assert np.array_equal(record.recipe.coefficients, recipe.coefficients)
    assert np.array_equal(record.recipe.boundaries, recipe.boundaries)
    text = (out / "recipe.json").read_text()
    assert record.to_json() == text
    assert len(text.splitlines()) < 50  # a person can read it
    content = json.loads(text)
    (out / "recipe.json").write_text(json.dumps(content, indent=4))  # whoever edits it
    assert read_recipe(out / "recipe.json").to_json() == text


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    seeds = ModuleSeeds([{"a": torch.zeros(4)}, {"a": torch.ones(4)}])
    return json.loads((write_checkpoint(some_recipe(seeds, 1), seeds, folder / "out") / "recipe.json").read_text())


def test_each_key_is_needed(tmp_path, content):
    path = tmp_path / "recipe.json"
    for key in content.keys() - {"written", "tokenizer", "explicit"}:  # which older ones do not have
        path.write_text(json.dumps({name: value for name, value in content.items() if name != key}))
        with pytest.raises(ValueError, match="recipe") as error:
            read_recipe(path)
        assert key in str(error.value)
        assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("format", "other", "no recipe.json of evoniche"),
        ("version", 2, "a newer evoniche wrote it"),
        ("seeds", [], "length >= 1 - at `$.seeds`"),
        ("seeds", [{"label": "a"}], "missing required field `path` - at `$.seeds[0]`"),
        ("seeds", [{"label": "a", "path": "x", "files": {"../m": "0" * 64}}] * 2, "got '../m' - at `$.seeds[0]`"),
        ("seeds", [{"label": "a", "path": "x", "files": {"m": "0"}}] * 2, "at `$.seeds[0].files[...]`"),
        ("seeds", [{"label": "a", "path": None, "files": {}}], "'coefficients' must have a number for each of 1 seeds"),
        ("base", "path", "got `str` - at `$.base`"),
        ("kind", "gguf", "'gguf' - at `$.kind`"),
        ("stem", "../../model", "'stem' must be the plain name of a file or folder, got '../../model'"),
        ("stem", "", "'stem' must be"),
        ("component", "/etc", "'component' must be"),
        ("variant", "a/b", "'variant' must be"),
        ("mixed_dtypes", 1, "got `int` - at `$.mixed_dtypes`"),
        ("ignore", "a", "got `str` - at `$.ignore`"),
        ("dtype", "int8", "'int8' - at `$.dtype`"),
        ("shard_size", 0.5, "got `float` - at `$.shard_size`"),
        ("like", True, "got `bool` - at `$.like`"),
        ("like", 2, "'like' must be the number of a seed, 0 to 1, got 2"),
        ("side_files", {"/etc/passwd": "0" * 64}, "got '/etc/passwd'"),
        ("card", None, "got `null` - at `$.card`"),
        ("card", {"titel": "x"}, "card has no 'titel'"),
        ("card", {"title": 3}, "got `int` - at `$.card.title`"),
        ("boundaries", [0, 4.5], "got `float` - at `$.boundaries[1]`"),
        ("boundaries", [0, 3, 2], "rise from 0"),
        ("boundaries", [0, 2**70], "at `$.boundaries[1]`"),
        ("coefficients", [[1.0, "x"]], "got `str` - at `$.coefficients[0][1]`"),
        ("coefficients", [[1.0, float("nan")]] * 2, "JSON is malformed"),  # which has no NaN
        ("coefficients", [[1.0, 2.0], [1.0]], "'coefficients' must have a number for each of 2 seeds"),
    ],
)
def test_recipes_that_are_wrong(tmp_path, content, key, value, said):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({**content, key: value}))
    with pytest.raises(ValueError, match="recipe") as error:
        read_recipe(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)
    assert run(path, "--out", tmp_path / "out").exit_code == 1


def test_files_that_are_no_recipes(tmp_path):
    path = tmp_path / "recipe.json"
    for text in ("", "{", "[]", "[" * 100_000, "\xff"):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(ValueError, match="is no recipe"):
            read_recipe(path)
    with pytest.raises(FileNotFoundError):
        read_recipe(tmp_path / "nowhere.json")


def test_other_tensors_than_the_recipe_was_of(tmp_path):
    out = written(tmp_path, pair(tmp_path))
    content = json.loads((out / "recipe.json").read_text())
    content["tensors"] = content["tensors"][::-1]
    (tmp_path / "edited.json").write_text(json.dumps(content))
    ended = run(tmp_path / "edited.json", "--out", tmp_path / "again")
    assert "the recipe is of other tensors than these models have" in ended.output
