"""Writes the tokenizer and the configuration of a merge of models whose vocabularies differ."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evoniche import _log
from evoniche_torch.files.model_folder import ModelFolder
from evoniche_torch.files.side_files import matches
from evoniche_torch.files.tokenizer_file import TOKENIZER_JSON
from evoniche_torch.files.vocabulary import Vocabulary

__all__ = ["write_vocabulary_files"]

_TOKENIZER = (
    "tokenizer*", "special_tokens_map.json", "added_tokens.json", "*vocab*", "merges.txt", "*.model", "*.spm",
    "*.tiktoken", "tekken.json", "chat_template*", "*.jinja",
)  # fmt: skip
_CONFIGS = ("config.json", "generation_config.json")
_SIZE = "vocab_size"
_ID = "token_id"


def write_vocabulary_files(target: Path, vocabulary: Vocabulary, folders: Sequence[ModelFolder], like: int) -> None:
    """Give a folder the tokenizer of a merge, and configurations that fit it.

    Args:
        target: A folder with the side files of the model `like`.
        vocabulary: The vocabulary of the merge.
        folders: The folders of the models.
        like: The number of the model whose side files these are. Numbers of tokens in its configurations, such as
            eos_token_id, become those of the same tokens.
    """
    for name in folders[like].copies:
        if matches(name.name, _TOKENIZER):
            (target / name).unlink()
    for name, file in folders[vocabulary.owner].copies.items():
        if matches(name.name, _TOKENIZER):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target / name)
    _add_tokens(target, vocabulary)
    numbers = {number: token for token, number in vocabulary.tokenizers[like].tokens.items()}
    for file in (target / name for name in _CONFIGS):
        if file.is_file():
            _write(file, _with_numbers(json.loads(file.read_bytes()), vocabulary, numbers))


def _add_tokens(target: Path, vocabulary: Vocabulary) -> None:
    """Write the tokens that were added into every file of the tokenizer that lists such tokens."""
    before = vocabulary.tokenizers[vocabulary.owner].tokens
    if not (added := {token: i for token, i in vocabulary.tokenizer.tokens.items() if token not in before}):
        return
    _write(target / TOKENIZER_JSON, vocabulary.tokenizer.contents)
    if (file := target / "added_tokens.json").is_file():
        _write(file, json.loads(file.read_bytes()) | added)
    if (file := target / "tokenizer_config.json").is_file():
        config = json.loads(file.read_bytes())
        if isinstance(config.get("added_tokens_decoder"), dict):
            entries = [token for token in vocabulary.tokenizer.contents["added_tokens"] if token["content"] in added]
            config["added_tokens_decoder"] |= {
                str(entry["id"]): {key: value for key, value in entry.items() if key != "id"} for entry in entries
            }
            _write(file, config)


def _with_numbers(config: Any, vocabulary: Vocabulary, numbers: Mapping[int, str]) -> Any:
    """A configuration with the size of the vocabulary, and the numbers of its tokens."""
    if not isinstance(config, dict):
        return config
    found = {}
    for key, value in config.items():
        if key == _SIZE and isinstance(value, int):
            found[key] = vocabulary.size
        elif key.endswith((_ID, f"{_ID}s")):
            found[key] = _number(key, value, vocabulary, numbers)
        else:
            found[key] = _with_numbers(value, vocabulary, numbers)
    return found


def _number(key: str, value: Any, vocabulary: Vocabulary, numbers: Mapping[int, str]) -> Any:
    if isinstance(value, list):
        return [number for one in value if (number := _number(key, one, vocabulary, numbers)) is not None]
    if value not in numbers:
        return value  # none, or beyond the tokenizer
    number = vocabulary.tokenizer.tokens.get(numbers[value])
    if number is None:
        _log.warning("config: {} is the token {!r}, which the vocabulary of the merge does not have: it is left out.",
                     key, numbers[value])  # fmt: skip
    return number


def _write(file: Path, contents: Any) -> None:
    file.write_text(json.dumps(contents, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
