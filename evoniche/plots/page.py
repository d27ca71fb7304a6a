"""A run as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evoniche._text import printable
from evoniche.plots.ancestry import draw_genealogy, draw_provenance
from evoniche.plots.niches import draw_attraction, draw_niches
from evoniche.plots.progress import draw_operators, draw_progress, draw_survival, draw_takeover
from evoniche.plots.record import RunRecord

__all__ = ["PICTURES", "run_page"]

PICTURES: Sequence[tuple[str, Callable[[RunRecord], Any], str]] = (
    ("Progress", draw_progress,
     "Best is the best score ever told; best member and mean are of those alive. Coverage is the share of cases "
     "that some member solves (0.5 or more), entropy how evenly the cases divide the members (1 bit: each case is "
     "solved by half of them). Niches are distinct sets of solved cases. A mean that rises while niches and "
     "entropy fall says that one kind takes over."),
    ("Who lives from what", draw_niches,
     "Bright is a high score. Members and cases that are alike stand together (average linkage), so a niche is a "
     "block. Above: the load of each case, which is the sum of all scores on it, and its price, which is what a "
     "unit of score on it is worth (capacity over load). Members live on cases of high price. Cases on which all "
     "score the same are left out."),
    ("Attraction, and who mated", draw_attraction,
     "Bright: the mate is strong, on cases of high price, where the first parent is weak. Dots are matings of "
     "members that are still alive, larger where there were several. Dots on bright fields say that attraction "
     "decides who mates."),
    ("The ancestors of the best", draw_genealogy,
     "A point is a child, a line goes to each parent, and time runs from left to right by generations. Colours are"
     " the first genomes that gave most to it, each parent giving half. Rings mark the crossovers that brought the"
     " largest rise above the better parent. Lines from below say that the best needed parents that were not good "
     "themselves."),
    ("Who took over", draw_takeover,
     "The share of members that descend from each of the first genomes by first parents. One colour alone is a "
     "takeover; how fast it comes is the selection pressure."),
    ("How long children live", draw_survival,
     "The share still alive so many evaluations after they were told (Kaplan and Meier 1958). A fall at 0 is "
     "children that were never accepted; a long tail is members that hold a niche."),
    ("What becomes of children", draw_operators,
     "By the number of their parents, since a store does not say which operator changed a child. Children of two "
     "parents that beat both more often than those of one say that crossover does the work."),
    ("Which seed each parameter came from", draw_provenance,
     "For merges. Above: the share of each seed along the parameters of the best merge in the store, as absolute "
     "coefficients. Below: where the merges that are alive are cut; peaks are split points that crossover and "
     "selection have agreed on."),
)  # fmt: skip
"""Heading, picture, and how to read it."""

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; font-size: 0.88rem; display: block; overflow-x: auto; margin: 1rem 0; }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid #ddd; text-align: left; }
img { max-width: 100%; height: auto; }
figure { margin: 1rem 0; } figcaption { color: #444; max-width: 60rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ddd; }
"""


def run_page(record: RunRecord) -> str:
    """Make the page of a run: what it came to, all pictures with how to read them, hardest cases and failures.

    Raises:
        ImportError: matplotlib or scipy is not installed.
    """
    title = _safe(f"evoniche: the run {record.name}")
    parts = [f"<h1>{title}</h1>", _table(("what", "value"), _summary(record))]
    for heading, draw, caption in PICTURES:
        if draw is draw_provenance and not record.recipes:
            continue
        parts.append(f"<h2>{_safe(heading)}</h2>\n<figure>{_picture(draw(record), heading)}"
                     f"<figcaption>{_safe(caption)}</figcaption></figure>")  # fmt: skip
    parts.append(_end(record))
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = "\n".join(parts)
    head += f"<style>{_STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _summary(record: RunRecord) -> list[tuple[str, str]]:
    best = record.best
    rows = [
        ("evaluations", f"{max(record.told.max(initial=0), 0):,}"), ("children", f"{len(record.parents):,}"),
        ("members x cases", " x ".join(f"{length:,}" for length in record.scores.shape)),
        ("seconds", f"{record.seconds:,.1f}"),
        ("best", "none" if best is None else f"{record.means[best]:.6g} (child {best})"),
        ("attempts to score that failed", f"{len(record.failures):,}"),
    ]  # fmt: skip
    return rows + [(key, _short(value)) for key, value in record.about.items()]


def _end(record: RunRecord) -> str:
    """The best members and the hardest cases, and what has failed."""
    parts = []
    if len(record.ids):
        order = np.argsort(-record.means[record.ids], kind="stable")[:10]
        rows = [(str(record.ids[i]), f"{record.means[record.ids[i]]:.6g}", *map(str, record.parents[record.ids[i]]))
                for i in order]  # fmt: skip
        parts += ["<h2>Best members</h2>", _table(("child", "score", "first parent", "mate"), rows)]
        top = record.scores.max(axis=0)
        hardest = np.lexsort((record.scores.mean(axis=0), top))[:20].tolist()
        cases = [(str(j), f"{top[j]:.4g}", f"{record.scores[:, j].mean():.4g}", f"{(record.scores[:, j] >= 0.5).sum()}")
                 for j in hardest]  # fmt: skip
        columns = ("case, from 0", "best member", "mean", "members that solve it")
        parts += ["<h2>Hardest cases</h2>", _table(columns, cases)]
    if record.failures:
        rows = [(str(child), str(attempt), summary) for child, attempt, summary in record.failures[:100]]
        parts += [f"<h2>Failures ({len(record.failures):,})</h2>", _table(("child", "attempt", "what"), rows)]
    return "\n".join(parts)


def _picture(figure: Any, heading: str) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    content = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="{_safe(heading)}" src="data:image/png;base64,{content}">'


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["".join(f"<th>{_safe(cell)}</th>" for cell in header)]
    lines += ["".join(f"<td>{_safe(cell)}</td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _safe(text: str) -> str:
    return html.escape(printable(text))


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 300 else f"{text[:297]}..."
