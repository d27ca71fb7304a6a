"""merge.yaml, the upload to the hub, and the dtype of the model in memory."""

import shlex
from pathlib import Path

import huggingface_hub
import pytest
import torch
import yaml
from click.testing import CliRunner
from merge_commands import recipe, run, succeeded, the_same
from safetensors.torch import load_file

from evoniche import Store
from evoniche_torch.commands import merge as command

pytestmark = pytest.mark.usefixtures("no_picture")


def call(text):
    return CliRunner().invoke(command.merge, shlex.split(text))


def test_the_file_beside_the_result_makes_the_same_merge_again(place):
    options = ("--chromosomes", "mlp", "--chromosomes", "q_proj", "--weight", "odd=3", "--no-split-point", "--seed", 7)
    succeeded(run("--scorer", "tasks.py:odd", "--dtype", "bfloat16", "--alpha", "0.5", "--like", "2", *options))
    content = yaml.safe_load(Path("out/merge.yaml").read_text())
    assert content["models"] == ["a", "b"]
    assert content["scorer"] == ["tasks.py:layers", "tasks.py:odd"]
    assert content["weight"] == {"odd": 3}
    assert (content["split-point"], content["alpha"], content["population"], content["out"]) == (False, 0.5, 15, "out")
    assert not content.keys() & {"config", "overwrite", "dry-run", "quiet", "push-to-hub", "store", "base"}
    succeeded(call("--config out/merge.yaml --out again --quiet"))
    assert the_same(recipe("out"), recipe("again"))
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert Path("out", name).read_bytes() == Path("again", name).read_bytes()
    assert yaml.safe_load(Path("again/merge.yaml").read_text()) == content | {"out": "again"}
    ended = call("--config out/merge.yaml --quiet")
    assert ended.exit_code == 1
    assert "out must be new or empty" in ended.stderr


def test_the_command_line_goes_before_the_file(place):
    lines = ["models: [a, b]", "scorer: tasks.py:layers", "evaluations: 8", "warmup: 3", "out: other", "record: r.db"]
    Path("merge.yaml").write_text("\n".join([*lines, "lm-eval: {num_fewshot: 2, model_args: {max_length: 64}}", ""]))
    succeeded(call("b base --config merge.yaml --evaluations 5 --out here --quiet"))
    content = yaml.safe_load(Path("here/merge.yaml").read_text())
    assert (content["models"], content["evaluations"], content["store"]) == (["b", "base"], 5, "r.db")
    assert content["lm-eval"] == {"num_fewshot": 2, "model_args": {"max_length": 64}}
    assert Store("r.db").runs()[0]["told"] == 5
    assert not Path("other").exists()


ALIASES = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 8)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: [a, b]\npopulaton: 3", r"there is no option 'populaton'. Did you mean population?"),
        ("overwrite: true", "there is no option 'overwrite'"),
        ("- a\n- b", "must have a line OPTION: VALUE"),
        ("", "must have a line OPTION: VALUE"),
        ("models: [a, b", "is no YAML file of options"),
        ("models: a\n  b: c", "is no YAML file of options"),
        (ALIASES, "aliases (*name) are not read"),
        ("!!python/object/apply:os.system ['touch pwned']", "is no YAML file of options"),
        ("[" * 5000, "is no YAML file of options"),
        ("seed: " + "9" * 5000, "is no YAML file of options"),
        ("\0", "is no YAML file of options"),
        ("population: many", "'many' is not a valid integer"),
        ("population: [3, 4]", "population must be a plain value, got [3, 4]"),
        ("split-point: maybe", "split-point must be true or false, got maybe"),
        ("models: {a: b}", "models must be a list of plain values"),
        ("weight: 3", "--weight must be given as NAME=NUMBER, got '3'"),
        ("weight: [[1]]", "weight must be names and values"),
        ("angle: none", "'none' is not one of 'whole', 'part'"),
        ("1: 2", "there is no option 1"),
        ("x" * (2 << 20), "more than 1,048,576 bytes"),
    ],
    ids=lambda text: text[:30],
)
def test_files_that_are_refused(text, message, place):
    Path("merge.yaml").write_text(text)
    before = {path.name for path in place.iterdir()}
    ended = call("--config merge.yaml a b --scorer tasks.py:layers --out out --quiet --evaluations 5 --warmup 0")
    assert ended.exit_code in (1, 2), ended.output
    assert isinstance(ended.exception, SystemExit), ended.exception
    assert message in ended.output.replace("\n", " "), ended.output
    assert {path.name for path in place.iterdir()} == before


def test_a_file_that_is_not_utf8(place):
    Path("merge.yaml").write_bytes(b"models: \xff\xfe")
    assert "merge.yaml is no YAML file of options" in call("--config merge.yaml").output


class TestTheHub:
    @pytest.fixture
    def calls(self, monkeypatch):
        seen = []

        class Api:
            def create_repo(self, repo_id, *, private, exist_ok):
                seen.append(("create", repo_id, private, exist_ok))

            def upload_folder(self, *, repo_id, folder_path, commit_message):
                if repo_id == "me/fails":
                    raise ConnectionError("no network")
                seen.append(("upload", repo_id, sorted(path.name for path in Path(folder_path).iterdir())))
                return f"https://hub.example/{repo_id}/commit/1"

        monkeypatch.setattr(huggingface_hub, "HfApi", Api)
        monkeypatch.setattr(huggingface_hub, "get_token", lambda: "secret")
        return seen

    def test_the_whole_folder_is_uploaded_to_a_private_repository(self, place, calls):
        ended = succeeded(run("--push-to-hub", "me/merged"))
        names = {"model.safetensors", "recipe.json", "README.md", "merge.yaml", "history.csv", "config.json"}
        assert calls[0] == ("create", "me/merged", True, True)
        assert names <= set(calls[1][2])
        assert "uploaded to https://hub.example/me/merged/commit/1" in ended.stdout
        assert "secret" not in ended.output
        assert len(calls) == 2

    def test_nothing_is_uploaded_unless_asked_for(self, place, calls):
        succeeded(run())
        assert calls == []

    def test_an_upload_that_fails_leaves_the_model(self, place, calls):
        ended = run("--push-to-hub", "me/fails")
        assert ended.exit_code == 1
        assert "the merged model is in out, but could not be uploaded to me/fails: Conn" in ended.stderr
        assert "hf upload me/fails out" in ended.stderr
        assert Path("out/model.safetensors").exists()

    def test_what_cannot_be_is_said_before_any_work(self, place, calls, monkeypatch):
        assert "must be the name of a repository" in run("--push-to-hub", "me/a/b").stderr
        monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
        assert "needs a login: hf auth login" in run("--push-to-hub", "me/merged").stderr
        assert not Path("out").exists()
        assert calls == []


def test_the_model_in_memory_may_have_another_dtype(place, monkeypatch):
    Path("seen.py").write_text(
        "def kinds(model):\n"
        "    kinds = {str(tensor.dtype) for tensor in model.parameters()}\n"
        "    with open('kinds', 'a') as file:\n"
        "        file.write(' '.join(kinds) + '\\n')\n"
        "    return [float(model.lm_head.weight.float().abs().mean()), 0.5]\n"
    )
    succeeded(run("--score-dtype", "bfloat16", "--store", "run.db", scorer="seen.py:kinds"))
    assert set(Path("kinds").read_text().split()) == {"torch.bfloat16"}
    assert load_file("out/model.safetensors")["lm_head.weight"].dtype == torch.float32
    assert yaml.safe_load(Path("out/merge.yaml").read_text())["score-dtype"] == "bfloat16"
    ended = run("--store", "run.db", scorer="seen.py:kinds", out="other")
    assert "scorer.about.dtype: there 'torch.bfloat16', here 'torch.float32'" in ended.stderr
