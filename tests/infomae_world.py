"""Alignment of small encoders on a world whose information is known, and what the parts then tell of its sources."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from kinelet.config import validate
from kinelet.datasets.shared_private import Draw, World, shared_private_windows
from kinelet.encoders.registry import create_encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.functional.information import density_ratio_bce, density_ratio_logits
from kinelet.methods.infomae import InfoMAE, InfoMAEConfig
from kinelet.methods.mae import MAE, MAEConfig
from kinelet.signal.spec import SignalSpec

#: Short windows, so that hundreds of steps take seconds.
WORLD = World(rates={"one": 16.0, "two": 16.0}, window_s=1.0, sigma=0.5, floor=0.5)
#: Sources are told by sign: turning or shuffling windows would hide them.
AUGMENT = [{"kind": "jitter", "sigma": 0.2}, {"kind": "scale", "sigma": 0.1, "mode": "per_window"}]
NETWORK = {"front": "raw", "interval_s": 0.25, "width": 32, "depth": 2, "heads": 2, "code": 32}
OPTIONS: dict[str, Any] = {
    "augmentations": AUGMENT,
    "masking": {"ratio": 0.5, "mode": "random"},
    "decoder": {"width": 32, "depth": 1, "heads": 2},
    "critic": {"width": 64},
    "encoder_rate": 1.0,
}


def encoder_of(world: World, name: str, width: int = 16) -> SharedPrivate:
    channels = (name,) if world.channels == 1 else tuple(f"{name}_{i}" for i in range(world.channels))
    spec = SignalSpec(
        rate_hz=world.rates[name], channels=channels, units=("1",) * len(channels), window_s=world.window_s
    )
    return SharedPrivate.around(create_encoder("tf_vit", spec=spec, **NETWORK), width=width)


def make(encoders: dict[str, SharedPrivate] | None = None, *, seed: int = 0, **options: Any) -> InfoMAE:
    """A fresh method, on fresh encoders unless there are some; input is not rescaled: samples are about 1."""
    torch.manual_seed(seed)
    config: Any = validate(InfoMAEConfig, {**OPTIONS, **options})
    return InfoMAE(encoders or {name: encoder_of(WORLD, name) for name in WORLD.names}, config)


def pretrain(
    drawn: Draw, name: str, steps: int, *, world: World = WORLD, seed: int = 0, rows: int = 64
) -> SharedPrivate:
    """Stage 1 on one modality's windows, from a fresh encoder."""
    torch.manual_seed(seed)
    model = encoder_of(world, name)
    told = {"augmentations": AUGMENT, "ratio": 0.5, "mode": "random"}
    network = {f"decoder_{key}": value for key, value in OPTIONS["decoder"].items()}
    method = MAE(model.base, validate(MAEConfig, {**told, **network}))
    optimizer = torch.optim.AdamW(method.parameters(), 3e-3)
    g = torch.Generator().manual_seed(seed)
    for step in range(steps):
        batch: Any = {
            "x": drawn.x[name][torch.randint(len(drawn.x[name]), (rows,), generator=g)],
            "generators": [torch.Generator().manual_seed(step)],
        }
        optimizer.zero_grad()
        method(batch)["loss"].backward()
        optimizer.step()
    return model


def mean_rank(a: Tensor, b: Tensor) -> float:
    """Mean share of the other modality's rows that are more similar than the partner; 0.5 by chance, 0 at best."""
    a, b = (nn.functional.normalize((z - z.mean(0)) / (z.std(0) + 1e-6), dim=1) for z in (a, b))
    similar = a @ b.T
    return float((similar > similar.diagonal()[:, None]).float().mean())


def batch_of(drawn: Draw, rows: Tensor, step: int) -> dict[str, Any]:
    windows = {f"x.{name}": x[rows] for name, x in drawn.x.items()}
    told = {"present": drawn.present[rows], "sequence": drawn.sequence[rows], "moment": drawn.moment[rows]}
    return {**windows, **told, "generators": [torch.Generator().manual_seed(step)]}


def train(
    method: InfoMAE, drawn: Draw, steps: int, *, lr: float = 2e-3, sequences: int = 32, length: int = 4, seed: int = 0
) -> list[dict[str, float]]:
    """Train on random runs of the draw; returns the parts of every step."""
    rates = method.rates()
    groups: dict[str, list[nn.Parameter]] = {}
    for key, p in method.named_parameters():
        if p.requires_grad:
            groups.setdefault(next((prefix for prefix in rates if key.startswith(prefix)), ""), []).append(p)
    optimizer = torch.optim.AdamW(
        [
            {"params": p, "lr": lr * rates[k].scale, "betas": rates[k].betas or (0.9, 0.999)} if k else {"params": p}
            for k, p in groups.items()
        ],
        lr=lr,
        weight_decay=0.01,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [g["lr"] for g in optimizer.param_groups], total_steps=steps, pct_start=0.1, cycle_momentum=False
    )
    runs, g = int(drawn.sequence.max()) + 1, torch.Generator().manual_seed(seed)
    log = []
    method.train()
    for step in range(steps):
        run = torch.randperm(runs, generator=g)[:sequences]
        rows = (run[:, None] * length + torch.arange(length)).flatten()
        out = method(batch_of(drawn, rows, 100_000 * seed + step))
        optimizer.zero_grad()
        out["loss"].backward()
        nn.utils.clip_grad_norm_([p for k, ps in groups.items() if k != "critics." for p in ps], 1.0)
        optimizer.step()
        schedule.step()
        log.append({k: float(v) for k, v in out["parts"].items()} | {"loss": float(out["loss"].detach())})
    method.eval()
    return log


@torch.no_grad()
def parts_of(method: InfoMAE, drawn: Draw) -> dict[str, dict[str, Tensor]]:
    """Outputs of all encoders for all windows of a draw."""
    return {name: method.of(name).outputs(x) for name, x in drawn.x.items()}


def mlp(sizes: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.GELU()]
    return nn.Sequential(*layers[:-1])


def mlp_accuracy(x: Tensor, y: Tensor, x2: Tensor, y2: Tensor, *, steps: int = 300, seed: int = 0) -> float:
    """Accuracy on the second pair of an MLP with one hidden layer trained on the first."""
    torch.manual_seed(seed)
    mean, std = x.mean(0), x.std(0) + 1e-6
    x, x2 = (x - mean) / std, (x2 - mean) / std
    net = mlp([x.shape[1], 64, 4])
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.1)
    for _ in range(steps):
        rows = torch.randint(len(x), (256,))
        loss = nn.functional.cross_entropy(net(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return float((net(x2).argmax(1) == y2).float().mean())


def fresh_information(u: Tensor, x: Tensor, u2: Tensor, x2: Tensor, *, steps: int = 600, seed: int = 0) -> float:
    """Information between rows in nats: mean logit of a fresh critic on rows it was not trained on.

    Windows are independent of each other where they are of different runs, which random rows nearly always are.
    """
    torch.manual_seed(seed)
    x, x2 = x.flatten(1), x2.flatten(1)
    net = mlp([u.shape[1] + x.shape[1], 128, 128, 1])
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

    def score(u: Tensor, x: Tensor) -> Tensor:
        return density_ratio_logits(net(torch.cat([u, x], dim=1)).squeeze(1))

    for _ in range(steps):
        rows, other = torch.randint(len(x), (2, 256))
        loss = density_ratio_bce(score(u[rows], x[rows]), score(u[rows], x[other]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return float(score(u2, x2).mean())


def noisy(z: Tensor, noise: float, seed: int = 0) -> Tensor:
    return z + noise * torch.randn(z.shape, generator=torch.Generator().manual_seed(seed))


def draws(world: World = WORLD, *, runs: int = 1024, held_out: int = 1024, seed: int = 0) -> tuple[Draw, Draw]:
    """Runs of four windows to train on, and others."""
    return shared_private_windows(world, runs, 4, seed=2 * seed), shared_private_windows(
        world, held_out, 4, seed=2 * seed + 1
    )


def ceiling() -> float:
    """Information between the modalities of the world, in nats."""
    return -math.log(1 - 0.8**2)
