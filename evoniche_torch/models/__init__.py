"""Models in memory or on disk as the seeds of a merge, networks as genomes, and recipes loaded into live modules."""

from evoniche_torch.models.checkpoint_seeds import CheckpointSeeds
from evoniche_torch.models.explicit_merges import ExplicitFilling, ExplicitMerge, weighted_recipe
from evoniche_torch.models.live_vocabulary import fit_vocabulary
from evoniche_torch.models.module_genome import ModuleGenome, split_tensors
from evoniche_torch.models.module_loader import load_into
from evoniche_torch.models.module_seeds import ModuleSeeds
from evoniche_torch.models.parameter_groups import chromosomes, layer_of
from evoniche_torch.models.pretrained import PretrainedModel, load_pretrained
from evoniche_torch.models.tensor_seeds import MERGE_BLOCK, TensorSeeds

__all__ = [
    "MERGE_BLOCK",
    "CheckpointSeeds",
    "ExplicitFilling",
    "ExplicitMerge",
    "ModuleGenome",
    "ModuleSeeds",
    "PretrainedModel",
    "TensorSeeds",
    "chromosomes",
    "fit_vocabulary",
    "layer_of",
    "load_into",
    "load_pretrained",
    "split_tensors",
    "weighted_recipe",
]
