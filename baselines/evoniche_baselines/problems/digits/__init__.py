"""Handwritten digits, the first experiment of Abrantes, Lange and Tang 2025 (section 4.1), as the authors ran it."""

from evoniche_baselines.problems.digits.networks import (
    CLASSES,
    PARAMETERS,
    DigitsScorer,
    digits_genome,
    published_experts,
    train_experts,
)
from evoniche_baselines.problems.digits.problem import digits

__all__ = [
    "CLASSES",
    "PARAMETERS",
    "DigitsScorer",
    "digits",
    "digits_genome",
    "published_experts",
    "train_experts",
]
