"""The similarity of features to targets."""

import numpy as np
import pytest
import torch
from tiny_networks import logits

from evoniche_torch.scorers import CosineScorer

pytestmark = pytest.mark.usefixtures("same_weights", "one_thread")


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
