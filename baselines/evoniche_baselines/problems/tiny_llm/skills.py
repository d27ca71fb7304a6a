"""The prompts of the two skills, and how answers to them are scored.

Arithmetic: the answer to `37+45=` is `280`, the sum with its last digit first. It is right (1) or wrong (0).

Protocol: a robot moves on a board of 8 x 8 fields with walls around it. `34:NNEWSS>` says where it is (column 3, row 4)
and what its commands are; the answer `353646363534` says where it is after each command. The score is the share of the
steps that are right before the first wrong one.

An answer ends with EOS, without which it (or its last step) is wrong. The prompts of a skill are numbered, and a split
divides the numbers, so that no prompt is in two of its parts.
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
        prompts: Token ids, shape (cases, length), with BOS first.
        answers: Token ids, shape (cases, length), with EOS last.
        ends: The position in the answer of the last token of each graded step.
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
    """Disjoint cases of one skill: to train the specialists, to score merged models, and to test the final ones."""

    training: Cases
    scoring: Cases
    held_out: Cases


@final
@attrs.frozen
class Skill:
    """A kind of prompt, with its answers.

    Args:
        name: The name of the skill and of its specialist.
        size: The number of prompts.
        write: A function `f(number) -> (prompt, answer)`. All prompts have the same length, and so have all answers.
        steps: The number of equal steps in which an answer is graded.

    >>> ARITHMETIC.write(3745), PROTOCOL.steps
    (('37+45=', '280'), 6)
    """

    name: str
    size: int
    write: Callable[[int], tuple[str, str]] = attrs.field(repr=False)
    steps: int = 1

    def cases(self, numbers: NDArray[np.int64]) -> Cases:
        """Make the cases with these numbers, from 0 to size - 1."""
        prompts, answers = map(encode, zip(*(self.write(int(number)) for number in numbers), strict=True))
        length = answers.shape[1] // self.steps
        ends = [length * step - 1 for step in range(1, self.steps)] + [answers.shape[1]]  # the last with its EOS
        bos, eos = (torch.full((len(prompts), 1), token) for token in (BOS, EOS))
        return Cases(torch.cat([bos, prompts], dim=1), torch.cat([answers, eos], dim=1), tuple(ends))

    def split(self, seed: int = 0) -> Split:
        """Draw 500 held-out cases, 200 for scoring, and up to 20,000 others for training.

        The specialists of `train_seeds` are trained on the split of seed 0, so only its other parts are new to them.
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
    """Let a causal language model write greedily, like `model.generate` but without its overhead for each token.

    Args:
        model: A model of transformers.
        prompts: Token ids, shape (n, length), without padding.
        new_tokens: The greatest number of tokens to write, >= 1.

    Returns:
        The new tokens only, shape (n, <= new_tokens), with PAD after EOS. Writing stops when all texts have ended.
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

    Args:
        model: A causal language model of transformers.
        cases: The prompts and the right answers.

    Returns:
        The share of the steps that are right before the first wrong token, shape (cases,), from 0 to 1.
    """
    written = generate(model, cases.prompts, cases.answers.shape[1])
    written = torch.nn.functional.pad(written, (0, cases.answers.shape[1] - written.shape[1]), value=PAD)
    return _grade(written == cases.answers, cases)


@torch.no_grad()
def evaluate(model: Any, cases: Cases) -> NDArray[np.float32]:
    """Compute the grades of `evaluate_by_generation` in one pass, in little more than half the time.

    The model reads the prompts with the right answers, and predicts a token after each part of an answer. Up to its
    first wrong token, a greedy model has written the right answer; so the first wrong prediction is at that token, and
    what follows it does not count.

    Args:
        model: A causal language model of transformers.
        cases: The prompts and the right answers.

    Returns:
        The grades, shape (cases,), from 0 to 1.
    """
    tokens = torch.cat([cases.prompts, cases.answers[:, :-1]], dim=1)
    logits = model(input_ids=tokens, use_cache=False, logits_to_keep=cases.answers.shape[1]).logits
    return _grade(logits.argmax(dim=-1) == cases.answers, cases)


def _grade(right: Tensor, cases: Cases) -> NDArray[np.float32]:
    unbroken = right.cumprod(dim=1)[:, list(cases.ends)]  # (cases, steps): 1 if nothing is wrong up to there
    grades: NDArray[np.float32] = unbroken.float().mean(dim=1).numpy()
    return grades
