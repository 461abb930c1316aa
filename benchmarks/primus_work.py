"""The work that ``primus_step.py`` times: a corpus with two modalities, and each contender, ready to take steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

import primus_naive as naive
from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.corpus.loader import iterate_batches
from kinelet.corpus.samplers import RandomSampler, Sampler
from kinelet.encoders.registry import create_encoder
from kinelet.methods.primus import Primus, PrimusConfig
from kinelet.signal.recording import Recording
from kinelet.signal.spec import SignalSpec, imu_spec
from kinelet.towers.store import attach_vectors
from kinelet.train.allocator import freed_memory_kept
from kinelet.train.config import TrainConfig
from kinelet.train.distributed import World
from kinelet.train.loop import Loop
from kinelet.train.pairing import Pairing

RATE_HZ, SAMPLES, DIM = 50.0, 250, 512
NAMES = ("video", "text")
LR = 2e-4


@dataclass(frozen=True)
class Size:
    """How much work a step is.

    Attributes:
        batch: Windows of a step.
        queue: Earlier windows among which neighbours are sought.
        people, windows: Of the corpus, windows each.
    """

    batch: int = 16
    queue: int = 8192
    people: int = 20
    windows: int = 100


#: For trying out.
QUICK = {"queue": 256, "people": 3, "windows": 8}


def recordings(size: Size, spec: SignalSpec) -> Iterator[Recording]:
    """Somebody who moves at a pace of their own."""
    rng = np.random.default_rng(0)
    t = np.arange(size.windows * SAMPLES) / RATE_HZ
    for i in range(size.people):
        pace, strength = rng.uniform(0.8, 2.5), rng.uniform(0.1, 1.0, (1, 6))
        data = strength * np.sin(2 * np.pi * pace * t[:, None] + rng.uniform(0, 6, (1, 6)))
        data = data + rng.normal(0, 0.3, data.shape)
        yield Recording(data.astype(np.float32), spec, subject=f"P{i}", name=f"P{i}", resolution=(1 / 4096,) * 6)


class Work:
    """Windows of a corpus with the vectors of two modalities in one space, and weights for both sides.

    Args:
        folder: Where the corpus goes.
        size: How much work.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, folder: Path, size: Size, device: str = "cpu") -> None:
        self.folder, self.size, self.device = folder, size, torch.device(device)
        self.spec = imu_spec(RATE_HZ, gyro=True)
        path = folder / "corpus"
        build(recordings(size, self.spec), path, BuildConfig(quality=False))
        corpus = Corpus.open(path)
        ids = [r.id for r in corpus.recordings for _ in range(size.windows)]
        starts = np.tile(np.arange(size.windows) * SAMPLES / RATE_HZ, size.people)
        rng = np.random.default_rng(1)
        for name in NAMES:
            vectors = rng.standard_normal((len(ids), DIM)).astype(np.float32)
            attach_vectors(path, name, vectors, ids, starts, SAMPLES / RATE_HZ, space="clip", tower="random")
        windows = corpus.windows(SAMPLES / RATE_HZ)
        self.pairing = Pairing([windows], NAMES)
        self.sampler: Sampler = self.pairing.wrap(RandomSampler(windows, size.batch))
        g = torch.Generator().manual_seed(2)
        held = functional.normalize(torch.randn(3, size.queue, DIM, generator=g), dim=2)
        self.queue = dict(zip((*NAMES, "motion"), held, strict=True))
        torch.manual_seed(0)
        self.weights = self.method("channels").encoder.state_dict()

    def batch(self, step: int) -> dict[str, Any]:
        """What a method is given for a step, without generators."""
        (_, found) = next(iter(iterate_batches(self.sampler, first_step=step, steps=1)))
        return {key: torch.as_tensor(value).to(self.device) for key, value in found.items()}

    def method(self, recurrence: Literal["channels", "time"], *, queue: bool = True) -> Primus:
        """Kinelet's method with its queue full: the published network, or the natural steps of time."""
        encoder = create_encoder("stacked_rnn", spec=self.spec, recurrence=recurrence)
        preset: Any = "primus_reference" if recurrence == "channels" else "primus"
        config = PrimusConfig(augmentations=preset, queue=self.size.queue, w_nn=1.0 if queue else 0.0)
        method = Primus(encoder, config, self.pairing.modalities).train()
        if method.queue is not None:
            elsewhere = -1 - torch.arange(self.size.queue)  # recordings of their own
            method.queue.enqueue(self.queue, {}, elsewhere, torch.zeros(self.size.queue))
        return method

    def transcription(self, *, queue: bool = True) -> naive.Primus:
        """The transcription with the same weights and queue."""
        held = {name: value.to(self.device) for name, value in self.queue.items()}
        model = naive.Primus(naive.Queue(**held) if queue else None)
        naive.fill(model.encoder, self.weights)
        return model.to(self.device)


# --- do both sides compute the same? ---------------------------------------------------------------------------------


def agreement(work: Work) -> dict[str, float]:
    """Largest relative differences of the loss of a whole step in float32, and of its gradient in float64.

    Both see the same second view; windows and items of a batch are all different, so that the transcription, which
    knows no masks, computes the same.
    """
    found = {}
    for dtype, name in ((torch.float32, "loss"), (torch.float64, "gradient")):
        method, model = work.method("channels").to(work.device), work.transcription()
        method.encoder.load_state_dict(work.weights)
        method, model = method.to(dtype), _cast(model, dtype)
        for kind in ("ss", "mm"):  # one is kept as it is, the other as its logarithm
            getattr(model, f"tau_{kind}").data = method.temperatures[kind]().detach()
        batch = {k: v.to(dtype) if v.dtype == torch.float32 else v for k, v in work.batch(0).items()}
        view = naive.augment(batch["x"], np.random.default_rng(0))
        method.augment = lambda x, generator, view=view: view  # type: ignore[assignment, misc]
        batch["generators"] = [torch.Generator(work.device)]
        ours = method(batch)["loss"]
        theirs = model(batch["x"], view, batch["vectors.video"], batch["vectors.text"])
        if name == "loss":
            found[name] = abs(float(ours.detach() / theirs.detach()) - 1)
            continue
        first, second = _gradient(theirs, model.encoder), _gradient(ours, method.encoder)
        found[name] = float((first - second).norm() / first.norm())
    return found


def _cast(model: naive.Primus, dtype: torch.dtype) -> naive.Primus:
    if model.queue is not None:
        for name in (*NAMES, "motion"):
            setattr(model.queue, name, getattr(model.queue, name).to(dtype))
    return model.to(dtype)


def _gradient(loss: Tensor, module: torch.nn.Module) -> Tensor:
    """Gradient of all parameters, in the order of the names they have in the transcription."""
    renamed = {
        name.replace("base.", "").replace("heads.ss", "head_ss").replace("heads.mm", "head_mm"): p
        for name, p in module.named_parameters()
    }
    parameters = [renamed[name] for name in sorted(renamed)]
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])


# --- contenders ------------------------------------------------------------------------------------------------------


class Contender:
    """Something that takes training steps."""

    def __init__(self, work: Work) -> None:
        self.work, self.done = work, 0

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


class Naive(Contender):
    """The transcription, with batches that were made before.

    With ``tuned``, memory that it frees is kept for its next step, as kinelet's own loop has it.
    """

    def __init__(self, work: Work, *, queue: bool = True, tuned: bool = False, kept: int = 8) -> None:
        super().__init__(work)
        self.memory: Callable[[], AbstractContextManager[Any]] = freed_memory_kept if tuned else nullcontext
        self.model = work.transcription(queue=queue)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LR)
        self.rng = np.random.default_rng(0)
        made = [work.batch(i) for i in range(kept)]
        self.batches = [{"x": b["x"], "video": b["vectors.video"], "text": b["vectors.text"]} for b in made]

    def steps(self, count: int) -> float:
        """Take some steps."""
        with self.memory():
            for step in range(self.done, self.done + count):
                naive.step(self.model, self.optimizer, self.batches[step % len(self.batches)], self.rng)
        return 0.0


class Kinelet(Contender):
    """Kinelet's method in its own loop, with batches from its own loader."""

    def __init__(self, work: Work, method: Primus, precision: Literal["fp32", "bf16"] = "fp32") -> None:
        super().__init__(work)
        fixed: dict[str, Any] = {"optimizer": "adam", "weight_decay": 0.0, "warmup": 0, "schedule": "constant"}
        config = TrainConfig(lr=LR, batch_size=work.size.batch, clip=None, precision=precision, **fixed)
        world = World(0, 1, work.device)
        self.loop = Loop(method, config, work.folder / f"run-{id(self)}", world, state={}, judge=None)

    def steps(self, count: int) -> float:
        """Take some steps, reading ahead as kinelet's trainer does; the first batch of a turn is not waited for."""
        batches = iterate_batches(self.work.sampler, first_step=self.done, steps=count, workers=1)
        waited = 0.0
        with freed_memory_kept():
            while True:
                begun = time.perf_counter()
                batch = next(batches, None)
                waited += time.perf_counter() - begun
                if batch is None:
                    return waited
                self.loop._step(batch[1])


#: What is timed, by name; a name that goes on with ", no queue" is what queue costs are counted from.
CONTENDERS: dict[str, Callable[[Work], Contender]] = {
    "naive": Naive,
    "naive, no queue": lambda w: Naive(w, queue=False),
    "naive, memory kept": lambda w: Naive(w, tuned=True),
    "kinelet, published network": lambda w: Kinelet(w, w.method("channels")),
    "kinelet, published network, no queue": lambda w: Kinelet(w, w.method("channels", queue=False)),
    "kinelet": lambda w: Kinelet(w, w.method("time")),
    "kinelet, no queue": lambda w: Kinelet(w, w.method("time", queue=False)),
    "kinelet, published network, bf16": lambda w: Kinelet(w, w.method("channels"), "bf16"),
    "kinelet, bf16": lambda w: Kinelet(w, w.method("time"), "bf16"),
    "kinelet, bf16, no queue": lambda w: Kinelet(w, w.method("time", queue=False), "bf16"),
}
