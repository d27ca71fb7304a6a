"""The tiny models that merging is shown on: what they are asked, and how their answers are scored."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from evoniche_baselines.problems import tiny_unet  # noqa: E402
from evoniche_baselines.problems.tiny_llm import (  # noqa: E402
    ARITHMETIC,
    PROTOCOL,
    SKILLS,
    Cases,
    decode,
    encode,
    evaluate,
    evaluate_by_generation,
    tokenizer,
)
from evoniche_baselines.problems.tiny_llm.study import METHODS, command, table  # noqa: E402
from evoniche_baselines.problems.tiny_llm.tokens import VOCABULARY  # noqa: E402


def test_arithmetic_is_answered_from_the_last_digit():
    assert ARITHMETIC.write(3745) == ("37+45=", "280")
    assert ARITHMETIC.write(0) == ("00+00=", "000")
    assert ARITHMETIC.write(9999) == ("99+99=", "891")


def test_the_robot_stops_at_walls():
    prompts = {PROTOCOL.write(number) for number in range(0, PROTOCOL.size, 1009)}
    moves = {"N": (0, 1), "E": (1, 0), "S": (0, -1), "W": (-1, 0)}
    for prompt, answer in prompts:
        x, y = int(prompt[0]), int(prompt[1])
        for i, move in enumerate(prompt[3:-1]):
            dx, dy = moves[move]
            x, y = (x + dx if 0 <= x + dx < 8 else x), (y + dy if 0 <= y + dy < 8 else y)
            assert answer[2 * i : 2 * i + 2] == f"{x}{y}"


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)
def test_no_prompt_is_in_two_parts_of_a_split(skill):
    split = skill.split()
    parts = [{tuple(row) for row in part.prompts.tolist()} for part in (split.training, split.scoring, split.held_out)]
    assert [len(part) for part in parts[1:]] == [200, 500]
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert torch.equal(split.scoring.prompts, skill.split().scoring.prompts)
    assert not torch.equal(split.scoring.prompts, skill.split(seed=1).scoring.prompts)


def test_tokens_and_back():
    texts = ["37+45=", "34:NNE"]
    assert decode(encode(texts)) == texts
    assert tokenizer()("37+45=")["input_ids"] == [VOCABULARY["<bos>"], *encode(["37+45="])[0].tolist()]


@pytest.fixture(scope="module")
def model():
    """A network that has learnt a little: some of its answers are right, some wrong, some half right."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(VOCABULARY), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, tie_word_embeddings=True,
    )  # fmt: skip
    net = transformers.LlamaForCausalLM(config)
    cases = some(PROTOCOL)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(60):
        tokens = torch.cat([cases.prompts, cases.answers[:, :-1]], dim=1)
        logits = net(input_ids=tokens).logits[:, -cases.answers.shape[1] :]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), cases.answers.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


def some(skill):
    return skill.split().scoring[:24]


def test_one_pass_gives_the_grades_of_generation(model):
    cases = some(PROTOCOL)
    grades = evaluate(model, cases)
    assert np.array_equal(grades, evaluate_by_generation(model, cases))
    assert len(set(grades.tolist())) > 2


def test_generation_is_that_of_transformers(model):
    cases = some(PROTOCOL)
    with torch.no_grad():
        tokens = model.generate(
            cases.prompts, attention_mask=torch.ones_like(cases.prompts), max_new_tokens=cases.answers.shape[1],
            do_sample=False,
        )  # fmt: skip
    right = (tokens[:, cases.prompts.shape[1] :] == cases.answers).cumprod(dim=1)[:, list(cases.ends)]
    assert np.allclose(evaluate_by_generation(model, cases), right.float().mean(dim=1).numpy())


def test_grades_end_at_the_first_wrong_step():
    class Wrong:
        """Answers as if the second step were wrong and all else right."""

        def __call__(self, input_ids, **_):
            answers = some(PROTOCOL).answers.clone()
            answers[:, 2] = (answers[:, 2] + 1) % len(VOCABULARY)
            logits = torch.nn.functional.one_hot(answers, len(VOCABULARY)).float()
            return type("Output", (), {"logits": logits})

    assert np.allclose(evaluate(Wrong(), some(PROTOCOL)), 1 / 6)


def test_slices_of_cases_are_cases():
    assert isinstance(some(ARITHMETIC), Cases)
    assert len(some(ARITHMETIC)) == 24


def test_each_method_is_a_command(tmp_path):
    lines = {method: command(tmp_path, tmp_path / "out", method, seed=1) for method in METHODS}
    assert len({tuple(line) for line in lines.values()}) == len(METHODS)
    assert lines["GA"][-6:-2] == ["--alpha", "0", "--no-attraction", "--quiet"]


def test_the_table_is_of_the_held_out_scores(tmp_path):
    columns = ["model", "arithmetic", "average", "arithmetic_held_out (held out)", "protocol_held_out (held out)",
               "average (held out)"]  # fmt: skip
    folders = []
    for seed, score in enumerate((0.5, 0.7)):
        rows = [["arithmetic", "1", "1", "1", "0", ".5"], ["protocol", "1", "1", "0", "1", ".5"],
                ["merged", "1", "1", str(score), "0.25", "0.5"]]  # fmt: skip
        folders.append(tmp_path / str(seed))
        folders[-1].mkdir()
        (folders[-1] / "recipe.json").write_text(json.dumps({"card": {"scores": [columns, rows]}}))
    printed = table({"M2N2": folders})
    assert "| specialist in arithmetic | 100.00 | 0.00 | 50.00 |" in printed
    assert "| M2N2 | 60.00 ± 14.14 | 25.00 ± 0.00 | 50.00 ± 0.00 |" in printed


def test_pictures_show_their_concepts():
    pytest.importorskip("diffusers")
    generator = torch.Generator().manual_seed(0)
    rows, columns, chequers, disc = (tiny_unet.pictures(torch.full((20,), k), generator)[:, 0] for k in range(4))
    assert (rows == rows[:, :, :1]).all()
    assert (columns == columns[:, :1, :]).all()
    assert not (chequers == chequers[:, :, :1]).all()
    assert (chequers.mean(dim=(1, 2)) == 0).all()
    assert ((disc > 0).sum(dim=(1, 2)) >= 9).all()


def test_scorers_of_noise_have_a_case_for_each_picture():
    pytest.importorskip("diffusers")

    def guess(sample, step, told):  # that all is noise
        assert told.argmax(dim=-1).flatten().unique().tolist() == [0, 1, 2, 3]
        return type("Output", (), {"sample": sample})

    scores = tiny_unet.similarity(guess)
    assert scores.shape == (4 * 64,)
    assert 0.5 < scores.mean() < 1
    assert not np.array_equal(scores, tiny_unet.held_out(guess))
