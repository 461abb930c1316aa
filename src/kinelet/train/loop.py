"""The one loop: any method, one process or many, full or mixed precision, resumed to the bit."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from kinelet.errors import KineletError
from kinelet.methods.base import Batch, Method, Output
from kinelet.progress import Progress, silent
from kinelet.train import distributed
from kinelet.train.allocator import freed_memory_kept
from kinelet.train.best import BestWeights, Judge, Watch
from kinelet.train.checkpoint import load_checkpoint, save_checkpoint
from kinelet.train.config import TrainConfig
from kinelet.train.distributed import World
from kinelet.train.log import RunLog
from kinelet.train.monitor import collapse_indicators
from kinelet.train.optim import WeightAverage, clip_gradients, learning_rate, make_optimizer

#: Given the first step and the number of steps, yields this process's rows of every global batch, in step order.
BatchSource = Callable[[int, int], Iterator[Mapping[str, Any]]]


class InterruptedRunError(KineletError):
    """The run was asked to stop; its checkpoint is written."""

    exit_status = 130


class DivergedError(KineletError):
    """The loss is no longer a finite number."""


def fit(
    method: Method,
    batches: BatchSource,
    config: TrainConfig,
    folder: Path,
    *,
    world: World | None = None,
    state: Mapping[str, Any] | None = None,
    judge: Judge | None = None,
    watch: Watch | None = None,
    progress: Progress = silent,
) -> None:
    """Train ``method.encoder`` in place, from the checkpoint in ``folder`` if there is one.

    Args:
        method: The method; afterwards its encoder holds the final weights (their moving average with ``ema``, the best
            with ``judge``).
        batches: Source of batches, a pure function of the step.
        config: Configuration of the loop.
        folder: Run directory for checkpoint and log.
        world: This process's place; joined from the environment if not given.
        state: Facts stored in the checkpoint (configuration hash) beside the step.
        judge: Scores the method now and then; the weights with the lowest score are kept, not the last.
        watch: Looks at the method now and then; what it sees is logged.
        progress: Told after every step.

    Raises:
        InterruptedRunError: after SIGINT or SIGTERM, once the checkpoint is on disk.
        DivergedError: if the loss stops being finite.
    """
    world = world or distributed.join(config.device)
    with freed_memory_kept() if world.device.type == "cpu" else nullcontext():
        Loop(method, config, folder, world, dict(state or {}), judge, watch).run(batches, progress)


class Loop:
    """One run: everything that :func:`fit` keeps between steps."""

    def __init__(
        self,
        method: Method,
        config: TrainConfig,
        folder: Path,
        world: World,
        state: dict[str, Any],
        judge: Judge | None,
        watch: Watch | None = None,
    ) -> None:
        self.watch = watch
        self.method, self.config, self.folder, self.world, self.state = method, config, folder, world, state
        if config.threads:
            torch.set_num_threads(config.threads)
        method.to(world.device).train()
        self.model = self._wrap()
        self.optimizer = make_optimizer(method, config)
        self.average = WeightAverage(method.encoder, config.ema) if config.ema else None
        self.judge = judge
        self.best = BestWeights(method.encoder) if judge else None
        self.done = load_checkpoint(
            folder, method=method, optimizer=self.optimizer, average=self.average, best=self.best
        )

    def _wrap(self) -> nn.Module:
        method, world = self.method, self.world
        if self.config.compile:
            method.compile()
        if world.size == 1:
            return method
        distributed.connect(method, self.config.batch_size // self.config.accumulate // world.size, world)
        if world.device.type == "cuda":  # encoder and heads; gloo cannot, there each process norms its own rows
            for name, child in method.named_children():
                setattr(method, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))  # type: ignore[no-untyped-call]
        return distributed.parallel(method, world)

    def run(self, batches: BatchSource, progress: Progress) -> None:
        """Train to the last step."""
        log = RunLog(self.folder, first_step=self.done + 1) if self.world.main else None
        clock, seen = time.monotonic(), 0
        try:
            with _stop_on_signal() as stop:
                for batch in batches(self.done, self.config.steps - self.done):
                    output = self._step(batch)
                    self.done += 1
                    seen += self.config.batch_size
                    scored = self._validate() | self._look()
                    if scored or self.done % self.config.log_every == 0 or self.done == self.config.steps:
                        rate = seen / (time.monotonic() - clock)
                        self._log(log, output, {"windows_per_s": rate} | scored, progress)
                        clock, seen = time.monotonic(), 0
                    else:
                        progress(self.done)
                    self._checkpoint(distributed.any_rank(stop(), self.world))
        finally:
            if log is not None:
                log.close()
        if self.average is not None:
            self.method.encoder.load_state_dict(self.average.values)
        if self.best is not None:
            self.method.encoder.load_state_dict(self.best.values)
        self.method.eval()

    def _validate(self) -> dict[str, float]:
        """Score the weights where it is due, and keep them if they are the best so far."""
        due = self.judge is not None and (self.done % self.judge.every == 0 or self.done == self.config.steps)
        if not due or self.judge is None or self.best is None:
            return {}
        self.method.eval()
        with self._autocast():
            score = self.judge.score(self.method)
        self.method.train()
        if not math.isfinite(score):
            raise DivergedError(
                f"validation is {score} after step {self.done}",
                where=str(self.folder),
                remedy="Lower train.lr, or check the corpus with kinelet corpus info",
            )
        self.best.update(self.method.encoder, score)
        return {"validation": score}

    def _look(self) -> dict[str, float]:
        """What there is to see where a look is due."""
        if self.watch is None or not (self.done % self.watch.every == 0 or self.done == self.config.steps):
            return {}
        self.method.eval()
        with self._autocast(), torch.no_grad():
            seen = self.watch.look(self.method)
        self.method.train()
        return seen

    def _step(self, batch: Mapping[str, Any]) -> Output:
        step, config = self.done, self.config
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, config) * group["scale"]
        self.optimizer.zero_grad(set_to_none=True)
        distributed.send_buffers(self.method, self.world)
        outputs = [self._micro(micro, rows, step) for micro, rows in enumerate(_split(batch, config.accumulate))]
        if config.clip is not None:
            clip_gradients(self.method, config.clip)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.method.encoder)
        return _merge(outputs)

    def _micro(self, micro: int, rows: Mapping[str, Any], step: int) -> Output:
        shards = [self.world.rank] if self.world.size > 1 else list(range(self.config.shards))
        # Dropout draws from torch's global generator: reseeding it makes it a function of the step as well.
        torch.manual_seed(_seed(self.config.seed, step, micro, 1 << 20 | self.world.rank))
        inputs = self._to_device(rows)
        inputs["generators"] = [
            torch.Generator(self.world.device).manual_seed(_seed(self.config.seed, step, micro, s)) for s in shards
        ]
        last = micro == self.config.accumulate - 1
        with self._no_sync(last):
            with self._autocast():
                output = cast(Output, self.model(inputs))
            loss = output["loss"]
            if not bool(torch.isfinite(loss)):
                raise DivergedError(
                    f"loss is {float(loss.detach())} at step {step + 1}",
                    where=str(self.folder),
                    remedy="Lower train.lr, lengthen train.warmup, or check the corpus with kinelet corpus info",
                )
            (loss / self.config.accumulate).backward()  # type: ignore[no-untyped-call]
        return output

    def _no_sync(self, last: bool) -> AbstractContextManager[None]:
        if last or not isinstance(self.model, nn.parallel.DistributedDataParallel):
            return nullcontext()
        return cast(AbstractContextManager[None], self.model.no_sync())

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.config.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.world.device.type, dtype=torch.bfloat16)

    def _to_device(self, rows: Mapping[str, Any]) -> Batch:
        pinned = self.world.device.type == "cuda"
        moved: dict[str, Any] = {}
        for key, value in rows.items():
            tensor = torch.as_tensor(value)
            moved[key] = tensor.pin_memory().to(self.world.device, non_blocking=True) if pinned else tensor
        return cast(Batch, moved)

    def _log(self, log: RunLog | None, output: Output, extra: dict[str, float], progress: Progress) -> None:
        values = {"loss": float(output["loss"].detach())} | {k: float(v) for k, v in output["parts"].items()}
        values = distributed.mean_over_ranks(values, self.world)
        if "embeddings" in output:
            values |= collapse_indicators(output["embeddings"])
        values |= {"lr": learning_rate(self.done - 1, self.config), **extra}
        progress(self.done, f"loss {values['loss']:.4f}")
        if log is not None:
            log.write(self.done, values)

    def _checkpoint(self, stopping: bool) -> None:
        due = stopping or self.done % self.config.checkpoint_every == 0 or self.done == self.config.steps
        if due and self.world.main:
            save_checkpoint(
                self.folder,
                step=self.done,
                state=self.state,
                method=self.method,
                optimizer=self.optimizer,
                average=self.average,
                best=self.best,
            )
        if stopping and self.done < self.config.steps:
            raise InterruptedRunError(
                f"stopped after step {self.done} of {self.config.steps}",
                where=str(self.folder),
                remedy="Everything is kept; go on with --resume",
            )


def _split(batch: Mapping[str, Any], parts: int) -> Sequence[Mapping[str, Any]]:
    if parts == 1:
        return [batch]
    pieces = {key: np.array_split(np.asarray(value), parts) for key, value in batch.items()}
    return [{key: pieces[key][i] for key in pieces} for i in range(parts)]


def _merge(outputs: Sequence[Output]) -> Output:
    """Mean loss and parts over micro-batches, embeddings of the last."""
    last = outputs[-1]
    mean: Callable[[list[Tensor]], Tensor] = lambda values: torch.stack([v.detach() for v in values]).mean()  # noqa: E731
    last["loss"] = mean([o["loss"] for o in outputs])
    last["parts"] = {k: mean([o["parts"][k] for o in outputs]) for k in last["parts"]}
    return last


def _seed(*entropy: int) -> int:
    """An independent 63-bit seed for a tuple of counters."""
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a flag, so that the step in progress is finished and saved."""
    raised: list[int] = []
    previous: dict[int, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            previous[number] = signal.signal(number, lambda n, _frame: raised.append(n))
        except ValueError:  # not the main thread: whoever runs it handles signals
            break
    try:
        yield lambda: bool(raised)
    finally:
        for caught, handler in previous.items():
            signal.signal(caught, handler)
