"""What networks are asked.

`ModuleScorer` and `CheckpointScorer` are scorers. The others are evaluations, `f(model) -> scores of the cases`, of the
live model into which a `CheckpointScorer` loads each recipe; a function of yours is one as well.
"""

from evoniche_torch.scorers.checkpoint import CheckpointScorer
from evoniche_torch.scorers.cosine import CosineScorer
from evoniche_torch.scorers.harness import LmEvalScorer
from evoniche_torch.scorers.joined import JoinedScorer, importance_of, task_means
from evoniche_torch.scorers.module import ModuleScorer

__all__ = [
    "CheckpointScorer",
    "CosineScorer",
    "JoinedScorer",
    "LmEvalScorer",
    "ModuleScorer",
    "importance_of",
    "task_means",
]
