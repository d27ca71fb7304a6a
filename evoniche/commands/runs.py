"""`evoniche runs`: what is in a store."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np

from evoniche import Store, StoreError
from evoniche._files import new_file, write_text
from evoniche.evolution.storage.tables import TABLES, flat

__all__ = ["runs"]

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_NAME = click.option("--name", help="Of the run.  [default: the only one, or 'main']")


@click.group()
def runs() -> None:
    """List, show and export the runs in a store."""


@runs.command("list")
@_FILE
def list_runs(file: Path) -> None:
    """List the runs in FILE."""
    with _errors():
        rows = Store(file).runs()
    table = [("name", "started", "asked", "told", "best", "seconds")]
    for row in rows:
        started = time.strftime("%Y-%m-%d %H:%M", time.localtime(row["started"]))
        numbers = (str(row["asked"]), str(row["told"]), f"{row['best']:.4g}", f"{row['seconds']:.1f}")
        table.append((row["name"], started, *numbers))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@runs.command()
@_FILE
@_NAME
def show(file: Path, name: str | None) -> None:
    """Show what identifies a run in FILE, how far it has come, and which attempts to score a child have failed."""
    with _errors():
        store = _store(file, name)
        failed = store.failures()
        about, row = store.about(), next(row for row in store.runs() if row["name"] == store.name)
    click.echo(f"{row['told']} of {row['asked']} children told in {row['seconds']:.1f} s, best {row['best']:.6g}")
    for key, value in about.items():
        click.echo(f"{key}: {value if isinstance(value, str) else json.dumps(value)}")
    for child, attempt, summary in zip(*(failed[name] for name in ("id", "attempt", "summary")), strict=True):
        click.echo(f"child {child}, attempt {attempt} failed: {summary}")


@runs.command()
@_FILE
@_NAME
@click.option("--table", type=click.Choice(list(TABLES)), default="history", show_default=True)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="A .csv or .parquet file.  [default: CSV, printed]"
)
def export(file: Path, name: str | None, table: str, out: Path | None) -> None:
    """Write a table of a run in FILE.

    "history" has a row for each record, "members" for each member alive, with its scores, "lineage" for each child,
    and "failures" for each attempt to score one that has failed.
    "phylogeny" is the lineage in the columns of the ALife data standard, and "matriline" the same with first parents
    alone, for programs that know one parent (phylotrackpy).
    """
    with _errors():
        columns = flat(_store(file, name).table(table))
        if out is None:
            click.echo(_csv(columns), nl=False)
        elif out.suffix == ".parquet":
            _write_parquet(columns, out)
        elif out.suffix == ".csv":
            write_text(out, _csv(columns))
        else:
            raise click.ClickException(f"--out must end in .csv or .parquet, got {out}.")


def _store(file: Path, name: str | None) -> Store:
    """The run of this name; without one the only run there is, or that with the default name."""
    if name is None:
        names = [row["name"] for row in Store(file).runs()]
        name = names[0] if len(names) == 1 else "main"
    return Store(file, name)


def _csv(columns: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    return text.getvalue()


def _write_parquet(columns: dict[str, Any], out: Path) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise click.ClickException("a .parquet file needs pyarrow: pip install pyarrow.") from error
    with new_file(out) as file:
        pq.write_table(pa.table({name: np.asarray(column) for name, column in columns.items()}), file)


@contextmanager
def _errors() -> Iterator[None]:
    """Errors that a user can mend, as the command line shows them."""
    try:
        yield
    except (StoreError, OSError) as error:
        raise click.ClickException(str(error)) from error
