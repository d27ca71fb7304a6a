"""Scores models on tasks of lm-evaluation-harness (`lm_eval`), which is imported when a task is first needed."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche_torch.scorers.document_scores import document_scores
from evoniche_torch.scorers.evaluation import evaluation_mode
from evoniche_torch.scorers.lm_eval_patches import quiet, seeded, unaggregated
from evoniche_torch.scorers.lm_eval_tasks import digest, library, load_manager, why_drawn
from evoniche_torch.scorers.multi_task import importance_of, task_means, task_slices

__all__ = ["LmEvalScorer"]

_SEEDS = (0, 1234, 1234, 1234)
"""The seeds of the harness for `random`, numpy, torch and the choice of examples."""



def _specs(tasks: Any) -> tuple[Any, ...]:
    several = tasks if isinstance(tasks, Sequence) and not isinstance(tasks, str) else [tasks]
    if not len(several):
        raise ValueError("LmEvalScorer(tasks=...) must name at least one task, got none.")
    return tuple(map(_spec, several))


def _spec(task: Any) -> Any:
    if not isinstance(task, str | Path):
        return task
    path = Path(task).expanduser()
    if path.is_file():
        return str(path.resolve())
    if isinstance(task, Path) or path.suffix in (".yaml", ".yml"):
        raise FileNotFoundError(f"LmEvalScorer(tasks=...): there is no file {task}.")
    return task


@final
@attrs.frozen(eq=False, repr=False)
class LmEvalScorer:
    """Scores a model of transformers on tasks of lm-evaluation-harness (Gao 2024).

    It is an evaluation, for `CheckpointScorer` or alone. Each document of a task is a case: first the documents of the
    first task by their numbers, then those of the next. A metric x of which lower is better becomes 1 / (1 + x). Each
    evaluation draws the same random numbers and examples, so that scores differ by the model alone. The global random
    state is restored afterwards.

    A task whose file and data are on this machine needs no network. A relative path to data in a task file starts at
    the folder in which Python runs. `datasets` keeps what it reads in its own cache (`HF_DATASETS_CACHE`).

    >>> LmEvalScorer(["gsm8k", "arc_easy"], limit=100, num_fewshot=5)
    LmEvalScorer(gsm8k, arc_easy)

    Args:
        tasks: One or several: a YAML file, the name of a task or group, a configuration as a dict, or a `Task`.
        metric: The metric that scores a document, for all tasks or as task -> metric. When None, the first metric of
            each task that is one number for each document.
        filter: The filter whose answers are scored, for all tasks or as task -> filter. When None, the first filter.
        tokenizer: The tokenizer, or the folder to load it from. When None, the folder of the model.
        batch_size: How many requests are made at once; "auto" is determined in each evaluation.
        model_args: More arguments of the harness's `HFLM` (max_length, add_bos_token, think_end_token, ...).
        num_fewshot: The number of examples before the question, unless the task fixes it to 0. When None, that of the
            task.
        limit: How many documents of each task are asked, from the first on; below 1, a share of them.
        samples: Task -> the numbers of the documents that are asked; tasks without an entry ask all.
        gen_kwargs: Changes to the generation arguments of tasks (temperature, max_gen_toks, do_sample, ...).
        system_instruction: A text before each prompt.
        apply_chat_template: Whether the chat template forms the prompt; or the name of the template.
        fewshot_as_multiturn: Whether examples are turns of a chat.
        include_path: Folders with more tasks that can be named.
        metadata: Arguments of tasks that make their data.
        seed: A seed in place of the harness's own seeds.
        confirm_run_unsafe_code: Whether tasks may run code that the model has written.
        verbose: Show the progress bars and warnings of the harness.
    """

    tasks: tuple[Any, ...] = attrs.field(converter=_specs)
    metric: str | Mapping[str, str] | None = attrs.field(default=None, kw_only=True)
    filter: str | Mapping[str, str] | None = attrs.field(default=None, kw_only=True)
    tokenizer: Any = attrs.field(default=None, kw_only=True)
    batch_size: int | str = attrs.field(default=1, kw_only=True)
    model_args: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)
    num_fewshot: int | None = attrs.field(default=None, kw_only=True)
    limit: float | None = attrs.field(default=None, kw_only=True)
    samples: Mapping[str, Sequence[int]] | None = attrs.field(default=None, kw_only=True)
    gen_kwargs: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    system_instruction: str | None = attrs.field(default=None, kw_only=True)
    apply_chat_template: bool | str = attrs.field(default=False, kw_only=True)
    fewshot_as_multiturn: bool = attrs.field(default=True, kw_only=True)
    include_path: str | Path | Sequence[str | Path] | None = attrs.field(default=None, kw_only=True)
    metadata: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    seed: int | None = attrs.field(default=None, kw_only=True)
    confirm_run_unsafe_code: bool = attrs.field(default=False, kw_only=True)
    verbose: bool = attrs.field(default=False, kw_only=True)
    _tokenizers: dict[str, Any] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.model_args, Mapping):
            raise ValueError("LmEvalScorer(model_args=...) must be names and values, on the command line as JSON such "
                             f"as {{\"max_length\": 64}}, got {self.model_args!r}.")
        if self.limit is not None and not self.limit > 0:
            raise ValueError(f"LmEvalScorer(limit=...) must be > 0, got {self.limit!r}.")
        if self.limit is not None and self.samples is not None:
            raise ValueError("LmEvalScorer takes limit or samples, not both: name the documents in samples alone.")
        if empty := [task for task, given in (self.samples or {}).items() if not len(given)]:
            raise ValueError(f"LmEvalScorer(samples=...) must name at least one document of {empty[0]!r}.")

    def __repr__(self) -> str:
        return f"LmEvalScorer({', '.join(map(str, self.tasks))})"

    def __call__(self, model: Any, cases: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Score a model; scores >= 0 of shape (cases,).

        Args:
            model: A model of transformers.
            cases: The numbers of the cases to look at, from 0 on; all when None.

        Raises:
            ImportError: lm_eval is not installed.
            TypeError: The model is not one of transformers.
            ValueError: There is no such metric or filter, or the metric is not one number for each document.
        """
        evaluator, _ = library("lm_eval.evaluator"), library("lm_eval.models.huggingface")
        tasks, seeds, asked = self._loaded, self._seeds, self._asked(cases)
        tasks = {name: task for name, task in tasks.items() if name in asked}
        with quiet(self.verbose), seeded(*seeds[:3]), unaggregated(tasks.values()), evaluation_mode(model):
            for task in tasks.values():
                task.set_fewshot_seed(seed=seeds[3])  # each evaluation draws the same examples
            results = evaluator.evaluate(
                lm=self._wrapped(model),
                task_dict={"tasks": tasks, "groups": {}},
                limit=self.limit if cases is None else None,
                samples=self._samples if cases is None else asked,
                bootstrap_iters=0,
                log_samples=True,
                system_instruction=self.system_instruction,
                apply_chat_template=self.apply_chat_template,
                fewshot_as_multiturn=self.fewshot_as_multiturn,
                confirm_run_unsafe_code=self.confirm_run_unsafe_code,
            )
        rows = []
        for name, task in tasks.items():
            metric, chosen = (_of_task(option, name) for option in (self.metric, self.filter))
            rows.append(document_scores(task, name, results["samples"][name], metric, chosen))
            if len(rows[-1]) != len(asked[name]):
                raise ValueError(f"task {name!r} has {len(asked[name])} documents, of which {len(rows[-1])} were "
                                 "scored.")
        scores = np.concatenate(rows)
        return scores if cases is None else scores[np.unique(cases, return_inverse=True)[1]]

    @property
    def why_not_by_case(self) -> str:
        """Why this cannot look at some documents without the others; "" if it can.

        Where examples or answers are drawn, a document gets others of them when others stand before it.
        """
        reasons = (f"task {name!r} {why}" for name, task in self._loaded.items() if (why := why_drawn(task)))
        return next(reasons, "")

    @property
    def identity(self) -> dict[str, Any]:
        """What the scores follow from, beside the model: a digest of each task's documents, and what is asked."""
        documents = {
            name: digest([self._loaded[name].eval_docs[i] for i in numbers])
            for name, numbers in self._documents.items()
        }
        settings = {name: digest(task.dump_config()) for name, task in self._loaded.items()}
        skipped = ("tasks", "tokenizer", "batch_size", "verbose", "include_path")
        own = attrs.asdict(self, recurse=False, filter=lambda field, _: field.init and field.name not in skipped)
        return {"documents": documents, "settings": settings, "options": digest(own)}

    @property
    def slices(self) -> dict[str, slice]:
        """The columns of each task, as task -> slice."""
        return task_slices({task: len(documents) for task, documents in self._documents.items()})

    @property
    def labels(self) -> list[str]:
        """The name of each case, "task/number of the document"; shape (cases,)."""
        return [f"{task}/{document}" for task, documents in self._documents.items() for document in documents]

    @property
    def importance(self) -> NDArray[np.float64]:
        """The importance of each case if all tasks count the same: shape (cases,), with mean 1.

        For other weights of tasks, see `importance_of`.
        """
        return importance_of(self.slices)

    def task_means(self, scores: Any) -> dict[str, Any]:
        """The mean score on each task, as task -> shape (...), for scores of shape (..., cases)."""
        return task_means(self.slices, scores)

    @property
    def _seeds(self) -> tuple[int, int, int, int]:
        return _SEEDS if self.seed is None else (self.seed,) * 4

    @property
    def _samples(self) -> dict[str, list[int]] | None:
        # In rising order: the harness reads documents in that order, but numbers them in the order given.
        return None if self.samples is None else {task: sorted(set(given)) for task, given in self.samples.items()}

    @cached_property
    def _loaded(self) -> dict[str, Any]:
        """The tasks by name, made once, as `lm_eval.simple_evaluate` does it."""
        library("lm_eval.evaluator")
        parse = library("lm_eval.utils").simple_parse_args_string
        with quiet(self.verbose), seeded(*self._seeds[:3]):
            manager = load_manager(self.tasks, self.include_path, self.metadata)
            tasks: dict[str, Any] = manager.load(list(self.tasks))["tasks"]
            changes = parse(self.gen_kwargs) if isinstance(self.gen_kwargs, str) else dict(self.gen_kwargs or {})
            for task in tasks.values():
                if changes and task.get_config("output_type") == "generate_until":
                    task.set_config(key="generation_kwargs", value=changes, update=True)
                fixed = task.get_config("num_fewshot")
                if fixed is None or (self.num_fewshot is not None and fixed != 0):
                    task.set_config(key="num_fewshot", value=self.num_fewshot or 0)
        options = [option for option in (self.metric, self.filter, self.samples) if isinstance(option, Mapping)]
        if unknown := {name for option in options for name in option} - set(tasks):
            raise ValueError(f"the tasks are {', '.join(tasks)}, got metric, filter or samples for {sorted(unknown)}.")
        return tasks

    @cached_property
    def _documents(self) -> dict[str, Sequence[int]]:
        """The numbers of each task's documents."""
        size = library("lm_eval.evaluator_utils").get_sample_size
        documents: dict[str, Sequence[int]] = {}
        with quiet(self.verbose):
            for name, task in self._loaded.items():
                there = len(task.eval_docs)
                asked = (self._samples or {}).get(name)
                documents[name] = range(min(there, size(task, self.limit) or there)) if asked is None else asked
        return documents

    def _asked(self, cases: NDArray[np.intp] | None) -> Mapping[str, Sequence[int]]:
        """The numbers of the documents that are looked at, in rising order, for each task that has some."""
        if cases is None:
            return self._documents
        count = max(part.stop for part in self.slices.values())
        if not len(cases) or np.min(cases) < 0 or np.max(cases) >= count:
            raise ValueError(f"cases must be at least one number from 0 to {count - 1}, got {np.asarray(cases)}.")
        wanted = np.unique(cases)
        parts = {task: wanted[(wanted >= part.start) & (wanted < part.stop)] - part.start
                 for task, part in self.slices.items()}  # fmt: skip
        return {task: [self._documents[task][i] for i in part] for task, part in parts.items() if len(part)}

    def _wrapped(self, model: Any) -> Any:
        """The model, wrapped for the harness."""
        wrapper = library("lm_eval.models.huggingface").HFLM
        if not (hasattr(model, "config") and hasattr(model, "device")):
            raise TypeError(f"LmEvalScorer needs a model of transformers, got {type(model).__name__}.")
        if unknown := set(self.model_args) - set(inspect.signature(wrapper).parameters):
            raise ValueError(f"LmEvalScorer(model_args=...) has {sorted(unknown)}, which HFLM of lm_eval has not.")
        given = self.tokenizer
        place = os.fspath(given) if isinstance(given, str | Path) else getattr(model, "name_or_path", "")
        if given is None and not place:
            raise ValueError("LmEvalScorer(tokenizer=...) is needed: the model was not loaded from a folder in which "
                             "its tokenizer would be.")
        if place not in self._tokenizers and not isinstance(given, str | Path | None):
            self._tokenizers[place] = copy.deepcopy(given)  # the harness gives it a padding token
        lm = wrapper(pretrained=model, tokenizer=self._tokenizers.get(place, given and place),
                     batch_size=self.batch_size, **self.model_args)
        self._tokenizers[place] = lm.tokenizer
        return lm


def _of_task(option: str | Mapping[str, str] | None, task: str) -> str | None:
    return option.get(task) if isinstance(option, Mapping) else option
