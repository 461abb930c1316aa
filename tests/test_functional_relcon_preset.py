"""The eight transforms of the motif distance's training, and the published variants of two of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional import PRESETS, Compose, augmentations, permute, rotate, time_warp
from kinelet.functional.augment import Augmentation, Negate, Permute, Rotate, TimeWarp
from kinelet.functional.augment_axes import random_quaternions, rotation_matrices
from kinelet.functional.augment_time import warp_positions
from kinelet.functional.draws import normal

KINDS = ["jitter", "scale", "rotate", "negate", "reverse", "shuffle_axes", "permute", "time_warp"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramp(batch: int, time: int, channels: int = 3) -> Tensor:
    return torch.arange(time, dtype=torch.float64).expand(batch, channels, time)


class Digit(Negate):
    """Writes its own digit behind the number it finds, so that the result says what was applied in which order."""

    digit: int = 0

    def apply(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return 10 * x + self.digit


@pytest.fixture(scope="module")
def applied() -> list[tuple[int, int]]:
    """The two steps of each of 40,000 rows, as pairs in the order of application."""
    steps = [Digit(digit=i + 1) for i in range(len(PRESETS["relcon"]))]
    y = Compose(steps, choose=2)(torch.zeros(40_000, 1, 1), seeded()).flatten().int()
    return [divmod(int(v), 10) for v in y]


@pytest.mark.parametrize("name", ["relcon", "relcon_reference"])
def test_the_preset_has_the_eight_transforms_always_applied(name: str) -> None:
    steps = augmentations(name)
    assert [s.kind for s in steps] == KINDS and all(s.p == 1 for s in steps)


def test_every_row_gets_exactly_two_different_transforms(applied: list[tuple[int, int]]) -> None:
    assert all(1 <= a <= 8 and 1 <= b <= 8 and a != b for a, b in applied)


def test_each_transform_takes_part_in_a_quarter_of_the_rows(applied: list[tuple[int, int]]) -> None:
    shares = [sum(k in pair for pair in applied) / len(applied) for k in range(1, 9)]
    assert shares == pytest.approx([0.25] * 8, abs=0.02)


def test_both_orders_of_every_pair_are_equally_likely(applied: list[tuple[int, int]]) -> None:
    counts = [applied.count(pair) for pair in itertools.permutations(range(1, 9), 2)]
    assert counts == pytest.approx([len(applied) / 56] * 56, rel=0.2)


@pytest.mark.parametrize("name", ["relcon", "relcon_reference"])
def test_same_seed_same_output(name: str) -> None:
    x, pipeline = torch.randn(64, 3, 128, generator=seeded(1)), Compose(augmentations(name), choose=2)
    assert torch.equal(pipeline(x, seeded(2)), pipeline(x, seeded(2)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_type_and_shape_are_kept(dtype: torch.dtype) -> None:
    x = torch.randn(64, 6, 128, generator=seeded(1)).to(dtype)
    y = Compose(augmentations("relcon"), choose=2)(x, seeded())
    assert y.dtype == dtype and y.shape == x.shape


def test_every_row_is_changed() -> None:
    x = torch.randn(512, 3, 128, generator=seeded(1))
    y = Compose(augmentations("relcon"), choose=2)(x, seeded())
    assert bool((x != y).flatten(1).any(dim=1).all())


# --- rotation about axes of a cube


def cube_matrices(n: int) -> Tensor:
    return rotation_matrices(random_quaternions(torch.zeros(n, 3, 1), seeded(), 180.0, "cube")).double()


def test_matrices_about_axes_of_a_cube_are_rotations() -> None:
    R = cube_matrices(500)
    eye = torch.eye(3, dtype=torch.float64).expand_as(R)
    assert torch.allclose(R.mT @ R, eye, atol=1e-5) and torch.allclose(torch.linalg.det(R), torch.ones(500).double())


def test_published_rotations_turn_by_90_degrees_on_average() -> None:
    cosine = (cube_matrices(20_000).diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
    assert float(cosine.clamp(-1, 1).arccos().rad2deg().mean()) == pytest.approx(90, abs=2)


def test_axes_of_a_cube_prefer_its_diagonals() -> None:
    # |x| + |y| + |z| of a unit vector: 1.5 on average over the sphere, √3 on a diagonal. Integrated over the cube with
    # 10⁷ points: 1.5467.
    q = random_quaternions(torch.zeros(200_000, 3, 1), seeded(), 180.0, "cube")
    axis = torch.nn.functional.normalize(q[:, 1:], dim=1)
    assert float(axis.abs().sum(dim=1).mean()) == pytest.approx(1.5467, abs=0.005)


def test_an_axis_of_a_cube_needs_a_limit() -> None:
    with pytest.raises(BadOptionError, match="max_angle_deg"):
        rotate(torch.zeros(1, 3, 4), seeded(), axis="cube")


def test_an_axis_of_a_cube_needs_a_limit_in_a_recipe() -> None:
    with pytest.raises(BadOptionError, match="needs max_angle_deg"):
        augmentations([{"kind": "rotate", "axis": "cube"}])


# --- pieces that change places


def naive_pieces(time: int, cuts: list[int]) -> list[list[int]]:
    edges = [0, *sorted(cuts), time]
    return [list(range(a, b)) for a, b in itertools.pairwise(edges) if a < b]


def test_repeated_cuts_make_orders_that_the_definition_makes() -> None:
    # Three samples, two cuts in 0..2 with repetition: compare the distribution of orders with full enumeration.
    want: dict[tuple[int, ...], float] = {}
    for cuts in itertools.product(range(3), repeat=2):
        pieces = naive_pieces(3, list(cuts))
        orders = list(itertools.permutations(pieces))
        for order in orders:
            key = tuple(t for piece in order for t in piece)
            want[key] = want.get(key, 0.0) + 1 / 9 / len(orders)
    y = permute(ramp(60_000, 3, 1), seeded(), segments=3, distinct=False)[:, 0].int().tolist()
    seen = {key: sum(tuple(row) == key for row in y) / len(y) for key in want}
    assert seen == pytest.approx(want, abs=0.01)


@pytest.mark.parametrize("segments", [2, 4])
def test_without_identity_every_row_changes(segments: int) -> None:
    y = permute(ramp(3000, 40), seeded(), segments=segments, allow_identity=False)
    assert bool((y != ramp(3000, 40)).flatten(1).any(dim=1).all())


def test_without_identity_no_sample_is_lost() -> None:
    y = permute(ramp(500, 40), seeded(), segments=4, allow_identity=False)
    assert torch.equal(y.sort(dim=2).values, ramp(500, 40))


# --- warps


def test_the_warp_equals_the_definition_written_with_loops() -> None:
    steps = augmentations("relcon")
    warp = next(s for s in steps if isinstance(s, TimeWarp))
    x = torch.randn(4, 3, 64, generator=seeded(1), dtype=torch.float64)
    y = warp.apply(x, seeded(3))
    speeds = 1 + 0.2 * normal(x, seeded(3), 4, 6).double().numpy()
    for row in range(4):
        speed = CubicSpline(np.linspace(0, 63, 6), speeds[row], bc_type="not-a-knot")(np.arange(64))
        clock = np.cumsum(np.maximum(speed, 0.05))
        tau = 63 * clock / clock[-1]
        want = [np.interp(np.arange(64), tau, channel) for channel in x[row].numpy()]
        assert np.allclose(y[row].numpy(), want, atol=1e-3)


def test_the_warp_rises_from_the_first_sample_to_the_last() -> None:
    where = warp_positions(ramp(500, 256), seeded(), sigma=0.2, knots=6, min_speed=0.05)
    ends = torch.stack([where[:, 0], where[:, -1]], dim=1)
    assert bool((where.diff(dim=1) >= 0).all()) and torch.allclose(
        ends, torch.tensor([0.0, 255.0]).expand(500, 2), atol=1e-3
    )


def test_by_default_axes_stay_in_sync() -> None:
    y = Compose([next(s for s in PRESETS["relcon"] if isinstance(s, TimeWarp))])(ramp(50, 256), seeded())
    assert torch.equal(y, y[:, :1].expand_as(y))


def test_as_published_axes_are_warped_apart() -> None:
    y = time_warp(ramp(50, 256), seeded(), per_channel=True)
    assert float((y[:, 0] - y[:, 1]).abs().amax(dim=1).min()) > 0.5


def test_warps_apart_still_rise() -> None:
    y = time_warp(ramp(50, 256), seeded(), per_channel=True)
    assert y.shape == (50, 3, 256) and bool((y.diff(dim=2) >= 0).all())


@pytest.mark.parametrize(
    "step", [Rotate(max_angle_deg=180, axis="cube"), Permute(allow_identity=False), TimeWarp(per_channel=True)]
)
def test_variants_do_not_change_their_input(step: Augmentation) -> None:
    x = torch.randn(8, 3, 64, generator=seeded(1))
    before = x.clone()
    step.apply(x, seeded()).mul_(2)
    assert torch.equal(x, before)
