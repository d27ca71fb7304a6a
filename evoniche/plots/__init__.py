"""Draws pictures of runs. It needs matplotlib, which is imported only when something is drawn."""

from evoniche.plots.ancestry import ancestors, draw_genealogy, draw_provenance
from evoniche.plots.histories import draw_histories
from evoniche.plots.niches import draw_attraction, draw_niches
from evoniche.plots.page import run_page
from evoniche.plots.progress import draw_operators, draw_progress, draw_survival, draw_takeover
from evoniche.plots.record import RunRecord

__all__ = [
    "RunRecord",
    "ancestors",
    "draw_attraction",
    "draw_genealogy",
    "draw_histories",
    "draw_niches",
    "draw_operators",
    "draw_progress",
    "draw_provenance",
    "draw_survival",
    "draw_takeover",
    "run_page",
]
