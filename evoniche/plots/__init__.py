"""Draws pictures of runs. It needs matplotlib, which is imported only when something is drawn."""

from evoniche.plots.histories import draw_histories

__all__ = ["draw_histories"]
