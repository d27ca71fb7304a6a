"""The guard of global random state."""

import random
import subprocess
import sys

import numpy as np
import pytest

from evoniche.randomness import global_random_state, kept_global_randomness


def test_global_generators_are_left_as_they_were():
    torch = pytest.importorskip("torch")

    def drawn():
        return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002

    def seed_and_fail():
        with kept_global_randomness():
            random.seed(0)
            np.random.seed(0)  # noqa: NPY002
            torch.manual_seed(0)
            assert drawn() != first
            raise KeyboardInterrupt

    state = global_random_state()
    with kept_global_randomness():
        first = drawn()
    with pytest.raises(KeyboardInterrupt):
        seed_and_fail()
    assert str(global_random_state()) == str(state)
    with kept_global_randomness():
        assert drawn() == first


def test_torch_is_not_loaded_for_it():
    program = ("import sys\nfrom evoniche.randomness import kept_global_randomness\n"
               "with kept_global_randomness(): pass\nassert 'torch' not in sys.modules")  # fmt: skip
    subprocess.run([sys.executable, "-c", program], check=True)
