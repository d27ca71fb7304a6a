"""Scorers of the two skills for `evoniche merge`: `tasks.py:arithmetic` and so on."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evoniche_baselines.problems.tiny_llm.skills import (
    ARITHMETIC,
    PROTOCOL,
    Cases,
    Skill,
    Split,
    evaluate,
    evaluate_by_generation,
)

__all__ = ["arithmetic", "arithmetic_held_out", "protocol", "protocol_held_out"]


@cache
def _cases(skill: Skill) -> Split:
    return skill.split()


def arithmetic(model: Any, cases: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
    """Score a model on the 200 cases of arithmetic for merging, or on some; shape (cases,), 0 or 1."""
    return evaluate(model, _some(ARITHMETIC, cases))


def protocol(model: Any, cases: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
    """Score a model on the 200 cases of the protocol for merging, or on some; shape (cases,), from 0 to 1."""
    return evaluate(model, _some(PROTOCOL, cases))


def _some(skill: Skill, cases: NDArray[np.intp] | None) -> Cases:
    whole = _cases(skill).scoring
    return whole if cases is None else whole[torch.as_tensor(cases)]


def arithmetic_held_out(model: Any) -> NDArray[np.float32]:
    """Score the answers that a model writes token by token to the 500 held-out cases of arithmetic; shape (500,)."""
    return evaluate_by_generation(model, _cases(ARITHMETIC).held_out)


def protocol_held_out(model: Any) -> NDArray[np.float32]:
    """Score the answers that a model writes token by token to the 500 held-out cases of the protocol; shape (500,)."""
    return evaluate_by_generation(model, _cases(PROTOCOL).held_out)
