"""Names of tensors as layers and as chromosomes."""

import pytest
import torch

from evoniche_torch.files import TensorIndex, TensorInfo
from evoniche_torch.models import chromosomes, layer_of

NAMES = [
    "lm_head.weight", "model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight",
    "model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.up_proj.weight",
    "model.layers.1.self_attn.q_proj.weight", "model.norm.weight",
]  # fmt: skip


def index(names=NAMES, tied=None):
    infos = {name: TensorInfo(name, (i + 1, 2), torch.float32) for i, name in enumerate([*names, *(tied or {})])}
    return TensorIndex.of(infos, tied)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("model.layers.10.mlp.up_proj.weight", "model.layers.10"),
        ("model.language_model.layers.2.norm.weight", "model.language_model.layers.2"),
        ("model.embed_tokens.weight", "model.embed_tokens"),
        ("model.norm.weight", "model.norm"),
        ("lm_head.weight", "lm_head"),
        ("transformer.h.3.attn.c_attn.bias", "transformer.h.3"),
        ("transformer.wte.weight", "transformer.wte"),
        ("encoder.block.0.layer.1.DenseReluDense.wi.weight", "encoder.block.0"),
        ("shared.weight", "shared"),
        ("bert.embeddings.word_embeddings.weight", "bert.embeddings"),
        ("conv_in.weight", "conv_in"),
        ("time_embedding.linear_1.weight", "time_embedding"),
        ("down_blocks.0.resnets.1.conv1.weight", "down_blocks.0"),
        ("mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight", "mid_block"),
        ("encoder.mid_block.resnets.1.conv1.weight", "encoder.mid_block"),
        ("up_blocks.1.attentions.2.proj_in.bias", "up_blocks.1"),
        ("single_transformer_blocks.37.attn.to_q.weight", "single_transformer_blocks.37"),
        ("0.weight", "0"),
        ("weight", "weight"),
        ("model", "model"),
    ],
)
def test_layers(name, layer):
    assert layer_of(name) == layer


def test_the_words():
    sizes = [tensor.size for tensor in index().merged]
    assert chromosomes(index(), ["whole"]) is None
    assert chromosomes(index(), ["tensor"]).sizes.tolist() == sizes
    layers = chromosomes(index(), ["layer"])
    assert layers.sizes.tolist() == [sizes[0], sizes[1], sizes[2] + sizes[3], sizes[4] + sizes[5], sizes[6]]
    assert chromosomes(index(), "layer") == layers


def test_expressions():
    flat = index()
    groups = chromosomes(flat, ["self_attn", r"\.mlp\."])
    assert groups.count == 3
    of = {t.name: int(groups.labels[(groups.boundaries[1:] > flat.span(t.name)[0]).argmax()]) for t in flat.merged}
    attention, mlp, rest = of[NAMES[3]], of[NAMES[2]], of[NAMES[0]]
    assert len({attention, mlp, rest}) == 3
    assert of == dict(zip(NAMES, [rest, rest, mlp, attention, mlp, attention, rest], strict=True))


def test_the_first_expression_wins_and_all_may_be_matched():
    groups = chromosomes(index(), [r"layers\.0", "layers", "."])
    assert groups.count == 3
    sizes = {t.name: t.size for t in index().merged}
    assert groups.sizes[1] == sizes[NAMES[2]] + sizes[NAMES[3]]


def test_an_expression_may_name_a_tied_tensor():
    flat = index(NAMES[1:], {"z_head.weight": "model.embed_tokens.weight"})
    assert chromosomes(flat, ["z_head"]).sizes[0] == flat.merged[0].size


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ([], "must be one of whole, tensor, layer"),
        (["layer", "mlp"], "must be one of whole, tensor, layer"),
        (["atention"], "'atention' is found in no tensor's name. Some names: lm_head.weight"),
        (["mlp("], "no regular expression"),
        (["layers", "mlp"], "'mlp' is found only where an expression before it is"),
    ],
)
def test_what_is_refused(spec, said):
    with pytest.raises(ValueError, match="chromosomes") as error:
        chromosomes(index(), spec)
    assert said in str(error.value)
