"""Neural networks for evoniche: checkpoints and modules as seeds of a merge, merged models as folders, and scorers.

The rooms, from the top down: `commands`; `output` and `scorers`; `models`; `files`. What is named here is the public
interface.
"""

from evoniche_torch.files import MergeError
from evoniche_torch.models import CheckpointSeeds, ModuleGenome, ModuleSeeds, TensorSeeds, chromosomes, load_into
from evoniche_torch.output import Card, write_checkpoint
from evoniche_torch.scorers import (
    CheckpointCaseScorer,
    CheckpointScorer,
    CosineScorer,
    LmEvalScorer,
    ModuleScorer,
    MultiTaskScorer,
)

__all__ = [
    "Card",
    "CheckpointCaseScorer",
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
