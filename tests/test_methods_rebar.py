"""REBAR: which candidate attracts, and that the rest is RelCon."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from kinelet.config import validate
from kinelet.errors import BadOptionError
from kinelet.methods.base import Batch
from kinelet.methods.rebar import Rebar, RebarConfig, nearest_first
from test_methods_conformance import make_batch, two_processes
from test_methods_relcon import Recorder, crooked, groups, lists, relcon, trained
from test_methods_relcon_pairs import naive_batch, naive_every
from test_methods_simclr import Flatten


def rebar(**options: Any) -> Rebar:
    config: Any = validate(RebarConfig, options)
    return Rebar(Flatten(), config, Recorder())


def by_hand(batch: Batch, rows: Any, inside: int, extra: Any = None, tau: float = 0.1) -> float:
    """Cross-entropy of the nearest of the first ``inside`` candidates among all that count, as loops."""
    windows = batch["x"] if extra is None else torch.cat([batch["x"], extra])
    z, total = windows.flatten(1).double(), 0.0
    for i, row in enumerate(rows):
        s = {j: float(torch.cosine_similarity(z[i], z[j], dim=0)) / tau for j, counts in row if counts}
        positive = min((j for j, _ in row[:inside]), key=lambda j, i=i: crooked(windows[i], windows[j]))  # type: ignore[misc]
        total += math.log(sum(math.exp(v) for v in s.values())) - s[positive]
    return total / len(rows)


@pytest.mark.parametrize("which", ["both", "within"])
@pytest.mark.parametrize("tau", [0.1, 0.6])
def test_the_loss_of_anchors_beside_candidates_is_that_of_the_loops(which: str, tau: float) -> None:
    batch = make_batch(8, 3, 40)
    want = by_hand(batch, naive_batch(4, *lists(batch), which, "all"), 4, batch["candidates"].flatten(0, 1), tau)
    assert float(rebar(which=which, temperature=tau)(batch)["loss"].detach()) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("which", ["both", "within"])
def test_the_loss_of_every_window_is_that_of_the_loops(which: str) -> None:
    batch = groups()
    want = by_hand(batch, naive_every(4, *lists(batch), which, "all"), 3)
    got = rebar(anchors="every", candidates=3, which=which)(batch)["loss"]
    assert float(got.detach()) == pytest.approx(want, rel=1e-5)


def test_a_nearer_stranger_is_no_positive() -> None:
    distance = torch.tensor([[5.0, 4.0, 1.0], [2.0, 3.0, 0.0]])
    assert nearest_first(distance, 2).argmin(dim=1).tolist() == [1, 0]


def test_the_distances_of_the_batch_are_not_changed() -> None:
    batch = make_batch(8, 3, 40)
    batch["distance"] = torch.rand(8, 11)
    before = batch["distance"].clone()
    rebar()(batch)
    assert torch.equal(batch["distance"], before)


def test_among_own_windows_it_is_relcon_that_counts_the_nearest_only() -> None:
    batch = make_batch(8, 3, 40)
    want = relcon(which="within", weights="top", top_k=1)(batch)["loss"]
    assert torch.allclose(rebar(which="within")(batch)["loss"], want)


def test_equal_embeddings_give_the_logarithm_of_the_candidates() -> None:
    class Constant(Flatten):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.gain * torch.ones(len(x), 4)

    method = Rebar(Constant(), RebarConfig(), Recorder())
    # Six windows of three people: four own ones, and four strangers.
    assert float(method(make_batch(6, 3, 40))["loss"].detach()) == pytest.approx(math.log(8), abs=1e-5)


def test_without_own_windows_there_is_no_positive() -> None:
    with pytest.raises(BadOptionError, match="within"):
        rebar(which="between")


def test_options_of_an_order_are_refused() -> None:
    with pytest.raises(BadOptionError, match="top_k"):
        rebar(top_k=1)


def test_two_processes_equal_one_with_every_window_an_anchor() -> None:
    config: Any = RebarConfig(anchors="every", candidates=3)
    encoder = trained(norm="layer").encoder
    alone = Rebar(encoder, config, Recorder())(groups(shards=2))["loss"]
    losses = two_processes(Rebar(encoder, config, Recorder()), groups(shards=2))
    assert float(sum(losses).detach() / 2) == pytest.approx(float(alone.detach()), rel=1e-5)  # type: ignore[union-attr]


def test_batches_are_asked_for_like_relcons() -> None:
    assert Rebar.feed(RebarConfig(candidates=6)) == relcon(candidates=6).feed(RebarConfig(candidates=6))
