"""The command `evoniche`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: Always, with 0 or an error's number.
    """
    try:
        from evoniche.commands.group import commands
    except ImportError as error:
        sys.exit(f"evoniche: the command line needs {error.name}: pip install 'evoniche[cli]'.")
    commands(prog_name="evoniche")
