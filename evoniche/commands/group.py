"""The commands behind `evoniche`; needs click."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import click
from loguru import logger

from evoniche import __version__, _log
from evoniche.commands.report import report
from evoniche.commands.runs import runs

__all__ = ["commands"]

_GROUP = "evoniche.commands"


def _missing(name: str, needs: str) -> click.Command:
    """What stands in for a command whose libraries are not there, so that the others can be listed."""

    def fail(**_: object) -> None:
        raise click.ClickException(f"{name} {needs}")

    lenient = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.Command(name, context_settings=lenient, callback=fail, short_help=needs, add_help_option=False)


class _Installed(click.Group):
    """The core's own commands, and those of the entry point `evoniche.commands`, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *entry_points(group=_GROUP).names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for entry in entry_points(group=_GROUP, name=cmd_name):
            try:
                command: click.Command = entry.load()
            except ImportError as error:
                extra = "baselines" if entry.module.startswith("evoniche_baselines.") else "llm"
                return _missing(cmd_name, f"needs {error.name or error}: pip install 'evoniche[{extra}]'.")
            return command
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Installed)
@click.version_option(__version__, prog_name="evoniche")
@click.option("-v", "--verbose", is_flag=True, help="Show the log of each run.")
def commands(verbose: bool) -> None:
    """Evolutionary algorithms with natural niches."""
    logger.remove()
    logger.add(sys.stderr, level="DEBUG" if verbose else "WARNING", format="{level}: {message}")
    _log.enable_logging()


commands.add_command(report)
commands.add_command(runs)
