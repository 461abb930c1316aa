"""Recordings of the world with known information: corpora made of them, clocks, gaps, labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinelet.corpus.build import BuildConfig, build
from kinelet.corpus.corpus import Corpus
from kinelet.datasets.shared_private import World, shared_private
from kinelet.signal.recording import Recording
from test_dataset_shared_private import EXACT, WORLD


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    out: Path = tmp_path_factory.mktemp("world") / "corpus"
    build(shared_private(3, 12, missing=0.3, shift_s=0.25, seed=1), out, BuildConfig(streams=True))
    return Corpus.open(out)


def test_a_corpus_of_them_has_two_modalities_at_their_own_rates(corpus: Corpus) -> None:
    found = {(r.stream, r.spec.rate_hz, r.spec.channels) for r in corpus.recordings}
    assert found == {(None, 16.0, ("one",)), ("two", 32.0, ("two",))}


def drawn_again() -> dict[str, Recording]:
    return {rec.name: rec for rec in shared_private(3, 12, missing=0.3, shift_s=0.25, seed=1)}


def test_a_corpus_of_them_is_cut_into_the_windows_that_were_drawn(corpus: Corpus) -> None:
    """Missing windows are gaps, and the grid of windows falls on the windows of the world."""
    windows = corpus.select(stream="two").windows(2.0, track="shared")
    found = windows.gather(np.arange(len(windows))).transpose(0, 2, 1).reshape(-1, 1)
    assert np.allclose(found, np.concatenate([rec.streams["two"].data for rec in drawn_again().values()]), atol=1e-3)


def test_a_stream_alone_has_the_labels_of_its_moments(corpus: Corpus) -> None:
    """Its clock is late by less than half a window: every window has the class that it was drawn with."""
    windows = corpus.select(stream="two").windows(2.0, track="shared")
    told = []
    for rec in drawn_again().values():
        stream = rec.streams["two"]
        ahead = (stream.start_unix_s or 0) - (rec.start_unix_s or 0) - 0.25
        labels = [a.label for a in rec.annotations if a.track == "shared"]
        for segment in stream.segments:
            first = round((ahead + segment.time_s) / 2.0)
            told += labels[first : first + (segment.stop - segment.start) // 64]
    assert [windows.classes[c] for c in windows.label] == told


def test_streams_run_on_the_clock_of_their_recording() -> None:
    (rec,) = shared_private(1, 8)
    assert rec.streams["two"].start_unix_s == rec.start_unix_s


def test_a_clock_that_is_late_says_so() -> None:
    (rec,) = shared_private(1, 8, shift_s=0.25)
    assert (rec.streams["two"].start_unix_s or 0) - (rec.start_unix_s or 0) == pytest.approx(0.25)


def test_missing_windows_are_gaps_of_known_reason() -> None:
    (rec,) = shared_private(1, 40, missing=0.4, seed=2)
    stream = rec.streams["two"]
    lengths = {round((gap.stop_s - gap.start_s) % 2.0, 9) for gap in stream.gaps}
    assert lengths == {0.0} and {gap.reason for gap in stream.gaps} == {"missing"}


def test_a_stream_whose_first_window_is_missing_starts_later() -> None:
    starts = [
        rec.streams["two"].start_unix_s - rec.start_unix_s  # type: ignore[operator]
        for rec in shared_private(30, 6, missing={"one": 0.0, "two": 0.5})
    ]
    assert {start % 2 for start in starts} == {0.0} and max(starts) > 0


def test_a_modality_that_was_never_there_is_no_stream() -> None:
    (rec,) = shared_private(1, 5, missing={"one": 1.0, "two": 1.0})
    assert not rec.streams and len(rec.data) == 32


def test_every_window_has_its_classes() -> None:
    (rec,) = shared_private(1, 5)
    assert {a.track for a in rec.annotations} == {"shared", "private_one", "private_two"} and len(rec.annotations) == 15


def test_labels_are_the_signs_of_the_sources() -> None:
    """The class that is told is the one that the recording's own windows suggest as often as they can."""
    right = 0
    for rec in shared_private(40, 25, seed=3):
        guess = (rec.data.reshape(25, 32) @ WORLD.bursts("one")[0] > 0) @ np.array([1, 2])
        told = [a.label for a in rec.annotations if a.track == "shared"]
        right += sum(f"class_{g}" == label for g, label in zip(guess, told, strict=True))
    assert right / 1000 == pytest.approx(0.726, abs=0.05)


def test_a_person_is_the_same_however_many_are_drawn() -> None:
    alone, among = next(shared_private(1, 4, first=2)), list(shared_private(3, 4))[2]
    assert np.array_equal(alone.data, among.data) and alone.subject == among.subject


def test_the_recording_knows_its_information() -> None:
    (rec,) = shared_private(1, 4)
    assert rec.meta["information_nats"]["two"] == pytest.approx(EXACT)


def test_sensors_with_three_axes_have_their_names() -> None:
    (rec,) = shared_private(1, 4, world=World(channels=3, rates={"acc": 16.0, "mag": 8.0}))
    assert (rec.spec.channels, rec.streams["mag"].spec.channels[0]) == (("acc_x", "acc_y", "acc_z"), "mag_x")
