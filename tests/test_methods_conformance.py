"""Every method in the registry keeps the same promises; a new one is tested by being registered."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from kinelet.config import validate
from kinelet.distances.network import MotifNetwork
from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import create_encoder, list_encoders
from kinelet.errors import BadOptionError
from kinelet.methods.base import Batch, Method, Modality, Output
from kinelet.methods.registry import METHODS, default_config, get_method, list_methods, method_info

# Those that align several modalities have a conformance test of their own.
NAMES = [name for name in list_methods() if method_info(name).keeps != "aligned"]
every_method = pytest.mark.parametrize("name", NAMES)

# Dropout draws from torch's own generator, which the loop seeds for every step.
WITHOUT_DROPOUT: dict[str, dict[str, Any]] = {"motif": {"network": {"dropout": 0.0, "width": 16}}}


# Heads learn nothing from methods that do not know of them, or look at maps over time.
SMALL: dict[str, dict[str, Any]] = {
    "resnet1d_small": {"widths": (8, 16)},
    "stacked_rnn": {"hidden": 32},
    "headed": {"base_config": {"hidden": 32}, "heads": {}, "output": "backbone"},
}

# Encoders on images, whose patches some methods hide.
IMAGES = [name for name in ("tf_vit", "conv_gru", "swin") if name in list_encoders()]
BY_TIME = [e for e in list_encoders() if e not in (*IMAGES, "shared_private", "resnet1d_small")]
TAKES = {"mae": IMAGES, "masked": ["resnet1d_small", *BY_TIME]}
with_every_encoder = pytest.mark.parametrize(
    ("name", "encoder"), [(n, e) for n in NAMES for e in TAKES.get(n, list_encoders())]
)

# Two in spaces of their own; batches hold them for some of their windows.
PAIRED = (Modality("text", 12, "words"), Modality("video", 10, "pictures"))


class PlainDistance:
    """Squared differences of the windows as they are: stands in for a trained distance."""

    def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
        return (x[anchor] - x[candidate]).square().flatten(1).sum(dim=1).detach()


def make(name: str, encoder: str | None = None, channels: int = 6, **options: Any) -> Method:
    encoder = encoder or TAKES.get(name, ["resnet1d_small"])[0]
    torch.manual_seed(0)
    return build(name, create_encoder(encoder, channels=channels, **SMALL.get(encoder, {})), **options)


def build(name: str, encoder: Encoder, **options: Any) -> Method:
    kind, model = get_method(name)
    config: Any = validate(model, WITHOUT_DROPOUT.get(name, {}) | options)
    kept: Any = MotifNetwork(encoder.spec, config.network) if method_info(name).keeps == "distance" else encoder
    return kind(kept, config, *([PlainDistance()] if kind.uses_distance else [PAIRED] if kind.uses_pairs else []))


def motion(batch: int, channels: int, time: int) -> Tensor:
    """Tones with a frequency and a posture of each window's own."""
    g = torch.Generator().manual_seed(7)
    t = torch.arange(time) / 50
    frequency = 0.5 + 3 * torch.rand(batch, 1, 1, generator=g)
    phase, posture = torch.rand(2, batch, channels, 1, generator=g)
    return torch.sin(2 * torch.pi * (frequency * t + phase)) + 2 * posture - 1


def make_batch(
    batch: int = 16, channels: int = 6, time: int = 125, shards: int = 1, seed: int = 0, beside: int = 4
) -> Batch:
    """Windows of three people, and ``beside`` further ones of each row's own person."""
    windows = motion(batch * (1 + beside), channels, time)
    paired: Any = pairs(windows[:batch])
    return {
        **paired,
        "x": windows[:batch],
        "candidates": windows[batch:].reshape(batch, beside, channels, time),
        "subject": torch.arange(batch) % 3,
        "part": torch.arange(batch) % 2,
        "recording": torch.arange(batch) % 5,
        "time_s": torch.arange(batch, dtype=torch.float64),
        "generators": [torch.Generator().manual_seed(1000 * seed + s) for s in range(shards)],
    }


def pairs(x: Tensor) -> dict[str, Tensor]:
    """Vectors that tell of the windows ``(batch, channel, time)``; every fifth lacks text, every seventh video."""
    g, rows = torch.Generator().manual_seed(3), torch.arange(len(x))
    found = {"moment.recording": rows % 5}
    for modality, gap in zip(PAIRED, (5, 7), strict=True):
        item = torch.where(rows % gap < gap - 1, rows // 2, -1)
        told = torch.randn(x[0].numel(), modality.dim, generator=g)
        vectors = torch.nn.functional.normalize(x.flatten(1) @ told, dim=1) * (item >= 0)[:, None]
        items = torch.stack([item, torch.full_like(item, -1)], dim=1)
        found |= {f"vectors.{modality.name}": vectors, f"item.{modality.name}": item, f"items.{modality.name}": items}
    return found


@with_every_encoder
@pytest.mark.parametrize("channels", [3, 6])
def test_forward_gives_a_finite_scalar_and_detached_parts(name: str, encoder: str, channels: int) -> None:
    out = make(name, encoder, channels)(make_batch(channels=channels))
    whole = out["loss"].ndim == 0 and out["loss"].requires_grad and bool(torch.isfinite(out["loss"]))
    assert whole and all(p.ndim == 0 and not p.requires_grad for p in out["parts"].values())


@with_every_encoder
def test_the_gradient_reaches_every_parameter(name: str, encoder: str) -> None:
    method = make(name, encoder)
    method(make_batch())["loss"].backward()
    assert [k for k, p in method.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize("name", [n for n in NAMES if method_info(n).keeps == "encoder"])
def test_embeddings_for_the_log_have_a_row_a_window(name: str) -> None:
    out: Output = make(name)(make_batch())
    assert "embeddings" in out and len(out["embeddings"]) == 16 and not out["embeddings"].requires_grad


@every_method
def test_the_generators_decide_everything(name: str) -> None:
    # Two of a kind, because a method may remember what it saw.
    one, other = make(name), make(name)
    torch.manual_seed(1)
    first = one(make_batch(shards=2))["loss"]
    torch.manual_seed(2)
    assert torch.equal(first, other(make_batch(shards=2))["loss"])


# Methods that draw nothing unless told to.
RANDOM: dict[str, dict[str, Any]] = {n: {"augmentations": "standard"} for n in ("relcon", "rebar")}
RANDOM["imu2clip"] = {"lam": 0.5}


@every_method
def test_other_generators_give_another_loss(name: str) -> None:
    one, other = (make(name, **RANDOM.get(name, {})) for _ in range(2))
    assert not torch.equal(one(make_batch(seed=1))["loss"], other(make_batch(seed=2))["loss"])


@every_method
def test_the_global_generator_is_left_alone(name: str) -> None:
    method = make(name)
    state = torch.random.get_rng_state()
    method(make_batch())
    assert torch.equal(state, torch.random.get_rng_state())


@every_method
def test_the_batch_is_not_changed(name: str) -> None:
    batch = make_batch()
    before = batch["x"].clone()
    make(name)(batch)
    assert torch.equal(batch["x"], before)


@every_method
def test_a_few_steps_lower_the_loss(name: str) -> None:
    method = make(name)
    optimizer = torch.optim.Adam(method.parameters(), lr=3e-3)
    losses = []
    for _ in range(20):
        loss = method(make_batch(32, seed=0))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    # A term may begin with the second step, once there is something to look back at.
    assert losses[-1] < 0.9 * max(losses[:2])


# Options under which rows of a batch do not see each other but through the gathered loss, so that two processes can
# equal one exactly.
ROWWISE: dict[str, dict[str, Any]] = {"simclr": {"projector_norm": "layer"}}


def two_processes(method: Method, batch: Batch) -> list[Tensor]:
    """Losses of two imagined processes with half of the batch each.

    Each gathers its halves from what the other computes: the first pass records, the second one uses.
    """
    halves: list[Batch] = []
    for i in range(2):
        rows = slice(8 * i, 8 * i + 8)
        half = {k: v[rows] for k, v in batch.items() if isinstance(v, Tensor)}
        halves.append({**half, "generators": batch["generators"][i : i + 1]})  # type: ignore[typeddict-item]
    seen: list[list[Tensor]] = [[], []]
    states = [[g.get_state() for g in batch["generators"]]]
    before = copy.deepcopy(method.state_dict())
    for i, half in enumerate(halves):
        method.gather = lambda z, i=i: (seen[i].append(z), z)[1]  # type: ignore[misc]
        method.rank_offset = 0
        method(half)
        method.load_state_dict(before)
    for g, state in zip(batch["generators"], states[0], strict=True):
        g.set_state(state)
    losses = []
    for i, half in enumerate(halves):
        method.load_state_dict(before)
        calls = iter(zip(*seen, strict=True))
        method.gather = lambda z, calls=calls: torch.cat(next(calls))  # type: ignore[misc]
        method.rank_offset = 8 * i
        losses.append(method(half)["loss"])
    return losses


@every_method
def test_two_processes_with_gathered_rows_equal_one(name: str) -> None:
    torch.manual_seed(0)
    normed = {"widths": (8, 16), "norm": "layer"}
    first = TAKES.get(name, ["resnet1d_small"])[0]
    encoder = create_encoder(first, channels=6, **(normed if first == "resnet1d_small" else {}))
    method = build(name, encoder, **ROWWISE.get(name, {}))
    method(make_batch(shards=2))
    both = copy.deepcopy(method)
    alone = method(make_batch(shards=2))["loss"]
    losses = two_processes(both, make_batch(shards=2))
    assert float(sum(losses).detach() / 2) == pytest.approx(float(alone.detach()), rel=1e-5)  # type: ignore[union-attr]


@every_method
def test_bf16_autocast_gives_a_single_precision_loss(name: str) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = make(name)(make_batch())["loss"]
    assert loss.dtype == torch.float32 and bool(torch.isfinite(loss))


@every_method
def test_defaults_are_plain_data_that_validate_again(name: str) -> None:
    config = get_method(name)[1]
    assert validate(config, default_config(name)) == config()


@every_method
def test_an_unknown_option_is_named(name: str) -> None:
    with pytest.raises(BadOptionError, match="tempreature"):
        make(name, tempreature=1)


@every_method
def test_the_class_names_its_paper(name: str) -> None:
    assert "Source:" in (get_method(name)[0].__doc__ or "") and method_info(name).paper


def test_the_promised_methods_are_there() -> None:
    names = {"simclr", "masked", "mae", "relcon", "rebar", "mtl", "motif", "primus", "imu2clip", "slip"}
    assert names <= set(METHODS)


def test_an_unknown_method_is_quoted_with_the_known_ones() -> None:
    with pytest.raises(BadOptionError, match=r"'simcrl'.*simclr"):
        get_method("simcrl")
