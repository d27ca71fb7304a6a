"""Reads the tokenizers of models (tokenizer.json), and unites those that differ in their added tokens alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import attrs

from evoniche_torch.files.compatibility import MergeError
from evoniche_torch.files.model_folder import ModelFolder
from evoniche_torch.files.safetensors_reader import parse_json

__all__ = ["TOKENIZER_JSON", "Tokenizer", "read_tokenizer", "unite"]

TOKENIZER_JSON = "tokenizer.json"
_SAME = ("normalizer", "pre_tokenizer", "decoder")
"""Parts of the file in which tokenizers that are united must not differ."""
_SHOWN = 3


@final
@attrs.frozen
class Tokenizer:
    """The tokens of a model."""

    label: str
    file: Path
    contents: Mapping[str, Any] = attrs.field(repr=False)
    """The contents of tokenizer.json."""
    tokens: Mapping[str, int] = attrs.field(repr=False)
    """Token -> its number, which is its row in an embedding."""


def read_tokenizer(label: str, folder: ModelFolder) -> Tokenizer:
    """Read the tokenizer of a model, or that beside its adapter.

    Args:
        label: The name of the model.
        folder: The folder of the model.

    Raises:
        MergeError: There is no tokenizer.json, or it is damaged.
    """
    file = next((file for name, file in folder.copies.items() if name.name == TOKENIZER_JSON), None)
    if file is None:
        raise MergeError(f"{folder.given}: has no tokenizer.json, so its rows cannot be told apart by their tokens: "
                         "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) may write one.")
    try:
        contents = parse_json(file.read_bytes(), file)
        return Tokenizer(label, file, contents, _tokens(contents))
    except OSError as error:
        raise MergeError(f"{file}: cannot be read ({error}).") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, MergeError):
            raise
        raise MergeError(f"{file}: is damaged ({error!r}): download or save it again.") from error


def _tokens(contents: Mapping[str, Any]) -> dict[str, int]:
    found = contents["model"]["vocab"]
    pairs = found.items() if isinstance(found, dict) else ((piece, number) for number, (piece, *_) in enumerate(found))
    tokens = {str(token): int(number) for token, number in pairs}
    return tokens | {str(token["content"]): int(token["id"]) for token in contents.get("added_tokens") or ()}


def unite(tokenizers: Sequence[Tokenizer]) -> Tokenizer:
    """Make one tokenizer of several: the first, and behind its tokens those that the others have added.

    Args:
        tokenizers: One for each model.

    Raises:
        MergeError: They differ in more than added tokens, so no tokenizer cuts text as all of them do.
    """
    first = tokenizers[0]
    if problems := [problem for other in tokenizers[1:] for problem in _differences(first, other)]:
        listed = "\n  ".join(problems)
        raise MergeError("these tokenizers cannot be united, since they do not differ in added tokens alone (with "
                         f"--tokenizer first, all models get that of the first):\n  {listed}")
    contents = json.loads(json.dumps(first.contents))
    tokens = dict(first.tokens)
    for other in tokenizers[1:]:
        for token in sorted(other.contents.get("added_tokens") or (), key=lambda token: int(token["id"])):
            if token["content"] not in tokens:
                number = max(tokens.values(), default=-1) + 1
                tokens[token["content"]] = number
                contents.setdefault("added_tokens", []).append({**token, "id": number})
    return Tokenizer("union", first.file, contents, tokens)


def _differences(first: Tokenizer, other: Tokenizer) -> list[str]:
    names = f"{first.label} and {other.label}"
    one, two = (dict(tokenizer.contents["model"]) for tokenizer in (first, other))
    found = []
    if one.get("type") != two.get("type"):
        return [f"{names} are of the types {one.get('type')} and {two.get('type')}"]
    vocabularies = [dict(_pieces(model.pop("vocab"))) for model in (one, two)]
    differing = [token for token in {**vocabularies[0], **vocabularies[1]} if _apart(token, *vocabularies)]
    if differing:
        some = ", ".join(map(repr, differing[:_SHOWN]))
        found.append(f"{names} have vocabularies that differ in {len(differing):,} tokens beside those added: {some}")
    merges = [[pair if isinstance(pair, str) else " ".join(pair) for pair in model.pop("merges", [])]
              for model in (one, two)]  # fmt: skip
    if merges[0] != merges[1]:
        found.append(f"{names} merge other pairs")
    differing = [key for key in {**one, **two} if _apart(key, one, two)]
    differing += [part for part in _SAME if _apart(part, first.contents, other.contents)]
    return found + ([f"{names} differ in {', '.join(differing)}"] if differing else [])


def _pieces(found: Any) -> list[tuple[str, Any]]:
    if isinstance(found, dict):
        return [*found.items()]
    return [(piece, [number, *more]) for number, (piece, *more) in enumerate(found)]


def _apart(key: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.get(key) != other.get(key)
