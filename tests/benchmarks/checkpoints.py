"""Merged checkpoints of a gigabyte: writing them, beside copying and beside mergekit; filling a module, beside lerp.

    python tests/benchmarks/checkpoints.py FOLDER [MERGEKIT]

makes two Llama-architecture models of 990 MB each in bf16 in FOLDER (random numbers, the second near the first) unless
they are there. MERGEKIT is the command `mergekit-yaml` of an environment of its own, without which those lines are left
out. `make bench-merge` does both.

Processes are started anew for each round, so that everything is counted: imports, reading, merging, and writing until
the bytes are on the disk. Everything read is in the page cache. mergekit has one thread (-j 1), which is its fastest
on a machine with anything else to do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from measure import Row, breakdown, rounds, table
from safetensors.torch import save_file

from evoniche import Recipe
from evoniche_torch import CheckpointSeeds, ModuleSeeds, load_into, write_checkpoint

NAME = "checkpoint"
VOCABULARY, HIDDEN, INNER, LAYERS = 32_000, 1536, 4096, 14
ROUNDS = 5


def run(folder: Path, mergekit: str | None) -> list[Row]:
    """Measure, and print where the time goes."""
    models = [folder / "a", folder / "b"]
    if not models[1].exists():
        _make(models)
    return [*_fill(), *_write(models, folder, mergekit)]


def _write(models: list[Path], folder: Path, mergekit: str | None) -> list[Row]:
    out = folder / "merged"
    seconds: dict[str, list[float]] = {"copy": [], "write": [], "command": [], "mergekit": []}
    peaks: dict[str, list[int]] = {"command": [], "mergekit": []}
    config = folder / "slerp.yaml"
    config.write_text(json.dumps({
        "merge_method": "slerp", "base_model": str(models[0]), "models": [{"model": str(m)} for m in models],
        "parameters": {"t": 0.5}, "dtype": "bfloat16",
    }))  # fmt: skip
    for number in range(ROUNDS):
        seconds["copy"].append(_copy(models[0] / "model.safetensors", folder / "copy"))
        shutil.rmtree(out, ignore_errors=True)
        took, peak, printed = _process([sys.executable, __file__, "write", *map(str, models), str(out)])
        seconds["command"].append(took)
        seconds["write"].append(float(printed))
        peaks["command"].append(peak)
        if mergekit and number < 3:
            shutil.rmtree(out, ignore_errors=True)
            took, peak, _ = _process([mergekit, str(config), str(out), "--quiet", "-j", "1"])
            seconds["mergekit"].append(took)
            peaks["mergekit"].append(peak)
    shutil.rmtree(out, ignore_errors=True)
    breakdown("990 MB in bf16", {name: values for name, values in seconds.items() if values}, "s")
    breakdown("peak memory", {name: np.array(values) / 1e6 for name, values in peaks.items() if values}, "MB")
    rows = [
        Row(NAME, "writing / copying, both until on disk", np.divide(seconds["write"], seconds["copy"]), at_most=3)
    ]
    if mergekit:
        theirs, ours = seconds["mergekit"], seconds["command"][: len(seconds["mergekit"])]
        rows += [
            Row(NAME, "time of mergekit's SLERP / of ours, whole processes", np.divide(theirs, ours), at_least=2),
            Row(NAME, "peak memory of ours / of mergekit's", np.median(peaks["command"]) / np.median(peaks["mergekit"]),
                at_most=0.25),
        ]  # fmt: skip
    return rows


def _fill() -> list[Row]:
    """A module of 100 million parameters in float32, filled by load_into and by torch.lerp."""
    def module(seed: int) -> torch.nn.Module:
        torch.manual_seed(seed)
        return torch.nn.Sequential(*(torch.nn.Linear(2048, 2048) for _ in range(24)))

    first, second, target = module(0), module(1), module(2)
    seeds = ModuleSeeds([first, second])
    recipe = Recipe.of([0, seeds.size], [[0.6, 0.5]])
    parameters = list(zip(target.parameters(), first.parameters(), second.parameters(), strict=True))

    @torch.no_grad()
    def lerp() -> None:
        for out, a, b in parameters:
            torch.lerp(a, b, 0.5, out=out)

    rows = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        tasks = {"lerp": lerp, "load_into": lambda: load_into(target, recipe, seeds)}
        seconds = rounds(12, tasks, clock=time.perf_counter)
        beside = f"{threads} thread{'s' * (threads > 1)}"
        breakdown(f"100 million parameters, {beside}", {name: s * 1e3 for name, s in seconds.items()}, "ms")
        name = f"load_into / torch.lerp of all tensors, {beside}"
        rows.append(Row(NAME, name, seconds["load_into"] / seconds["lerp"], at_most=1.5))
    return rows


def _make(models: list[Path]) -> None:
    rng = torch.Generator().manual_seed(0)
    tensors = {name: torch.empty(shape).normal_(0, 0.02, generator=rng).bfloat16() for name, shape in _shapes()}
    vocabulary = {f"w{i}": i for i in range(VOCABULARY)}
    for folder in models:
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY,
            "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": 12,
            "num_key_value_heads": 12, "tie_word_embeddings": False, "dtype": "bfloat16", "torch_dtype": "bfloat16",
        }))  # fmt: skip
        (folder / "tokenizer.json").write_text(json.dumps({
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None, "decoder": None,
            "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "w0"},
        }))  # fmt: skip
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        for tensor in tensors.values():
            tensor.add_(torch.empty(tensor.shape).normal_(0, 0.01, generator=rng))


def _shapes() -> list[tuple[str, tuple[int, ...]]]:
    shapes: list[tuple[str, tuple[int, ...]]] = [("model.embed_tokens.weight", (VOCABULARY, HIDDEN))]
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        shapes += [(f"{prefix}self_attn.{letter}_proj.weight", (HIDDEN, HIDDEN)) for letter in "qkvo"]
        shapes += [(f"{prefix}mlp.{name}_proj.weight", (INNER, HIDDEN)) for name in ("gate", "up")]
        shapes += [(f"{prefix}mlp.down_proj.weight", (HIDDEN, INNER))]
        shapes += [(f"{prefix}{name}_layernorm.weight", (HIDDEN,)) for name in ("input", "post_attention")]
    return [*shapes, ("model.norm.weight", (HIDDEN,)), ("lm_head.weight", (VOCABULARY, HIDDEN))]


def _copy(source: Path, target: Path) -> float:
    target.unlink(missing_ok=True)
    start = time.perf_counter()
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    target.unlink()
    return seconds


def _process(command: list[str]) -> tuple[float, int, str]:
    """Run a command: its seconds, its peak memory in bytes, and what it printed. Linux."""
    peak = 0
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        while process.poll() is None:
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
                peak = max(peak, 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1]))
            except (OSError, TypeError):  # it has just ended
                break
            time.sleep(0.01)
        printed = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed.")
    return time.perf_counter() - start, peak, printed


def _write_once(first: str, second: str, out: str) -> None:
    """In a process of its own: write the merge, and print the seconds that it took."""
    with CheckpointSeeds([first, second]) as seeds:
        _ = seeds.digests  # hashed once for each file; kept from then on
        start = time.perf_counter()
        write_checkpoint(Recipe.of([0, seeds.size], [[0.55, 0.55]]), seeds, out)
        print(time.perf_counter() - start)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        _write_once(*sys.argv[2:])
    else:
        print(table(run(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)))
