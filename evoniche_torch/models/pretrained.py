"""Loads a model from its folder, with transformers or diffusers."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, final

import attrs
import torch

from evoniche import _log
from evoniche_torch.files import MergeError, ModelFolder, TensorIndex, open_models
from evoniche_torch.models.conversions import load_reports, trace_conversion
from evoniche_torch.models.module_loader import find_difference

__all__ = ["PretrainedModel", "load_pretrained"]


@final
@attrs.frozen(eq=False)
class PretrainedModel:
    """A model in memory, into which recipes are loaded one after the other."""

    whole: Any
    """The model, or the pipeline of which it is a part: what a scorer is given."""
    module: torch.nn.Module
    """The module that is merged."""


def load_pretrained(
    folder: ModelFolder,
    index: TensorIndex,
    *,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    trust_remote_code: bool = False,
    progress: bool = False,
) -> PretrainedModel:
    """Load a model in evaluation mode.

    Args:
        folder: The folder of the model.
        index: The tensors of the model.
        device: The device to load it to, as torch names it.
        dtype: The dtype in which it is in memory; that of its files when None.
        trust_remote_code: Whether to run the Python files of a folder whose config names some.
        progress: Show the progress bars of these libraries.

    Raises:
        MergeError: The folder is a bare file, which does not name its model; the library lacks the class; or the
            library fails, whose message follows; or it makes other numbers of its files than `load_into` would.
        ImportError: The library is not installed.
    """
    if folder.kind == "file":
        raise MergeError(f"{folder.path} is a bare file, which does not say what model it belongs to: give folders "
                         "with a config.json, or merge in Python, with CheckpointScorer on a module of your own.")
    library = "transformers" if folder.kind == "transformers" and folder.component is None else "diffusers"
    load = _transformers if library == "transformers" else _diffusers
    with load_reports() as reports:
        try:
            with _bars(library, progress):
                whole = load(folder, dtype or _dtype_of(index), trust_remote_code)
            module = getattr(whole, folder.component) if folder.component else whole
            module.eval()
            _untie(module, index)
            _check(folder, index, module)
            whole.to(device)
        except (ImportError, MergeError):
            raise
        except Exception as error:
            hint = " (--trust-remote-code)" if "trust_remote_code" in str(error) else ""
            text = f"{folder.path}: {library} cannot load it{hint}: {error or type(error).__name__}"
            raise MergeError("\n".join([text, *reports])) from error
    return PretrainedModel(whole, module)


def _untie(module: torch.nn.Module, index: TensorIndex) -> None:
    """Part weights that are equal in the first model alone: loaded from it they are tied, which merges are not."""
    first: dict[tuple[int, torch.Size], str] = {}
    twins: dict[str, str] = {}
    for name, tensor in module.named_parameters(remove_duplicate=False):
        other = first.setdefault((tensor.data_ptr(), tensor.shape), name)
        if other != name and tensor.numel():
            twins[name] = other
    targets = trace_conversion(module, index).targets if twins else {}
    for name, other in twins.items():
        if name in targets and other in targets and targets[name].pieces != targets[other].pieces:
            path, _, last = name.rpartition(".")
            owner = module.get_submodule(path)
            tied = getattr(owner, last)
            setattr(owner, last, torch.nn.Parameter(tied.detach().clone(), requires_grad=tied.requires_grad))
            _log.warning("{} and {} are equal in the first model and differ in others: they are not tied in merges.",
                           name, other)  # fmt: skip


def _check(folder: ModelFolder, index: TensorIndex, module: torch.nn.Module) -> None:
    """Compare what the library has loaded with what `load_into` would write for the first seed.

    Raises:
        MergeError: They differ; the message names a tensor.
    """
    _, (weights,) = open_models(
        [folder.path], component=folder.component, variant=folder.variant, allow_torch_files=True
    )
    try:
        if (name := find_difference(module, index, weights.read)) is not None:
            raise MergeError(f"{folder.path}: {name} is not in the {type(module).__name__} as it is in the file, "
                             "though its library seems to do nothing but move numbers: merges of such models cannot be "
                             "scored.")  # fmt: skip
    finally:
        weights.close()


def _transformers(folder: ModelFolder, dtype: torch.dtype, trust_remote_code: bool) -> Any:
    transformers = _library("transformers", "llm")
    config = folder.config or {}
    names = config.get("architectures") or ["AutoModel"]
    options: dict[str, Any] = {"dtype": dtype, "variant": folder.variant}
    if remote := config.get("auto_map"):
        autos = [name for name in ("AutoModelForCausalLM", *remote) if name in remote and name.startswith("AutoModel")]
        names, options["trust_remote_code"] = [*autos, "AutoModel"], trust_remote_code
    return _class(transformers, names[0], folder).from_pretrained(str(folder.path), **options)


def _diffusers(folder: ModelFolder, dtype: torch.dtype, trust_remote_code: bool) -> Any:
    diffusers = _library("diffusers", "diffusion")
    options: dict[str, Any] = {"torch_dtype": dtype, "variant": folder.variant}
    if folder.weights[0].suffix == ".safetensors":
        options["use_safetensors"] = True  # in other components too, unless torch's files were allowed
    if folder.component:
        pipeline = diffusers.DiffusionPipeline
        return pipeline.from_pretrained(str(folder.path), trust_remote_code=trust_remote_code, **options)
    name = (folder.config or {}).get("_class_name")
    return _class(diffusers, name, folder).from_pretrained(str(folder.path), **options)


def _library(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"models of this kind need {name}: pip install 'evoniche[{extra}]'.") from error


def _class(library: Any, name: Any, folder: ModelFolder) -> Any:
    found = getattr(library, str(name), None)
    if not isinstance(found, type) or not hasattr(found, "from_pretrained"):
        raise MergeError(f"{folder.path}: config.json says that it is a {name}, which {library.__name__} "
                         f"{library.__version__} does not have.")
    return found


def _dtype_of(index: TensorIndex) -> torch.dtype:
    """The dtype of most parameters."""
    sizes: Counter[torch.dtype] = Counter()
    for tensor in index.merged:
        sizes[tensor.dtype] += tensor.size
    return sizes.most_common(1)[0][0]


@contextmanager
def _bars(library: str, shown: bool) -> Iterator[None]:
    """Hide the progress bars of transformers (which diffusers may use) and diffusers, unless they are to be shown."""
    names = [] if shown else ["transformers", "diffusers"] if library == "diffusers" else ["transformers"]
    hidden = []
    for name in names:
        with suppress(ImportError):
            logging = importlib.import_module(f"{name}.utils.logging")
            if logging.is_progress_bar_enabled():
                logging.disable_progress_bar()
                hidden.append(logging)
    try:
        yield
    finally:
        for logging in hidden:
            logging.enable_progress_bar()
