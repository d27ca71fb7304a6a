"""Interpolation between vectors: LERP, SLERP, and M2N2's split SLERP.

Equation numbers are those of Abrantes, Lange and Tang 2025 (M2N2, GECCO 2025, arXiv 2508.16204).

A merge is a weighted sum of two parents whose weights are constant along each piece of the genome, and the weights of
SLERP follow from dot products alone. The same code therefore works on arrays and on any `Vectors`, such as merge
recipes, which can compute dot products and weighted sums.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoniche.arrays import bits, namespace, to_numpy
from evoniche.functional.chromosomes import Chromosomes
from evoniche.functional.vectors import Dots, Floats, blend, dot_products, is_vectors

__all__ = ["Angle", "lerp", "slerp", "slerp_weights", "split_slerp"]

Array = Any
Angle = Literal["whole", "part"]


def slerp_weights(aa: Array, ab: Array, bb: Array, t: Array, *, eps: float | None = None) -> tuple[Array, Array]:
    """Compute the weights of a and b in SLERP_t(a, b) from their dot products (White 2016).

        sin((1-t) omega) / sin omega and sin(t omega) / sin omega,    omega: the angle between a and b

    If the angle is 0 or pi, or a vector is zero, the weights are those of linear interpolation, 1 - t and t. Close to
    pi, the weights grow without bound and depend on rounding errors of the angle. An angle therefore counts as pi if
    1 + cos omega is below 84 eps (0.0045 rad before pi in single precision), or if it is within 1e-6 rad of pi.

    Args:
        aa: a . a, an array of any shape.
        ab: a . b, the same shape.
        bb: b . b, the same shape.
        t: The ratio: 0 gives a and 1 gives b; any shape that broadcasts with the others.
        eps: The machine epsilon of the computation of the dot products; that of their dtype when None.

    Returns:
        The weight of a and the weight of b, in the broadcast shape.

    >>> a, b = slerp_weights(np.array([1.0]), np.array([0.0]), np.array([1.0]), np.array([0.5]))  # at right angles
    >>> a.round(3), b.round(3)
    (array([0.707]), array([0.707]))
    """
    xp = namespace(aa, ab, bb, t)
    one = xp.ones_like(aa)
    norms = xp.sqrt(aa) * xp.sqrt(bb)
    zero = norms == 0
    cosine = xp.where(zero, one, ab / xp.where(zero, one, norms))
    omega = xp.acos(xp.maximum(xp.minimum(cosine, one), -one))
    sine = xp.sin(omega)
    eps = float(xp.finfo(aa.dtype).eps) if eps is None else eps
    linear = (sine <= 1e-6) | (cosine <= 1e-5 * (eps / 2**-23) - 1)
    sine = xp.where(linear, one, sine)
    rest = 1 - t
    return xp.where(linear, rest, xp.sin(rest * omega) / sine), xp.where(linear, t, xp.sin(t * omega) / sine)


def lerp(a: Array, b: Array, t: ArrayLike, *, chromosomes: Chromosomes | None = None) -> Array:
    """Interpolate linearly, row by row: (1 - t) a + t b.

    Args:
        a: Shape (n, size): an array or `Vectors`.
        b: Shape (n, size).
        t: Shape (n,), or (n, count) with chromosomes: 0 gives a, 1 gives b.
        chromosomes: Groups of numbers, each with its own t; one group when None.

    Returns:
        Shape (n, size), in the dtype of a.

    Raises:
        ValueError: The chromosomes are of another size.

    >>> lerp(np.array([[0.0, 8.0]]), np.array([[4.0, 0.0]]), [0.25])
    array([[1., 6.]])
    """
    chromosomes = _chromosomes(chromosomes, a)
    t = _ratios(t, chromosomes)[:, chromosomes.labels]  # (n, stretches)
    return blend(a, b, _rows(chromosomes.boundaries, len(t)), 1 - t, t)


def slerp(a: Array, b: Array, t: ArrayLike, *, chromosomes: Chromosomes | None = None) -> Array:
    """Interpolate along the arc between a and b, row by row: SLERP_t(a, b) (White 2016).

    Args:
        a: Shape (n, size): an array or `Vectors`.
        b: Shape (n, size).
        t: Shape (n,), or (n, count) with chromosomes: 0 gives a, 1 gives b.
        chromosomes: Groups of numbers, each with its own t and angle; one group when None.

    Returns:
        Shape (n, size), in the dtype of a.

    Raises:
        ValueError: The chromosomes are of another size.

    >>> slerp(np.array([[2.0, 0.0]]), np.array([[0.0, 2.0]]), [0.5]).round(3)
    array([[1.414, 1.414]])
    """
    chromosomes = _chromosomes(chromosomes, a)
    t = _ratios(t, chromosomes)  # (n, count)
    wa, wb = slerp_weights(*_dots_of_chromosomes(a, b, chromosomes), t, eps=_eps(a))  # (n, count)
    bounds = _rows(chromosomes.boundaries, len(t))
    return blend(a, b, bounds, wa[:, chromosomes.labels], wb[:, chromosomes.labels])


def split_slerp(
    a: Array,
    b: Array,
    ratio: ArrayLike,
    split: ArrayLike,
    *,
    angle: Angle = "whole",
    chromosomes: Chromosomes | None = None,
) -> Array:
    """Interpolate with opposite ratios before and after a split point, row by row (Abrantes 2025, eq. 2).

        concat(SLERP_wm(A[:ws], B[:ws]), SLERP_(1-wm)(A[ws:], B[ws:]))

    With several split points, the ratios w_m and 1 - w_m alternate from part to part.

    Args:
        a: A, shape (n, size): an array or `Vectors`.
        b: B, shape (n, size).
        ratio: w_m, shape (n,), 0 to 1; (n, count) with chromosomes.
        split: w_s, shape (n,), integers from 1 to size - 1; (n, count) with chromosomes, counted along each. Several
            for each chromosome have the shape (n, count, splits) and need no order; at the size they cut nothing.
        angle: "whole" uses the angle between the whole vectors, as the authors' code does; "part" uses the angle
            between the two heads for the head and between the two tails for the tail, as eq. 2 reads.
        chromosomes: Groups of numbers that are merged as if each were a genome of its own; one group when None.

    Returns:
        Shape (n, size), in the dtype of a.

    Raises:
        ValueError: The angle is unknown, a split leaves no head or no tail, or the chromosomes are of another size.

    >>> split_slerp(np.eye(2)[:1], np.eye(2)[1:], [1.0], [1])
    array([[0., 0.]])
    """
    if angle not in ("whole", "part"):
        raise ValueError(f"angle must be 'whole' or 'part', got {angle!r}.")
    chromosomes = _chromosomes(chromosomes, a)
    ratio = _ratios(ratio, chromosomes)  # (n, count)
    split = to_numpy(split)
    bounds, labels, part = chromosomes.cut(split if split.ndim == 3 else split.reshape(ratio.shape))  # (n, pieces)
    t = _of_groups(ratio, labels)
    t = np.where(part % 2, 1 - t, t)
    if angle == "whole":
        dots, group = _dots_of_chromosomes(a, b, chromosomes), labels
    else:
        parts = split.shape[2] + 1 if split.ndim == 3 else 2
        group = parts * labels + part
        dots = _grouped(dot_products(a, b, bounds), group, parts * chromosomes.count)
    aa, ab, bb = (_of_groups(dot, group) for dot in dots)
    wa, wb = slerp_weights(aa, ab, bb, t, eps=_eps(a))  # (n, pieces)
    return blend(a, b, bounds, wa, wb)


def _eps(a: Array) -> float:
    """Return the machine epsilon of dot products: single precision for halves, double precision for `Vectors`."""
    return 2.0 ** (-52 if is_vectors(a) or bits(a) > 32 else -23)


def _chromosomes(chromosomes: Chromosomes | None, a: Array) -> Chromosomes:
    size = a.shape[1]
    if chromosomes is None:
        return Chromosomes.whole(size)
    if chromosomes.size != size:
        raise ValueError(f"these chromosomes are of genomes of {chromosomes.size} numbers, got {size}.")
    return chromosomes


def _ratios(t: ArrayLike, chromosomes: Chromosomes) -> Floats:
    return np.reshape(np.asarray(to_numpy(t), dtype=np.float64), (-1, chromosomes.count))


def _rows(bounds: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return bounds[None, :].repeat(n, axis=0)


def _of_groups(values: Floats, groups: NDArray[np.int64]) -> Floats:
    """Look up the value (n, count) of each piece's group, shape (n, pieces); (n, 1) if there is only one group."""
    return values if values.shape[1] == 1 else np.take_along_axis(values, groups, axis=1)


def _sums(values: Floats, groups: NDArray[np.int64], count: int) -> Floats:
    """Sum the values (n, pieces) of each group, shape (n, count)."""
    n = len(values)
    index = np.arange(n)[:, None] * count + groups
    sums = np.bincount(index.ravel(), values.ravel(), minlength=n * count)
    return sums.astype(np.float64, copy=False).reshape(n, count)


def _grouped(dots: Dots, groups: NDArray[np.int64], count: int) -> Dots:
    aa, ab, bb = (_sums(dot, groups, count) for dot in dots)
    return aa, ab, bb


def _dots_of_chromosomes(a: Array, b: Array, chromosomes: Chromosomes) -> Dots:
    """Compute the dot products a . a, a . b and b . b of each chromosome, shape (n, count)."""
    dots = dot_products(a, b, _rows(chromosomes.boundaries, a.shape[0]))
    if len(chromosomes.labels) == 1:
        return dots
    return _grouped(dots, chromosomes.labels, chromosomes.count)
