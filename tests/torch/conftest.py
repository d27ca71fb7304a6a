"""For all tests of evoniche_torch."""

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """A cache folder of its own for each test: that of the user is never touched."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("EVONICHE_CACHE", str(folder))
    return folder
