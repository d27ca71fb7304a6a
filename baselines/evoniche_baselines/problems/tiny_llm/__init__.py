"""Tiny language models with two skills, in place of the mathematics and agent models of Abrantes 2025, section 4.2.

`train_seeds` trains a Llama of about a million parameters until it has half learned both skills, and from it a
specialist in each. `ARITHMETIC` and `PROTOCOL` make the cases, and `evaluate` scores a model on them.
"""

from evoniche_baselines.problems.tiny_llm.skills import (
    ARITHMETIC,
    PROTOCOL,
    SKILLS,
    Cases,
    Skill,
    Split,
    evaluate,
    evaluate_by_generation,
    generate,
)
from evoniche_baselines.problems.tiny_llm.tokens import decode, encode, tokenizer
from evoniche_baselines.problems.tiny_llm.training import train_seeds

__all__ = [
    "ARITHMETIC",
    "PROTOCOL",
    "SKILLS",
    "Cases",
    "Skill",
    "Split",
    "decode",
    "encode",
    "evaluate",
    "evaluate_by_generation",
    "generate",
    "tokenizer",
    "train_seeds",
]
