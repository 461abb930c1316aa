"""Euclid and dynamic time warping against loops, and distances opened by name or folder."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinelet.distances.base import Distance, MotifDistance, find_distance, identity, open_distance
from kinelet.distances.io import distance_hash, save_distance
from kinelet.distances.simple import DTW, Euclid, dtw
from kinelet.errors import BadFileError, BadOptionError, SpecMismatchError
from kinelet.functional import motif_distance
from kinelet.signal.spec import imu_spec
from motif_formulas import moving, network


def rows(n: int) -> tuple[Tensor, Tensor]:
    """All pairs of ``n`` windows."""
    pairs = torch.cartesian_prod(torch.arange(n), torch.arange(n))
    return pairs[:, 0], pairs[:, 1]


def warped(a: np.ndarray, b: np.ndarray, width: int) -> float:
    """The table, cell by cell."""
    time = a.shape[1]
    d = np.full((time + 1, time + 1), np.inf)
    d[0, 0] = 0
    for i in range(time):
        for j in range(max(0, i - width), min(time, i + width + 1)):
            d[i + 1, j + 1] = ((a[:, i] - b[:, j]) ** 2).sum() + min(d[i, j], d[i, j + 1], d[i + 1, j])
    return float(d[time, time])


# --- Euclid


def test_euclid_is_the_sum_of_squared_differences() -> None:
    x = moving(3, 20).float()
    wanted = [float(((a - b) ** 2).sum()) for a in x.numpy() for b in x.numpy()]
    np.testing.assert_allclose(Euclid().pairs(x, *rows(3)), wanted, rtol=1e-5)


@pytest.mark.parametrize("kind", [Euclid, DTW])
def test_without_offset_a_constant_does_not_matter(kind: Any) -> None:
    x = moving(2, 20).float()
    moved = torch.cat([x[:1], x[1:] + 3])
    first, second = (kind(offset_free=True).pairs(w, *rows(2)) for w in (x, moved))
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(kind().pairs(moved, *rows(2)), second, rtol=0.1)


# --- dynamic time warping


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(0, 13), st.integers(0, 1000))
def test_warping_equals_the_table(time: int, width: int, seed: int) -> None:
    a, b = moving(3, time, seed), moving(3, time, seed + 1)
    wanted = [warped(x, y, width) for x, y in zip(a.numpy(), b.numpy(), strict=True)]
    np.testing.assert_allclose(dtw(a, b, width), wanted, rtol=1e-12)


def test_without_a_band_warping_is_euclid() -> None:
    x = moving(4, 30).float()
    torch.testing.assert_close(DTW(band=0.0).pairs(x, *rows(4)), Euclid().pairs(x, *rows(4)), rtol=1e-5, atol=1e-6)


def test_a_wider_band_is_never_farther() -> None:
    x = moving(6, 40).float()
    d = [DTW(band=b).pairs(x, *rows(6)) for b in (0.0, 0.1, 0.5, 1.0)]
    assert all((wide <= narrow * (1 + 1e-6)).all() for narrow, wide in itertools.pairwise(d))


def test_warping_forgives_a_delay_within_the_band() -> None:
    t = torch.arange(100)
    bump = torch.exp(-((t - torch.tensor([[40], [45]])) ** 2) / 20.0)[:, None].expand(2, 3, 100)
    near, far = DTW(band=0.1), DTW(band=0.02)
    one, other = torch.tensor([0]), torch.tensor([1])
    assert near.pairs(bump, one, other) < 0.05 * far.pairs(bump, one, other)


def test_warping_is_symmetric_and_zero_to_itself() -> None:
    x = moving(5, 30).float()
    d = DTW().pairs(x, *rows(5)).view(5, 5)
    torch.testing.assert_close(d, d.T, rtol=1e-5, atol=1e-6)
    assert (d.diagonal() == 0).all()


def test_more_pairs_than_are_evaluated_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x = moving(5, 20).float()
    wanted = DTW().pairs(x, *rows(5))
    monkeypatch.setattr("kinelet.distances.simple.CHUNK", 7)
    torch.testing.assert_close(DTW().pairs(x, *rows(5)), wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("band", [-0.1, 1.1])
def test_a_band_that_is_no_share_is_refused(band: float) -> None:
    with pytest.raises(BadOptionError, match="band"):
        DTW(band=band)


# --- what every distance does


@pytest.fixture(params=["euclid", "dtw", "motif"])
def some(request: pytest.FixtureRequest) -> Distance:
    return {"euclid": Euclid(), "dtw": DTW(), "motif": MotifDistance(network(width=8))}[request.param]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pairs_are_float32_without_gradient(some: Distance, dtype: torch.dtype) -> None:
    d = some.pairs(moving(3, 32).to(dtype).requires_grad_(), *rows(3))
    assert d.dtype == torch.float32 and d.shape == (9,) and not d.requires_grad


def test_no_pairs_no_distances(some: Distance) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert some.pairs(moving(3, 32).float(), none, none).shape == (0,)


def test_pairs_come_in_their_order(some: Distance) -> None:
    x, (a, c) = moving(4, 32).float(), rows(4)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(some.pairs(x, a[order], c[order]), some.pairs(x, a, c)[order], rtol=1e-5, atol=1e-6)


def test_descriptions_are_plain_data(some: Distance) -> None:
    assert some.describe()["kind"] in ("euclid", "dtw", "motif")


# --- opening


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    net = network("sparsemax", width=8)
    net.spec = imu_spec(100.0, window_s=0.64)
    return save_distance(net, tmp_path / "model")


@pytest.mark.parametrize(("name", "kind"), [("euclid", Euclid), ("dtw", DTW)])
def test_names_are_opened(name: str, kind: type) -> None:
    opened = open_distance(name, imu_spec(50.0), offset_free=True)
    assert isinstance(opened, kind) and opened.describe()["offset_free"] is True


def test_a_folder_is_opened_with_options(folder: Path) -> None:
    x = moving(3, 64).float()
    opened = open_distance(folder, imu_spec(100.0, window_s=0.64), offset_free=True)
    wanted = motif_distance(network("sparsemax", width=8), x, x, offset_free=True).flatten()
    torch.testing.assert_close(opened.pairs(x, *rows(3)), wanted)
    assert opened.describe()["used_with"] == {"offset_free": True}


def test_the_run_that_holds_a_distance_is_opened(folder: Path) -> None:
    assert find_distance(folder.parent) == folder


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        (imu_spec(50.0), "rate_hz"),
        (imu_spec(100.0, gyro=True), "channels"),
        (imu_spec(100.0).replace(units=("m/s^2",) * 3), "units"),
        (imu_spec(100.0, window_s=2.56), r"2\.56 s"),
    ],
)
def test_another_signal_is_refused(folder: Path, spec: Any, named: str) -> None:
    with pytest.raises(SpecMismatchError, match=named):
        open_distance(folder, spec)


@pytest.mark.parametrize("name", ["euclidd", "nowhere/model"])
def test_what_is_neither_name_nor_folder_is_refused(name: str) -> None:
    with pytest.raises(BadOptionError, match="euclid, dtw"):
        open_distance(name, imu_spec(50.0))


@pytest.mark.parametrize("options", [{"ofset": 1}, {"precision": "fp8"}, {"amplitude": "own"}], ids=str)
def test_options_that_do_not_fit_are_refused_before_any_pair(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(BadOptionError, match="|".join([*options, "own"])):
        open_distance(folder, imu_spec(100.0), **options)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("dtw", {"bnad": 0.2}, r"options of distance dtw: bnad: no such key\. Keys here: band, offset_free"),
        ("euclid", {"band": 0.2}, r"options of distance euclid: band: no such key\. Keys here: offset_free"),
        ("dtw", {"band": "wide"}, "options of distance dtw: band: .* number"),
        ("dtw", {"band": 2}, "options of distance dtw: band: "),
        ("euclid", {"offset_free": "perhaps"}, "options of distance euclid: offset_free: "),
    ],
)
def test_options_of_a_named_distance_that_do_not_fit_are_refused(name: str, options: Any, told: str) -> None:
    with pytest.raises(BadOptionError, match=f"^{told}"):
        open_distance(name, imu_spec(50.0), **options)


def test_the_identity_is_a_name_or_what_decides_the_values(folder: Path, tmp_path: Path) -> None:
    twin = save_distance(network("softmax", width=8), tmp_path / "twin")
    assert identity("dtw") == "dtw" and identity(folder) == distance_hash(folder) != distance_hash(twin)


def test_an_encoder_is_no_distance(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"format": "kinelet-encoder"}')
    with pytest.raises(BadFileError, match="not the description of a kinelet distance"):
        open_distance(tmp_path, imu_spec(50.0))
