"""What merged models must be, computed the plain way: `from merged_models import expected`."""

import numpy as np
import torch

from evoniche import Recipe


def some_recipe(seeds, cuts=3):
    rng = np.random.default_rng(0)
    places = np.unique(rng.integers(1, seeds.size, cuts))
    return Recipe.of([0, *places, seeds.size], rng.normal(size=(len(places) + 1, seeds.count)))


def expected(seeds, recipe, dtype=None):
    """The merged tensors, each rounded once."""
    flat = seeds.materialise(recipe)
    found = {}
    for tensor in seeds.index.merged:
        start, stop = seeds.index.span(tensor.name)
        found[tensor.name] = flat[start:stop].to(dtype or tensor.dtype).view(tensor.shape)
    for tensor in seeds.index.copied:
        found[tensor.name] = seeds.read(0, tensor.name, 0, tensor.size).clone().view(tensor.shape)
    return found | {alias: found[name] for alias, name in seeds.index.tied.items()}


def assert_equal(found, wanted):
    assert set(found) == set(wanted)
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name], tensor), name
