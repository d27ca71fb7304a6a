"""recipe.json: all that a merged model is made of, so that the same bytes can be written again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path, PurePath
from typing import Any, final

import attrs

from evoniche.merging.recipe import Recipe
from evoniche_torch.files import MERGED_DTYPES, MergeError, TensorIndex
from evoniche_torch.models import TensorSeeds
from evoniche_torch.output.model_card import Card
from evoniche_torch.output.output_folder import check_digests

__all__ = ["OUTPUT_DTYPES", "RecipeFile", "SeedFiles", "index_digest", "read_recipe"]

_FORMAT, _VERSION = "evoniche recipe", 1
_KINDS = ("transformers", "diffusers", "file", "memory")

OUTPUT_DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in MERGED_DTYPES}
"""Dtypes that a merged model can have, by name."""


@final
@attrs.frozen
class SeedFiles:
    """A seed, and by what it is known again."""

    label: str
    path: str | None
    """As it was given; None for a model in memory."""
    files: Mapping[str, str]
    """The name of each file of weights -> its SHA-256."""


@final
@attrs.frozen(eq=False)
class RecipeFile:
    """What recipe.json says."""

    recipe: Recipe
    seeds: tuple[SeedFiles, ...]
    base: SeedFiles | None
    kind: str
    """What the models are: "transformers", "diffusers", "file" or "memory"."""
    stem: str
    """How the files of weights begin."""
    component: str | None
    """As the models are to be opened, like the following three."""
    variant: str | None
    mixed_dtypes: bool
    ignore: tuple[str, ...]
    tensors: tuple[str, ...]
    """The tensors of the flat index, in its order."""
    index: str
    """A digest of their names and shapes."""
    dtype: str | None
    """Of the merged model; None: each tensor as in the seed that it is like."""
    shard_size: int
    like: int
    """Whose config, tokenizer and dtypes the model has."""
    side_files: Mapping[str, str]
    """The other files of that seed -> SHA-256."""
    card: Card

    def to_json(self) -> str:
        """The text of the file; numbers are written so that they are read back exactly."""
        table = {
            "format": _FORMAT,
            "version": _VERSION,
            **{field.name: getattr(self, field.name) for field in attrs.fields(RecipeFile) if field.name != "recipe"},
            "boundaries": self.recipe.boundaries.tolist(),
            "coefficients": self.recipe.coefficients.tolist(),
        }
        lines = [f"{json.dumps(key)}: {_rows(_plain(value))}" for key, value in table.items()]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def check(self, seeds: TensorSeeds, digests: Sequence[Mapping[str, str]], places: Sequence[Path]) -> None:
        """Refuse seeds that are not the ones that the recipe is of.

        Args:
            seeds: As they were opened.
            digests: For each of them, and at last for the base, the files and their SHA-256.
            places: Where each of them lies, for the message.

        Raises:
            MergeError: A file that has changed, naming it, or other tensors.
        """
        recorded = [*self.seeds, *([self.base] if self.base else [])]
        if len(recorded) != len(digests):
            raise MergeError(f"the recipe is of {len(recorded)} models (with its base), got {len(digests)}.")
        for seed, found, place in zip(recorded, digests, places, strict=True):
            if [*seed.files.values()] != [*found.values()] or self.kind != "file":  # a file may have another name now
                check_digests(place, found, seed.files)
        names = tuple(tensor.name for tensor in seeds.index.merged)
        if (names, index_digest(seeds.index), seeds.size) != (self.tensors, self.index, self.recipe.size):
            raise MergeError("the recipe is of other tensors than these models have: was it edited?")


def index_digest(index: TensorIndex) -> str:
    """A digest of the names and shapes of the tensors in the flat index, in their order."""
    listed = [[tensor.name, list(tensor.shape)] for tensor in index.merged]
    return hashlib.sha256(json.dumps(listed, ensure_ascii=False).encode()).hexdigest()


def read_recipe(path: str | PathLike[str]) -> RecipeFile:
    """Read and check a recipe.json.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no recipe, naming the key that is missing or wrong.
    """
    path = Path(path)
    try:
        table = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no recipe.json: {error}.") from None
    if not isinstance(table, dict) or table.get("format") != _FORMAT:
        raise ValueError(f"{path} is no recipe.json of evoniche: its \"format\" must be {_FORMAT!r}.")
    if table.get("version") != _VERSION:
        raise ValueError(f"{path}: \"version\" must be {_VERSION}, got {table.get('version')!r}: "
                         "a newer evoniche wrote it.")
    for key, (rule, fits) in _RULES.items():
        if key not in table:
            raise ValueError(f"{path}: {key!r} is missing, {rule}.")
        if not fits(table[key]):
            raise ValueError(f"{path}: {key!r} must be {rule}, got {_shortened(table[key])}.")
    try:
        return _record(table)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{path}: {error}") from None


def _record(table: Mapping[str, Any]) -> RecipeFile:
    seeds = tuple(SeedFiles(**seed) for seed in table["seeds"])
    for row in table["coefficients"]:
        if len(row) != len(seeds):
            raise ValueError(f"'coefficients' must have a number for each of {len(seeds)} seeds in a row, got {row}.")
    recipe = Recipe.of(table["boundaries"], table["coefficients"])
    if table["like"] >= len(seeds):
        raise ValueError(f"'like' must be the number of a seed, 0 to {len(seeds) - 1}, got {table['like']}.")
    given = {field.name: table[field.name] for field in attrs.fields(RecipeFile) if field.name != "recipe"}
    given |= {"seeds": seeds, "base": SeedFiles(**table["base"]) if table["base"] else None}
    given |= {"ignore": tuple(table["ignore"]), "tensors": tuple(table["tensors"]), "card": Card.of(table["card"])}
    return RecipeFile(recipe=recipe, **given)


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        return {name: _plain(part) for name, part in attrs.asdict(value, recurse=False).items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _rows(value: Any) -> str:
    """JSON with one line for each row of a table, and for each object in a list."""
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        return "[\n  " + ",\n  ".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in value) + "\n]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _integer(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**63


def _inside(name: object) -> bool:
    """Whether it is the name of a file inside a folder, and of none outside."""
    if not isinstance(name, str) or not name or "\0" in name:
        return False
    path = PurePath(name)
    return bool(path.parts) and not path.anchor and ".." not in path.parts


def _plain_name(name: object) -> bool:
    return _inside(name) and PurePath(str(name)).name == name


def _digests(value: object) -> bool:
    return isinstance(value, dict) and all(
        _inside(name) and isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest) is not None
        for name, digest in value.items()
    )


def _seed(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"label", "path", "files"}
        and isinstance(value["label"], str)
        and isinstance(value["path"], str | None)
        and _digests(value["files"])
    )


def _list_of(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SEED = "objects with \"label\", \"path\" (text or null) and \"files\" (name -> SHA-256)"
_RULES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "seeds": (f"a list of at least one of {_SEED}", lambda value: bool(value) and _list_of(_seed)(value)),
    "base": (f"null or one of {_SEED}", lambda value: value is None or _seed(value)),
    "kind": (f"one of {', '.join(_KINDS)}", lambda value: value in _KINDS),
    "stem": ("a plain file name", _plain_name),
    "component": ("null or the plain name of a folder", lambda value: value is None or _plain_name(value)),
    "variant": ("null or a part of a file name", lambda value: value is None or _plain_name(value)),
    "mixed_dtypes": ("true or false", lambda value: isinstance(value, bool)),
    "ignore": ("a list of texts", _list_of(lambda value: isinstance(value, str))),
    "tensors": ("a list of names", _list_of(lambda value: isinstance(value, str))),
    "index": ("a SHA-256", lambda value: isinstance(value, str)),
    "dtype": (f"null or one of {', '.join(OUTPUT_DTYPES)}", lambda value: value is None or value in OUTPUT_DTYPES),
    "shard_size": ("a number of bytes, 1 or more", lambda value: _integer(value, 1)),
    "like": ("the number of a seed, 0 or more", lambda value: _integer(value, 0)),
    "side_files": ("an object, name -> SHA-256", _digests),
    "card": ("an object", lambda value: isinstance(value, dict)),
    "boundaries": ("a list of integers", _list_of(lambda value: _integer(value, 0))),
    "coefficients": ("a list of lists of numbers, one for each segment", _list_of(_list_of(_number))),
}
