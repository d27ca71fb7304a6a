"""The commands behind `evoniche`; needs click."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import click
from loguru import logger

from evoniche import __version__, _log
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
    """The commands of the entry point `evoniche.commands`, each loaded when it is asked for."""

    def list_commands(self, _: click.Context) -> list[str]:
        return sorted(entry_points(group=_GROUP).names)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        for entry in entry_points(group=_GROUP, name=cmd_name):
            try:
                command: click.Command = entry.load()
            except ImportError as error:
                extra = "baselines" if entry.module.startswith("evoniche_baselines.") else "llm"
                return _missing(cmd_name, f"needs {error.name or error}: pip install 'evoniche[{extra}]'.")
            return command
        return None


@click.group(cls=_Installed)
@click.version_option(__version__, prog_name="evoniche")
@click.option("-v", "--verbose", is_flag=True, help="Show the log of each run.")
def commands(verbose: bool) -> None:
    """Evolutionary algorithms with natural niches."""
    logger.remove()
    logger.add(sys.stderr, level="DEBUG" if verbose else "WARNING", format="{level}: {message}")
    _log.enable_logging()
<<<<<<< HEAD
=======


commands.add_command(runs)


@commands.group(cls=_Installed, entry_point="evoniche.experiments", extra="baselines")
def run() -> None:
    """Run an experiment of a paper."""


@commands.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("figure.png"), show_default=True
)
@click.option("--metric", "metrics", multiple=True, help=_METRICS)
def plot(folders: tuple[Path, ...], out: Path, metrics: tuple[str, ...]) -> None:
    """Draw the runs of several FOLDERS together.

    Lines are means over the runs and bands one standard error; runs of one method count together.
    """
    from evoniche.plots import draw_runs, read_runs

    try:
        path = draw_runs([read_runs(folder) for folder in folders], out, metrics=metrics or None)
    except (ValueError, OSError, ImportError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"picture in {path}")
>>>>>>> 92542fd (The command line lists, shows and exports stored runs)
