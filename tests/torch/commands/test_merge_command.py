"""`evoniche merge`: whole runs on tiny models, what its options change, and what it says when it cannot."""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from merge_commands import recipe, rows, run, succeeded, the_same
from safetensors.torch import load_file
from tiny_models import llama

from evoniche import Store
from evoniche._objects import load_object
from evoniche_torch.commands import merge as command
from evoniche_torch.commands import merge_run
from evoniche_torch.commands.export import export
from evoniche_torch.models import CheckpointSeeds, layer_of
from evoniche_torch.output import read_recipe


@pytest.fixture
def settings(monkeypatch, no_picture):
    """What reaches the evolution."""
    found = {}
    inner = merge_run.merge

    def spy(seeds, *scorer, **options):
        found.update(options)
        return inner(seeds, *scorer, **options)

    monkeypatch.setattr(merge_run, "merge", spy)
    return found


def test_a_whole_run(place):
    before = {path.name for path in place.iterdir()}
    ended = succeeded(run("--scorer", "tasks.py:odd", "--held-out", "tasks.py:later", evaluations=40, quiet=False))
    from transformers import AutoTokenizer, LlamaForCausalLM

    names = {path.name for path in Path("out").iterdir()}
    assert names >= {"README.md", "recipe.json", "history.csv", "figure.png", "config.json", "tokenizer.json"}
    assert {path.name for path in place.iterdir()} == before | {"out"}
    assert Path("out/figure.png").read_bytes().startswith(b"\x89PNG")

    table = rows(ended.stdout)
    assert list(table) == ["a", "b", "merged"]
    functions = {name: load_object(f"tasks.py:{name}") for name in ("layers", "odd", "later")}
    for label, folder in (("a", "a"), ("b", "b"), ("merged", "out")):
        model = LlamaForCausalLM.from_pretrained(folder)
        with torch.no_grad():
            means = {name: float(np.mean([float(score) for score in f(model)])) for name, f in functions.items()}
        true = {"layers": means["layers"], "odd": means["odd"], "average": (means["layers"] + means["odd"]) / 2,
                "later (held out)": means["later"]}  # fmt: skip
        assert table[label] == pytest.approx(true, abs=0.0006)
    assert table["merged"]["average"] > max(table["a"]["average"], table["b"]["average"])
    assert AutoTokenizer.from_pretrained("out").chat_template == AutoTokenizer.from_pretrained("a").chat_template

    with Path("out/history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    assert float(history[-1]["evaluations"]) == 40
    assert float(history[-1]["best"]) == pytest.approx(table["merged"]["average"], abs=0.0006)
    card = Path("out/README.md").read_text()
    assert "| merged |" in card
    assert f"{table['b']['later (held out)']:.3f}" in card
    assert "the best of 40 evaluations" in card
    assert "40/40" in ended.stderr
    assert "best=" in ended.stderr
    assert "Loading" in ended.stderr

    again = CliRunner().invoke(export, ["out/recipe.json", "--out", "again", "--quiet"])
    assert again.exit_code == 0, again.output
    for path in Path("again").iterdir():
        assert path.read_bytes() == (Path("out") / path.name).read_bytes(), path.name
    assert names - {path.name for path in Path("again").iterdir()} == {"history.csv", "figure.png", "merge.yaml"}


def test_the_same_command_gives_the_same_recipe_and_another_seed_another(place, no_picture):
    ended = [succeeded(run(*seed, out=out)) for out, seed in (("1", ()), ("2", ("--seed", 0)), ("3", ("--seed", 1)))]
    assert the_same(recipe("1"), recipe("2"))
    assert not the_same(recipe("1"), recipe("3"))
    assert all(one.stderr == "" for one in ended)


def test_what_is_wrong_with_the_held_out_cases_shows_before_the_run(place, monkeypatch):
    monkeypatch.setenv("AT", "1")
    monkeypatch.setenv("DO", "error")
    ended = run("--held-out", "tasks.py:counted")
    assert ended.exit_code == 1
    assert "tasks.py:counted failed: RuntimeError: out of luck" in ended.stderr
    assert not Path("out").exists()


def test_a_dry_run_says_what_it_takes_and_writes_nothing(place, own_cache):
    before = {path.name for path in place.iterdir()}
    options = ("--scorer", "tasks.py:odd", "--chromosomes", "layer", "--dry-run", "--dtype", "bfloat16")
    ended = succeeded(run(*options, out=None, evaluations=100, warmup=20))
    assert {path.name for path in place.iterdir()} == before
    assert not list(own_cache.iterdir())
    plan = dict(line.strip().split("  ", 1) for line in ended.stdout.splitlines())
    parameters = sum(tensor.numel() for tensor in llama(0).parameters())
    assert plan["parameters"] == f"{parameters:,} in 21 tensors (0 others are copied)"
    assert plan["chromosomes"] == "5, in 5 stretches of parameters"
    assert plan["cases"] == "layers 21, odd 4"
    assert plan["evaluations"] == "100: 2 seeds, 20 random merges, 78 by M2N2"
    assert plan["segments"] == "at most 505 in a recipe"
    assert plan["disk"] == f"{2 * parameters / 1000:.3g} kB the merged model"
    assert plan["memory"].startswith(f"{4 * parameters / 1000:.3g} kB the model, at most 182 kB the recipes")
    time, whole = r"[\d.e-]+ s", r"[\d.]+ (s|min|h)"
    assert re.fullmatch(rf"{time} an evaluation \({time} loading, {time} scoring\), {whole} in all", plan["time"])

    few = succeeded(run("--dry-run", "--no-split-point", out="out", evaluations=10, warmup=20))
    assert "10: 2 seeds, 8 random merges, 0 by M2N2" in few.stdout
    assert "at most 1 in a recipe" in few.stdout
    assert "one of all parameters" in few.stdout
    assert not Path("out").exists()


DEFAULTS = {"split_point": True, "angle": "whole", "attraction": True, "alpha": 1.0, "capacity": "max",
            "relative_scores": False, "method": "m2n2", "seed": 0, "chromosomes": None,
            "population_size": 15, "warmup": 3}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ((), {}),
        (("--angle", "part"), {"angle": "part"}),
        (("--no-split-point",), {"split_point": False}),
        (("--no-attraction", "--alpha", "0"), {"attraction": False, "alpha": 0.0}),
        (("--capacity", "one"), {"capacity": "one"}),
        (("--relative-scores",), {"relative_scores": True}),
        (("--method", "mosaic"), {"method": "mosaic"}),
        (("--seed", "5"), {"seed": 5}),
        (("--warmup", "0"), {"warmup": 0}),
        (("--population", "2"), {"population_size": 2}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_reaches_the_evolution(options, changes, place, settings):
    ended = succeeded(run(*options))
    assert {name: settings[name] for name in DEFAULTS} == DEFAULTS | changes
    assert settings["importance"].tolist() == [1.0] * 21
    assert (len(recipe().coefficients) == 1) == ("--no-split-point" in options)
    assert list(rows(ended.stdout)["merged"]) == ["layers"]


@pytest.mark.parametrize(
    ("option", "groups"),
    [
        (["layer"], lambda name: layer_of(name)),
        (["tensor"], lambda name: name),
        (["mlp"], lambda name: "mlp" in name),
        (["mlp", "q_proj|k_proj"], lambda name: ("mlp" in name, "q_proj" in name or "k_proj" in name)),
    ],
    ids=["layer", "tensor", "regex", "two regexes"],
)
def test_chromosomes_have_ratios_of_their_own(option, groups, place, no_picture):
    words = [word for text in option for word in ("--chromosomes", text)]
    succeeded(run("--no-split-point", *words))
    with CheckpointSeeds(["a", "b"]) as seeds:
        table = recipe().along(seeds.index.starts)
        assert set(recipe().boundaries) <= set(seeds.index.starts)
        found = {}
        for tensor, row in zip(seeds.index.merged, table, strict=True):
            found.setdefault(groups(tensor.name), set()).add(tuple(row))
    assert len(found) > 1
    assert all(len(ratios) == 1 for ratios in found.values())
    assert len(set.union(*found.values())) == len(found)


def test_task_vectors_over_a_base(place, no_picture):
    succeeded(run("--base", "base", "--no-split-point"))
    assert read_recipe(Path("out/recipe.json")).base.label == "base"
    a, b, base, out = (load_file(f"{name}/model.safetensors") for name in ("a", "b", "base", "out"))
    (of_a, of_b), name = recipe().coefficients[0], "lm_head.weight"
    expected = base[name] + of_a * (a[name] - base[name]) + of_b * (b[name] - base[name])
    torch.testing.assert_close(out[name], expected.float())


def test_weights_of_tasks(place, settings):
    ended = succeeded(run("--scorer", "tasks.py:odd", "--weight", "odd=3"))
    totals = settings["importance"][:21].sum(), settings["importance"][21:].sum()
    assert totals[1] == pytest.approx(3 * totals[0])
    assert list(rows(ended.stdout)["a"]) == ["layers", "odd", "average"]


def test_the_files_of_the_merged_model(place, no_picture):
    succeeded(run("--like", "2", "--dtype", "bfloat16", "--shard-size", "20KB"))
    from transformers import AutoTokenizer, LlamaForCausalLM

    assert Path("out/model.safetensors.index.json").exists()
    assert len(list(Path("out").glob("*.safetensors"))) > 1
    assert LlamaForCausalLM.from_pretrained("out", dtype="auto").dtype == torch.bfloat16
    assert AutoTokenizer.from_pretrained("out").chat_template == "{{ messages }}"


def test_a_model_that_is_replaced(place, no_picture):
    succeeded(run(out="out"))
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    ended = run("--seed", 3)
    assert ended.exit_code == 1
    assert "out must be new or empty, out holds" in ended.output
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == before
    succeeded(run("--seed", 3, "--overwrite"))
    assert Path("out/recipe.json").read_bytes() != before[Path("out/recipe.json")]


def test_a_model_that_is_called_merged(place, no_picture):
    succeeded(run(out="merged"))
    table = succeeded(run(models=("a", "merged"), out="out")).stdout
    assert [line.split("  ")[0] for line in table.splitlines()[1:4]] == ["a", "merged", "new merged"]


def test_ctrl_c_writes_the_best_so_far(place, no_picture, monkeypatch):
    monkeypatch.setenv("AT", "7")
    monkeypatch.setenv("DO", "ctrl-c")
    ended = succeeded(run(scorer="tasks.py:counted", evaluations=1000))
    said = re.search(r"interrupted after 6 evaluations; .*; from \S+out\.run\.db the.*\n", ended.stdout)
    assert said
    table = rows(ended.stdout.replace(said[0], ""))
    assert table["merged"]["counted"] >= max(table["a"]["counted"], table["b"]["counted"])
    assert "of 6 evaluations" in Path("out/README.md").read_text()
    assert llama(0).load_state_dict(load_file("out/model.safetensors"))
    monkeypatch.delenv("AT")
    succeeded(run("--overwrite", scorer="tasks.py:counted", evaluations=20))
    assert len((place / "calls").read_text()) == 7 + 1 + 14
    assert not list(place.glob("*.db*"))


@pytest.mark.parametrize("what", ["error", "ctrl-c"])
def test_held_out_cases_that_fail_in_the_end_do_not_cost_the_merge(place, no_picture, monkeypatch, what):
    monkeypatch.setenv("DO", what)
    ended = succeeded(run("--held-out", "tasks.py:failing_later"))
    assert list(rows(ended.stdout)["merged"]) == ["layers"]
    assert Path("out/model.safetensors").exists()


def test_ctrl_c_before_anything_is_known(place):
    ended = run(scorer="tasks.py:stopped")
    assert ended.exit_code == 1
    assert ended.output.strip() == "Aborted!"
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": ["a"]}, r"a merge needs at least two models"),
        ({"models": []}, r"Missing argument 'MODEL MODEL\.\.\.'"),
        ({"scorer": None}, r"say what the merged model should be good at, by --scorer or --tasks"),
        ({"out": None}, r"--out is needed, the folder for the merged model \(or --dry-run\)"),
        ({"out": "a"}, r"apart from the models that are merged, a is a: choose another"),
        ({"out": "base", "more": ["--base", "base", "--overwrite"]}, r"apart from the models that are merged, base is"),
        ({"out": "tasks.py"}, r"'tasks\.py' is a file"),
        ({"evaluations": 2, "models": ["a", "b", "base"]}, r"--evaluations must be at least 3, for the models"),
        ({"scorer": "away.py:f"}, r"there is no file away\.py"),
        ({"scorer": "tasks.py:art"}, r"tasks\.py has no scorer 'art'; it has layers, odd, later, "),
        ({"scorer": "tasks"}, r"a scorer must be given as file\.py:name or package\.module:name, got 'tasks'"),
        ({"scorer": "broken.py:f"}, r"broken\.py cannot be imported: RuntimeError: no data \(line 1 of broken\.py\)"),
        ({"more": ["--held-out", "away.py:f"]}, r"there is no file away\.py"),
        ({"models": ["a", "other-words"]}, r"tokenizer\.json of a and other-words: vocabulary differs in"),
        ({"models": ["a", "away"]}, r"away: there is no such folder or file"),
        ({"models": ["a", "truncated"]}, r"truncated.model\.safetensors: is truncated or damaged"),
        ({"models": ["a", "nan"]}, r"model\.norm\.weight.*nan|nan.*model\.norm\.weight"),
        ({"models": ["bare.safetensors"] * 2}, r"bare\.safetensors is a bare file, which does not say what model"),
        ({"more": ["--weight", "art=2"]}, r"the tasks are layers, there is no art that could have a weight"),
        ({"more": ["--weight", "layers=much"]}, r"--weight must be given as NAME=NUMBER, got layers=much"),
        ({"more": ["--weight", "layers=null"]}, r"--weight must be given as NAME=NUMBER, got layers="),
        ({"more": ["--weight", "layers"]}, r"--weight must be given as NAME=NUMBER, got 'layers'"),
        ({"more": ["--weight", "layers=-1"]}, r"weights must be numbers >= 0"),
        ({"more": ["--lm-eval", "limit"]}, r"--lm-eval must be given as NAME=VALUE, got 'limit'"),
        ({"more": ["--tasks", "x", "--lm-eval", "fewshot=1"]}, r"lm-evaluation-harness takes .* here, got fewshot"),
        ({"more": ["--chromosomes", "("]}, r"chromosomes: '\(' is no regular expression"),
        ({"more": ["--chromosomes", "conv"]}, r"chromosomes: 'conv' is found in no tensor's name. Some names: lm_head"),
        ({"more": ["--device", "nonsense"]}, r"--device nonsense cannot be used: "),
        ({"more": ["--device", "cuda:99"]}, r"--device cuda:99 cannot be used: "),
        ({"more": ["--shard-size", "small"]}, r"--shard-size must be such as 5GB or 500MB, got 'small'"),
        ({"more": ["--angle", "part", "--no-split-point"]}, r"--angle part is of the parts before and after"),
        ({"more": ["--store", "out/run.db"]}, r"--store out.run\.db must lie outside of --out out"),
        ({"more": ["--record", "tasks.py"]}, r"tasks\.py: it is no store of evoniche: give the name of another file"),
        ({"more": ["--reject-early"]}, r"needs tasks that can .*: layers is no function f\(model, cases\)"),
        ({"models": ["a", "b", "base"], "more": ["--reject-early", "--population", 2]}, r"--population of at least 3"),
        ({"more": ["--like", "3"]}, r"--like must be from 1 to 2"),
        ({"more": ["--base", "away"]}, r"away: there is no such folder or file"),
        ({"more": ["--component", "unet"]}, r"has no component 'unet', it is no pipeline"),
        ({"more": ["--alpha", "nan"]}, r"alpha.* must be a number >= 0"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be(options, message, place):
    Path("broken.py").write_text("raise RuntimeError('no data')\n")
    before = {path.name for path in place.iterdir()}
    options = dict(options)
    ended = run(*options.pop("more", ()), **options)
    assert ended.exit_code in (1, 2)
    assert isinstance(ended.exception, SystemExit), ended.exception
    assert re.search(message, ended.output), ended.output
    assert {path.name for path in place.iterdir()} == before


@pytest.mark.parametrize("call", [1, 5])
@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("NAN_AT", r"Error: task 'counted' gave nan as the score of its case 2 \(of 3, counted from 0\): scores must"),
        ("SHORT_AT", r"Error: the evaluation of task 'counted' gave 2 cases, and 3 before"),
        ("AT", r"Error: the scorer tasks\.py:counted failed: RuntimeError: out of luck"),
    ],
)
def test_scorers_that_go_wrong(variable, call, message, place, monkeypatch):
    if (variable, call) == ("SHORT_AT", 1):
        message = r"and 2 before"
    monkeypatch.setenv(variable, str(call))
    monkeypatch.setenv("DO", "error")
    ended = run(scorer="tasks.py:counted")
    assert ended.exit_code == 1
    assert isinstance(ended.exception, SystemExit), ended.exception
    assert re.search(message, ended.output), ended.output
    assert len(ended.output.splitlines()) == 1
    assert not Path("out").exists()
    if call == 5:
        assert "4 evaluations are in " in ended.output
        assert Store("out.run.db").table("scores")["scores"].shape == (4, 3)


def test_the_installed_command():
    evoniche = shutil.which("evoniche", path=Path(sys.executable).parent)
    if evoniche is None:
        pytest.skip("evoniche is not installed as a command here")
    ended = subprocess.run([evoniche, "merge", "--help"], capture_output=True, text=True, check=True)
    text = " ".join(ended.stdout.split())
    assert ended.stderr == ""
    for option in command.merge.params:
        assert all(name in text for name in option.opts if name.startswith("--")), option
    titles = ("What the merged model should be good at:", "The search:", "The models:", "The merged model:")
    assert [title for title in titles if title not in text] == []
