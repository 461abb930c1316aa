"""``kinelet evaluate`` for encoders that know words: few-shot curves, zero-shot, retrieval, and the page about them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_tools import done, kinelet
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.narrations import sentences_for_labels, write_narrations
from kinelet.encoders.io import save_encoder
from kinelet.evaluate.result import Result
from kinelet.towers import registry
from kinelet.towers.store import attach_text
from words_tools import MEANING, aligned, town

CURVE = ("--protocol", "primus-few-shot", "--folds", 2, "shots=[1,3,all]", "protocol_options.draws=2")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people with sentences for what they do."""
    folder = tmp_path_factory.mktemp("town") / "town"
    made, (_, tower) = town(folder, people=6), aligned()
    write_narrations(made, sentences_for_labels(made, "activity", {k: [v] for k, v in MEANING.items()}))
    attach_text(folder, list(MEANING.values()), tower)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model aligned with a tower that is registered as long as these tests run."""
    encoder, tower = aligned()
    registry.TOWERS["toy"] = lambda: tower
    folder = tmp_path_factory.mktemp("runs") / "toy"
    save_encoder(encoder, folder)
    yield folder
    del registry.TOWERS["toy"]


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text("\n".join(f"{label}: [{told}]" for label, told in MEANING.items()))
    return path


def test_a_curve_has_a_column_for_each_number_of_windows(run: Path, corpus: Path) -> None:
    told = done("evaluate", run, "--corpus", corpus, *CURVE, "--baselines", "random").out
    assert all(f" {n} " in told for n in ("1", "3", "all"))
    assert "primus (toy) minus random encoder" in told
    files = sorted(p.name for p in (run / "evaluation" / "town-activity-primus-few-shot").glob("n-3/*.json"))
    assert files == ["00-primus_toy.json", "01-random_encoder.json"]


def test_arms_of_a_curve_learn_from_the_same_windows(run: Path, corpus: Path) -> None:
    shown = done("evaluate", run, "--corpus", corpus, *CURVE, "--json").document
    results = [(r["n"], r["encoder"]) for r in shown]
    assert results == [(n, e) for e in ("primus (toy)", "random encoder", "hand-crafted") for n in (1, 3, "all")]
    assert len({tuple(r["row"]) for r in shown}) == 1


def test_a_baseline_that_has_no_curve_is_refused(run: Path, corpus: Path) -> None:
    answer = kinelet("evaluate", run, "--corpus", corpus, *CURVE, "--baselines", "minirocket")
    assert "no curve for minirocket" in answer.complaint


def test_supervision_from_scratch_has_a_curve(run: Path, corpus: Path) -> None:
    options = ("--protocol", "primus-few-shot", "--folds", 2, "shots=[2]", "scratch.draws=1", "scratch.steps=10")
    told = done("evaluate", run, "--corpus", corpus, *options, "--baselines", "scratch").out
    assert "supervised from scratch" in told


def test_classes_are_found_by_their_sentences(run: Path, corpus: Path, sentences: Path) -> None:
    options = ("--protocol", "zero-shot", f"sentences={sentences}")
    told = done("evaluate", run, "--corpus", corpus, *options, "--folds", 2).out
    result = Result.load(run / "evaluation" / "town-activity-zero-shot" / "00-primus_toy.json")
    assert result.estimates["macro_f1"].value > 0.95
    assert len(result.subjects) == 6
    assert "random encoder" in told


def test_classes_without_words_are_told(run: Path, corpus: Path) -> None:
    answer = kinelet("evaluate", run, "--corpus", corpus, "--protocol", "zero-shot")
    assert "sentences=FILE.yaml" in answer.complaint


def test_both_ways_of_a_search_are_told_with_chance_beside(run: Path, corpus: Path) -> None:
    told = done("evaluate", run, "--corpus", corpus, "--protocol", "retrieval").out
    assert "motion -> text" in told
    assert "text -> motion" in told
    assert "random order" in told


def test_a_search_has_no_folds(run: Path, corpus: Path) -> None:
    answer = kinelet("evaluate", run, "--corpus", corpus, "--protocol", "retrieval", "--folds", 3, "--refit")
    assert "retrieval has no --refit, --folds" in answer.complaint


def test_a_search_can_be_read_by_machines(run: Path, corpus: Path) -> None:
    shown = done("evaluate", run, "--corpus", corpus, "--protocol", "retrieval", "ks=[1,2]", "--json").document
    assert [r["direction"] for r in shown] == ["motion -> text", "text -> motion"]
    assert set(shown[0]["values"]) == {"mrr", "r@1", "r@2"}


def test_the_page_tells_curves_and_searches(run: Path, corpus: Path) -> None:
    done("evaluate", run, "--corpus", corpus, "--protocol", "retrieval")
    done("evaluate", run, "--corpus", corpus, *CURVE, "--baselines", "random")
    done("report", run)
    page = (run / "report.html").read_text()
    assert "Search both ways" in page
    assert "How far a few labels go" in page


def test_people_known_to_the_run_are_not_searched_among(corpus: Path, tmp_path: Path) -> None:
    encoder, _ = aligned()
    opened = Corpus.open(corpus)
    encoder.card["pretrain_subjects"] = sorted(opened.identities(opened.subjects))
    save_encoder(encoder, tmp_path / "knowing")
    answer = kinelet("evaluate", tmp_path / "knowing", "--corpus", corpus, "--protocol", "retrieval")
    assert "pretrained on 6 of the 6 people" in answer.complaint
