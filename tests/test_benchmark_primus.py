"""The benchmark of PRIMUS's step: the transcription is what it says it is, and kinelet computes the same."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import primus_naive as naive
import primus_step
import primus_work
from primus_work import CONTENDERS, QUICK, Size, Work

TIMED = ["naive", "kinelet"]


def options(*given: str) -> argparse.Namespace:
    once = ["--repeats", "1", "--steps", "1", "--warm-up", "1", "--threads", str(torch.get_num_threads())]
    return primus_step.arguments(["--quick", *once, *given])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return Work(tmp_path_factory.mktemp("work"), Size(batch=4, **QUICK))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a short run of two contenders finds; it checks the agreement of both sides first."""
    return primus_step.run(options("--only", "kinelet"), tmp_path_factory.mktemp("run"), Console(quiet=True))


# --- the transcription


def test_the_transcription_has_the_published_parameters() -> None:
    assert sum(p.numel() for p in naive.Encoder().parameters()) == 1_376_204


def wave() -> Tensor:
    """The input of the specification's numbers, ``(3, 6, 250)``."""
    b, c, t = np.meshgrid(np.arange(3), np.arange(6), np.arange(250), indexing="ij")
    x = np.sin(0.05 * (b + 1) * (c + 1) * t + 0.3 * c) + 0.01 * b * c + 0.2 * np.cos(0.31 * t * (1 + 0.1 * c))
    return torch.tensor(x, dtype=torch.float32)


def test_the_transcription_gives_the_outputs_of_the_public_code() -> None:
    encoder = naive.Encoder()
    names = ["norm_in.weight", "norm_in.bias", "conv1.weight", "conv2.weight", "conv3.weight", "norm_out.weight"]
    names += ["norm_out.bias", *(f"rnn.{n}_l0" for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))]
    names += ["head_ss.weight", "head_ss.bias", "head_mm.weight", "head_mm.bias"]
    state = encoder.state_dict()
    for j, name in enumerate(names):
        n = torch.arange(state[name].numel(), dtype=torch.float64)
        values = 1 + 0.1 * torch.sin(n + 1 + j) if j in (0, 5) else 0.08 * torch.sin(0.37 * n + 1 + j)
        state[name].copy_(values.reshape(state[name].shape))
    with torch.no_grad():
        ss, mm = encoder(wave())
    places = [0, 1, 255, 511]
    torch.testing.assert_close(mm[0, places], torch.tensor([-0.21638, -1.44308, -1.24666, 1.41972]), atol=1e-4, rtol=0)
    torch.testing.assert_close(ss[0, places], torch.tensor([1.61814, 1.33480, -0.34236, 0.24755]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("batch", [2, 16])
def test_the_transcribed_loss_of_equal_embeddings_is_twice_the_logarithm(batch: int) -> None:
    z = torch.ones(batch, 4)
    assert float(naive.nce(z, z, torch.tensor(0.1))) == pytest.approx(2 * math.log(batch), abs=1e-5)


def test_the_transcribed_augmentation_cuts_each_window_into_pieces_of_its_own() -> None:
    x = torch.arange(50.0).expand(4, 6, 50)
    y = naive.augment(x, np.random.default_rng(0))
    assert y.shape == x.shape and len({tuple(row.flatten().tolist()) for row in y}) == 4


def test_the_transcribed_queue_is_a_ring() -> None:
    held = torch.zeros(5, 3)
    queue = naive.Queue(held, held, held)
    for value in (1.0, 2.0):
        new = torch.full((3, 3), value)
        queue.put(new, new, new)
    assert queue.next == 1 and bool((queue.video.norm(dim=1) - 1).abs().max() < 1e-6)


# --- the benchmark


def test_both_sides_agree(report: dict[str, Any]) -> None:
    found = report["batches"][4]["agreement"]
    assert all(found[name] < primus_step.SAME[name] for name in primus_step.SAME)


def test_a_wrong_neighbour_is_not_timed(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    right = naive.Queue.nearest
    monkeypatch.setattr(naive.Queue, "nearest", lambda queue, video: (right(queue, video) + 1) % len(queue.video))
    monkeypatch.setattr(primus_step, "Work", lambda *given: work)
    with pytest.raises(SystemExit, match="loss is off"):
        primus_step.run(options(), Path(), Console(quiet=True))


def test_what_was_asked_for_is_timed_and_nothing_else(report: dict[str, Any]) -> None:
    assert list(report["batches"][4]["contenders"]) == TIMED


def test_a_contender_is_as_fast_as_itself(report: dict[str, Any]) -> None:
    assert report["batches"][4]["contenders"]["naive"]["times_faster"] == 1.0


def test_both_sides_start_with_a_full_queue(work: Work) -> None:
    queue = work.method("time").queue
    assert queue is not None and int(queue.fill) == QUICK["queue"]


def test_without_a_queue_there_is_none(work: Work) -> None:
    assert work.method("time", queue=False).queue is None and work.transcription(queue=False).queue is None


@pytest.mark.parametrize("name", list(CONTENDERS))
def test_every_contender_takes_a_step(work: Work, name: str) -> None:
    assert CONTENDERS[name](work).turn(1)["wall_s"] > 0


def test_ratios_are_medians_over_rounds() -> None:
    walls = {"naive": (4.0, 8.0, 6.0), "kinelet": (2.0, 2.0, 1.0), "kinelet, no queue": (2.0, 1.0, 1.0)}
    turns = {n: [{"wall_s": w, "cpu_s": w, "wait_share": 0.0} for w in walls[n]] for n in walls}
    found = primus_step.summary(turns, 8)["kinelet"]
    assert (found["times_faster"], found["queue_costs"], found["windows_per_s"]) == (4.0, 1.0, 4.0)


def test_the_full_size_is_the_published_one() -> None:
    assert (Size().batch, Size().queue, primus_work.SAMPLES, primus_work.DIM) == (16, 8192, 250, 512)


def test_a_step_of_62_windows_takes_less_than_three_tenths_of_a_second(tmp_path: Path) -> None:
    # The processor's time on one thread, the best of a few: what else the machine does is not to matter.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        contender = CONTENDERS["kinelet"](Work(tmp_path, Size(batch=62, people=4, windows=40)))
        contender.turn(1)
        best = min(contender.turn(1)["cpu_s"] for _ in range(5))
    finally:
        torch.set_num_threads(threads)
    assert best < 0.3


def test_a_profile_names_the_operators(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    primus_step.profile(CONTENDERS["kinelet"](work), steps=1)
    assert "aten::addmm" in capsys.readouterr().out


def test_a_table_has_a_row_for_each_contender(report: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    primus_step.show("batch 4", report["batches"][4]["contenders"])
    assert [line.split(" | ")[0][2:] for line in capsys.readouterr().out.splitlines()[2:-1]] == TIMED
