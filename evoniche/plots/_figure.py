"""What all pictures of a run share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "by_niche", "empty", "new_figure", "tidy"]

# Okabe and Ito's palette, which colour-blind readers can tell apart too; black is for what is marked.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#882255")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'evoniche[plot]'.") from error
    return Figure(figsize=(width, height), layout="constrained")


def empty(text: str) -> Figure:
    """A picture that says why there is none."""
    figure = new_figure(8, 1.2)
    figure.text(0.5, 0.5, text, ha="center", va="center", color="#555555")
    return figure


def tidy(axis: Any, **labels: Any) -> None:
    """Labels, a grid, and no frame above and at the right."""
    axis.set(**labels)
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def by_niche(solved: NDArray[np.floating]) -> NDArray[np.intp]:
    """The order of rows in which those that are alike stand together: average linkage, leaves in the best order.

    Beyond 600 rows the order of leaves is not optimised, which would take minutes.
    """
    if len(solved) < 3:
        return np.arange(len(solved))
    try:
        from scipy.cluster.hierarchy import leaves_list, linkage
    except ImportError as error:
        raise ImportError("ordering by niche needs scipy: pip install 'evoniche[plot]'.") from error
    order: NDArray[np.intp] = leaves_list(linkage(solved, "average", optimal_ordering=len(solved) <= 600))
    return order.astype(np.intp)
