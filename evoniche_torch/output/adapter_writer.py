"""Writes merged adapters (LoRA) as one adapter, which does exactly what the merge of what they do does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any, final

import attrs
import msgspec
import torch
from safetensors.torch import save_file

from evoniche._files import new_folder, sha256
from evoniche.merging import Recipe, Recipes, one_recipe
from evoniche_torch.files import (
    AdaptedWeights,
    MergeError,
    Patch,
    TensorInfo,
    Weights,
    model_paths,
    read_factors,
    ties_words,
    vocabulary_tensors,
)
from evoniche_torch.models import CheckpointSeeds
from evoniche_torch.output.checkpoint_writer import describe_merge
from evoniche_torch.output.model_card import render_card
from evoniche_torch.output.output_folder import check_output_folder
from evoniche_torch.output.recipe_file import OUTPUT_DTYPES, Card
from evoniche_torch.output.side_file_copies import side_file_digests

__all__ = ["check_adapters", "write_adapter"]

_Patches = Mapping[int, Patch]  # number of a seed -> what it changes in one tensor
_KEPT = ("auto_mapping", "base_model_name_or_path", "peft_version", "revision", "task_type")


def write_adapter(
    recipe: Recipe | Recipes,
    seeds: CheckpointSeeds,
    out: str | PathLike[str],
    *,
    dtype: torch.dtype | str = "float32",
    like: int = 0,
    card: Mapping[str, Any] | Card | None = None,
    more: Callable[[Path], object] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a merge of adapters over one base as one adapter in the layout of peft.

    A sum of changes of low rank is one of the summed rank: B = [c_1 s_1 B_1, c_2 s_2 B_2, ...] and A = [A_1; A_2; ...],
    with scale 1. Where a coefficient changes between two rows of a weight, the rows of B have their own; where
    it changes within a row, that row takes one rank more. So the adapter is exact, up to the rounding of its numbers.
    Saved modules, biases and trained tokens are merged as they are.

    Args:
        recipe: A recipe, or a batch of one.
        seeds: Models that are each the base or base+adapter, with that base as their base.
        out: A folder that does not exist yet, or is empty.
        dtype: The dtype of the adapter's tensors.
        like: The number of the seed whose tokenizer, if it has one, and description the adapter gets.
        card: See `write_checkpoint`.
        more: See `write_checkpoint`.
        overwrite: Whether a model that is already at `out` is replaced once the new one is complete.

    Returns:
        `out`.

    Raises:
        MergeError: The merge cannot be one adapter, which the message gives the reason of.
        ValueError: See `write_checkpoint`.
        FileExistsError: See `write_checkpoint`.
        OSError: See `write_checkpoint`.

    Example:
        with CheckpointSeeds(["base+maths", "base+dutch"], base="base") as seeds:
            result = evoniche.merge(seeds, scorer).run(1000)
            write_adapter(result.best.genome, seeds, "merged")
    """
    recipe = one_recipe(recipe, seeds)
    check_adapters(seeds)
    name = str(dtype).removeprefix("torch.")
    if name not in OUTPUT_DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(OUTPUT_DTYPES)}, got {dtype!r}.")
    record = describe_merge(recipe, seeds, None, "5GB", like, Card.of(card))
    merged = _merge(recipe, seeds, OUTPUT_DTYPES[name])
    source = seeds.folders[like].adapter or next(folder.adapter for folder in seeds.folders if folder.adapter)
    out = Path(out)
    inputs = model_paths(folder.given for folder in seeds.folders)
    with new_folder(out, check=lambda: check_output_folder(out, overwrite=overwrite, inputs=inputs)) as partial:
        for file in source.side_files:
            shutil.copyfile(source.path / file, partial / file)
        save_file(merged.tensors, partial / "adapter_model.safetensors", metadata={"format": "pt"})
        config = merged.config(json.loads(source.config.read_bytes()))
        note = (f"It is an adapter (LoRA) of rank {config['r']}, to be loaded by peft over its base. What is made "
                "again from `recipe.json` is the whole model.")  # fmt: skip
        card = attrs.evolve(record.card, notes=(*record.card.notes, note))
        _write_text(partial / "adapter_config.json", json.dumps(config, indent=2) + "\n")
        written = {file.name: sha256(file) for file in sorted(partial.glob("adapter_*"))}
        side_files = side_file_digests(seeds.folders[like])
        record = msgspec.structs.replace(record, card=card, side_files=side_files, written=written)
        _write_text(partial / "recipe.json", record.to_json())
        _write_text(partial / "README.md", render_card(record))
        if more is not None:
            more(partial)
    return out


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def check_adapters(seeds: CheckpointSeeds) -> None:
    """Refuse models whose merge is no adapter.

    Raises:
        MergeError: The models are not all over one base that is their base in the merge, or an adapter among them has
            no low rank.
    """
    base = seeds.folders[-1]
    if seeds.base_label is None or base.adapter is not None:
        raise MergeError("a merge is an adapter only if it adds what its adapters do to their base: name the base by "
                         "--base (base=...).")  # fmt: skip
    if seeds.vocabulary is not None:
        raise MergeError("an adapter has the vocabulary of its base: write a whole model to change the tokenizer.")
    if all(folder.adapter is None for folder in seeds.folders):
        raise MergeError("none of these models is an adapter, as MODEL+ADAPTER: what comes out is a whole model.")
    files = [{name: digest for name, digest in files.items() if name[0] != "+"} for files in seeds.digests]
    tied = set(vocabulary_tensors(base.config, seeds.weights_of(-1).tensors)) if ties_words(base.config) else set()
    problems = []
    for label, folder, found in zip(seeds.labels, seeds.folders, files, strict=False):
        if found != files[-1]:
            problems.append(f"{label} is over {folder.path}, whose files are not those of the base {base.path}")
    for k, label in enumerate(seeds.labels):
        for name, patch in _patches(seeds.weights_of(k)).items():
            if patch.low_rank and patch.low_rank.magnitude:
                problems.append(f"{label} is a DoRA, whose weights differ from the base by no low rank ({name})")
                break
            if name in tied and (patch.low_rank or patch.whole):
                problems.append(f"{label} changes {name}, which the base ties to another tensor")
                break
    if problems:
        listed = "\n  ".join(problems)
        raise MergeError(f"the merge cannot be written as an adapter, only as a whole model:\n  {listed}")


@final
@attrs.define(eq=False)
class _Merged:
    """The tensors of an adapter, and what its configuration has to say of them."""

    dtype: torch.dtype
    tensors: dict[str, torch.Tensor] = attrs.Factory(dict)
    ranks: dict[str, int] = attrs.Factory(dict)
    """Module -> rank."""
    saved: dict[str, str] = attrs.Factory(dict)
    """The modules that are in the adapter as a whole: their names in the base -> in the adapter."""
    tokens: dict[str, list[int]] = attrs.Factory(dict)
    """Module -> rows that are in the adapter one by one."""
    biases: bool = False
    transposed: bool = False
    others: set[str] = attrs.Factory(set)
    """The modules of the base that are not adapted."""

    def add(self, name: str, values: torch.Tensor) -> None:
        self.tensors[f"base_model.model.{name}"] = values.to(self.dtype).contiguous()

    def config(self, of: Mapping[str, Any]) -> dict[str, Any]:
        """The contents of adapter_config.json.

        Args:
            of: The configuration of the adapter that this one is like.
        """
        rank = max(self.ranks.values(), default=1)
        others = {module: other for module, other in sorted(self.ranks.items()) if other != rank}
        modules: list[str] | str = sorted(self.ranks)
        if any(module.endswith(f".{target}") for target in modules for module in self.others):
            modules = "|".join(module.replace(".", r"\.") for module in modules)  # names that are ends of others
        return {
            **{key: of[key] for key in _KEPT if key in of},
            "peft_type": "LORA", "inference_mode": True, "r": rank, "lora_alpha": rank, "target_modules": modules,
            "rank_pattern": others, "alpha_pattern": others, "lora_dropout": 0.0, "use_rslora": False,
            "use_dora": False, "fan_in_fan_out": self.transposed, "bias": "all" if self.biases else "none",
            "modules_to_save": sorted(self.saved.values()) or None, "trainable_token_indices": self.tokens or None,
        }  # fmt: skip


def _merge(recipe: Recipe, seeds: CheckpointSeeds, dtype: torch.dtype) -> _Merged:
    merged = _Merged(dtype)
    base = seeds.weights_of(-1)
    changes: dict[str, dict[int, Patch]] = {}
    for k in range(seeds.count):
        for name, patch in _patches(seeds.weights_of(k)).items():
            changes.setdefault(name, {})[k] = _without_base(patch, name, seeds.weights_of(k), base)
    for name, patches in changes.items():
        module = next(iter(patches.values())).module
        if name.endswith(".weight") and all(not patch.whole and not patch.rows for patch in patches.values()):
            _add_factors(merged, module, seeds, recipe, base.tensors[name], patches)
        elif name.endswith(".weight") and all(not patch.whole and not patch.low_rank for patch in patches.values()):
            _add_rows(merged, module, seeds, recipe, base.tensors[name], patches)
        elif name.endswith(".bias"):
            merged.biases = True
        else:
            merged.saved[name.rpartition(".")[0]] = module
    for name in base.tensors:
        place, _, part = name.rpartition(".")
        if place in merged.saved:  # with all its tensors, as peft loads it
            merged.add(f"{merged.saved[place]}.{part}", _whole(seeds, recipe, name))
        elif part == "bias" and name in changes:
            module = next(iter(changes[name].values())).module
            merged.add(f"{module}.{'base_layer.' if module in merged.ranks else ''}bias", _whole(seeds, recipe, name))
    adapted = {next(iter(patches.values())).module for patches in changes.values()}
    merged.others = {name.rpartition(".")[0] for name in base.tensors} - adapted
    return merged


def _patches(weights: Weights) -> Mapping[str, Patch]:
    return weights.patches if isinstance(weights, AdaptedWeights) else {}


def _without_base(patch: Patch, name: str, weights: Weights, base: Weights) -> Patch:
    """A patch in which a saved tensor that is that of the base is left out: peft saves adapted embeddings so."""
    if patch.whole is None or patch.low_rank is None:
        return patch
    assert isinstance(weights, AdaptedWeights)
    size = base.tensors[name].size
    one, other = weights.adapter.read(patch.whole, 0, size), base.read(name, 0, size)
    return attrs.evolve(patch, whole=None) if torch.equal(one.double(), other.double()) else patch


def _whole(seeds: CheckpointSeeds, recipe: Recipe, name: str) -> torch.Tensor:
    start, stop = seeds.index.span(name)
    shape = next(tensor.shape for tensor in seeds.index.merged if tensor.name == seeds.index.tied.get(name, name))
    return seeds.materialise(recipe, start, stop).view(shape)


def _add_rows(
    merged: _Merged, module: str, seeds: CheckpointSeeds, recipe: Recipe, tensor: TensorInfo, patches: _Patches
) -> None:
    """Rows that some adapters have trained one by one."""
    rows = sorted({row for patch in patches.values() if patch.rows for row in patch.rows[1]})
    start, _ = seeds.index.span(tensor.name)
    width = tensor.shape[1]
    values = [seeds.materialise(recipe, start + row * width, start + (row + 1) * width) for row in rows]
    merged.tokens[module] = rows
    merged.add(f"{module}.token_adapter.trainable_tokens_delta", torch.stack(values))


def _add_factors(
    merged: _Merged, module: str, seeds: CheckpointSeeds, recipe: Recipe, tensor: TensorInfo, patches: _Patches
) -> None:
    """The factors of all adapters beside each other, with their coefficients in those of the rows."""
    start, stop = seeds.index.span(tensor.name)
    rows = tensor.shape[0]
    width = tensor.size // rows
    pieces = [(low - start, high - start, row) for low, high, row in recipe.pieces(start, stop)]
    lefts, rights = [], []
    cut_rows: dict[int, torch.Tensor] = {}  # what is to be added to a row, behind the cuts in it
    for k, patch in patches.items():
        weights, low_rank = seeds.weights_of(k), patch.low_rank
        assert isinstance(weights, AdaptedWeights)
        assert low_rank is not None
        factors = read_factors(weights.adapter, low_rank)
        of_rows = torch.empty(rows, 1, dtype=torch.float64)  # the coefficient at the start of each row
        for low, high, coefficients in pieces:
            of_rows[-(-low // width) : -(-high // width)] = coefficients[k]
        for (_, cut, before), (_, _, after) in pairwise(pieces):
            if (change := after[k] - before[k]) and cut % width:
                row = factors.left[cut // width] @ factors.right
                row[: cut % width] = 0
                cut_rows.setdefault(cut // width, torch.zeros_like(row)).add_(row, alpha=change)
        if of_rows.any():
            lefts.append(factors.left * of_rows)
            rights.append(factors.right)
    for place, values in cut_rows.items():
        lefts.append(torch.zeros(rows, 1, dtype=torch.float64).index_fill_(0, torch.tensor(place), 1))
        rights.append(values[None])
    if lefts:
        _name_factors(merged, module, tensor, torch.cat(lefts, dim=1), torch.cat(rights), patches)


def _name_factors(
    merged: _Merged, module: str, tensor: TensorInfo, left: torch.Tensor, right: torch.Tensor, patches: _Patches
) -> None:
    low_rank = next(patch.low_rank for patch in patches.values() if patch.low_rank)
    embedding = "lora_embedding_" in low_rank.b
    merged.ranks[module] = len(right)
    if embedding:
        merged.add(f"{module}.lora_embedding_A", left.T)
        merged.add(f"{module}.lora_embedding_B", right.T)
    elif low_rank.transposed:
        merged.transposed = True
        merged.add(f"{module}.lora_A.weight", left.T)
        merged.add(f"{module}.lora_B.weight", right.T)
    else:
        merged.add(f"{module}.lora_A.weight", right.view(-1, *tensor.shape[1:]))
        merged.add(f"{module}.lora_B.weight", left.view(*left.shape, *[1] * (len(tensor.shape) - 2)))
