"""When the sensor was not worn."""

from __future__ import annotations

import numpy as np
import pytest

from kinelet.errors import SpecMismatchError
from kinelet.signal import Recording, Segment, SignalSpec, assess_wear, imu_spec, nonwear

RATE = 2.0  # the rule knows nothing of movement: a low rate keeps the tests quick
HOUR = 3600.0


def day(*parts: tuple[str, float], rate: float = RATE, seed: int = 0) -> Recording:
    """Hours of ``worn``, ``off`` (sensor noise of 2 mg) or ``asleep`` (still, but turning over every ten minutes)."""
    rng = np.random.default_rng(seed)
    pieces = []
    for kind, hours in parts:
        n = round(hours * HOUR * rate)
        x = rng.normal(0, {"worn": 0.2, "off": 0.002, "asleep": 0.004}[kind], (n, 3))
        if kind == "asleep":
            x += np.repeat(rng.normal(0, 0.4, (n // round(600 * rate) + 1, 3)), round(600 * rate), axis=0)[:n]
        pieces.append(x + np.array([0, 0, 1]))
    return Recording(np.concatenate(pieces).astype(np.float32), imu_spec(rate), "P1", "day")


def test_worn_all_the_time() -> None:
    assert nonwear(day(("worn", 6))) == ()


def test_never_worn() -> None:
    assert nonwear(day(("off", 6))) == ((0.0, 6 * HOUR),)


def test_taken_off_between() -> None:
    assert nonwear(day(("worn", 4), ("off", 3), ("worn", 4))) == ((4 * HOUR, 7 * HOUR),)


def test_edges_are_found_to_the_step_of_15_minutes() -> None:
    ((start, stop),) = nonwear(day(("worn", 4.1), ("off", 3), ("worn", 4)))
    assert (start, stop) == (4.25 * HOUR, 7.0 * HOUR)


def test_sleep_with_turns_is_wear() -> None:
    assert nonwear(day(("worn", 2), ("asleep", 7), ("worn", 2))) == ()


def test_half_an_hour_off_is_too_short_to_tell() -> None:
    assert nonwear(day(("worn", 2), ("off", 0.5), ("worn", 2))) == ()


def test_one_moving_axis_is_not_wear() -> None:
    """Two of three axes decide, so that a single noisy axis does not."""
    rec = day(("off", 3))
    rec.data[:, 0] += np.random.default_rng(1).normal(0, 0.2, len(rec.data)).astype(np.float32)
    assert nonwear(rec) == ((0.0, 3 * HOUR),)


def test_two_moving_axes_are_wear() -> None:
    rec = day(("off", 3))
    rec.data[:, :2] += np.random.default_rng(1).normal(0, 0.2, (len(rec.data), 2)).astype(np.float32)
    assert nonwear(rec) == ()


def test_a_small_range_alone_is_enough() -> None:
    """A square wave of 40 mg has a standard deviation of 20 mg, but a range below 50 mg."""
    rec = day(("off", 2))
    rec.data[::2] += np.float32(0.04)
    rec.data[:] = np.round(rec.data / 0.04) * np.float32(0.04)
    assert nonwear(rec) == ((0.0, 2 * HOUR),)


def test_short_recordings_are_unknown() -> None:
    wear = assess_wear(day(("off", 0.9)))
    assert (wear.known, wear.nonwear, wear.wear_s, wear.remark) == (False, (), None, "shorter than 60 min")


def test_wear_time_is_what_is_left() -> None:
    assert assess_wear(day(("worn", 4), ("off", 3), ("worn", 4))).wear_s == pytest.approx(8 * HOUR)


def test_gaps_are_neither_worn_nor_judged() -> None:
    rec = day(("worn", 2), ("off", 2), ("worn", 2))
    cut = round(3 * HOUR * RATE)
    rec = rec.replace(segments=(Segment(0, cut, 0.0), Segment(cut, len(rec.data), 13 * HOUR)))
    wear = assess_wear(rec)
    # A window reaches into the gap as far as two thirds of it are covered.
    assert wear.nonwear == ((2 * HOUR, 3.25 * HOUR), (12.75 * HOUR, 14 * HOUR))
    assert wear.wear_s == pytest.approx(4 * HOUR)


def test_mostly_gaps_are_unknown() -> None:
    """Five minutes an hour cover no window by two thirds."""
    n = round(300 * RATE)
    segments = tuple(Segment(i * n, (i + 1) * n, i * HOUR) for i in range(6))
    wear = assess_wear(day(("worn", 0.5)).replace(segments=segments))
    assert (wear.known, wear.remark) == (False, "no 60 min with samples for two thirds of them")


def test_units_are_converted_first() -> None:
    rec = day(("worn", 2), ("off", 3))
    metres = rec.replace(
        data=rec.data * np.float32(9.80665),
        spec=SignalSpec(rate_hz=RATE, channels=rec.spec.channels, units=("m/s^2",) * 3),
    )
    assert nonwear(metres) == nonwear(rec)


def test_an_irregular_clock_gives_the_same_answer() -> None:
    rec = day(("worn", 2), ("off", 3))
    assert nonwear(rec.replace(time_s=rec.times())) == nonwear(rec)


def test_other_sensors_are_refused() -> None:
    spec = SignalSpec(rate_hz=RATE, channels=("bvp",), units=("raw",))
    with pytest.raises(SpecMismatchError, match="three-axis"):
        nonwear(Recording(np.zeros((10, 1), dtype=np.float32), spec, "P1", "bvp"))
