"""The log of a run, which is off until somebody switches it on.

loguru takes longer to import than the rest of the library, so it is imported when the first line is logged.
"""

from __future__ import annotations

from typing import Any

__all__ = ["debug", "enable_logging", "info", "warning"]

_enabled = False


def enable_logging(on: bool = True) -> None:
    """Let evoniche and evoniche_torch write their logs through loguru, or stop them.

    Args:
        on: False switches the log off again.
    """
    global _enabled  # one switch for the process, as loguru's own
    _enabled = on


def debug(message: str, *values: Any) -> None:
    """Log what helps to find a fault; `values` fill the places {} of the message."""
    _write("DEBUG", message, values)


def info(message: str, *values: Any) -> None:
    """Log what a run has done; `values` fill the places {} of the message."""
    _write("INFO", message, values)


def warning(message: str, *values: Any) -> None:
    """Log what a user should look at; `values` fill the places {} of the message."""
    _write("WARNING", message, values)


def _write(level: str, message: str, values: tuple[Any, ...]) -> None:
    if _enabled:
        from loguru import logger

        logger.opt(depth=2).log(level, message, *values)
