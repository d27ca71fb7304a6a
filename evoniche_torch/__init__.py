"""Neural networks for evoniche: checkpoints and modules as seeds, merged models as files, and scorers for both."""

from evoniche_torch.cards import Card
from evoniche_torch.checkpoints import CheckpointSeeds
from evoniche_torch.compatibility import MergeError
from evoniche_torch.genomes import ModuleGenome
from evoniche_torch.grouping import chromosomes
from evoniche_torch.loading import load_into
from evoniche_torch.modules import ModuleSeeds
from evoniche_torch.scorers import (
    CheckpointScorer,
    CosineScorer,
    JoinedScorer,
    LmEvalScorer,
    ModuleScorer,
)
from evoniche_torch.seeds import TensorSeeds
from evoniche_torch.writing import write_checkpoint

__all__ = [
    "Card",
    "CheckpointScorer",
    "CheckpointSeeds",
    "CosineScorer",
    "JoinedScorer",
    "LmEvalScorer",
    "MergeError",
    "ModuleGenome",
    "ModuleScorer",
    "ModuleSeeds",
    "TensorSeeds",
    "chromosomes",
    "load_into",
    "write_checkpoint",
]
