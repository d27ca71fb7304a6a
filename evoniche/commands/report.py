"""`evoniche report`: a run as one HTML page."""

from __future__ import annotations

import re
from pathlib import Path

import click

from evoniche import Store, StoreError
from evoniche._files import write_text
from evoniche.plots import RunRecord, run_page

__all__ = ["report"]


@click.command()
@click.argument("place", metavar="RUN.db", type=click.Path(exists=True, path_type=Path))
@click.option("--name", help="Of the run.  [default: the only one, or 'main']")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The page.  [default: RUN.html; "
              "RUN-NAME.html where there are several runs]")
def report(place: Path, name: str | None, out: Path | None) -> None:
    """Write what a run in RUN.db did as one HTML page with pictures, each with how to read it.

    RUN.db may also be a folder that holds one such file. The run may be going on.
    """
    try:
        file = _file(place)
        names = [row["name"] for row in Store(file).runs()]
        if name is None:
            name = names[0] if len(names) == 1 else "main"
        if out is None:
            which = "-" + re.sub(r"[^\w.-]+", "_", name) if len(names) > 1 else ""
            out = file.with_name(f"{file.stem}{which}.html")
        if out.exists() and out.samefile(file):
            raise click.UsageError(f"--out must be another file than the run, got {out}.")
        page = run_page(RunRecord.of(Store(file, name)))
        write_text(out, page)
    except (StoreError, OSError, ImportError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"report in {out}")


def _file(place: Path) -> Path:
    if not place.is_dir():
        return place
    found = sorted(place.glob("*.db"))
    if len(found) != 1:
        there = ", ".join(file.name for file in found) or "none"
        raise click.ClickException(f"{place} must hold one run (*.db), it has {there}: give the file "
                                   "(`evoniche merge` keeps its own with --store FILE).")  # fmt: skip
    return found[0]
