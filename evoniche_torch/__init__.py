"""Neural networks for evoniche: checkpoints and modules as seeds, merged models as files, and scorers for both."""

from evoniche_torch.files import MergeError
from evoniche_torch.models import CheckpointSeeds, ModuleGenome, ModuleSeeds, TensorSeeds, chromosomes, load_into
from evoniche_torch.output import Card, write_checkpoint
from evoniche_torch.scorers import (
    CheckpointScorer,
    CosineScorer,
    LmEvalScorer,
    ModuleScorer,
    MultiTaskScorer,
)

__all__ = [
    "Card",
    "CheckpointScorer",
    "CheckpointSeeds",
    "CosineScorer",
    "LmEvalScorer",
    "MergeError",
    "ModuleGenome",
    "ModuleScorer",
    "ModuleSeeds",
    "MultiTaskScorer",
    "TensorSeeds",
    "chromosomes",
    "load_into",
    "write_checkpoint",
]
