"""Vectors of a corpus, made once and kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from corpus_tools import corpus_of, recording
from kinelet.corpus import Corpus
from kinelet.deploy import corpus_vectors
from kinelet.deploy.corpus_vectors import CorpusVectors, encoder_digest, usable
from kinelet.deploy.embedding import embed
from kinelet.encoders.headed import HeadedEncoder
from kinelet.errors import BadOptionError
from kinelet.signal.spec import imu_spec
from words_tools import WINDOW_S, encoder_of


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return corpus_of(tmp_path_factory.mktemp("c") / "c", *(recording(f"r{i}", f"P{i}", seed=i) for i in range(3)))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of recordings that are embedded."""
    made: list[str] = []

    def spy(encoder: HeadedEncoder, rec, **options: object):  # type: ignore[no-untyped-def]
        made.append(rec.name)
        return embed(encoder, rec, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(corpus_vectors, "embed", spy)
    return made


def test_vectors_are_those_of_each_recording_alone(corpus: Corpus) -> None:
    encoder = encoder_of()
    for info, found in CorpusVectors(corpus, encoder, 1.0, WINDOW_S).walk():
        alone = embed(encoder, corpus.recording(info.id), step_s=1.0, window_s=WINDOW_S)
        np.testing.assert_array_equal(found.vectors, alone.vectors)


def test_the_second_time_nothing_is_embedded_and_all_is_the_same(
    corpus: Corpus, tmp_path: Path, calls: list[str]
) -> None:
    walks = [list(CorpusVectors(corpus, encoder_of(), 1.0, WINDOW_S, tmp_path).walk()) for _ in range(2)]
    assert calls == ["r0", "r1", "r2"]
    for (_, first), (_, second) in zip(*walks, strict=True):
        np.testing.assert_array_equal(first.vectors, second.vectors)
        np.testing.assert_array_equal(first.valid, second.valid)


def test_part_of_a_corpus_finds_what_the_whole_left(corpus: Corpus, tmp_path: Path, calls: list[str]) -> None:
    list(CorpusVectors(corpus, encoder_of(), 1.0, WINDOW_S, tmp_path).walk())
    list(CorpusVectors(corpus.select(subjects="P1"), encoder_of(), 1.0, WINDOW_S, tmp_path).walk())
    assert len(calls) == 3


@pytest.mark.parametrize("change", ["weights", "output", "step", "window"])
def test_other_weights_output_or_windows_are_embedded_anew(
    corpus: Corpus, tmp_path: Path, calls: list[str], change: str
) -> None:
    one = corpus.select(subjects="P1")
    list(CorpusVectors(one, encoder_of(), 1.0, WINDOW_S, tmp_path).walk())
    encoder = encoder_of(seed=1) if change == "weights" else encoder_of().select("mm" if change == "output" else "ss")
    times = {"step": (0.5, WINDOW_S), "window": (1.0, 1.5)}.get(change, (1.0, WINDOW_S))
    list(CorpusVectors(one, encoder, *times, tmp_path).walk())
    assert len(calls) == 2


def test_a_damaged_file_is_made_anew(corpus: Corpus, tmp_path: Path, calls: list[str]) -> None:
    one = corpus.select(subjects="P1")
    [(_, first)] = CorpusVectors(one, encoder_of(), 1.0, WINDOW_S, tmp_path).walk()
    [kept] = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:200])
    [(_, second)] = CorpusVectors(one, encoder_of(), 1.0, WINDOW_S, tmp_path).walk()
    np.testing.assert_array_equal(first.vectors, second.vectors)
    assert len(calls) == 2


def test_a_pickle_in_the_cache_is_not_opened(corpus: Corpus, tmp_path: Path, calls: list[str]) -> None:
    one = corpus.select(subjects="P1")
    list(CorpusVectors(one, encoder_of(), 1.0, WINDOW_S, tmp_path).walk())
    [kept] = tmp_path.iterdir()
    with kept.open("wb") as handle:
        np.savez(handle, time_s=np.array([object()], dtype=object), vectors=[1], valid=[1], window_s=2.0)
    list(CorpusVectors(one, encoder_of(), 1.0, WINDOW_S, tmp_path).walk())
    assert len(calls) == 2


def test_the_digest_sees_every_weight_and_nothing_else() -> None:
    encoder = encoder_of()
    before = encoder_digest(encoder)
    encoder.card["note"] = "a fact"
    assert encoder_digest(encoder) == before == encoder_digest(encoder_of())
    with torch.no_grad():
        encoder.heads["mm"].bias[3] += 1e-3
    assert encoder_digest(encoder) != before


def test_recordings_without_the_channels_are_left_out(tmp_path: Path) -> None:
    odd = imu_spec(50.0).replace(channels=("ppg",), units=("1",))
    corpus = corpus_of(tmp_path / "c", recording("a"), recording("b", spec=odd))
    assert [r.row["name"] for r in usable(corpus, encoder_of())] == ["a"]
    with pytest.raises(BadOptionError, match="acc_x acc_y acc_z"):
        usable(corpus.select(channels=["ppg"]), encoder_of())


def test_progress_counts_through_all_recordings(corpus: Corpus) -> None:
    told: list[int] = []
    found = list(CorpusVectors(corpus, encoder_of(), 1.0, WINDOW_S).walk(lambda done, note="": told.append(done)))
    assert told == sorted(told)
    assert told[-1] == sum(len(f) for _, f in found)
