"""Each augmentation of amplitude and axes by the property that defines it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional import jitter, magnitude_warp, negate, rotate, scale, shuffle_axes
from kinelet.functional.augment_axes import random_quaternions, rotation_matrices
from kinelet.functional.curves import spline_basis


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def signal(batch: int = 16, channels: int = 6, time: int = 80) -> Tensor:
    return torch.randn(batch, channels, time, generator=seeded(99), dtype=torch.float64)


# --- jitter


def test_jitter_adds_noise_of_the_stated_spread() -> None:
    x = torch.zeros(200, 3, 200)
    assert float(jitter(x, seeded(), sigma=0.3).std()) == pytest.approx(0.3, rel=0.01)


def test_jitter_noise_is_white() -> None:
    y = jitter(torch.zeros(200, 3, 200), seeded(), sigma=1.0)
    assert abs(float((y[:, :, 1:] * y[:, :, :-1]).mean())) < 0.01


def test_jitter_takes_one_spread_a_sensor() -> None:
    y = jitter(torch.zeros(100, 6, 200), seeded(), sigma=(0.1, 2.0))
    assert y.std(dim=(0, 2)).tolist() == pytest.approx([0.1] * 3 + [2.0] * 3, rel=0.05)


def test_relative_jitter_follows_the_spread_of_each_row_and_channel() -> None:
    amplitude = torch.tensor([[1.0, 10.0, 0.0], [5.0, 0.5, 2.0]])[:, :, None]
    x = amplitude * torch.sin(torch.arange(20_000) / 7)
    noise = (jitter(x, seeded(), sigma=0.1, relative=True) - x).std(dim=2)
    assert torch.allclose(noise, 0.1 * x.std(dim=2), rtol=0.05)


def test_jitter_refuses_another_number_of_sensors() -> None:
    with pytest.raises(BadOptionError, match="3 values of sigma for 2 sensors"):
        jitter(signal(), seeded(), sigma=(1.0, 1.0, 1.0))


# --- scale


@pytest.mark.parametrize(
    ("mode", "shape"),
    [("per_channel", (16, 6, 1)), ("per_sensor", (16, 2, 1)), ("per_window", (16, 1, 1)), ("per_step", (16, 1, 80))],
)
def test_scale_varies_along_the_stated_axes_only(mode: str, shape: tuple[int, ...]) -> None:
    factor = scale(torch.ones(16, 6, 80), seeded(), mode=mode)  # type: ignore[arg-type]
    channels = [0, 3] if mode == "per_sensor" else range(shape[1])
    kept = factor[:, list(channels), : shape[2]]
    spread = kept.repeat_interleave(6 // shape[1], dim=1).expand(16, 6, 80)
    assert torch.equal(factor, spread) and kept.unique().numel() == math.prod(shape)


def test_scale_factors_have_the_stated_spread() -> None:
    factor = scale(torch.ones(20_000, 1, 1), seeded(), sigma=0.25)
    assert (float(factor.mean()), float(factor.std())) == pytest.approx((1.0, 0.25), abs=0.01)


# --- negate


def test_negate_twice_is_the_identity() -> None:
    x = signal()
    assert torch.equal(negate(negate(x, seeded()), seeded()), x)


def test_negate_changes_every_sign() -> None:
    assert torch.equal(negate(signal(), seeded()), -signal())


# --- magnitude warp


def test_magnitude_warp_is_a_spline_through_its_knots() -> None:
    factor = magnitude_warp(torch.ones(2, 3, 61, dtype=torch.float64), seeded(), sigma=0.2, knots=6)
    where = np.linspace(0, 60, 6)
    spline = CubicSpline(where, factor[..., ::12].numpy(), axis=-1)(np.arange(61))
    assert np.allclose(factor.numpy(), spline, atol=1e-5)


def test_magnitude_warp_differs_between_channels() -> None:
    factor = magnitude_warp(torch.ones(1, 6, 50), seeded())
    assert len({tuple(c.tolist()) for c in factor[0]}) == 6


def test_magnitude_warp_knots_have_the_stated_spread() -> None:
    factor = magnitude_warp(torch.ones(5000, 1, 51), seeded(), sigma=0.2, knots=6)[:, 0, ::10]
    assert torch.allclose(factor.std(dim=0), torch.full((6,), 0.2), atol=0.01)


def test_without_spread_magnitude_warp_is_the_identity() -> None:
    x = signal()
    assert torch.allclose(magnitude_warp(x, seeded(), sigma=0.0), x, atol=1e-6)


@pytest.mark.parametrize(("knots", "samples"), [(4, 4), (6, 250), (10, 11)])
def test_spline_basis_reproduces_cubic_polynomials(knots: int, samples: int) -> None:
    t = torch.arange(samples, dtype=torch.float64) / (samples - 1)
    at_knots = torch.linspace(0, 1, knots, dtype=torch.float64)
    cubic = lambda u: 1 - 2 * u + 3 * u**2 - u**3  # noqa: E731
    assert torch.allclose(cubic(at_knots) @ spline_basis(knots, samples, t).double(), cubic(t), atol=1e-5)


# --- rotation


def vectors(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[:, :3], x[:, 3:]


@pytest.mark.parametrize("angle", [None, 30.0, 180.0])
def test_rotation_keeps_the_length_of_every_vector(angle: float | None) -> None:
    x = signal()
    y = rotate(x, seeded(), max_angle_deg=angle)
    for a, b in zip(vectors(x), vectors(y), strict=True):
        assert torch.allclose(a.norm(dim=1), b.norm(dim=1), atol=1e-5)


@pytest.mark.parametrize("angle", [None, 30.0])
def test_rotation_keeps_the_angle_between_accelerometer_and_gyroscope(angle: float | None) -> None:
    (a, b), (c, d) = vectors(signal()), vectors(rotate(signal(), seeded(), max_angle_deg=angle))
    assert torch.allclose((a * b).sum(1), (c * d).sum(1), atol=1e-4)


def test_rotation_keeps_handedness() -> None:
    (a, b), (c, d) = vectors(signal()), vectors(rotate(signal(), seeded()))
    third = torch.linalg.cross(a, b, dim=1)
    both = rotate(torch.cat([a, b], 1), seeded())
    turned = rotate(torch.cat([third, third], 1), seeded())[:, :3]
    assert torch.allclose(torch.linalg.cross(c, d, dim=1), turned, atol=1e-4) and torch.equal(both[:, :3], c)


@pytest.mark.parametrize("angle", [None, 45.0])
def test_matrices_are_rotations(angle: float | None) -> None:
    R = rotation_matrices(random_quaternions(torch.zeros(500, 3, 1), seeded(), angle)).double()
    off = (R.transpose(1, 2) @ R - torch.eye(3)).abs().max()
    assert max(float(off), float((torch.linalg.det(R) - 1).abs().max())) < 1e-5


def angles(max_angle_deg: float | None, n: int = 20_000) -> Tensor:
    R = rotation_matrices(random_quaternions(torch.zeros(n, 3, 1), seeded(), max_angle_deg))
    trace = R.diagonal(dim1=1, dim2=2).sum(1)
    return torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())


def test_uniform_rotations_turn_by_126_degrees_on_average() -> None:
    assert float(angles(None).mean()) == pytest.approx(126.5, abs=1.0)


def test_uniform_rotations_take_a_vector_anywhere_alike() -> None:
    x = torch.tensor([0.0, 0.0, 1.0]).expand(20_000, 3)[:, :, None]
    y = rotate(x, seeded())[:, :, 0]
    # On a uniform sphere every coordinate is uniform between -1 and 1.
    assert torch.allclose(
        torch.quantile(y, torch.tensor([0.1, 0.5, 0.9]), dim=0).T, torch.tensor([-0.8, 0.0, 0.8]), atol=0.03
    )


def test_limited_rotations_have_uniform_angles_within_the_limit() -> None:
    found = angles(40.0)
    assert float(found.max()) <= 40.1 and float(found.mean()) == pytest.approx(20.0, abs=0.5)


def test_one_rotation_serves_the_whole_window() -> None:
    still = torch.randn(4, 6, 1, generator=seeded(7)).expand(4, 6, 50)
    assert torch.allclose(rotate(still, seeded()).std(dim=2), torch.zeros(4, 6), atol=1e-5)


def test_rotation_equals_the_quaternion_product() -> None:
    q, v = torch.nn.functional.normalize(torch.randn(1, 4, generator=seeded()), dim=1), torch.randn(3)

    def times(a: list[float], b: list[float]) -> list[float]:
        w, x, y, z = a
        s, i, j, k = b
        return [
            w * s - x * i - y * j - z * k,
            w * i + x * s + y * k - z * j,
            w * j - x * k + y * s + z * i,
            w * k + x * j - y * i + z * s,
        ]

    w, x, y, z = q[0].tolist()
    want = times(times([w, x, y, z], [0.0, *v.tolist()]), [w, -x, -y, -z])[1:]
    assert (rotation_matrices(q)[0] @ v).tolist() == pytest.approx(want, abs=1e-5)


# --- order of axes


def test_shuffling_keeps_the_axes_of_each_sensor() -> None:
    x = signal()
    y = shuffle_axes(x, seeded())
    for a, b in zip(vectors(x), vectors(y), strict=True):
        assert torch.equal(a.sort(dim=1).values, b.sort(dim=1).values)


def test_shuffling_does_the_same_to_both_sensors() -> None:
    x = signal(channels=3).repeat(1, 2, 1)
    a, b = vectors(shuffle_axes(x, seeded()))
    assert torch.equal(a, b)


def orders(allow_identity: bool) -> dict[tuple[float, ...], int]:
    x = torch.arange(3.0).expand(6000, 3)[:, :, None]
    y = shuffle_axes(x, seeded(), allow_identity=allow_identity)[:, :, 0]
    values, counts = y.unique(dim=0, return_counts=True)
    return {tuple(v): int(c) for v, c in zip(values.tolist(), counts, strict=True)}


def test_the_order_that_changes_nothing_is_left_out() -> None:
    assert len(orders(allow_identity=False)) == 5 and (0.0, 1.0, 2.0) not in orders(allow_identity=False)


def test_all_six_orders_are_equally_likely_where_allowed() -> None:
    found = orders(allow_identity=True)
    assert len(found) == 6 and min(found.values()) > 850
