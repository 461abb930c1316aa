"""Moments: windows of several modalities, each at its own rate, that cover the same time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinelet.corpus.moments import Moments, moments
from kinelet.corpus.views import View
from moment_tools import acc, bvp, corpus_of, wristbands

VIEWS = {"acc": View.parse("acc"), "bvp": View.parse("bvp")}


def worst_shift(made: Moments) -> dict[str, float]:
    """Largest difference of a window's first sample, which carries its own time, and its moment, in samples."""
    x = made.gather(np.arange(len(made)))
    out = {}
    for column, name in enumerate(made.names):
        there = made.present[:, column]
        difference = x[name][there, 0, 0] - made.time_s[there]
        out[name] = float(np.abs(difference).max() * made.specs[name].rate_hz)
    return out


def test_windows_of_both_rates_cover_the_same_time_to_half_a_sample(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path), VIEWS, 5.0, tolerance_s=0.0)
    assert max(worst_shift(made).values()) <= 0.5 + 1e-3


def test_last_samples_agree_too(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path), VIEWS, 5.0).pairs()
    x = made.gather(np.arange(len(made)))
    ends = x["acc"][:, 0, -1] + 1 / 32, x["bvp"][:, 0, -1] + 1 / 64
    assert np.abs(ends[0] - ends[1]).max() <= 0.5 / 32 + 0.5 / 64


def test_shapes_follow_each_rate(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path), VIEWS, 5.0)
    shapes = {name: x.shape for name, x in made.gather([0, 1]).items()}
    assert shapes == {"acc": (2, 3, 160), "bvp": (2, 1, 320)}


@pytest.mark.parametrize(("rate", "other", "late"), [(30.0, 50.0, 0.0), (100.0, 64.0, 1.237), (25.0, 8000.0, 0.5)])
def test_rates_that_do_not_divide_each_other(tmp_path: Path, rate: float, other: float, late: float) -> None:
    stream = bvp(other, (late, 10.0))
    made = moments(corpus_of(tmp_path, acc(rate, (0.0, 10.0), streams={"bvp": stream})), VIEWS, 0.7, 0.31)
    assert max(worst_shift(made.pairs()).values()) <= 0.5 + 2e-2


def test_what_is_absent_reads_zero(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path, 1), VIEWS, 5.0)
    alone = made.select(~made.present[:, 1])
    assert len(alone) == 1
    assert not alone.gather([0])["bvp"].any()
