"""Model cards: the README.md of a merged model, which tells how it was made."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from evoniche._text import code, escaped, fenced, table
from evoniche_torch.output.provenance import seed_shares
from evoniche_torch.output.recipe_file import RecipeFile, Row, SeedFiles

__all__ = ["render_card"]

_LIBRARIES = ("transformers", "diffusers")
_SNAPSHOT = re.compile(r"models--(.+?)--(.+)")  # how the Hugging Face cache names the folder of a model


def render_card(record: RecipeFile) -> str:
    """Write the README.md of a merged model from its recipe.json, which holds all that the card tells."""
    card = record.card
    parts = [
        _front_matter(record),
        f"# {escaped(card.title or 'Merged model')}",
        _how(record),
        "## Models\n\n" + _models(record),
        "## Lineage\n\n" + "\n".join(f"- {escaped(line)}" for line in card.lineage) if card.lineage else "",
        "## Scores\n\n" + _table(*card.scores) if card.scores else "",
        "\n\n".join(card.notes),
        "## How to make it again\n\n" + _again(record),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(record: RecipeFile) -> str:
    names = dict.fromkeys(map(_public_name, (name for seed in record.models for name in _paths(seed))))
    lines = ["---", "base_model:", *(f"- {json.dumps(name, ensure_ascii=False)}" for name in names)]
    lines += ["tags:", "- merge", "- evoniche"]
    lines += [f"library_name: {record.kind}"] if record.kind in _LIBRARIES else []
    return "\n".join([*lines, "---"])


def _paths(seed: SeedFiles) -> list[str]:
    """The path of a model, or of a base and its adapter."""
    path = seed.path or seed.label
    return path.split("+") if any(name.startswith("+") for name in seed.files) else [path]


def _public_name(path: str) -> str:
    """The name of a model on the Hugging Face hub if its folder tells it, otherwise the name of the folder."""
    parts = PurePath(path).parts
    for part in parts:
        if found := _SNAPSHOT.fullmatch(part):
            return f"{found[1]}/{found[2]}"
    return parts[-1] if parts else path


def _how(record: RecipeFile) -> str:
    recipe = record.recipe
    segments = len(recipe.coefficients)
    what = f"the {len(record.seeds)} models below" if len(record.seeds) > 1 else "the model below"
    if record.base:
        what = f"the differences of {what} from the base {code(record.base.label)}, added to it"
    if (explicit := record.explicit) is not None:
        weights = ", ".join(f"{weight:g}" for weight in explicit.weights)
        return (
            f"A merge by evoniche: {explicit.method} of {what}, with the weights {weights}, the density "
            f"{explicit.density:g} and the factor {explicit.scale:g}. It was computed in single precision or better "
            "and rounded once."
        )
    return (
        f"A merge by evoniche: a linear combination of {what}, with coefficients "
        f"that are constant in each of {segments:,} segment{'s' * (segments > 1)} of the {recipe.size:,} parameters. "
        "It was computed in single precision or better and rounded once. The coefficients are in `recipe.json`."
    )


def _models(record: RecipeFile) -> str:
    shares = seed_shares(record.recipe, np.array([0, record.recipe.size]))[0]
    rows = [
        (code(seed.label), f"{share:.1%}") for seed, share in zip(record.seeds, shares, strict=True)
    ]
    if record.base:
        rows.append((code(record.base.label), "base"))
    return table(("model", "share"), rows) + (
        "\n\nThe share of a model is that of its coefficient among all (absolute values), on average over parameters."
    )


def _again(record: RecipeFile) -> str:
    export = "evoniche export recipe.json --out DIR"
    if record.kind == "memory":
        return "Its models were in memory, so it cannot be made again from files."
    text = f"From the same models, byte by byte on the same kind of processor:\n\n{fenced(export, 'sh')}"
    if record.card.command:
        text += f"\n\nIt was found by\n\n{fenced(record.card.command, 'sh')}"
    return text


def _table(columns: Sequence[str], rows: Sequence[Row]) -> str:
    return table([escaped(column) for column in columns], [[_cell(value) for value in row] for row in rows])


def _cell(value: str | float) -> str:
    return f"{value:.3f}" if isinstance(value, float) else escaped(str(value))
