"""Makes an HTML page of Markdown that needs no other file."""

from __future__ import annotations

import base64
import re
from pathlib import Path

__all__ = ["html_page"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; font-size: 0.88rem; display: block; overflow-x: auto; margin: 1rem 0; }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap; }
th { border-bottom: 2px solid #888; }
img { max-width: 100%; height: auto; }
code { background: #f3f3f3; padding: 0.1rem 0.25rem; border-radius: 3px; }
pre code { display: block; padding: 0.6rem; overflow-x: auto; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ddd; }
"""


def html_page(text: str, folder: Path) -> str:
    """Turn Markdown into one HTML page that needs no other file.

    Args:
        text: The Markdown.
        folder: The folder whose pictures/*.png it holds. No other file is read, whatever the text names.
    """
    from markdown_it import MarkdownIt

    there = {f"pictures/{picture.name}": picture for picture in (folder / "pictures").glob("*.png")}

    def embedded(match: re.Match[str]) -> str:
        picture = there.get(match[1])
        content = base64.b64encode(picture.read_bytes()).decode() if picture else ""
        return f'src="data:image/png;base64,{content}"'

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = re.sub(r'src="([^"]*)"', embedded, body)
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Comparison of methods</title>\n'
            f"<style>{_STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n")
