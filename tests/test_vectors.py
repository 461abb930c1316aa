"""Vectors of length 1."""

from __future__ import annotations

import numpy as np
import pytest

from kinelet.vectors import unit


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
@pytest.mark.parametrize("shape", [(5,), (4, 5), (2, 3, 5)])
def test_vectors_of_any_kind_get_length_one(dtype: str, shape: tuple[int, ...]) -> None:
    x = (10 * np.random.default_rng(0).normal(size=shape)).astype(dtype)
    made = unit(x)
    assert made.dtype == np.float32 and made.shape == shape
    assert np.allclose(made * np.linalg.norm(x.astype(float), axis=-1, keepdims=True), x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e30])
def test_length_says_nothing(scale: float) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert np.allclose(unit(x * np.float32(scale)), unit(x), atol=1e-6)


def test_zero_stays_zero_and_nan_stays_nan() -> None:
    made = unit(np.array([[0.0, 0.0], [np.nan, 1.0], [0.0, 2.0]]))
    assert made[0].tolist() == [0.0, 0.0] and np.isnan(made[1]).all() and made[2].tolist() == [0.0, 1.0]


def test_what_was_given_is_left_alone() -> None:
    x = np.full((2, 2), 3.0, dtype=np.float32)
    unit(x)
    assert (x == 3.0).all()
