"""The benchmark of RelCon's steps: the transcription is what it says it is, and kinelet computes the same."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import relcon_naive as naive
import relcon_step
from kinelet.deploy.relcon_keys import encoder_key, motif_key
from kinelet.encoders.registry import create_encoder
from relcon_files import encoder_shapes, filled, motif_shapes, probe_windows
from relcon_work import CONTENDERS, QUICK, Size, Work

RENAMED = {"norm.scale": "gamma", "norm.shift": "beta"}
PART = "stage 2, other ways"
TIMED = ["naive", "every window bf16, own scale", "every window, cached bf16"]
ROW = {"softmax": [456.366, 467.013, 475.290, 498.679], "sparsemax": [760.995, 703.357, 704.876, 853.745]}


def options(*given: str) -> argparse.Namespace:
    threads = str(torch.get_num_threads())
    once = ["--repeats", "1", "--steps", "1", "--warm-up", "1", "--threads", threads]
    return relcon_step.arguments(["--quick", "--no-compile", "--no-peak", *once, *given])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return Work(tmp_path_factory.mktemp("work"), QUICK)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a short run of three contenders finds; it checks the agreement of both sides first."""
    only = [word for name in TIMED[1:] for word in ("--only", name)]
    args = options("--part", PART, *only)
    return relcon_step.run(args, tmp_path_factory.mktemp("run"), Console(quiet=True))


# --- the transcription


@pytest.mark.parametrize("attention", ["softmax", "sparsemax"])
def test_the_transcription_gives_the_distances_of_the_public_code(attention: Literal["softmax", "sparsemax"]) -> None:
    shapes = filled(motif_shapes())
    network = naive.MotifNet(attention)
    own = {name: name.replace("gamma", "norm.scale").replace("beta", "norm.shift") for name in network.state_dict()}
    naive.fill(network, {theirs: shapes[motif_key(theirs)] for theirs in own.values()}, RENAMED)
    x = torch.tensor(probe_windows(), dtype=torch.float32)
    np.testing.assert_allclose(network.distance(x[:1].expand_as(x), x).numpy(), ROW[attention], rtol=1e-4)


def test_the_transcription_gives_the_embeddings_of_the_public_code() -> None:
    shapes = filled(encoder_shapes())
    encoder = naive.Encoder()
    naive.fill(encoder, {name: shapes[encoder_key(name)] for name in create_encoder("resnet1d_34").state_dict()}, {})
    with torch.no_grad():
        z = encoder.eval()(torch.tensor(probe_windows(), dtype=torch.float32))
    np.testing.assert_allclose(z[0, [0, 1, 127, 255]].numpy(), [1.44189, -2.13959, 1.09578, 0.68533], atol=1e-4)


@pytest.mark.parametrize(("network", "count"), [(naive.MotifNet("softmax"), 58_617), (naive.Encoder(), 3_635_840)])
def test_the_transcription_has_the_published_parameters(network: torch.nn.Module, count: int) -> None:
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("n", [3, 12])
def test_the_transcribed_loss_of_equal_candidates_is_the_log_of_their_orders(n: int) -> None:
    z = torch.ones(1, 4)
    loss = naive.ranking_loss(z, torch.ones(1, n, 4), torch.arange(float(n))[None])
    assert math.isclose(float(loss), math.lgamma(n + 1), rel_tol=1e-5)


def test_columns_of_the_transcribed_distances_are_own_candidates_and_then_the_anchors_that_follow() -> None:
    torch.manual_seed(0)
    network, x, own = naive.MotifNet("softmax"), torch.randn(4, 3, 32), torch.randn(4, 2, 3, 32)
    found = naive.distances(network, x, own)
    want = torch.stack([network.distance(x[i : i + 1], x[(i + 2) % 4][None])[0] for i in range(4)])
    torch.testing.assert_close(found[:, 3], want)


@pytest.mark.parametrize("transform", naive.TRANSFORMS, ids=lambda f: f.__name__)
def test_transcribed_transforms_keep_the_shape(transform: Any) -> None:
    x = np.random.default_rng(0).normal(size=(3, 64))
    assert transform(x, np.random.default_rng(1)).shape == x.shape


def test_filling_refuses_weights_that_are_missing() -> None:
    weights = dict(naive.MotifNet("softmax").state_dict())
    weights.pop("out.bias")
    with pytest.raises(RuntimeError, match=r"out\.bias"):
        naive.fill(naive.MotifNet("softmax"), weights, {})


# --- the benchmark


def test_values_agree(report: dict[str, Any]) -> None:
    assert max(gap for name, gap in report["agreement"].items() if "gradient" not in name) < 1e-5


def test_gradients_agree(report: dict[str, Any]) -> None:
    assert max(gap for name, gap in report["agreement"].items() if "gradient" in name) < 1e-7


def test_a_wrong_distance_is_not_timed(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    right = naive.distances
    monkeypatch.setattr(naive, "distances", lambda *args: right(*args) * 1.001)
    with pytest.raises(SystemExit, match="distance is off"):
        relcon_step.agreement(work)


def test_what_was_asked_for_is_timed_and_nothing_else(report: dict[str, Any]) -> None:
    assert list(report["parts"][PART]["contenders"]) == TIMED


def test_a_contender_is_as_fast_as_itself(report: dict[str, Any]) -> None:
    assert report["parts"][PART]["contenders"]["naive"]["times_faster"] == 1.0


def test_every_window_counts_as_an_anchor(report: dict[str, Any]) -> None:
    assert report["parts"][PART]["contenders"]["every window, cached bf16"]["anchors"] == QUICK.encoded


def test_the_allocator_is_named(report: dict[str, Any]) -> None:
    assert set(report["environment"]["allocator"]) == set(relcon_step.TUNED)


def test_ratios_are_medians_over_rounds() -> None:
    turns = {
        name: [{"wall_s": w, "cpu_s": w, "wait_share": 0.0, "anchors": a, "pairs": 1, "windows": 1} for w in walls]
        for name, walls, a in (("naive", (4.0, 8.0, 6.0), 1), ("ours", (2.0, 2.0, 1.0), 5))
    }
    found = relcon_step.summary(turns)["ours"]
    assert (found["times_faster"], found["times_anchors_per_s"], found["wall_s"]) == (4.0, 20.0, 2.0)


def test_the_full_size_is_the_published_one() -> None:
    size = Size()
    assert (size.pairs, size.encoded, size.pairs_every) == (5_312, 1_344, 111_552)


@pytest.mark.parametrize("part", list(CONTENDERS))
def test_each_part_begins_with_the_transcription(part: str) -> None:
    assert next(iter(CONTENDERS[part])) == "naive"


def test_a_profile_names_the_operators(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    relcon_step.profile("distance", "kinelet fp32", work)
    assert "convolution" in capsys.readouterr().out


def test_a_table_has_a_row_for_each_contender(report: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    relcon_step.show(PART, report["parts"][PART]["contenders"])
    assert [line.split(" | ")[0][2:] for line in capsys.readouterr().out.splitlines()[2:-1]] == TIMED


def test_peak_memory_is_that_of_a_process(work: Work) -> None:
    assert relcon_step.peak_here("distance", "kinelet fp32", work) > 50
