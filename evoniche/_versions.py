"""The version, and what a report of a fault needs to say about the machine."""

from __future__ import annotations

import platform
import re

__all__ = ["__version__", "show_versions"]

__version__ = "0.2.0"


def show_versions() -> None:
    """Print the versions of evoniche, Python, the system, and each library that evoniche or one of its extras uses.

    A library that is not installed is "-". Nothing is imported: versions are read from the metadata of the packages.

    >>> show_versions()  # doctest: +ELLIPSIS
    evoniche ...
    """
    from importlib.metadata import PackageNotFoundError, requires  # slow to load, and only needed here

    try:
        named = requires("evoniche") or []
    except PackageNotFoundError:  # run from a folder
        named = []
    # "evoniche[plot]" of an extra that has another one is evoniche itself.
    libraries = sorted({re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in named} - {"evoniche"})
    python = f"{platform.python_version()} ({platform.python_implementation()}, {platform.machine()})"
    rows = [("evoniche", __version__), ("python", python), ("system", platform.platform())]
    rows += [(name, _version(name)) for name in libraries]
    width = max(len(name) for name, _ in rows)
    for name, found in rows:
        print(f"{name:<{width}}  {found}")


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "-"
