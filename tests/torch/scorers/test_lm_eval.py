import copy
import json
import logging
import random
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lm_eval")
transformers = pytest.importorskip("transformers")

import datasets  # noqa: E402
import lm_eval.evaluator  # noqa: E402
import yaml  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: E402

import evoniche  # noqa: E402
from evoniche.testing import check_scorer  # noqa: E402
from evoniche_torch import ModuleSeeds  # noqa: E402
from evoniche_torch.scorers import CheckpointScorer, LmEvalScorer, MultiTaskScorer  # noqa: E402

LETTERS = "abcdefgh"
CHOICES = [f"{one}{two}" for one in "abcd" for two in "efgh"]
DOCUMENTS = [
    {
        "question": LETTERS[i % 8] + LETTERS[(i + 3) % 7] + LETTERS[(7 * i) % 8],
        "choices": CHOICES[i : i + 4],
        "gold": (i + 1) % 4,
        "answer": LETTERS[i % 5],
    }
    for i in range(12)
]

CHOICE = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{question}}",
    "doc_to_choice": "choices",
    "doc_to_target": "gold",
    "metric_list": [{"metric": name} for name in ("f1", "acc", "acc_norm", "brier_score")],
}
GENERATION = {
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_target": "answer",
    "generation_kwargs": {"until": ["?"], "max_gen_toks": 6, "do_sample": False},
    "metric_list": [{"metric": "exact_match"}],
}
FUNCTIONS = """
def lengths(doc, results):
    text = results[0]
    return {"length": len(text), "brevity": 1 / (1 + len(text)), "words": [text], "signed": -1.0,
            "unknown": 1.0, **({"some": 1.0} if doc["gold"] else {})}
"""


@pytest.fixture(autouse=True)
def _without_network(monkeypatch, tmp_path):
    def connect(*args, **kwargs):
        raise AssertionError("something went to the network")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more are slower for so small a model
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tokenizer():
    words = {letter: i for i, letter in enumerate(["<pad>", "<eos>", "<unk>", " ", *LETTERS, *"uUsSA:\n?"])}
    letters = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    letters.decoder = decoders.Fuse()
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=letters, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    made.chat_template = "{% for m in messages %}U{{ m['content'] }}{% endfor %}A"
    return made


def llama(seed):
    config = transformers.LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=128, pad_token_id=0, bos_token_id=None, eos_token_id=1, initializer_range=0.5,
    )  # fmt: skip
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        return transformers.LlamaForCausalLM(config).eval()
    finally:
        torch.set_rng_state(state)


@pytest.fixture
def model():
    return llama(0)


@pytest.fixture
def task(tmp_path):
    """Writes a task file and its data into a folder of their own, and gives its path."""
    folder = tmp_path / "task"
    folder.mkdir()
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(document) + "\n" for document in DOCUMENTS), encoding="utf-8")
    (folder / "utils.py").write_text(FUNCTIONS, encoding="utf-8")

    def write(config, name="letters"):
        lines = {"task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": str(data)}}
        text = yaml.safe_dump({**lines, "test_split": "train", **config})
        path = folder / f"{name}.yaml"
        path.write_text(text.replace("'!function utils.lengths'", "!function utils.lengths"), encoding="utf-8")
        return path

    return write


@pytest.fixture
def prompts(monkeypatch):
    """The prompts of each evaluation, by document."""
    asked, evaluate = [], lm_eval.evaluator.evaluate

    def spy(**options):
        results = evaluate(**options)
        asked.append([row["arguments"][0][0] for rows in results["samples"].values() for row in rows])
        return results

    monkeypatch.setattr(lm_eval.evaluator, "evaluate", spy)
    return asked


def log_likelihoods(model, tokenizer):
    """Of each choice after each question, shape (documents, choices)."""
    table = np.empty((len(DOCUMENTS), 4))
    for i, document in enumerate(DOCUMENTS):
        for j, choice in enumerate(document["choices"]):
            ids = torch.tensor([tokenizer(f"{document['question']} {choice}").input_ids])
            with torch.no_grad():
                logs = model(ids).logits[0].double().log_softmax(-1)
            table[i, j] = sum(logs[t - 1, ids[0, t]] for t in range(len(document["question"]), ids.shape[1]))
    return table


def test_documents_are_cases(model, tokenizer, task):
    gold = [document["gold"] for document in DOCUMENTS]
    scorer = LmEvalScorer(task(CHOICE), tokenizer=tokenizer, batch_size=3)
    rows = []
    for seed in range(3):
        model = llama(seed)
        right = log_likelihoods(model, tokenizer).argmax(1) == gold
        assert scorer(model).tolist() == right.tolist()
        rows.append(tuple(right))
    assert len(set(rows)) == 3
    assert scorer.slices == {"letters": slice(0, 12)}
    assert scorer.labels[11] == "letters/11"


def test_some_documents(model, tokenizer, task):
    path = task(CHOICE)
    model = next(model for model in map(llama, range(50)) if _mixed(model, path, tokenizer))
    full = LmEvalScorer(path, tokenizer=tokenizer)(model)
    first = LmEvalScorer(path, tokenizer=tokenizer, limit=5)
    assert first.slices == {"letters": slice(0, 5)}
    assert first(model).tolist() == full[:5].tolist()
    assert LmEvalScorer(path, tokenizer=tokenizer, limit=0.5)(model).tolist() == full[:6].tolist()
    assert LmEvalScorer(path, tokenizer=tokenizer, limit=99).slices == {"letters": slice(0, 12)}
    chosen = LmEvalScorer(path, tokenizer=tokenizer, samples={"letters": [7, 2, 3, 2]})
    assert chosen.labels == ["letters/2", "letters/3", "letters/7"]
    assert chosen(model).tolist() == full[[2, 3, 7]].tolist()


def test_documents_by_their_numbers(model, tokenizer, task):
    path, other = task(CHOICE), task(GENERATION, "words")
    model = next(model for model in map(llama, range(50)) if _mixed(model, path, tokenizer))
    scorer = LmEvalScorer([path, other], tokenizer=tokenizer, batch_size=4)
    full = scorer(model)
    assert scorer.why_not_by_case == ""
    for cases in ([3], [13, 2, 0, 23], list(range(24))[::-1]):
        assert scorer(model, np.array(cases)).tolist() == full[cases].tolist()
    chosen = LmEvalScorer(path, tokenizer=tokenizer, samples={"letters": [9, 1, 4]})
    assert chosen(model, np.array([2, 0])).tolist() == full[[9, 1]].tolist()
    for cases in ([], [24], [-1]):
        with pytest.raises(ValueError, match="at least one number from 0 to 23"):
            scorer(model, np.array(cases, dtype=int))

    drawn = LmEvalScorer(path, tokenizer=tokenizer, num_fewshot=2)
    assert "task 'letters' draws its examples in the order of the documents" in drawn.why_not_by_case
    assert "first_n" in drawn.why_not_by_case
    first = LmEvalScorer(task({**CHOICE, "fewshot_config": {"sampler": "first_n"}}), num_fewshot=2)
    assert first.why_not_by_case == ""
    sampled = LmEvalScorer(other, gen_kwargs={"do_sample": True})
    assert "task 'words' draws its answers" in sampled.why_not_by_case


def test_what_identifies_the_cases(tokenizer, task):
    path = task(CHOICE)
    identity = LmEvalScorer(path).identity
    assert LmEvalScorer(path, batch_size=8, verbose=True).identity == identity
    data = path.parent / "data.jsonl"
    lines = data.read_text().splitlines()
    data.write_text("\n".join([lines[1], lines[0], *lines[2:], ""]))
    other = LmEvalScorer(path).identity
    assert {key for key in identity if identity[key] != other[key]} == {"documents"}
    for options, changed in (({"limit": 5}, "documents"), ({"num_fewshot": 2}, "settings"), ({"seed": 3}, "options")):
        assert LmEvalScorer(path, **options).identity[changed] != other[changed]


def _mixed(model, path, tokenizer):
    scores = LmEvalScorer(path, tokenizer=tokenizer)(model)
    return scores[2] != scores[7] and scores[2] != scores[3]


def test_several_tasks(model, tokenizer, task):
    paths = [task(CHOICE), task({**GENERATION, **LENGTHS}, "short")]
    scorer = LmEvalScorer(paths, tokenizer=tokenizer, metric={"letters": "acc_norm"}, limit=4)
    alone = [LmEvalScorer(path, tokenizer=tokenizer, limit=4)(model) for path in paths]
    assert scorer.slices == {"letters": slice(0, 4), "short": slice(4, 8)}
    scores = scorer(model)
    assert scores[4:].tolist() == alone[1].tolist()
    assert scorer.task_means(scores)["short"] == scores[4:].mean()
    assert scorer.importance.tolist() == [1] * 8
    joined = MultiTaskScorer({"both": scorer, "first": LmEvalScorer(paths[0], tokenizer=tokenizer, limit=4)})
    assert joined.slices == {"both": slice(0, 8), "first": slice(8, 12)}  # known before any model is scored
    assert joined(model)[8:].tolist() == alone[0].tolist()


LENGTHS = {
    "metric_list": [
        {"metric": "words", "aggregation": "mean", "higher_is_better": True},
        {"metric": "length", "aggregation": "mean", "higher_is_better": False},
        {"metric": "brevity", "aggregation": "mean", "higher_is_better": True},
        {"metric": "signed", "aggregation": "mean", "higher_is_better": True},
        {"metric": "some", "aggregation": "mean", "higher_is_better": True},
    ],
    "process_results": "!function utils.lengths",
}


@pytest.fixture
def lengths(task):
    return task({**GENERATION, **LENGTHS}, "lengths")


def test_lower_is_better(model, tokenizer, lengths):
    few = LmEvalScorer(lengths, tokenizer=tokenizer, metric="length")(model)
    assert few.tolist() == LmEvalScorer(lengths, tokenizer=tokenizer, metric="brevity")(model).tolist()
    assert few.tolist() == LmEvalScorer(lengths, tokenizer=tokenizer)(model).tolist()  # the first that is a number
    assert few.min() < 1


def test_generation_arguments(model, tokenizer, lengths):
    def longest(**options):
        scores = LmEvalScorer(lengths, tokenizer=tokenizer, batch_size=4, **options)(model)
        return round(1 / scores.min() - 1)

    assert longest() == 6
    assert longest(gen_kwargs={"max_gen_toks": 2}) == 2
    assert longest(gen_kwargs="max_gen_toks=3") == 3
    with pytest.raises(AssertionError, match="maximum sequence length"):
        longest(model_args={"max_length": 5})


def test_metrics_that_are_no_scores_of_documents(model, tokenizer, task, lengths):
    def scorer(path, metric):
        return LmEvalScorer(path, tokenizer=tokenizer, metric=metric, limit=4)

    with pytest.raises(ValueError, match=r"'brier_score'.*is a tuple.*those that do are 'acc', 'acc_norm'"):
        scorer(task(CHOICE), "brier_score")(model)
    with pytest.raises(ValueError, match=r"'bleu' .*not computed.*those that do are 'acc', 'acc_norm'"):
        scorer(task(CHOICE), "bleu")(model)
    with pytest.raises(ValueError, match=r"'words' .*is a list.*'length', 'brevity', 'signed'\."):
        scorer(lengths, "words")(model)
    with pytest.raises(ValueError, match=r"'unknown'.*higher_is_better"):
        scorer(lengths, "unknown")(model)
    with pytest.raises(ValueError, match=r"'some' .*document 3 has none"):
        scorer(lengths, "some")(model)
    with pytest.raises(ValueError, match=r"'signed' .*must be finite and >= 0, got -1.0 for document 0"):
        scorer(lengths, "signed")(model)
    likelihood = task({"output_type": "loglikelihood", "doc_to_text": "{{question}}", "doc_to_target": "{{answer}}"})
    with pytest.raises(ValueError, match=r"'perplexity' .*all documents together.*those that do are 'acc'"):
        scorer(likelihood, "perplexity")(model)
    assert scorer(likelihood, None)(model).tolist() == scorer(likelihood, "acc")(model).tolist()
    rolling = task({"output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{question}}"}, "roll")
    with pytest.raises(ValueError, match=r"no metric that is one number .*word_perplexity: its value .* tuple"):
        scorer(rolling, None)(model)


def test_filters(model, tokenizer, task):
    first = {"function": "take_first"}
    never = {"function": "regex", "regex_pattern": "zz", "fallback": "a"}
    filters = [{"name": "strict", "filter": [first]}, {"name": "always", "filter": [never, first]}]
    path = task({**GENERATION, "filter_list": filters})
    strict = LmEvalScorer(path, tokenizer=tokenizer, filter="strict")(model)
    always = LmEvalScorer(path, tokenizer=tokenizer, filter={"letters": "always"})(model)
    assert len(strict) == 12
    assert always.tolist() == [document["answer"] == "a" for document in DOCUMENTS]
    assert strict.tolist() != always.tolist()
    assert LmEvalScorer(path, tokenizer=tokenizer)(model).tolist() == strict.tolist()
    with pytest.raises(ValueError, match="no filter 'lax', but 'strict', 'always'"):
        LmEvalScorer(path, tokenizer=tokenizer, filter="lax")(model)


def test_examples_and_prompts(model, tokenizer, task, prompts):
    path = task({**CHOICE, "fewshot_split": "train", "description": ""})
    scorer = LmEvalScorer(path, tokenizer=tokenizer, num_fewshot=2)
    scorer(model)
    scorer(llama(1))
    assert prompts[0] == prompts[1]
    questions = [document["question"] for document in DOCUMENTS]
    assert [prompt.count("\n\n") for prompt in prompts[0]] == [2] * 12
    assert [prompt.split("\n\n")[2] for prompt in prompts[0]] == questions
    assert len({prompt[:-3] for prompt in prompts[0]}) > 3
    LmEvalScorer(path, tokenizer=tokenizer, num_fewshot=2, seed=7)(model)
    assert prompts[2] != prompts[0]
    LmEvalScorer(path, tokenizer=tokenizer)(model)
    assert prompts[3] == questions
    LmEvalScorer(path, tokenizer=tokenizer, system_instruction="S:", apply_chat_template=True)(model)
    assert prompts[4] == [f"US:U{question}A" for question in questions]
    fixed = task({**CHOICE, "num_fewshot": 0}, "fixed")
    LmEvalScorer(fixed, tokenizer=tokenizer, num_fewshot=2)(model)
    assert prompts[5] == questions


def test_what_it_changes_is_put_back(model, tokenizer, lengths, capfd, caplog, monkeypatch):
    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    before, files = states(), sorted(lengths.parent.rglob("*"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    level = logging.getLogger("lm_eval").level
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.pad_token = None  # which the harness would set
    model.train()
    model.model.layers[0].eval()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    sampled = LmEvalScorer(lengths, tokenizer=tokenizer, gen_kwargs={"do_sample": True, "temperature": 2.0})
    first = sampled(model)
    assert states() == before
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    before = states()
    assert sampled(model).tolist() == first.tolist()  # the same numbers are drawn for each model
    assert states() == before
    assert (model.training, model.model.layers[0].training) == (True, False)
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert tokenizer.pad_token is None
    assert sorted(lengths.parent.rglob("*")) == files
    assert (logging.getLogger("lm_eval").level, sys.dont_write_bytecode) == (level, False)
    assert not datasets.are_progress_bars_disabled()
    assert "".join(capfd.readouterr()) == ""
    assert not caplog.records
    LmEvalScorer(lengths, tokenizer=tokenizer, verbose=True)(model)
    assert "generate_until requests" in capfd.readouterr().err
    assert "lm_eval.models.huggingface" in {record.name for record in caplog.records}


def test_tasks_are_made_once(model, tokenizer, task, monkeypatch):
    made, load = [], datasets.load_dataset
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **options: made.append(1) or load(*args, **options))
    scorer = LmEvalScorer(task(CHOICE), tokenizer=tokenizer)
    scorer(model)
    scorer(model)
    assert scorer.labels
    assert len(made) == 1


def test_tasks_without_a_file(model, tokenizer, task):
    path = task(CHOICE)
    expected = LmEvalScorer(path, tokenizer=tokenizer)(model).tolist()
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert LmEvalScorer(config, tokenizer=tokenizer)(model).tolist() == expected
    named = LmEvalScorer("letters", tokenizer=tokenizer, include_path=path.parent)
    assert named(model).tolist() == expected


def test_the_tokenizer_is_the_models_own(model, tokenizer, task, tmp_path):
    path = task(CHOICE)
    with pytest.raises(ValueError, match=r"tokenizer=\.\.\.\) is needed"):
        LmEvalScorer(path)(model)
    folder = tmp_path / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(folder)
    expected = LmEvalScorer(path, tokenizer=tokenizer)(model).tolist()
    assert LmEvalScorer(path)(loaded).tolist() == expected
    assert LmEvalScorer(path, tokenizer=folder)(model).tolist() == expected


def test_recipes(tokenizer, task):
    seeds = ModuleSeeds([llama(0), llama(1)])
    scorer = CheckpointScorer(llama(2), seeds, LmEvalScorer(task(CHOICE), tokenizer=tokenizer, batch_size=8))
    recipes = evoniche.RecipeGenome(seeds).sample(3, rng=np.random.default_rng(0))
    scores = scorer.score(recipes)
    single = LmEvalScorer(task(CHOICE), tokenizer=tokenizer)
    assert scores[:2].tolist() == [single(llama(0)).tolist(), single(llama(1)).tolist()]
    check_scorer(scorer, recipes)


def test_what_is_wrong_is_said(model, tokenizer, task, monkeypatch):
    path = task(CHOICE)
    with pytest.raises(FileNotFoundError, match=r"no file .*none\.yaml"):
        LmEvalScorer(Path("none.yaml"))
    with pytest.raises(ValueError, match="at least one task"):
        LmEvalScorer([])
    with pytest.raises(ValueError, match="limit"):
        LmEvalScorer(path, limit=0)
    with pytest.raises(ValueError, match="limit or samples"):
        LmEvalScorer(path, limit=1, samples={"letters": [0]})
    with pytest.raises(ValueError, match="at least one document of 'letters'"):
        LmEvalScorer(path, samples={"letters": []})
    with pytest.raises(ValueError, match=r"tasks are letters, got metric, filter or samples for \['other'\]"):
        LmEvalScorer(path, metric={"other": "acc"}, tokenizer=tokenizer)(model)
    with pytest.raises(ValueError, match=r"\['max_lenght'\], which HFLM"):
        LmEvalScorer(path, model_args={"max_lenght": 3}, tokenizer=tokenizer)(model)
    with pytest.raises(TypeError, match="model of transformers, got Linear"):
        LmEvalScorer(path, tokenizer=tokenizer)(torch.nn.Linear(2, 2))
    for name in ("lm_eval", "lm_eval.evaluator"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"needs lm_eval: pip install 'evoniche\[llm\]'"):
        LmEvalScorer(path, tokenizer=tokenizer)(model)
