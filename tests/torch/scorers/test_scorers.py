import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import evoniche  # noqa: E402
from evoniche.testing import check_genome, check_scorer  # noqa: E402
from evoniche_torch import ModuleSeeds  # noqa: E402
from evoniche_torch.models import ModuleGenome  # noqa: E402
from evoniche_torch.scorers import (  # noqa: E402
    CheckpointScorer,
    CosineScorer,
    ModuleScorer,
    MultiTaskScorer,
    importance_of,
)


@pytest.fixture(autouse=True)
def _same_weights():
    state = torch.get_rng_state()
    torch.manual_seed(0)
    yield
    torch.set_rng_state(state)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more are slower for so small networks
    yield
    torch.set_num_threads(threads)


def mlp(classes=3):
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, classes))


class Normalised(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5))
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        return self.head(self.body(x.reshape(-1, 1, 4, 4)))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(4, 4)
        self.out = nn.Linear(4, 4)
        self.out.weight = self.embed.weight

    def forward(self, x):
        return self.out(self.embed(x).tanh())


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTM(2, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.cell(x.reshape(len(x), -1, 2))[0][:, -1])


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.one(x) if self.one.bias.sum() > 0 else self.two(x)


NETWORKS = {
    "mlp": (mlp, (4,)),
    "normalised": (Normalised, (16,)),
    "tied": (Tied, (4,)),
    "recurrent": (Recurrent, (6,)),
    "branching": (Branching, (4,)),
}


def data(shape, cases=37):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(cases, *shape, generator=generator), torch.randint(3, (cases,), generator=generator)


def spread(net, n, seed=0):
    """Networks that answer differently, positive where variances are."""
    rng = np.random.default_rng(seed)
    return rng.random((n, ModuleSeeds([net]).size)) - rng.random((n, 1))


def plain(net, vector):
    """The network of a flat vector, without anything that is tested here."""
    other, index = copy.deepcopy(net), ModuleSeeds([net]).index
    state = other.state_dict()
    for info, start in zip(index.merged, index.starts, strict=False):
        values = torch.tensor(vector[start : start + info.size]).reshape(info.shape)
        for name in [info.name, *(alias for alias, name in index.tied.items() if name == info.name)]:
            state[name].copy_(values)
    return other.eval()


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
            assert max(sizes) * min(n, scorer._together()) <= chunk

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


class TestModuleGenome:
    @pytest.mark.parametrize("make", [mlp, Normalised, Tied, Recurrent, lambda: nn.MultiheadAttention(4, 2).double()])
    def test_contract(self, make):
        check_genome(ModuleGenome(make()))

    def test_order_is_that_of_seeds(self):
        net = Normalised()
        net.body[1].running_mean += torch.arange(3)
        genome = ModuleGenome(net)
        seeds = ModuleSeeds([net])
        assert torch.equal(genome.flatten(net), seeds.materialise(evoniche.Recipes.of_seeds(seeds)[0]))
        start, stop = seeds.index.span("body.1.running_mean")
        assert genome.flatten(net)[start:stop].tolist() == [0, 1, 2]

    def test_samples_are_fresh_networks(self):
        net = Normalised()
        net.body[1].running_var += 5
        genome = ModuleGenome(net)
        state = torch.get_rng_state()
        batch = genome.sample(4, rng=np.random.default_rng(0))
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(99)
        assert torch.equal(genome.sample(4, rng=np.random.default_rng(0)), batch)
        start, stop = genome.index.span("body.1.running_var")
        assert (batch[:, start:stop] == 1).all()
        start, stop = genome.index.span("head.weight")
        weights = batch[:, start:stop]
        assert len({tuple(row.tolist()) for row in weights}) == 4
        assert 0.8 / 12**0.5 < weights.abs().max() <= 1 / 12**0.5  # what nn.Linear(12, ...) begins with

    def test_the_whole_has_the_last_word_over_its_parts(self):
        class Silent(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear = nn.Linear(2, 2)

            def reset_parameters(self):
                nn.init.zeros_(self.linear.bias)

        genome = ModuleGenome(Silent())
        assert (genome.sample(3, rng=np.random.default_rng(0)) == 0).sum(1).tolist() == [2, 2, 2]

    def test_there_and_back(self):
        for make in (Normalised, Tied):
            net, other = make(), make()
            genome = ModuleGenome(net)
            back = genome.unflatten(genome.flatten(other))
            assert all(torch.equal(back.state_dict()[name], tensor) for name, tensor in other.state_dict().items())
            assert not torch.equal(genome.flatten(net), genome.flatten(other))
        assert back.out.weight is back.embed.weight
        with pytest.raises(ValueError, match=r"shape \(24,\), got \(25,\)"):
            genome.unflatten(torch.zeros(25))
        with pytest.raises(ValueError, match="the network"):
            genome.flatten(mlp())

    def test_parameters_that_nothing_initialises(self):
        class Scaled(nn.Module):
            def __init__(self):
                super().__init__()
                self.scale, self.linear = nn.Parameter(torch.ones(2)), nn.Linear(2, 2)

        with pytest.raises(ValueError, match=r"reset_parameters\(\) reaches scale;"):
            ModuleGenome(Scaled()).sample(1, rng=np.random.default_rng(0))

        def initialise(net):
            nn.init.normal_(net.scale)
            net.linear.reset_parameters()

        check_genome(ModuleGenome(Scaled(), initialise=initialise), pickles=False)


def logits(model):
    inputs, _ = data((4,))
    return model(inputs).softmax(1)[:, 0]


class TestCheckpointScorer:
    @pytest.fixture
    def seeds(self):
        return ModuleSeeds([mlp(), mlp()])

    def test_each_recipe_is_loaded_and_evaluated(self, seeds):
        model = mlp().train()
        model[0].eval()
        recipes = evoniche.RecipeGenome(seeds).sample(4, rng=np.random.default_rng(0))
        seen = []

        def evaluate(model):
            seen.append((model.training, torch.is_grad_enabled()))
            return logits(model)

        scores = CheckpointScorer(model, seeds, evaluate).score(recipes)
        expected = [logits(plain(model, seeds.materialise(recipe).numpy())).detach().numpy() for recipe in recipes]
        np.testing.assert_allclose(scores, expected, atol=1e-6)
        assert scores[0].tolist() != scores[1].tolist()
        assert seen == [(False, False)] * 4
        assert (model.training, model[0].training, model[2].training) == (True, False, True)
        check_scorer(CheckpointScorer(model, seeds, logits), recipes)

    def test_what_is_wrong_is_said(self, seeds):
        recipes = evoniche.RecipeGenome(seeds).sample(3, rng=np.random.default_rng(0))
        with pytest.raises(TypeError, match=r"Recipes, got ndarray.*RecipeGenome"):
            CheckpointScorer(mlp(), seeds, logits).score(np.zeros((2, 67)))
        with pytest.raises(ValueError, match=r"recipe 0 of a batch of 3 .*\(cases,\), got shape \(37, 3\)"):
            CheckpointScorer(mlp(), seeds, lambda model: model(data((4,))[0])).score(recipes)
        with pytest.raises(ValueError, match=r"one case alone is \[score\]"):
            CheckpointScorer(mlp(), seeds, lambda model: 1.0).score(recipes)
        sizes = iter([5, 5, 4, 7])
        scorer = CheckpointScorer(mlp(), seeds, lambda model: torch.ones(next(sizes)))
        with pytest.raises(ValueError, match="recipe 2 of a batch of 3 gave 4 cases, and 5 before"):
            scorer.score(recipes)
        with pytest.raises(ValueError, match="recipe 0 of a batch of 3 gave 7 cases, and 5 before"):
            scorer.score(recipes)
        with pytest.raises(ZeroDivisionError) as caught:
            CheckpointScorer(mlp(), seeds, lambda model: 1 / 0).score(recipes)
        assert "recipe 0" in caught.value.__notes__[0]
        with pytest.raises(TypeError, match="evaluate"):
            CheckpointScorer(mlp(), seeds, "accuracy")

    def test_models_evolve(self, seeds):
        evolution = evoniche.merge(seeds, CheckpointScorer(mlp(), seeds, logits), warmup=5, seed=0)
        result = evolution.run(evaluations=60, progress=False)
        assert result.best.score >= max(result.history["best"][0], result.population.scores.mean(1).max() - 1e-6)


class TestCosineScorer:
    def test_formula(self):
        rng = np.random.default_rng(0)
        features, targets = rng.normal(size=(2, 20, 5))
        cosine = (features * targets).sum(1) / np.linalg.norm(features, axis=1) / np.linalg.norm(targets, axis=1)
        scores = CosineScorer(lambda model: torch.tensor(model), 3 * targets)(features)
        np.testing.assert_allclose(scores, (1 + cosine) / 2, rtol=1e-12)

    def test_ends_of_the_range(self):
        targets = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
        scorer = CosineScorer(lambda model: model, targets)
        np.testing.assert_allclose(scorer(7 * targets), 1)
        assert (scorer(7 * targets) <= 1).all()
        np.testing.assert_allclose(scorer(-targets), 0, atol=1e-12)
        assert (scorer(-targets) >= 0).all()
        assert (scorer(0 * targets) == 0.5).all()
        assert np.isnan(scorer(targets * np.nan)).all()  # for the algorithm to refuse

    def test_what_is_wrong_is_said(self):
        with pytest.raises(ValueError, match=r"\(cases, d\), got shape \(3,\)"):
            CosineScorer(logits, np.ones(3))
        with pytest.raises(ValueError, match=r"not zero.*for case 1"):
            CosineScorer(logits, [[1.0, 0.0], [0.0, 0.0]])
        with pytest.raises(ValueError, match=r"shape \(1, 2\), got \(1, 3\)"):
            CosineScorer(lambda model: np.ones((1, 3)), [[1.0, 0.0]])(None)


class TestJoinedScorer:
    def test_tasks_are_joined_as_cases(self):
        scorer = MultiTaskScorer({"a": lambda model: [model, 1.0], "b": lambda model: torch.tensor([model] * 6)})
        with pytest.raises(ValueError, match="cases of a, b is known"):
            scorer.slices  # noqa: B018
        assert scorer(0.5).tolist() == [0.5, 1.0] + [0.5] * 6
        assert scorer.slices == {"a": slice(0, 2), "b": slice(2, 8)}
        importance = scorer.importance
        assert importance.mean() == 1
        assert importance[:2].sum() == pytest.approx(4) == importance[2:].sum()
        assert scorer.task_means(scorer(0.5)) == {"a": 0.75, "b": 0.5}
        table = scorer.task_means(np.array([scorer(0.0), scorer(1.0)]))
        assert {task: means.tolist() for task, means in table.items()} == {"a": [0.5, 1.0], "b": [0.0, 1.0]}
        assert pickle.loads(pickle.dumps(MultiTaskScorer({"a": logits})))(mlp()).shape == (37,)

    def test_weights(self):
        slices = {"a": slice(0, 2), "b": slice(2, 8)}
        importance = importance_of(slices, {"b": 3})
        assert importance.mean() == 1
        assert importance[2:].sum() == pytest.approx(3 * importance[:2].sum())
        assert importance_of(slices, {"a": 0}).tolist() == [0, 0] + [8 / 6] * 6

    def test_an_evolution_weighs_tasks_equally(self):
        seeds = ModuleSeeds([mlp(), mlp()])
        joined = MultiTaskScorer({"one": lambda model: [0.5], "many": lambda model: [0.0] * 9})
        joined(mlp())
        evolution = evoniche.merge(
            seeds, CheckpointScorer(mlp(), seeds, joined), importance=joined.importance, warmup=0, seed=0
        )
        assert evolution.run(evaluations=2, progress=False).best.score == pytest.approx(0.25)

    def test_what_is_wrong_is_said(self):
        with pytest.raises(ValueError, match="tasks and functions"):
            MultiTaskScorer({})
        with pytest.raises(ValueError, match="tasks and functions"):
            MultiTaskScorer({"a": 3})
        for weights in ({"b": 1}, {"a": -1}, {"a": 0}, {"a": float("nan")}):
            with pytest.raises(ValueError, match="numbers >= 0 of the tasks a"):
                MultiTaskScorer({"a": logits}, weights)
        sizes = iter([2, 3])
        scorer = MultiTaskScorer({"a": lambda model: [0.0] * next(sizes)})
        scorer(None)
        with pytest.raises(ValueError, match="task 'a' gave 3 cases, and 2 before"):
            scorer(None)
        with pytest.raises(ValueError, match=r"each of the 2 cases, got shape \(3,\)"):
            scorer.task_means(np.zeros(3))


def test_nothing_optional_is_imported():
    code = (
        "import sys, evoniche_torch.scorers, evoniche_torch.models\n"
        "print({'transformers', 'lm_eval', 'diffusers', 'datasets', 'accelerate'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
