"""``kinelet corpus annotate``: narrations, sentences for labels, vectors of another modality."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cli_tools import done, kinelet, write_table
from corpus_tools import corpus_of, recording
from kinelet.corpus.build import build
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.inside import ends
from kinelet.corpus.narrations import NARRATIONS, narrations
from kinelet.corpus.process import BuildConfig
from kinelet.signal.recording import Annotation
from kinelet.signal.spec import imu_spec
from kinelet.towers.base import CallableTower
from kinelet.towers.phrases import sentences as public_sentences
from kinelet.towers.registry import TOWERS, register_tower
from kinelet.towers.store import open_store, store_folder

CALLS: list[str] = []


def _letters(items: list[str]) -> np.ndarray:
    CALLS.extend(items)
    return np.array([[len(s), s.count("a") + 1, s.count("e")] for s in items], dtype=np.float32)


@pytest.fixture(autouse=True)
def letters() -> Iterator[None]:
    """A tower that needs no model."""
    CALLS.clear()
    for name in ("letters", "other"):
        register_tower(name, lambda name=name: CallableTower(_letters, name, 3, name))
    yield
    for name in ("letters", "other"):
        TOWERS.pop(name)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    table, card = write_table(tmp_path)
    done("corpus", "build", table, "--out", tmp_path / "corpus", "--card", card)
    return tmp_path / "corpus"


@pytest.fixture
def said(tmp_path: Path, corpus: Path) -> Path:
    names = [r.id for r in Corpus.open(corpus).recordings]
    path = tmp_path / "said.csv"
    rows = [(names[0], 1.0, "C sits"), (names[0], 1.5, "C talks"), (names[1], 4.0, "C sits")]
    path.write_text("recording,time,text\n" + "".join(f"{r},{t},{s}\n" for r, t, s in rows))
    return path


def annotate(corpus: Path, *more: object, tower: str = "letters"):
    return kinelet("corpus", "annotate", corpus, "--tower", tower, "--window", 2, *more)


def vectors(path: Path, corpus: Path, **changes: object) -> Path:
    names = [r.id for r in Corpus.open(corpus).recordings]
    arrays = {"vectors": np.eye(4, 6) + 1, "recording": np.array(names[:1] * 4), "start_s": np.arange(4.0)}
    arrays |= {"duration_s": np.array(1.0), **changes}
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


def test_narrations_are_attached_and_embedded_once_each(corpus: Path, said: Path) -> None:
    shown = annotate(corpus, "--narrations", said)
    assert shown.status == 0, shown.err
    store = open_store(store_folder(corpus, "text"))
    assert sorted(store.keys) == ["the person sits", "the person talks"]
    assert CALLS.count("the person sits") == 1


def test_the_redundancy_is_told(corpus: Path, said: Path) -> None:
    shown = annotate(corpus, "--narrations", said).out
    rows = {cells[1].strip(): cells[2].strip() for line in shown.splitlines() if len(cells := line.split("│")) > 2}
    assert rows["sentences"] == "3 (2 different; 67% occur more than once)"
    assert rows["windows with a sentence"] == "2 of 2"


def test_the_report_for_machines(corpus: Path, said: Path) -> None:
    document = annotate(corpus, "--narrations", said, "--json").document
    assert (document["modality"], document["items"], document["dim"]) == ("text", 2, 3)
    assert document["report"]["narrations"] == 3


def test_the_report_may_be_about_a_grid(corpus: Path, said: Path) -> None:
    document = annotate(corpus, "--narrations", said, "--placement", "grid", "--json").document
    assert document["report"]["windows"] > document["report"]["narrated"] == 2


def test_windows_that_cannot_be_cut_cost_the_report_only(corpus: Path, said: Path) -> None:
    shown = kinelet("corpus", "annotate", corpus, "--narrations", said, "--tower", "letters", "--window", 999)
    assert shown.status == 0
    assert "not measured: " in shown.out


def test_the_same_again_embeds_nothing(corpus: Path, said: Path) -> None:
    annotate(corpus, "--narrations", said)
    CALLS.clear()
    again = annotate(corpus, "--narrations", said)
    assert again.status == 0
    assert "the person sits" not in CALLS


def test_other_sentences_replace_only_when_told_to(corpus: Path, said: Path) -> None:
    annotate(corpus, "--narrations", said)
    said.write_text(said.read_text().replace("talks", "reads"))
    assert "--replace" in annotate(corpus, "--narrations", said).complaint
    assert "the person talks" in narrations(Corpus.open(corpus)).text
    assert annotate(corpus, "--narrations", said, "--replace").status == 0
    assert sorted(open_store(store_folder(corpus, "text")).keys) == ["the person reads", "the person sits"]


def test_another_tower_replaces_only_when_told_to(corpus: Path, said: Path) -> None:
    annotate(corpus, "--narrations", said)
    assert "'letters'" in annotate(corpus, tower="other").complaint
    assert annotate(corpus, "--replace", tower="other").status == 0
    assert open_store(store_folder(corpus, "text")).meta.tower == "other"


def test_sentences_without_a_tower(corpus: Path, said: Path) -> None:
    shown = annotate(corpus, "--narrations", said, tower="none")
    assert "none (--tower none)" in shown.out
    assert (corpus / NARRATIONS).exists() and not store_folder(corpus, "text").exists()


def test_an_unknown_tower_attaches_nothing(corpus: Path, said: Path) -> None:
    assert "guess" in annotate(corpus, "--narrations", said, tower="guess").complaint
    assert not (corpus / NARRATIONS).exists()


def test_a_wrong_row_attaches_nothing(corpus: Path, said: Path) -> None:
    said.write_text(said.read_text() + "nobody,1,C sits\n")
    assert "line 5: no recording 'nobody'" in annotate(corpus, "--narrations", said).complaint
    assert not (corpus / NARRATIONS).exists()


def test_sentences_for_labels(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("sit: [a person sits, somebody is seated]\nwalk: a person walks\nrun: runs\n")
    document = annotate(corpus, "--sentences", tmp_path / "s.yaml", "--json").document
    assert (document["items"], document["report"]["sentences"]) == (3, 3)
    found = narrations(Corpus.open(corpus))
    assert set(found.source) == {"labels"} and (found.stop_s > found.start_s).all()


def test_a_label_without_a_sentence_is_named_and_may_be_left_out(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("walk: a person walks\n")
    assert "sit" in annotate(corpus, "--sentences", tmp_path / "s.yaml").complaint
    assert annotate(corpus, "--sentences", tmp_path / "s.yaml", "--skip", "sit").status == 0


def test_a_key_that_is_no_label_is_named_with_what_may_be_meant(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("Walk: a person walks\nsit: sits\n")
    told = annotate(corpus, "--sentences", tmp_path / "s.yaml").complaint
    assert "labels without sentences: 'walk'; no label of track 'activity': 'Walk'; did you mean 'walk'?" in told


def test_keys_that_are_no_labels_are_told_beside_those_that_are(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("walk: a person walks\nsit: sits\nfly, high: flies\nsitt: sits\n")
    shown = annotate(corpus, "--sentences", tmp_path / "s.yaml")
    assert shown.status == 0
    assert "no labels of track 'activity': 'fly, high', 'sitt'; for 'sitt', did you mean 'sit'?" in shown.err


def test_a_public_set_may_have_more_labels(tmp_path: Path) -> None:
    label = next(iter(public_sentences("uci_har")))
    parts = recording("a", annotations=(Annotation(0.0, 9.0, label=label),))
    shown = annotate(corpus_of(tmp_path / "c", parts).path, "--sentences", "uci_har")
    assert (shown.status, shown.err) == (0, "")


def test_what_is_skipped_and_no_label_is_told(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("walk: a person walks\n")
    told = annotate(corpus, "--sentences", tmp_path / "s.yaml", "--skip", "Sit").complaint
    assert "'Sit'; did you mean 'sit'?" in told


def test_a_label_that_is_there_twice_is_refused(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text('walk: a person walks\nsit: sits\n"walk": strolls\n')
    assert "label 'walk' is there 2 times" in annotate(corpus, "--sentences", tmp_path / "s.yaml").complaint


def test_a_corpus_holds_one_set_of_sentences(corpus: Path, said: Path, tmp_path: Path) -> None:
    annotate(corpus, "--narrations", said)
    (tmp_path / "s.yaml").write_text("walk: a person walks\nsit: sits\n")
    told = annotate(corpus, "--sentences", tmp_path / "s.yaml").complaint
    assert "a corpus holds one set of sentences. --replace deletes the 3 there are" in told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--tower", "minilm"], "vectors have 3 numbers, those of tower 'minilm' have 384"),
        (["--tower", "letters", "--space", "s"], "space 's' is not that of tower 'letters'"),
    ],
)
def test_vectors_of_a_known_tower_must_fit_it(corpus: Path, tmp_path: Path, options: list[str], told: str) -> None:
    npz = vectors(tmp_path / "v.npz", corpus, vectors=np.eye(4, 3) + 1)
    assert told in annotate(corpus, "--vectors", npz, "--modality", "x", *options).complaint


def test_vectors_of_a_known_tower_lie_in_its_space(corpus: Path, tmp_path: Path) -> None:
    npz = vectors(tmp_path / "v.npz", corpus, vectors=np.eye(4, 3) + 1)
    assert annotate(corpus, "--vectors", npz, "--modality", "x", "--json").document["space"] == "letters"


def test_both_kinds_at_once(corpus: Path, said: Path, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("walk: a person walks\nsit: a person sits\n")
    document = annotate(corpus, "--narrations", said, "--sentences", tmp_path / "s.yaml", "--json").document
    assert document["items"] == 4


def test_the_word_for_the_wearer(corpus: Path, said: Path) -> None:
    annotate(corpus, "--narrations", said, "--wearer", "somebody")
    assert sorted(open_store(store_folder(corpus, "text")).keys) == ["somebody sits", "somebody talks"]


def test_the_word_for_the_wearer_of_narrations_that_came_with_the_recordings(tmp_path: Path) -> None:
    mark = Annotation(1.0, 1.0, label="C sits", track="narration/one")
    corpus = corpus_of(tmp_path / "c", recording("a", annotations=(mark,))).path
    for more in (("--wearer", "somebody"), ()):  # kept for the next time
        assert annotate(corpus, *more).status == 0
        assert list(open_store(store_folder(corpus, "text")).keys) == ["somebody sits"]
        assert narrations(Corpus.open(corpus)).sentences == ("somebody sits",)


def test_no_word_is_kept_where_there_are_no_sentences(corpus: Path) -> None:
    assert "--narrations" in annotate(corpus, "--wearer", "somebody").complaint
    assert not (corpus / NARRATIONS).exists()


def test_a_corpus_without_sentences_says_what_to_give(corpus: Path) -> None:
    assert "--narrations" in annotate(corpus).complaint


def test_vectors_of_another_modality(corpus: Path, tmp_path: Path) -> None:
    npz = vectors(tmp_path / "v.npz", corpus)
    options = "--vectors", npz, "--modality", "skeleton", "--pool", "mean", "--json"
    document = annotate(corpus, *options, tower="camera").document
    assert (document["items"], document["dim"], document["space"]) == (4, 6, "skeleton")
    store = open_store(store_folder(corpus, "skeleton"))
    assert (store.meta.tower, store.meta.pool) == ("camera", "mean")
    np.testing.assert_allclose(np.linalg.norm(store.vectors, axis=1), 1, atol=1e-6)


def test_other_vectors_replace_only_when_told_to(corpus: Path, tmp_path: Path) -> None:
    options = "--vectors", vectors(tmp_path / "v.npz", corpus), "--modality", "skeleton"
    annotate(corpus, *options, tower="camera")
    vectors(tmp_path / "v.npz", corpus, vectors=np.eye(4, 6) + 2)
    assert "--replace" in annotate(corpus, *options, tower="camera").complaint
    assert annotate(corpus, *options, "--replace", "--space", "s", tower="camera").status == 0


def test_the_same_vectors_again_change_nothing(corpus: Path, tmp_path: Path) -> None:
    options = "--vectors", vectors(tmp_path / "v.npz", corpus), "--modality", "skeleton"
    annotate(corpus, *options, tower="camera")
    before = (store_folder(corpus, "skeleton") / "meta.json").stat().st_mtime_ns
    assert annotate(corpus, *options, "--json", tower="camera").document["items"] == 4
    assert (store_folder(corpus, "skeleton") / "meta.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("more", [("--space", "s"), ("--pool", "mean")])
def test_the_same_vectors_with_other_facts_are_others(corpus: Path, tmp_path: Path, more: tuple[str, str]) -> None:
    options = "--vectors", vectors(tmp_path / "v.npz", corpus), "--modality", "skeleton"
    annotate(corpus, *options, tower="camera")
    assert "--replace" in annotate(corpus, *options, *more, tower="camera").complaint


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"vectors": None}, "no array vectors"),
        ({"vectors": np.ones(4)}, "must be (items, dim), and are (4,)"),
        ({"vectors": np.zeros((4, 6))}, "zero vector"),
        ({"vectors": np.full((4, 6), np.nan)}, "not finite"),
        ({"start_s": np.arange(3.0)}, "start_s is (3,)"),
        ({"start_s": np.array(["a"] * 4)}, "not numbers"),
        ({"start_s": np.arange(4.0) + 500}, "lie outside"),
        ({"start_s": np.array([1, np.nan, 2, 3])}, "start_s of item 1 (of recording "),
        ({"start_s": np.full(4, np.nan)}, "start_s of item 0 (of recording "),
        ({"start_s": np.array(np.inf)}, "is inf (4 such items)"),
        ({"duration_s": np.array([1, 1, 1, np.nan])}, "duration_s of item 3 (of recording "),
        ({"duration_s": np.array(-1.0)}, "is -1 (4 such items)"),
        ({"vectors": np.array([["a"] * 6] * 4)}, "vectors holds <U1, not numbers"),
        ({"vectors": np.ones((4, 6, 1))}, "must be (items, dim), and are (4, 6, 1)"),
        ({"recording": np.arange(4)}, "not text"),
        ({"recording": np.array(["nobody"] * 4)}, "no recording 'nobody'"),
        ({"recording": np.array(["nobody"] * 4, dtype=object)}, "holds object"),
        ({"vectors": np.zeros((0, 6)), "recording": np.zeros(0, dtype="U1"), "start_s": np.zeros(0)}, "claims shape"),
    ],
)
def test_wrong_arrays_are_one_line(corpus: Path, tmp_path: Path, changes: dict, told: str) -> None:
    npz = vectors(tmp_path / "v.npz", corpus, **changes)
    assert told in annotate(corpus, "--vectors", npz, "--modality", "skeleton", tower="camera").complaint
    assert not store_folder(corpus, "skeleton").exists()


def test_vectors_outside_their_recording_are_left_out_and_told(corpus: Path, tmp_path: Path) -> None:
    npz = vectors(tmp_path / "v.npz", corpus, start_s=np.array([0.0, -30, 1, 99999]))
    shown = annotate(corpus, "--vectors", npz, "--modality", "skeleton", "--json", tower="camera")
    assert "2 items lie outside their recordings and are left out (items 1, 3)" in shown.err
    assert (shown.document["items"], shown.document["outside"]) == (2, 2)
    assert open_store(store_folder(corpus, "skeleton")).start_s.tolist() == [0, 1]


def test_a_vector_that_runs_past_the_end_is_cut_there_and_told(corpus: Path, tmp_path: Path) -> None:
    npz = vectors(tmp_path / "v.npz", corpus, duration_s=np.array([1.0, 99999, 1, 1]))
    shown = annotate(corpus, "--vectors", npz, "--modality", "skeleton", "--json", tower="camera")
    assert "1 item runs past an end of its recording and is cut there (item 1)" in shown.err
    store, end = open_store(store_folder(corpus, "skeleton")), ends(Corpus.open(corpus))[0]
    assert (store.start_s + store.duration_s)[1] == pytest.approx(end)


def test_sentences_outside_their_recording_are_left_out_and_told(corpus: Path, said: Path) -> None:
    name = Corpus.open(corpus).recordings[0].id
    said.write_text(said.read_text() + f"{name},-3,C runs\n{name},99999,C rests\n")
    shown = annotate(corpus, "--narrations", said, "--json")
    assert "said.csv: 2 sentences lie outside their recordings and are left out (lines 5, 6)" in shown.err
    assert (shown.document["sentences"], shown.document["outside"]) == (3, 2)
    assert "the person runs" not in narrations(Corpus.open(corpus)).sentences


def test_an_interval_that_runs_past_the_end_is_cut_there_and_told(corpus: Path, said: Path) -> None:
    name = Corpus.open(corpus).recordings[0].id
    said.write_text(f"recording,time,stop,text\n{name},1,99999,C runs\n")
    shown = annotate(corpus, "--narrations", said, "--json")
    assert "1 sentence runs past an end of its recording and is cut there (line 2)" in shown.err
    assert (shown.document["cut"], shown.document["report"]["narrated"]) == (1, 1)
    assert narrations(Corpus.open(corpus)).stop_s.tolist() == [ends(Corpus.open(corpus))[0]]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two recordings, one with a gyroscope."""
    with_gyroscope = recording("b", "P2", spec=imu_spec(50.0, gyro=True))
    said = tmp_path / "said.csv"
    said.write_text("recording,time,text\na,2,C sits\nb,3,C sits\nb,99,C runs\nb,4,...\n")
    return corpus_of(tmp_path / "mixed", recording("a", spec=imu_spec(50.0)), with_gyroscope).path


def test_redundancy_is_measured_on_the_channels_that_all_recordings_have(mixed: Path, tmp_path: Path) -> None:
    document = annotate(mixed, "--narrations", tmp_path / "said.csv", "--json").document
    assert (document["report"]["windows"], document["report"]["narrated"]) == (2, 2)


def test_counts_need_no_windows(mixed: Path, tmp_path: Path) -> None:
    document = annotate(mixed, "--narrations", tmp_path / "said.csv", "--window", 999, "--json").document
    counts = [document[k] for k in ("sentences", "different", "outside", "cut", "empty")]
    assert counts == [2, 1, 1, 0, 1]
    assert "no window of 999 s fits" in document["why_not"] and "--window" in document["why_not"]


def test_counts_are_shown_without_a_report(mixed: Path, tmp_path: Path) -> None:
    shown = annotate(mixed, "--narrations", tmp_path / "said.csv", "--window", 999).out
    rows = {cells[1].strip(): cells[2].strip() for line in shown.splitlines() if len(cells := line.split("│")) > 2}
    assert (rows["sentences"], rows["outside their recordings"]) == ("2 (1 different)", "1")
    assert rows["nothing left after cleaning"] == "1"


def test_sentences_of_which_nothing_is_left_are_told(corpus: Path, said: Path) -> None:
    said.write_text(said.read_text().replace("C sits", "...").replace("C talks", "#O"))
    assert "cleaning left nothing of all 3 sentences" in annotate(corpus, "--narrations", said).complaint


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--placement", "foo"], "placement is 'foo'"),
        (["--window", "0"], "window is 0 s"),
        (["--window", "-3"], "window is -3 s"),
        (["--window", "nan"], "window is nan s"),
    ],
)
@pytest.mark.parametrize("beside", ["--narrations", "--vectors"])
def test_windows_that_cannot_be_are_refused_before_anything_is_read(
    tmp_path: Path, beside: str, options: list[str], told: str
) -> None:
    assert told in annotate(tmp_path / "absent", beside, tmp_path / "absent", "--modality", "x", *options).complaint


def test_a_file_that_is_no_array_is_one_line(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "v.npz").write_bytes(b"PK\x03\x04 nothing")
    assert "v.npz" in annotate(corpus, "--vectors", tmp_path / "v.npz", "--modality", "x").complaint


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--vectors", "v.npz"], "--modality"),
        (["--vectors", "v.npz", "--modality", "x", "--narrations", "s.csv"], "--narrations does not go with --vectors"),
        (["--vectors", "v.npz", "--modality", "x", "--pool", "sum"], "'sum'"),
        (["--narrations", "absent.csv"], "absent.csv: no such file"),
        (["--vectors", "absent.npz", "--modality", "x"], "absent.npz: no such file"),
        (["--sentences", "absent.yaml"], "absent.yaml"),
        (["--space", "s"], "--vectors"),
        (["--modality", "../x"], "../x"),
        (["--modality", "ss"], "pretraining means something else"),
        (["--modality", "motion"], "pretraining means something else"),
        (["--modality", "nn_text"], "names that begin with nn_"),
        (["--vectors", "v.npz", "--modality", "auto"], "pretraining means something else"),
    ],
)
def test_a_wrong_option_is_one_line(corpus: Path, options: list[str], told: str) -> None:
    assert told in annotate(corpus, *options).complaint


def test_what_is_no_corpus_is_one_line(tmp_path: Path) -> None:
    assert "kinelet corpus build" in annotate(tmp_path).complaint


def test_sentences_about_recordings_that_are_gone_are_one_line(corpus: Path, said: Path) -> None:
    annotate(corpus, "--narrations", said)
    opened = Corpus.open(corpus)
    build([opened.recording(opened.recordings[1].id)], corpus, BuildConfig(quality=False), prune=True)
    shown = done("corpus", "info", corpus)
    (line,) = shown.err.splitlines()
    assert line.startswith("kinelet: warning: ") and "no longer in the corpus" in line
