"""Interpolation between vectors, and M2N2's crossover by it.

Equation numbers are those of Abrantes, Lange and Tang 2025 (M2N2, GECCO 2025, arXiv 2508.16204).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from array_api_compat import device
from numpy.typing import ArrayLike

from evoniche.batches import like, namespace, to_numpy

__all__ = ["Angle", "slerp", "slerp_weights", "split_slerp"]

Array = Any
Angle = Literal["whole", "part"]


def slerp_weights(aa: Array, ab: Array, bb: Array, t: Array) -> tuple[Array, Array]:
    """The weights of a and b in SLERP_t(a, b), from nothing but their dot products (White 2016).

    With omega the angle between a and b: sin((1-t) omega) / sin omega and sin(t omega) / sin omega. Where the angle
    is 0 or pi, or a vector is zero, linear interpolation: 1 - t and t.

    Args:
        aa: a . a, any shape.
        ab: a . b, same shape.
        bb: b . b, same shape.
        t: Ratio, 0 gives a and 1 gives b; same shape.

    Returns:
        The two weights, same shape.
    """
    xp = namespace(aa, ab, bb, t)
    one = xp.ones_like(aa)
    norms = xp.sqrt(aa) * xp.sqrt(bb)
    zero = norms == 0
    cosine = xp.where(zero, one, ab / xp.where(zero, one, norms))
    omega = xp.acos(xp.maximum(xp.minimum(cosine, one), -one))
    sine = xp.sin(omega)
    # Near pi the weights grow without bound, and a rounded dot product is as good as opposite.
    linear = (sine <= 1e-6) | (cosine <= 1e-5 - 1)
    sine = xp.where(linear, one, sine)
    return (
        xp.where(linear, 1 - t, xp.sin((1 - t) * omega) / sine),
        xp.where(linear, t, xp.sin(t * omega) / sine),
    )


def slerp(a: Array, b: Array, t: ArrayLike) -> Array:
    """SLERP_t(a, b): spherical linear interpolation, row by row (White 2016).

    Args:
        a: Shape (n, size).
        b: Shape (n, size).
        t: Shape (n,): 0 gives a, 1 gives b.

    Returns:
        Shape (n, size), in the dtype of a.

    >>> slerp(np.array([[2.0, 0.0]]), np.array([[0.0, 2.0]]), [0.5]).round(3)
    array([[1.414, 1.414]])
    """
    aa, ab, bb = _dots(a, b)
    wa, wb = slerp_weights(aa, ab, bb, like(t, aa))  # (n,)
    return _blend(a, b, wa[:, None], wb[:, None])


def split_slerp(a: Array, b: Array, ratio: ArrayLike, split: ArrayLike, *, angle: Angle = "whole") -> Array:
    """concat(SLERP_wm(A[:ws], B[:ws]), SLERP_(1-wm)(A[ws:], B[ws:])), row by row (Abrantes 2025, eq. 2).

    Args:
        a: A, shape (n, size).
        b: B, shape (n, size).
        ratio: w_m, shape (n,), 0 to 1.
        split: w_s, shape (n,), integers from 1 to size - 1.
        angle: "whole" interpolates along the angle between the whole vectors, as the authors' code does; "part"
            takes each part's own angle, as eq. 2 reads.

    Returns:
        Shape (n, size), in the dtype of a.

    Raises:
        ValueError: An unknown angle, or a split that leaves no head or no tail.

    >>> split_slerp(np.eye(2)[:1], np.eye(2)[1:], [1.0], [1])
    array([[0., 0.]])
    """
    if angle not in ("whole", "part"):
        raise ValueError(f"angle must be 'whole' or 'part', got {angle!r}.")
    xp = namespace(a, b)
    n, size = a.shape
    ratio, split = to_numpy(ratio), to_numpy(split)
    if len(split) and not 1 <= split.min() <= split.max() < size:
        raise ValueError(f"split must be from 1 to size - 1 = {size - 1}, got {split.tolist()}.")
    precision = a.dtype if xp.finfo(a.dtype).bits >= 32 else xp.float32
    t = np.array([ratio, 1 - ratio]).T  # (n, 2): in head and tail
    lengths = xp.asarray(np.array([split, size - split]).T.ravel(), device=device(a))  # (2n,)

    def along(values: Array) -> Array:  # (n, 2), constant in head and tail -> (n, size)
        return xp.reshape(xp.repeat(xp.reshape(xp.astype(values, precision), (-1,)), lengths), (n, size))

    if angle == "whole":
        aa, ab, bb = (dot[:, None] for dot in _dots(a, b))  # (n, 1)
    else:
        head = xp.astype(along(like(np.tile([1.0, 0.0], (n, 1)), a)), a.dtype)
        parts = _dots(a * head, b * head), _dots(a * (1 - head), b * (1 - head))
        aa, ab, bb = (xp.stack(pair, axis=1) for pair in zip(*parts, strict=True))  # (n, 2)
    wa, wb = slerp_weights(aa, ab, bb, like(t, aa))  # (n, 2)
    return _blend(a, b, along(wa), along(wb))


def _blend(a: Array, b: Array, wa: Array, wb: Array) -> Array:
    """The sum a wa + b wb, rounded once to the dtype of a; the weights broadcast."""
    xp = namespace(a, b)
    precision = a.dtype if xp.finfo(a.dtype).bits >= 32 else xp.float32
    child = xp.astype(a, precision, copy=False) * xp.astype(wa, precision, copy=False)
    child += xp.astype(b, precision, copy=False) * xp.astype(wb, precision, copy=False)
    return xp.astype(child, a.dtype, copy=False)


def _dots(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """The dot products a . a, a . b and b . b of each row, as float64 of shape (n,)."""
    xp = namespace(a, b)
    if xp.finfo(a.dtype).bits < 32:  # a dot product rounded to 8 or 11 bits would bend the angle
        a, b = xp.astype(a, xp.float32), xp.astype(b, xp.float32)
    aa, ab, bb = xp.vecdot(a, a), xp.vecdot(a, b), xp.vecdot(b, b)
    return xp.astype(aa, xp.float64), xp.astype(ab, xp.float64), xp.astype(bb, xp.float64)
