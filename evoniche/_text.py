"""Text of users in files and in Markdown, which is shown as it is, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["code", "escaped", "fenced", "printable", "table"]


def printable(text: str) -> str:
    r"""Return a text that every file can hold: lone surrogates become escapes.

    >>> printable("\ud800")
    '\\ud800'
    """
    return text.encode(errors="backslashreplace").decode()


def escaped(text: str) -> str:
    r"""Return text that Markdown shows as it is: no emphasis, link, picture or HTML.

    >>> escaped("![x](y_z)")
    '\\!\\[x\\](y\\_z)'
    """
    return re.sub(r"([\\`*_<>\[\]!#|~&$])", r"\\\1", " ".join(printable(text).split()))


def code(text: str) -> str:
    """Return text in the typewriter font that Markdown shows as it is.

    >>> code("a"), code("a`b")
    ('`a`', '`` a`b ``')
    """
    text = " ".join(printable(text).split())
    ticks = _longer(text, 1)
    return f"{ticks} {text} {ticks}" if "`" in text else f"`{text}`"


def fenced(text: str, language: str = "") -> str:
    """Return lines in the typewriter font that Markdown shows as they are."""
    fence = _longer(text, 3)
    return f"{fence}{language}\n{printable(text).rstrip()}\n{fence}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in line) + " |" for line in lines)


def _longer(text: str, least: int) -> str:
    """Return more backticks than there are in a row."""
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])
