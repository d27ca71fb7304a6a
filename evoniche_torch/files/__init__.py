"""Models on disk: which files belong to one, what the files hold, and whether several models fit together."""

from evoniche_torch.files.adapted_weights import AdaptedWeights, read_factors
from evoniche_torch.files.adapter import Patch
from evoniche_torch.files.adapter_folder import AdapterFolder, model_paths, split_adapter
from evoniche_torch.files.cache import Cache
from evoniche_torch.files.compatibility import MergeError, refuse_mismatches, tensor_mismatches
from evoniche_torch.files.model_folder import ModelFolder
from evoniche_torch.files.opening import open_models
from evoniche_torch.files.safetensors_reader import SAFETENSORS_DTYPES
from evoniche_torch.files.tensor_index import MERGED_DTYPES, TensorIndex, TensorInfo, natural_key
from evoniche_torch.files.vocabulary import UNION, Vocabulary, plan_vocabulary
from evoniche_torch.files.vocabulary_files import write_vocabulary_files
from evoniche_torch.files.vocabulary_tensors import ties_words, vocabulary_tensors
from evoniche_torch.files.vocabulary_weights import CopiedRows, one_vocabulary
from evoniche_torch.files.weights import Weights, check_models, equal_tensors, tied_in_some, tied_tensors

__all__ = [
    "MERGED_DTYPES",
    "SAFETENSORS_DTYPES",
    "UNION",
    "AdaptedWeights",
    "AdapterFolder",
    "Cache",
    "CopiedRows",
    "MergeError",
    "ModelFolder",
    "Patch",
    "TensorIndex",
    "TensorInfo",
    "Vocabulary",
    "Weights",
    "check_models",
    "equal_tensors",
    "model_paths",
    "natural_key",
    "one_vocabulary",
    "open_models",
    "plan_vocabulary",
    "read_factors",
    "refuse_mismatches",
    "split_adapter",
    "tensor_mismatches",
    "tied_in_some",
    "tied_tensors",
    "ties_words",
    "vocabulary_tensors",
    "write_vocabulary_files",
]
