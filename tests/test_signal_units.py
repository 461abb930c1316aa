"""Units and their conversion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinelet.errors import SpecMismatchError
from kinelet.signal import convert
from kinelet.signal.units import canonical_unit, quantity, unit_factor

ACCELERATION = ["g", "mg", "m/s^2"]
ANGULAR = ["rad/s", "deg/s"]


@pytest.mark.parametrize(
    ("value", "have", "want", "expected"),
    [
        (9.80665, "m/s^2", "g", 1.0),
        (1.0, "g", "m/s^2", 9.80665),
        (250.0, "mg", "g", 0.25),
        (9.80665, "m/s^2", "mg", 1000.0),
        (180.0, "deg/s", "rad/s", math.pi),
        (math.pi / 2, "rad/s", "deg/s", 90.0),
    ],
)
def test_known_values(value: float, have: str, want: str, expected: float) -> None:
    assert convert([value], have, want)[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("spelling", ["m/s2", "m/s²", "m/s/s", "ms^-2", " m/s^2 "])
def test_spellings_of_metres_per_second_squared(spelling: str) -> None:
    assert canonical_unit(spelling) == "m/s^2"


@pytest.mark.parametrize("spelling", ["dps", "°/s"])
def test_spellings_of_degrees_per_second(spelling: str) -> None:
    assert unit_factor(spelling, "rad/s") == pytest.approx(math.pi / 180)


@given(st.sampled_from(ACCELERATION), st.sampled_from(ACCELERATION), st.floats(-100, 100, width=32))
def test_there_and_back_is_where_it_was(a: str, b: str, x: float) -> None:
    assert convert(convert([x], a, b), b, a)[0] == pytest.approx(x, rel=1e-5, abs=1e-30)


@given(st.sampled_from(ACCELERATION + ANGULAR), st.sampled_from(ACCELERATION + ANGULAR))
def test_factors_are_inverse_or_refused(a: str, b: str) -> None:
    if (a in ACCELERATION) != (b in ACCELERATION):
        with pytest.raises(SpecMismatchError):
            unit_factor(a, b)
    else:
        assert unit_factor(a, b) * unit_factor(b, a) == pytest.approx(1.0)


def test_unknown_unit_is_named() -> None:
    with pytest.raises(SpecMismatchError, match="'furlong'"):
        convert([1.0], "furlong", "g")


def test_the_same_unknown_unit_needs_no_conversion() -> None:
    assert convert([36.6], "degC", "degC")[0] == np.float32(36.6)


def test_result_is_float32_of_the_same_shape() -> None:
    out = convert(np.zeros((4, 3), dtype=np.int16), "mg", "g")
    assert (out.dtype, out.shape) == (np.float32, (4, 3))


@pytest.mark.parametrize(
    ("unit", "answer"), [("g", "acceleration"), ("m/s²", "acceleration"), ("dps", "angular rate"), ("degC", None)]
)
def test_quantity(unit: str, answer: str | None) -> None:
    assert quantity(unit) == answer
