"""Thresholds from a labelled corpus: whose labels, which windows, and what counts as right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from corpus_tools import PLAIN, corpus_of
from kinelet.corpus import Corpus, build
from kinelet.corpus.labels import Intervals
from kinelet.corpus.sources import MemorySource
from kinelet.corpus.union import union
from kinelet.deploy.calibrated import calibrate_labels, choose_people, truth_of
from kinelet.deploy.timeline import Judged, Labeller, labeller
from kinelet.errors import BadOptionError
from kinelet.evaluate.honesty import SeenSubjectError
from words_tools import MEANING, aligned, encoder_of, town, walker


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return town(tmp_path_factory.mktemp("town") / "c", people=5)


def made(classes: tuple[str, ...] = ("sit", "walk"), **options: float) -> Labeller:
    encoder, tower = aligned()
    return labeller(encoder, {c: (MEANING[c],) for c in classes}, tower=tower, **options)  # type: ignore[arg-type]


def test_people_who_are_labelled_or_known_are_left_out(corpus: Corpus) -> None:
    encoder = encoder_of()
    encoder.card = {"pretrain_subjects": sorted(corpus.identities(["P0"]))}
    choice = choose_people(encoder, corpus, corpus.identities(["P1"]))
    assert (choice.people, choice.known, choice.labelled) == (("P2", "P3", "P4"), ("P0",), ("P1",))
    assert len(choice.notes()) == 2


def test_a_corpus_built_again_does_not_hide_its_people(corpus: Corpus, tmp_path: Path) -> None:
    again = town(tmp_path / "more", people=6)
    assert again.hash != corpus.hash
    encoder = encoder_of()
    encoder.card = {"pretrain_subjects": sorted(corpus.identities(corpus.subjects))}
    with pytest.raises(SeenSubjectError, match="1 of its 6 people"):
        choose_people(encoder, again)


def test_a_recording_of_a_person_of_the_corpus_leaves_them_out(corpus: Corpus) -> None:
    assert choose_people(encoder_of(), corpus, {"P3"}).labelled == ("P3",)


def public(folder: Path) -> Corpus:
    """Four people of a public set."""
    people = [walker(f"r{i}", f"P{i}", [("sit", 4.0)], seed=i) for i in range(4)]
    build([MemorySource(rec, dataset="uci") for rec in people], folder, PLAIN)
    return Corpus.open(folder)


def test_a_recording_of_a_person_of_a_public_set_leaves_them_out(tmp_path: Path) -> None:
    """People of a public set have no bare name, and a recording that is read from a file has no other."""
    corpus = public(tmp_path / "c")
    assert "P3" not in corpus.identities(["uci/P3"])
    assert choose_people(encoder_of(), corpus, {"P3"}).labelled == ("uci/P3",)
    own = corpus_of(tmp_path / "own", walker("x", "P9", [("sit", 4.0)]))
    assert choose_people(encoder_of(), union([own, corpus]), {"P3"}).labelled == ("c:uci/P3",)


def test_people_of_another_set_with_the_same_names_stay(tmp_path: Path) -> None:
    assert not choose_people(encoder_of(), public(tmp_path / "c"), {"pamap2/P3", "P"}).labelled


def test_labelling_everybody_leaves_nobody_to_calibrate_on(corpus: Corpus) -> None:
    with pytest.raises(SeenSubjectError, match=r"0 of its 5 people.*5 are to be labelled.*--hold-out"):
        choose_people(encoder_of(), corpus, corpus.identities(corpus.subjects))


def test_a_card_without_people_is_told(corpus: Corpus) -> None:
    encoder = encoder_of()
    encoder.card = {"method": "primus"}
    assert "nobody could check" in choose_people(encoder, corpus).notes()[-1]


def test_clear_classes_are_answered_and_right(corpus: Corpus) -> None:
    found = calibrate_labels(made(step_s=1.0), corpus, corpus.subjects, target=0.9)
    assert found.people == ("P0", "P1", "P2", "P3", "P4")
    assert found.precision.value > 0.95
    assert found.coverage.value > 0.95
    assert found.windows == 5 * 49


def test_only_the_people_given_are_looked_at(corpus: Corpus) -> None:
    found = calibrate_labels(made(step_s=1.0), corpus, ("P1", "P2"), target=0.9)
    assert (found.people, found.windows) == (("P1", "P2"), 2 * 49)


def test_an_answer_where_the_label_is_none_of_the_classes_is_wrong(tmp_path: Path) -> None:
    day = [("walk", 20.0), ("stumble", 20.0)]
    corpus = corpus_of(tmp_path / "c", *(walker(f"r{i}", f"P{i}", day, seed=i) for i in range(3)))
    found = calibrate_labels(made(step_s=1.0), corpus, corpus.subjects, aim="coverage", target=1.0)
    assert found.others == pytest.approx(found.windows / 2, abs=4)
    assert found.accuracy.value <= 0.55


def test_classes_without_a_label_in_the_track_are_named(corpus: Corpus) -> None:
    encoder, tower = aligned()
    ready = labeller(encoder, ["someone is walking"], tower=tower)
    with pytest.raises(BadOptionError, match=r"no label of the track 'activity'.*'sit', 'walk'"):
        calibrate_labels(ready, corpus, corpus.subjects)


def test_a_track_that_is_not_there_is_named(corpus: Corpus) -> None:
    with pytest.raises(BadOptionError, match="no label of the track 'gait'"):
        calibrate_labels(made(), corpus, corpus.subjects, track="gait")


def test_people_without_labels_do_not_count(tmp_path: Path) -> None:
    blank = walker("x", "P9", [("sit", 20.0)]).replace(annotations=())
    labelled = [walker(f"r{i}", f"P{i}", [("sit", 20.0), ("walk", 20.0)], seed=i) for i in range(2)]
    corpus = corpus_of(tmp_path / "c", blank, *labelled)
    assert calibrate_labels(made(), corpus, corpus.subjects).people == ("P0", "P1")


def test_truth_is_the_label_of_most_of_a_window() -> None:
    starts = np.array([0.0, 1.0, 2.0, 6.0])
    one = Judged(starts, np.zeros(4, np.int64), np.ones(4), np.ones(4))
    marks = Intervals(np.array([0.0, 1.8]), np.array([1.8, 5.0]), np.array([0, 1], np.int32), np.full(2, np.nan))
    truth = truth_of(one, marks, np.array([7, -2]), window_s=2.0, purity=0.5)
    assert truth.tolist() == [7, -2, -2, -1]


def test_truth_of_a_recording_without_labels_is_unknown() -> None:
    one = Judged(np.arange(2.0), np.zeros(2, np.int64), np.ones(2), np.ones(2))
    assert truth_of(one, None, np.array([0]), 2.0, 0.5).tolist() == [-1, -1]
