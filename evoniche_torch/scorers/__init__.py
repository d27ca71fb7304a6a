"""Scorers of networks.

`ModuleScorer`, `CheckpointScorer` and `CheckpointCaseScorer` are scorers. The others are evaluations: functions
`f(model) -> scores` of the model into which a `CheckpointScorer` loads each recipe. A function of your own is an
evaluation as well.
"""

from evoniche_torch.scorers.checkpoint import CheckpointScorer
from evoniche_torch.scorers.checkpoint_case import CheckpointCaseScorer
from evoniche_torch.scorers.cosine import CosineScorer
from evoniche_torch.scorers.lm_eval import LmEvalScorer
from evoniche_torch.scorers.module import ModuleScorer
from evoniche_torch.scorers.multi_task import MultiTaskScorer, importance_of, task_means

__all__ = [
    "CheckpointCaseScorer",
    "CheckpointScorer",
    "CosineScorer",
    "LmEvalScorer",
    "ModuleScorer",
    "MultiTaskScorer",
    "importance_of",
    "task_means",
]
