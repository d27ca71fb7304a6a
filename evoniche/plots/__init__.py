"""Pictures of runs; needs matplotlib, which is imported when something is drawn."""

from evoniche.plots.histories import draw_histories

__all__ = ["draw_histories"]
