"""Distances without normalisation by the candidate (``scale="none"``), which shows what that normalisation brings."""

from __future__ import annotations

import torch

from kinelet.distances.config import DistanceOptions, MotifConfig
from kinelet.distances.network import MotifNetwork, statistics
from kinelet.functional import motif_distance
from kinelet.signal.spec import imu_spec


def network(scale: str) -> MotifNetwork:
    torch.manual_seed(0)
    config = MotifConfig(width=8, options=DistanceOptions(scale=scale))  # type: ignore[arg-type]
    return MotifNetwork(imu_spec(50.0), config).eval()


def windows(n: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, 64, generator=generator) * torch.rand(n, 3, 1, generator=generator) + 0.5


def test_nothing_is_subtracted_and_nothing_divided() -> None:
    mean, sd = statistics(windows(2), "none")
    assert (mean == 0).all() and (sd == 1).all()


def test_the_fast_distance_equals_the_rebuild_error_of_each_pair() -> None:
    net, anchor, candidate = network("none"), windows(3), windows(4, seed=2)
    with torch.no_grad():
        naive = [[(net(a[None], c[None]) - a).square().sum() for c in candidate] for a in anchor]
    torch.testing.assert_close(motif_distance(net, anchor, candidate), torch.tensor(naive), rtol=1e-5, atol=1e-5)


def test_it_is_another_distance_than_the_normalised_one() -> None:
    anchor, candidate = windows(3), windows(4, seed=2)
    plain, none = (motif_distance(network(s), anchor, candidate) for s in ("axis", "none"))
    assert not torch.allclose(plain, none, rtol=0.1)
