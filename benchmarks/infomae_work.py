"""The work that ``infomae_step.py`` times: moments of several modalities, and each contender, ready to take steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

import infomae_naive as naive
from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.corpus.loader import iterate_batches
from kinelet.corpus.moment_sampler import MomentSampler
from kinelet.corpus.moments import moments
from kinelet.encoders.published_infomae import APPLICATIONS
from kinelet.encoders.registry import create_encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.methods.infomae import InfoMAE, InfoMAEConfig
from kinelet.signal.recording import Recording
from kinelet.signal.spec import SignalSpec
from kinelet.train.allocator import freed_memory_kept
from kinelet.train.config import TrainConfig
from kinelet.train.distributed import World
from kinelet.train.loop import Loop

RATE_HZ, WINDOW_S, LENGTH, LR = 100.0, 2.0, 4, 1e-4
AXES = {"acc": "g", "gyr": "rad/s", "mag": "uT"}
#: Pairs of PAMAP2 as published: so many decide that critics look at images.
PAIRS = 4805
Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Size:
    """How much work a step is.

    Attributes:
        batch: Moments of a step, in sequences of 4.
        people, windows: Of the corpus, windows each.
    """

    batch: int = 64
    people: int = 16
    windows: int = 64


#: For trying out.
QUICK = {"batch": 8, "people": 2, "windows": 8}


def pamap2_specs() -> dict[str, SignalSpec]:
    """Accelerometer, gyroscope and magnetometer, 2 s at 100 Hz."""
    return {
        stem: SignalSpec(
            rate_hz=RATE_HZ, channels=tuple(f"{stem}_{a}" for a in "xyz"), units=(unit,) * 3, window_s=WINDOW_S
        )
        for stem, unit in AXES.items()
    }


def recordings(size: Size) -> Iterator[Recording]:
    """Somebody who moves at a pace of their own, seen by three sensors."""
    specs = pamap2_specs().values()
    channels, units = (tuple(v for s in specs for v in getattr(s, key)) for key in ("channels", "units"))
    spec = SignalSpec(rate_hz=RATE_HZ, channels=channels, units=units)
    rng = np.random.default_rng(0)
    t = np.arange(size.windows * round(WINDOW_S * RATE_HZ)) / RATE_HZ
    for i in range(size.people):
        pace, strength = rng.uniform(0.8, 2.5), rng.uniform(0.1, 1.0, (1, 9))
        data = strength * np.sin(2 * np.pi * pace * t[:, None] + rng.uniform(0, 6, (1, 9)))
        data = data + rng.normal(0, 0.3, data.shape)
        yield Recording(data.astype(np.float32), spec, subject=f"P{i}", name=f"P{i}", resolution=(1 / 4096,) * 9)


class Work:
    """Moments of three modalities at PAMAP2's size, by kinelet's own loader."""

    specs: Mapping[str, SignalSpec]

    def __init__(self, folder: Path, size: Size, device: str = "cpu") -> None:
        self.folder, self.size, self.device = folder, size, torch.device(device)
        self.specs = pamap2_specs()
        path = folder / "corpus"
        if not path.exists():
            build(recordings(size), path, BuildConfig(quality=False))
        found = moments(Corpus.open(path), None, WINDOW_S)
        self.sampler = MomentSampler(found, size.batch // LENGTH, LENGTH)

    def batches(self, first_step: int, steps: int) -> Iterator[Mapping[str, Any]]:
        """Batches of moments, read ahead as kinelet's trainer does."""
        for _, batch in iterate_batches(self.sampler, first_step=first_step, steps=steps, workers=1):
            yield batch


class PublishedMod(Work):
    """Moments at the published size of MOD, audio at 8 kHz and seismic at 100 Hz, made up and held in memory."""

    def __init__(self, folder: Path, size: Size, device: str = "cpu") -> None:
        self.folder, self.size, self.device = folder, size, torch.device(device)
        self.specs = {name: modality.spec for name, modality in APPLICATIONS["mod"][0].items()}
        self.held = [self._made(i) for i in range(2)]

    def batches(self, first_step: int, steps: int) -> Iterator[Mapping[str, Any]]:
        """The same few batches over and over."""
        for step in range(first_step, first_step + steps):
            yield self.held[step % len(self.held)]

    def _made(self, seed: int) -> dict[str, Any]:
        rng, rows = np.random.default_rng(seed), self.size.batch
        row = np.arange(rows)
        x = {
            f"x.{n}": rng.standard_normal((rows, 1, spec.window_samples or 0), dtype=np.float32)
            for n, spec in self.specs.items()
        }
        present = np.ones((rows, len(x)), dtype=bool)
        places = {"sequence": row // LENGTH, "moment": row % LENGTH, "clock": row // LENGTH, "subject": row // LENGTH}
        return {**x, **places, "present": present, "time_s": row * WINDOW_S}


# --- contenders ------------------------------------------------------------------------------------------------------


class Contender:
    """Something that takes training steps.

    Attributes:
        parameters: Of encoders, heads, decoders and critics, in all.
    """

    parameters: int

    def __init__(self, work: Work) -> None:
        self.work, self.done = work, 0

    def take(self, batch: Mapping[str, Any]) -> None:
        """Take one step."""
        raise TypeError("a contender defines take")

    def turn(self, count: int) -> dict[str, float]:
        """Wall and CPU seconds of a step, and the share of the former spent waiting for data."""
        self._settle()
        cpu, wall, waited = time.process_time(), time.perf_counter(), 0.0
        batches = self.work.batches(self.done, count)
        with freed_memory_kept():
            for _ in range(count):
                begun = time.perf_counter()
                batch = next(batches)
                waited += time.perf_counter() - begun
                self.take(batch)
        self._settle()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        self.done += count
        return {"wall_s": wall / count, "cpu_s": cpu / count, "wait_share": waited / wall}

    def _settle(self) -> None:
        if self.work.device.type == "cuda":
            torch.cuda.synchronize()


class Published(Contender):
    """The transcription of the published design, on the first two modalities."""

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        torch.manual_seed(0)
        first, second, *_ = work.specs
        self.model = naive.InfoMAE((first, second)).to(work.device)
        self.parameters = sum(p.numel() for p in self.model.parameters())
        critics = set(self.model.critics.parameters())
        rest = [p for p in self.model.parameters() if p not in critics]
        self.optimizers = [
            torch.optim.AdamW(rest, LR),
            torch.optim.Adam(self.model.critics.parameters(), LR, betas=(0.5, 0.9)),
        ]

    def take(self, batch: Mapping[str, Any]) -> None:
        """Take one step."""
        moved = {key: torch.as_tensor(value).to(self.work.device) for key, value in batch.items()}
        naive.step(self.model, self.optimizers, moved)


class Kinelet(Contender):
    """Kinelet's method in its own loop, on all modalities.

    Args:
        work: What there is to do.
        encoder: Registry name.
        options: Of the method.
        precision: Of the loop.
        published: Whether encoders have the shape and size that MOD or PAMAP2 were published with.
    """

    def __init__(
        self,
        work: Work,
        encoder: str = "tf_vit",
        options: Mapping[str, Any] | None = None,
        precision: Literal["fp32", "bf16"] = "fp32",
        published: bool = False,
    ) -> None:
        super().__init__(work)
        torch.manual_seed(0)
        config = InfoMAE.settle(InfoMAEConfig.model_validate(dict(options or {})), PAIRS)
        bases = {n: create_encoder(encoder, spec=s, **_shape(n, published)) for n, s in work.specs.items()}
        method = InfoMAE({n: SharedPrivate.around(base) for n, base in bases.items()}, config)
        self.parameters = sum(p.numel() for p in method.parameters())
        told: dict[str, Any] = {"warmup": 0, "schedule": "constant", "precision": precision}
        train = TrainConfig(lr=LR, batch_size=work.size.batch, **told)
        world = World(0, 1, work.device)
        self.loop = Loop(method, train, work.folder / f"run-{id(self)}", world, state={}, judge=None)

    def take(self, batch: Mapping[str, Any]) -> None:
        """Take one step."""
        self.loop._step(batch)


def _shape(name: str, published: bool) -> dict[str, Any]:
    shapes = {n: modality.shape for n, modality in APPLICATIONS["mod"][0].items()}
    return {"published_shape": shapes.get(name, "pamap2")} if published else {}


#: What is timed at PAMAP2's size, by name.
CONTENDERS: dict[str, Callable[[Work], Contender]] = {
    "published design": Published,
    "kinelet": Kinelet,
    "kinelet, critics on features": lambda w: Kinelet(w, options={"critic_input": "features"}),
    "kinelet, three variables": lambda w: Kinelet(w, options={"form": "three_variable", "cross": "logistic"}),
    "kinelet, conv_gru": lambda w: Kinelet(w, "conv_gru"),
    "kinelet, swin": lambda w: Kinelet(w, "swin"),
    "kinelet, swin as published": lambda w: Kinelet(w, "swin", published=True),
}
#: What is timed at MOD's size.
MOD_CONTENDERS: dict[str, Callable[[Work], Contender]] = {
    "kinelet, swin as published": lambda w: Kinelet(w, "swin", published=True),
    "kinelet, swin as published, bf16": lambda w: Kinelet(w, "swin", precision="bf16", published=True),
    "kinelet, bf16": lambda w: Kinelet(w, precision="bf16"),
}
