"""The channels that no rotation of the sensor changes."""

from __future__ import annotations

import pytest
import torch

from kinelet.encoders.blocks import Magnitudes
from kinelet.encoders.registry import create_encoder
from kinelet.functional import rotate
from kinelet.signal.spec import SignalSpec, imu_spec


def test_the_length_of_each_sensor_is_appended() -> None:
    x = torch.tensor([[3.0, 4.0, 12.0, 1.0, 2.0, 2.0]])[:, :, None]
    assert Magnitudes(imu_spec(50.0, gyro=True))(x)[0, :, 0].tolist() == [3.0, 4.0, 12.0, 1.0, 2.0, 2.0, 12.0, 3.0]


def test_a_sensor_at_rest_reads_zero() -> None:
    x = torch.tensor([[0.0, 0.6, 0.8]])[:, :, None]
    assert float(Magnitudes(imu_spec(50.0))(x)[0, 3, 0]) == pytest.approx(0.0, abs=1e-6)


def test_where_gravity_is_taken_out_already_nothing_is_subtracted() -> None:
    x = torch.tensor([[0.0, 0.6, 0.8]])[:, :, None]
    assert float(Magnitudes(imu_spec(50.0, gravity=False))(x)[0, 3, 0]) == pytest.approx(1.0)


def test_rotations_do_not_change_them() -> None:
    spec, x = imu_spec(50.0, gyro=True), torch.randn(4, 6, 30)
    turned = rotate(x, torch.Generator().manual_seed(0))
    assert torch.allclose(Magnitudes(spec)(x)[:, 6:], Magnitudes(spec)(turned)[:, 6:], atol=1e-5)


def test_axes_are_found_by_name_in_any_order() -> None:
    spec = SignalSpec(
        rate_hz=50.0, channels=("gyr_z", "temp", "gyr_x", "gyr_y"), units=("rad/s", "C", "rad/s", "rad/s")
    )
    x = torch.tensor([[2.0, 99.0, 1.0, 2.0]])[:, :, None]
    assert float(Magnitudes(spec)(x)[0, 4, 0]) == pytest.approx(3.0)


@pytest.mark.parametrize("channels", [("hr",), ("acc_x", "acc_y")])
def test_signals_without_three_axes_get_none(channels: tuple[str, ...]) -> None:
    spec = SignalSpec(rate_hz=50.0, channels=channels, units=("1",) * len(channels))
    x = torch.randn(2, len(channels), 20)
    assert torch.equal(Magnitudes(spec)(x), x)


def test_the_gradient_at_rest_is_finite() -> None:
    x = torch.zeros(1, 3, 4, requires_grad=True)
    Magnitudes(imu_spec(50.0))(x).sum().backward()
    assert x.grad is not None and bool(torch.isfinite(x.grad).all())


def test_they_can_be_left_out() -> None:
    with_them, without = (create_encoder("resnet1d_small", magnitude=m) for m in (True, False))
    sizes = [sum(p.numel() for p in e.parameters()) for e in (with_them, without)]
    assert sizes[0] - sizes[1] == 7 * 32
