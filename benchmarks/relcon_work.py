"""The work that ``relcon_step.py`` times: windows in both layouts, and each contender ready to take steps on them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

import relcon_naive as naive
from kinelet.corpus import BuildConfig, Corpus, Windows, build
from kinelet.corpus.blocks import BlockSampler
from kinelet.corpus.loader import iterate_batches
from kinelet.corpus.samplers import Draw, RandomSampler, Sampler
from kinelet.corpus.within import WithinSampler
from kinelet.distances.base import MotifDistance
from kinelet.distances.config import MotifConfig
from kinelet.distances.network import MotifNetwork
from kinelet.encoders.registry import create_encoder
from kinelet.methods.base import Method
from kinelet.methods.motif import Motif, MotifMethodConfig
from kinelet.methods.relcon import RelCon, RelConConfig
from kinelet.signal.recording import Recording
from kinelet.signal.spec import imu_spec
from kinelet.train.config import TrainConfig
from kinelet.train.distributed import World
from kinelet.train.loop import Loop

Attention = Literal["softmax", "sparsemax"]
Precision = Literal["fp32", "bf16"]

RATE_HZ = 100.0


@dataclass(frozen=True)
class Size:
    """How much work a step is.

    Attributes:
        batch: Anchors of a step, and groups where every window is an anchor.
        candidates: Windows of the anchor's own person.
        people, windows: Of the corpus, windows each.
        samples: Of a window.
    """

    batch: int = 64
    candidates: int = 20
    people: int = 80
    windows: int = 100
    samples: int = 256

    @property
    def encoded(self) -> int:
        """Windows that the encoder sees in a step."""
        return self.batch * (1 + self.candidates)

    @property
    def pairs(self) -> int:
        """Distances of a step of the published kind."""
        return self.batch * (self.candidates + self.batch - 1)

    @property
    def pairs_every(self) -> int:
        """Distances of a step in which every window is an anchor."""
        return self.encoded * (self.candidates + self.batch - 1)


QUICK = Size(batch=3, candidates=2, people=4, windows=8, samples=64)


def recordings(size: Size) -> Iterator[Recording]:
    """Somebody who moves at a pace of their own, worn at an angle of their own, with a device's noise."""
    rng = np.random.default_rng(0)
    spec = imu_spec(RATE_HZ, site="wrist")
    t = np.arange(size.windows * size.samples) / RATE_HZ
    for i in range(size.people):
        gravity = rng.normal(size=(1, 3))
        pace, strength = rng.uniform(0.8, 2.5), rng.uniform(0.05, 0.6, (1, 3))
        swing = np.sin(2 * np.pi * pace * t[:, None] + rng.uniform(0, 6, (1, 3))) * (1 + np.sin(t[:, None] / 7))
        data = gravity / np.linalg.norm(gravity) + strength * swing + rng.normal(0, 0.05, (len(t), 3))
        name = f"P{i:03d}"
        yield Recording(data.astype(np.float32), spec, subject=name, name=name, resolution=(1 / 256,) * 3)


class Cached:
    """A few draws gone through again and again, with their distances known."""

    def __init__(self, sampler: Sampler, draws: int, distances: Callable[[int], np.ndarray]) -> None:
        kept = [(sampler.draw(i), distances(i)) for i in range(draws)]
        self.kept = [Draw(d.windows, d.index, d.candidates, d.run, found) for d, found in kept]

    def draw(self, step: int) -> Draw:
        """The draw whose turn it is."""
        return self.kept[step % len(self.kept)]


class Work:
    """Windows in a corpus and in single files, and networks with the same weights for both sides.

    Args:
        folder: Where both layouts are; written if they are not there yet.
        size: How much work.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, folder: Path, size: Size, device: str = "cpu") -> None:
        self.folder, self.size, self.device = folder, size, torch.device(device)
        corpus = folder / "corpus"
        if not corpus.exists():
            build(recordings(size), corpus, BuildConfig(quality=False))
        self.windows: Windows = Corpus.open(corpus).windows(size.samples / RATE_HZ)
        self.files = folder / "windows"
        if not self.files.exists():
            self.files.mkdir()
            for i in range(len(self.windows)):
                np.save(self.files / f"{i:07d}.npy", self.windows.gather(np.array([i]))[0])
        self.world = World(0, 1, self.device)
        torch.manual_seed(0)
        self.encoder_weights = create_encoder("resnet1d_34", spec=self.windows.spec).state_dict()
        network = MotifNetwork(self.windows.spec)
        with torch.no_grad():  # the values a trained network might have: none of them is neutral
            network.norm.scale.copy_(torch.tensor([0.9, 1.1, 1.2]))
            network.norm.shift.copy_(torch.tensor([0.1, -0.1, 0.05]))
        self.network_weights = network.state_dict()

    # --- networks ---

    def encoder(self) -> Any:
        """Encoder of kinelet."""
        encoder = create_encoder("resnet1d_34", spec=self.windows.spec)
        encoder.load_state_dict(self.encoder_weights)
        return encoder.to(self.device)

    def network(self, attention: Attention = "softmax") -> MotifNetwork:
        """Motif network of kinelet."""
        network = MotifNetwork(self.windows.spec, MotifConfig(attention=attention))
        network.load_state_dict(self.network_weights)
        return network.to(self.device)

    def naive_encoder(self) -> naive.Encoder:
        """The transcription's encoder, with the same weights."""
        encoder = naive.Encoder()
        naive.fill(encoder, self.encoder_weights, {})
        return encoder.to(self.device)

    def naive_network(self, attention: Attention = "softmax") -> naive.MotifNet:
        """The transcription's motif network, with the same weights."""
        network = naive.MotifNet(attention)
        naive.fill(network, self.network_weights, {"norm.scale": "gamma", "norm.shift": "beta"})
        return network.to(self.device)

    # --- what a step is made of ---

    @cached_property
    def anchors(self) -> WithinSampler:
        """Anchors of different people, each with candidates of its own hour."""
        return WithinSampler(self.windows, self.size.batch, self.size.candidates)

    @cached_property
    def groups(self) -> BlockSampler:
        """Groups of windows of one person's hour each."""
        return BlockSampler(self.windows, self.size.batch, self.size.candidates + 1)

    @cached_property
    def single(self) -> RandomSampler:
        """Any windows."""
        return RandomSampler(self.windows, self.size.batch)

    def fetch(self, step: int) -> tuple[Tensor, Tensor]:
        """Anchors and candidates of a step, from single files."""
        draw = self.anchors.draw(step)
        assert draw.candidates is not None
        x = naive.fetch(self.files, draw.index.tolist())
        beside = naive.fetch(self.files, draw.candidates.ravel().tolist())
        return x, beside.reshape(*draw.candidates.shape, *x.shape[1:])

    def batch(self, sampler: Sampler, step: int) -> dict[str, Any]:
        """What a method is given for a step."""
        (_, found) = next(iter(iterate_batches(sampler, first_step=step, steps=1)))
        moved = {key: torch.as_tensor(value).to(self.device) for key, value in found.items()}
        return moved | {"generators": [torch.Generator(self.device).manual_seed(step)]}

    def cached(self, sampler: Sampler, relcon: RelCon, draws: int = 1) -> Cached:
        """``sampler`` with the distances of its first draws."""

        def distances(step: int) -> np.ndarray:
            return np.asarray(relcon.distances(self.batch(sampler, step)).cpu().numpy())

        return Cached(sampler, draws, distances)


# --- contenders -----------------------------------------------------------------------------------------------------


class Contender:
    """Something that takes training steps.

    Args:
        work: What on.
        anchors, pairs, encoded: Anchors, distances and encoded windows of a step.
    """

    def __init__(self, work: Work, anchors: int, pairs: int, encoded: int) -> None:
        self.work, self.anchors, self.pairs, self.encoded = work, anchors, pairs, encoded
        self.done = 0

    def steps(self, count: int) -> float:
        """Take some steps; how many seconds of them were spent waiting for data."""
        raise TypeError("a contender defines steps")

    def turn(self, count: int) -> dict[str, float]:
        """Wall and CPU seconds of a step, and the share of the former spent waiting for data."""
        self._settle()
        cpu, wall = time.process_time(), time.perf_counter()
        waited = self.steps(count)
        self._settle()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        self.done += count
        return {"wall_s": wall / count, "cpu_s": cpu / count, "wait_share": waited / wall}

    def _settle(self) -> None:
        if self.work.device.type == "cuda":
            torch.cuda.synchronize()


class Naive1(Contender):
    """Stage 1, transcribed."""

    def __init__(self, work: Work, attention: Attention) -> None:
        super().__init__(work, work.size.batch, work.size.batch, 0)
        self.network = work.naive_network(attention)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)
        self.rng = np.random.default_rng(0)

    def steps(self, count: int) -> float:
        """Take some steps."""
        waited = 0.0
        for step in range(self.done, self.done + count):
            begun = time.perf_counter()
            windows = naive.fetch(self.work.files, self.work.single.draw(step).index.tolist())
            waited += time.perf_counter() - begun
            naive.stage1_step(self.network, self.optimizer, windows, self.rng)
        return waited


class Naive2(Contender):
    """Stage 2, transcribed."""

    def __init__(self, work: Work) -> None:
        super().__init__(work, work.size.batch, work.size.pairs, work.size.encoded)
        self.network, self.encoder = work.naive_network(), work.naive_encoder()
        self.optimizer = torch.optim.Adam(self.encoder.parameters(), lr=1e-6)

    def steps(self, count: int) -> float:
        """Take some steps."""
        waited = 0.0
        for step in range(self.done, self.done + count):
            begun = time.perf_counter()
            x, candidates = self.work.fetch(step)
            waited += time.perf_counter() - begun
            naive.stage2_step(self.network, self.encoder, self.optimizer, x, candidates)
        return waited


class NaiveDistance(Naive2):
    """The distances of a stage-2 step alone, transcribed."""

    def steps(self, count: int) -> float:
        """Take some steps."""
        for step in range(self.done, self.done + count):
            x, candidates = (w.to(self.work.device) for w in self.work.fetch(step))
            naive.distances(self.network, x, candidates)
        return 0.0


class Kinelet(Contender):
    """A method in kinelet's own training loop."""

    def __init__(self, work: Work, method: Method, sampler: Sampler, sizes: tuple[int, int, int], **train: Any) -> None:
        super().__init__(work, *sizes)
        # As the transcription: plain Adam at a constant rate.
        fixed = {"optimizer": "adam", "weight_decay": 0.0, "warmup": 0, "schedule": "constant", "clip": None}
        config = TrainConfig(**{"lr": 1e-6, "batch_size": work.size.batch, **fixed, **train})
        self.sampler = sampler
        run = work.folder / f"run-{os.getpid()}-{id(self)}"
        self.loop = Loop(method, config, run, work.world, state={}, judge=None)

    def steps(self, count: int) -> float:
        """Take some steps, reading ahead as kinelet's trainer does."""
        waited, begun = 0.0, time.perf_counter()
        for _, batch in iterate_batches(self.sampler, first_step=self.done, steps=count, workers=1):
            waited += time.perf_counter() - begun
            self.loop._step(batch)
            begun = time.perf_counter()
        return waited


class KineletDistance(Contender):
    """The distances of a stage-2 step alone."""

    def __init__(self, work: Work, precision: Precision) -> None:
        super().__init__(work, 0, work.size.pairs, 0)
        distance = MotifDistance(work.network().eval(), precision=precision)
        self.method = RelCon(work.encoder(), RelConConfig(candidates=work.size.candidates), distance)

    def steps(self, count: int) -> float:
        """Take some steps."""
        for step in range(self.done, self.done + count):
            self.method.distances(self.work.batch(self.work.anchors, step))  # type: ignore[arg-type]
        return 0.0


def motif(work: Work, attention: Attention, precision: Precision = "fp32") -> Kinelet:
    """Stage 1."""
    options = MotifMethodConfig(network=MotifConfig(attention=attention), loss="published")
    method = Motif(work.network(attention), options)
    return Kinelet(work, method, work.single, (work.size.batch, work.size.batch, 0), lr=1e-3, precision=precision)


def relcon(
    work: Work,
    precision: Precision = "fp32",
    *,
    every: bool = False,
    cached: bool = False,
    distance: Precision | None = None,
    compiled: bool = False,
    **options: Any,
) -> Kinelet:
    """Stage 2; ``options`` are those of the distance."""
    size = work.size
    config = RelConConfig(candidates=size.candidates, anchors="every" if every else "batch")
    measure = MotifDistance(work.network().eval(), precision=distance or "fp32", **options)
    method = RelCon(work.encoder(), config, measure)
    sampler: Sampler = work.groups if every else work.anchors
    if cached:
        sampler = work.cached(sampler, method)
    anchors, pairs = (size.encoded, size.pairs_every) if every else (size.batch, size.pairs)
    sizes = (anchors, 0 if cached else pairs, size.encoded)
    return Kinelet(work, method, sampler, sizes, precision=precision, compile=compiled, batch_size=anchors)


#: Options of the distance with which each window is normalised by itself, so that queries are a window's, not a pair's.
OWN_SCALE = {"offset_free": True, "amplitude": "own", "scale": "isotropic"}

#: What is timed, by name; the first of each part is what the others of the part are compared with.
CONTENDERS: dict[str, dict[str, Callable[[Work], Contender]]] = {
    "stage 1, softmax": {
        "naive": lambda w: Naive1(w, "softmax"),
        "kinelet fp32": lambda w: motif(w, "softmax"),
        "kinelet bf16": lambda w: motif(w, "softmax", "bf16"),
    },
    "stage 1, sparsemax": {
        "naive": lambda w: Naive1(w, "sparsemax"),
        "kinelet fp32": lambda w: motif(w, "sparsemax"),
        "kinelet bf16": lambda w: motif(w, "sparsemax", "bf16"),
    },
    "distance": {
        "naive": lambda w: NaiveDistance(w),
        "kinelet fp32": lambda w: KineletDistance(w, "fp32"),
        "kinelet bf16": lambda w: KineletDistance(w, "bf16"),
    },
    "stage 2": {
        "naive": Naive2,
        "kinelet fp32": relcon,
        "kinelet bf16": lambda w: relcon(w, "bf16"),
        "kinelet bf16, bf16 distance": lambda w: relcon(w, "bf16", distance="bf16"),
        "kinelet bf16, compiled": lambda w: relcon(w, "bf16", distance="bf16", compiled=True),
    },
    "stage 2, other ways": {
        "naive": Naive2,
        "cached distance fp32": lambda w: relcon(w, cached=True),
        "cached distance bf16": lambda w: relcon(w, "bf16", cached=True),
        "every window fp32": lambda w: relcon(w, every=True),
        "every window bf16": lambda w: relcon(w, "bf16", every=True, distance="bf16"),
        "every window bf16, own scale": lambda w: relcon(w, "bf16", every=True, distance="bf16", **OWN_SCALE),
        "every window, cached fp32": lambda w: relcon(w, every=True, cached=True),
        "every window, cached bf16": lambda w: relcon(w, "bf16", every=True, cached=True),
    },
}
