"""What the models are asked, and how their answers are scored.

Arithmetic: `37+45=` is answered `280`, the sum from its last digit on. Right (1) or wrong (0).

Protocol: a robot on a board of 8 x 8 fields, bounded by walls. `34:NNEWSS>` says where it is (column 3, row 4) and
where it is told to go; the answer `353646363534` is where it is after each command. A case is graded by the share of
the steps that are right before the first wrong one.

An answer ends with EOS, without which it (or its last step) is wrong. The prompts of a skill are numbered, and a split
divides the numbers: no prompt is in two of its parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoniche_baselines.problems.tiny_llm.tokens import BOS, EOS, PAD, encode

__all__ = [
    "ARITHMETIC",
    "PROTOCOL",
    "SKILLS",
    "Cases",
    "Skill",
    "Split",
    "evaluate",
    "evaluate_by_generation",
    "generate",
]

_BOARD, _COMMANDS = 8, 6
_MOVES = {"N": (0, 1), "E": (1, 0), "S": (0, -1), "W": (-1, 0)}
_HELD_OUT, _SCORING, _TRAINING = 500, 200, 20_000  # cases of a split; the training cases are what is left, if fewer


@final
@attrs.frozen(eq=False)
class Cases:
    """Prompts with the right answers.

    Args:
        prompts: Token ids, shape (cases, length), BOS first.
        answers: Token ids, shape (cases, length), EOS last.
        ends: Of each step that is graded, the position of its last token in the answer.
    """

    prompts: Tensor = attrs.field(repr=False)
    answers: Tensor = attrs.field(repr=False)
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompts)

    def __getitem__(self, which: slice | Tensor) -> Cases:
        return Cases(self.prompts[which], self.answers[which], self.ends)


@final
@attrs.frozen
class Split:
    """Disjoint cases of one skill: for training the specialists, scoring the merges, and the final judgement."""

    training: Cases
    scoring: Cases
    held_out: Cases


@final
@attrs.frozen
class Skill:
    """A kind of prompt.

    Args:
        name: Of the skill and its specialist.
        size: How many prompts there are.
        write: `f(number) -> (prompt, answer)`; all prompts are equally long, all answers as well.
        steps: How many equal steps an answer is graded by.
    """

    name: str
    size: int
    write: Callable[[int], tuple[str, str]] = attrs.field(repr=False)
    steps: int = 1

    def cases(self, numbers: NDArray[np.int64]) -> Cases:
        """The cases of these numbers, 0 .. size - 1."""
        prompts, answers = map(encode, zip(*(self.write(int(number)) for number in numbers), strict=True))
        length = answers.shape[1] // self.steps
        ends = [length * step - 1 for step in range(1, self.steps)] + [answers.shape[1]]  # the last with its EOS
        bos, eos = (torch.full((len(prompts), 1), token) for token in (BOS, EOS))
        return Cases(torch.cat([bos, prompts], dim=1), torch.cat([answers, eos], dim=1), tuple(ends))

    def split(self, seed: int = 0) -> Split:
        """500 held-out cases, 200 for scoring and up to 20,000 others for training, drawn by the seed.

        The specialists of `train_seeds` are trained with seed 0: only its other parts are new to them.
        """
        count = min(self.size, _HELD_OUT + _SCORING + _TRAINING)
        numbers = np.random.default_rng(seed).choice(self.size, count, replace=False)
        held_out, scoring, training = np.split(numbers, [_HELD_OUT, _HELD_OUT + _SCORING])
        return Split(training=self.cases(training), scoring=self.cases(scoring), held_out=self.cases(held_out))


def _addition(number: int) -> tuple[str, str]:
    a, b = divmod(number, 100)
    return f"{a:02}+{b:02}=", f"{a + b:03}"[::-1]  # reversed, a carry is known before it is needed


def _walk(number: int) -> tuple[str, str]:
    number, x = divmod(number, _BOARD)
    number, y = divmod(number, _BOARD)
    start, commands, states = f"{x}{y}", "", ""
    for _ in range(_COMMANDS):
        number, command = divmod(number, len(_MOVES))
        commands += "NESW"[command]
        dx, dy = _MOVES[commands[-1]]
        x, y = min(max(x + dx, 0), _BOARD - 1), min(max(y + dy, 0), _BOARD - 1)
        states += f"{x}{y}"
    return f"{start}:{commands}>", states


ARITHMETIC = Skill("arithmetic", 100 * 100, _addition)
PROTOCOL = Skill("protocol", _BOARD**2 * len(_MOVES) ** _COMMANDS, _walk, steps=_COMMANDS)
SKILLS = (ARITHMETIC, PROTOCOL)


@torch.no_grad()
def generate(model: Any, prompts: Tensor, new_tokens: int) -> Tensor:
    """What a causal language model writes greedily: as `model.generate` does, without what that spends on each token.

    Args:
        model: Of transformers.
        prompts: Token ids, shape (n, length), without padding.
        new_tokens: How many to write at most, >= 1.

    Returns:
        The new tokens alone, shape (n, <= new_tokens): PAD after EOS, and none once all have ended.
    """
    tokens, past, written = prompts, None, []
    ended = torch.zeros(len(prompts), dtype=torch.bool)
    for _ in range(new_tokens):
        out = model(input_ids=tokens, past_key_values=past, use_cache=True, logits_to_keep=1)
        past = out.past_key_values
        tokens = out.logits[:, -1].argmax(dim=-1, keepdim=True).masked_fill(ended[:, None], PAD)
        written.append(tokens)
        ended |= tokens[:, 0] == EOS
        if ended.all():
            break
    return torch.cat(written, dim=1)


def evaluate_by_generation(model: Any, cases: Cases) -> NDArray[np.float32]:
    """Let a model write its answers token by token, and grade them.

    Returns:
        Shape (cases,), 0 to 1: the share of the steps that are right before the first wrong token.
    """
    written = generate(model, cases.prompts, cases.answers.shape[1])
    written = torch.nn.functional.pad(written, (0, cases.answers.shape[1] - written.shape[1]), value=PAD)
    return _grade(written == cases.answers, cases)


@torch.no_grad()
def evaluate(model: Any, cases: Cases) -> NDArray[np.float32]:
    """The same grades in one pass over prompts and right answers, in little more than half the time.

    Up to its first wrong token a greedy model has written the right answer. So what it would have written next after
    each part of the right answer tells where that first wrong token is, and what follows it counts for nothing.

    Returns:
        Shape (cases,), 0 to 1.
    """
    tokens = torch.cat([cases.prompts, cases.answers[:, :-1]], dim=1)
    logits = model(input_ids=tokens, use_cache=False, logits_to_keep=cases.answers.shape[1]).logits
    return _grade(logits.argmax(dim=-1) == cases.answers, cases)


def _grade(right: Tensor, cases: Cases) -> NDArray[np.float32]:
    unbroken = right.cumprod(dim=1)[:, list(cases.ends)]  # (cases, steps): 1 if nothing is wrong up to there
    grades: NDArray[np.float32] = unbroken.float().mean(dim=1).numpy()
    return grades
