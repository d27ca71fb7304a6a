"""Several tasks as the cases of one scorer."""

import pickle

import numpy as np
import pytest
import torch
from tiny_networks import logits, mlp

import evoniche
from evoniche_torch.models import ModuleSeeds
from evoniche_torch.scorers import CheckpointScorer, MultiTaskScorer, importance_of

pytestmark = pytest.mark.usefixtures("same_weights", "one_thread")


class TestMultiTaskScorer:
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

    def test_tasks_may_share_a_buffer(self):
        buffer = np.empty(2)

        def filled(value):
            buffer[:] = value
            return buffer

        scorer = MultiTaskScorer({"a": lambda model: filled(0.25), "b": lambda model: filled(0.75)})
        assert scorer(None).tolist() == [0.25, 0.25, 0.75, 0.75]

    def test_a_masked_score_is_none(self):
        scorer = MultiTaskScorer({"a": lambda model: np.ma.array([1.0, 0.5, 0.0], mask=[False, True, False])})
        with pytest.raises(ValueError, match="'a' must score every case, got a masked score for case 1"):
            scorer(None)
