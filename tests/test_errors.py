"""Errors as scores."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import evoniche
from evoniche.functional import scores_from_errors


def test_the_formula():
    scores = scores_from_errors([[0, 1, 3], [2, np.inf, 1e-3]], scale=2)
    np.testing.assert_allclose(scores, [[1, 2 / 3, 2 / 5], [1 / 2, 0, 2 / 2.001]])
    assert scores_from_errors(np.ones((1, 1), np.float32)).dtype == np.float32
    assert scores_from_errors(torch.tensor([[1.0, 3.0]])).tolist() == [[0.5, 0.25]]


@given(arrays(np.float64, (4, 3), elements=st.floats(0, 1e300)))
def test_scores_are_from_0_to_1_and_a_lower_error_never_scores_less(errors):
    scores = scores_from_errors(errors)
    assert ((scores >= 0) & (scores <= 1)).all()
    for error, score in zip(errors.T, scores.T, strict=True):
        assert (np.diff(score[np.argsort(error)]) <= 0).all()


@pytest.mark.parametrize(
    ("errors", "scale", "says"),
    [
        ([[1.0, -0.5]], 1, "errors must be >= 0, got -0.5"),
        ([[1.0, np.nan]], 1, "errors must be >= 0, got nan"),
        (np.ma.masked_greater([[1.0, 9.0]], 5), 1, "must not be masked"),
        ([["a"]], 1, "errors must be numbers, got <U1"),
        ([[1j]], 1, "errors must be numbers, got complex128"),
        ([[1.0]], 0, "scale must be > 0"),
        ([[1.0]], np.nan, "scale must be > 0"),
        ([[1.0, 2.0]], [1, -1], "scale must be > 0"),
    ],
)
def test_what_is_no_error_is_refused(errors, scale, says):
    with pytest.raises(ValueError, match=says):
        scores_from_errors(errors, scale=scale)


def test_minimising():
    x = np.linspace(-1, 1, 20)
    evolution = evoniche.m2n2(
        lambda lines: scores_from_errors((lines[:, :1] * x + lines[:, 1:] - (0.5 * x - 0.2)) ** 2, scale=0.1),
        genome=evoniche.RealGenome(2), mutation=evoniche.GaussianMutation(0.05), seed=0,
    )  # fmt: skip
    np.testing.assert_allclose(evolution.run(2000, progress=False).best.genome, [0.5, -0.2], atol=0.05)
