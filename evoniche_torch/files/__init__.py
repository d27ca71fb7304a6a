"""Models on disk: which files belong to one, what the files hold, and whether several models fit together."""

from evoniche_torch.files.cache import Cache
from evoniche_torch.files.compatibility import MergeError, refuse_mismatches, tensor_mismatches
from evoniche_torch.files.model_folder import ModelFolder
from evoniche_torch.files.safetensors_reader import SAFETENSORS_DTYPES
from evoniche_torch.files.tensor_index import MERGED_DTYPES, TensorIndex, TensorInfo, natural_key
from evoniche_torch.files.weights import Weights, check_models, equal_tensors, open_models, tied_tensors

__all__ = [
    "MERGED_DTYPES",
    "SAFETENSORS_DTYPES",
    "Cache",
    "MergeError",
    "ModelFolder",
    "TensorIndex",
    "TensorInfo",
    "Weights",
    "check_models",
    "equal_tensors",
    "natural_key",
    "open_models",
    "refuse_mismatches",
    "tensor_mismatches",
    "tied_tensors",
]
