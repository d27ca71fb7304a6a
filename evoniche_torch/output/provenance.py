"""The provenance of a merged model: how much of each layer came from which seed, as numbers and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoniche import Recipe, Result
from evoniche_torch.files import TensorIndex
from evoniche_torch.models import layer_of

__all__ = ["draw_merge", "layer_shares", "seed_shares"]

_LOWEST = 4.4  # inches
_CURVES = (
    ("coverage", "coverage: cases that some member solves", "#D55E00"),  # Okabe and Ito's palette
    ("mean", "mean of the population", "#009E73"),
    ("best", "best so far, which is written", "#0072B2"),
)


def seed_shares(recipe: Recipe, bounds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the share of each seed in each stretch of the flat index.

    The share of a seed in a parameter is the absolute value of its coefficient over the sum of those of all seeds. The
    share in a stretch is the mean over its parameters.

    Args:
        recipe: A merged model.
        bounds: The flat positions between which the stretches lie, rising, shape (stretches + 1,).

    Returns:
        Shares of shape (stretches, seeds). A row sums to 1, or to 0 where every coefficient is 0.

    >>> seed_shares(Recipe.of([0, 2, 4], [[1.0, 0.0], [0.5, 0.5]]), np.array([0, 4]))
    array([[0.75, 0.25]])
    """
    cuts = np.unique(np.concatenate([recipe.boundaries, bounds]))
    cuts = cuts[(cuts >= bounds[0]) & (cuts <= bounds[-1])]
    amounts = np.abs(recipe.along(cuts))  # (pieces, seeds)
    total = amounts.sum(axis=1, keepdims=True)
    shares = np.divide(amounts, total, out=np.zeros_like(amounts), where=total > 0) * np.diff(cuts)[:, None]
    stretch = np.searchsorted(bounds, cuts[:-1], side="right") - 1
    sums = np.zeros((len(bounds) - 1, amounts.shape[1]))
    np.add.at(sums, stretch, shares)
    return sums / np.diff(bounds)[:, None]


def layer_shares(recipe: Recipe, index: TensorIndex) -> tuple[list[str], NDArray[np.float64]]:
    """Compute the share of each seed in each layer; see `seed_shares`.

    Args:
        recipe: A merged model.
        index: The tensors of the flat index.

    Returns:
        The layers' names in the order of the flat index, and shares of shape (layers, seeds).
    """
    layers = [layer_of(tensor.name) for tensor in index.merged]
    of_tensors = seed_shares(recipe, index.starts)  # (tensors, seeds)
    sizes = np.diff(index.starts)
    names = list(dict.fromkeys(layers))
    members = np.array([[layer == name for layer in layers] for name in names]) * sizes  # (layers, tensors)
    return names, members @ of_tensors / members.sum(axis=1, keepdims=True)


def draw_merge(result: Result, index: TensorIndex, labels: Sequence[str], path: Path) -> Path:
    """Draw the scores over evaluations, and the share of each seed in each layer of the best model.

    Args:
        result: The result of an evolution of recipes.
        index: The tensors of the flat index.
        labels: The name of each seed.
        path: The file of the picture; its ending tells the format.

    Returns:
        `path`.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: Nothing was evaluated.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'evoniche[plot]'.") from error
    if result.best is None:
        raise ValueError("nothing was evaluated, so there is nothing to draw.")
    names, shares = layer_shares(result.best.genome[0], index)
    height = min(14.0, max(_LOWEST, 1.6 + 0.17 * len(names)))
    figure = Figure(figsize=(10, height), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[1.15, 1], height_ratios=[_LOWEST, height - _LOWEST + 1e-6])
    _curves(figure.add_subplot(grid[0, 0]), result.history)
    _heat_map(figure, figure.add_subplot(grid[:, 1]), names, shares, labels)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return path


def _curves(axis: Any, history: Any) -> None:
    marker = "." if len(history["evaluations"]) < 12 else ""
    for name, label, colour in _CURVES:
        axis.plot(history["evaluations"], history[name], color=colour, label=label, linewidth=1.6, marker=marker)
    axis.set_xlabel("evaluations")
    axis.set_title("scores on the training cases", fontsize="medium")
    axis.set_xlim(left=0)
    axis.margins(y=0.08)
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(-0.02, -0.18), borderaxespad=0.0)


def _heat_map(figure: Any, axis: Any, names: list[str], shares: NDArray[np.float64], labels: Sequence[str]) -> None:
    image = axis.imshow(shares, aspect="auto", cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    every = max(1, len(names) // 48)
    axis.set_yticks(range(0, len(names), every), names[::every], fontsize="x-small")
    turned: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    turned = turned if max(map(len, labels)) > 12 else {}
    axis.set_xticks(range(len(labels)), labels, fontsize="small", **turned)
    axis.set_title("where each layer of the best came from", fontsize="medium")
    if len(names) * len(labels) <= 200:
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > 0.6 else "black"
            axis.text(column, row, f"{share:.0%}", ha="center", va="center", fontsize="x-small", color=colour)
    bar = figure.colorbar(image, ax=axis, label="share of the coefficients", aspect=30, shrink=0.7, format="{x:.0%}")
    bar.ax.tick_params(labelsize="small")
