"""Timelines of labels: which class, for how long, and where nothing is said."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_tools import with_gaps
from kinelet.deploy.timeline import Judged, Span, Timeline, decide, joined, label_timeline, labeller, spans_of
from kinelet.errors import BadOptionError
from words_tools import DIM, MEANING, WINDOW_S, aligned, walker

CLASSES = ("a", "b", "c")


def judged(codes: list[int], confidence: list[float] | None = None, step_s: float = 1.0) -> Judged:
    code = np.array(codes, dtype=np.int64)
    sure = np.where(code >= 0, 1.0, np.nan) if confidence is None else np.array(confidence)
    return Judged(np.arange(len(code)) * step_s, code, sure, sure)


def shown(codes: list[int], confidence: list[float] | None = None, threshold: float = 0.5) -> list[tuple[object, ...]]:
    spans = spans_of(judged(codes, confidence), CLASSES, threshold, window_s=2.0, step_s=1.0)
    return [(s.start_s, s.stop_s, s.label) for s in spans]


def test_the_best_class_and_its_margin() -> None:
    scores = np.array([[0.1, 0.7, 0.4], [np.nan] * 3, [0.9, 0.2, 0.8]])
    found = decide(np.arange(3.0), scores)
    assert found.code.tolist() == [1, -1, 0]
    np.testing.assert_allclose(found.confidence, [0.3, np.nan, 0.1])
    np.testing.assert_allclose(found.score, [0.7, np.nan, 0.9])


def test_confidence_can_be_the_score() -> None:
    found = decide(np.arange(1.0), np.array([[0.1, 0.7]]), "score")
    np.testing.assert_allclose(found.confidence, [0.7])


def test_scores_below_zero_have_a_margin_too() -> None:
    found = decide(np.arange(1.0), np.array([[-0.5, -0.2]]))
    assert (found.code[0], found.confidence[0]) == (1, pytest.approx(0.3))


def test_one_class_has_its_score_for_a_confidence() -> None:
    np.testing.assert_allclose(decide(np.arange(2.0), np.array([[0.2], [-0.1]])).confidence, [0.2, -0.1])


def test_a_window_speaks_for_the_time_around_its_centre() -> None:
    # Windows of 2 s at 0, 1, 2, 3: centres 1, 2, 3, 4; the classes part halfway between the centres 2 and 3.
    assert shown([0, 0, 1, 1]) == [(0.0, 2.5, "a"), (2.5, 5.0, "b")]


def test_windows_of_little_confidence_are_left_open() -> None:
    assert shown([0, 1, 0], [0.9, 0.4, 0.5]) == [(0.0, 1.5, "a"), (1.5, 2.5, None), (2.5, 4.0, "a")]


def test_nothing_is_said_of_a_gap() -> None:
    assert shown([0, -1, -1, 0]) == [(0.0, 2.0, "a"), (3.0, 5.0, "a")]


def test_no_windows_no_timeline() -> None:
    assert shown([]) == [] == shown([-1, -1])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 2), st.sampled_from([0.1, 0.9])), max_size=25))
def test_a_timeline_covers_what_windows_cover_once_and_neighbours_differ(rows: list[tuple[int, float]]) -> None:
    # A gap takes away all windows that reach into it: with windows of 2 s a second apart, two at least.
    rows = [r for row in rows for r in (row,) * (1 if row[0] >= 0 else 2)]
    one = judged([r[0] for r in rows], [r[1] for r in rows])
    spans = spans_of(one, CLASSES, 0.5, window_s=2.0, step_s=1.0)
    assert all(a.stop_s <= b.start_s for a, b in pairwise(spans))
    assert all(a.label != b.label for a, b in pairwise(spans) if a.stop_s == b.start_s)
    fine = np.arange(0, len(rows) + 2, 0.25) + 0.1
    by_windows = [any(t <= x < t + 2 for t, c in zip(one.time_s, one.code, strict=True) if c >= 0) for x in fine]
    assert by_windows == [any(s.start_s <= x < s.stop_s for s in spans) for x in fine]


def test_means_of_a_span_are_those_of_its_windows() -> None:
    one = Judged(np.arange(3.0), np.array([0, 0, 1]), np.array([0.2, 0.4, 0.9]), np.array([0.5, 0.7, 0.1]))
    first = spans_of(one, CLASSES, 0.0, 2.0, 1.0)[0]
    assert (first.confidence, first.score) == (pytest.approx(0.3), pytest.approx(0.6))


def test_seconds_add_up_over_timelines() -> None:
    one = Timeline("r", "P", (Span(0, 2, "a", 1, 1), Span(2, 3, None, 1, 1), Span(3, 7, "a", 1, 1)))
    assert one.seconds() == {"a": 6, None: 1}
    assert joined([one, one]) == {"a": 12, None: 2}


def test_sitting_and_walking_are_told_apart() -> None:
    encoder, tower = aligned()
    rec = walker("r", "P1", [("sit", 20.0), ("walk", 20.0), ("sit", 20.0)])
    found = label_timeline(encoder, rec, {k: (v,) for k, v in MEANING.items()}, tower=tower, step_s=0.5)
    assert [s.label for s in found.spans] == ["sit", "walk", "sit"]
    assert max(abs(s.start_s - t) for s, t in zip(found.spans, (0, 20, 40), strict=True)) <= WINDOW_S


def test_sentences_can_be_their_own_labels() -> None:
    encoder, tower = aligned()
    found = label_timeline(encoder, walker("r", "P1", [("walk", 10.0)]), list(MEANING.values()), tower=tower)
    assert [s.label for s in found.spans] == [MEANING["walk"]]


def test_a_threshold_leaves_all_open_where_it_is_high() -> None:
    encoder, tower = aligned()
    found = label_timeline(encoder, walker("r", "P1", [("walk", 10.0)]), list(MEANING), threshold=3.0, tower=tower)
    assert found.seconds() == {None: 10.0}


def test_a_timeline_has_a_hole_where_the_recording_has_a_gap() -> None:
    encoder, tower = aligned()
    rec = with_gaps([500, 500], gap_s=5.0, data=walker("r", "P1", [("walk", 20.0)]).data)
    spans = label_timeline(encoder, rec, list(MEANING.values()), tower=tower).spans
    assert [(s.start_s, s.stop_s) for s in spans] == [(0.0, 10.0), (15.0, 25.0)]


def test_smoothing_takes_out_a_moment() -> None:
    encoder, tower = aligned()
    rec = walker("r", "P1", [("walk", 20.0), ("sit", 2.0), ("walk", 20.0)])
    options = {"tower": tower, "step_s": 1.0}
    sharp = label_timeline(encoder, rec, list(MEANING.values()), smooth_s=0.0, **options)  # type: ignore[arg-type]
    soft = label_timeline(encoder, rec, list(MEANING.values()), smooth_s=15.0, **options)  # type: ignore[arg-type]
    assert (len(sharp.spans), len(soft.spans)) == (3, 1)


@pytest.mark.parametrize("wrong", [{"step_s": 2.5}, {"smooth_s": -1.0}, {"step_s": -1.0}])
def test_times_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    encoder, tower = aligned()
    with pytest.raises(BadOptionError, match="at most as long as a window"):
        labeller(encoder, ["walking"], tower=tower, **wrong)  # type: ignore[arg-type]


def test_no_sentences_are_refused() -> None:
    encoder, tower = aligned()
    with pytest.raises(BadOptionError, match="no sentence given"):
        labeller(encoder, [], tower=tower)


def test_one_sentence_is_judged_by_its_score() -> None:
    encoder, tower = aligned()
    made = labeller(encoder, ["someone is walking"], tower=tower)
    assert (made.confidence, made.vectors.shape) == ("score", (1, DIM))
