"""The tokens that the models read and write: each is a character, or a mark for padding, begin or end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = ["BOS", "EOS", "PAD", "VOCABULARY", "decode", "encode", "tokenizer"]

_SPECIAL = ("<pad>", "<bos>", "<eos>")
VOCABULARY = {token: i for i, token in enumerate((*_SPECIAL, *"0123456789+=:>NESW"))}
"""Token -> its id."""
PAD, BOS, EOS = (VOCABULARY[token] for token in _SPECIAL)

_TOKENS = tuple(VOCABULARY)


def encode(texts: Iterable[str]) -> Tensor:
    """Return the token ids of texts of one length, without BOS and EOS; shape (texts, length).

    Raises:
        KeyError: A character is not a token.
        ValueError: The texts have different lengths.

    >>> decode(encode(["3+4=", "9+1="]))
    ['3+4=', '9+1=']
    """
    return torch.tensor([[VOCABULARY[character] for character in text] for text in texts])


def decode(tokens: Tensor) -> list[str]:
    """Return the texts of token ids (texts, length), each up to its first EOS and without BOS and PAD."""
    texts = []
    for row in tokens.tolist():
        end = row.index(EOS) if EOS in row else len(row)
        texts.append("".join(_TOKENS[token] for token in row[:end] if token not in (PAD, BOS)))
    return texts


def tokenizer() -> PreTrainedTokenizerFast:
    """Make the tokenizer for transformers, with BOS first, padding on the left, and an error at unknown characters."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel(VOCABULARY, unk_token="<unk>"))  # not in the vocabulary: refused when met
    backend.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    backend.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", BOS)])
    backend.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
