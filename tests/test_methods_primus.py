"""PRIMUS: its terms against loops, rows that lack something, special cases, what is trained and what is not."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from kinelet.encoders.headed import HeadedEncoder
from kinelet.encoders.registry import create_encoder
from kinelet.functional import info_nce
from kinelet.methods.base import Modality
from kinelet.methods.primus import Imu2ClipConfig, Primus, PrimusConfig, SlipConfig
from kinelet.train.config import TrainConfig
from kinelet.train.optim import make_optimizer
from paired_tools import (
    CLIP,
    TEXT,
    VIDEO,
    naive_direct,
    no_augmentation,
    paired_batch,
    part_of,
    primus,
    vectors_of,
    without,
)

MIXED: dict[str, Any] = {"items": 6, "missing": 0.3, "recordings": 3, "spacing_s": 12.0}


def value(method: Primus, batch: Any, part: str | None = None) -> float:
    out = method(batch)
    return float((out["loss"] if part is None else out["parts"][part]).detach())


def gradients(method: Primus, batch: Any) -> dict[str, Tensor]:
    method.zero_grad(set_to_none=True)
    method(batch)["loss"].backward()
    return {k: p.grad.clone() for k, p in method.named_parameters() if p.grad is not None}


def all_equal(batch: Any) -> Any:
    """Every window, every text and every video the same, of items that differ."""
    batch = dict(batch)
    for key in ("x", "vectors.text", "vectors.video"):
        batch[key] = batch[key][:1].expand_as(batch[key]).clone()
    return batch


@pytest.mark.parametrize("term", ["ss", "text", "video"])
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_direct_terms_equal_the_loops(term: str, rows: int) -> None:
    method, batch = primus(**no_augmentation()), paired_batch(rows, **MIXED)
    assert value(method, batch, f"loss_{term}") == pytest.approx(naive_direct(method, batch, term), abs=2e-5)


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    method, batch = primus(lam=0.3, w_nn=0.7, weights={"nn_video": 2.0}), paired_batch(8)
    method(paired_batch(8, step=1))
    parts = method(batch)
    part = {k: float(v) for k, v in parts["parts"].items()}
    direct = 0.7 * (part["loss_text"] + part["loss_video"]) + 0.3 * part["loss_ss"]
    neighbours = 0.7 * (0.7 * part["loss_nn_text"] + 0.3 * part["loss_nn_ss"]) + 2.0 * part["loss_nn_video"]
    assert float(parts["loss"].detach()) == pytest.approx(direct + neighbours, rel=1e-5)


def test_with_every_pair_a_negative_the_published_form_comes_back() -> None:
    method = primus(**no_augmentation(w_nn=0, same_item="negative", overlap="negative"))
    batch: Any = paired_batch(9, items=3, recordings=1, spacing_s=5.0)
    out = method.encoder.outputs(batch["x"])
    want = 0.5 * info_nce(out["ss"], out["ss"], 0.1)
    for name in ("text", "video"):
        want = want + 0.5 * info_nce(out[method.plan.head_of[name]], batch[f"vectors.{name}"], 0.1)
    assert value(method, batch) == pytest.approx(float(want.detach()), rel=1e-5)


# Check 10: equal embeddings, and the special cases.


@pytest.mark.parametrize("role", ["positive", "negative"])
def test_equal_embeddings_with_a_neighbour_each_give_six_times_the_logarithm_of_the_batch(role: str) -> None:
    method = primus(**no_augmentation(same_item=role))
    method(all_equal(paired_batch(8, step=1)))
    # Each row is to find a slot of its own, where all are alike.
    queue = method.queue
    assert queue is not None
    queue.search = lambda name, query, *moment, **more: torch.arange(8)  # type: ignore[method-assign]
    assert value(method, all_equal(paired_batch(8))) == pytest.approx(6 * math.log(8), rel=1e-5)


def test_all_the_weight_on_the_unimodal_term_is_simclr_with_one_raw_view() -> None:
    method, batch = primus((), lam=1, w_nn=0), paired_batch(8, ())
    copies = method.augment(batch["x"], torch.Generator().manual_seed(0))
    z, view = (method.encoder.heads["ss"](method.encoder.base(x)) for x in (batch["x"], copies))
    assert value(method, batch) == pytest.approx(float(info_nce(z, view, 0.1).detach()), rel=1e-5)


def test_no_weight_on_it_is_alignment_alone() -> None:
    method, batch = primus(lam=0, w_nn=0), paired_batch(8)
    out = method.encoder.outputs(batch["x"])
    want = sum(
        (info_nce(out[head], batch[f"vectors.{name}"], 0.1) for name, head in method.plan.head_of.items()),  # type: ignore[literal-required]
        start=torch.zeros(()),
    )
    assert set(out) == {"backbone", "mm_words", "mm_pictures"}
    assert value(method, batch) == pytest.approx(float(want.detach()), rel=1e-5)


def test_without_neighbours_it_is_half_of_each() -> None:
    batch = paired_batch(8)
    slip = primus(w_nn=0)
    parts = slip(batch)
    names = ("ss", "text", "video")
    want = 0.5 * sum(float(parts["parts"][f"loss_{n}"]) for n in names)
    assert float(parts["loss"].detach()) == pytest.approx(want, rel=1e-5) and slip.queue is None


def test_the_names_of_the_special_cases_are_settings_of_primus() -> None:
    assert (Imu2ClipConfig().lam, Imu2ClipConfig().w_nn) == (0, 0)
    assert (SlipConfig().lam, SlipConfig().w_nn) == (0.5, 0) and (PrimusConfig().lam, PrimusConfig().w_nn) == (0.5, 1)


# Check 9: rows that lack something.


def test_rows_without_pairs_add_their_unimodal_part_alone() -> None:
    method = primus((TEXT,), **no_augmentation(w_nn=0))
    batch = without(paired_batch(10, (TEXT,)), "text", torch.arange(10) % 3 == 1)
    paired = part_of(batch, torch.arange(10) % 3 != 1)
    alignment, alone = (primus((TEXT,), **no_augmentation(w_nn=0, lam=lam)) for lam in (0, 1))
    for other in (alignment, alone):
        other.encoder.load_state_dict(method.encoder.state_dict(), strict=False)
    want = 0.5 * value(alignment, paired) + 0.5 * value(alone, batch)
    assert value(method, batch) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("w_nn", [0, 1])
def test_what_a_row_would_have_said_changes_nothing_where_it_is_masked(w_nn: float) -> None:
    batch: Any = without(paired_batch(10, (TEXT,)), "text", torch.arange(10) < 4)
    other = dict(batch)
    other["vectors.text"] = batch["vectors.text"].clone()
    other["vectors.text"][:4] = vectors_of(TEXT, torch.arange(4))
    results = []
    for chosen in (batch, other):
        method = primus((TEXT,), **no_augmentation(w_nn=w_nn))
        method(paired_batch(12, (TEXT,), step=1))
        results.append((value(method, chosen), gradients(method, chosen)))
    (one, g1), (two, g2) = results
    assert one == two and all(torch.equal(g1[k], g2[k]) for k in g1)


def test_no_pair_at_all_gives_a_finite_loss_and_unimodal_gradients_only() -> None:
    method = primus((TEXT,))
    batch = without(paired_batch(8, (TEXT,)), "text", torch.ones(8, dtype=torch.bool))
    found = gradients(method, batch)
    mm = [k for k in found if "heads.mm" in k or "temperatures.mm" in k]
    assert math.isfinite(value(method, batch)) and len(mm) == 3 and all(float(found[k].abs().sum()) == 0 for k in mm)
    assert float(found["encoder.heads.ss.weight"].abs().sum()) > 0


def test_rows_of_every_term_are_counted() -> None:
    method = primus()
    method(paired_batch(10, step=1))
    batch = without(without(paired_batch(10), "text", torch.arange(10) < 4), "video", torch.arange(10) >= 8)
    parts = {k[5:]: int(v) for k, v in method(batch)["parts"].items() if k.startswith("rows_")}
    # Rows without video are searched by their text, rows without either by motion, good for motion alone.
    assert parts == {"ss": 10, "text": 6, "video": 8, "nn_ss": 10, "nn_text": 6, "nn_video": 8}


# Several positives.


def test_rows_with_the_same_sentence_are_no_negatives() -> None:
    batch: Any = paired_batch(6, (TEXT,))
    batch["items.text"][1, 1] = batch["item.text"][0]  # row 1 shows another sentence, but holds row 0's as well
    positive, ignored, negative = (
        value(primus((TEXT,), lam=0, w_nn=0, same_item=role), batch) for role in ("positive", "ignore", "negative")
    )
    assert len({round(v, 4) for v in (positive, ignored, negative)}) == 3 and ignored < negative


@pytest.mark.parametrize("apart", [0.0, 2.4])
def test_moments_that_overlap_are_left_out_of_each_others_negatives(apart: float) -> None:
    method = primus((TEXT,), **no_augmentation(lam=0, w_nn=0))
    far: Any = paired_batch(2, (TEXT,))
    near: Any = dict(far)
    near["moment.recording"] = torch.zeros(2, dtype=torch.int64)
    near["time_s"] = torch.tensor([10.0, 10.0 + apart], dtype=torch.float64)
    assert value(method, near) == pytest.approx(0, abs=1e-6) and value(method, far) > 0.1


def test_windows_that_only_touch_are_negatives() -> None:
    method = primus((TEXT,), **no_augmentation(lam=0, w_nn=0))
    batch: Any = paired_batch(2, (TEXT,))
    batch["moment.recording"] = torch.zeros(2, dtype=torch.int64)
    batch["time_s"] = torch.tensor([10.0, 12.5], dtype=torch.float64)
    assert value(method, batch) > 0.1


# Check 16: what is trained.


def test_no_gradient_flows_into_frozen_vectors() -> None:
    method, batch = primus(), paired_batch(8)
    told: Any = dict(batch)
    for name in ("text", "video"):
        told[f"vectors.{name}"] = told[f"vectors.{name}"].clone().requires_grad_()
    method(dict(told))
    method(told)["loss"].backward()
    assert told["vectors.text"].grad is None and told["vectors.video"].grad is None


def test_the_optimiser_holds_backbone_heads_and_temperatures_and_decays_no_temperature() -> None:
    method = primus((TEXT, VIDEO))
    groups = make_optimizer(method, TrainConfig(weight_decay=0.1)).param_groups
    names = {id(p): k for k, p in method.named_parameters()}
    decayed = {names[id(p)] for p in groups[0]["params"]}
    everything = decayed | {names[id(p)] for p in groups[1]["params"]}
    kinds = {
        ".".join(k.split(".")[:3]) if "heads" in k else k.split(".")[0] + "." + k.split(".")[1] for k in everything
    }
    assert kinds == {
        "encoder.base",
        "encoder.heads.ss",
        "encoder.heads.mm_words",
        "encoder.heads.mm_pictures",
        "temperatures.mm",
        "temperatures.ss",
    }
    assert groups[1]["weight_decay"] == 0 and not any("temperatures" in k for k in decayed)


def test_a_temperature_that_is_not_learned_is_not_trained() -> None:
    assert not any(p.requires_grad for p in primus(learn_temperature=False).temperatures.parameters())


# Check 8: temperatures.


@pytest.mark.parametrize("direction", [-1e6, 1e6])
def test_temperatures_stay_in_bounds_whatever_pulls_at_them(direction: float) -> None:
    method = primus()
    for _ in range(3):
        for p in method.temperatures.parameters():
            p.grad = torch.tensor(direction)
        torch.optim.SGD(method.temperatures.parameters(), lr=1.0).step()
        parts = method(paired_batch(4))["parts"]
        assert all(0.01 - 1e-8 <= float(parts[f"tau_{kind}"]) <= 1 for kind in ("mm", "ss"))


def test_temperatures_are_learned_apart_saved_and_restored() -> None:
    method = primus()
    optimizer = torch.optim.Adam(method.parameters(), lr=0.05)
    for step in range(3):
        optimizer.zero_grad()
        method(paired_batch(8, step=step))["loss"].backward()
        optimizer.step()
    other = primus()
    other.load_state_dict(method.state_dict())
    mm, ss = (method.facts()["temperatures"][k] for k in ("mm", "ss"))
    assert mm != ss and 0.1 not in (mm, ss) and other.facts()["temperatures"] == {"mm": mm, "ss": ss}


# Check 13: any batch size.


@pytest.mark.parametrize("rows", [1, 62, 63, 512])
def test_a_training_step_runs_at_any_batch_size(rows: int) -> None:
    method = primus(hidden=8)
    optimizer = torch.optim.Adam(method.parameters())
    before = copy.deepcopy(method.encoder.state_dict())
    for step in range(2):
        optimizer.zero_grad()
        loss = method(paired_batch(rows, step=step, time=250))["loss"]
        loss.backward()
        optimizer.step()
    moved = any(not torch.equal(v, before[k]) for k, v in method.encoder.state_dict().items())
    assert bool(torch.isfinite(loss)) and moved == (rows > 1)


# What is kept.


def test_the_encoder_puts_out_the_head_of_the_text_and_tells_what_it_is_aligned_with() -> None:
    method = primus((VIDEO, TEXT))
    assert method.encoder(paired_batch(2)["x"]).shape == (2, 12)
    assert method.facts()["alignment"]["text"] == {
        "head": "mm_words",
        "space": "words",
        "dim": 12,
        "tower": "minilm",
        "probe": "abc",
    }


def test_modalities_in_one_space_share_a_head() -> None:
    method = primus((TEXT, CLIP))
    assert list(method.encoder.heads) == ["ss", "mm"] and set(method.plan.head_of.values()) == {"mm"}


def test_counts_of_the_published_size_are_reached() -> None:
    wide = (Modality("text", 512, "clip"), Modality("video", 512, "clip"))
    encoder = create_encoder("stacked_rnn", channels=6)
    method = Primus(encoder, PrimusConfig(queue=4), wide)
    counts = [sum(p.numel() for p in m.parameters()) for m in (method.encoder, method)]
    assert counts == [1_376_204, 1_376_206]


def test_training_goes_on_from_an_encoder_that_has_heads() -> None:
    first = primus((TEXT,))
    second = Primus(first.encoder, PrimusConfig(), (TEXT,))
    assert isinstance(second.encoder, HeadedEncoder) and second.encoder.base is first.encoder.base
    assert second.encoder.heads["mm"] is first.encoder.heads["mm"]


def test_view_one_passes_the_alignment_heads_by() -> None:
    method, seen = primus(), []
    for name, head in method.encoder.heads.items():
        head.register_forward_hook(lambda _m, i, _o, name=name: seen.append((name, len(i[0]))))
    passes: list[int] = []
    method.encoder.base.register_forward_hook(lambda _m, i, _o: passes.append(len(i[0])))
    method(paired_batch(5))
    assert passes == [10] and sorted(seen) == [("mm_pictures", 5), ("mm_words", 5), ("ss", 5), ("ss", 5)]


def test_a_scale_that_the_encoder_cancels_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="no effect"):
        primus(augmentations=[{"kind": "scale", "mode": "per_sensor"}])


def test_half_precision_changes_the_loss_a_little() -> None:
    batch = paired_batch(8)
    full = value(primus(), batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert value(primus(), batch) == pytest.approx(full, rel=0.03)
