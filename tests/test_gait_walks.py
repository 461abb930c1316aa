"""Windows inside bouts, one vector a walk, and the rows that heads learn from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gait_tools import walker
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.gait.cut import cut_walks
from kinelet.gait.walks import Walks
from kinelet.signal.recording import Recording, Segment
from kinelet.signal.spec import imu_spec

SPEC = imu_spec(50.0, window_s=2.0)


def walks(*recordings: Recording, **options: object) -> Walks:
    return cut_walks(recordings, SPEC, name="made", **options)  # type: ignore[arg-type]


def ramp(rec: Recording) -> Recording:
    """Its samples replaced by their own time in seconds."""
    times = rec.times().astype(np.float32)
    return rec.replace(data=np.repeat(times[:, None], rec.data.shape[1], axis=1))


def test_windows_lie_inside_their_bout() -> None:
    found = cut_walks([ramp(walker("a", 1.0))], imu_spec(100.0, window_s=2.0), name="made")
    assert (found.x.min(), found.x.max()) == (pytest.approx(1.0), pytest.approx(10.99))


def test_windows_start_every_half_window() -> None:
    found = cut_walks([ramp(walker("a", 1.0))], imu_spec(100.0, window_s=2.0), name="made")
    np.testing.assert_allclose(found.x[:, 0, 0], np.arange(1.0, 9.01), atol=1e-5)


def test_hop_is_heeded() -> None:
    assert len(walks(walker("a", 1.0), hop_s=2.0).x) == 5


def test_recordings_are_adapted_and_it_is_told() -> None:
    found = walks(walker("a", 1.0, rate_hz=100.0))
    assert (found.x.shape[1:], found.changes) == ((3, 100), ("resampled from 100 to 50 Hz",))


def test_a_missing_channel_is_an_error() -> None:
    with pytest.raises(SpecMismatchError, match="gyr_x"):
        cut_walks([walker("a", 1.0)], imu_spec(50.0, gyro=True, window_s=2.0), name="made")


def test_no_window_crosses_a_gap() -> None:
    rec = ramp(walker("a", 1.0))
    cut = Recording(
        np.delete(rec.data, np.s_[500:600], axis=0),
        rec.spec,
        rec.subject,
        rec.name,
        segments=(Segment(0, 500, 0.0), Segment(500, 1100, 6.0)),
        annotations=rec.annotations,
    )
    x = cut_walks([cut], imu_spec(100.0, window_s=2.0), name="made").x[:, 0]
    np.testing.assert_allclose(np.diff(x, axis=1), 0.01, atol=1e-4)


def test_short_bouts_are_left_out_and_counted() -> None:
    found = walks(walker("a", 1.0), walker("b", 1.0, duration_s=4.2))
    assert (found.subjects, found.left_out) == (("a",), 1)


def test_only_short_bouts_is_an_error() -> None:
    with pytest.raises(BadOptionError, match="1 are shorter"):
        walks(walker("b", 1.0, duration_s=4.2))


def test_an_encoder_without_a_window_is_refused() -> None:
    with pytest.raises(BadOptionError, match="how long its windows are"):
        cut_walks([walker("a", 1.0)], imu_spec(50.0), name="made")


def test_mean_over_a_walk() -> None:
    found = walks(walker("a", 1.0), walker("b", 1.2, duration_s=8.0))
    vectors = np.random.default_rng(0).normal(size=(len(found.x), 3)).astype(np.float32)
    want = [vectors[found.bout == i].mean(axis=0) for i in range(2)]
    np.testing.assert_allclose(found.aggregate(vectors), want, atol=1e-6)


def test_spread_over_a_walk_stands_beside_the_mean() -> None:
    found = walks(walker("a", 1.0), walker("b", 1.2))
    vectors = np.random.default_rng(0).normal(size=(len(found.x), 3)).astype(np.float32)
    want = [np.r_[v.mean(axis=0), v.std(axis=0)] for v in (vectors[found.bout == i] for i in range(2))]
    np.testing.assert_allclose(found.aggregate(vectors, ("mean", "sd")), want, atol=1e-6)


@given(st.randoms(use_true_random=False))
def test_the_order_of_windows_does_not_matter(random: object) -> None:
    found = walks(walker("a", 1.0), walker("b", 1.2))
    order = np.random.default_rng(random.getrandbits(32)).permutation(len(found.x))  # type: ignore[attr-defined]
    vectors = np.random.default_rng(0).normal(size=(len(found.x), 2)).astype(np.float32)
    mixed = Walks("made", found.x[order], found.bout[order], found.bouts, found.signals, found.spec)
    np.testing.assert_allclose(mixed.aggregate(vectors[order]), found.aggregate(vectors), atol=1e-6)


def test_a_row_a_bout_that_has_the_target() -> None:
    found = walks(walker("a", 1.0), walker("b", 1.2), walker("c", 1.3))
    lost = {**found.bouts[1].targets, "cadence": float("nan")}
    object.__setattr__(found.bouts[1], "targets", lost)
    task = found.task("cadence", np.arange(3.0)[:, None])
    assert (task.x[:, 0].tolist(), task.people, task.y.tolist()) == (
        [0.0, 2.0],
        ("a", "c"),
        pytest.approx([120.0, 120 / 1.3]),
    )


def test_an_unknown_target_is_refused_with_those_there_are() -> None:
    found = walks(walker("a", 1.0))
    with pytest.raises(BadOptionError, match="stride_time"):
        found.task("age", np.zeros((1, 1)))


def test_the_data_set_qualifies_people() -> None:
    assert walks(walker("a", 1.0, meta={"dataset": "own"})).task("cadence", np.zeros((1, 1))).origins == ("own",)


@pytest.mark.parametrize(("other", "site"), [("lower_back", "lower_back"), ("wrist", None)])
def test_the_site_is_told_where_all_agree(other: str, site: str | None) -> None:
    rec = walker("b", 1.0)
    assert walks(walker("a", 1.0), rec.replace(spec=rec.spec.replace(site=other))).site == site
