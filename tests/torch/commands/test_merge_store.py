"""What a merge keeps while it goes on, and that nothing which goes wrong costs an evaluation."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from merge_commands import recipe, rows, run, succeeded, the_same
from safetensors.torch import load_file, save_file

import evoniche
from evoniche import RecipeGenome, RecordedScorer, Store, _files
from evoniche_torch.commands import merge_output, merge_run, merge_store
from evoniche_torch.commands.export import export
from evoniche_torch.models import CheckpointSeeds
from evoniche_torch.output import checkpoint_writer, read_recipe

COUNTED = {"scorer": "tasks.py:counted", "evaluations": 20}


@pytest.fixture
def calls(place):
    """How often the scorer was asked since the last time."""

    def count():
        file = place / "calls"
        number = len(file.read_text()) if file.exists() else 0
        file.unlink(missing_ok=True)
        return number

    return count


@pytest.fixture
def whole(place, no_picture, calls):
    """The recipe of a run that nothing has disturbed."""
    succeeded(run(out="whole", **COUNTED))
    assert calls() == 20
    assert not list(place.glob("*.db*"))
    return recipe("whole")


@pytest.mark.parametrize("option", [(), ("--store", "kept/run.db"), ("--record", "kept/run.db")], ids=str)
def test_a_run_that_was_cut_off_goes_on(option, whole, calls, monkeypatch, place):
    (place / "kept").mkdir()
    monkeypatch.setenv("AT", "9")
    monkeypatch.setenv("DO", "error")
    ended = run(*option, **COUNTED)
    assert ended.exit_code == 1
    place_of_store = "kept/run.db" if option else str(place / "out.run.db")
    assert f"8 evaluations are in {place_of_store}: the same command goes on from them." in ended.stderr
    assert "out of luck (line " in ended.stderr
    assert not Path("out").exists()
    monkeypatch.delenv("AT")
    calls()
    ended = succeeded(run(*option, quiet=False, **COUNTED))
    assert calls() == 20 - 8 + 1  # what is not known, and the first model to see how many cases there are
    assert the_same(recipe("out"), whole)
    progress = [int(done) for done in re.findall(r"(\d+)/20 \[", ended.stderr)]
    assert (min(progress), max(progress)) == (8, 20)
    assert Path("kept/run.db").exists() == bool(option)
    assert not list(place.glob("*.db*"))
    if option:
        succeeded(run(*option, out="known", **COUNTED))
        assert calls() == 1
        assert the_same(recipe("known"), whole)
        assert Store("kept/run.db").history()["evaluations"][-1] == 20


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ({"models": ("a", "base")}, r"scorer\.about\.models\.1: there '\w{12}', here '\w{12}'"),
        ({"more": ("--seed", "1")}, r"seed: there 0, here 1"),
        ({"more": ("--alpha", "0.5")}, r"sharing\.alpha: there"),
        ({"warmup": 4}, r"scorer\.about\.first: there"),
        ({"scorer": "tasks.py:layers"}, r"scorer\.about\.tasks\.counted.*\n.*layers"),
        ({"more": ("--weight", "counted=2", "--scorer", "tasks.py:odd")}, r"scorer\.about\.tasks\.odd"),
    ],
    ids=str,
)
def test_another_run_is_refused(change, differing, place, no_picture):
    store = ("--store", "run.db")
    succeeded(run(*store, **COUNTED))
    ended = run(*store, *change.pop("more", ()), out="other", **(COUNTED | change))
    assert ended.exit_code == 1
    assert "'main' is another run than this one" in ended.stderr
    assert re.search(differing, ended.stderr, re.DOTALL), ended.stderr
    assert "another --store FILE, or --accept NAME" in ended.stderr
    assert not Path("other").exists()


CASES = """
import os
import torch
rows = {rows}
torch.manual_seed(0)
inputs = torch.randint(0, 64, (len(rows), 5))

def sums(model):  # the mean is the same in whatever order
    scores = model(inputs).logits[:, -1].softmax(-1).max(-1).values
    return [float(scores[row]) for row in rows]

def right(model):
    return [float(bool(int(score * 1e6) % 2)) for score in sums(model)]

order = sorted(rows, reverse=bool(os.environ.get("TURNED")))
def elsewhere(model):  # no file says which cases these are
    scores = [1.0, 0.0, 0.5, 0.25 + 0 * sums(model)[0]]
    return [scores[row] for row in order]

def named(model):
    return [0.5] * 4
named.cases = [[row, "text"] for row in order]
"""


@pytest.mark.parametrize("task", ["sums", "right"])
def test_cases_in_another_order_with_the_same_mean_are_other_cases(place, no_picture, task):
    store, options = ("--store", "run.db"), {"scorer": f"cases.py:{task}", "evaluations": 5}
    Path("cases.py").write_text(CASES.format(rows=[0, 1, 2, 3]))
    succeeded(run(*store, **options))
    text = CASES.format(rows=[0, 1, 2, 3]).replace("import os\n", "import os  # to read the environment\n\n\n")
    Path("cases2.py").write_text(text)  # a file is loaded once in a process, so the changes stand in others
    ended = run(*store, **{**options, "scorer": f"cases2.py:{task}", "out": "comments"})
    succeeded(ended)
    for name, rows_of_it in (("cases3", [1, 0, 2, 3]), ("cases4", [3, 2, 1, 0])):
        Path(f"{name}.py").write_text(CASES.format(rows=rows_of_it))
        ended = run(*store, **{**options, "scorer": f"{name}.py:{task}", "out": "other"})
        assert ended.exit_code == 1
        assert f"scorer.about.tasks.{task}.code: there" in ended.stderr
    if task == "right":
        succeeded(run(*store, "--accept", "scorer", **{**options, "scorer": f"cases3.py:{task}", "out": "accepted"}))


def test_cases_that_no_file_names_are_known_by_the_scores_of_the_first_model(place, no_picture, monkeypatch):
    store, options = ("--store", "run.db"), {"scorer": "cases.py:elsewhere", "evaluations": 5}
    Path("cases.py").write_text(CASES.format(rows=[0, 1, 2, 3]))
    succeeded(run(*store, **options))
    for name in ("again", "turned"):
        Path(f"{name}.py").write_text(Path("cases.py").read_text())
    succeeded(run(*store, **{**options, "scorer": "again.py:elsewhere", "out": "again-out"}))
    monkeypatch.setenv("TURNED", "yes")
    ended = run(*store, **{**options, "scorer": "turned.py:elsewhere", "out": "other"})
    assert ended.exit_code == 1
    assert "has other scores of a than it has now (in case " in ended.stderr
    assert "or their cases are in another order" in ended.stderr


def test_a_function_may_say_what_its_cases_are(place, no_picture, monkeypatch):
    store, options = ("--store", "run.db"), {"scorer": "cases.py:named", "evaluations": 5}
    for name in ("cases", "turned"):
        Path(f"{name}.py").write_text(CASES.format(rows=[0, 1, 2, 3]))
    succeeded(run(*store, **options))
    monkeypatch.setenv("TURNED", "yes")
    ended = run(*store, **{**options, "scorer": "turned.py:named", "out": "other"})
    assert ended.exit_code == 1
    assert "scorer.about.tasks.named.contents: there" in ended.stderr


class TestOldRecords:
    """Those that `--record` wrote before there were stores."""

    @pytest.fixture
    def record(self, whole, calls, tmp_path):
        """A record of the first eight evaluations, and half a ninth."""
        path = tmp_path / "scores.jsonl"
        succeeded(run("--store", "run.db", out="first", **(COUNTED | {"evaluations": 8})))
        table = Store("run.db").table("scores")["scores"]
        calls()
        with CheckpointSeeds(["a", "b"]) as seeds:
            digests = merge_run.MergeRun(seeds, None, None, None)._models()
            about = f"models {', '.join(digests)}; cases of counted 3"
            recorded = RecordedScorer(lambda _: None, RecipeGenome(seeds), path, about=about)
            first = evoniche.merge(seeds, warmup=3, seed=0)
            for row in table:
                child = first.ask(1)
                recorded.remember(child.genomes, row[None])
                first.tell(child, row[None])
        with path.open("a") as file:
            file.write('{"genome": "half a li')
        return path

    def test_they_go_on(self, record, whole, calls):
        ended = succeeded(run("--record", "scores.jsonl", **COUNTED))
        assert calls() == 20 - 8 + 1
        assert the_same(recipe("out"), whole)
        assert Store("scores.db").runs()[0]["told"] == 20
        assert "Error" not in ended.stderr

    def test_those_of_other_cases_are_refused(self, record, whole):
        lines = record.read_text().splitlines()
        row = json.loads(lines[1])
        record.write_text("\n".join([lines[0], json.dumps(row | {"scores": row["scores"][::-1]}), *lines[2:-1], ""]))
        ended = run("--record", "scores.jsonl", **COUNTED)
        assert ended.exit_code == 1
        assert "scores.jsonl has other scores of a than it has now (in case" in ended.stderr
        ended = run("--record", "scores.jsonl", models=("a", "base"), **COUNTED)
        assert ended.exit_code == 1
        assert "is the record of another run: there models" in ended.stderr


def in_a_process(action, **options):
    """Run the command in a process of its own, after `action` has prepared it; how that ended."""
    process = os.fork()
    if not process:
        code = 70
        try:
            action()
            code = run(**options).exit_code
        finally:
            os._exit(code)
    return os.waitpid(process, 0)[1]


def killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def after(module, name, number=1):
    """An action: be killed after the function has been called so often."""

    def prepare():
        inner, seen = getattr(module, name), []

        def spy(*args, **options):
            result = inner(*args, **options)
            seen.append(1)
            if len(seen) == number:
                killed()
            return result

        setattr(module, name, spy)

    return prepare


PLACES = {
    "before the first is told": after(merge_run, "load_into"),
    "in the run": after(merge_run.MergeRun, "_evaluate", 8),
    "at the end of the run": after(merge_run.MergeRun, "_evaluate", 20),
    "before it is written": after(merge_run.MergeRun, "table"),
    "when the weights are written": after(checkpoint_writer, "write_tensors"),
    "before the picture": lambda: setattr(merge_output, "draw_merge", killed),
    "after the picture": after(merge_output, "draw_merge"),
    "before the folder appears": lambda: setattr(_files, "_put", killed),
    "when the folder is there": after(_files, "_put"),
    "before the store goes": lambda: setattr(merge_store.MergeStore, "finish", killed),
    "when the store goes": after(Path, "unlink"),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
@pytest.mark.parametrize("where", PLACES)
def test_a_kill_leaves_no_folder_or_a_whole_one_and_the_same_command_finishes_it(where, place, calls, no_picture):
    succeeded(run(out="whole", **COUNTED))
    calls()
    before = {path.name for path in place.iterdir()}
    status = in_a_process(PLACES[where], **COUNTED)
    assert os.WIFSIGNALED(status), where
    assert os.WTERMSIG(status) == signal.SIGKILL
    spent = calls()
    names = {"recipe.json", "README.md", "model.safetensors", "history.csv", "config.json", "tokenizer.json"}
    finished = Path("out").exists()
    assert finished == (where in ("when the folder is there", "before the store goes", "when the store goes"))
    if finished:
        assert {path.name for path in Path("out").iterdir()} >= names
    succeeded(run(**COUNTED))
    assert spent + calls() <= 20 + 2  # one is scored twice, and the first to see how many cases there are
    assert {path.name for path in Path("out").iterdir()} >= names
    assert the_same(recipe("out"), recipe("whole"))
    assert Path("out/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()
    assert {path.name for path in place.iterdir()} - before == {"out"}


class TestTheLastStep:
    """What fails there costs no evaluation."""

    def check(self, ended, calls, *options, **changes):
        assert ended.exit_code == 1
        assert isinstance(ended.exception, SystemExit), ended.exception
        assert re.search(r"Nothing is lost: the 20 evaluations are in \S+out\.run\.db, and the same", ended.stderr)
        assert not Path("out").exists()
        calls()
        ended = succeeded(run(*options, **(COUNTED | changes)))
        assert calls() == 1
        assert rows(ended.stdout)["merged"]
        return ended

    def test_a_number_that_the_dtype_cannot_hold(self, place, calls, no_picture, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint_writer, "_check_range", raising(ValueError("numbers that float16 cannot hold.")))
            ended = run("--dtype", "float16", **COUNTED)
        self.check(ended, calls, "--dtype", "bfloat16")

    def test_a_full_disk(self, place, calls, no_picture, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint_writer.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 0}))
            ended = run(**COUNTED)
        assert "not enough disk space" in ended.stderr
        self.check(ended, calls)

    def test_a_picture_that_cannot_be_drawn(self, place, calls, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(merge_output, "draw_merge", raising(OSError("no space left")))
            ended = run(**COUNTED)
        self.check(ended, calls)
        assert Path("out/figure.png").exists()

    def test_a_folder_that_somebody_has_filled_meanwhile(self, place, calls, no_picture, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(merge_output, "draw_merge", lambda *_: (Path("out").mkdir(), Path("out/plans").touch()))
            ended = run(**COUNTED)
        assert "out must be new or empty, out holds plans" in ended.stderr
        (place / "out" / "plans").unlink()
        (place / "out").rmdir()
        self.check(ended, calls)


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


def test_two_commands_at_once(place, no_picture):
    store = Store("run.db")
    with CheckpointSeeds(["a", "b"]) as seeds, store.recording(evoniche.merge(seeds, seed=0)):
        ended = run("--store", "run.db", **COUNTED)
    assert ended.exit_code == 1
    assert "run.db: the run 'main' is being written already" in ended.stderr


OTHER_PROCESSOR = {
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR AVX2 FMA3",
    "OPENBLAS_CORETYPE": "Nehalem",
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
}


def on_another_processor(program, cache):
    more = {"EVONICHE_CACHE": str(cache / "other"), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment = os.environ | OTHER_PROCESSOR | more
    command = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_an_export_on_another_processor_says_whether_it_is_the_same(place, no_picture, own_cache):
    succeeded(run())
    written = read_recipe("out/recipe.json").written
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= written.keys()
    assert written == {name: hashlib.sha256(Path("out", name).read_bytes()).hexdigest() for name in written}
    program = (
        "import sys; from evoniche.commands import main; "
        "sys.argv = ['evoniche', 'export', 'out/recipe.json', '--out', 'again', '--quiet']; main()"
    )
    ended = on_another_processor(program, own_cache)
    assert ended.returncode == 0, ended.stderr
    same = Path("again/model.safetensors").read_bytes() == Path("out/model.safetensors").read_bytes()
    assert ("not the bytes that were written first" in ended.stderr) == (not same)
    torch.testing.assert_close(load_file("again/model.safetensors"), load_file("out/model.safetensors"))


def test_an_export_says_how_far_it_is_from_what_was_written(place, no_picture):
    succeeded(run())
    state = load_file("out/model.safetensors")
    state["lm_head.weight"][3, :2] += 0.5
    save_file(state, "out/model.safetensors", metadata={"format": "pt"})
    path = Path("out/recipe.json")
    content = json.loads(path.read_text())
    content["written"]["model.safetensors"] = hashlib.sha256(Path("out/model.safetensors").read_bytes()).hexdigest()
    path.write_text(json.dumps(content))
    ended = CliRunner().invoke(export, ["out/recipe.json", "--out", "again", "--quiet"])
    assert ended.exit_code == 0
    count = sum(tensor.numel() for tensor in state.values())
    assert "not the bytes that were written first: model.safetensors. Another kind of processor" in ended.stderr
    assert f"2 of {count:,} numbers differ, by at most 0.5." in ended.stderr


def test_a_run_goes_on_on_another_processor(place, no_picture, own_cache, calls):
    program = (
        "import sys; from evoniche.commands import main; "
        "sys.argv = ['evoniche', 'merge', 'a', 'b', '--scorer', 'tasks.py:counted', '--evaluations', '12', "
        "'--warmup', '3', '--out', 'out', '--quiet', '--store', 'run.db', '--chromosomes', 'layer']; main()"
    )
    succeeded(run("--store", "run.db", "--chromosomes", "layer", out="first", **(COUNTED | {"evaluations": 9})))
    calls()
    ended = on_another_processor(program, own_cache)
    assert ended.returncode == 0, ended.stderr
    assert calls() == 3 + 1
    assert Store("run.db").runs()[0]["told"] == 12
