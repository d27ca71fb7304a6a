"""For all tests."""

from hypothesis import settings

# A slow machine is no failure, and the same examples come every time.
settings.register_profile("evoniche", deadline=None, derandomize=True)
settings.load_profile("evoniche")
