"""Damages and forges files of every kind that is read here, and looks at what the readers make of them.

`python tests/fuzzing.py 5000` tries so many in all, and ends with the status 1 if one of them led to anything but an
answer or a clear error: of an expected kind, naming the file, within 20 seconds and 2 GB. A seed may follow the number,
and then words that choose kinds of files.
"""

import copy
import functools
import io
import json
import random
import re
import resource
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from pathlib import Path

import numpy as np

_SECONDS, _BYTES = 20, 2 << 30
_HOSTILE = [
    None,
    True,
    [],
    {},
    "",
    "x" * 5000,
    "\ud800",
    "\0",
    "../../etc/passwd",
    "![x](y)",
    "NaN",
    -1,
    0,
    1,
    2**31,
    2**63,
    2**64,
    10**400,
    -(10**30),
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    [[]],
    [None],
    {"a": None},
    [1, "a"],
    "F64",
    "é" * 300,
]
_TOKENS = [
    b"9" * 400,
    b"9" * 6000,
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"[" * 50_000,
    b'{"a":' * 5_000,
    b"\xff\xfe",
    b"\0",
    b"",
    b"0",
    b"18446744073709551616",
    b'"\\ud800"',
    b"\n",
    b"%s{}",
    b"true",
]


# How files are changed.


def of_bytes(data, dice):
    """Change, cut off, remove, repeat or move bytes."""
    bad = bytearray(data)
    start = dice.randrange(len(bad) + 1)
    length = dice.choice([1, 4, 60, 1000, len(bad)])
    kind = dice.randrange(6)
    if kind == 0:
        for _ in range(dice.choice([1, 1, 2, 20])):
            if bad:
                bad[dice.randrange(len(bad))] = dice.randrange(256)
    elif kind == 1:
        del bad[start:]
    elif kind == 2:
        del bad[start : start + length]
    elif kind == 3:
        bad[start : start + length] = bytes(len(bad[start : start + length]))
    elif kind == 4:
        bad[start:start] = bad[: min(length, 100_000)]
    else:
        bad[start:start] = dice.choice(_TOKENS)
    return bytes(bad)


def of_words(data, dice):
    """Put something else in the place of a word or number of a text."""
    words = list(re.finditer(rb"[\w.+-]+|\"[^\"]*\"", data)) or [re.match(b"", data)]
    place = dice.choice(words)
    return data[: place.start()] + dice.choice(_TOKENS) + data[place.end() :]


def of_json(data, dice):
    """Put something else in the place of a part of JSON, remove it, or give it another name."""
    content = json.loads(data)
    holder = {"": content}
    places = [(holder, "")]
    for parent, key in places:  # grows meanwhile
        inner = parent[key]
        if isinstance(inner, dict | list):
            places += [(inner, k) for k in (inner if isinstance(inner, dict) else range(len(inner)))]
        if len(places) > 2000:
            break
    parent, key = dice.choice(places)
    kind = dice.randrange(6)
    if kind == 0 and key != "":
        del parent[key]
    elif kind == 1 and isinstance(parent, dict) and key != "":
        parent[dice.choice(["", "a", "\0", "..", str(key) + "x"])] = parent.pop(key)
    elif kind == 2:
        parent[key] = functools.reduce(lambda inner, _: [inner], range(dice.choice([3, 900, 100])), parent[key])
    else:
        parent[key] = copy.deepcopy(dice.choice(_HOSTILE))
    text = json.dumps(holder[""])
    return text.encode()


def of_lines(change):
    """Change one line of several in a way."""

    def changed(data, dice):
        lines = data.split(b"\n")
        place = dice.randrange(max(1, len(lines) - 1))
        lines[place] = change(lines[place], dice)
        return b"\n".join(lines)

    return changed


def of_safetensors(data, dice):
    """Change the header, and say its right length."""
    length = int.from_bytes(data[:8], "little")
    header = dice.choice([of_json, of_words])(data[8 : 8 + length], dice)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def of_zip(data, dice):
    """Change a member, with zip's own sums right; or what it promises."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = dice.choice(list(members))
    kind = dice.randrange(5)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[dice.choice(["x", "../x.npy", "\0", name + "2"])] = members.pop(name)
    elif kind == 2 and members[name].startswith(b"\x93NUMPY"):
        start = 10 + int.from_bytes(members[name][8:10], "little")
        header = of_words(members[name][10:start], dice)[:60_000].ljust(start - 10)
        members[name] = members[name][:8] + len(header).to_bytes(2, "little") + header + members[name][start:]
    elif kind == 3:
        members[name] += bytes(dice.choice([1, 1 << 20, 64 << 20]))
    else:
        members[name] = of_bytes(members[name], dice)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", dice.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def of_sqlite(data, dice):
    """Change a value by SQLite itself, so that the file is a whole one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.db")
        path.write_bytes(data)
        connection = sqlite3.connect(path)
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = dice.choice(tables)
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        value = dice.choice([None, -1, 2**62, 1e308, "x", "[" * 50_000, b"", b"z\1\0\0\0[", "NaN", 0])
        statement = dice.choice(
            [
                "UPDATE {} SET {} = ?",
                "UPDATE {} SET {} = ? WHERE rowid = 1",
                "DELETE FROM {} WHERE {} != ?",
                "PRAGMA user_version = 99",
                "ALTER TABLE {} DROP COLUMN {}",
                "DROP TABLE {}",
            ]
        )
        try:
            connection.execute(statement.format(table, dice.choice(columns)), [value] if "?" in statement else [])
            connection.commit()
        except sqlite3.Error:
            pass  # it keeps its own rules: the file is as it was
        connection.close()
        return path.read_bytes()


# What is read. Each kind makes a folder once, says which file is damaged, and reads it.


class Kind:
    """A kind of file: `make(folder)` returns the paths to damage, `read(folder)` reads what is there."""

    def __init__(self, name, make, read, changes, errors, named=True):
        self.name, self.make, self.read, self.changes = name, make, read, changes
        self.errors, self.named = errors, named


def record():
    from evoniche import BinaryGenome, RecordedScorer

    def scorer(folder):
        return RecordedScorer(lambda bits: bits * 0.5, BinaryGenome(8), folder / "record.jsonl", about="eight")

    def make(folder):
        scorer(folder).score(np.eye(8, dtype=bool))
        return [folder / "record.jsonl"]

    def read(folder):
        scorer(folder).score(np.eye(8, dtype=bool)[::-1])

    return Kind("record", make, read, [of_bytes, of_words, of_lines(of_json)], (ValueError, OSError))


def store():
    from evoniche import BinaryGenome, Evolution, Store, StoreError

    def run(path, total):
        evolution = Evolution(BinaryGenome(8), lambda bits: bits, crossover=lambda a, b, rng: a | b, seed=0)
        evolution.run(total=total, store=path, progress=False)

    def make(folder):
        run(folder / "run.db", 30)
        connection = sqlite3.connect(folder / "run.db")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()
        return [folder / "run.db"]

    def read(folder):
        for row in Store(folder / "run.db").runs():
            for table in ("history", "members", "lineage", "phylogeny"):
                Store(folder / "run.db", row["name"]).table(table)
        run(folder / "run.db", 40)

    return Kind("store", make, read, [of_bytes, of_sqlite], (StoreError,))


def comparison(first_format=False):
    from evoniche._files import write_json, write_npz
    from evoniche_baselines.compare.runs import Task, run
    from evoniche_baselines.compare.store import Store

    task = Task("niches", "ga", 0, 200)
    result = run(task)

    def make(folder):
        path = Store(folder).path(task)
        if not first_format:
            Store(folder).save(task, result)
            return [path]
        final = {name: None if np.isnan(value) else value for name, value in result.final.items()}
        over_time = {name: column.tolist() for name, column in result.over_time.items()}
        write_npz(path, scores=result.scores)
        write_json(path.with_suffix(".json"), {"task": task.described(), "final": final, "over_time": over_time})
        return [path, path.with_suffix(".json")]

    def read(folder):
        found = Store(folder).load(task)
        if found is not None and not first_format:
            assert all(np.array_equal(found.over_time[name], column) for name, column in result.over_time.items())
            assert found.final == result.final
            assert np.array_equal(found.scores, result.scores)

    return Kind("comparison" + "-1" * first_format, make, read, [of_bytes, of_zip, of_json, of_words], ())


def dimacs():
    from evoniche_baselines.problems.formula import read_dimacs
    from evoniche_baselines.problems.max_sat import planted, write_dimacs

    def make(folder):
        write_dimacs(folder / "f.cnf", planted(20, 4.0, 0)[0], "a comment")
        return [folder / "f.cnf"]

    return Kind("dimacs", make, lambda folder: read_dimacs(folder / "f.cnf"), [of_bytes, of_words], (ValueError,))


def options():
    """Not files but words of a command line: the options of all problems and methods."""
    from evoniche_baselines import catalogue

    values = [
        "none",
        "true",
        "-1",
        "0",
        "1",
        "0.5",
        "1e308",
        "1e999",
        "nan",
        "1" * 30,
        "1" * 5000,
        "x",
        "''",
        "()",
        "[]",
        "[" * 500,
        "{}",
        "(1,2)",
        "'\ud800'",
        "2**99",
        "1e-320",
        "-0.0",
        "0x10",
        "__import__('os')",
        "b'a'",
        "\0",
        "/",
        "10000000000",
        "''*9",
        "lambda: 0",
        "f'{1}'",
        "1_000",
    ]
    named = [
        (kind, name, option)
        for kind in ("problem", "method")
        for name in catalogue.names(kind)
        for option in catalogue.options(kind, name)
    ]
    start = catalogue.find_problem("max-sat:variables=20", population_size=10)

    def make(folder):
        (folder / "words").write_bytes(b"0")
        return [folder / "words"]

    def read(folder):
        dice = random.Random((folder / "words").read_bytes())
        kind, name, option = dice.choice(named)
        spec = f"{name}:{option}={dice.choice(values)}"
        if kind == "problem":
            catalogue.find_problem(spec)
        else:
            method = catalogue.find_method(spec)
            if method.needs <= start.offers:
                search = method.search(start, 0)
                search.tell(start.scorer.score(search.ask()))
                search.ask()

    def other(_, dice):
        return str(dice.random()).encode()

    return Kind("options", make, read, [other], (ValueError, ImportError, FileNotFoundError), named=False)


def source():
    from evoniche._objects import load_module

    def make(folder):
        (folder / "helper.py").write_text("X = 1\n")
        (folder / "mine.py").write_text(
            "import numpy as np\nfrom helper import X\n\ndef ones(size=8):\n    return size + X\n"
        )
        return [folder / "mine.py", folder / "helper.py"]

    return Kind("source", make, lambda folder: load_module(folder / "mine.py"), [of_bytes, of_words], (ValueError,))


def model(adapter=False):
    from evoniche_torch import CheckpointSeeds, MergeError

    sys.path[:0] = [str(Path(__file__).parent / "torch")]
    from tiny_models import plain_folder, sharded_folder, tokenizer_json

    def make(folder):
        plain_folder(folder / "a", tokenizer=tokenizer_json())
        if adapter:
            return _adapter(folder)
        sharded_folder(folder / "b")
        (folder / "b" / "tokenizer.json").write_text((folder / "a" / "tokenizer.json").read_text())
        return [path for path in sorted((folder / "b").iterdir()) if path.is_file()]

    def read(folder):
        other = f"{folder / 'a'}+{folder / 'adapter'}" if adapter else folder / "b"
        with CheckpointSeeds([folder / "a", other], cache=False) as seeds:
            seeds.check_finite()

    return Kind(
        "adapter" if adapter else "model", make, read, [of_bytes, of_safetensors, of_json, of_words], (MergeError,)
    )


def _adapter(folder):
    import torch
    from safetensors.torch import save_file

    (folder / "adapter").mkdir()
    name = "base_model.model.model.layers.0.mlp.up_proj"
    save_file(
        {f"{name}.lora_A.weight": torch.ones(2, 8), f"{name}.lora_B.weight": torch.ones(12, 2)},
        folder / "adapter" / "adapter_model.safetensors",
    )
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(folder / "a"),
        "r": 2,
        "lora_alpha": 4,
        "target_modules": ["up_proj"],
        "bias": "none",
        "rank_pattern": {},
        "alpha_pattern": {},
    }
    (folder / "adapter" / "adapter_config.json").write_text(json.dumps(config))
    return sorted((folder / "adapter").iterdir())


def torch_file():
    import torch

    from evoniche_torch import CheckpointSeeds, MergeError

    sys.path[:0] = [str(Path(__file__).parent / "torch")]
    from tiny_models import numbers

    def make(folder):
        torch.save(numbers(0), folder / "zipped.pt")
        torch.save(numbers(1), folder / "old.pt", _use_new_zipfile_serialization=False)
        return [folder / "zipped.pt", folder / "old.pt"]

    def read(folder):
        paths = [folder / "zipped.pt", folder / "old.pt"]
        with CheckpointSeeds(paths, allow_torch_files=True, cache=False) as seeds:
            seeds.check_finite()

    return Kind("torch-file", make, read, [of_bytes, of_zip], (MergeError,))


def recipe():
    from evoniche.merging import Recipe
    from evoniche_torch import CheckpointSeeds, MergeError, write_checkpoint
    from evoniche_torch.output import read_recipe, rewrite_checkpoint

    sys.path[:0] = [str(Path(__file__).parent / "torch")]
    from tiny_models import plain_folder

    def make(folder):
        for name in ("a", "b"):
            plain_folder(folder / name)
        with CheckpointSeeds([folder / "a", folder / "b"], cache=False) as seeds:
            write_checkpoint(Recipe.of([0, 10, seeds.size], [[1, 0], [0.5, 0.5]]), seeds, folder / "out")
        return [folder / "out" / "recipe.json"]

    def read(folder):
        shutil.rmtree(folder / "again", ignore_errors=True)
        found = read_recipe(folder / "out" / "recipe.json")
        with CheckpointSeeds([folder / "a", folder / "b"], cache=False) as seeds:
            rewrite_checkpoint(found, seeds, folder / "again")

    return Kind("recipe", make, read, [of_bytes, of_json, of_words], (MergeError, ValueError, OSError), named=False)


def failures():
    """A store with failures, in which several workers have been asked: what schema 2 added."""
    from evoniche import BinaryGenome, Evolution, Failures, Store, StoreError

    def score(bits):
        if bits[0, :2].all():
            raise ValueError("two ones")
        return bits

    def run(path, total):
        evolution = Evolution(BinaryGenome(8), score, crossover=lambda a, b, rng: a | b, seed=0)
        evolution.run(total=total, store=path, failures=Failures(attempts=2), progress=False)

    def make(folder):
        run(folder / "failed.db", 30)
        connection = sqlite3.connect(folder / "failed.db")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()
        return [folder / "failed.db"]

    def read(folder):
        for row in Store(folder / "failed.db").runs():
            opened = Store(folder / "failed.db", row["name"])
            for table in ("history", "members", "lineage", "phylogeny", "scores"):
                opened.table(table)
            opened.failures()
        run(folder / "failed.db", 40)

    return Kind("failures", make, read, [of_bytes, of_sqlite, of_sqlite], (StoreError,))


def merge_config():
    import click

    from evoniche_torch.commands.merge import merge
    from evoniche_torch.commands.merge_options import parse_pairs

    text = (
        "models: [one, two]\nscorer: ['tasks.py:maths']\nevaluations: 200\nweight: {maths: 2.5}\nseed: 3\n"
        "reject-early: true\nlm-eval: {num_fewshot: 5, limit: 10}\npopulation: 20\nout: merged\n"
    )

    def make(folder):
        (folder / "merge.yaml").write_text(text)
        for name in ("one", "two"):
            (folder / name).mkdir()
        return [folder / "merge.yaml"]

    def read(folder):
        words = ["--config", str(folder / "merge.yaml"), str(folder / "one"), str(folder / "two")]
        try:
            params = merge.make_context("merge", words).params
            parse_pairs(params["weights"] + params["harness"], "--weight")
        except click.ClickException as error:
            raise ValueError(error.format_message()) from None

    return Kind("merge.yaml", make, read, [of_bytes, of_words, of_lines(of_words)], (ValueError,), named=False)


def pairs():
    """Not files but words of a command line: NAME=VALUE."""
    import click

    from evoniche_torch.commands.merge_options import parse_pairs

    def make(folder):
        (folder / "words").write_text('num_fewshot=5\ngen_kwargs={"a": [1, 2.5, null]}\nmetric=acc\n')
        return [folder / "words"]

    def read(folder):
        words = (folder / "words").read_bytes().decode(errors="surrogateescape").splitlines()
        try:
            parse_pairs(tuple(words), "--lm-eval")
        except click.ClickException as error:
            raise ValueError(error.format_message()) from None

    return Kind("pairs", make, read, [of_bytes, of_words], (ValueError,), named=False)


def tokenizer():
    from evoniche_torch import CheckpointSeeds, MergeError

    sys.path[:0] = [str(Path(__file__).parent / "torch")]
    from tiny_models import plain_folder, tokenizer_json

    def make(folder):
        for name in ("one", "two"):
            plain_folder(folder / name, tokenizer=tokenizer_json())
            (folder / name / "tokenizer_config.json").write_text(
                '{"model_max_length": 1000, "added_tokens_decoder": {}}'
            )
            (folder / name / "special_tokens_map.json").write_text('{"eos_token": "b"}')
        return [
            folder / "two" / name for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
        ]

    def read(folder):
        with CheckpointSeeds([folder / "one", folder / "two"], cache=False) as seeds:
            seeds.check_finite()

    return Kind("tokenizer", make, read, [of_bytes, of_json, of_json, of_words], (MergeError,))


def cache():
    from evoniche_torch.files import Cache

    key = "a" * 64

    def make(folder):
        file = folder / "weights"
        file.write_bytes(b"x" * 100)
        import os

        os.utime(file, (1e9, 1e9))
        there = Cache(folder / "cache")
        there.digests([file])
        there.save_sums(key, np.ones((3, 2, 2)))
        return [folder / "cache" / "digests.json", folder / "cache" / "grams" / f"{key}.npz"]

    def read(folder):
        there = Cache(folder / "cache")
        there.load_sums(key, (3, 2, 2))
        there.digests([folder / "weights"])

    return Kind("cache", make, read, [of_bytes, of_json, of_zip, of_words], ())


KINDS = {
    "record": record, "store": store, "failures": failures, "comparison": comparison,
    "comparison-1": lambda: comparison(first_format=True), "dimacs": dimacs, "options": options, "source": source,
    "model": model, "adapter": lambda: model(adapter=True), "tokenizer": tokenizer, "torch-file": torch_file,
    "recipe": recipe, "cache": cache, "merge.yaml": merge_config, "pairs": pairs,
}  # fmt: skip


# Trying them.


class _TooLongError(BaseException):
    pass


def _alarm(*_):
    raise _TooLongError


def limit_memory():
    """Let this process have two more gigabytes than it has, so that greed is an error."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + _BYTES, resource.RLIM_INFINITY))


def attempt(kind, folder, path):
    """Read a damaged file once.

    Returns:
        "accepted", "refused", or what is wrong with the answer.
    """
    signal.setitimer(signal.ITIMER_REAL, _SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind.read(folder)
        return "accepted"
    except _TooLongError:
        return f"no answer in {_SECONDS} s"
    except kind.errors as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if type(error) in (UnicodeEncodeError, UnicodeDecodeError):
            return f"unclear: {error!r}"
        named = not kind.named or any(name in str(error) for name in (path.stem, path.parent.name, str(folder)))
        return "refused" if named else f"names no file: {error!r}"
    except Exception as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"unclear: {type(error).__name__}: {str(error)[:150]} ({Path(place.filename).name}:{place.lineno})"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def fuzz(name, n, seed=0):
    """Try n damaged files of a kind; the answers by their number."""
    kind, dice, answers = KINDS[name](), random.Random(f"{name} {seed}"), {}
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as work:
        paths = [path.relative_to(whole) for path in kind.make(Path(whole))]
        kind.read(Path(whole))  # what is whole is read
        for _ in range(n):
            folder = Path(work, "folder")
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(whole, folder)
            place = folder / dice.choice(paths)
            try:
                place.write_bytes(dice.choice(kind.changes)(place.read_bytes(), dice))
            except (
                ValueError,
                IndexError,
                RecursionError,
                zipfile.BadZipFile,
                AttributeError,
                TypeError,
                OverflowError,
            ):
                place.write_bytes(of_bytes(place.read_bytes(), dice))  # that change is for other files
            answer = attempt(kind, folder, place)
            answers[answer] = answers.get(answer, 0) + 1
            if answer not in ("accepted", "refused") and answers[answer] == 1:
                kept = Path(tempfile.gettempdir(), f"fuzz-{name}-{len(answers)}-{place.name}")
                shutil.copyfile(place, kept)
                print(f"  {name}: {answer} [{kept}]", flush=True)
    return answers


def main(n, seed, names):
    signal.signal(signal.SIGALRM, _alarm)
    print("| kind | files | refused | accepted | unclear |\n|---|---|---|---|---|")
    bad = 0
    for name in names or KINDS:
        start = time.monotonic()
        answers = fuzz(name, -(-n // len(names or KINDS)), seed)
        good = [answers.pop(word, 0) for word in ("refused", "accepted")]
        bad += (unclear := sum(answers.values()))
        print(f"| {name} | {sum(good) + unclear:,} | {good[0]:,} | {good[1]:,} | {unclear} |", flush=True)
        print(f"  {time.monotonic() - start:.0f} s", file=sys.stderr)
    return bad


if __name__ == "__main__":
    given = sys.argv[1:]
    for module in ("torch", "evoniche_torch", "evoniche_baselines.compare"):
        __import__(module)
    limit_memory()
    sys.exit(bool(main(int(given[0]) if given else 5000, int(given[1]) if given[1:] else 0, given[2:])))
