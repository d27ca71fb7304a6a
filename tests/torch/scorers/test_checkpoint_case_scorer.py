"""Recipes scored case by case in one live model, and whole merges that reject early."""

import numpy as np
import pytest
import torch
from tiny_networks import data, mlp

import evoniche
from evoniche.testing import check_scorer
from evoniche_torch.models import ModuleSeeds, module_loader
from evoniche_torch.scorers import CheckpointCaseScorer, CosineScorer, ModuleScorer, MultiTaskScorer
from evoniche_torch.scorers import live_model as live

pytestmark = pytest.mark.usefixtures("same_weights", "one_thread")

INPUTS, TARGETS = data((4,), cases=60)


def right(model, cases=None):
    some = slice(None) if cases is None else cases
    return model(INPUTS[some]).argmax(1) == TARGETS[some]


def features(model, cases=None):
    return model(INPUTS if cases is None else INPUTS[cases])


@pytest.fixture
def seeds():
    return ModuleSeeds([mlp(), mlp()])


@pytest.fixture
def recipes(seeds):
    return evoniche.RecipeGenome(seeds).sample(5, rng=np.random.default_rng(0))


COSINE = CosineScorer(features, np.eye(3)[TARGETS.numpy()])
BOTH = {"right": right, "cosine": COSINE}


@pytest.mark.parametrize("evaluate", [right, COSINE, "both"], ids=["function", "cosine", "several tasks"])
def test_some_cases_give_what_they_give_among_all(evaluate, seeds, recipes):
    if evaluate == "both":
        evaluate = MultiTaskScorer(BOTH)
        evaluate(mlp())
        assert evaluate.why_not_by_case == ""
        cases = np.array([119, 3, 61, 60, 59])
        np.testing.assert_allclose(evaluate(mlp(), cases).shape, (5,))
    count = 60 if evaluate is right else None
    check_scorer(CheckpointCaseScorer(mlp(), seeds, evaluate, cases=count), recipes)


def test_a_recipe_is_loaded_once_for_all_of_its_cases(seeds, recipes, monkeypatch):
    loads = []
    monkeypatch.setattr(live, "load_into", lambda *args: loads.append(1) or module_loader.load_into(*args))
    model = mlp()
    scorer = CheckpointCaseScorer(model, seeds, right, cases=60)
    one, other = recipes.take([2]), recipes.take([3])
    whole = scorer.score(one)
    loads.clear()
    blocks = [scorer.score(one, np.arange(i, i + 20)) for i in (0, 20, 40)]
    assert np.array_equal(np.concatenate(blocks, axis=1), whole)
    assert len(loads) == 0  # it was there
    scorer.score(other, np.arange(3))
    scorer.score(evoniche.Recipes(seeds, [evoniche.Recipe.of(*parts(other[0]))]), np.arange(3))
    assert len(loads) == 1  # an equal recipe is the same one
    with torch.no_grad():
        model[0].weight.add_(1.0)
    assert np.array_equal(scorer.score(other, np.arange(60)), scorer.score(other))
    assert len(loads) == 3  # somebody has written to the model


def parts(recipe):
    return recipe.boundaries.copy(), recipe.coefficients.copy()


@pytest.mark.parametrize("kind", ["checkpoint", "module"])
def test_a_merge_that_rejects_early_is_the_same_merge(kind, seeds):
    def run(**options):
        scorer = (
            CheckpointCaseScorer(mlp(), seeds, right, cases=60)
            if kind == "checkpoint"
            else ModuleScorer(mlp(), INPUTS, TARGETS, vectorize=False)
        )
        return evoniche.merge(seeds, scorer, warmup=10, population_size=6, seed=3).run(150, progress=False, **options)

    full, early = run(), run(reject_early=6)
    assert full.population.genomes == early.population.genomes
    assert np.array_equal(full.population.scores, early.population.scores)
    assert full.best.id == early.best.id
    assert np.array_equal(full.history["best"], early.history["best"])
    assert early.scored < full.scored == 150 * 60


def test_what_cannot_look_at_some_cases_is_refused_with_the_reason(seeds, recipes):
    with pytest.raises(ValueError, match=r"must look at some cases without the others: <lambda> is no function f\("):
        CheckpointCaseScorer(mlp(), seeds, lambda model: [1.0])
    joined = MultiTaskScorer({"right": right, "whole": lambda model: [1.0]})
    with pytest.raises(ValueError, match="others: task 'whole': <lambda> is no function"):
        CheckpointCaseScorer(mlp(), seeds, joined)
    with pytest.raises(ValueError, match="without the others: features is no function") as caught:
        CheckpointCaseScorer(mlp(), seeds, CosineScorer(whole_features(), np.eye(3)))
    assert "lambda" not in str(caught.value)
    with pytest.raises(ValueError, match=r"cases=.* is needed"):
        CheckpointCaseScorer(mlp(), seeds, right)
    with pytest.raises(TypeError, match="evaluate must be a function"):
        CheckpointCaseScorer(mlp(), seeds, "right")
    with pytest.raises(ValueError, match="highest"):
        CheckpointCaseScorer(mlp(), seeds, right, cases=60, highest=-1)
    cut = CheckpointCaseScorer(mlp(), seeds, lambda model, cases=None: [1.0] * 60, cases=60)
    with pytest.raises(ValueError, match="recipe 0 of a batch of 5 was asked for 2 of its cases and gave 60"):
        cut.score(recipes, np.array([0, 1]))
    joined = MultiTaskScorer(BOTH)
    joined(mlp())
    with pytest.raises(ValueError, match="numbers from 0 to 119"):
        joined(mlp(), np.array([0, 120]))


def whole_features():
    def features(model):
        return model(INPUTS)

    return features
