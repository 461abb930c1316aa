"""The loop in one process: resume to the bit, accumulation, averaging, signals and divergence."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from kinelet.errors import BadFileError
from kinelet.train.checkpoint import NAME, read_state
from kinelet.train.config import TrainConfig
from kinelet.train.distributed import World
from kinelet.train.loop import DivergedError, InterruptedRunError, fit
from toy_run import ToyEncoder, ToyMethod, batches, run


def config(**changes: Any) -> TrainConfig:
    given = {"steps": 9, "batch_size": 16, "warmup": 2, "log_every": 1, "checkpoint_every": 1, "device": "cpu"}
    return TrainConfig(**(given | changes))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoint" / NAME)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def records(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "windows_per_s"} for line in lines]


class StopAtError(Exception):
    pass


@pytest.mark.parametrize("norm", ["layer", "batch"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_run_stopped_after_any_step_resumes_to_the_bit(tmp_path: Path, norm: str, optimizer: Any) -> None:
    whole = config(optimizer=optimizer, ema=0.9)
    run(tmp_path / "whole", whole, norm=norm)
    for stop in range(1, whole.steps):
        folder = tmp_path / f"stopped-{stop}"
        _stop_after(folder, whole, stop, norm)
        assert read_state(folder) == {"step": stop}
        run(folder, whole, norm=norm)
        assert same(weights(folder), weights(tmp_path / "whole"))
        assert records(folder) == records(tmp_path / "whole")


def _stop_after(folder: Path, whole: TrainConfig, stop: int, norm: str) -> None:
    folder.mkdir()
    torch.manual_seed(whole.seed)

    def progress(done: int, note: str = "") -> None:
        if done == stop + 1:  # in the middle of the next step, after the checkpoint of the last
            raise StopAtError

    with pytest.raises(StopAtError):
        world = World(0, 1, torch.device("cpu"))
        fit(ToyMethod(ToyEncoder(norm)), batches(16), whole, folder, world=world, progress=progress)


def test_a_different_seed_gives_different_weights(tmp_path: Path) -> None:
    run(tmp_path / "a", config(seed=0))
    run(tmp_path / "b", config(seed=1))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_running_a_finished_run_again_changes_nothing(tmp_path: Path) -> None:
    run(tmp_path, config())
    before = weights(tmp_path)
    encoder = run(tmp_path, config())
    assert same(before, weights(tmp_path))
    assert torch.equal(encoder.conv.weight, before["method/encoder.conv.weight"])


def test_a_signal_finishes_the_step_and_saves(tmp_path: Path) -> None:
    def progress(done: int, note: str = "") -> None:
        if done == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(InterruptedRunError, match="--resume"):
        fit(ToyMethod(ToyEncoder()), batches(16), config(checkpoint_every=100), tmp_path, progress=progress)
    assert read_state(tmp_path) == {"step": 4}
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_moving_average_is_what_is_kept(tmp_path: Path) -> None:
    encoder = run(tmp_path, config(ema=0.5))
    saved = weights(tmp_path)
    assert torch.equal(encoder.conv.weight, saved["average/conv.weight"])
    assert not torch.equal(saved["average/conv.weight"], saved["method/encoder.conv.weight"])


def test_accumulation_averages_the_gradients_of_micro_batches(tmp_path: Path) -> None:
    """One step of plain SGD against a hand-made average over the two halves, each with its own generators."""
    one = config(steps=1, accumulate=2, optimizer="sgd", clip=None, weight_decay=0.0, warmup=0, lr=0.1)
    torch.manual_seed(0)
    start = ToyEncoder(dropout=0.0)
    initial = start.conv.weight.detach().clone()
    fit(ToyMethod(start), batches(16), one, tmp_path)
    step = (initial - start.conv.weight.detach()) / 0.1
    assert step.abs().max() > 0
    parts = [_half_gradient(i, initial) for i in range(2)]
    torch.testing.assert_close(step, (parts[0] + parts[1]) / 2, rtol=1e-4, atol=1e-6)


def _half_gradient(half: int, weight: torch.Tensor) -> torch.Tensor:
    from kinelet.train.loop import _seed

    torch.manual_seed(0)
    method = ToyMethod(ToyEncoder(dropout=0.0)).train()
    assert torch.equal(method.encoder.conv.weight, weight)  # type: ignore[union-attr]
    batch = next(batches(16)(0, 1))
    rows = slice(8 * half, 8 * half + 8)
    if half == 1:  # the first half has put its first embedding into the queue
        with torch.no_grad():
            method(_inputs(batch, slice(0, 8), _seed(0, 0, 0, 0)))
    method(_inputs(batch, rows, _seed(0, 0, half, 0)))["loss"].backward()
    gradient = method.encoder.conv.weight.grad  # type: ignore[union-attr]
    assert gradient is not None
    return gradient


def _inputs(batch: dict[str, Any], rows: slice, seed: int) -> Any:
    return {"x": torch.as_tensor(batch["x"][rows]), "generators": [torch.Generator().manual_seed(seed)]}


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    class Broken(ToyMethod):
        def forward(self, batch: Any) -> Any:
            return {"loss": super().forward(batch)["loss"] * float("nan"), "parts": {}}

    with pytest.raises(DivergedError, match=r"nan at step 1.*train\.lr"):
        fit(Broken(ToyEncoder()), batches(16), config(), tmp_path)


def test_gradient_clipping_bounds_the_step(tmp_path: Path) -> None:
    tight = config(steps=1, optimizer="sgd", lr=1.0, warmup=0, weight_decay=0.0, clip=1e-3)
    torch.manual_seed(0)
    encoder = ToyEncoder()
    before = torch.cat([p.detach().flatten().clone() for p in encoder.parameters()])
    fit(ToyMethod(encoder), batches(16), tight, tmp_path)
    after = torch.cat([p.detach().flatten() for p in encoder.parameters()])
    assert float((after - before).norm()) == pytest.approx(1e-3, rel=1e-2)


def test_bf16_trains_and_keeps_float32_weights(tmp_path: Path) -> None:
    encoder = run(tmp_path, config(precision="bf16", steps=3))
    assert encoder.conv.weight.dtype == torch.float32
    assert all(r["loss"] is not None for r in records(tmp_path))


def test_the_log_has_loss_parts_rate_and_collapse_indicators(tmp_path: Path) -> None:
    run(tmp_path, config(steps=2))
    names = set(json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0]))
    assert {"step", "loss", "first", "lr", "windows_per_s", "embedding_std", "effective_rank"} <= names


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / NAME).write_bytes(b"\x08\0\0\0\0\0\0\0garbage!")
    with pytest.raises(BadFileError, match="not a checkpoint"):
        read_state(tmp_path)


def test_a_checkpoint_without_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    save_file({"x": torch.zeros(1)}, tmp_path / "checkpoint" / NAME)
    with pytest.raises(BadFileError, match="not a checkpoint"):
        read_state(tmp_path)
