"""Finding in recordings what a sentence says."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from corpus_tools import corpus_of, recording, with_gaps
from kinelet.corpus import Corpus
from kinelet.deploy.embedding import embed
from kinelet.deploy.search import search
from kinelet.deploy.words import with_words
from kinelet.errors import BadOptionError
from kinelet.signal.spec import imu_spec
from kinelet.vectors import unit
from words_tools import DIM, WINDOW_S, aligned, encoder_of, town, walker

WALK = "someone is walking"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return town(tmp_path_factory.mktemp("town") / "c")


def test_the_walk_of_every_person_is_found(corpus: Corpus) -> None:
    encoder, tower = aligned()
    found = search(encoder, corpus, WALK, tower=tower, top=4)
    assert sorted(h.subject for h in found) == ["P0", "P1", "P2", "P3"]
    assert max(abs(h.start_s - 20) for h in found) <= WINDOW_S
    assert max(abs(h.stop_s - 30) for h in found) <= WINDOW_S


def test_another_sentence_finds_another_time(corpus: Corpus) -> None:
    encoder, tower = aligned()
    found = search(encoder, corpus, "someone sits still", tower=tower, top=1)
    assert not 20 <= found.hits[0].peak_s < 30


def test_a_score_is_the_cosine_of_window_and_sentence(corpus: Corpus) -> None:
    encoder, tower = aligned()
    words = with_words(encoder, tower)
    best = search(encoder, corpus, WALK, tower=tower, top=1).hits[0]
    made = embed(words.encoder, corpus.recording(best.recording), step_s=WINDOW_S / 2)
    row = made.vectors[np.searchsorted(made.time_s, best.peak_s)]
    assert best.score == pytest.approx(float(unit(row) @ words.vectors([WALK])[0]), abs=1e-5)


def test_the_best_hit_is_the_best_window_of_all(corpus: Corpus) -> None:
    encoder, tower = aligned()
    found = search(encoder, corpus, WALK, tower=tower, top=3)
    assert found.hits[0].score == max(np.nanmax(s.score) for s in found.scores.values())
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
    assert found.hits[0].percentile == pytest.approx(100 * (found.windows - 1) / found.windows)


def test_z_is_measured_over_all_windows_searched(corpus: Corpus) -> None:
    encoder, tower = aligned()
    found = search(encoder, corpus, WALK, tower=tower, top=1)
    every = np.concatenate([s.score for s in found.scores.values()])
    middle = np.median(every)
    scale = 1.4826 * np.median(np.abs(every - middle))
    assert found.hits[0].z == pytest.approx((found.hits[0].score - middle) / scale)


def test_hits_of_a_recording_do_not_overlap(corpus: Corpus) -> None:
    encoder, tower = aligned()
    found = search(encoder, corpus, WALK, tower=tower, top=50, step_s=0.5, merge_s=0.0, extent=0.9)
    for name in found.scores:
        mine = sorted((h.start_s, h.stop_s) for h in found if h.recording == name)
        assert all(a[1] <= b[0] for a, b in pairwise(mine)), name


def test_no_hit_reaches_over_a_gap(tmp_path: Path) -> None:
    encoder, tower = aligned()
    data = walker("r", "P1", [("walk", 20.0)]).data
    sitting = walker("sit", "P2", [("sit", 60.0)])
    split = with_gaps([500, 500], gap_s=3.0, data=data)
    found = search(encoder, corpus_of(tmp_path / "c", split, sitting), WALK, tower=tower, top=5, merge_s=30.0)
    first = [h for h in found if h.subject != "P2"]
    assert all(h.stop_s <= 10 + 1e-6 or h.start_s >= 13 - 1e-6 for h in first)
    assert len(first) == 1  # the other side lies less than merge_s away, and is no hit of its own


def test_a_search_can_be_for_one_person(corpus: Corpus) -> None:
    encoder, tower = aligned()
    found = search(encoder, corpus, WALK, tower=tower, subjects=["P2"])
    assert set(found.scores) == {"r2"}


def test_a_vector_is_a_query_too_and_needs_no_text(corpus: Corpus) -> None:
    encoder, tower = aligned()
    words = with_words(encoder, tower)
    plain = encoder_of().select("mm")
    by_vector = search(plain, corpus, 5 * words.vectors([WALK])[0], top=2)
    assert [h.start_s for h in by_vector] == [h.start_s for h in search(encoder, corpus, WALK, tower=tower, top=2)]


@pytest.mark.parametrize("query", [np.zeros(DIM), np.ones(DIM + 1), np.full(DIM, np.nan), np.ones((1, DIM))])
def test_a_vector_that_is_none_is_refused(corpus: Corpus, query: np.ndarray) -> None:
    with pytest.raises(BadOptionError, match=f"Give {DIM} finite numbers"):
        search(encoder_of().select("mm"), corpus, query)


@pytest.mark.parametrize("wrong", [{"top": 0}, {"extent": 0.0}, {"extent": 1.5}, {"merge_s": -1.0}])
def test_options_that_make_no_sense_are_refused(corpus: Corpus, wrong: dict[str, float]) -> None:
    encoder, tower = aligned()
    with pytest.raises(BadOptionError, match="extent in"):
        search(encoder, corpus, WALK, tower=tower, **wrong)  # type: ignore[arg-type]


def test_recordings_shorter_than_a_window_give_one_clear_line(tmp_path: Path) -> None:
    encoder, tower = aligned()
    with pytest.raises(BadOptionError, match="no window of 2 s fits"):
        search(encoder, corpus_of(tmp_path / "c", recording(n=50)), WALK, tower=tower)


def test_recordings_that_cannot_be_searched_are_counted(tmp_path: Path) -> None:
    encoder, tower = aligned()
    odd = recording("odd", spec=imu_spec(50.0).replace(channels=("ppg",), units=("1",)))
    found = search(encoder, corpus_of(tmp_path / "c", recording("a"), odd), WALK, tower=tower)
    assert (found.skipped, list(found.scores)) == (1, ["a"])


def test_where_the_clock_is_known_a_hit_has_a_date(tmp_path: Path) -> None:
    encoder, tower = aligned()
    rec = walker("a", "P1", [("sit", 20.0), ("walk", 10.0)], start_unix_s=1_700_000_000.0)
    [hit] = search(encoder, corpus_of(tmp_path / "c", rec), WALK, tower=tower, top=1)
    assert hit.start_unix_s == pytest.approx(1_700_000_000.0 + hit.start_s)


def test_what_is_annotated_is_told_and_not_used(corpus: Corpus, tmp_path: Path) -> None:
    encoder, tower = aligned()
    known = search(encoder, corpus, WALK, tower=tower, top=3)
    assert [h.annotated for h in known] == ["walk"] * 3
    bare = corpus_of(tmp_path / "c", *(corpus.recording(r.id).replace(annotations=()) for r in corpus.recordings))
    found = search(encoder, bare, WALK, tower=tower, top=3)
    assert [h.annotated for h in found] == [None] * 3
    assert [(h.start_s, h.score) for h in found] == [(h.start_s, h.score) for h in known]


def test_another_track_can_be_told(corpus: Corpus) -> None:
    encoder, tower = aligned()
    assert search(encoder, corpus, WALK, tower=tower, top=1, track="gait").hits[0].annotated is None


def test_a_cache_changes_nothing(corpus: Corpus, tmp_path: Path) -> None:
    encoder, tower = aligned()
    runs = [search(encoder, corpus, WALK, tower=tower, cache=c).hits for c in (None, tmp_path, tmp_path)]
    assert runs[0] == runs[1] == runs[2]
