"""Merges two tiny models of one architecture, from folder to folder and in a live model, and compares every bit."""

import contextlib
import inspect
import logging
import tempfile
import warnings
from pathlib import Path

import attrs
import numpy as np
import torch
from safetensors.torch import load_file, save_file

from evoniche import Recipe
from evoniche_torch import CheckpointSeeds, load_into, write_checkpoint
from evoniche_torch.models import load_pretrained
from evoniche_torch.models.conversions import trace_conversion

WORD_IDS = (3, 90)  # between which words are drawn: below every tiny vocabulary, above the special ones


class NotBuiltError(Exception):
    """There is no model that could be checked."""


@attrs.frozen
class Entry:
    """One row of the table."""

    name: str
    make: object
    """A function without arguments that makes a model."""
    options: dict = attrs.field(factory=dict)
    """For `check`."""


@attrs.frozen
class Outcome:
    """What came out for one architecture. A field that is "ok" is equal bit for bit; else it says what went wrong."""

    name: str
    kind: str
    """The class."""
    tensors: int = 0
    """How many are in the file."""
    conversion: str = ""
    """What the library does to them as it loads them."""
    file: str = "not reached"
    """The written merge against explicit arithmetic, rounded once."""
    live: str = "not reached"
    """The live model against `from_pretrained` of the written merge."""
    forward: str = "not reached"
    """Both models on the same input, and the live model once more after it was filled again."""
    not_built: str = ""
    """Why there was nothing to check."""

    @property
    def passed(self):
        return self.file == self.live == "ok" and self.forward in ("ok", "no input found")


def check(name, make, *, dtype=torch.bfloat16, edit=None, torch_files=False):
    """Merge two models of one architecture.

    Args:
        name: The name of the row.
        make: A function without arguments that makes a model with random weights.
        dtype: The dtype of the files.
        edit: Changes the tensors of a file, in place.
        torch_files: Whether files are in torch's format.
    """
    with warnings.catch_warnings(), _silence(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        outcome = Outcome(name, "")
        try:
            folders = [Path(folder) / label for label in "ab"]
            for seed, path in enumerate(folders):
                kind = _save(make, seed, path, dtype, edit, torch_files)
            outcome = attrs.evolve(outcome, kind=kind.__name__)
            with CheckpointSeeds(folders, cache=False, allow_torch_files=torch_files) as seeds:
                return _check(outcome, seeds, Path(folder) / "merged", dtype)
        except NotBuiltError as error:
            return attrs.evolve(outcome, not_built=str(error))
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            field = next((field for field in ("file", "live") if getattr(outcome, field) == "not reached"), "forward")
            return attrs.evolve(outcome, **{field: text})


def _check(outcome, seeds, out, dtype):
    recipe = _recipe(seeds)
    write_checkpoint(recipe, seeds, out)
    outcome = attrs.evolve(outcome, tensors=len(seeds.index.merged) + len(seeds.index.copied) + len(seeds.index.tied))
    outcome = attrs.evolve(outcome, file=_compare_file(seeds, recipe, out))
    try:
        live = load_pretrained(seeds.folders[0], seeds.index)
        load_into(live.module, recipe, seeds)
        option = "torch_dtype" if _is_of_diffusers(live.module) else "dtype"
        loaded = type(live.module).from_pretrained(str(out), **{option: dtype}).eval()
        outcome = attrs.evolve(
            outcome,
            live=_compare(live.module, loaded),
            conversion=_describe(trace_conversion(live.module, seeds.index)),
        )
    except Exception as error:
        return attrs.evolve(outcome, live=" ".join(f"{type(error).__name__}: {error}".split())[:300])
    return attrs.evolve(outcome, forward=_compare_outputs(live.module, loaded, recipe, seeds))


@contextlib.contextmanager
def _silence():
    """Keep the libraries from telling what is to be expected of random weights."""
    loggers = [logging.getLogger(name) for name in ("transformers", "diffusers")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _save(make, seed, path, dtype, edit, torch_files):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make().to(dtype).eval()
        _randomise(model)
    model.save_pretrained(path)
    files = sorted(path.glob("*.safetensors"))
    if edit is not None or torch_files:
        tensors = load_file(files[0])
        if edit is not None:
            edit(tensors, seed)
        if torch_files:
            files[0].unlink()
            torch.save(tensors, path / "pytorch_model.bin")
        else:
            save_file(tensors, files[0], metadata={"format": "pt"})
    return type(model)


@torch.no_grad()
def _randomise(model):
    """Give every number that goes into the file a value of its own: norms of ones would hide what is mixed up."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(0, 0.05)
            if "var" in name.rsplit(".", 1)[-1] or "norm" in name:
                tensor.abs_().add_(0.5)
    for part in model.modules():
        if isinstance(part, torch.nn.Embedding) and part.padding_idx is not None:
            part.weight[part.padding_idx] = 0  # as after training; some models are loaded so, whatever the file says


def _recipe(seeds):
    """Three cuts, and weights that have few bits, so that products are exact."""
    cuts = np.unique(np.random.default_rng(0).integers(1, seeds.size, 3))
    weights = [[0.75, 0.25], [0.5, -0.25], [-0.125, 1.0], [0.375, 0.625]]
    return Recipe.of([0, *cuts.tolist(), seeds.size], weights[: len(cuts) + 1])


def _compare_file(seeds, recipe, out):
    """The written tensors against numpy's arithmetic in double precision, rounded to single and then once more."""
    models = [_tensors(folder.path) for folder in seeds.folders]
    found = _tensors(out)
    if set(found) != set(models[0]):
        return f"other names: {sorted(set(found) ^ set(models[0]))[:3]}"
    for tensor in (*seeds.index.merged, *seeds.index.copied):
        a, b = (model[tensor.name] for model in models)
        if tensor not in seeds.index.merged:
            wanted = a
        else:
            start, stop = seeds.index.span(tensor.name)
            places = np.searchsorted(recipe.boundaries, np.arange(start, stop), side="right") - 1
            weights = recipe.coefficients[places]
            sums = a.double().numpy().ravel() * weights[:, 0] + b.double().numpy().ravel() * weights[:, 1]
            wanted = torch.from_numpy(sums.astype(np.float32)).to(a.dtype).view(a.shape)
        for name in (tensor.name, *(alias for alias, main in seeds.index.tied.items() if main == tensor.name)):
            if not _same_bits(found[name], wanted):
                return f"{name} differs"
    return "ok"


def _tensors(folder):
    files = [*folder.glob("*.safetensors"), *folder.glob("*.bin")]
    found = {}
    for file in files:
        found |= load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)
    return found


def _compare(live, loaded):
    one, other = live.state_dict(), loaded.state_dict()
    if set(one) != set(other):
        return f"other names: {sorted(set(one) ^ set(other))[:3]}"
    for name, tensor in other.items():
        if isinstance(tensor, torch.Tensor) and not _same_bits(one[name], tensor):
            return f"{name} differs"
    return "ok"


def _compare_outputs(live, loaded, recipe, seeds):
    for inputs in _inputs(live):
        first = _outputs(live, inputs)
        if first is None:
            continue
        second = _outputs(loaded, inputs)
        load_into(live, recipe, seeds)
        again = _outputs(live, inputs)
        if not _all_same(first, second):
            return "outputs differ"
        return "ok" if _all_same(first, again) else "outputs differ when it is filled again"
    return "no input found"


def _all_same(one, other):
    return len(one) == len(other) and all(_same_bits(a, b) for a, b in zip(one, other, strict=True))


def _same_bits(one, other):
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(one.contiguous().view(-1).view(torch.uint8), other.contiguous().view(-1).view(torch.uint8))


@torch.no_grad()
def _outputs(model, inputs):
    """All tensors that the model returns, or None where it cannot take the input."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            found = list(_flat(model(**inputs)))
        except Exception:  # of any kind: it is not known what the model takes
            return None
    return found or None


def _flat(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _flat(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _flat(item)


def _inputs(model):
    """What models of common kinds take, the most likely first."""
    generator = torch.Generator().manual_seed(0)
    taken = inspect.signature(model.forward).parameters
    words = torch.randint(*WORD_IDS, (1, 12), generator=generator)
    config = model.config
    sizes = [32, 64, 224]
    for part in (config, getattr(config, "vision_config", None)):
        size = part.get("sample_size") if isinstance(part, dict) else getattr(part, "image_size", None)
        sizes = [*(size if isinstance(size, list | tuple) else [size])[:1], *sizes] if size else sizes

    def noise(*shape):
        return torch.randn(shape, generator=generator).to(model.dtype)

    if _is_of_diffusers(model):
        yield from _diffusion_inputs(config, words, noise)
        return
    decoder = {"decoder_input_ids": words[:, :5]} if "decoder_input_ids" in taken else {}
    if "input_ids" in taken:
        yield {"input_ids": words, **decoder}
        if "bbox" in taken:
            yield {"input_ids": words, "bbox": torch.zeros(1, 12, 4, dtype=torch.long)}
    for size in sizes if "pixel_values" in taken else ():
        for channels in dict.fromkeys((getattr(config, "num_channels", 3), 3)):
            if isinstance(channels, int):
                yield {"pixel_values": noise(1, channels, size, size), **decoder}
                if "input_ids" in taken:
                    yield {"pixel_values": noise(1, channels, size, size), "input_ids": words}
        yield {"pixel_values": noise(1, 4, 3, size, size)}
    if "pixel_values_videos" in taken:
        yield {"pixel_values_videos": noise(1, 4, 3, sizes[0], sizes[0])}
    for name in ("input_values", "input_features"):
        for shape in ((1, 4000), (1, 1, 4000), (1, 16, 128), (1, 128, 16), (1, 80, 128), (1, 100, 80)):
            if name in taken:
                yield {name: noise(*shape), **decoder}


def _diffusion_inputs(config, words, noise):
    channels = config.get("in_channels") or config.get("latent_channels") or 4
    text = config.get("cross_attention_dim") or config.get("joint_attention_dim") or config.get("caption_channels") or 8
    for size in (8, 16, 32):
        image, states = noise(1, channels, size, size), noise(1, 4, text if isinstance(text, int) else 8)
        yield {"sample": image}
        yield {"sample": image, "timestep": 3}
        yield {"sample": image, "timestep": 3, "encoder_hidden_states": states}
        time = torch.tensor([3])
        yield {"hidden_states": image, "timestep": time, "encoder_hidden_states": states}
        yield {"hidden_states": image, "timestep": time, "class_labels": torch.tensor([1])}
        pooled = noise(1, config.get("pooled_projection_dim") or 8)
        yield {"hidden_states": image, "timestep": time, "encoder_hidden_states": states, "pooled_projections": pooled}
        yield {"hidden_states": noise(1, channels, 2, size, size), "timestep": time, "encoder_hidden_states": states}
        yield {"hidden_states": noise(1, 2, channels, size, size), "timestep": time, "encoder_hidden_states": states}


def _is_of_diffusers(module):
    return type(module).__module__.startswith("diffusers")


def _describe(conversion):
    """In words, what becomes of the tensors of a file."""
    sources, counts = {}, {"renamed": 0, "joined": 0, "split": 0, "transposed": 0}
    for target in conversion.targets.values():
        parts = {piece.source for piece in target.pieces}
        for part in parts:
            sources.setdefault(part, set()).add(target.pieces)
        if len(parts) > 1:
            counts["joined"] += 1
        elif parts and not parts & set(conversion.targets):  # else it is itself, or tied to it
            counts["renamed"] += 1
        counts["transposed"] += any(len(piece.dims) > 1 for piece in target.pieces)
    counts["split"] = sum(len(places) > 1 for places in sources.values())
    counts["dropped"] = len(conversion.dropped)
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
