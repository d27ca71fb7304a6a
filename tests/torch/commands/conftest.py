"""Tiny models and a task file, for all tests of commands."""

import shutil

import pytest
import torch
from merge_commands import TASKS
from safetensors.torch import load_file, save_file
from tiny_models import llama_folder, llama_tokenizer, tokenizer_json, write_json

from evoniche import enable_logging
from evoniche_torch.commands import merge_output


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Models a and b, their base, a task file, and others that do not fit. It is not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    for seed, label in enumerate(["a", "b", "base"]):
        llama_folder(folder / label, seed)
    llama_tokenizer("{{ messages }}").save_pretrained(folder / "b")
    (folder / "tasks.py").write_text(TASKS)

    shutil.copytree(folder / "b", folder / "other-words")
    write_json(folder / "other-words" / "tokenizer.json", tokenizer_json({"<unk>": 0, "x": 1}))
    shutil.copytree(folder / "b", folder / "truncated")
    data = (folder / "b" / "model.safetensors").read_bytes()
    (folder / "truncated" / "model.safetensors").write_bytes(data[: len(data) // 2])
    shutil.copytree(folder / "b", folder / "nan")
    state = load_file(folder / "b" / "model.safetensors")
    state["model.norm.weight"][3] = torch.nan
    save_file(state, folder / "nan" / "model.safetensors", metadata={"format": "pt"})
    save_file(state, folder / "bare.safetensors")
    return folder


@pytest.fixture(autouse=True)
def no_log():
    """As it is in a new process."""
    enable_logging(False)
    yield
    enable_logging(False)


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """A current folder with links to all of that."""
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "tasks.py").unlink()
    shutil.copy(made / "tasks.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


@pytest.fixture
def no_picture(monkeypatch):
    """Pictures take most of the time."""
    monkeypatch.setattr(merge_output, "draw_merge", lambda *_: None)
