"""Schedule, optimiser groups, moving average, indicators and log: each against its definition."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from kinelet.train.config import TrainConfig
from kinelet.train.log import RunLog
from kinelet.train.monitor import collapse_indicators
from kinelet.train.optim import WeightAverage, learning_rate, make_optimizer


def test_warm_up_rises_linearly_then_cosine_falls_to_zero() -> None:
    config = TrainConfig(steps=110, warmup=10, lr=2.0)
    assert [learning_rate(s, config) for s in (0, 4, 9)] == pytest.approx([0.2, 1.0, 2.0])
    assert learning_rate(60, config) == pytest.approx(1.0)
    assert learning_rate(109, config) == pytest.approx(1.0 + math.cos(math.pi * 99 / 100))


def test_constant_schedule_stays_after_warm_up() -> None:
    config = TrainConfig(steps=100, warmup=0, lr=0.5, schedule="constant")
    assert {learning_rate(s, config) for s in range(100)} == {0.5}


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_norms_and_biases_are_not_decayed(name: str) -> None:
    module = nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4))
    optimizer = make_optimizer(module, TrainConfig(optimizer=name, weight_decay=0.1))  # type: ignore[arg-type]
    decays = {tuple(p.shape): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert decays == {(4, 3, 3): 0.1, (4,): 0.0}


def test_moving_average_is_the_recurrence() -> None:
    module = nn.Linear(2, 1)
    average = WeightAverage(module, 0.9)
    expected = module.weight.detach().clone()
    for step in range(5):
        with torch.no_grad():
            module.weight.add_(step + 1.0)
        average.update(module)
        expected = 0.9 * expected + 0.1 * module.weight.detach()
    torch.testing.assert_close(average.values["weight"], expected)


def test_moving_average_copies_integer_buffers() -> None:
    module = nn.BatchNorm1d(2)
    average = WeightAverage(module, 0.5)
    module(torch.randn(4, 2))
    average.update(module)
    assert int(average.values["num_batches_tracked"]) == 1


def test_effective_rank_of_orthogonal_directions_is_their_number() -> None:
    z = torch.cat([torch.eye(5), -torch.eye(5)])  # centred, five equal singular values
    assert collapse_indicators(z)["effective_rank"] == pytest.approx(5.0, rel=1e-5)


def test_a_single_point_is_collapse() -> None:
    found = collapse_indicators(torch.ones(16, 8))
    assert found["embedding_std"] == pytest.approx(0.0, abs=1e-6)
    assert found["effective_rank"] == 1.0


def test_spread_directions_have_standard_deviation_near_one() -> None:
    z = torch.randn(4096, 64, generator=torch.Generator().manual_seed(0))
    assert collapse_indicators(z)["embedding_std"] == pytest.approx(1.0, abs=0.05)


def test_effective_rank_matches_its_formula() -> None:
    z = np.random.default_rng(1).normal(size=(40, 6)) * [5, 3, 1, 1, 0.1, 0.1]
    s = np.linalg.svd(z - z.mean(axis=0), compute_uv=False)
    p = s / s.sum()
    expected = math.exp(-sum(v * math.log(v) for v in p))
    assert collapse_indicators(torch.tensor(z))["effective_rank"] == pytest.approx(expected, rel=1e-4)


def test_a_resumed_log_has_no_record_twice(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    for step in (1, 2, 3):
        log.write(step, {"loss": float(step)})
    log.close()
    with (tmp_path / "metrics.jsonl").open("a") as handle:
        handle.write('{"step": 4, "lo')  # cut short by a kill
    again = RunLog(tmp_path, first_step=3)
    again.write(3, {"loss": math.nan})
    again.close()
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert records == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 2.0}, {"step": 3, "loss": None}]
