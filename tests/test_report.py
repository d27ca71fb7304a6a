"""Pictures of stored runs, and the page that has them all."""

import numpy as np
import pytest
from click.testing import CliRunner

import evoniche
from evoniche.commands.group import commands
from evoniche.plots import RunRecord, ancestors, draw_attraction, draw_genealogy, draw_niches, draw_progress
from evoniche.plots.page import PICTURES
from evoniche.plots.progress import _kaplan_meier

EVIL = "<script>alert(1)</script> & \ud800"


def evolution(score=lambda bits: bits.astype(float), size=8):
    return evoniche.m2n2(score, genome=evoniche.BinaryGenome(12), crossover=evoniche.UniformCrossover(),
                         mutation=evoniche.BitFlipMutation(), population_size=size, seed=0)  # fmt: skip


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    store = evoniche.Store(tmp_path_factory.mktemp("report") / "run.db")
    return store, evolution().run(40, store=store, progress=False)


def merge(path):
    rng = np.random.default_rng(0)
    seeds = evoniche.ArraySeeds(list(rng.normal(size=(3, 40))))
    target = rng.normal(size=40)

    def score(recipes):
        return np.stack([np.abs(seeds.materialise(recipe, 0, 40) - target) < 0.8 for recipe in recipes])

    evoniche.merge(seeds, score, population_size=6, seed=0).run(120, store=path, progress=False)
    return evoniche.Store(path)


def test_a_record_is_what_the_tables_of_the_store_say(kept):
    store, result = kept
    record, lineage, members = RunRecord.of(store), store.lineage(), store.members()
    np.testing.assert_array_equal(record.parents, np.stack([lineage["first_parent"], lineage["mate"]], axis=1))
    for mine, name in ((record.means, "score"), (record.told, "told"), (record.left, "left")):
        np.testing.assert_array_equal(mine, lineage[name])
    np.testing.assert_array_equal(record.ids, members["id"])
    np.testing.assert_array_equal(record.scores, members["scores"])
    np.testing.assert_array_equal(record.history["best"], store.history()["best"])
    assert record.means[record.best] == result.best.score
    alive = np.flatnonzero(record.alive(40))
    np.testing.assert_array_equal(alive, record.ids)
    assert record.niches[-1].tolist() == [40, len({row.tobytes() for row in members["scores"]})]


def test_ancestors_are_all_that_parents_lead_to(kept):
    record = RunRecord.of(kept[0])
    line = set(ancestors(record, record.best).tolist())
    assert record.best in line
    assert {p for c in line for p in record.parents[c].tolist() if p >= 0} | {record.best} == line
    (axis,) = draw_genealogy(record).axes
    assert f"{len(line) - 1:,} ancestors of child {record.best}" in axis.get_title()


def test_members_and_cases_are_drawn_in_some_order_and_none_twice(kept):
    record = RunRecord.of(kept[0])
    kept_cases = record.scores[:, np.ptp(record.scores, axis=0) > 0]
    (picture,) = draw_niches(record).axes[1].images
    drawn = np.asarray(picture.get_array())
    np.testing.assert_array_equal(np.sort(drawn.sum(axis=1)), np.sort(kept_cases.sum(axis=1)))
    np.testing.assert_array_equal(np.sort(drawn.sum(axis=0)), np.sort(kept_cases.sum(axis=0)))
    (matrix,) = draw_attraction(record).axes[0].images
    whole = evoniche.functional.attraction(record.scores, range(len(record.ids)))
    np.testing.assert_allclose(np.sort(np.asarray(matrix.get_array()), axis=None), np.sort(whole, axis=None))


def test_survival_is_that_of_kaplan_and_meier():
    ages, share = _kaplan_meier(np.array([1, 2, 2, 3, 5]), np.array([True, True, False, True, False]))
    np.testing.assert_allclose(ages, [0, 1, 2, 3, 5])
    np.testing.assert_allclose(share, [1, 4 / 5, 4 / 5 * 3 / 4, 4 / 5 * 3 / 4 * 1 / 2, 3 / 10])


def test_a_run_that_has_done_nothing_or_little_has_all_pictures(tmp_path):
    for count in (0, 1, 2):
        store = evoniche.Store(tmp_path / f"{count}.db")
        new = evolution()
        with store.recording(new):
            children = new.ask(2)
            some = children.take(range(count))
            if count:
                new.tell(some, some.genomes.astype(float))
        record = RunRecord.of(store)
        assert all(draw(record).savefig(tmp_path / "picture.png") is None for _, draw, _ in PICTURES)
    assert "no history" in draw_progress(record).texts[0].get_text()


def test_the_page_of_a_merge_has_the_seeds_along_its_parameters(tmp_path):
    record = RunRecord.of(merge(tmp_path / "merge.db"))
    assert record.recipes
    child, (bounds, table) = next(iter(record.recipes.items()))
    assert record.parents[child, 0] >= 0
    assert (bounds[0], bounds[-1], len(bounds) - 1) == (0, 40, len(table))
    ended = CliRunner().invoke(commands, ["report", str(tmp_path)])
    assert ended.exit_code == 0, ended.output
    page = (tmp_path / "merge.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(PICTURES)


def test_the_page_shows_hostile_text_as_it_is_and_needs_no_other_file(tmp_path):
    def score(bits):
        if bits[:, 0].all():
            raise ArithmeticError(EVIL)
        return bits.astype(float)

    store = evoniche.Store(tmp_path / "run.db", EVIL[:-1])
    evolution(score).run(20, store=store, failures=evoniche.Failures(attempts=1), progress=False)
    ended = CliRunner().invoke(commands, ["report", str(store.path), "--out", str(tmp_path / "page.html")])
    assert ended.exit_code == 0, ended.output
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "ArithmeticError: &lt;script&gt;alert(1)&lt;/script&gt; &amp; " in page
    assert "http" not in page.replace("<!doctype html>", "")
    assert 'src="data:' in page


def test_what_is_no_run_is_refused(tmp_path):
    empty = CliRunner().invoke(commands, ["report", str(tmp_path)])
    assert (empty.exit_code, "it has none" in empty.output) == (1, True)
    (tmp_path / "x.db").write_text("no store")
    broken = CliRunner().invoke(commands, ["report", str(tmp_path)])
    assert broken.exit_code == 1
    assert "x.db" in broken.output


def test_a_report_never_takes_the_place_of_a_run(tmp_path):
    path = tmp_path / "run.html"
    for name in ("a", "../b"):
        evolution().run(20, store=evoniche.Store(path, name), progress=False)
    before = path.read_bytes()
    ended = CliRunner().invoke(commands, ["report", str(path), "--name", "a", "--out", str(path)])
    assert ended.exit_code == 2
    assert "--out must be another file than the run" in ended.stderr
    assert path.read_bytes() == before
    for name, file in (("a", "run-a.html"), ("../b", "run-.._b.html")):
        assert CliRunner().invoke(commands, ["report", str(path), "--name", name]).exit_code == 0
        assert (tmp_path / file).exists()
