"""Three parts that share nobody and no recording, or say so (check 26 of the specification)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from kinelet.corpus import Corpus, Parts
from kinelet.corpus.moments import moments
from kinelet.errors import BadOptionError
from kinelet.evaluate.result import Result
from kinelet.report.evaluation import sections
from moment_tools import acc, corpus_of, wristbands


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    made = [acc(32.0, (0.0, 30.0), subject=f"P{i}", name=f"r{i}{part}") for i in range(4) for part in "ab"]
    return corpus_of(tmp_path_factory.mktemp("parts") / "c", *made)


def test_check_26_parts_of_different_people_are_fine(corpus: Corpus) -> None:
    windows = corpus.windows(5.0)
    assert Parts(windows.of(["P0", "P1"]), windows.of(["P2"]), windows.of(["P3"])).notes == ()


def test_check_26_one_person_in_two_parts_is_refused(corpus: Corpus) -> None:
    windows = corpus.windows(5.0)
    first, second = windows.select(windows.recording == 0), windows.select(windows.recording == 1)
    with pytest.raises(BadOptionError, match=r"1 person \(P0\) is in both train and test"):
        Parts(first, windows.of(["P2"]), second)


def test_check_26_one_recording_in_two_parts_is_refused(corpus: Corpus) -> None:
    windows = corpus.windows(5.0)
    with pytest.raises(BadOptionError, match=r"1 recording \(r1a\) is in both train and validation"):
        Parts(windows.select([0, 15]), windows.select([14]), windows.of(["P3"]))


def test_check_26_validation_that_is_test_is_refused(corpus: Corpus) -> None:
    windows = corpus.windows(5.0)
    with pytest.raises(BadOptionError, match="validation and test are of the same recordings"):
        Parts(windows.of(["P0"]), windows.of(["P3"]), windows.of(["P3"]))


def test_check_26_the_published_protocol_is_labelled(corpus: Corpus) -> None:
    windows = corpus.windows(5.0)
    with pytest.warns(UserWarning, match="published protocol"):
        parts = Parts(windows.of(["P0"]), windows.of(["P3"]), windows.of(["P3"]), protocol="published")
    assert "validation and test are of the same recordings" in parts.notes[0]


def test_the_published_protocol_is_labelled_though_nothing_overlaps(corpus: Corpus) -> None:
    windows = corpus.windows(5.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = Parts(windows.of(["P0"]), windows.of(["P1"]), windows.of(["P3"]), protocol="published")
    assert "nothing overlaps" in parts.notes[0]


def test_a_person_in_another_corpus_is_known_again(corpus: Corpus, tmp_path: Path) -> None:
    other = corpus_of(tmp_path, acc(32.0, (0.0, 30.0), subject="P0", name="later")).windows(5.0)
    windows = corpus.windows(5.0)
    with pytest.raises(BadOptionError, match="in both train and test"):
        Parts(windows.of(["P0"]), windows.of(["P1"]), other)


def test_moments_are_kept_apart_too(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path), None, 5.0)
    with pytest.raises(BadOptionError, match=r"2 recordings \(r1, r1\.bvp\) are in both train and validation"):
        Parts(made.of(["P0", "P1"]), made.of(["P1"]), made.of(["P2"]))


def test_windows_of_one_sensor_and_moments_of_both_know_the_person(tmp_path: Path) -> None:
    corpus = wristbands(tmp_path)
    made = moments(corpus, None, 5.0)
    with pytest.raises(BadOptionError, match=r"r0\.bvp"):
        Parts(corpus.select(stream="bvp").windows(5.0).of(["P0"]), made.of(["P1"]), made.of(["P0"]))


def test_another_protocol_is_refused(corpus: Corpus) -> None:
    windows = corpus.windows(5.0)
    with pytest.raises(BadOptionError, match="protocol is 'mine'"):
        Parts(windows, windows, windows, protocol="mine")  # type: ignore[arg-type]


def result_of(name: str) -> Result:
    codes = np.arange(4)
    return Result(
        protocol="linear_probe",
        options={},
        encoder=name,
        task="toy",
        classes=("sit", "walk"),
        subjects=("P2", "P3"),
        subject=codes // 2,
        row=codes,
        fold=codes * 0,
        truth=codes % 2,
        predicted=(codes % 2)[None],
        notes=("as it was",),
    )


def published(corpus: Corpus) -> Parts:
    windows = corpus.windows(5.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Parts(windows.of(["P0"]), windows.of(["P3"]), windows.of(["P3"]), protocol="published")


def test_check_26_results_carry_the_label(corpus: Corpus) -> None:
    (found,) = published(corpus).labelled([result_of("a")])
    assert found.notes == ("as it was", *published(corpus).notes)


def test_check_26_the_report_shows_the_label(corpus: Corpus) -> None:
    page = "".join(s.body for s in sections(published(corpus).labelled([result_of("a"), result_of("b")])))
    assert "published protocol (validation and test are of the same recordings)" in page


def test_a_report_of_the_published_protocol_claims_nothing_of_people_never_seen(corpus: Corpus) -> None:
    pages = [sections(results) for results in (published(corpus).labelled([result_of("a")]), [result_of("a")])]
    assert ["never seen" in page[0].title for page in pages] == [False, True]
