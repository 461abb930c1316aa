"""``kinelet search``: ask a corpus in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cli_tools import done, kinelet
from corpus_tools import corpus_of, recording
from kinelet.corpus import Corpus
from kinelet.encoders.io import save_encoder
from kinelet.signal.spec import imu_spec
from kinelet.towers import registry
from words_tools import aligned, encoder_of, town

WALK = "someone is walking"


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


def test_a_sentence_is_answered_with_times_and_scores(run: Path, corpus: Corpus) -> None:
    shown = done("search", run, WALK, "--corpus", corpus.path, "--top", "4").out
    assert WALK in shown
    assert [shown.count(f" P{i} ") for i in range(4)] == [1, 1, 1, 1]
    assert shown.count(" 0:20.0 ") + shown.count(" 0:19.0 ") == 4
    assert "196 windows of 0.06 h" in shown


def test_the_answer_for_machines(run: Path, corpus: Corpus) -> None:
    document = done("search", run, WALK, "--corpus", corpus.path, "--top", "2", "--json").document
    assert document["query"] == WALK
    assert document["windows"] == 196
    [first, second] = document["hits"]
    assert first["score"] >= second["score"] > document["scores"]["median"]
    times = {"start_s", "stop_s", "peak_s", "start_unix_s"}
    assert set(first) == times | {"recording", "subject", "score", "z", "percentile", "mean", "annotated"}


def test_one_person_can_be_searched(run: Path, corpus: Corpus) -> None:
    found = done("search", run, WALK, "--corpus", corpus.path, "--subject", "P1", "--subject", "P2", "--json").document
    assert {h["subject"] for h in found["hits"]} == {"P1", "P2"}


def test_sentences_of_another_name_are_searched(run: Path, corpus: Corpus, tmp_path: Path) -> None:
    encoder, _ = aligned()
    text = encoder.card["alignment"].pop("text")
    encoder.card["alignment"] |= {"captions": text, "notes": text}
    asked = ("search", save_encoder(encoder, tmp_path / "m"), WALK, "--corpus", corpus.path, "--top", "2")
    refused = kinelet(*asked)
    assert refused.status == 2 and "--modality" in refused.err
    assert done(*asked, "--modality", "captions").out == done(*("search", run, *asked[2:])).out


def test_a_picture_is_drawn(run: Path, corpus: Corpus, tmp_path: Path) -> None:
    shown = done("search", run, WALK, "--corpus", corpus.path, "--top", "3", "--plot", tmp_path / "p.png").out
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"
    assert "one row a hit" in shown


def test_the_cache_is_filled_and_gives_the_same_answer(run: Path, corpus: Corpus, tmp_path: Path) -> None:
    command = ("search", run, WALK, "--corpus", corpus.path, "--cache", tmp_path / "v", "--json")
    first = done(*command).document
    assert len(list((tmp_path / "v").iterdir())) == 4
    assert done(*command).document == first


def test_a_still_corpus_says_so(run: Path, tmp_path: Path) -> None:
    corpus_of(tmp_path / "c", recording(data=np.tile(np.float32([0, 0, 1]), (500, 1))))
    shown = done("search", run, WALK, "--corpus", tmp_path / "c").out
    assert "no window stands out" in shown


def test_recordings_without_the_sensors_are_told(run: Path, tmp_path: Path) -> None:
    odd = recording("odd", spec=imu_spec(50.0).replace(channels=("ppg",), units=("1",)))
    corpus_of(tmp_path / "c", recording("a"), odd)
    assert "1 recordings lack channels of the encoder" in done("search", run, WALK, "--corpus", tmp_path / "c").out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "--corpus"),
        (["--corpus", "C", "--plot", "p.pdf"], "Use .png"),
        (["--corpus", "C", "--plot", "gone/p.png"], "there is no folder gone"),
        (["--corpus", "C", "--top", "0"], "--top"),
        (["--corpus", "C", "--subject", "P9"], "P9"),
        (["--corpus", "C", "--site", "ankle"], "ankle"),
        (["--corpus", "C", "--window-s", "60"], "no window of 60 s fits"),
    ],
)
def test_a_wrong_option_is_one_line(run: Path, corpus: Corpus, more: list[str], told: str) -> None:
    assert told in kinelet("search", run, WALK, *(str(corpus.path) if m == "C" else m for m in more)).complaint


def test_an_empty_sentence_is_one_line(run: Path, corpus: Corpus) -> None:
    assert "sentence is empty" in kinelet("search", run, " ", "--corpus", corpus.path).complaint


def test_a_run_without_text_is_one_line_with_what_to_do(corpus: Corpus, tmp_path: Path) -> None:
    save_encoder(encoder_of(), tmp_path / "m")
    complaint = kinelet("search", tmp_path / "m", WALK, "--corpus", corpus.path).complaint
    assert "trained without text" in complaint
    assert "kinelet pretrain primus" in complaint
    assert "kinelet corpus annotate" in complaint


def test_vectors_made_elsewhere_have_no_tower(corpus: Corpus, tmp_path: Path) -> None:
    encoder, _ = aligned()
    encoder.card["alignment"]["text"]["tower"] = "precomputed"
    save_encoder(encoder, tmp_path / "m")
    assert "that were made elsewhere" in kinelet("search", tmp_path / "m", WALK, "--corpus", corpus.path).complaint


def test_a_person_who_is_not_there_is_told_in_words(run: Path, corpus: Corpus) -> None:
    complaint = kinelet("search", run, WALK, "--corpus", corpus.path, "--subject", "P9", "--site", "ankle").complaint
    assert f"no recording of subject P9, site ankle. See what there is: kinelet corpus info {corpus.path}" in complaint


def test_a_tower_that_nobody_knows_is_one_line(corpus: Corpus, tmp_path: Path) -> None:
    encoder, _ = aligned()
    encoder.card["alignment"]["text"]["tower"] = "babel"
    save_encoder(encoder, tmp_path / "m")
    complaint = kinelet("search", tmp_path / "m", WALK, "--corpus", corpus.path).complaint
    assert "no tower is named 'babel'" in complaint
