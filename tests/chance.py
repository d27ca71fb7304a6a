"""Whether draws follow their law."""

import numpy as np
import pytest


def assert_law(drawn, probabilities):
    """Each index came as often as its probability says, and those of probability 0 never."""
    p = np.asarray(probabilities, dtype=np.float64)
    assert p.sum() == pytest.approx(1)
    n = len(drawn)
    counts = np.bincount(drawn, minlength=len(p))
    assert len(counts) == len(p)
    assert (counts[p == 0] == 0).all()
    deviation = (counts - n * p) / np.sqrt(np.maximum(n * p * (1 - p), 1e-9))
    assert np.abs(deviation).max() < 5, deviation
