"""What RelCon takes at other sizes: counts, tables, and what is measured of the store."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import relcon_scale
from kinelet.distances.network import MotifNetwork
from kinelet.encoders.registry import create_encoder
from kinelet.signal.spec import imu_spec


def operations(module: torch.nn.Module, *inputs: torch.Tensor) -> int:
    """Floating-point operations of a forward pass, as torch counts them."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*inputs)
    return int(counter.get_total_flops())


def test_operations_of_the_encoder_are_as_counted() -> None:
    # The last convolution is not evaluated: the mean of what it would give needs sums alone.
    last = 2 * 62 * 256 * 256 * 4
    found = operations(create_encoder("resnet1d_34"), torch.randn(1, 3, 256))
    assert math.isclose(found + last, relcon_scale.ENCODER_FLOP, rel_tol=0.01)


def test_operations_of_a_pair_are_as_counted() -> None:
    net = MotifNetwork(imu_spec(100.0, site="wrist")).eval()
    first = 2 * 256 * 64 * 3 * 15
    one, two = (operations(net, torch.randn(n, 3, 256), torch.randn(n, 3, 256)) for n in (1, 2))
    found = two - one - first
    counted = relcon_scale.KEY_VALUE_FLOP + relcon_scale.QUERY_FLOP + relcon_scale.ATTENTION_FLOP
    assert math.isclose(found, counted, rel_tol=0.01)


@pytest.mark.parametrize(("every", "distance"), [(False, 119e9), (True, 1.9e12)])
def test_operations_of_a_step(every: bool, distance: float) -> None:
    assert math.isclose(relcon_scale.flop(64, 20, every)[0], distance, rel_tol=0.05)


def test_half_precision_keeps_about_half() -> None:
    full, half = (relcon_scale.kept_bytes(p, 2) for p in ("fp32", "bf16"))
    assert 0.4 < half / full < 0.7


def test_a_billion_windows_take_less_with_every_window_an_anchor() -> None:
    rows = relcon_scale.billion_table(1e6, relcon_scale.Assumed()).splitlines()[2:]
    hours = [float(row.split(" | ")[3].split(" / ")[1]) for row in rows]
    assert hours == sorted(hours, reverse=True)


def test_rates_come_from_the_files_of_the_other_benchmark(tmp_path: Path) -> None:
    files = []
    for part, name, key in (
        ("distance", "kinelet fp32", "pairs_per_s"),
        ("stage 2, other ways", "cached distance fp32", "windows_per_s"),
    ):
        files.append(tmp_path / f"{key}.json")
        files[-1].write_text(json.dumps({"parts": {part: {"contenders": {name: {key: 7.0}}}}}))
    assert relcon_scale.rates_of(files) == {"pairs": 7.0, "windows": 7.0}


def test_a_table_is_markdown() -> None:
    assert relcon_scale.table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
