"""RelCon leaves its distance alone, and takes distances that are known already."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kinelet.distances.base import MotifDistance
from kinelet.distances.config import MotifConfig
from kinelet.distances.network import MotifNetwork
from kinelet.distances.simple import DTW, Euclid
from kinelet.errors import BadOptionError
from kinelet.functional import motif_distance
from kinelet.signal.spec import imu_spec
from kinelet.train.config import TrainConfig
from kinelet.train.optim import make_optimizer
from test_functional_ranking import naive_loss
from test_methods_conformance import make_batch
from test_methods_relcon import Recorder, groups, lists, relcon, trained
from test_methods_relcon_pairs import naive_batch, naive_every


class Learned(nn.Module):
    """A distance with parameters, a norm that would learn in training mode, and dropout."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv1d(channels, 4, 3), nn.BatchNorm1d(4), nn.Dropout(0.5))

    def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
        seen = self.net(x)
        return (seen[anchor] - seen[candidate]).square().flatten(1).sum(dim=1)  # type: ignore[no-any-return]


@pytest.mark.parametrize("anchors", ["batch", "every"])
def test_cached_distances_give_the_same_loss_without_asking(anchors: Any) -> None:
    batch, seen = groups(), Recorder()
    method = relcon(seen, anchors=anchors, candidates=3)
    plain = method(batch)["loss"]
    batch["distance"] = method.distances(batch)
    seen.pairs_asked = []
    assert torch.equal(method(batch)["loss"], plain) and seen.pairs_asked == []


def test_cached_distances_decide_the_order() -> None:
    batch, method = make_batch(8, 3, 40), relcon()
    batch["distance"] = torch.rand(8, 11)
    rows = naive_batch(4, *lists(batch), "both", "all")
    z = torch.cat([batch["x"], batch["candidates"].flatten(0, 1)]).flatten(1).double()
    candidates = torch.stack([torch.stack([z[j] for j, _ in row]) for row in rows])
    mask = torch.tensor([[m for _, m in row] for row in rows])
    want = float(naive_loss(z[:8], candidates, batch["distance"], mask=mask))
    assert float(method(batch)["loss"].detach()) == pytest.approx(want, rel=1e-5)


def test_cached_distances_of_another_number_of_candidates_are_refused() -> None:
    batch = make_batch(8, 3, 40)
    batch["distance"] = torch.rand(8, 10)
    with pytest.raises(BadOptionError, match=r"\(8, 10\).*\(8, 11\)"):
        relcon()(batch)


def test_a_batch_without_candidates_is_refused() -> None:
    batch = make_batch(8, 3, 40)
    del batch["candidates"]
    with pytest.raises(BadOptionError, match="no candidates"):
        relcon()(batch)


def test_a_batch_that_is_not_made_of_groups_is_refused() -> None:
    with pytest.raises(BadOptionError, match="whole groups"):
        relcon(anchors="every", candidates=4)(groups())


def test_no_step_changes_a_byte_of_the_distance() -> None:
    distance = Learned()
    before = {k: v.clone() for k, v in distance.state_dict().items()}
    method = trained(distance)
    optimizer = make_optimizer(method.train(), TrainConfig(lr=0.1))
    for seed in range(3):
        method(make_batch(8, 3, 40, seed=seed))["loss"].backward()
        optimizer.step()
    assert all(torch.equal(v, before[k]) for k, v in distance.state_dict().items())


def test_the_distance_gets_no_gradient_and_is_in_no_optimiser() -> None:
    distance = Learned()
    method = trained(distance)
    method(make_batch(8, 3, 40))["loss"].backward()
    optimised = {id(p) for group in make_optimizer(method, TrainConfig()).param_groups for p in group["params"]}
    frozen = [p.grad is None and not p.requires_grad and id(p) not in optimised for p in distance.parameters()]
    assert len(frozen) == 4 and all(frozen)


def test_the_distance_is_in_use_also_while_the_encoder_trains() -> None:
    method = trained(Learned())
    method.train()
    assert method.encoder.training and not any(m.training for m in method.distance.modules())  # type: ignore[union-attr]


def test_the_distance_moves_with_the_method() -> None:
    distance = Learned()
    trained(distance).to(torch.device("meta"))
    assert all(v.device.type == "meta" for v in distance.state_dict().values())


def test_the_distance_is_asked_without_gradients_and_in_full_precision() -> None:
    seen = Recorder()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trained(seen)(make_batch(8, 3, 40))
    assert not seen.with_gradient and not seen.under_autocast


def test_any_object_that_tells_distances_will_do() -> None:
    loss = trained(Recorder())(make_batch(8, 3, 40))["loss"]
    loss.backward()
    assert bool(torch.isfinite(loss))


def motif() -> MotifDistance:
    torch.manual_seed(0)
    return MotifDistance(MotifNetwork(imu_spec(50.0), MotifConfig(width=16)))


@pytest.mark.parametrize("anchors", ["batch", "every"])
@pytest.mark.parametrize("make", [Euclid, DTW, motif])
def test_the_distances_that_come_with_kinelet_are_learnt_from(make: Any, anchors: Any) -> None:
    out = trained(make(), anchors=anchors, candidates=3)(groups())
    out["loss"].backward()
    assert bool(torch.isfinite(out["loss"])) and abs(float(out["parts"]["agreement"])) <= 1


@pytest.mark.parametrize("anchors", ["batch", "every"])
def test_the_motif_distance_of_every_pair_is_the_one_of_the_pair_alone(anchors: Any) -> None:
    batch, distance = groups(), motif()
    method = trained(distance, anchors=anchors, candidates=3)
    windows = torch.cat([batch["x"], batch["candidates"].flatten(0, 1)])
    rows = (naive_batch if anchors == "batch" else naive_every)(4, *lists(batch), "both", "all")
    got = method.compare(batch).distance
    asked = [(i, n, j) for i, row in enumerate(rows) for n, (j, counts) in enumerate(row) if counts]
    want = torch.cat([motif_distance(distance.net, windows[i : i + 1], windows[j : j + 1])[0] for i, _, j in asked])
    assert torch.allclose(torch.stack([got[i, n] for i, n, _ in asked]), want, rtol=1e-5)


def test_no_step_changes_a_byte_of_a_motif_network() -> None:
    distance = motif()
    before = {k: v.clone() for k, v in distance.state_dict().items()}
    method = trained(distance)
    optimizer = make_optimizer(method.train(), TrainConfig(lr=0.1))
    method(make_batch(8, 3, 40))["loss"].backward()
    optimizer.step()
    assert len(before) > 30 and all(torch.equal(v, before[k]) for k, v in distance.state_dict().items())
