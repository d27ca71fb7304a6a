"""recipe.json: all that a merged model is made of, so that the same bytes can be written again.

The classes below are the layout of the file: msgspec reads it into them, checks every type, and says at which place of
the file ($.seeds[0].label) something is wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, final

import attrs
import msgspec
import numpy as np
from msgspec import Meta

from evoniche.merging import Recipe
from evoniche_torch.files import MERGED_DTYPES, MergeError, TensorIndex
from evoniche_torch.models import ExplicitMerge, TensorSeeds
from evoniche_torch.output.side_file_copies import check_digests

__all__ = ["OUTPUT_DTYPES", "Card", "RecipeFile", "Row", "SeedFiles", "index_digest", "read_recipe"]

OUTPUT_DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in MERGED_DTYPES}
"""The dtypes that a merged model can have, by name."""

Kind = Literal["transformers", "diffusers", "file", "memory"]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Row = tuple[str | int | float, ...]
Table = tuple[tuple[str, ...], tuple[Row, ...]]


def _text(_: Card, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str | None):
        raise ValueError(f"Card({attribute.name}=...) must be text, got {value!r}.")


def _lines(value: object) -> tuple[str, ...]:
    lines = (value,) if isinstance(value, str) else value
    if not isinstance(lines, Sequence) or not all(isinstance(line, str) for line in lines):
        raise ValueError(f"Card(lineage=..., notes=...) must be lines of text, got {value!r}.")
    return tuple(lines)


def _table(value: object) -> Table | None:
    if value is None:
        return None
    if not isinstance(value, Sequence) or len(value) != 2:
        raise ValueError(f"Card(scores=...) must be (columns, rows), got {value!r}.")
    return tuple(map(str, value[0])), tuple(tuple(row) for row in value[1])


def _rectangular(_: Card, __: attrs.Attribute[Any], value: Table | None) -> None:
    columns, rows = value or ((), ())
    fit = all(isinstance(cell, str) or (isinstance(cell, int | float) and np.isfinite(cell))
              for row in rows for cell in row)  # fmt: skip
    if not fit or any(len(row) != len(columns) for row in rows):
        raise ValueError("Card(scores=...) must be (columns, rows): as many cells in each row as there are columns, "
                         f"each a text or a finite number, got {value!r}.")


@final
@attrs.frozen
class Card:
    """What a model card tells beyond the recipe.

    >>> Card(title="Maths and Dutch", notes="Two 7B models, merged on a laptop.").notes
    ('Two 7B models, merged on a laptop.',)
    """

    title: str | None = attrs.field(default=None, validator=_text)
    """The heading; "Merged model" when None."""
    command: str | None = attrs.field(default=None, validator=_text)
    """The command line that made the model."""
    scores: Table | None = attrs.field(default=None, converter=_table, validator=_rectangular)
    """(columns, rows): the seeds against the merged model; numbers are shown with three decimals."""
    lineage: tuple[str, ...] = attrs.field(default=(), converter=_lines)
    """From whom the model descends, line by line."""
    notes: tuple[str, ...] = attrs.field(default=(), converter=_lines)
    """Anything else in Markdown, paragraph by paragraph; all other fields are shown as they are."""

    @classmethod
    def of(cls, card: Mapping[str, Any] | Card | None) -> Card:
        """Make a card from its fields by name.

        Raises:
            ValueError: A field that a card does not have, or a value of the wrong type.
        """
        if isinstance(card, Card):
            return card
        known = [field.name for field in attrs.fields(cls)]
        if unknown := sorted(set(card or {}) - set(known)):
            raise ValueError(f"card has no {', '.join(map(repr, unknown))}: it may have {', '.join(known)}.")
        return cls(**(card or {}))


@final
class SeedFiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A seed, and the digests by which it is recognised."""

    label: str
    path: str | None
    """As the user gave it; None for a model in memory."""
    files: dict[str, Digest]
    """The name of each file of weights -> the SHA-256 of its contents."""

    def __post_init__(self) -> None:
        _check_inside(self.files)


@final
class RecipeFile(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of recipe.json, field by field in the order of the file."""

    format: Literal["evoniche recipe"] = "evoniche recipe"
    version: Literal[1] = 1
    seeds: Annotated[tuple[SeedFiles, ...], Meta(min_length=1)]
    base: SeedFiles | None
    kind: Kind
    """What the models are: folders of a library, bare files, or modules in memory."""
    stem: str
    """What the names of the files of weights begin with."""
    component: str | None
    """The models are opened with this and the next three as arguments."""
    variant: str | None
    mixed_dtypes: bool
    ignore: tuple[str, ...]
    tensors: tuple[str, ...]
    """The tensors of the flat index, in its order."""
    index: str
    """A digest of their names and shapes."""
    dtype: Literal["float32", "bfloat16", "float16", "float64"] | None
    """The dtype of the merged tensors; when None, each has that of the seed that the model is like."""
    shard_size: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    like: Whole
    """The seed whose config, tokenizer and dtypes the model has."""
    tokenizer: Whole | Literal["union"] | None = None
    """The number of the model whose vocabulary the merge has, if vocabularies differ; see `CheckpointSeeds`."""
    side_files: dict[str, Digest]
    """The other files of that seed -> SHA-256."""
    written: dict[str, Digest] = {}
    """The files of the merged model that follow from all this -> SHA-256 of what was written."""
    card: Card
    explicit: ExplicitMerge | None = None
    """How the models were merged if not as the recipe says, whose coefficients are the weights then."""
    boundaries: tuple[Whole, ...]
    """See `Recipe`."""
    coefficients: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        """Check what types do not say.

        Raises:
            ValueError: A name that leads out of a folder, or numbers that do not fit together.
        """
        _check_inside(self.side_files)
        _check_inside(self.written)
        for key in ("stem", "component", "variant"):
            if (name := getattr(self, key)) is not None and not _is_plain(name):
                raise ValueError(f"{key!r} must be the plain name of a file or folder, got {name!r}")
        count = len(self.seeds)
        for row in self.coefficients:
            if len(row) != count:
                raise ValueError(f"'coefficients' must have a number for each of {count} seeds in a row, got {row}")
        if self.like >= count:
            raise ValueError(f"'like' must be the number of a seed, 0 to {count - 1}, got {self.like}")
        _ = self.recipe

    @property
    def recipe(self) -> Recipe:
        """The combination of the seeds."""
        return Recipe.of(self.boundaries, self.coefficients)

    @property
    def models(self) -> list[SeedFiles]:
        """The seeds, and the base last where there is one."""
        return [*self.seeds, *([self.base] if self.base else [])]

    def to_json(self) -> str:
        """The text of the file; numbers are written so that they are read back exactly."""
        lines = [f"{json.dumps(key)}: {_rows(_in_order(getattr(self, key)))}" for key in self.__struct_fields__]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def is_like(self, other: RecipeFile) -> bool:
        """Whether both are of the same merge, written in the same way; where and what from may be told otherwise."""
        told = {"seeds", "base", "card", "side_files", "written"}
        files = [[list(model.files.values()) for model in record.models] for record in (self, other)]
        kept = [key for key in self.__struct_fields__ if key not in told]
        return files[0] == files[1] and all(getattr(self, key) == getattr(other, key) for key in kept)

    def check(self, seeds: TensorSeeds, digests: Sequence[Mapping[str, str]], places: Sequence[Path]) -> None:
        """Refuse seeds that are not those of the recipe.

        Args:
            seeds: The models as they were opened.
            digests: For each model, the base last: the name of each file -> its SHA-256.
            places: Where each model lies, for the message.

        Raises:
            MergeError: A file has changed, which is named, or the models have other tensors.
        """
        if len(self.models) != len(digests):
            raise MergeError(f"the recipe is of {len(self.models)} models (with its base), got {len(digests)}.")
        for seed, found, place in zip(self.models, digests, places, strict=True):
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
        ValueError: It is no recipe; the message names the place in the file that is missing or wrong.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        table = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        found = {key: msgspec.json.decode(table.get(key, b"null")) for key in ("format", "version")}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no recipe.json: {error}.") from None
    if found["format"] != "evoniche recipe":
        raise ValueError(f"{path} is no recipe.json of evoniche: its \"format\" must be 'evoniche recipe'.")
    if found["version"] != 1:
        raise ValueError(f"{path}: \"version\" must be 1, got {found['version']!r}: "
                         "a newer evoniche wrote it.")
    try:
        record = msgspec.json.decode(data, type=RecipeFile)
        Card.of(msgspec.json.decode(table["card"]))  # msgspec would pass over a field that a card does not have
        return record
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is a recipe.json with a mistake: {str(error).rstrip('.')}.") from None


def _in_order(value: Any) -> Any:
    """A value as JSON has it, with fields in the order in which they are defined."""
    if isinstance(value, msgspec.Struct):
        return {name: _in_order(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Card | ExplicitMerge):
        return attrs.asdict(value, recurse=False)
    return [_in_order(part) for part in value] if isinstance(value, tuple) else value


def _rows(value: Any) -> str:
    """JSON with one line for each row of a table, and for each object in a list."""
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        return "[\n  " + ",\n  ".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in value) + "\n]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _check_inside(names: Mapping[str, str]) -> None:
    for name in names:
        path = PurePath(name)
        if not path.parts or path.anchor or ".." in path.parts or "\0" in name:
            raise ValueError(f"files must lie inside the model's folder, got {name!r}")


def _is_plain(name: str) -> bool:
    return name not in ("", "..") and "\0" not in name and PurePath(name).name == name
