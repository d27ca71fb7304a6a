"""Generators derived from a seed and integers, global random state, and weighted draws."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.random import SFC64, Generator, SeedSequence
from numpy.typing import NDArray

__all__ = [
    "fresh_seed", "generator", "global_random_state", "kept_global_randomness", "normal32", "weighted_indices",
]


def fresh_seed() -> int:
    """Draw a seed from the operating system's entropy, for a run without one."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, *key: int) -> Generator:
    """Make the generator of a seed and a key of integers, independent of the generators of other keys.

    To continue a run, the seed and the key are all that must be kept of a generator.

    >>> int(generator(0, 3).integers(100)) == int(generator(0, 3).integers(100))
    True
    """
    return Generator(SFC64(SeedSequence(seed, spawn_key=key)))


def global_random_state() -> dict[str, Any]:
    """Return the state of the global generators: Python's, numpy's, and torch's if torch is loaded.

    For torch, this is the state of the CPU's generator, and of those of the GPUs if any is in use.
    """
    state: dict[str, Any] = {"random": random.getstate(), "numpy": np.random.get_state()}  # noqa: NPY002
    torch = sys.modules.get("torch")
    if torch is not None:
        state["torch"] = torch.get_rng_state()
        if torch.cuda.is_initialized():
            state["cuda"] = torch.cuda.get_rng_state_all()
    return state


@contextmanager
def kept_global_randomness() -> Iterator[None]:
    """Restore the global generators after the block, whatever code in it seeds them or draws from them.

    >>> random.seed(1)
    >>> with kept_global_randomness():
    ...     random.seed(2)
    >>> random.random()
    0.13436424411240122
    """
    state = global_random_state()
    try:
        yield
    finally:
        random.setstate(state["random"])
        np.random.set_state(state["numpy"])  # noqa: NPY002
        if "torch" in state:
            sys.modules["torch"].set_rng_state(state["torch"])
        if "cuda" in state:
            sys.modules["torch"].cuda.set_rng_state_all(state["cuda"])


def normal32(shape: tuple[int, ...], *, rng: Generator) -> NDArray[np.float32]:
    """Draw standard normal numbers in single precision (Box and Muller 1958).

    The transform works on whole arrays, which is nearly twice as fast as the generator's own method. When every child
    of a small network gets noise, this draw is the largest cost.

    Args:
        shape: The shape of the result.
        rng: The source of randomness.

    Returns:
        A float32 array of this shape, with values within 5.8 standard deviations.

    >>> noise = normal32((3, 2), rng=generator(0))
    >>> noise.shape, noise.dtype
    ((3, 2), dtype('float32'))
    """
    size = math.prod(shape)
    half = (size + 1) // 2
    bits = rng.integers(0, 2**64 - 1, size=half, dtype=np.uint64, endpoint=True).view(np.uint32)
    bits >>= 8  # 24 bits fill a single-precision number from 0 to 1, 1 excluded
    uniform = bits.astype(np.float32)
    uniform *= 2**-24
    radius, angle = uniform.reshape(2, half)
    np.log1p(np.negative(radius, out=radius), out=radius)
    radius *= -2
    np.sqrt(radius, out=radius)
    angle *= np.float32(2 * math.pi)
    normal = np.empty((2, len(angle)), dtype=np.float32)
    np.cos(angle, out=normal[0])
    np.sin(angle, out=normal[1])
    normal *= radius
    return normal.reshape(-1)[:size].reshape(shape)


def weighted_indices(weights: NDArray[np.floating], n: int, *, rng: Generator) -> NDArray[np.intp]:
    """Draw indices with probability proportional to weights, with replacement.

    Args:
        weights: Shape (members,), or (n, members) with a row for each draw; never negative. If all weights of a row
            are zero, the draw is uniform.
        n: The number of draws.
        rng: The source of randomness.

    Returns:
        The indices, shape (n,).

    >>> weighted_indices(np.array([0.0, 1.0, 0.0]), 4, rng=generator(0))
    array([1, 1, 1, 1])
    """
    if weights.ndim == 2 and len(weights) == 1:
        weights = weights[0]
    cumulated = weights.cumsum(axis=-1, dtype=np.float64)  # (members,) or (n, members)
    total = cumulated[..., -1]
    spin = rng.random(n)
    if cumulated.ndim == 1:
        if total <= 0:
            return (spin * len(cumulated)).astype(np.intp)
        # The bound keeps a spin that rounds up to the total on the last member that has any weight.
        last = cumulated.searchsorted(total)
        single: NDArray[np.intp] = np.minimum(cumulated.searchsorted(spin * total, side="right"), last)
        return single
    empty = total <= 0
    if empty.any():
        cumulated[empty] = np.arange(1, cumulated.shape[1] + 1)
        total = cumulated[:, -1]
    chosen = (cumulated <= (spin * total)[:, None]).sum(axis=1)
    last = (cumulated < total[:, None]).sum(axis=1)
    drawn: NDArray[np.intp] = np.minimum(chosen, last)
    return drawn
