"""Tiny models whose vocabularies differ: `from tiny_vocabularies import vocabulary_folder`."""

import functools

import torch

TEXT = ["the cat sat on the mat", "a merge of models is a model", "tokens come in the order of their numbers"] * 4


@functools.cache
def trained_tokenizer(size=280, words=tuple(TEXT)):
    """A byte-level BPE as GPT-2 and Llama 3 have it, with <s> and </s>, as text of a tokenizer.json."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(words, trainer)
    return tokenizer.to_str()


def tokenizer_with(added=(), template=None, **options):
    """The trained tokenizer with special tokens that were added one after the other."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer.from_str(trained_tokenizer(**options))
    special = {"bos_token": "<s>", "eos_token": "</s>", "chat_template": template}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **special)
    for token in added:
        tokenizer.add_tokens([token], special_tokens=True)
    return tokenizer


def vocabulary_folder(path, seed, added=(), *, rows=None, tie=False, dtype=torch.float32, eos="</s>", template=None,
                      **options):  # fmt: skip
    """A tiny Llama with such a tokenizer, and a row for each token or more (padding)."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = tokenizer_with(added, template, **options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(LlamaConfig(
            vocab_size=rows or len(tokenizer), hidden_size=8, intermediate_size=12, num_hidden_layers=1,
            num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64, tie_word_embeddings=tie,
            bos_token_id=0, eos_token_id=tokenizer.convert_tokens_to_ids(eos),
        )).to(dtype).eval()  # fmt: skip
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path
