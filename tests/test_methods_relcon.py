"""RelCon: what it compares, in which order, what it learns, and what it leaves alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from kinelet.config import validate
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError
from kinelet.functional import Compose
from kinelet.functional.augment import Rotate
from kinelet.functional.ranking import ranking_loss
from kinelet.methods.base import Batch
from kinelet.methods.relcon import RelCon, RelConConfig
from test_functional_ranking import naive_loss
from test_methods_conformance import PlainDistance, make_batch, two_processes
from test_methods_relcon_pairs import naive_batch, naive_every
from test_methods_simclr import Flatten

ROTATE = [{"kind": "rotate"}]
TOP = {"weights": "top", "top_k": 1}


class Recorder:
    """A distance that is not symmetric and writes down what it was asked."""

    def __init__(self) -> None:
        self.windows = torch.empty(0)
        self.pairs_asked: list[tuple[int, int]] = []
        self.with_gradient = self.under_autocast = True

    def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
        self.windows, self.with_gradient = x, torch.is_grad_enabled()
        self.under_autocast = torch.is_autocast_enabled("cpu")
        self.pairs_asked = list(zip(anchor.tolist(), candidate.tolist(), strict=True))
        return torch.tensor([crooked(x[a], x[c]) for a, c in self.pairs_asked])


def crooked(anchor: Tensor, candidate: Tensor) -> float:
    return float((anchor - candidate).square().sum() + 3 * candidate[0].mean())


def groups(count: int = 4, size: int = 4, people: int = 3, **options: Any) -> Batch:
    """Windows in groups of one person each."""
    batch = make_batch(count * size, 3, 40, **options)
    batch["subject"] = (torch.arange(count) % people).repeat_interleave(size)
    return batch


def relcon(distance: Any = None, encoder: Any = None, **options: Any) -> RelCon:
    config: Any = validate(RelConConfig, options)
    return RelCon(encoder or Flatten(), config, distance or Recorder())


def trained(distance: Any = None, norm: str = "batch", **options: Any) -> RelCon:
    torch.manual_seed(0)
    encoder = create_encoder("resnet1d_small", channels=3, widths=(8, 16), norm=norm)
    return relcon(distance or PlainDistance(), encoder, **options)


def by_hand(batch: Batch, rows: Any, extra: Any = None, **options: Any) -> float:
    """The loss from pairs found by loops, windows as their own embeddings, distances one by one."""
    windows = batch["x"]
    if extra is not None:
        windows = torch.cat([windows, extra])
    z = windows.flatten(1).double()
    candidates = torch.stack([torch.stack([z[j] for j, _ in row]) for row in rows])
    distance = torch.tensor([[crooked(windows[i], windows[j]) for j, _ in row] for i, row in enumerate(rows)])
    mask = torch.tensor([[m for _, m in row] for row in rows])
    return float(naive_loss(z[: len(rows)], candidates, distance, mask=mask, **options))


def lists(batch: Batch) -> tuple[list[int], list[int]]:
    return batch["subject"].tolist(), batch["part"].tolist()


@pytest.mark.parametrize("which", ["both", "within", "between"])
@pytest.mark.parametrize("between", ["all", "part"])
@pytest.mark.parametrize("tau", [0.1, 0.7])
def test_the_loss_of_anchors_beside_candidates_is_that_of_the_loops(which: str, between: str, tau: float) -> None:
    batch = make_batch(8, 3, 40)
    k = 0 if which == "between" else 4
    rows = naive_batch(k, *lists(batch), which, between)
    extra = batch["candidates"].flatten(0, 1) if k else None
    loss = relcon(which=which, between=between, temperature=tau)(batch)["loss"]
    assert float(loss.detach()) == pytest.approx(by_hand(batch, rows, extra, tau=tau), rel=1e-5)


@pytest.mark.parametrize("which", ["both", "within", "between"])
@pytest.mark.parametrize("between", ["all", "part"])
def test_the_loss_of_every_window_is_that_of_the_loops(which: str, between: str) -> None:
    batch = groups()
    rows = naive_every(4, *lists(batch), which, between)
    loss = relcon(anchors="every", candidates=3, which=which, between=between)(batch)["loss"]
    assert float(loss.detach()) == pytest.approx(by_hand(batch, rows), rel=1e-5)


def test_ties_and_weights_reach_the_loss() -> None:
    batch = make_batch(8, 3, 40)
    rows = naive_batch(4, *lists(batch), "both", "all")
    want = by_hand(
        batch, rows, batch["candidates"].flatten(0, 1), ties=5.0, weights=[1 / math.log2(1 + i) for i in range(1, 12)]
    )
    assert float(relcon(ties=5.0, weights="log")(batch)["loss"].detach()) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("anchors", ["batch", "every"])
def test_the_order_is_a_stable_argsort_of_the_distances(anchors: Any) -> None:
    """Column by column: candidate m between of anchor i is anchor (i + 1 + m) mod B."""
    batch, seen = groups(), Recorder()
    method = relcon(seen, anchors=anchors, candidates=3)
    naive = naive_batch if anchors == "batch" else naive_every
    rows = naive(4, *lists(batch), "both", "all")
    compared = method.compare(batch)
    want = torch.tensor(
        [[crooked(seen.windows[i], seen.windows[j]) if m else math.inf for j, m in row] for i, row in enumerate(rows)]
    )
    assert torch.equal(compared.distance.argsort(dim=1, stable=True), want.argsort(dim=1, stable=True))


@pytest.mark.parametrize("anchors", ["batch", "every"])
def test_no_person_is_compared_with_their_own_windows_as_a_strangers(anchors: Any) -> None:
    batch, seen = groups(), Recorder()
    relcon(seen, anchors=anchors, candidates=3)(batch)
    subject = batch["subject"].tolist()
    between = [(a, c) for a, c in seen.pairs_asked if c < 16 and (anchors == "batch" or a // 4 != c // 4)]
    assert len(between) > 20 and all(subject[a] != subject[c] for a, c in between)


def test_pairs_that_do_not_count_are_not_computed() -> None:
    seen = Recorder()
    batch = make_batch(6, 3, 40)  # people 0 1 2 0 1 2: one of the five others is the same person
    relcon(seen)(batch)
    assert len(seen.pairs_asked) == 6 * (4 + 4)


def test_the_distance_sees_windows_as_they_are_and_the_encoder_augmented_ones() -> None:
    batch, seen = make_batch(8, 3, 40), Recorder()
    method = relcon(seen, augmentations=ROTATE)
    method(batch)
    raw = torch.cat([batch["x"], batch["candidates"].flatten(0, 1)])
    (encoded,) = method.encoder.seen  # type: ignore[misc]
    assert torch.equal(seen.windows, raw) and not torch.allclose(encoded, raw, atol=0.1)
    assert torch.allclose(encoded.norm(dim=1), raw.norm(dim=1), atol=1e-4)


def test_each_shard_draws_from_its_own_generator_anchors_first_own_view_last() -> None:
    method, rotate = relcon(augmentations=ROTATE, own_view=True), Compose([Rotate()])
    batch = make_batch(8, 3, 40, shards=2)
    method(batch)
    again, views = make_batch(8, 3, 40, shards=2), []
    for rows, beside, g in zip(again["x"].chunk(2), again["candidates"].chunk(2), again["generators"], strict=True):
        views.append([rotate(rows, g), rotate(beside.flatten(0, 1), g), rotate(rows, g)])
    want = torch.cat([torch.cat(shard) for shard in zip(*views, strict=True)])
    assert torch.equal(method.encoder.seen[0], want)  # type: ignore[index]


def test_all_windows_pass_through_the_encoder_together() -> None:
    method = relcon()
    method(make_batch(8, 3, 40))
    assert [len(x) for x in method.encoder.seen] == [8 + 32]  # type: ignore[union-attr]


def test_two_passes_are_anchors_and_the_rest() -> None:
    method = relcon(two_pass=True, own_view=True, augmentations=ROTATE)
    method(make_batch(8, 3, 40))
    assert [len(x) for x in method.encoder.seen] == [8, 32 + 8]  # type: ignore[union-attr]


def test_candidates_that_are_not_asked_for_are_not_encoded() -> None:
    method = relcon(which="between")
    method(make_batch(8, 3, 40))
    assert [len(x) for x in method.encoder.seen] == [8]  # type: ignore[union-attr]


@pytest.mark.parametrize(("norm", "training"), [("batch", False), ("layer", False), ("layer", True)])
def test_one_pass_equals_two(norm: str, training: bool) -> None:
    batch = make_batch(8, 3, 125)
    losses = [trained(norm=norm, two_pass=two).train(training)(batch)["loss"].detach() for two in (False, True)]
    assert float(losses[0]) == pytest.approx(float(losses[1]), rel=1e-5)


def test_batch_norm_tells_one_pass_from_two_in_training() -> None:
    batch = make_batch(8, 3, 125)
    losses = [float(trained(two_pass=two)(batch)["loss"].detach()) for two in (False, True)]
    assert abs(losses[0] - losses[1]) > 1e-4


def own_view_of(batch: Batch, method: RelCon) -> tuple[Tensor, Tensor]:
    """First and second views, from what the encoder was shown."""
    (encoded,) = method.encoder.seen  # type: ignore[misc]
    rows = len(batch["x"])
    return encoded[:rows].flatten(1).double(), encoded[-rows:].flatten(1).double()


def info_nce(first: Tensor, second: Tensor, subject: list[int], tau: float = 0.1) -> float:
    """Each first view against its own second view and the first views of other people, as loops."""
    total = 0.0
    for i in range(len(first)):
        cosine = [torch.cosine_similarity(first[i], second[i], dim=0)]
        cosine += [
            torch.cosine_similarity(first[i], first[j], dim=0) for j in range(len(first)) if subject[i] != subject[j]
        ]
        s = torch.stack(cosine) / tau
        total += float(torch.logsumexp(s, dim=0) - s[0])
    return total / len(first)


def test_own_view_on_top_of_strangers_is_info_nce() -> None:
    batch, method = make_batch(8, 3, 40), relcon(which="between", own_view=True, augmentations=ROTATE, **TOP)
    loss = float(method(batch)["loss"].detach())
    assert loss == pytest.approx(info_nce(*own_view_of(batch, method), lists(batch)[0]), rel=1e-5)


def test_own_view_of_every_window_is_info_nce_against_its_place_in_other_groups() -> None:
    batch = groups(size=1, people=4, count=8)
    method = relcon(anchors="every", candidates=1, which="between", own_view=True, augmentations=ROTATE, **TOP)
    first = batch | {"subject": torch.arange(8) // 2}
    loss = float(method(first)["loss"].detach())  # type: ignore[arg-type]
    own, second = own_view_of(batch, method)
    halves = [info_nce(own[q::2], second[q::2], list(range(4))) for q in range(2)]
    assert loss == pytest.approx(sum(halves) / 2, rel=1e-5)


@pytest.mark.parametrize("least", [0.0, -5.0, -1e30])
def test_the_own_view_is_nearest_whatever_the_distance_says(least: float) -> None:
    batch = make_batch(8, 3, 40)
    batch["distance"] = torch.rand(8, 11).clamp(min=0.1).index_fill(1, torch.tensor([7]), least)
    compared = relcon(own_view=True, augmentations=ROTATE).compare(batch)
    place = compared.distance.argsort(dim=1, stable=True)[:, 0]
    assert place.tolist() == [11] * 8 and compared.cosine.shape == (8, 4 + 7 + 1)


def test_the_own_view_adds_one_choice_before_all_others() -> None:
    method = relcon(own_view=True, augmentations=ROTATE)
    cosine, distance, mask, _, _ = method.compare(make_batch(8, 3, 40))
    s = (cosine / 0.1).detach().double()
    first = (s.masked_fill(~mask, -math.inf).logsumexp(dim=1) - s[:, -1]).mean()
    others = ranking_loss(s[:, :-1], distance[:, :-1], mask=mask[:, :-1]).mean()
    loss = float(method(make_batch(8, 3, 40))["loss"].detach())
    assert loss == pytest.approx(float(first + others), rel=1e-5)


@pytest.mark.parametrize("options", [{"own_view": True}, {"weights": "top"}, {"top_k": 3}, {"decay": 0.5}])
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadOptionError, match=r"own_view|top_k|decay"):
        validate(RelConConfig, options)


def test_similarities_are_those_of_the_projections() -> None:
    method = trained(projector=(12, 6))
    shown: list[Tensor] = []
    assert method.projector is not None
    method.projector.register_forward_hook(lambda _m, _i, z: shown.append(z.detach()))
    batch = make_batch(8, 3, 125)
    cosine, *_ = method.compare(batch)
    want = torch.cosine_similarity(shown[0][0], shown[0][8 + 2], dim=0)  # anchor 0, third window beside it
    assert float(cosine[0, 2].detach()) == pytest.approx(float(want), abs=1e-5)


def test_without_a_projector_nothing_but_the_encoder_learns() -> None:
    method = trained()
    assert all(k.startswith("encoder.") for k, p in method.named_parameters() if p.requires_grad)


def test_the_log_gets_the_encoders_vectors_of_the_anchors() -> None:
    method = trained(projector=(4,))
    out = method(make_batch(8, 3, 125))
    assert "embeddings" in out and out["embeddings"].shape == (8, method.encoder.dim)


@pytest.mark.parametrize(
    ("options", "feed"),
    [
        ({}, (20, "hour", False, True, False)),
        ({"anchors": "every", "candidates": 7, "within": "subject"}, (7, "subject", True, True, False)),
        ({"which": "between", "distinct_subjects": False}, (0, "hour", False, False, False)),
        ({"which": "between", "anchors": "every", "drop_short": True}, (20, "hour", True, True, True)),
    ],
)
def test_batches_are_asked_for_as_configured(options: dict[str, Any], feed: tuple[Any, ...]) -> None:
    got = RelCon.feed(RelConConfig(**options))
    assert (got.candidates, got.within, got.every, got.distinct, got.drop_short) == feed


@pytest.mark.parametrize(
    "options",
    [
        {"anchors": "every", "candidates": 3},
        {"anchors": "every", "candidates": 1, "own_view": True, "augmentations": ROTATE},
        {"own_view": True, "augmentations": ROTATE, "weights": "log"},
        {"which": "between", "between": "part"},
        {"which": "within"},
    ],
)
def test_two_processes_equal_one(options: dict[str, Any]) -> None:
    alone = trained(norm="layer", **options)(groups(shards=2))["loss"]
    losses = two_processes(trained(norm="layer", **options), groups(shards=2))
    assert float(sum(losses).detach() / 2) == pytest.approx(float(alone.detach()), rel=1e-5)  # type: ignore[union-attr]
