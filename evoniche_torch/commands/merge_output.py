"""The end of a merge: the folder of the merged model, and the table that is printed."""

from __future__ import annotations

import csv
import shlex
import sys
from pathlib import Path
from typing import Any

from evoniche import Result, _log
from evoniche_torch.commands.merge_run import MergeRun
from evoniche_torch.output import Card, draw_merge, holds_merge, write_adapter, write_checkpoint

__all__ = ["describe_result", "write_merge"]

Table = dict[str, dict[str, float]]


def write_merge(run: MergeRun, result: Result, table: Table, options: dict[str, Any], config: str) -> None:
    """Write the best merge with its history, picture and options; the folder appears as a whole.

    Args:
        run: The merge.
        result: What it came to.
        table: Model -> task -> mean score.
        options: Those of the command line.
        config: The same as the text of merge.yaml.

    Raises:
        ValueError: The dtype cannot hold a merged number.
        OSError: The disk is full, or the folder cannot be written.
    """
    assert result.best is not None
    best, out = result.best.genome[0], options["out"]
    layout: dict[str, Any] = {"like": options["like"] - 1}
    if not options["as_adapter"]:
        layout |= {"dtype": options["dtype"], "shard_size": options["shard_size"]}
    same_kind = (out / "adapter_config.json").exists() == options["as_adapter"]
    if not options["overwrite"] and same_kind and holds_merge(out, best, run.seeds, **layout):
        _log.info("{} holds this merge already: nothing is written.", out)
        return

    def more_files(folder: Path) -> None:
        (folder / "merge.yaml").write_text(config, encoding="utf-8", newline="\n")
        with (folder / "history.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(result.history)
            writer.writerows(zip(*result.history.values(), strict=True))
        draw_merge(result, run.seeds.index, run.seeds.labels, folder / "figure.png")

    columns = ["model", *next(iter(table.values()))]
    rows = [[name, *(f"{score:.4f}" for score in row.values())] for name, row in table.items()]
    layout |= {
        "card": Card(title=out.name, command=_command(), scores=(columns, rows), lineage=_lineage(result)),
        "more": more_files,
        "overwrite": options["overwrite"],
    }
    if options["as_adapter"]:
        write_adapter(best, run.seeds, out, dtype=options["dtype"] or "float32", **layout)
    else:
        write_checkpoint(best, run.seeds, out, **layout, progress=not options["quiet"])


def describe_result(result: Result, table: Table, out: Path, store: Path) -> str:
    """The table of scores as text, and where the files are."""
    columns = list(next(iter(table.values())))
    width = max(map(len, table))
    lines = ["  ".join([" " * width, *(f"{name:>8}" for name in columns)])]
    for model, row in table.items():
        lines.append("  ".join([f"{model:<{width}}", *(f"{row[name]:>{max(8, len(name))}.3f}" for name in columns)]))
    if result.stopped == "interrupted":
        lines.append(f"interrupted after {result.evaluations} evaluations; this is the best of them; from {store} the "
                     "same command goes on with --overwrite")
    return "\n".join([*lines, f"merged model in {out}, picture in {out / 'figure.png'}"])


def _command() -> str:
    return shlex.join(["evoniche", *sys.argv[1:]])


def _lineage(result: Result) -> str:
    best = result.best
    assert best is not None
    if best.parents[0] < 0:
        return f"number {best.id} of those that the evolution of {result.evaluations} evaluations began with"
    return (f"child {best.id} of {best.parents[0]} and {best.parents[1]}, the best of {result.evaluations} "
            "evaluations")  # fmt: skip
