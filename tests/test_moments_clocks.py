"""Which recordings share a clock, and what moments make of it; clips without a common clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinelet.corpus import Corpus
from kinelet.corpus.moment_clocks import clocks_of
from kinelet.corpus.moments import moments
from kinelet.signal.recording import Annotation, Recording
from moment_tools import UNIX, acc, bvp, clocked, corpus_of

AXES = ("acc_x", "acc_y", "acc_z")


def on_clock(corpus: Corpus) -> dict[str, tuple[int, float]]:
    clocks = clocks_of(corpus)
    return {r.id: (int(c), float(s)) for r, c, s in zip(corpus.recordings, clocks.code, clocks.start_s, strict=True)}


def paired(corpus: Corpus, **options: object) -> float:
    """Largest shift of a pair, by the times that the signals carry, in samples of the slower one; there must be one."""
    made = moments(corpus, None, 2.0, **options).complete()  # type: ignore[arg-type]
    x = made.gather(np.arange(len(made)))
    first, second = (x[name][:, 0, 0] for name in made.names)
    assert len(made)
    return float(np.abs(first - second).max() * min(s.rate_hz for s in made.specs.values()))


def test_one_recording_is_one_clock(tmp_path: Path) -> None:
    both = clocked((*AXES, "gyr_x", "gyr_y", "gyr_z"), 50.0, (0.0, 20.0))
    assert paired(corpus_of(tmp_path, both)) == 0.0


def test_absolute_starts_of_a_stream_and_its_recording(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, acc(32.0, (0.0, 20.0), streams={"bvp": bvp(64.0, (3.456, 20.0))}))
    assert on_clock(corpus) == {"a": (0, 0.0), "a.bvp": (0, pytest.approx(3.456, abs=1e-6))}


def test_a_start_within_the_recording(tmp_path: Path) -> None:
    late = bvp(64.0, (4.0, 20.0), start_unix_s=None, meta={"starts_after_s": 4.0})
    assert paired(corpus_of(tmp_path, acc(32.0, (0.0, 20.0), streams={"bvp": late}))) <= 0.5


def test_a_clock_that_two_recordings_name(tmp_path: Path) -> None:
    wrist = clocked(AXES, 20.0, (0.3, 20.0), name="w", site="wrist", meta={"clock": "phone", "clock_start_s": 100.3})
    chest = clocked(AXES, 50.0, (1.0, 20.0), name="c", site="chest", meta={"clock": "phone", "clock_start_s": 101.0})
    assert paired(corpus_of(tmp_path, wrist, chest)) <= 0.5 + 0.5 * 20 / 50 + 1e-2


def test_a_clock_of_two_people_is_two_clocks(tmp_path: Path) -> None:
    meta = {"clock": "phone", "clock_start_s": 0.0}
    both = [clocked(AXES, 20.0, (0.0, 9.0), subject=s, name=s, meta=meta) for s in ("P1", "P2")]
    assert {c for c, _ in on_clock(corpus_of(tmp_path, *both)).values()} == {0, 1}


def test_a_clock_without_a_start_joins_nothing(tmp_path: Path) -> None:
    both = [clocked(AXES, 20.0, (0.0, 9.0), name=n, meta={"clock": "device local time"}) for n in "ab"]
    assert {c for c, _ in on_clock(corpus_of(tmp_path, *both)).values()} == {0, 1}


def phone_and_watch(tmp_path: Path) -> Corpus:
    phone = acc(50.0, (0.0, 20.0), name="phone", site="pocket")
    watch = acc(20.0, (7.77, 30.0), name="watch", site="wrist")
    return corpus_of(tmp_path, phone, watch)


def test_absolute_times_of_two_recordings_that_overlap(tmp_path: Path) -> None:
    assert paired(phone_and_watch(tmp_path)) <= 0.5 + 0.5 * 20 / 50 + 1e-2


def test_the_rule_recording_joins_them_not(tmp_path: Path) -> None:
    assert not len(moments(phone_and_watch(tmp_path), None, 2.0, clock="recording").pairs())


def test_recordings_that_do_not_overlap_are_apart(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, acc(50.0, (0.0, 20.0), name="a"), acc(50.0, (20.0, 30.0), name="b"))
    assert {c for c, _ in on_clock(corpus).values()} == {0, 1}


def test_people_who_were_recorded_at_the_same_time_are_apart(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, *(acc(50.0, (0.0, 20.0), name=s, subject=s) for s in ("P1", "P2")))
    assert {c for c, _ in on_clock(corpus).values()} == {0, 1}


def test_a_chain_of_overlaps_is_one_clock(tmp_path: Path) -> None:
    made = [acc(50.0, (10.0 * i, 10.0 * i + 15.0), name=str(i)) for i in range(4)]
    assert list(on_clock(corpus_of(tmp_path, *made)).values()) == [(0, pytest.approx(10.0 * i)) for i in range(4)]


def test_a_short_recording_within_a_long_one_hides_none_after_it(tmp_path: Path) -> None:
    spans = {"a": (0.0, 40.0), "b": (5.0, 8.0), "c": (30.0, 50.0)}
    corpus = corpus_of(tmp_path, *(acc(50.0, span, name=name) for name, span in spans.items()))
    assert {c for c, _ in on_clock(corpus).values()} == {0}


def test_a_stream_that_starts_before_its_recording_joins_a_third(tmp_path: Path) -> None:
    watch = acc(20.0, (7.75, 30.0), name="watch", streams={"bvp": bvp(64.0, (5.0, 30.0))})
    corpus = corpus_of(tmp_path, acc(50.0, (0.0, 20.0), name="phone"), watch)
    starts = {name: start for name, (_, start) in on_clock(corpus).items()}
    assert starts == pytest.approx({"phone": 0.0, "watch": 7.75, "watch.bvp": 5.0}, abs=1e-6)


def test_zero_is_that_of_the_first_recording_though_another_started_before(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, acc(50.0, (6.0, 20.0), name="a"), acc(50.0, (0.0, 20.0), name="b"))
    assert on_clock(corpus) == {"a": (0, 0.0), "b": (0, pytest.approx(-6.0, abs=1e-6))}


def test_a_stream_whose_start_nobody_knows_is_alone(tmp_path: Path) -> None:
    lost = bvp(64.0, (0.0, 20.0), start_unix_s=None)
    report = moments(corpus_of(tmp_path, acc(32.0, (0.0, 20.0), streams={"bvp": lost})), None, 5.0).report()
    assert (report.pairs, report.modalities["bvp"].lost) == (0, 1)


def test_building_that_drops_the_first_samples_moves_every_kind_of_start(tmp_path: Path) -> None:
    named = {"clock": "phone", "clock_start_s": 0.0}
    starts = {
        "unix": (acc(32.0, (0.0, 20.0)), bvp(64.0, (0.0, 20.0))),
        "after": (
            acc(32.0, (0.0, 20.0), start_unix_s=None),
            bvp(64.0, (0.0, 20.0), start_unix_s=None, meta={"starts_after_s": 0.0}),
        ),
        "named": (
            acc(32.0, (0.0, 20.0), start_unix_s=None, meta=named),
            bvp(64.0, (0.0, 20.0), start_unix_s=None, meta=named),
        ),
    }
    worst = {}
    for kind, (main, stream) in starts.items():
        main.data[:48], stream.data[:161] = np.nan, np.nan
        worst[kind] = paired(corpus_of(tmp_path / kind, main.replace(streams={"bvp": stream})))
    assert worst == pytest.approx({"unix": 0, "after": 0, "named": 0}, abs=0.51)


def clip(name: str, seconds: float, late: float = 0.0, subject: str = "P1", **fields: object) -> Recording:
    """Inertial sensor and camera; nobody knows when the one started on the other's clock."""
    pictures = clocked(("joint_x", "joint_y"), 30.0, (late, late + seconds), name=name, subject=subject)
    return clocked(AXES, 50.0, (0.0, seconds), name=name, subject=subject, streams={"skeleton": pictures}, **fields)


def test_a_clip_is_one_moment_of_all_of_it(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, clip("a", 2.0), clip("b", 3.3, late=0.4), clip("c", 1.0))
    made = moments(corpus, {"acc": "acc", "skeleton": "skeleton"}, 4.0, placement="stretch")
    x = made.gather(np.arange(3))
    ends = [(float(v[1, 0, 0]), float(v[1, 0, -1])) for v in x.values()]
    assert ends == [(0.0, pytest.approx(3.28, abs=1e-2)), pytest.approx((0.4, 3.7 - 1 / 30), abs=1e-2)]


def test_clips_are_pairs_though_no_clock_is_known(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, clip("a", 2.0), clip("b", 3.0))
    report = moments(corpus, None, 4.0, placement="stretch").report()
    assert (report.pairs, report.clocks, report.largest_shift_s) == (2, {"by the clip they are of": 2}, None)


def test_a_clip_with_a_gap_is_left_out_and_counted(tmp_path: Path) -> None:
    torn = clocked(AXES, 50.0, (0.0, 1.0), (2.0, 3.0), name="t")
    corpus = corpus_of(tmp_path, clip("a", 2.0), torn)
    report = moments(corpus, None, 4.0, placement="stretch").report()
    assert (report.moments, report.modalities["acc"].broken) == (1, 1)


def test_labels_of_clips_are_of_the_whole_clip(tmp_path: Path) -> None:
    mark = (Annotation(0.0, 1.9, label="clap"),)
    made = moments(corpus_of(tmp_path, clip("a", 2.0, annotations=mark)), None, 4.0, placement="stretch", purity=0.9)
    assert (made.classes, made.label.tolist()) == (("clap",), [0])


def test_windows_of_one_modality_of_clips_are_stretched(tmp_path: Path) -> None:
    made = moments(corpus_of(tmp_path, clip("a", 2.0), clip("b", 3.0)), None, 4.0, placement="stretch")
    windows = made.modality("skeleton")
    assert np.array_equal(windows.gather([0, 1]), made.gather([0, 1])["skeleton"])


def test_absolute_time_joins_no_clips(tmp_path: Path) -> None:
    both = [clip(n, 2.0).replace(start_unix_s=UNIX) for n in "ab"]
    assert len(moments(corpus_of(tmp_path, *both), None, 4.0, placement="stretch")) == 2
