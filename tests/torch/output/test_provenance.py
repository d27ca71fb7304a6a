"""Which seed each layer came from, in numbers and as a picture."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from evoniche import ArraySeeds, Recipe, merge
from evoniche_torch.files import TensorIndex, TensorInfo
from evoniche_torch.output import draw_merge
from evoniche_torch.output.provenance import layer_shares, seed_shares


def index_of(layers):
    shapes = {"model.embed_tokens.weight": (5, 3), "lm_head.weight": (4,), "model.norm.weight": (2,)}
    for layer in range(layers):
        shapes |= {f"model.layers.{layer}.mlp.up.weight": (3, 2), f"model.layers.{layer}.norm.weight": (3,)}
    return TensorIndex.of({name: TensorInfo(name, shape, torch.float32) for name, shape in shapes.items()})


def some_recipe(size, rng, seeds=3):
    cuts = np.unique([0, *rng.integers(size, size=6), size])
    table = rng.normal(size=(len(cuts) - 1, seeds))
    table[0] = 0  # nothing of any
    table[1] = [1.0, *[0.0] * (seeds - 1)]
    return Recipe.of(cuts, table)


def each_parameter(recipe):
    """The shares of the seeds, parameter by parameter."""
    rows = []
    for place in range(recipe.size):
        segment = np.flatnonzero(recipe.boundaries <= place)[-1]
        sizes = [abs(coefficient) for coefficient in recipe.coefficients[segment]]
        rows.append([one / sum(sizes) if sum(sizes) else 0.0 for one in sizes])
    return np.array(rows)


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_means_over_parameters(seed):
    rng = np.random.default_rng(seed)
    index = index_of(3)
    recipe = some_recipe(index.size, rng)
    table = each_parameter(recipe)

    bounds = np.unique([0, *rng.integers(index.size, size=4), index.size])
    expected = [table[low:high].mean(axis=0) for low, high in pairwise(bounds)]
    np.testing.assert_allclose(seed_shares(recipe, bounds), expected, atol=1e-14)
    inner = bounds[1:-1]  # a part of the whole
    np.testing.assert_allclose(seed_shares(recipe, inner), expected[1:-1], atol=1e-14)

    names, shares = layer_shares(recipe, index)
    assert names == ["lm_head", "model.embed_tokens", *(f"model.layers.{i}" for i in range(3)), "model.norm"]
    for name, row in zip(names, shares, strict=True):
        places = [place for tensor in index.merged if f"{tensor.name}.".startswith(f"{name}.")
                  for place in range(*index.span(tensor.name))]  # fmt: skip
        np.testing.assert_allclose(row, table[places].mean(axis=0), atol=1e-14)


@pytest.mark.parametrize(("layers", "labels"), [(2, ["a", "b"]), (60, ["quite-a-long-name-of-a-model", "b", "c"])])
def test_a_picture(layers, labels, tmp_path):
    index = index_of(layers)
    rng = np.random.default_rng(0)
    seeds = ArraySeeds([rng.normal(size=index.size) for _ in labels])
    scores = lambda recipes: [np.abs(seeds.materialise(recipe))[:4].clip(0, 1) for recipe in recipes]  # noqa: E731
    evolution = merge(seeds, scores, seed=0, warmup=3)
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_merge(evolution.result(), index, labels, tmp_path / "none.png")
    result = evolution.run(evaluations=20, progress=False)
    path = draw_merge(result, index, labels, tmp_path / "made" / "figure.svg")
    text = path.read_text()
    assert text.count("<path") > layers
    assert f"model.layers.{layers - 1}" in text  # matplotlib names the text in comments
    assert all(label in text for label in labels)
