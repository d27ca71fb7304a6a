"""Memory of a live model that is filled with a merge, over the model itself: `python tests/benchmarks/filling.py`.

Counted is the anonymous memory of a fresh process, from the opening of the two seeds to the second filling,
without the imports; pages of the files that are mapped belong to the system. Of Llama, the names in the file are those
of the module. Of Mixtral, the file has experts one by one, which the module has joined.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import torch
import transformers
from measure import Row, table

from evoniche import Recipe
from evoniche_torch import CheckpointSeeds, load_into
from evoniche_torch.models import load_pretrained

MODELS: dict[str, dict[str, Any]] = {
    "Llama": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 10},
    "Mixtral": {
        "hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 8, "num_key_value_heads": 8,
        "num_local_experts": 8,
    },
}  # fmt: skip


def run() -> list[Row]:
    """Measure each model in a process of its own."""
    rows = []
    for name in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            shares = [_in_a_process(step, name, folder) for step in ("make", "fill")][-1].split()
        for what, share in zip(("loading", "filling"), shares, strict=True):
            rows.append(Row("live model", f"{name}: peak memory, {what} / the model", [float(share)], at_most=1.3))
    return rows


def _in_a_process(step: str, name: str, folder: str) -> str:
    command = [sys.executable, __file__, step, name, folder]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _make(name: str, folder: Path) -> None:
    config = getattr(transformers, f"{name}Config")(vocab_size=8000, num_attention_heads=8, **MODELS[name])
    for seed in range(2):
        torch.manual_seed(seed)
        getattr(transformers, f"{name}ForCausalLM")(config).bfloat16().save_pretrained(folder / str(seed))


def _fill(name: str, folder: Path) -> None:
    getattr(transformers, f"{name}ForCausalLM")  # imported now
    with CheckpointSeeds([folder / "0", folder / "1"], cache=False) as seeds:
        recipe = Recipe.of([0, seeds.size // 2, seeds.size], [[0.6, 0.5], [0.3, 0.7]])
        before = _memory()
        with _Peak() as loading:
            model = load_pretrained(seeds.stored_folder, seeds.stored_index)
        with _Peak() as filling:
            for _ in range(2):
                load_into(model.module, recipe, seeds)
        size = sum(tensor.numel() * tensor.element_size() for tensor in model.module.state_dict().values())
    print(*[(peak.highest - before) / size for peak in (loading, filling)])


class _Peak:
    """The most memory that there was, looked at every few milliseconds."""

    def __init__(self) -> None:
        self.highest = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.highest = max(self.highest, _memory())

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()


def _memory() -> int:
    """Bytes of anonymous memory of this process (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            print(table(run()))
        case ["make", name, folder]:
            _make(name, Path(folder))
        case [_, name, folder]:
            _fill(name, Path(folder))
