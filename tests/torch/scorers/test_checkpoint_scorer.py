"""Recipes, each loaded into one live model."""

import numpy as np
import pytest
import torch
from tiny_networks import data, logits, mlp, plain

import evoniche
from evoniche.testing import check_scorer
from evoniche_torch.models import ModuleSeeds
from evoniche_torch.scorers import CheckpointScorer

pytestmark = pytest.mark.usefixtures("same_weights", "one_thread")


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

    def test_scores_may_lie_in_memory_that_the_next_evaluation_writes_to(self, seeds):
        model, recipes = mlp(), evoniche.Recipes.of_seeds(seeds)
        buffer = np.empty(3)

        def refilled(model):
            buffer[:] = model[2].bias.detach().numpy()
            return buffer

        wanted = [seeds.read(k, "2.bias", 0, 3).tolist() for k in range(2)]
        assert wanted[0] != wanted[1]
        for evaluate in (lambda model: model[2].bias, refilled):
            assert CheckpointScorer(model, seeds, evaluate).score(recipes).tolist() == wanted
