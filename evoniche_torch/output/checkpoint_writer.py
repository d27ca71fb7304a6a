"""Writes merged models as folders that load like those of their seeds."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from os import PathLike
from pathlib import Path
from typing import Any

import attrs
import msgspec
import torch
from tqdm import tqdm

from evoniche._files import new_folder, sha256
from evoniche.merging import Recipe, Recipes, one_recipe
from evoniche_torch.files import ModelFolder, TensorInfo, model_paths, write_vocabulary_files
from evoniche_torch.models import (
    MERGE_BLOCK,
    CheckpointSeeds,
    ExplicitFilling,
    ExplicitMerge,
    TensorSeeds,
    weighted_recipe,
)
from evoniche_torch.output.model_card import render_card
from evoniche_torch.output.output_folder import check_output_folder
from evoniche_torch.output.recipe_file import OUTPUT_DTYPES, Card, RecipeFile, SeedFiles, index_digest, read_recipe
from evoniche_torch.output.safetensors_writer import (
    ShardNames,
    bytes_of,
    encode_header,
    in_file_order,
    parse_size,
    split_shards,
    write_tensors,
)
from evoniche_torch.output.side_file_copies import check_digests, copy_side_files

__all__ = ["describe_merge", "holds_merge", "rewrite_checkpoint", "write_checkpoint"]

Fill = Callable[[torch.Tensor, int], None]

_SPARE = 1 << 20
"""Bytes that must be free beyond those of the files, for folders and the like."""


def write_checkpoint(
    recipe: Recipe | Recipes | ExplicitMerge,
    seeds: TensorSeeds,
    out: str | PathLike[str],
    *,
    dtype: torch.dtype | str | None = None,
    shard_size: int | str = "5GB",
    like: int = 0,
    card: Mapping[str, Any] | Card | None = None,
    more: Callable[[Path], object] | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Path:
    """Write a merged model as a folder that loads like those of its seeds.

    Parameters are merged in single precision (in double, if the seeds have that) and rounded once, block by block, so
    memory does not grow with the model. The folder appears at `out` when it is complete, and not before. With it come
    a README.md and a recipe.json, from which `evoniche export` makes the same bytes again.

    Args:
        recipe: A recipe, a batch of one, or TIES or DARE.
        seeds: The seeds that the recipe combines. Modules in memory have no config that could be copied: only their
            weights are written.
        out: A folder that does not exist yet, or is empty.
        dtype: The dtype of the merged tensors, such as torch.bfloat16 or "bfloat16". When None, each has the dtype
            that it has in the seed `like`.
        shard_size: The size above which weights are spread over several files: bytes, or a text such as "5GB".
        like: The number of the seed whose config, tokenizer and other files the model gets.
        card: What the README.md tells beyond the recipe: a `Card`, or its fields by name.
        more: A function that puts further files into the folder, which it is given, before it appears at `out`.
        overwrite: Whether a model that is already at `out` is replaced once the new one is complete.
        progress: Show a progress bar.

    Returns:
        `out`.

    Raises:
        TypeError: The recipe is something else.
        ValueError: The recipe is over other seeds, an option is out of range, or the dtype cannot hold a number.
        FileExistsError: `out` is a file or is not empty, and may not be replaced.
        OSError: The disk is full or cannot be written. No part of the model stays behind.

    Example:
        result = evoniche.merge(seeds, scorer).run(1000)
        write_checkpoint(result.best.genome, seeds, "merged", dtype="bfloat16")
    """
    explicit = recipe if isinstance(recipe, ExplicitMerge) else None
    if isinstance(recipe, ExplicitMerge):
        recipe = weighted_recipe(seeds, recipe.weights)
    record = describe_merge(one_recipe(recipe, seeds), seeds, dtype, shard_size, like, Card.of(card))
    record = msgspec.structs.replace(record, explicit=explicit)
    _write(record, seeds, Path(out), None, overwrite, progress, more)
    return Path(out)


def holds_merge(
    out: str | PathLike[str], recipe: Recipe | Recipes, seeds: TensorSeeds, *, dtype: torch.dtype | str | None = None,
    shard_size: int | str = "5GB", like: int = 0,
) -> bool:  # fmt: skip
    """Whether a folder holds, whole and unchanged, what `write_checkpoint` would write of this recipe; see there."""
    try:
        there = read_recipe(Path(out) / "recipe.json")
        intact = all(sha256(Path(out) / name) == digest for name, digest in there.written.items())
    except (OSError, ValueError):
        return False
    here = describe_merge(one_recipe(recipe, seeds), seeds, dtype, shard_size, like, Card())
    return intact and bool(there.written) and there.is_like(here)


def rewrite_checkpoint(
    record: RecipeFile, seeds: CheckpointSeeds, out: str | PathLike[str], *, overwrite: bool = False,
    progress: bool = False,
) -> list[str]:  # fmt: skip
    """Write a model again from its recipe.json, byte for byte on the same kind of processor.

    Args:
        record: The contents of recipe.json.
        seeds: The models of the recipe, opened again.
        out: See `write_checkpoint`.
        overwrite: See `write_checkpoint`.
        progress: See `write_checkpoint`.

    Returns:
        The names of files whose bytes are other ones than those that were written first, as far as the recipe knows.

    Raises:
        MergeError: Seeds have changed since; the message names the files.
        FileExistsError: See `write_checkpoint`.
        OSError: See `write_checkpoint`.
    """
    record.check(seeds, seeds.digests, [folder.given for folder in seeds.folders])
    written = _write(record, seeds, Path(out), record.side_files, overwrite, progress)
    return [name for name, digest in record.written.items() if written.get(name, digest) != digest]


def describe_merge(
    recipe: Recipe, seeds: TensorSeeds, dtype: torch.dtype | str | None, shard_size: int | str, like: int, card: Card
) -> RecipeFile:
    """What recipe.json says of a merge, but for the digests of the side files; see `write_checkpoint`."""
    name = None if dtype is None else str(dtype).removeprefix("torch.")
    if name is not None and name not in OUTPUT_DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(OUTPUT_DTYPES)}, or None for that of the seeds, "
                         f"got {dtype!r}.")
    if isinstance(like, bool) or not isinstance(like, int) or not 0 <= like < seeds.count:
        raise ValueError(f"like must be the number of a seed, 0 to {seeds.count - 1}, got {like!r}.")
    folders = seeds.folders if isinstance(seeds, CheckpointSeeds) else ()
    stem = folders[like].stem if folders else "model"
    models = _seed_files(seeds)
    recipe = Recipe.of(recipe.boundaries, recipe.coefficients)
    return RecipeFile(
        seeds=tuple(models[: seeds.count]),
        base=models[-1] if len(models) > seeds.count else None,
        kind=folders[like].kind if folders else "memory",
        stem="model" if stem == "pytorch_model" else stem,
        tensors=tuple(tensor.name for tensor in seeds.index.merged),
        index=index_digest(seeds.index),
        dtype=name,  # type: ignore[arg-type]  # one of OUTPUT_DTYPES
        shard_size=parse_size(shard_size),
        like=like,
        component=_agreed({folder.component for folder in folders}),
        variant=_agreed({folder.variant for folder in folders}),
        mixed_dtypes=isinstance(seeds, CheckpointSeeds) and seeds.mixed_dtypes,
        ignore=seeds.ignore if isinstance(seeds, CheckpointSeeds) else (),
        tokenizer=seeds.tokenizer if isinstance(seeds, CheckpointSeeds) else None,
        side_files={},
        card=card,
        boundaries=tuple(recipe.boundaries.tolist()),
        coefficients=tuple(map(tuple, recipe.coefficients.tolist())),
    )


def _seed_files(seeds: TensorSeeds) -> list[SeedFiles]:
    """What recipe.json says of each model, the base last."""
    if not isinstance(seeds, CheckpointSeeds):
        return [SeedFiles(label, None, {}) for label in seeds.all_labels]
    return [
        SeedFiles(label, folder.given.as_posix(), digests)
        for label, folder, digests in zip(seeds.all_labels, seeds.folders, seeds.digests, strict=True)
    ]


def _agreed(found: set[str | None]) -> str | None:
    """The value that all models have. Models that differ were opened without naming one."""
    return found.pop() if len(found) == 1 else None


def _write(
    record: RecipeFile,
    seeds: TensorSeeds,
    out: Path,
    expected: Mapping[str, str] | None,
    overwrite: bool,
    progress: bool,
    more: Callable[[Path], object] | None = None,
) -> dict[str, str]:
    """Write the whole folder; the SHA-256 of its files of weights and side files, by name.

    Args:
        record: What recipe.json will hold, but for the digests of the side files.
        seeds: The seeds of the model.
        out: The folder to write.
        expected: The digests that the side files must have; None when there is nothing to compare them with.
        overwrite: Whether to replace a model that is there.
        progress: Show a progress bar.
        more: A function that puts further files into the folder.
    """
    folders = seeds.folders if isinstance(seeds, CheckpointSeeds) else ()
    source = folders[record.like] if folders else None
    shards = [in_file_order(shard) for shard in split_shards(_tensors(record, seeds), record.shard_size)]
    size = sum(len(encode_header(shard)) + sum(map(bytes_of, shard)) for shard in shards)
    inputs = model_paths(folder.given for folder in folders)
    with new_folder(out, check=lambda: check_output_folder(out, overwrite=overwrite, inputs=inputs)) as partial:
        _check_room(partial, size, source)
        digests = copy_side_files(source, partial, dtype=record.dtype) if source else {}
        if source and expected is not None:
            check_digests(source.path, digests, expected)
        if isinstance(seeds, CheckpointSeeds) and seeds.vocabulary is not None:
            write_vocabulary_files(partial, seeds.vocabulary, folders, record.like)
        weights = partial / ((source and source.component) or "")
        weights.mkdir(exist_ok=True)
        names = ShardNames(record.stem, source.variant if source else None)
        with tqdm(total=size, desc="writing", unit="B", unit_scale=True, disable=not progress) as bar:
            written = _write_shards(weights, names, shards, _filling(record, seeds), seeds, bar)
        written = {(weights / name).relative_to(partial).as_posix(): digest for name, digest in written.items()}
        written |= {name: sha256(partial / name) for name in digests if (partial / name).is_file()}
        record = msgspec.structs.replace(record, side_files=digests, written=written)
        for name, text in (("recipe.json", record.to_json()), ("README.md", render_card(record))):
            (partial / name).write_text(text, encoding="utf-8", newline="\n")
        if more is not None:
            more(partial)
    return written


def _tensors(record: RecipeFile, seeds: TensorSeeds) -> list[TensorInfo]:
    """The tensors that the files will hold: the flat index in its order, the aliases, and the copied tensors."""
    index = seeds.index
    dtype = OUTPUT_DTYPES.get(record.dtype or "")
    merged = {
        tensor.name: attrs.evolve(tensor, dtype=dtype or seeds.dtype_of(record.like, tensor.name))
        for tensor in index.merged
    }
    known = merged | {tensor.name: tensor for tensor in index.copied}
    aliases = [attrs.evolve(known[name], name=alias) for alias, name in index.tied.items()]
    return [*merged.values(), *aliases, *index.copied]


def _write_shards(
    folder: Path,
    names: ShardNames,
    shards: Sequence[Sequence[TensorInfo]],
    fill: Fill,
    seeds: TensorSeeds,
    bar: Any,
) -> dict[str, str]:
    written = {}
    for number, shard in enumerate(shards):
        blocks = _blocks(shard, fill, seeds)
        name = names.file(number, len(shards))
        written[name] = write_tensors(folder / name, shard, blocks, progress=bar.update)
    if len(shards) > 1:
        weight_map = {tensor.name: names.file(i, len(shards)) for i, shard in enumerate(shards) for tensor in shard}
        total = sum(bytes_of(tensor) for shard in shards for tensor in shard)
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        path = folder / names.index
        path.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
        written[names.index] = sha256(path)
    return written


def _filling(record: RecipeFile, seeds: TensorSeeds) -> Fill:
    """What writes the merged numbers from a flat position on."""
    if record.explicit is not None:
        return ExplicitFilling(record.explicit, seeds).into
    recipe = seeds.complete(record.recipe)
    return lambda out, start: seeds.merge_into(out, recipe, start)


def _blocks(tensors: Sequence[TensorInfo], fill: Fill, seeds: TensorSeeds) -> Iterator[memoryview]:
    """The bytes of all tensors, block by block, in two buffers that take turns."""
    buffers = cycle([torch.empty(MERGE_BLOCK * torch.complex128.itemsize, dtype=torch.uint8) for _ in range(2)])
    copied = {tensor.name for tensor in seeds.index.copied}
    for tensor in tensors:
        name = seeds.index.tied.get(tensor.name, tensor.name)
        start = None if name in copied else seeds.index.span(name)[0]
        for low in range(0, tensor.size, MERGE_BLOCK):
            high = min(low + MERGE_BLOCK, tensor.size)
            buffer = next(buffers)[: (high - low) * tensor.dtype.itemsize]
            numbers = buffer.view(tensor.dtype)
            if start is None:
                numbers.copy_(seeds.read(0, name, low, high))
            else:
                fill(numbers, start + low)
                _check_range(numbers, tensor, fill, seeds.precision, start + low)
            yield memoryview(buffer.numpy())  # type: ignore[arg-type]  # numpy's arrays are buffers


def _check_range(numbers: torch.Tensor, tensor: TensorInfo, fill: Fill, precision: torch.dtype, start: int) -> None:
    """Refuse a dtype that cannot hold the merged numbers.

    Raises:
        ValueError: A number became infinite when it was rounded.
    """
    if torch.finfo(numbers.dtype).max > 1e38 or torch.isfinite(numbers).all():
        return
    exact = torch.empty(len(numbers), dtype=precision)
    fill(exact, start)
    if not (torch.isfinite(numbers) | ~torch.isfinite(exact)).all():
        raise ValueError(f"{tensor.name} has merged numbers that {tensor.dtype} cannot hold, up to "
                         f"{exact.abs().max():.3g}: choose another dtype, such as bfloat16.")


def _check_room(partial: Path, size: int, source: ModelFolder | None) -> None:
    others = list(source.copies.values()) if source else []
    needed = size + _SPARE + sum(file.stat().st_size for file in others)
    free = shutil.disk_usage(partial).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"not enough disk space for the merged model: {needed / 1e9:,.3f} GB are needed, "
                                    f"{free / 1e9:,.3f} GB are free in {partial.parent}")
