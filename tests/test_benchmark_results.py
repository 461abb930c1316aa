"""benchmarks/relcon_results.py on two toy sets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from corpus_tools import corpus_of, recording
from kinelet.deploy.loading import load
from kinelet.errors import BadOptionError
from kinelet.evaluate.compare import mean_difference
from kinelet.evaluate.probe import LinearProbe
from kinelet.evaluate.result import Result
from kinelet.evaluate.task import Task
from kinelet.signal.recording import Annotation

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from har_sets import HarSet, of_folds, pooled, pretraining_windows
from relcon_ablations import ABLATIONS, parsed
from relcon_bench import Bench, jobs_of
from relcon_contenders import contender, encoded_per_step, recipe, within_budget
from relcon_results import run_all
from relcon_tables import gather, goals, markdown

ENTRIES = (HarSet("toy_a", "Toy A", None, 2.0), HarSet("toy_b", "Toy B", None, 2.0))
TITLES = [e.title for e in ENTRIES]
TINY = ["train.steps=2", "train.batch_size=16", "encoder.options.widths=[8,8]"]
NAMES = ("simclr", "mae", "random", "hand_linear")


def toy(folder: Path, seed: int) -> None:
    """Six people who sit still and walk."""
    made = []
    for person in range(6):
        r = np.random.default_rng(100 * seed + person)
        t = np.arange(1200)[:, None] / 50
        x = 0.05 * r.normal(size=(1200, 3)) + [0, 0, 1]
        x[600:] += 0.4 * np.sin(2 * np.pi * (1.5 + 0.1 * person) * t[600:] + r.uniform(0, 6, 3))
        marks = (Annotation(0, 12, label="sit"), Annotation(12, 24, label="walk"))
        made.append(recording(f"r{person}", f"{folder.name}-{person}", data=x.astype(np.float32), annotations=marks))
    corpus_of(folder, *made)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    work = tmp_path_factory.mktemp("toy")
    for i, entry in enumerate(ENTRIES):
        toy(work / "corpora" / entry.name, i)
    return Bench(ENTRIES, work, (0, 1))


@pytest.fixture(scope="module")
def contenders(bench: Bench) -> list[Any]:
    made = [contender(name, TINY) for name in NAMES]
    assert run_all(bench, made, ("in_corpus", "across"), 1) == []
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Task, Any]]]:
    """What reaches the probe from now on."""
    seen: list[tuple[Task, Any]] = []
    original = LinearProbe.predict

    def spy(self: LinearProbe, train: Task, x: Any, *rest: Any) -> Any:
        seen.append((train, x))
        return original(self, train, x, *rest)

    monkeypatch.setattr(LinearProbe, "predict", spy)
    yield seen


def test_every_contender_is_judged_on_every_set(bench: Bench, contenders: list[Any]) -> None:
    table = gather(bench, contenders, "in_corpus", [0, 1])
    assert {name: set(by_set) for name, by_set in table.items()} == {c.title: set(TITLES) for c in contenders}


def test_encoders_of_a_fold_know_its_training_people_and_nobody_else(bench: Bench, contenders: list[Any]) -> None:
    trained = [load(p.parent) for p in sorted(bench.work.glob("encoders/*/fold-1/model"))]
    known = [{name.split("/")[-1].split(":")[-1] for name in e.card["pretrain_subjects"]} for e in trained]
    assert known == [{p for s in bench.sets for p in s.splits[1].train}] * 2


def test_windows_of_a_fold_hold_none_of_its_test_people(bench: Bench) -> None:
    windows = pretraining_windows(bench.sets, 0, 2.56, 1.28)
    present = {windows.subjects[i] for i in np.unique(windows.subject)}
    assert present.isdisjoint({f"{s.entry.name}:{p}" for s in bench.sets for p in s.splits[0].test})


def test_the_probe_learns_from_training_people_alone(bench: Bench, asked: list[tuple[Task, Any]]) -> None:
    for job in jobs_of(Bench(ENTRIES, bench.work, (2,)), contender("random", [*TINY, "train.seed=3"]), ("in_corpus",)):
        job.run(Bench(ENTRIES, bench.work, (2,)))
    assert [set(train.people) for train, _ in asked] == [set(s.splits[2].train) for s in bench.sets]


def test_the_probe_is_asked_about_the_test_people_alone(bench: Bench, asked: list[tuple[Task, Any]]) -> None:
    for job in jobs_of(Bench(ENTRIES, bench.work, (2,)), contender("random", [*TINY, "train.seed=4"]), ("in_corpus",)):
        job.run(Bench(ENTRIES, bench.work, (2,)))
    assert [len(x) for _, x in asked] == [len(s.task.rows(s.splits[2].test)) for s in bench.sets]


def test_across_corpora_nobody_of_a_judged_set_is_pretrained_on(bench: Bench, contenders: list[Any]) -> None:
    place = bench.place_of("across", bench.sets[1], 0)
    assert [s.entry.name for s in bench.pretraining(place)[0]] == ["toy_a"]


def test_a_second_call_judges_nothing_again(bench: Bench, contenders: list[Any], asked: list[tuple[Task, Any]]) -> None:
    run_all(bench, contenders, ("in_corpus", "across"), 1)
    assert asked == []


def test_another_option_gets_a_place_of_its_own(bench: Bench) -> None:
    first, other = contender("simclr", TINY), contender("simclr", [*TINY, "method_options.temperature=0.3"])
    paths = {bench.result_path(c, "in_corpus", bench.sets[0], 0) for c in (first, other)}
    assert len(paths) == 2


def test_threads_do_not_alter_a_place(bench: Bench) -> None:
    first, other = contender("simclr", TINY), contender("simclr", [*TINY, "train.threads=2"])
    paths = {bench.result_path(c, "in_corpus", bench.sets[0], 0) for c in (first, other)}
    assert len(paths) == 1


def test_a_failing_contender_is_named_and_the_others_go_on(bench: Bench, contenders: list[Any]) -> None:
    broken = contender("mae", [*TINY, "method_options.span_s=3600"])
    failed = run_all(bench, [broken, contenders[0]], ("in_corpus",), 1)
    assert len(failed) == 2 and all("MAE fold" in text for text in failed)


def test_the_table_has_a_row_for_each_contender(bench: Bench, contenders: list[Any]) -> None:
    text = markdown(gather(bench, contenders, "in_corpus", [0, 1]), TITLES, "SimCLR")
    assert [line.split(" | ")[0] for line in text.splitlines() if "hand-crafted" in line] == [
        "| hand-crafted + logistic"
    ] * 2


def test_the_mean_column_is_the_joint_bootstrap(bench: Bench, contenders: list[Any]) -> None:
    table = gather(bench, contenders, "in_corpus", [0, 1])
    e = mean_difference([table["SimCLR"][t] for t in TITLES], [table["MAE"][t] for t in TITLES], "macro_f1")
    row = next(
        line for line in markdown(table, TITLES, "SimCLR").split("SimCLR minus")[1].splitlines() if "MAE" in line
    )
    assert f"{e.value:+.3f} [{e.lo:+.3f}, {e.hi:+.3f}]" in row.split(" | ")[-1]


def test_goals_count_sets(bench: Bench, contenders: list[Any]) -> None:
    assert "SimCLR ahead of MAE on" in goals(gather(bench, contenders, "in_corpus", [0, 1]), TITLES, "SimCLR")


def test_pooled_folds_come_apart_again(bench: Bench, contenders: list[Any]) -> None:
    opened = bench.sets[0]
    parts = [Result.load(bench.result_path(contenders[0], "in_corpus", opened, f)) for f in (0, 1)]
    again = of_folds(pooled(parts, (0, 1)), [1])
    assert_array_equal(again.predicted, parts[1].predicted)


def test_the_budget_counts_both_views_of_simclr() -> None:
    assert within_budget(recipe("simclr_six_sets", []), 345_600).train.steps == 600


def test_the_budget_counts_masked_windows_once() -> None:
    config = within_budget(recipe("masked_six_sets", []), 345_600)
    assert config.train.steps * encoded_per_step(config) == 345_600


def test_all_pretrained_contenders_share_encoder_and_data() -> None:
    made = [contender(name).config for name in ("simclr", "mae", "mtl")]
    assert len({repr((c.encoder, c.data)) for c in made}) == 1


def test_a_variant_is_read_from_its_text() -> None:
    made = parsed("cold: simclr method_options.temperature=0.05", [], 1000)
    assert (made.title, made.config.method_options["temperature"]) == ("cold", 0.05)


def test_a_variant_of_nothing_is_refused() -> None:
    with pytest.raises(BadOptionError, match="no variant"):
        parsed("cold: nothing", [], 1000)


def test_an_override_may_be_for_one_contender() -> None:
    made = [contender(name, ["mtl:train.lr=0.5"]).config.train.lr for name in ("mae", "mtl")]
    assert made[0] != made[1] == 0.5


def test_every_ablation_has_a_title_of_its_own() -> None:
    titles = [title for title, _ in ABLATIONS.values()]
    assert len(set(titles)) == len(titles)
