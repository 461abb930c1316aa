"""Windows against naive loops: where they lie, what they hold, what they are called."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus_tools import corpus_of, people, recording, with_gaps
from kinelet.corpus import Corpus
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.signal.recording import Annotation
from kinelet.signal.spec import imu_spec

RATE = 50.0


def naive_starts(corpus: Corpus, n: int, hop: int) -> list[tuple[int, int]]:
    out = []
    for code, info in enumerate(corpus.recordings):
        for segment in info.segments:
            start = segment.start
            while start + n <= segment.stop:
                out.append((code, start))
                start += hop
    return out


@pytest.fixture(scope="module")
def gappy(tmp_path_factory) -> Corpus:
    parts = [
        with_gaps([200, 37, 500], name="a", subject="P1", seed=1, start_unix_s=7200.0),
        with_gaps([10, 11, 12], name="b", subject="P2", seed=2),
        recording("c", "P1", 333, seed=3, annotations=(Annotation(1.0, 4.0, label="walk"),)),
        # Far from zero in steps of 1/256: more than int16 can hold.
        recording("d", "P3", data=(500 + np.arange(1200).reshape(400, 3) / 256).astype(np.float32)),
    ]
    return corpus_of(tmp_path_factory.mktemp("gappy"), *parts)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 250), hop=st.integers(1, 120), seed=st.integers(0, 1000))
def test_windows_are_those_of_a_naive_loop(gappy, n, hop, seed):
    windows = gappy.windows(n / RATE, hop / RATE)
    expected = naive_starts(gappy, n, hop)
    assert list(zip(windows.recording.tolist(), windows.start.tolist(), strict=True)) == expected
    index = np.random.default_rng(seed).integers(0, len(windows), 20)
    rows = [gappy.recording(gappy.recordings[r].id).data[s : s + n].T for r, s in (expected[i] for i in index)]
    np.testing.assert_array_equal(windows.gather(index), np.stack(rows))


def test_more_windows_than_a_block_are_gathered_alike(gappy):
    windows = gappy.windows(0.2, 0.02)
    index = np.random.default_rng(0).integers(0, len(windows), 700)
    np.testing.assert_array_equal(windows.gather(index), np.stack([windows[i] for i in index]))


def test_recordings_of_both_integer_types_gather_together(gappy):
    assert {r.row["sample_type"] for r in gappy.recordings} == {"int16", "int32"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), purity=st.sampled_from([0.3, 0.5, 0.75, 1.0]), n=st.integers(2, 60))
def test_labels_are_those_of_counting_samples(tmp_path_factory, data, purity, n):
    edges = sorted(data.draw(st.lists(st.integers(0, 200), min_size=2, max_size=8, unique=True)))
    labels = data.draw(
        st.lists(st.sampled_from(["a", "b", "c", None]), min_size=len(edges) - 1, max_size=len(edges) - 1)
    )
    runs = [(a, b, x) for a, b, x in zip(edges, edges[1:], labels, strict=False) if x is not None]
    marks = tuple(Annotation(a / RATE, b / RATE, label=x) for a, b, x in runs)
    corpus = corpus_of(tmp_path_factory.mktemp("labels"), recording(n=200, annotations=marks))
    windows = corpus.windows(n / RATE, 7 / RATE, purity=purity, classes=("a", "b", "c"))
    per_sample = np.full(200, -1)
    for a, b, x in runs:
        per_sample[a:b] = "abc".index(x)
    for got, start in zip(windows.label, windows.start, strict=True):
        counts = np.bincount(per_sample[start : start + n] + 1, minlength=4)[1:]
        assert got == (counts.argmax() if counts.max() >= purity * n and counts.max() > 0 else -1)


def test_overlapping_annotations_of_one_class_count_once(tmp_path):
    marks = (Annotation(0.0, 0.8, label="a"), Annotation(0.2, 0.6, label="a"), Annotation(1.0, 2.0, label="b"))
    windows = corpus_of(tmp_path, recording(n=100, annotations=marks)).windows(2.0)
    assert [windows.classes[i] for i in windows.label] == ["b"]


def test_labels_are_not_carried_over_a_gap(tmp_path):
    rec = with_gaps(
        [50, 50], gap_s=10.0, annotations=(Annotation(0.0, 1.0, label="a"), Annotation(11.0, 12.0, label="b"))
    )
    windows = corpus_of(tmp_path, rec).windows(1.0)
    assert [windows.classes[i] for i in windows.label] == ["a", "b"]


def test_other_tracks_are_not_labels(tmp_path):
    marks = (Annotation(0, 10, label="a"), Annotation(0, 10, label="left", track="side"))
    corpus = corpus_of(tmp_path, recording(n=500, annotations=marks))
    assert corpus.windows(1.0, track="side").classes == ("left",)


def test_dropped_labels_are_unlabelled(tmp_path):
    corpus = corpus_of(tmp_path, *people(2))
    windows = corpus.windows(1.0, drop_labels=("sit",))
    assert windows.classes == ("walk",) and len(windows.labelled()) == len(windows) // 2


def test_values_are_means_over_the_window(tmp_path):
    marks = tuple(Annotation(i, i + 1, value=float(i * i), track="heart_rate") for i in range(10))
    windows = corpus_of(tmp_path, recording(n=500, annotations=marks)).windows(2.0, 1.0, track="heart_rate")
    np.testing.assert_allclose(windows.value, [(i * i + (i + 1) ** 2) / 2 for i in range(9)])


def test_values_weigh_by_time(tmp_path):
    marks = (Annotation(0, 0.5, value=10.0, track="v"), Annotation(0.5, 2.0, value=20.0, track="v"))
    windows = corpus_of(tmp_path, recording(n=100, annotations=marks)).windows(2.0, track="v")
    assert windows.value[0] == pytest.approx(17.5)


def test_a_window_with_too_little_value_has_none(tmp_path):
    marks = (Annotation(0, 0.9, value=10.0, track="v"),)
    windows = corpus_of(tmp_path, recording(n=200, annotations=marks)).windows(2.0, track="v")
    assert np.isnan(windows.value).all() and len(windows.labelled()) == 0


def test_time_and_hour(gappy):
    windows = gappy.windows(1.0)
    first = np.flatnonzero(windows.recording == 0)
    assert windows.hour[first[0]] == 2
    np.testing.assert_allclose(windows.time_s[first[:5]], [0, 1, 2, 3, 4 + 0.74 + 2 * 3.0])


def test_subject_codes(gappy):
    windows = gappy.windows(0.2)
    assert windows.subjects == ("P1", "P2", "P3")
    np.testing.assert_array_equal(windows.subject, np.array([0, 1, 0, 2])[windows.recording])


def test_annotation_placement_lies_inside_intervals(tmp_path):
    marks = (Annotation(1.01, 3.5, label="a"), Annotation(5.0, 5.9, label="b"), Annotation(6.0, 7.0, label="c"))
    windows = corpus_of(tmp_path, recording(n=500, annotations=marks)).windows(1.0, 0.5, placement="annotation")
    assert windows.start.tolist() == [51, 76, 101, 300]
    assert [windows.classes[i] for i in windows.label] == ["a", "a", "a", "c"]


def test_annotation_placement_stays_on_one_side_of_a_gap(tmp_path):
    rec = with_gaps([50, 100], annotations=(Annotation(0.5, 100.0, label="a"),))
    assert corpus_of(tmp_path, rec).windows(1.0, placement="annotation").start.tolist() == [50, 100]


def test_stretched_windows_are_interpolated(tmp_path):
    rec = recording(n=500, annotations=(Annotation(1.0, 2.0, label="a"), Annotation(2.0, 6.0, label="b")))
    windows = corpus_of(tmp_path, rec).windows(1.5, placement="stretch")
    for i, (a, b) in enumerate([(50, 100), (100, 300)]):
        expected = [np.interp(np.linspace(0, b - a - 1, 75), np.arange(b - a), rec.data[a:b, c]) for c in range(3)]
        np.testing.assert_allclose(windows[i], expected, atol=1e-5)


def test_a_recording_without_annotations_is_stretched_whole(tmp_path):
    rec = recording(n=200)
    windows = corpus_of(tmp_path, rec).windows(4.0, placement="stretch")
    np.testing.assert_array_equal(windows[0], rec.data.T)
    assert windows.label.tolist() == [-1]


@pytest.mark.parametrize("channels", [("acc_y",), ("acc_z", "acc_x"), ("acc_y", "acc_z")])
@pytest.mark.parametrize("placement", ["grid", "stretch"])
def test_channels_are_chosen_by_name(gappy, channels, placement):
    index = [0, 2, 1]
    some = gappy.windows(0.2, channels=channels, placement=placement).gather(index)
    columns = [("acc_x", "acc_y", "acc_z").index(c) for c in channels]
    np.testing.assert_array_equal(some, gappy.windows(0.2, placement=placement).gather(index)[:, columns])


def test_selected_windows_keep_their_codes(gappy):
    windows = gappy.windows(0.2)
    some = windows.select(windows.subject == 2).select([3, 1])
    np.testing.assert_array_equal(some.gather([0, 1]), windows.gather(np.flatnonzero(windows.subject == 2)[[3, 1]]))
    assert some.subject.tolist() == [2, 2]


def test_windows_of_people(gappy):
    assert set(gappy.windows(0.2).of(["P1"]).subject.tolist()) == {0}


def test_unknown_people_are_named(gappy):
    with pytest.raises(BadOptionError, match="P9"):
        gappy.windows(0.2).of(["P9"])


def test_a_number_out_of_range_is_refused(gappy):
    windows = gappy.windows(0.2)
    with pytest.raises(BadOptionError):
        windows.gather([len(windows)])


def test_a_negative_number_is_refused(gappy):
    with pytest.raises(BadOptionError):
        gappy.windows(0.2).gather([-1])


def test_a_wrong_mask_is_refused(gappy):
    with pytest.raises(BadOptionError, match="mask"):
        gappy.windows(0.2).select(np.ones(3, bool))


def test_the_spec_carries_the_window(gappy):
    windows = gappy.windows(0.5)
    assert windows.spec.window_samples == windows.n_samples == 25


@pytest.mark.parametrize(
    "options", [{"hop_s": 0.001}, {"purity": 0.0}, {"purity": 1.5}, {"placement": "middle"}, {"classes": ("a", "a")}]
)
def test_options_that_make_no_sense(gappy, options):
    with pytest.raises(BadOptionError):
        gappy.windows(0.5, **options)


def test_windows_longer_than_anything_are_an_error(gappy):
    with pytest.raises(BadOptionError, match="no window"):
        gappy.windows(100.0)


def test_mixed_rates_are_an_error_that_names_them_and_the_remedy(tmp_path):
    parts = [recording("a"), recording("b", spec=imu_spec(25.0)), recording("c", spec=imu_spec(25.0))]
    corpus = corpus_of(tmp_path, *parts)
    with pytest.raises(SpecMismatchError, match=r"25 Hz \(2 recordings\), 50 Hz \(1 recordings\).*--rate"):
        corpus.windows(1.0)


def test_mixed_channels_are_an_error_until_they_are_chosen(tmp_path):
    corpus = corpus_of(tmp_path, recording("a"), recording("b", spec=imu_spec(50.0, gyro=True)))
    with pytest.raises(SpecMismatchError, match="channels"):
        corpus.windows(1.0)
    assert corpus.windows(1.0, channels=("acc_x", "acc_y", "acc_z")).gather([0, -1 + 20]).shape == (2, 3, 50)


def test_a_channel_that_a_recording_lacks_is_named(gappy):
    with pytest.raises(SpecMismatchError, match="gyr_x"):
        gappy.windows(1.0, channels=("gyr_x",))


def test_windows_travel_between_processes(gappy):
    windows = gappy.windows(0.2)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(windows)).gather([5]), windows.gather([5]))
