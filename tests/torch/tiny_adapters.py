"""Tiny adapters (LoRA) on disk, made by peft: `from tiny_adapters import adapter_folder`."""

import warnings

import torch


def trained(model, seed):
    """Give every part of an adapter numbers as training leaves them, none of them zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad or "lora_" in name:
            noise = torch.randn(parameter.shape, generator=generator)
            with torch.no_grad():
                if "magnitude" in name:
                    parameter.mul_(1 + 0.2 * noise.abs())
                else:
                    parameter.add_(0.3 * noise)
    return model


def adapter_folder(path, base, seed=0, *, kind="AutoModelForCausalLM", **config):
    """An adapter over a model on disk, as peft saves it; returns its folder and the model with it merged in."""
    import transformers
    from peft import LoraConfig, get_peft_model

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # of peft, about tied and transposed weights
        torch.manual_seed(seed)
        model = getattr(transformers, kind).from_pretrained(base) if isinstance(kind, str) else kind(base)
        wrapped = trained(get_peft_model(model, LoraConfig(**{"r": 3, "lora_alpha": 5, **config})), seed)
        wrapped.save_pretrained(path)
        merged = wrapped.merge_and_unload().state_dict()
    return path, {name: tensor.clone() for name, tensor in merged.items()}


def loaded_by_peft(model, adapter):
    """The tensors of a model with an adapter from disk in it, which has every tensor that peft looks for."""
    from peft import PeftModel

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        state = PeftModel.from_pretrained(model, adapter).merge_and_unload().state_dict()
    assert not [one for one in said if "missing" in str(one.message)]
    return state


def gpt2_folder(path, *, tie=False):
    """A tiny GPT-2, whose linear layers are stored as (in, out)."""
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = GPT2Config(
            n_embd=16, n_layer=1, n_head=2, vocab_size=20, n_positions=8, bos_token_id=0, eos_token_id=0,
            tie_word_embeddings=tie,
        )  # fmt: skip
        GPT2LMHeadModel(config).save_pretrained(path)
    return path
