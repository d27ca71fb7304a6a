"""Trains a base and two specialists, in a minute or two on a processor.

The base is trained on both skills until it has half learned them. Each specialist is trained further on one skill
only, and forgets most of the other. As often in fine-tuning, a part stays fixed: the embeddings, the norms, and one of
the four layers, the last for arithmetic and the first for the protocol. So layers differ in which specialist they need
more, and it matters where two models are joined, not only in which ratio.

So few steps are enough because Muon (Jordan 2024) trains the weight matrices.
"""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, final

import attrs
import torch
from torch import Tensor
from tqdm import tqdm

from evoniche_baselines.problems.tiny_llm.skills import ARITHMETIC, PROTOCOL, Cases
from evoniche_baselines.problems.tiny_llm.tokens import BOS, EOS, PAD, VOCABULARY, tokenizer

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

__all__ = ["train_seeds"]

_LAYERS = 4
_MUON_RATE, _ADAM_RATE = 0.01, 0.003
_WARM_UP = 20  # steps until the full rate
_LAST_RATE = 0.05  # of the full rate, to which the specialists' rate falls


@final
@attrs.frozen
class _Lesson:
    """Says what is learned: batches of these sizes, for this many steps, in these layers (None means everywhere)."""

    name: str
    steps: int
    arithmetic: int = 0
    protocol: int = 0
    layers: tuple[int, ...] | None = None


_BASE = _Lesson("base", steps=140, arithmetic=64, protocol=32)
_SPECIALISTS = (
    _Lesson("arithmetic", steps=80, arithmetic=64, layers=(0, 1, 2)),
    _Lesson("protocol", steps=120, protocol=32, layers=(1, 2, 3)),
)


def train_seeds(out: Path, seed: int = 0, progress: bool = True) -> dict[str, Path]:
    """Train the base and the specialists, and save each as a Hugging Face folder with its tokenizer.

    Training uses one thread, so that a seed gives the same models whatever the number of cores.

    Args:
        out: The folder in which `base`, `arithmetic` and `protocol` are made; models that are there are replaced.
        seed: Fixes the first weights and the batches. The cases are always those of `Skill.split()`.
        progress: Whether to show a bar on standard error.

    Returns:
        Name -> folder of the three models.

    Raises:
        ImportError: transformers is not installed, or torch is older than 2.9 and has no Muon.
    """
    if importlib.util.find_spec("transformers") is None:
        raise ImportError("the tiny language models need transformers: pip install 'evoniche[llm]'.")
    if not hasattr(torch.optim, "Muon"):
        raise ImportError(f"the tiny language models need torch >= 2.9 for its Muon, this is {torch.__version__}.")
    training = {skill.name: skill.split().training for skill in (ARITHMETIC, PROTOCOL)}
    steps = _BASE.steps + sum(lesson.steps for lesson in _SPECIALISTS)
    paths = {}
    with _one_thread(), _no_bars_of_transformers(), tqdm(total=steps, disable=not progress, unit="step") as bar:
        base = _new_model(seed)
        _teach(base, _BASE, training, seed, bar)
        paths["base"] = _save(base, out / "base")
        for lesson in _SPECIALISTS:
            specialist = copy.deepcopy(base)
            _teach(specialist, lesson, training, seed, bar)
            paths[lesson.name] = _save(specialist, out / lesson.name)
    return paths


def _new_model(seed: int) -> LlamaForCausalLM:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=_LAYERS,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def _teach(model: LlamaForCausalLM, lesson: _Lesson, training: dict[str, Cases], seed: int, bar: tqdm) -> None:
    """Train a model in place, and leave all its parameters trainable."""
    bar.set_description(lesson.name)
    batches = [(training["arithmetic"], lesson.arithmetic), (training["protocol"], lesson.protocol)]
    generator = torch.Generator().manual_seed(seed)
    optimizers = _optimizers(model, lesson.layers)
    rates = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    model.train()
    for step in range(lesson.steps):
        model.zero_grad()
        for cases, size in batches:
            if size:
                _loss(model, cases[torch.randint(len(cases), (size,), generator=generator)]).backward()
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * _schedule(step, lesson)
            optimizer.step()
        bar.update()
    model.requires_grad_(True)
    model.eval()


def _schedule(step: int, lesson: _Lesson) -> float:
    """Return the share of the full rate: a warm-up, and then a linear fall for the specialists."""
    fall = 1.0 if lesson is _BASE else max(_LAST_RATE, 1 - step / lesson.steps)
    return min(1.0, (step + 1) / _WARM_UP) * fall


def _optimizers(model: LlamaForCausalLM, layers: tuple[int, ...] | None) -> list[torch.optim.Optimizer]:
    """Make Muon for the matrices of the layers and, where everything is trained, Adam for embeddings and norms."""
    chosen = range(_LAYERS) if layers is None else layers
    matrices = [p for i in chosen for p in model.model.layers[i].parameters() if p.ndim == 2]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.Muon(matrices, lr=_MUON_RATE, weight_decay=0.0)]
    ids = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in ids]
    if layers is None:
        optimizers.append(torch.optim.Adam(rest, lr=_ADAM_RATE, betas=(0.9, 0.98)))
    for p in rest:
        p.requires_grad_(layers is None)
    return optimizers


def _loss(model: LlamaForCausalLM, cases: Cases) -> Tensor:
    """Compute the cross-entropy of the answers, with EOS, given the prompts."""
    tokens = torch.cat([cases.prompts, cases.answers[:, :-1]], dim=1)
    logits = model(input_ids=tokens, use_cache=False, logits_to_keep=cases.answers.shape[1]).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), cases.answers.flatten())


def _save(model: LlamaForCausalLM, path: Path) -> Path:
    model.generation_config.do_sample = False
    model.generation_config.max_new_tokens = PROTOCOL.split().training.answers.shape[1]
    model.save_pretrained(path)
    tokenizer().save_pretrained(path)
    return path


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _no_bars_of_transformers() -> Iterator[None]:
    """Hide the bars that transformers shows for each file: they would break ours, and show even without it."""
    from transformers.utils import logging

    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            logging.enable_progress_bar()
