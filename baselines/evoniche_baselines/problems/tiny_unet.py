"""Four tiny diffusion models to be merged, each of which has learned one kind of picture.

A picture is 8 x 8 pixels of one concept (rows, columns, a chequered field, a disc) in some position. The network is
told the concept by cross-attention, the way others are told a text. All four are trained from one base that has seen a
little of everything. A case is a noisy picture; its score is (1 + cos) / 2 of the predicted and the true noise.

    python -m evoniche_baselines.problems.tiny_unet FOLDER          trains FOLDER/rows, columns, chequers and disc
    python -m evoniche_baselines.problems.tiny_unet --load FOLDER   prints the scores of a model on each concept
    evoniche merge ... --scorer .../tiny_unet.py:similarity --held-out .../tiny_unet.py:held_out
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import torch

from evoniche_torch import CosineScorer

__all__ = ["CONCEPTS", "held_out", "similarity", "train_seeds"]

CONCEPTS = ("rows", "columns", "chequers", "disc")
_SIZE, _STEPS = 8, 1000
_CASES = 64  # of each concept
_TRAINING, _HELD_OUT = 1, 2  # seeds of the cases

Case = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def pictures(concepts: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draw pictures of concepts (n,), shape (n, 1, size, size), with pixels -1 and 1."""
    n = len(concepts)
    y, x = torch.meshgrid(torch.arange(_SIZE), torch.arange(_SIZE), indexing="ij")
    shift = torch.randint(0, 4, (2, n, 1, 1), generator=generator)
    rows = ((y + shift[0]) // 2) % 2
    columns = ((x + shift[1]) // 2) % 2
    centre = 2 + shift  # (2, n, 1, 1)
    disc = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2) < 5
    kinds = torch.stack([rows, columns, (rows + columns) % 2, disc.long()])  # (concepts, n, size, size)
    return 2.0 * kinds[concepts, torch.arange(n)][:, None] - 1


def noisy(concepts: torch.Tensor, generator: torch.Generator) -> Case:
    """Draw noisy pictures of concepts (n,); return them, their diffusion steps, their prompts and their noise."""
    n = len(concepts)
    step = torch.randint(100, _STEPS, (n,), generator=generator)
    noise = torch.randn((n, 1, _SIZE, _SIZE), generator=generator)
    kept = torch.cos(step / _STEPS * torch.pi / 2)[:, None, None, None]
    told = torch.nn.functional.one_hot(concepts, 16).float()[:, None]  # (n, 1 word, 16)
    return kept * pictures(concepts, generator) + (1 - kept**2).sqrt() * noise, step, told, noise


def network() -> Any:
    """Make a UNet of diffusers with about 60 thousand parameters."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=_SIZE, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16, attention_head_dim=8, norm_num_groups=4,
    )  # fmt: skip


def train_seeds(out: Path, *, seed: int = 0) -> list[Path]:
    """Train the base and the four models, and save each of the four as a folder of diffusers.

    Args:
        out: The folder in which the four are made.
        seed: Fixes the weights and the pictures.

    Returns:
        The four folders.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        base = network()
    generator = torch.Generator().manual_seed(seed)
    everything = torch.arange(len(CONCEPTS))
    _train(base, everything, 150, 4e-3, generator)
    folders = []
    for number, concept in enumerate(CONCEPTS):
        expert = copy.deepcopy(base)
        _train(expert, everything[number : number + 1], 100, 4e-3, generator)
        expert.save_pretrained(out / concept)
        folders.append(out / concept)
    return folders


def _train(net: Any, concepts: torch.Tensor, steps: int, rate: float, generator: torch.Generator) -> None:
    optimizer = torch.optim.AdamW(net.parameters(), rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    net.train()
    for _ in range(steps):
        chosen = concepts[torch.randint(len(concepts), (32,), generator=generator)]
        sample, step, told, noise = noisy(chosen, generator)
        loss = torch.nn.functional.mse_loss(net(sample, step, told).sample, noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    net.eval()


def _scorer(seed: int) -> CosineScorer:
    concepts = torch.arange(len(CONCEPTS)).repeat_interleave(_CASES)
    sample, step, told, noise = noisy(concepts, torch.Generator().manual_seed(seed))
    return CosineScorer(lambda model: model(sample, step, told).sample.flatten(1), noise.flatten(1))


similarity = _scorer(_TRAINING)
"""Scores a model on the training cases, shape (cases,), concept after concept."""

held_out = _scorer(_HELD_OUT)
"""Scores a model on held-out cases, likewise."""


def main(arguments: list[str]) -> None:
    """Train the four models, or load one, and print the mean score on each concept."""
    from diffusers import UNet2DConditionModel

    folders = [Path(arguments[-1])] if arguments[0] == "--load" else train_seeds(Path(arguments[0]))
    for folder in folders:
        model = UNet2DConditionModel.from_pretrained(folder)
        with torch.no_grad():
            means = held_out(model).reshape(len(CONCEPTS), -1).mean(axis=1)
        told = ", ".join(f"{name} {mean:.3f}" for name, mean in zip(CONCEPTS, means, strict=True))
        print(f"{folder}, similarity on held-out cases: {told}")


if __name__ == "__main__":
    main(sys.argv[1:])
