"""Moments: windows of several modalities, each at its own rate, that cover the same time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinelet.corpus.loader import iterate_batches
from kinelet.corpus.moment_sampler import MomentSampler
from kinelet.corpus.moments import Moments, moments
from kinelet.corpus.views import View
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.signal.recording import Annotation
from moment_tools import UNIX, acc, bvp, clocked, corpus_of, wristbands

VIEWS = {"acc": "acc", "bvp": "bvp"}


def worst_shift(made: Moments) -> float:
    """Largest difference of a window's first sample, which carries its own time, and its moment, in samples."""
    x, worst = made.gather(np.arange(len(made))), 0.0
    for column, name in enumerate(made.names):
        there = made.present[:, column]
        difference = x[name][there, 0, 0] - made.time_s[there]
        worst = max(worst, float(np.abs(difference).max() * made.specs[name].rate_hz))
    return worst


def test_windows_of_both_rates_cover_the_same_time_to_half_a_sample(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path), VIEWS, 5.0, tolerance_s=0.0)
    assert worst_shift(made) <= 0.5 + 1e-3


def test_last_samples_agree_too(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path), VIEWS, 5.0).pairs()
    x = made.gather(np.arange(len(made)))
    ends = x["acc"][:, 0, -1] + 1 / 32, x["bvp"][:, 0, -1] + 1 / 64
    assert np.abs(ends[0] - ends[1]).max() <= 0.5 / 32 + 0.5 / 64


def test_every_sample_of_a_window_follows_the_one_before(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path, 1), VIEWS, 5.0).pairs()
    steps = np.diff(made.gather(np.arange(len(made)))["bvp"][:, 0])
    assert np.abs(steps - 1 / 64).max() < 1e-3


def test_shapes_follow_each_rate(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path), VIEWS, 5.0)
    shapes = {name: x.shape for name, x in made.gather([0, 1]).items()}
    assert shapes == {"acc": (2, 3, 160), "bvp": (2, 1, 320)}


@pytest.mark.parametrize(("rate", "other", "late"), [(30.0, 50.0, 0.0), (100.0, 64.0, 1.237), (25.0, 8000.0, 0.5)])
def test_rates_that_do_not_divide_each_other(tmp_path: Path, rate: float, other: float, late: float) -> None:
    stream = bvp(other, (late, 10.0))
    made = moments(corpus_of(tmp_path, acc(rate, (0.0, 10.0), streams={"bvp": stream})), VIEWS, 0.7, 0.31)
    assert worst_shift(made.pairs()) <= 0.5 + 2e-2


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([20.0, 31.25, 50.0, 100.0]),
    st.sampled_from([10.0, 33.0, 64.0]),
    st.floats(0.0, 6.0),
    st.floats(0.0, 3.0),
    st.floats(0.3, 2.0),
)
def test_half_a_sample_whatever_the_clocks(
    tmp_path_factory: pytest.TempPathFactory, rate: float, other: float, late: float, gap: float, hop: float
) -> None:
    stream = bvp(other, (late, late + 5.0), (late + 5.0 + gap + 1 / other, 14.0 + gap))
    recording = acc(rate, (0.0, 9.0), (9.5, 15.0), streams={"bvp": stream})
    made = moments(corpus_of(tmp_path_factory.mktemp("c"), recording), VIEWS, 1.0, hop, tolerance_s=0.0)
    # The store rounds samples to a quarter of their step; times here have no step to speak of.
    assert worst_shift(made) <= 0.5 + 0.05


def test_a_tolerance_moves_a_window_by_no_more(tmp_path: Path) -> None:
    late = bvp(64.0, (0.04, 20.0))
    made = moments(corpus_of(tmp_path, acc(32.0, (0.0, 20.0), streams={"bvp": late})), VIEWS, 5.0, tolerance_s=0.04)
    shift = made.gather([0])["bvp"][0, 0, 0] - made.time_s[0]
    assert shift == pytest.approx(0.04, abs=1e-3)


def test_beyond_the_tolerance_a_modality_is_absent(tmp_path: Path) -> None:
    late = bvp(64.0, (0.04, 20.0))
    made = moments(corpus_of(tmp_path, acc(32.0, (0.0, 20.0), streams={"bvp": late})), VIEWS, 5.0, tolerance_s=0.03)
    assert made.present.tolist() == [[True, False], *[[True, True]] * 3]


def test_a_tolerance_at_the_end_moves_a_window_back_into_its_stretch(tmp_path: Path) -> None:
    short = bvp(64.0, (0.0, 19.969), (25.0, 40.0))
    made = moments(corpus_of(tmp_path, acc(32.0, (0.0, 20.0), streams={"bvp": short})), VIEWS, 5.0)
    last = made.gather([3])["bvp"][0, 0]
    assert (made.present[3].tolist(), float(last[0])) == ([True, True], pytest.approx(15.0 - 2 / 64, abs=1e-3))


def test_a_stretch_one_sample_too_short_has_no_window(tmp_path: Path) -> None:
    short = bvp(64.0, (0.0, 5.0 - 1 / 64), (25.0, 40.0))
    made = moments(corpus_of(tmp_path, acc(32.0, (0.0, 5.0), streams={"bvp": short})), VIEWS, 5.0)
    assert made.present[0].tolist() == [True, False]


def test_of_stretches_that_overlap_the_first_is_read(tmp_path: Path) -> None:
    late = clocked(("gyr_x",), 50.0, (2.0, 20.0), name="a", start_unix_s=UNIX + 2.0)
    early = clocked(("gyr_x",), 50.0, (0.0, 20.0), name="b", start_unix_s=UNIX)
    made = moments(
        corpus_of(tmp_path, acc(32.0, (0.0, 20.0), name="c"), late, early), {"acc": "acc", "g": "gyr_x"}, 5.0
    )
    part = made.layout.modalities[1]
    assert {part.corpus.recordings[part.recording[s]].id for s in made.stretch_of([0, 1, 2, 3])[:, 1]} == {"b"}


def test_a_first_view_of_longer_windows_sets_no_moment_that_it_lacks(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path, 1), {"bvp": View(channels=("bvp",), window_s=8.0), "acc": "acc"}, 5.0)
    mine = made.select(made.present[:, 0])
    ends = mine.gather(np.arange(len(mine)))["bvp"][:, 0, -1]
    assert ends.max() - (mine.time_s[-1] + 8.0 - 1 / 64) == pytest.approx(0.0, abs=0.02)


def test_no_moment_is_without_any_modality(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path, 1), {"bvp": View(channels=("bvp",), window_s=8.0)}, 5.0)
    assert made.present.all()


def test_what_is_absent_reads_zero(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path, 1), VIEWS, 5.0)
    alone = made.select(~made.present[:, 1])
    assert (len(alone), alone.gather([0])["bvp"].any()) == (1, False)


def test_what_the_second_has_beside_the_first_is_laid_after_it(tmp_path: Path) -> None:
    stream = bvp(64.0, (-12.0, 32.0))
    made = moments(corpus_of(tmp_path, acc(32.0, (0.0, 20.0), streams={"bvp": stream})), VIEWS, 5.0)
    found = list(zip(made.time_s.round(3).tolist(), made.present[:, 0].tolist(), strict=True))
    assert found == [(0, True), (5, True), (10, True), (15, True), (-12, False), (-7, False), (20, False), (25, False)]


def test_no_time_of_a_clock_is_taken_twice(tmp_path: Path) -> None:
    twice = acc(32.0, (7.0, 43.0), name="b", site="wrist")
    first = acc(32.0, (0.0, 20.0), site="wrist", streams={"bvp": bvp(64.0, (-9.0, 60.0))})
    made = moments(corpus_of(tmp_path, first, twice), VIEWS, 3.0)
    times = np.sort(made.time_s)
    assert np.diff(times).min() >= 3.0 - 1e-6


def test_gaps_of_either_are_not_crossed(tmp_path: Path) -> None:
    stream = bvp(64.0, (0.0, 11.0), (12.5, 40.0))
    made = moments(corpus_of(tmp_path, acc(32.0, (0.0, 21.0), (24.0, 40.0), streams={"bvp": stream})), VIEWS, 2.0)
    x = made.gather(np.arange(len(made)))
    spans = [np.ptp(x[name][made.present[:, i], 0], axis=1).max() for i, name in enumerate(made.names)]
    assert max(spans) < 2.0


def test_moments_of_several_people_keep_their_people(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path), VIEWS, 5.0).of(["P1"])
    assert {made.subjects[i] for i in made.subject} == {"P1"}


def test_people_nobody_knows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match="no such people"):
        moments(wristbands(tmp_path), VIEWS, 5.0).of(["P9"])


def test_three_modalities_and_who_has_which(tmp_path: Path) -> None:
    slow = clocked(("eda",), 4.0, (10.0, 60.0), name="eda", start_unix_s=UNIX + 10.0)
    first = acc(32.0, (0.0, 60.0), streams={"bvp": bvp(64.0, (3.01, 40.0)), "eda": slow})
    made = moments(corpus_of(tmp_path, first), None, 5.0)
    counts = (len(made), len(made.pairs()), len(made.complete()))
    assert (made.names, counts) == (("acc", "bvp", "eda"), (12, 11, 6))


def test_half_a_sample_of_a_slow_stream_is_always_allowed(tmp_path: Path) -> None:
    slow = clocked(("eda",), 4.0, (0.1, 60.1), name="eda", start_unix_s=UNIX + 0.1)
    made = moments(corpus_of(tmp_path, acc(32.0, (0.0, 60.0), streams={"eda": slow})), None, 5.0, tolerance_s=0.0)
    assert (len(made.complete()), worst_shift(made) <= 0.5 + 1e-3) == (12, True)


def test_a_view_may_have_windows_of_its_own_length(tmp_path: Path) -> None:
    views = {"acc": View.parse("acc"), "bvp": View(channels=("bvp",), window_s=8.0)}
    made = moments(wristbands(tmp_path, 1), views, 5.0)
    shape = made.gather([1])["bvp"].shape
    assert (shape, len(made.complete())) == ((1, 1, 512), 10)


def test_labels_come_from_any_recording_on_the_clock(tmp_path: Path) -> None:
    stream = bvp(64.0, (3.0, 42.0), annotations=(Annotation(7.0, 27.0, label="calm"),))
    made = moments(corpus_of(tmp_path, acc(32.0, (0.0, 40.0), streams={"bvp": stream})), VIEWS, 5.0, purity=0.9)
    names = [made.classes[c] if c >= 0 else "" for c in made.label]
    assert names == ["", "", *["calm"] * 4, "", ""]


def test_values_that_two_recordings_repeat_count_once(tmp_path: Path) -> None:
    beat = (Annotation(0.0, 2.0, value=60.0, track="heart_rate"),)
    first = acc(32.0, (0.0, 20.0), annotations=beat, streams={"bvp": bvp(64.0, (0.0, 20.0), annotations=beat)})
    made = moments(corpus_of(tmp_path, first), VIEWS, 5.0, track="heart_rate")
    assert np.isnan(made.value).all()


def test_labelled_leaves_what_has_no_value(tmp_path: Path) -> None:
    beat = (Annotation(0.0, 10.0, value=60.0, track="heart_rate"),)
    made = moments(wristbands(tmp_path, 1, annotations=beat), VIEWS, 5.0, track="heart_rate").labelled()
    assert made.value.tolist() == [60.0, 60.0]


def test_windows_of_one_modality_paired_or_not(tmp_path: Path) -> None:
    windows = moments(wristbands(tmp_path), VIEWS, 5.0).of(["P1"]).modality("bvp")
    assert (len(windows), windows.spec.channels) == (11, ("bvp",))


def test_a_batch_holds_what_methods_on_pairs_take(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path), VIEWS, 5.0)
    ((_, batch),) = iterate_batches(MomentSampler(made, 2, 3), steps=1)
    kinds = {name: (value.shape, str(value.dtype)) for name, value in batch.items()}
    rows = dict.fromkeys(("sequence", "moment", "index", "clock", "subject", "part"), ((6,), "int64"))
    assert kinds == rows | {
        "x.acc": ((6, 3, 160), "float32"),
        "x.bvp": ((6, 1, 320), "float32"),
        "present": ((6, 2), "bool"),
        "time_s": ((6,), "float64"),
    }


def test_a_selection_reads_what_its_numbers_say(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path), VIEWS, 5.0)
    chosen = made.select([7, 3, 3])
    assert np.array_equal(chosen.gather([0, 1, 2])["acc"], made.gather([7, 3, 3])["acc"])


def test_numbers_out_of_range_are_refused(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path, 1), VIEWS, 5.0)
    with pytest.raises(BadOptionError, match=r"moment 0\.\.12"):
        made.gather([0, 12])


def test_a_month_keeps_nothing_a_moment(tmp_path: Path) -> None:
    month = 30 * 86400.0
    data = clocked(("acc_x",), 0.1, (0.0, month), start_unix_s=UNIX)
    stream = clocked(("eda",), 0.05, (100.0, month), name="eda", start_unix_s=UNIX + 100.0)
    from dataclasses import replace

    made = moments(corpus_of(tmp_path, replace(data, streams={"eda": stream})), None, 60.0)
    kept = sum(getattr(made.layout.runs, n).nbytes for n in ("clock", "chain", "time_s", "count", "stretch"))
    assert (len(made) > 43_000, kept < 1000) == (True, True)


def test_rates_that_differ_within_a_view_are_told(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, acc(32.0, (0.0, 20.0)), acc(50.0, (30.0, 50.0), name="b"))
    with pytest.raises(SpecMismatchError, match="different rates"):
        moments(corpus, {"acc": "acc"}, 5.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"window_s": 0.0}, "window_s is 0"),
        ({"hop_s": -1.0}, "hop_s is -1"),
        ({"tolerance_s": -0.1}, "tolerance_s"),
        ({"placement": "events"}, "placement is 'events'"),
        ({"clock": "sun"}, "clock is 'sun'"),
        ({"purity": 0.0}, "purity is 0"),
        ({"window_s": 500.0}, "no moment of 500 s"),
        ({"window_s": 0.001}, "has no sample"),
        ({"views": {}}, "no modality"),
        ({"views": {"7x": "acc"}}, "no name for a modality"),
        ({"views": {"eda": "eda"}}, "no recording has eda"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, given: dict[str, object], told: str) -> None:
    options: dict[str, object] = {"views": VIEWS, "window_s": 5.0, "hop_s": None} | given
    with pytest.raises(BadOptionError, match=told):
        moments(wristbands(tmp_path, 1), **options)  # type: ignore[arg-type]
