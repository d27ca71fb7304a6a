"""The command `python -m evoniche_baselines.problems.tiny_llm FOLDER` trains the models and prints their scores."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from evoniche_baselines.problems.tiny_llm.skills import SKILLS, evaluate_by_generation
from evoniche_baselines.problems.tiny_llm.training import train_seeds


def main(out: Path) -> None:
    """Train the models, and print the mean score of each on the held-out cases."""
    from transformers import LlamaForCausalLM

    kind: Any = LlamaForCausalLM
    for name, folder in train_seeds(out).items():
        model = kind.from_pretrained(folder)
        grades = {skill.name: evaluate_by_generation(model, skill.split().held_out).mean() for skill in SKILLS}
        print(f"{name:>10}: " + ", ".join(f"{skill} {grade:.1%}" for skill, grade in grades.items()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
