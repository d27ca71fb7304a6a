"""A record of scores: nothing is scored twice, and a run that was cut off goes on from it."""

import json

import numpy as np
import pytest

import evoniche
from evoniche import BinaryGenome, BitFlipMutation, RecordedScorer, UniformCrossover
from evoniche.testing import check_scorer

GENOME = BinaryGenome(12)


class Counting:
    """Scores each bit, and remembers how often it was asked."""

    def __init__(self, fails_after=None):
        self.scored = 0
        self.fails_after = fails_after

    def __call__(self, genomes):
        if self.fails_after is not None and self.scored >= self.fails_after:
            raise RuntimeError("power cut")
        self.scored += len(genomes)
        return genomes.astype(float) / 3


def evolve(scorer, evaluations=200):
    evolution = evoniche.m2n2(
        scorer, genome=GENOME, crossover=UniformCrossover(), mutation=BitFlipMutation(), capacity="max", seed=3
    )
    return evolution.run(evaluations=evaluations, progress=False)


def test_it_is_a_scorer():
    check_scorer(RecordedScorer(lambda genomes: genomes * 0.5, GENOME), np.eye(12, dtype=bool)[:5], pickles=False)


def test_equal_genomes_are_scored_once():
    scorer = Counting()
    recorded = RecordedScorer(scorer, GENOME)
    batch = np.eye(12, dtype=bool)[[0, 1, 0, 1, 2]]
    first = recorded.score(batch)
    assert scorer.scored == 3
    assert np.array_equal(recorded.score(batch), first)
    assert (scorer.scored, len(recorded)) == (3, 3)
    assert np.array_equal(first, batch / 3)


def test_what_is_remembered_is_not_scored():
    scorer = Counting()
    recorded = RecordedScorer(scorer, GENOME)
    batch = np.eye(12, dtype=bool)[:2]
    recorded.remember(batch[:1], np.full((1, 12), 0.25))
    assert np.array_equal(recorded.score(batch), [[0.25] * 12, batch[1] / 3])
    assert scorer.scored == 1


def test_a_run_that_was_cut_off_goes_on_to_the_same_end(tmp_path):
    path = tmp_path / "runs" / "scores.jsonl"
    expected = evolve(Counting())
    with pytest.raises(RuntimeError, match="power cut"):
        evolve(RecordedScorer(Counting(fails_after=90), GENOME, path))
    with path.open("a") as file:
        file.write('{"genome": "half a li')  # as a kill leaves it
    scorer = Counting()
    result = evolve(RecordedScorer(scorer, GENOME, path))
    assert scorer.scored < 115
    assert np.array_equal(result.population.ids, expected.population.ids)
    for name in ("best", "mean", "coverage", "entropy"):
        assert np.array_equal(result.history[name], expected.history[name])
    scorer = Counting()
    evolve(RecordedScorer(scorer, GENOME, path))
    assert scorer.scored == 0


def test_records_of_something_else_are_refused(tmp_path):
    path = tmp_path / "scores.jsonl"
    RecordedScorer(Counting(), GENOME, path, about="ten towns").score(np.eye(12, dtype=bool))
    assert len(RecordedScorer(Counting(), GENOME, path, about="ten towns")) == 12
    with pytest.raises(ValueError, match=r"another run: there ten towns, here nine towns"):
        RecordedScorer(Counting(), GENOME, path, about="nine towns")


@pytest.mark.parametrize("text", ["towns,plans\n1,2\n", '{"format": "other", "about": ""}\n', "[]\n", '{"about": ""}\n',
                                  "towns,plans\n1,2", "towns", "[" * 100_000])
def test_a_file_that_is_no_record_is_refused_and_stays(tmp_path, text):
    path = tmp_path / "plans.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match="no record of scores"):
        RecordedScorer(Counting(), GENOME, path)
    assert path.read_text() == text


def test_scores_of_the_wrong_shape_are_not_kept(tmp_path):
    path = tmp_path / "scores.jsonl"
    recorded = RecordedScorer(lambda genomes: np.zeros(len(genomes)), GENOME, path)
    with pytest.raises(ValueError, match="must have shape"):
        recorded.score(np.eye(12, dtype=bool))
    assert [json.loads(line)["format"] for line in path.read_text().splitlines()] == ["evoniche-record-1"]


def test_half_a_last_line_is_cut_off_and_no_other_byte_written(tmp_path):
    path = tmp_path / "scores.jsonl"
    RecordedScorer(Counting(), GENOME, path).score(np.eye(12, dtype=bool))
    whole, number = path.read_bytes(), path.stat().st_ino
    path.write_bytes(whole + b'{"genome": "abc", "sco')
    assert len(RecordedScorer(Counting(), GENOME, path)) == 12
    assert (path.read_bytes(), path.stat().st_ino) == (whole, number)


def test_a_damaged_line_costs_its_own_scores_alone(tmp_path):
    path = tmp_path / "scores.jsonl"
    RecordedScorer(Counting(), GENOME, path).score(np.eye(12, dtype=bool))
    lines = path.read_bytes().splitlines(keepends=True)
    bad = [b"\xff\xfe\n", b"[1]\n", b'{"genome": 3}\n', b'{"genome": "a", "scores": ["x"]}\n', b'{"genome": "a"}\n']
    path.write_bytes(b"".join([lines[0], *bad, *lines[2:]]))
    again = Counting()
    recorded = RecordedScorer(again, GENOME, path)
    assert len(recorded) == 11
    assert np.array_equal(recorded.score(np.eye(12, dtype=bool)), np.eye(12) / 3)
    assert again.scored == 1


def test_two_processes_may_write_one_record(tmp_path):
    path = tmp_path / "scores.jsonl"
    one, other = (RecordedScorer(Counting(), GENOME, path) for _ in range(2))
    one.score(np.eye(12, dtype=bool)[:4])
    with path.open("ab") as file:
        file.write(b'{"genome": "half')  # a third one was killed
    other.score(np.eye(12, dtype=bool)[4:8])
    third = RecordedScorer(Counting(), GENOME, path)
    one.score(np.eye(12, dtype=bool)[8:])
    assert len(third) == 8
    assert len(RecordedScorer(Counting(), GENOME, path)) == 12
