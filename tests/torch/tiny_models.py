"""Tiny models on disk, for the tests of evoniche_torch: `from models import llama_folder`."""

import contextlib
import json
import os
import pickle

import torch
from loguru import logger
from safetensors.torch import save_file

from evoniche import enable_logging

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8,
    "num_attention_heads": 2,
    "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
    "tie_word_embeddings": False,
    "transformers_version": "5.0.0",
    "vocab_size": 6,
}
VOCABULARY = {"<unk>": 0, "a": 1, "b": 2, "c": 3, "d": 4, "e": 5}


def numbers(seed=0, dtype=torch.float32):
    """The tensors of a model without a library: 2 layers, an embedding, a norm."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "model.embed_tokens.weight": (6, 8),
        "model.layers.0.mlp.up_proj.weight": (12, 8),
        "model.layers.0.mlp.up_proj.bias": (12,),
        "model.layers.1.mlp.up_proj.weight": (12, 8),
        "model.layers.1.mlp.up_proj.bias": (12,),
        "model.norm.weight": (8,),
        "lm_head.weight": (6, 8),
    }
    return {name: torch.randn(shape, generator=generator).to(dtype) for name, shape in shapes.items()}


def write_json(path, content):
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def tokenizer_json(vocabulary=VOCABULARY, merges=(), added=()):
    """What matters in a tokenizer.json."""
    tokens = [{"id": number, "content": text, "special": True} for text, number in added]
    model = {"type": "BPE", "vocab": vocabulary, "merges": list(merges)}
    return {"version": "1.0", "added_tokens": tokens, "model": model}


def plain_folder(path, tensors=None, *, config=CONFIG, tokenizer=None, name="model.safetensors"):
    """A folder as transformers writes it, made by hand. What is None is left out."""
    path.mkdir(parents=True)
    save_file(numbers() if tensors is None else tensors, path / name, metadata={"format": "pt"})
    if config is not None:
        write_json(path / "config.json", config)
    if tokenizer is not None:
        write_json(path / "tokenizer.json", tokenizer)
    return path


def sharded_folder(path, tensors=None, *, config=CONFIG, weight_map=None, index="model.safetensors.index.json"):
    """The same in two files with an index; `weight_map` says other things about them."""
    tensors = numbers() if tensors is None else tensors
    path.mkdir(parents=True)
    names = list(tensors)
    halves = {
        f"model-0000{i + 1}-of-00002.safetensors": part
        for i, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]))
    }
    for file, part in halves.items():
        save_file({name: tensors[name] for name in part}, path / file, metadata={"format": "pt"})
    right = {name: file for file, part in halves.items() for name in part}
    write_json(path / index, {"metadata": {}, "weight_map": {**right, **(weight_map or {})}})
    write_json(path / "config.json", config)
    return path


def llama(seed=0, *, tie=False, layers=2, dtype=torch.float32):
    """A tiny Llama, as transformers makes it."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=tie,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).to(dtype).eval()


def llama_tokenizer(template="{% for m in messages %}{{ m['content'] }}{% endfor %}"):
    """A tokenizer of 64 words, with a chat template."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"w{i}": i for i in range(3, 64)}}
    inner = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", bos_token="<s>", eos_token="</s>", chat_template=template
    )


def llama_folder(path, seed=0, *, tie=False, dtype=torch.float32, shard_size=None, variant=None, tokenizer=True):
    """A tiny Llama with its tokenizer, as transformers saves it; in several files with a shard_size such as "20KB"."""
    options = {} if shard_size is None else {"max_shard_size": shard_size}
    llama(seed, tie=tie, dtype=dtype).save_pretrained(path, variant=variant, **options)
    if tokenizer:
        llama_tokenizer().save_pretrained(path)
    return path


def unet(seed=0, *, dtype=torch.float32):
    """A tiny UNet2DConditionModel, with attention layers."""
    from diffusers import UNet2DConditionModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet2DConditionModel(
            sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, attention_head_dim=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), cross_attention_dim=8,
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        ).to(dtype).eval()  # fmt: skip


def unet_folder(path, seed=0, *, dtype=torch.float32, shard_size=None, variant=None):
    """A tiny UNet2DConditionModel as diffusers saves it."""
    options = {} if shard_size is None else {"max_shard_size": shard_size}
    unet(seed, dtype=dtype).save_pretrained(path, variant=variant, **options)
    return path


def pipeline_folder(path, seed=0):
    """A diffusers pipeline that can be loaded: unet/, vqvae/ (the same weights for every seed) and scheduler/."""
    from diffusers import DDPMScheduler, LDMPipeline, UNet2DModel, VQModel

    def network(kind, number, **options):
        torch.manual_seed(number)
        return kind(norm_num_groups=4, **options)

    with torch.random.fork_rng(devices=[]):
        model = network(
            UNet2DModel, seed, sample_size=4, in_channels=4, out_channels=4, block_out_channels=(8, 16),
            layers_per_block=1, down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"), attention_head_dim=4,
        )  # fmt: skip
        vqvae = network(VQModel, 0, block_out_channels=(8,), latent_channels=4, num_vq_embeddings=8, vq_embed_dim=4)
    LDMPipeline(vqvae=vqvae, unet=model, scheduler=DDPMScheduler()).save_pretrained(path)
    return path


class Malicious:
    """What runs a command when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch '{self.mark}'",)


def malicious_file(path, mark, *, old=False):
    """A .bin file that makes a file `mark` when it is loaded without care; old: a bare pickle."""
    content = {"model.norm.weight": Malicious(mark)}
    if old:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    return path


@contextlib.contextmanager
def log():
    """The messages that are logged meanwhile."""
    messages = []
    enable_logging()
    sink = logger.add(lambda message: messages.append(message.record["message"]), level="INFO")
    try:
        yield messages
    finally:
        logger.remove(sink)
        enable_logging(False)
