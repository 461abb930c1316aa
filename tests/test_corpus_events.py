"""Windows laid by sentences, and sentences linked to windows, against naive loops."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus_tools import corpus_of, recording, with_gaps
from kinelet.corpus import Corpus, Windows, union
from kinelet.corpus.microseconds import microseconds
from kinelet.corpus.narrations import Narration, Narrations, assign, narrations, write_narrations
from kinelet.errors import BadOptionError
from kinelet.signal.recording import Annotation

RATE = 50.0


def said(corpus: Corpus, *times: float | tuple[float, float], recording: str = "a") -> Corpus:
    """The corpus with sentences at these moments or intervals."""
    spans = [t if isinstance(t, tuple) else (t, t) for t in times]
    rows = [Narration(recording, a, b, f"sentence {i}") for i, (a, b) in enumerate(spans)]
    write_narrations(corpus, rows, replace=True)
    return corpus


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return corpus_of(tmp_path_factory.mktemp("plain"), recording("a", n=3000), recording("b", "P2", n=1000))


@pytest.fixture(scope="module")
def gappy(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """0 to 8 s, 11 to 15 s (shorter than a window of 5 s), 18 to 38 s."""
    return corpus_of(tmp_path_factory.mktemp("gappy"), with_gaps([400, 200, 1000], name="a"))


def naive_events(corpus: Corpus, found: Narrations, n: int, merge: float) -> list[tuple[int, float, list[int]]]:
    """Recording, centre and sentences of each window, one sentence after the other; centres not on the sample grid."""
    length, rows = n / RATE, []
    for i in range(len(found)):
        for number, s in enumerate(corpus.recordings[found.recording[i]].segments):
            end = s.time_s + (s.stop - s.start) / RATE
            if s.time_s <= found.centre_s[i] <= end and end - s.time_s >= length - 1e-9:
                centre = min(max(found.centre_s[i], s.time_s + length / 2), end - length / 2)
                rows.append((int(found.recording[i]), number, centre, i))
    out: list[tuple[int, float, list[int]]] = []
    place = None
    for code, number, centre, i in sorted(rows):
        if place == (code, number) and centre - out[-1][1] < (1 - merge) * length - 1e-9:
            out[-1][2].append(i)
        else:
            out.append((code, centre, [i]))
        place = (code, number)
    return out


def carried(windows: Windows, found: Narrations) -> list[list[int]]:
    """Sentences of each window."""
    out: list[list[int]] = [[] for _ in range(len(windows))]
    for w, i in zip(*assign(windows, found), strict=True):
        out[w].append(int(i))
    return out


def test_ten_sentences_within_two_seconds_are_one_window_with_ten_sentences(plain):
    corpus = said(plain, *(20 + 0.2 * i for i in range(10)))
    windows = corpus.windows(5.0, placement="event")
    assert carried(windows, narrations(corpus)) == [list(range(10))]


def test_times_are_kept_to_the_millisecond(plain):
    found = narrations(said(plain, 7.123, (8.001, 9.002)))
    assert (found.start_s.tolist(), found.stop_s.tolist()) == ([7.123, 8.001], [7.123, 9.002])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 38 * 50), min_size=1, max_size=60),
    merge=st.sampled_from([0.0, 0.25, 0.5, 0.8]),
    n=st.sampled_from([100, 250]),
)
def test_windows_and_their_sentences_are_those_of_a_naive_loop(gappy, times, merge, n):
    corpus = said(gappy, *(t / RATE for t in times))
    found = narrations(corpus)
    expected = naive_events(corpus, found, n, merge)
    if not expected:
        with pytest.raises(BadOptionError):
            corpus.windows(n / RATE, placement="event", merge_overlap=merge)
        return
    windows = corpus.windows(n / RATE, placement="event", merge_overlap=merge)
    np.testing.assert_allclose(windows.time_s + n / RATE / 2, [c for _, c, _ in expected], atol=1e-9)
    assert [sorted(w) for w in carried(windows, found)] == [sorted(w) for _, _, w in expected]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 60_000), min_size=1, max_size=200),
    merge=st.floats(0.0, 0.9),
    n=st.integers(20, 400),
)
def test_no_two_windows_overlap_more_than_asked_for(plain, times, merge, n):
    windows = said(plain, *(t / 1000 for t in times)).windows(n / RATE, placement="event", merge_overlap=merge)
    apart = np.diff(windows.start)
    assert (n - apart <= merge * n + 1e-6).all()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=st.lists(st.integers(0, 57_500), min_size=1, max_size=100))
def test_every_sentence_has_one_window_which_holds_its_middle(plain, times):
    corpus = said(plain, *(t / 1000 for t in times))
    windows, found = corpus.windows(5.0, placement="event"), narrations(corpus)
    window, narration = assign(windows, found)
    assert sorted(narration) == list(range(len(found)))
    since = found.centre_s[narration] - windows.time_s[window]
    assert (since >= -0.01).all() and (since <= 5.01).all()


def test_a_sentence_at_the_end_joins_by_its_clipped_centre(plain):
    corpus = said(plain, 55.5, 59.9)
    windows = corpus.windows(5.0, placement="event")
    assert (windows.time_s.tolist(), carried(windows, narrations(corpus))) == ([53.0], [[0, 1]])


def test_windows_move_inwards_at_the_ends(plain):
    windows = said(plain, 0.3, 59.9).windows(5.0, placement="event")
    np.testing.assert_allclose(windows.time_s, [0.0, 55.0])


def test_no_window_crosses_a_gap_and_what_has_no_place_is_counted(gappy):
    corpus = said(gappy, 7.9, 9.0, 12.0, 18.1, 50.0)
    windows = corpus.windows(5.0, placement="event")
    assert windows.start.tolist() == [150, 600]
    assert windows.events is not None
    assert (windows.events.outside, windows.events.short) == (2, 1)


def test_event_windows_hold_the_samples_at_their_start(gappy):
    windows = said(gappy, 3.0, 25.0).windows(2.0, placement="event")
    data = gappy.recording("a").data
    np.testing.assert_array_equal(windows.gather([1]), data[windows.start[1] : windows.start[1] + 100].T[None])


def test_event_windows_have_the_class_that_covers_most_of_them(tmp_path):
    marks = (Annotation(0, 6, label="sit"), Annotation(6, 20, label="walk"))
    corpus = said(corpus_of(tmp_path, recording("a", n=1000, annotations=marks)), 5.0, 12.0)
    windows = corpus.windows(4.0, placement="event")
    assert [windows.classes[i] for i in windows.label] == ["sit", "walk"]


def test_a_corpus_without_sentences_says_how_to_attach_some(tmp_path):
    with pytest.raises(BadOptionError, match="kinelet corpus annotate"):
        corpus_of(tmp_path, recording("a")).windows(2.0, placement="event")


@pytest.mark.parametrize("merge", [-0.1, 1.0])
def test_an_overlap_that_makes_no_sense(plain, merge):
    with pytest.raises(BadOptionError, match="merge_overlap"):
        said(plain, 3.0).windows(2.0, placement="event", merge_overlap=merge)


def test_event_windows_travel_between_processes(plain):
    corpus = said(plain, 3.0, 20.0)
    windows = pickle.loads(pickle.dumps(corpus.windows(5.0, placement="event")))
    assert carried(windows, narrations(corpus)) == [[0], [1]]


def naive_links(windows: Windows, found: Narrations, purity: float = 0.5) -> set[tuple[int, int]]:
    begin = windows.time_s
    span = windows.locate(np.arange(len(windows)))[0]
    n = windows.spans.length[span] if windows.placement == "stretch" else np.full(len(windows), windows.n_samples)
    length, out = n / RATE, set()
    for i in range(len(found)):
        mine = [w for w in range(len(windows)) if windows.recording[w] == found.recording[i]]
        a, b, c = found.start_s[i], found.stop_s[i], found.centre_s[i]
        covers = {w: min(b, begin[w] + length[w]) - max(a, begin[w]) for w in mine}
        enough = [w for w in mine if covers[w] >= purity * length[w] - 1e-6]
        if not enough and mine:
            near = min(mine, key=lambda w: (round(abs(begin[w] + length[w] / 2 - c), 6), begin[w]))
            enough = [near] if begin[near] - 1e-6 <= c <= begin[near] + length[near] + 1e-6 else []
        out |= {(w, i) for w in enough}
    return out


spans = st.tuples(st.integers(-100, 2100), st.one_of(st.just(0), st.integers(0, 900)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(spans, min_size=1, max_size=25),
    n=st.integers(20, 260),
    hop=st.integers(10, 300),
    purity=st.sampled_from([0.3, 0.5, 1.0]),
)
def test_links_on_a_grid_are_those_of_a_naive_loop(gappy, times, n, hop, purity):
    corpus = said(gappy, *((a / RATE, (a + length) / RATE) for a, length in times))
    windows, found = corpus.windows(n / RATE, hop / RATE, purity=purity), narrations(corpus)
    window, narration = assign(windows, found)
    assert len(window) == len(set(zip(window, narration, strict=True)))
    assert set(zip(window.tolist(), narration.tolist(), strict=True)) == naive_links(windows, found, purity)


@pytest.mark.parametrize("placement", ["annotation", "stretch"])
def test_links_of_windows_in_annotated_intervals(tmp_path, placement):
    marks = tuple(Annotation(a, b, label="x") for a, b in [(10.0, 17.0), (1.0, 4.0), (12.0, 30.0), (40.0, 43.5)])
    corpus = said(
        corpus_of(tmp_path, recording("a", n=3000, annotations=marks)), 2.6, 11.0, (10.0, 17.0), (12.0, 30.0), (0, 50)
    )
    windows, found = corpus.windows(3.0, placement=placement), narrations(corpus)
    assert set(zip(*(c.tolist() for c in assign(windows, found)), strict=True)) == naive_links(windows, found)


def test_links_of_chosen_windows_are_among_those_of_all(gappy):
    corpus = said(gappy, 1.0, 3.0, (2.0, 7.0), 20.0, (18.0, 30.0))
    windows, found = corpus.windows(2.0, 1.0), narrations(corpus)
    whole = carried(windows, found)
    index = [9, 0, 9, 3, 12]
    assert carried(windows.select(index), found) == [whole[i] for i in index]


def test_links_of_chosen_event_windows(gappy):
    corpus = said(gappy, 3.0, 3.5, 20.0, 30.0)
    windows, found = corpus.windows(5.0, placement="event"), narrations(corpus)
    assert carried(windows.select([2, 0]), found) == [[3], [0, 1]]


def test_sentences_reach_the_recordings_of_their_part_of_a_union(tmp_path):
    one, two = (corpus_of(tmp_path / n, recording("a", n=1000), recording("b", "P2", n=1000)) for n in "xy")
    said(one, 3.0), said(two, 4.0, 15.0, recording="b")
    both = union([one, two])
    windows = both.windows(5.0, placement="event")
    assert [both.recordings[i].id for i in windows.recording] == ["x:a", "y:b", "y:b"]
    assert carried(windows, narrations(both)) == [[0], [1], [2]]


def test_a_corpus_without_sentences_has_no_links(tmp_path):
    corpus = corpus_of(tmp_path, recording("a"))
    assert [len(c) for c in assign(corpus.windows(1.0), narrations(corpus))] == [0, 0]


def test_times_that_differ_by_rounding_alone_are_the_same_microsecond() -> None:
    assert 0.1 + 0.2 != 0.3
    assert microseconds([0.1 + 0.2, 0.3, -1.5]).tolist() == [300_000, 300_000, -1_500_000]
