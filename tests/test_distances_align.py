"""Turning windows upright, and forgiving rotations of what was rebuilt."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinelet.distances.align import error, gravity_rotation, prepare, procrustes_error, restore
from kinelet.distances.config import DistanceOptions
from motif_formulas import moving

GRAVITY = DistanceOptions(align="gravity")
every_type = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
unit = st.floats(-1, 1).filter(lambda v: v == 0 or abs(v) > 1e-9)


def rotations(n: int, seed: int = 0) -> Tensor:
    """Uniform rotations ``(n, 3, 3)``, from unit quaternions."""
    g = torch.Generator().manual_seed(seed)
    w, x, y, z = torch.nn.functional.normalize(torch.randn(n, 4, generator=g, dtype=torch.float64), dim=1).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(r, dim=1) for r in rows], dim=1)


def about_z(angle: float) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)


# --- gravity


@every_type
def test_the_mean_ends_on_z(dtype: torch.dtype) -> None:
    x = moving(50).to(dtype)
    mean = prepare(x, GRAVITY).x.mean(dim=2)
    wanted = torch.zeros_like(mean)
    wanted[:, 2] = x.mean(dim=2).norm(dim=1)
    torch.testing.assert_close(mean, wanted, rtol=0, atol=2e-6)


@every_type
def test_the_norm_of_each_sample_is_kept(dtype: torch.dtype) -> None:
    x = moving(50).to(dtype)
    torch.testing.assert_close(prepare(x, GRAVITY).x.norm(dim=1), x.norm(dim=1), rtol=2e-6, atol=0)


@settings(max_examples=100, deadline=None)
@given(unit, unit, unit)
def test_whatever_the_mean_the_result_is_a_rotation(x: float, y: float, z: float) -> None:
    turn = gravity_rotation(torch.tensor([[x, y, z]], dtype=torch.float64))[0]
    torch.testing.assert_close(turn @ turn.T, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-9)
    assert float(turn.det()) == pytest.approx(1.0)


@pytest.mark.parametrize("tilt", [0.0, 1e-6, 1e-3, 0.5])
def test_windows_upside_down_keep_their_digits(tilt: float) -> None:
    mean = torch.tensor([[math.sin(tilt), 0.0, -math.cos(tilt)]])
    turn = gravity_rotation(mean)[0]
    torch.testing.assert_close(turn @ mean[0], torch.tensor([0.0, 0.0, 1.0]), rtol=0, atol=1e-6)
    torch.testing.assert_close(turn @ turn.T, torch.eye(3), rtol=0, atol=1e-6)


def test_it_is_the_smallest_rotation() -> None:
    mean = moving(20).mean(dim=2)
    angle = torch.arccos((gravity_rotation(mean).diagonal(dim1=1, dim2=2).sum(1) - 1) / 2)
    torch.testing.assert_close(angle, torch.arccos(mean[:, 2] / mean.norm(dim=1)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("norm", "turned"), [(0.29, False), (0.31, True), (0.0, False)])
def test_without_gravity_a_window_is_left_alone(norm: float, turned: bool) -> None:
    turn = gravity_rotation(torch.tensor([[norm, 0.0, 0.0]]))[0]
    assert torch.equal(turn, torch.eye(3)) is not turned


def test_a_turned_copy_differs_by_a_heading_alone() -> None:
    x = moving(10)
    a, b = prepare(x, GRAVITY).x, prepare(rotations(10) @ x, GRAVITY).x
    for one, other in zip(a, b, strict=True):
        # The best heading in closed form: the angle of the sum of conjugate products of horizontal samples.
        flat, turned = (torch.complex(w[0], w[1]) for w in (one, other))
        heading = float(torch.angle((turned * flat.conj()).sum()))
        torch.testing.assert_close(about_z(heading) @ one, other, rtol=0, atol=1e-4)


# --- procrustes


@every_type
def test_a_turned_anchor_is_forgiven_entirely(dtype: torch.dtype) -> None:
    a = moving(20)
    left = procrustes_error((rotations(20) @ a).to(dtype), a.to(dtype))
    assert float((left / a.square().sum(dim=(1, 2))).max()) < 1e-6


def test_it_is_never_above_the_plain_error() -> None:
    y, a = moving(50), moving(50, seed=1)
    assert (procrustes_error(y, a) <= (y - a).square().sum(dim=(1, 2)) + 1e-9).all()


def test_no_random_rotation_does_better() -> None:
    y, a = moving(3), moving(3, seed=1)
    for one, other, best in zip(y, a, procrustes_error(y, a), strict=True):
        errors = [(turned - other).square().sum(dim=(1, 2)).min() for turned in (rotations(10_000) @ one).split(2000)]
        assert float(best) <= float(min(errors)) * (1 + 1e-9)


def test_the_best_rotation_attains_it() -> None:
    y, a = moving(1)[0], moving(1, seed=1)[0]
    u, _, vh = np.linalg.svd((a @ y.T).numpy())
    turn = u @ np.diag([1, 1, np.linalg.det(u @ vh)]) @ vh
    wanted = ((turn @ y.numpy() - a.numpy()) ** 2).sum()
    assert float(procrustes_error(y[None], a[None])[0]) == pytest.approx(wanted, rel=1e-9)


def test_a_mirrored_anchor_is_not_forgiven() -> None:
    a = moving(20) - moving(20).mean(dim=2, keepdim=True)
    mirrored = a * torch.tensor([-1.0, 1.0, 1.0])[:, None]
    assert float((procrustes_error(mirrored, a) / a.square().sum(dim=(1, 2))).min()) > 1e-3


def test_windows_without_motion_are_no_trouble() -> None:
    assert procrustes_error(torch.zeros(2, 3, 8), torch.ones(2, 3, 8)).tolist() == pytest.approx([24.0, 24.0])


def test_split_turns_the_motion_and_keeps_the_offset() -> None:
    a = moving(5)
    y = rotations(5) @ (a - a.mean(dim=2, keepdim=True)) + torch.tensor([0.5, 0.0, 0.0], dtype=torch.float64)[:, None]
    options = DistanceOptions(align="procrustes", offset="split", offset_weight=2.0)
    wanted = 2 * 256 * (y.mean(dim=2) - a.mean(dim=2)).square().sum(dim=1)
    torch.testing.assert_close(error(y, a, options), wanted, rtol=1e-6, atol=1e-6)


# --- there and back


@pytest.mark.parametrize(
    "options",
    [{}, {"offset": "remove"}, {"offset": "remove", "amplitude": "own"}, {"align": "gravity", "offset": "remove"}],
    ids=str,
)
def test_what_was_taken_off_is_put_back(options: dict[str, str]) -> None:
    x = moving(5)
    prepared = prepare(x, DistanceOptions.model_validate(options))
    torch.testing.assert_close(restore(prepared.x, prepared), x, rtol=1e-10, atol=1e-10)


def test_own_amplitude_has_a_floor() -> None:
    x = (
        torch.randn(4, 3, 64, generator=torch.Generator().manual_seed(0))
        * torch.tensor([1e-6, 0.01, 0.1, 1.0])[:, None, None]
    )
    prepared = prepare(x, DistanceOptions(offset="remove", amplitude="own"))
    size = prepared.x.square().mean(dim=(1, 2)).sqrt()
    assert prepared.sd[:2].tolist() == pytest.approx([0.02, 0.02]) and size[2:].tolist() == pytest.approx([1.0, 1.0])
    assert size[0] < 1e-3
