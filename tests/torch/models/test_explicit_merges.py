"""TIES and DARE block by block against the plain way, with whole tensors in memory."""

import numpy as np
import pytest
import torch

from evoniche.merging import Recipe
from evoniche_torch.models import ExplicitFilling, ExplicitMerge, ModuleSeeds, explicit_merges, weighted_recipe
from evoniche_torch.models.trimming import find_threshold


def models(count, seed=0, dtype=torch.float32, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"embed.weight": (30, 7), "norm.bias": (5,), "up.weight": (11, 13)}
    return [
        {name: (spread * torch.randn(shape, generator=generator)).to(dtype) for name, shape in shapes.items()}
        for _ in range(count)
    ]


def trimmed(vector, density):
    """The share of a tensor with the largest magnitudes, as sorting finds it; of equal ones the first."""
    flat = vector.reshape(-1)
    count = max(1, int(density * flat.numel()))
    kept = torch.argsort(flat.abs(), descending=True, stable=True)[:count]
    mask = torch.zeros_like(flat)
    mask[kept] = 1
    return (flat * mask).view(vector.shape)


def ties(states, base, weights, density, scale):
    """Yadav 2023, algorithm 1, number by number, with weights."""
    found = {}
    for name, start in base.items():
        vectors = [trimmed(state[name].float() - start.float(), density).reshape(-1).tolist() for state in states]
        merged = []
        for numbers in zip(*vectors, strict=True):
            elected = 1 if sum(w * x for w, x in zip(weights, numbers, strict=True)) >= 0 else -1
            agree = [(w, x) for w, x in zip(weights, numbers, strict=True) if x * elected * w > 0]
            total = sum(w for w, _ in agree)
            merged.append(scale * sum(w * x for w, x in agree) / (total or 1))  # weights may cancel, as in mergekit
        found[name] = start.float() + torch.tensor(merged).view(start.shape)
    return found


def filled(merge, seeds, dtype=torch.float32, step=None):
    """Everything, in pieces of `step` numbers."""
    filling, out = ExplicitFilling(merge, seeds), torch.empty(seeds.size, dtype=dtype)
    for low in range(0, seeds.size, step or seeds.size):
        filling.into(out[low : low + (step or seeds.size)], low)
    return {t.name: out[slice(*seeds.index.span(t.name))].view(t.shape) for t in seeds.index.merged}


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(explicit_merges, "MERGE_BLOCK", 16)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("weights", "density", "scale", "dtype"),
    [
        ((1, 1, 1), 0.2, 1.0, torch.float32), ((0.3, 0.7, 0.2), 0.5, 0.6, torch.float32),
        ((1, 1, 1), 1.0, 1.0, torch.float32), ((1, -1, 2), 0.4, 1.0, torch.float32),
        ((1, 1, 1), 0.3, 1.0, torch.bfloat16),
    ],
)  # fmt: skip
def test_ties(weights, density, scale, dtype):
    """In bfloat16 many magnitudes are equal, so that which of them are kept matters."""
    *states, base = models(4, dtype=dtype, spread=1.0 if dtype == torch.float32 else 0.01)
    seeds = ModuleSeeds(states, base=base)
    found = filled(ExplicitMerge("ties", weights, density, scale), seeds)
    for name, tensor in ties(states, base, weights, density, scale).items():
        torch.testing.assert_close(found[name], tensor)


@pytest.mark.parametrize("k", [1, 2, 7, 100, 199, 200])
@pytest.mark.parametrize("kind", ["floats", "few values", "zeros", "tiny"])
def test_the_largest_by_magnitude(k, kind):
    generator = torch.Generator().manual_seed(k)
    values = torch.randn(200, generator=generator)
    if kind == "few values":
        values = (values * 2).round()
    elif kind == "zeros":
        values[20:] = 0
    elif kind == "tiny":
        values = values * 1e-40
    threshold = find_threshold(lambda: iter(values.split(17)), k)
    kept = torch.cat([threshold.keep(part, 17 * i) for i, part in enumerate(values.split(17))])
    wanted = torch.zeros(200, dtype=torch.bool)
    wanted[torch.argsort(values.abs(), descending=True, stable=True)[:k]] = True
    assert torch.equal(kept, wanted)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("method", ["ties", "dare_ties", "dare_linear"])
def test_the_size_of_pieces_changes_no_bit(method):
    *states, base = models(3)
    seeds, merge = ModuleSeeds(states, base=base), ExplicitMerge(method, (1, 0.5), 0.4)
    whole = filled(merge, seeds)
    for step in (1, 5, 16, 100):
        for name, tensor in filled(merge, seeds, step=step).items():
            assert torch.equal(tensor, whole[name])


@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
def test_dare_keeps_a_share_and_divides_by_it(method):
    """With task vectors of one, what is added is 0 or 1 / density, in independent places, and 1 on average."""
    base = {"w": torch.zeros(300, 400)}
    ones = {"w": torch.ones(300, 400)}
    seeds = ModuleSeeds([ones, ones], base=base)
    found = filled(ExplicitMerge(method, (1, 1), 0.25), seeds)["w"]
    values, counts = found.unique(return_counts=True)
    assert values.tolist() == [0, 4, 8]
    shares = counts / found.numel()
    error = 5 * np.sqrt(0.25 / found.numel())  # five standard deviations at most
    np.testing.assert_allclose(shares, [0.75**2, 2 * 0.25 * 0.75, 0.25**2], atol=error)
    again = filled(ExplicitMerge(method, (1, 1), 0.25), seeds)["w"]
    other = filled(ExplicitMerge(method, (1, 1), 0.25, seed=1), seeds)["w"]
    assert torch.equal(found, again)
    assert not torch.equal(found, other)


def test_dare_against_the_plain_way():
    *states, base = models(4)
    seeds = ModuleSeeds(states, base=base)
    weights = (0.5, 1.5, 1.0)
    alone = [filled(ExplicitMerge("dare_linear", row, 0.5), seeds) for row in np.eye(3)]
    linear = filled(ExplicitMerge("dare_linear", weights, 0.5, 0.8), seeds)
    elected = filled(ExplicitMerge("dare_ties", weights, 0.5, 0.8), seeds)
    divided = filled(ExplicitMerge("dare_ties", weights, 0.5, 0.8, normalize=True), seeds)
    for name, start in base.items():
        vectors = torch.stack([found[name] - start for found in alone])
        exact = torch.stack([state[name] - start for state in states])
        kept = vectors != 0
        torch.testing.assert_close(vectors[kept], 2 * exact[kept], rtol=1e-4, atol=1e-5)
        weighted = vectors * torch.tensor(weights).view(3, *[1] * start.ndim)
        torch.testing.assert_close(linear[name], start + 0.8 * weighted.sum(0), rtol=1e-4, atol=1e-5)
        agree = weighted.sign() == torch.where(weighted.sum(0) >= 0, 1, -1)
        torch.testing.assert_close(elected[name], start + 0.8 * (weighted * agree).sum(0), rtol=1e-4, atol=1e-5)
        sums = (torch.tensor(weights).view(3, *[1] * start.ndim) * agree).sum(0)
        mean = (weighted * agree).sum(0) / torch.where(sums == 0, 1, sums)
        torch.testing.assert_close(divided[name], start + 0.8 * mean, rtol=1e-4, atol=1e-5)


def test_weights_alone_are_recipes():
    *states, base = models(3)
    name = "up.weight"
    plain, based = ModuleSeeds(states), ModuleSeeds(states, base=base)
    recipe = weighted_recipe(plain, [0.25, 0.75])
    found = plain.materialise(recipe, *plain.index.span(name)).view(11, 13)
    torch.testing.assert_close(found, 0.25 * states[0][name] + 0.75 * states[1][name])
    recipe = weighted_recipe(based, [1, 1], scale=0.5)
    assert isinstance(recipe, Recipe)
    found = based.materialise(recipe, *based.index.span(name)).view(11, 13)
    wanted = base[name] + 0.5 * (states[0][name] + states[1][name] - 2 * base[name])
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_what_is_refused():
    *states, base = models(3)
    with pytest.raises(ValueError, match="give the base"):
        ExplicitFilling(ExplicitMerge("ties", (1, 1)), ModuleSeeds(states))
    with pytest.raises(ValueError, match="one for each of 2 models, got 1"):
        ExplicitFilling(ExplicitMerge("ties", (1,)), ModuleSeeds(states, base=base))
    with pytest.raises(ValueError, match="one for each of 2 models, got 3"):
        weighted_recipe(ModuleSeeds(states), [1, 1, 1])
    for density in (0, 1.1, float("nan")):
        with pytest.raises(ValueError, match="density"):
            ExplicitMerge("ties", (1, 1), density)
    with pytest.raises(ValueError, match="method"):
        ExplicitMerge("slerp", (1, 1))
