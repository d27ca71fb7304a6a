"""Pictures of runs; needs matplotlib, which is imported when something is drawn."""

from evoniche.plots.runs import Runs, draw_runs, read_runs

__all__ = ["Runs", "draw_runs", "read_runs"]
