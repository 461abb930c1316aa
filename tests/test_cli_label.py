"""``kinelet label``: a timeline of labels from sentences."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_tools import done, kinelet, write_table
from corpus_tools import corpus_of
from kinelet.corpus import Corpus
from kinelet.encoders.io import save_encoder
from kinelet.signal.spec import imu_spec
from kinelet.towers import registry
from words_tools import MEANING, aligned, town, walker

YAML = "\n".join(f"{label}: [{told}]" for label, told in MEANING.items())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return town(tmp_path_factory.mktemp("town") / "c")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model aligned with a tower that is registered as long as these tests run."""
    encoder, tower = aligned()
    registry.TOWERS["toy"] = lambda: tower
    yield save_encoder(encoder, tmp_path_factory.mktemp("model"))
    del registry.TOWERS["toy"]


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(YAML)
    return tmp_path / "s.yaml"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_sentences_of_another_name_label_too(run: Path, corpus: Corpus, sentences: Path, tmp_path: Path) -> None:
    encoder, _ = aligned()
    text = encoder.card["alignment"].pop("text")
    encoder.card["alignment"] |= {"captions": text, "notes": text}
    other, more = save_encoder(encoder, tmp_path / "m"), ("--corpus", corpus.path, "--sentences", sentences, "--json")
    found = done("label", other, *more, "--modality", "notes").document
    assert found == done("label", run, *more).document


def test_the_timeline_of_a_person_says_when_they_walked(
    run: Path, corpus: Corpus, sentences: Path, tmp_path: Path
) -> None:
    out = tmp_path / "t.csv"
    done("label", run, "--corpus", corpus.path, "--subject", "P1", "--sentences", sentences, "--out", out)
    assert [r["label"] for r in rows(out)] == ["sit", "walk", "sit"]
    walk = rows(out)[1]
    assert (walk["recording"], walk["subject"]) == ("r1", "P1")
    assert abs(float(walk["start_s"]) - 20) <= 1.5
    assert abs(float(walk["stop_s"]) - 30) <= 1.5


def test_without_a_threshold_it_is_told_that_all_is_answered(run: Path, corpus: Corpus, sentences: Path) -> None:
    shown = done("label", run, "--corpus", corpus.path, "--sentences", sentences).out
    assert "every window is answered" in shown
    assert "left open" in shown


def test_a_threshold_comes_from_the_other_people(run: Path, corpus: Corpus, sentences: Path) -> None:
    command = ("label", run, "--corpus", corpus.path, "--subject", "P1", "--sentences", sentences)
    shown = done(*command, "--calibrate", corpus.path).out
    assert "Threshold from 3 people" in shown
    assert "1 people left out of the calibration: they are to be labelled" in shown
    assert "precision, on people left out" in shown
    assert "(3 subjects)" in shown


def test_a_class_that_is_no_label_of_the_track_is_named(run: Path, corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(f"{YAML}\nrun, fast: [someone is walking]\n")
    command = ("label", run, "--corpus", corpus.path, "--subject", "P1", "--sentences", tmp_path / "s.yaml")
    shown = done(*command, "--calibrate", corpus.path, "--coverage", "1").out
    assert "'run, fast': any answer with them counts as wrong" in shown


def test_one_site_can_be_labelled_and_calibrated_on(run: Path, sentences: Path, tmp_path: Path) -> None:
    marks = [("sit", 10.0), ("walk", 10.0)]
    sites = [(f"P{i}", site) for i in range(3) for site in ("wrist", "ankle")]
    corpus_of(
        tmp_path / "c",
        *(walker(f"{p}-{s}", p, marks, spec=imu_spec(50.0, site=s), seed=i) for i, (p, s) in enumerate(sites)),
    )
    command = ("label", run, "--corpus", tmp_path / "c", "--subject", "P0", "--site", "ankle", "--json")
    found = done(*command, "--sentences", sentences, "--calibrate", tmp_path / "c").document
    assert [t["recording"] for t in found["timelines"]] == ["P0-ankle"]
    assert found["calibration"]["windows"] == 2 * 19


def test_a_threshold_found_can_be_given_next_time(run: Path, corpus: Corpus, sentences: Path) -> None:
    command = ("label", run, "--corpus", corpus.path, "--subject", "P1", "--sentences", sentences, "--json")
    found = done(*command, "--calibrate", corpus.path, "--coverage", "0.8").document
    again = done(*command, "--threshold", found["threshold"]).document
    assert again["timelines"] == found["timelines"]
    assert found["calibration"]["coverage"]["value"] == pytest.approx(0.8, abs=0.1)
    assert found["seconds"]["left open"] > 0


def test_calibrating_on_the_people_labelled_is_refused(run: Path, corpus: Corpus, sentences: Path) -> None:
    command = ("label", run, "--corpus", corpus.path, "--sentences", sentences, "--calibrate", corpus.path)
    assert "4 are to be labelled" in kinelet(*command).complaint


def test_calibrating_on_the_people_of_pretraining_is_refused(
    corpus: Corpus, sentences: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, tower = aligned()
    encoder.card["pretrain_subjects"] = sorted(corpus.identities(corpus.subjects))
    save_encoder(encoder, tmp_path / "m")
    monkeypatch.setitem(registry.TOWERS, "toy", lambda: tower)
    command = ("label", tmp_path / "m", "--corpus", corpus.path, "--subject", "P1", "--sentences", sentences)
    assert "pretrained on 4" in kinelet(*command, "--calibrate", corpus.path).complaint


def test_a_recording_is_labelled(run: Path, sentences: Path, tmp_path: Path) -> None:
    table, card = write_table(tmp_path, people=("P1",))
    out = tmp_path / "t.json"
    done("label", run, table, "--card", card, "--sentences", sentences, "--out", out)
    [found] = json.loads(out.read_text())
    assert found["subject"] == "P1"
    assert found["spans"][0]["start_s"] == 0.0
    assert found["spans"][-1]["stop_s"] == pytest.approx(8.0)


def test_sentences_may_stand_on_the_command_line(run: Path, corpus: Corpus) -> None:
    told = [w for s in MEANING.values() for w in ("--sentences", s)]
    found = done("label", run, "--corpus", corpus.path, "--subject", "P0", *told, "--json").document
    assert set(found["seconds"]) == set(MEANING.values())


def test_a_picture_is_drawn(run: Path, corpus: Corpus, sentences: Path, tmp_path: Path) -> None:
    done("label", run, "--corpus", corpus.path, "--sentences", sentences, "--plot", tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "nothing to label"),
        (["--corpus", "C"], "no sentences given"),
        (["rec.csv", "--corpus", "C", "--sentences", "x"], "are both given"),
        (["rec.csv", "--subject", "P1", "--sentences", "x"], "--subject chooses people of a corpus"),
        (["--corpus", "C", "--site", "ankle", "--sentences", "x"], "ankle"),
        (["--corpus", "C", "--sentences", "gone.yaml"], "no such file"),
        (["--corpus", "C", "--sentences", "a", "--sentences", "a"], "comes twice"),
        (["--corpus", "C", "--sentences", "a", "--threshold", "1", "--calibrate", "C"], "are both given"),
        (["--corpus", "C", "--sentences", "a", "--threshold", "nan"], "nan is no confidence"),
        (["--corpus", "C", "--sentences", "a", "--threshold", "inf"], "inf is no confidence"),
        (["--corpus", "C", "--sentences", "a", "--coverage", "0.5"], "Add --calibrate"),
        (["--corpus", "C", "--sentences", "a", "--plot", "gone/p.png"], "there is no folder gone"),
        (["--corpus", "C", "--sentences", "a", "--plot", "p.svg"], "Use .png"),
        (["--corpus", "C", "--sentences", "a", "--out", "t.txt"], "Use .csv or .json"),
        (["--corpus", "C", "--sentences", "a", "--confidence", "high"], "margin or score"),
        (["--corpus", "C", "--sentences", "a", "--step-s", "9"], "at most as long as a window"),
        (
            ["--corpus", "C", "--subject", "P1", "--sentences", "a walk", "--calibrate", "C"],
            "no label of the track 'activity' is among the classes",
        ),
    ],
)
def test_a_wrong_option_is_one_line(run: Path, corpus: Corpus, more: list[str], told: str) -> None:
    assert told in kinelet("label", run, *(str(corpus.path) if m == "C" else m for m in more)).complaint


def test_a_precision_out_of_reach_says_what_is_in_reach(run: Path, corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("sit: [someone is walking]\nwalk: [someone sits still]\n")
    command = ("label", run, "--corpus", corpus.path, "--subject", "P1", "--sentences", tmp_path / "s.yaml")
    complaint = kinelet(*command, "--calibrate", corpus.path, "--target-precision", "0.9").complaint
    assert "no threshold reaches a precision of 0.9: the best is" in complaint
