"""Gait numbers from foot events, against examples worked by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gait_tools import feet, walker
from kinelet.errors import BadOptionError
from kinelet.gait.bouts import walking_bouts
from kinelet.gait.events import UNITS, Swing, bout_targets, step_targets, strides
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec

# Worked by hand. Left strikes at 1.0, 2.1, 3.3; right at 1.55, 2.7.
LEFT = [Swing(0.6, 1.0), Swing(1.68, 2.1), Swing(2.82, 3.3)]
RIGHT = [Swing(1.13, 1.55), Swing(2.24, 2.7)]
# Left stride 1: 1.0 to 2.1; both feet down 1.0-1.13 and 1.55-1.68: 0.13 + 0.13.
# Left stride 2: 2.1 to 3.3; 2.1-2.24 and 2.7-2.82: 0.14 + 0.12. Right stride: 1.55 to 2.7; 0.13 + 0.14.
WORKED = {
    "stride_time": (1.1 + 1.2 + 1.15) / 3,
    "swing_time": (0.42 + 0.48 + 0.46) / 3,
    "stance_time": (0.68 + 0.72 + 0.69) / 3,
    "stance_share": (0.68 / 1.1 + 0.72 / 1.2 + 0.69 / 1.15) / 3,
    "double_support_time": (0.26 + 0.26 + 0.27) / 3,
    "double_support_share": (0.26 / 1.1 + 0.26 / 1.2 + 0.27 / 1.15) / 3,
    "cadence": 120 / 1.15,
}


@pytest.mark.parametrize("name", WORKED)
def test_worked_example(name: str) -> None:
    assert bout_targets(LEFT, RIGHT)[name] == pytest.approx(WORKED[name], abs=1e-12)


def test_every_target_has_a_unit() -> None:
    assert set(bout_targets(LEFT, RIGHT)) <= set(UNITS)


def test_a_stride_runs_from_strike_to_strike() -> None:
    assert [(s.start_s, s.stop_s) for s in strides(LEFT, RIGHT)] == [(1.0, 2.1), (2.1, 3.3)]


def test_feet_may_be_swapped() -> None:
    assert bout_targets(LEFT, RIGHT) == pytest.approx(bout_targets(RIGHT, LEFT))


def test_strides_that_leave_the_bout_do_not_count() -> None:
    assert bout_targets(LEFT, RIGHT, 0.0, 2.75)["stride_time"] == pytest.approx((1.1 + 1.15) / 2)


def test_one_stride_tells_nothing() -> None:
    assert math.isnan(bout_targets(LEFT, RIGHT, 0.0, 2.5)["stride_time"])


def test_a_missed_swing_of_the_other_foot_leaves_double_support_unknown() -> None:
    found = [s.double_support_s for s in strides(LEFT, RIGHT[:1])]
    assert found[0] == pytest.approx(0.26) and math.isnan(found[1])


def test_a_missed_swing_does_not_touch_the_stride_time() -> None:
    assert [s.time_s for s in strides(LEFT, [])] == pytest.approx([1.1, 1.2])


def test_swings_that_overlap_are_not_counted_twice() -> None:
    run = next(strides([Swing(0.0, 1.0), Swing(1.2, 2.0)], [Swing(1.1, 1.3)]))
    assert run.double_support_s == pytest.approx(1.0 - 0.9)


def test_events_out_of_order_are_refused() -> None:
    with pytest.raises(BadOptionError, match="not in time order"):
        list(strides([Swing(1.0, 1.4), Swing(0.2, 0.6)], RIGHT))


@given(st.floats(0.8, 2.0), st.floats(0.3, 0.45), st.integers(4, 12), st.floats(0, 100))
def test_an_even_walk(stride: float, share: float, n: int, start: float) -> None:
    found = bout_targets(*feet(stride, share * stride, n, start))
    assert (found["stride_time"], found["stance_share"], found["double_support_share"]) == pytest.approx(
        (stride, 1 - share, 1 - 2 * share), abs=1e-6
    )


@given(st.floats(0.8, 2.0), st.floats(0.3, 0.45))
def test_swing_and_stance_make_a_stride(stride: float, share: float) -> None:
    found = bout_targets(*feet(stride, share * stride, 6))
    assert found["swing_time"] + found["stance_time"] == pytest.approx(found["stride_time"])


def test_steps_of_both_feet() -> None:
    assert step_targets([0.5, 1.0, 1.5, 2.0]) == {"steps": 4.0, "cadence": pytest.approx(120.0)}


def test_steps_need_not_be_sorted() -> None:
    assert step_targets([2.0, 0.5, 1.5, 1.0])["cadence"] == pytest.approx(120.0)


def test_two_steps_have_no_cadence() -> None:
    assert math.isnan(step_targets([0.5, 1.0])["cadence"])


def recording(*annotations: Annotation, **meta: object) -> Recording:
    return Recording(np.ones((1000, 3), np.float32), imu_spec(100.0), "a", "a-1", annotations=annotations, meta=meta)


def test_bouts_of_swings() -> None:
    [bout] = walking_bouts(walker("a", 1.2))
    assert (bout.start_s, bout.stop_s, bout.targets["stride_time"]) == (1.0, 11.0, pytest.approx(1.2))


def test_turns_are_no_bout() -> None:
    rec = walker("a", 1.0)
    turn = Annotation(5.0, 6.0, label="turning")
    walks = [Annotation(1.0, 5.0, label="walking"), Annotation(6.0, 11.0, label="walking")]
    swings = [a for a in rec.annotations if a.track == "swing"]
    assert [b.duration_s for b in walking_bouts(rec.replace(annotations=(turn, *walks, *swings)))] == [4.0, 5.0]


def test_bout_of_steps_runs_from_the_first_to_the_last() -> None:
    steps = [Annotation(t, t + 0.1, label=f"foot{i % 2}", track="step") for i, t in enumerate((1.0, 1.6, 2.2, 2.8))]
    [bout] = walking_bouts(recording(*reversed(steps)))
    assert (bout.start_s, bout.stop_s, bout.targets) == (1.0, 2.8, {"steps": 4.0, "cadence": pytest.approx(100.0)})


def laboratory() -> Recording:
    return recording(
        Annotation(1.0, 5.0, label="walking"),
        Annotation(1.0, 5.0, value=1.3, track="walking_speed"),
        Annotation(1.0, 4.0, value=9.9, track="stride_length"),
        Annotation(1.0, 5.0, value=7.0, track="heart_rate"),
        Annotation(1.0, 5.0, label="walking", track="activity_other"),
        Annotation(1.0, 5.0, value=1.2, track="walking_speed_other"),
    )


def test_values_count_for_the_very_bout_they_are_annotated_on() -> None:
    assert [dict(b.targets) for b in walking_bouts(laboratory())] == [{"walking_speed": 1.3}]


def test_reference_systems_are_kept_apart() -> None:
    assert [dict(b.targets) for b in walking_bouts(laboratory(), system="_other")] == [{"walking_speed": 1.2}]


def test_nothing_annotated_nothing_found() -> None:
    assert walking_bouts(recording()) == ()


def test_the_person_is_known_from_the_recording() -> None:
    rec = walker("a", 1.0, meta={"Age": 75, "Height": 163.0, "device": "x"})
    assert walking_bouts(rec)[0].person == {"age": 75.0, "height": 163.0}


def test_voisard_targets_are_those_of_healthy_people(shared_data: Path) -> None:
    from test_gait_real import benchmark

    bouts = [b for rec in benchmark().voisard(shared_data) for b in walking_bouts(rec)]
    means = {name: float(np.mean([b.targets[name] for b in bouts])) for name in bouts[0].targets}
    assert len(bouts) == 160
    assert 0.9 < means["stride_time"] < 1.3 and 0.58 < means["stance_share"] < 0.65
    assert means["double_support_share"] == pytest.approx(2 * means["stance_share"] - 1, abs=0.01)
