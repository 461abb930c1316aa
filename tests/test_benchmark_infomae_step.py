"""The benchmark of InfoMAE's second stage: the transcription is what it says it is, and everything runs."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import infomae_naive as naive
import infomae_step
from infomae_work import CONTENDERS, MOD_CONTENDERS, QUICK, PublishedMod, Size, Work

SEQUENCE = torch.tensor([0, 0, 1, 1, 2, 2])


def options(*given: str) -> argparse.Namespace:
    once = ["--repeats", "1", "--steps", "1", "--warm-up", "1", "--threads", str(torch.get_num_threads())]
    return infomae_step.arguments(["--quick", *once, *given])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return Work(tmp_path_factory.mktemp("infomae"), Size(**QUICK))


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_transcribed_encoder_has_the_published_size() -> None:
    encoder = naive.Encoder()
    assert count(encoder) - encoder.hidden.numel() == 818_776


def test_the_transcription_has_ten_critics() -> None:
    model = naive.InfoMAE(("acc", "gyr"))
    assert len(model.critics) == 10


def test_the_transcribed_contrast_at_equal_similarities_counts_positives_and_negatives() -> None:
    """One positive and twice the rows of other sequences, all alike: ln(1 + 2 * 4)."""
    h = torch.ones(6, 3)
    assert float(naive.contrast(h, h, SEQUENCE)) == pytest.approx(math.log(9))


def test_the_transcribed_hinge_on_numbers() -> None:
    """Sequences {0, 1} and {1, 2}: 0.5 within, 1 across, each ordered pair 0.5."""
    h = torch.tensor([[0.0], [1.0], [1.0], [2.0]])
    assert float(naive.hinge(h, SEQUENCE[:4])) == pytest.approx(0.5, abs=1e-5)


def test_the_transcription_draws_from_other_sequences() -> None:
    assert bool((SEQUENCE[naive._elsewhere(SEQUENCE)] != SEQUENCE).all())


def test_critics_of_the_transcription_leave_encoders_alone() -> None:
    torch.manual_seed(0)
    model = naive.InfoMAE(("acc", "gyr"))
    x = {name: torch.randn(4, 3, 200) for name in model.names}
    _, critics = model(x, torch.tensor([0, 0, 1, 1]))
    critics.backward()
    assert all(p.grad is None for p in model.encoders.parameters())


def test_batches_hold_all_modalities_in_sequences(work: Work) -> None:
    batch = next(work.batches(0, 1))
    shapes = [tuple(batch[f"x.{name}"].shape) for name in ("acc", "gyr", "mag")]
    assert shapes == [(8, 3, 200)] * 3 and list(batch["sequence"]) == [0] * 4 + [1] * 4


def test_a_step_trains_encoders_and_critics(work: Work) -> None:
    contender = CONTENDERS["kinelet"](work)
    method = contender.loop.method  # type: ignore[attr-defined]
    before = {name: p.detach().clone() for name, p in method.named_parameters() if p.requires_grad}
    contender.turn(1)
    still = {name.split(".")[0] for name, p in method.named_parameters() if name in before and p.equal(before[name])}
    assert not {"encoder", "decoders"} & still and not all(p.equal(before[n]) for n, p in method.named_parameters())


def test_networks_at_mods_published_size_take_made_up_windows(tmp_path: Path) -> None:
    made = PublishedMod(tmp_path, Size(batch=4))
    shapes = [tuple(next(made.batches(0, 1))[f"x.{name}"].shape) for name in ("audio", "seismic")]
    assert shapes == [(4, 1, 16000), (4, 1, 200)]


def test_a_run_shows_shares_of_the_figures_to_beat(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(infomae_step.REFERENCE, "stage 2, ten critics", {8: 1e9})
    report = infomae_step.run(options("--only", "kinelet", "--memory"), work.folder, Console(quiet=True))
    rows = report["batches"][8]["contenders"]
    assert list(rows) == ["published design", "kinelet"] and 0 < rows["kinelet"]["share of stage 2, ten critics"] < 1e-6


def test_memory_is_counted_from_before_the_first_step(work: Work) -> None:
    args = options("--peak-of", "kinelet", "--folder", str(work.folder))
    assert 0 <= infomae_step.peak_here("kinelet", args) < infomae_step._held("VmHWM")


def test_the_verdict_names_what_is_too_dear() -> None:
    rows = {"kinelet": {"share of stage 2, ten critics": 0.3, "share": 0.4}}
    assert list(infomae_step.verdict(rows, {"kinelet": 9.0}).values()) == [True, False, False]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in CONTENDERS if n not in ("published design", "kinelet")])
def test_every_contender_takes_a_step(name: str, work: Work) -> None:
    assert CONTENDERS[name](work).turn(1)["cpu_s"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MOD_CONTENDERS))
def test_every_contender_takes_a_step_at_mods_size(name: str, tmp_path: Path) -> None:
    assert MOD_CONTENDERS[name](PublishedMod(tmp_path, Size(batch=8))).turn(1)["cpu_s"] > 0
