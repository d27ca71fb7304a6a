"""Networks of one architecture on labelled data."""

import copy

import numpy as np
import pytest
import torch
from tiny_networks import NETWORKS, Normalised, Tied, data, mlp, plain, spread
from torch import nn

import evoniche
from evoniche.testing import check_scorer
from evoniche_torch.models import ModuleGenome, ModuleSeeds
from evoniche_torch.scorers import ModuleScorer

pytestmark = pytest.mark.usefixtures("same_weights", "one_thread")


class TestModuleScorer:
    @pytest.mark.parametrize("vectorize", ["auto", False])
    @pytest.mark.parametrize("name", NETWORKS)
    def test_scores_are_those_of_each_network_by_itself(self, name, vectorize):
        make, shape = NETWORKS[name]
        net, (inputs, targets) = make(), data(shape)
        vectors = abs(spread(net, 6)) if name == "normalised" else spread(net, 6)
        expected = [(plain(net, vector)(inputs).argmax(1) == targets).numpy() for vector in vectors]
        assert len({row.tobytes() for row in expected}) > 1
        for chunk in (4096, 20, 1):
            scores = ModuleScorer(net, inputs, targets, chunk=chunk, vectorize=vectorize).score(vectors)
            np.testing.assert_array_equal(scores, expected)

    def test_runs_side_by_side_where_it_can(self):
        net, (inputs, targets) = Normalised(), data((16,))
        calls = []

        def score(outputs, targets):
            calls.append(outputs.shape)
            return (outputs.argmax(1) == targets).float()

        vectors = spread(net, 50)
        scores = ModuleScorer(net, inputs, targets, score, vectorize=True).score(vectors)
        assert scores.shape == (50, 37)
        assert calls == [(37, 3)]  # once for all
        calls.clear()
        ModuleScorer(net, inputs, targets, score, vectorize=True, chunk=37 * 25).score(vectors)
        assert 1 < len(calls) < 5
        calls.clear()
        ModuleScorer(net, inputs, targets, score, vectorize=False).score(vectors)
        assert len(calls) == 50

    def test_memory_is_bounded_by_the_chunk(self):
        net, (inputs, targets) = mlp(), data((4,), cases=1000)
        sizes = []

        def score(outputs, targets):
            sizes.append(len(targets))
            return outputs[:, 0].abs()

        for n, chunk in ((1, 64), (40, 64), (3, 10)):
            sizes.clear()
            scorer = ModuleScorer(net, inputs, targets, score, chunk=chunk)
            scorer.score(spread(net, n))
            assert max(sizes) * min(n, scorer._together(1000)) <= chunk

    @pytest.mark.parametrize("name", ["recurrent", "branching"])
    def test_what_vmap_cannot_take_is_an_error_only_where_asked_for(self, name):
        make, shape = NETWORKS[name]
        net = make()
        scorer = ModuleScorer(net, *data(shape), vectorize=True)
        with pytest.raises(RuntimeError) as caught:
            scorer.score(spread(net, 2))
        assert "vectorize=True" in caught.value.__notes__[0]

    @pytest.mark.parametrize("name", NETWORKS)
    def test_contract(self, name):
        make, shape = NETWORKS[name]
        net = make()
        vectors = abs(spread(net, 5)) if name == "normalised" else spread(net, 5)
        check_scorer(ModuleScorer(net, *data(shape)), vectors)
        check_scorer(ModuleScorer(net, *data(shape)), torch.tensor(vectors, dtype=torch.float32))

    def test_the_module_stays_as_it_is(self):
        net = Normalised().train()
        net.head.eval()
        before = copy.deepcopy(net.state_dict())
        scorer = ModuleScorer(net, *data((16,)))
        scorer.score(spread(net, 1))
        scorer.score(spread(net, 3))
        assert net.training
        assert net.body[1].training
        assert not net.head.training
        assert all(parameter.requires_grad for parameter in net.parameters())
        assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())

    def test_recipes(self):
        seeds = ModuleSeeds([Tied(), Tied()], base=Tied())
        recipes = evoniche.RecipeGenome(seeds).sample(5, rng=np.random.default_rng(0))
        inputs, targets = data((4,))
        scorer = ModuleScorer(Tied(), inputs, targets)
        expected = scorer.score(torch.stack([seeds.materialise(recipe) for recipe in recipes]))
        np.testing.assert_array_equal(scorer.score(recipes), expected)
        assert 0 < expected.mean() < 1
        check_scorer(scorer, recipes)
        with pytest.raises(ValueError, match=r"seeds of 4 tensors for 3"):
            scorer.score(evoniche.Recipes.of_seeds(ModuleSeeds([mlp()])))

    def test_functions_of_outputs_several_inputs_and_double_precision(self):
        class Sum(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear = nn.Linear(4, 2, dtype=torch.float64)

            def forward(self, x, y):
                return {"sum": self.linear(x) + y[:, None]}

        net, (x, _) = Sum(), data((4,))
        y = np.arange(37.0)

        def score(outputs, targets):
            return torch.exp(-(outputs["sum"] - targets).square().sum(1))

        targets = torch.zeros(37, 2)
        vectors = spread(net, 3)
        scores = ModuleScorer(net, (x, y), targets, score).score(vectors)
        assert scores.dtype == np.float64
        for vector, row in zip(vectors, scores, strict=True):
            outputs = plain(net, vector)(x.double(), torch.tensor(y))
            np.testing.assert_allclose(row, score(outputs, targets).detach(), rtol=1e-12)

    def test_what_is_wrong_is_said(self):
        net, (inputs, targets) = mlp(), data((4,))
        with pytest.raises(ValueError, match="37 targets and inputs of \\[36\\]"):
            ModuleScorer(net, inputs[1:], targets)
        with pytest.raises(ValueError, match="at least one"):
            ModuleScorer(net, inputs[:0], targets[:0])
        with pytest.raises(ValueError, match="'correct' or f"):
            ModuleScorer(net, inputs, targets, "loss")
        with pytest.raises(ValueError, match="chunk"):
            ModuleScorer(net, inputs, targets, chunk=0)
        with pytest.raises(ValueError, match="vectorize"):
            ModuleScorer(net, inputs, targets, vectorize="yes")
        with pytest.raises(ValueError, match=r"array \(n, 67\).* shape \(2, 66\)"):
            ModuleScorer(net, inputs, targets).score(np.zeros((2, 66)))
        with pytest.raises(ValueError, match="two classes or more"):
            ModuleScorer(mlp(classes=1), inputs, targets).score(spread(mlp(classes=1), 2))
        with pytest.raises(ValueError, match=r"shape \(37,\) here, got Tensor of shape \(\)"):
            ModuleScorer(net, inputs, targets, lambda outputs, targets: outputs.sum()).score(spread(net, 2))

    def test_networks_evolve(self):
        inputs, _ = data((4,), cases=200)
        targets = (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0)
        net = mlp()
        scorer, mutation = ModuleScorer(net, inputs, targets), evoniche.GaussianMutation(0.1)
        result = evoniche.m2n2(scorer, genome=ModuleGenome(net), mutation=mutation, seed=0).run(
            evaluations=300, progress=False
        )
        assert isinstance(result.best.genome, torch.Tensor)
        assert result.best.score > result.history["best"][0] + 0.15
        best = ModuleGenome(net).unflatten(result.best.genome).eval()
        assert (best(inputs).argmax(1) == targets).double().mean().item() == pytest.approx(result.best.score)
