"""Checks every architecture and writes docs/architectures.md: `make architectures`."""

import argparse
import sys
import warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import torch
from architecture_catalogue import of_transformers
from architecture_check import check
from diffusion_networks import of_diffusers
from odd_files import of_files
from tqdm import tqdm

PAGE = Path(__file__).parents[3] / "docs" / "architectures.md"

TOP = """# Architectures

Which models can be merged and scored in a live model. This page is made by `make architectures` ({versions}).

For each row two tiny models with random weights in bfloat16 were saved by their own library, opened, and merged by a
recipe with three cuts. Every comparison is bit for bit:

- **file**: the written merge against arithmetic in double precision, rounded to single and then once to the dtype of
  the file;
- **live**: a model in memory, filled by `load_into`, against `from_pretrained` of the written merge;
- **run**: both on the same input, and the live model again after it was filled a second time. A dash: none of the
  inputs that are tried for all of them fits.

How it works: transformers renames, joins, splits, transposes and drops tensors as it loads them. When a model is
opened, its own `from_pretrained` is given tensors without numbers that keep account of where their numbers would come
from, so what it does to them says where each stretch of a file goes. What was loaded is then compared with that,
number by number. A model whose library changes numbers as it loads them is refused, and the message names the tensor
and the operation. The written file has the names of the first model's file, and all its tensors.

"Renamed", "joined", "split", "transposed" and "dropped" count tensors of the module or of the file.

**{passed} of {built} pass.** {seen} of them were also run on an input. {converted} are converted as they are loaded.
"""

NOT_CHECKED = """## Not checked

There was no tiny model to check: transformers needs a library that is not installed for the tests, or no sizes were
found that it takes. That says nothing about merging them.

| what | why |
|---|---|"""
HEAD = ["| what | class | tensors | on loading | file | live | run |", "|---|---|---|---|---|---|---|"]


def main():
    """Check, and write the page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", help="check these alone, and print what comes out")
    names = options.parse_args().names
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    groups = {
        "Files as people have them": of_files(),
        "Networks of diffusers": of_diffusers(),
        "Architectures of transformers": of_transformers(),
    }
    entries = [entry for group in groups.values() for entry in group if not names or entry.name in names]
    outcomes = {}
    for entry in tqdm(entries, file=sys.stderr):
        outcomes[entry.name] = check(entry.name, entry.make, **entry.options)
        if names:
            print(outcomes[entry.name])
    if not names:
        PAGE.write_text(_page({title: [outcomes[e.name] for e in group] for title, group in groups.items()}))
    failed = [outcome for outcome in outcomes.values() if not outcome.passed and not outcome.not_built]
    for outcome in failed:
        print(f"{outcome.name}: {outcome}", file=sys.stderr)
    print(f"{sum(outcome.passed for outcome in outcomes.values())} pass, {len(failed)} fail")


def _page(groups):
    everything = [outcome for group in groups.values() for outcome in group]
    built = [outcome for outcome in everything if not outcome.not_built]
    passed = [outcome for outcome in built if outcome.passed]
    versions = ", ".join(f"{name} {version(name)}" for name in ("transformers", "diffusers", "torch"))
    lines = [TOP.format(
        versions=versions, passed=len(passed), built=len(built), seen=sum(o.forward == "ok" for o in passed),
        converted=sum(bool(o.conversion) for o in passed),
    )]  # fmt: skip
    if failed := [outcome for outcome in built if not outcome.passed]:
        lines += ["## What does not pass", "", "| what | class | why |", "|---|---|---|"]
        lines += [f"| {o.name} | {o.kind} | {_cell(_reason(o))} |" for o in failed] + [""]
    for title, group in groups.items():
        lines += [f"## {title}", "", *HEAD]
        lines += [
            f"| {o.name} | {o.kind} | {o.tensors} | {o.conversion} | ok | ok | {'ok' if o.forward == 'ok' else '-'} |"
            for o in group
            if o.passed
        ]
        lines.append("")
    lines += [NOT_CHECKED]
    lines += [f"| {o.name} | {_cell(o.not_built)} |" for o in everything if o.not_built]
    twice = [name for name, count in Counter(o.name for o in everything).items() if count > 1]
    assert not twice, twice
    return "\n".join(lines) + "\n"


def _reason(outcome):
    return next(
        f"{field}: {text}" for field in ("file", "live", "forward") if (text := getattr(outcome, field)) != "ok"
    )


def _cell(text):
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
