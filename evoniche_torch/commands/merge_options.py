"""The options of `evoniche merge`, group by group."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click

from evoniche._reading import parse_json
from evoniche_torch.commands.merge_config import config_option

__all__ = ["SectionedCommand", "merge_options", "parse_pairs"]

Command = Callable[..., Any]

_TASKS = [
    click.option(
        "--scorer", multiple=True, metavar="FILE.PY:FUNCTION",
        help="A function of the model that returns the score (0 to 1) of each of its cases; may be repeated.",
    ),
    click.option(
        "--tasks", multiple=True, metavar="TASK",
        help="A task of lm-evaluation-harness, by name or YAML file; each document is a case; may be repeated.",
    ),
    click.option(
        "--held-out", "held_out", multiple=True, metavar="FILE.PY:FUNCTION",
        help="Like --scorer, for cases that are kept for the table at the end.",
    ),
    click.option("--held-out-tasks", multiple=True, metavar="TASK",
                 help="Like --tasks, for cases that are kept for the table at the end."),
    click.option(
        "--weight", "weights", multiple=True, metavar="NAME=NUMBER",
        help="How much a task counts as a whole, whatever its number of cases. [default: all the same]",
    ),
    click.option(
        "--lm-eval", "harness", multiple=True, metavar="NAME=VALUE",
        help="An argument for lm-evaluation-harness, such as num_fewshot=5, batch_size=16, apply_chat_template=true.",
    ),
]  # fmt: skip

_SEARCH = [
    click.option("--method", type=click.Choice(["m2n2", "mosaic"]), default="m2n2", help="M2N2 as published, or with "
                 "parents of a high mean score and mutation among recipes."),
    click.option("--evaluations", type=click.IntRange(min=2), default=1000, help="How many models are scored in all."),
    click.option("--population", type=click.IntRange(min=2), default=15, help="How many members live."),
    click.option(
        "--warmup", type=click.IntRange(min=0), default=50, help="Random merges of two seeds before the evolution."
    ),
    click.option(
        "--chromosomes", multiple=True, metavar="whole|tensor|layer|REGEX", default=("whole",),
        help="Groups of parameters, each with a split point and a ratio of its own: one of the words, or regular "
        "expressions of tensor names (one group for each, and one for the rest); may be repeated.",
    ),
    click.option("--base", type=click.Path(path_type=Path), help="What all were fine-tuned from: merge task vectors."),
    click.option("--angle", type=click.Choice(["whole", "part"]), default="whole", help="The angle of SLERP: between "
                 "whole chromosomes, or between the parts before and after the split point."),
    click.option("--split-point/--no-split-point", default=True, help="Without it, SLERP has one ratio for all."),
    click.option("--attraction/--no-attraction", default=True, help="Without it, mates are drawn as first "
                 "parents are."),
    click.option("--alpha", type=click.FloatRange(min=0), default=1.0, help="Intensity of the competition for cases; "
                 "--alpha 0 --no-attraction is a plain genetic algorithm."),
    click.option("--capacity", type=click.Choice(["one", "max"]), default="max", help="What a case can give away: "
                 "1, or as much as its best score."),
    click.option("--relative-scores", is_flag=True, help="Compete for the scores above the worst of each case."),
    click.option("--seed", type=click.IntRange(min=0), default=0, help="The seed of all random numbers."),
    click.option("--reject-early", is_flag=True, help="Stop scoring merges that are certain to be rejected; the "
                 "result is the same. Needs scorers f(model, cases=None)."),
    click.option("--store", "--record", "store", type=click.Path(dir_okay=False, path_type=Path), help="The file in "
                 "which the run is kept, from which the same command goes on if it was cut off. [default: OUT.run.db, "
                 "until OUT is written]"),
    click.option("--retries", type=click.IntRange(min=0), default=0, help="How often scoring a merge is tried again, "
                 "if the scorer fails or its worker dies."),
    click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", show_default="none",
                 help="The time that scoring one merge may take, after which it has failed; needs --workers."),
    click.option("--keep-going", is_flag=True, help="Give up a merge whose scoring has failed so often and go on with "
                 "the others. [default: stop; the same command goes on]"),
    click.option("--accept", multiple=True, metavar="NAME", help="A difference from the run in the store that does "
                 "not matter, as the refusal names it, such as scorer; may be repeated."),
]  # fmt: skip

_MODELS = [
    click.option("--device", default="auto", help="The device for scoring: cpu, cuda, cuda:1, ...; auto is cuda if "
                 "there is one."),
    click.option("--workers", type=click.IntRange(min=1), help="Score so many merges at a time, each worker with a "
                 "model of its own in memory. [default: as many as --devices, or none: in this process]"),
    click.option("--devices", metavar="NAME,NAME", help="The devices of the workers, in turn, such as cuda:0,cuda:1. "
                 "[default: --device]"),
    click.option("--score-dtype", type=click.Choice(["float32", "bfloat16", "float16"]), help="The dtype of the model "
                 "in memory, for scoring alone. [default: that of the files]"),
    click.option("--component", help="The part of a diffusers pipeline to merge. [default: unet or transformer]"),
    click.option("--variant", help="The variant of the files, such as fp16."),
    click.option("--ignore-config", multiple=True, metavar="KEY", help="A key of config.json in which models may "
                 "differ, or tokenizer; may be repeated."),
    click.option("--tokenizer", metavar="first|union|MODEL", help="Merge models whose vocabularies differ, token by "
                 "token, into the vocabulary of the first, of all, or of one of them (also the base)."),
    click.option("--mixed-dtypes", is_flag=True, help="Let models differ in the dtypes of their tensors."),
    click.option("--check-finite", is_flag=True, help="Look for NaN and infinity before anything else."),
    click.option("--allow-torch-files", is_flag=True, help="Read .bin and .pt files too, with weights_only=True."),
    click.option("--trust-remote-code", is_flag=True, help="Run the Python files that a model's config names."),
    click.option("--no-cache", is_flag=True, help="Do not keep dot products for the next run."),
]  # fmt: skip

_OUTPUT: list[Any] = [
    click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the merged model."),
    click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), help="The dtype of the "
                 "merged model. [default: each tensor as in the model of --like]"),
    click.option("--shard-size", default="5GB", help="The size above which weights are spread over several files."),
    click.option("--like", type=click.IntRange(min=1), default=1, help="The number, from 1, of the model whose "
                 "config, tokenizer and chat template the output gets."),
    click.option("--as-adapter", is_flag=True, help="Write one adapter (LoRA) over the base that all adapters have in "
                 "common, which is --base then."),
    click.option("--overwrite", is_flag=True, help="Replace what is in --out."),
    click.option("--push-to-hub", metavar="OWNER/NAME", help="Upload the merged model to the Hugging Face hub; a new "
                 "repository is private."),
    config_option,
    click.option("--dry-run", is_flag=True, help="Say what the merge will take, and end."),
    click.option("--quiet", is_flag=True, help="No progress bars."),
]  # fmt: skip


_SECTIONS = {
    "What the merged model should be good at": _TASKS,
    "The search": _SEARCH,
    "The models": _MODELS,
    "The merged model": _OUTPUT,
}


def merge_options(command: Command) -> Command:
    """Add all options to the command, in this order."""
    options = [option for section in _SECTIONS.values() for option in section]
    return reduce(lambda function, option: option(function), reversed(options), command)


class SectionedCommand(click.Command):
    """A click command whose help shows the options in sections.

    cloup and rich-click can do that too; for this one command they would save a dozen lines.
    """

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under the titles of their sections."""
        params = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        lines = [line for param in params if (line := param.get_help_record(ctx))]
        start = 0
        for title, options in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(lines[start : start + len(options)])
            start += len(options)
        with formatter.section("Other"):
            formatter.write_dl(lines[start:])


def parse_pairs(values: tuple[str, ...], option: str, value_name: str = "VALUE") -> dict[str, Any]:
    """Read NAME=VALUE options; a value that is JSON, such as 5, true or {"a": 1}, is read as such, others as text.

    Raises:
        click.UsageError: An option has no name or no "=".

    >>> parse_pairs(("num_fewshot=5", "metric=acc"), "--lm-eval")
    {'num_fewshot': 5, 'metric': 'acc'}
    """
    found: dict[str, Any] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{option} must be given as NAME={value_name}, got {text!r}.")
        try:
            found[name] = parse_json(value)
        except ValueError:
            found[name] = value
    return found
