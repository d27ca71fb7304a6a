"""For all tests of evoniche_torch."""

import pytest
import torch


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """A cache folder of its own for each test: that of the user is never touched."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("EVONICHE_CACHE", str(folder))
    return folder


@pytest.fixture
def same_weights():
    """New networks are the same in each run."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    yield
    torch.set_rng_state(state)


@pytest.fixture
def one_thread():
    """More threads are slower for so small networks."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
