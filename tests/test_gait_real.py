"""The step detector and the whole gait protocol on real walks."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from kinelet.gait.estimators import detected
from kinelet.gait.walks import Walks
from kinelet.signal.spec import imu_spec

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "gait.py"
SPEC = imu_spec(50.0, window_s=2.56)


def benchmark() -> ModuleType:
    """The benchmark's module, which reads the compact sets."""
    spec = importlib.util.spec_from_file_location("gait_benchmark", BENCHMARK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def walks(shared_data: Path, name: str) -> Walks:
    found: Walks = benchmark().walks_of(name, shared_data, SPEC)
    return found


@pytest.fixture(scope="module")
def oxford(shared_data: Path) -> Walks:
    return walks(shared_data, "Oxford step counter")


@pytest.fixture(scope="module")
def voisard(shared_data: Path) -> Walks:
    return walks(shared_data, "Voisard, lower back")


def test_oxford_steps_are_counted_within_a_few_percent(oxford: Walks) -> None:
    """Measured: 1.3 % on average over 48 walks with a phone in six places, 7.4 % at worst."""
    truth, (_, counted) = oxford.truth("steps"), detected(oxford)
    error = np.abs(counted - truth) / truth
    assert error.mean() < 0.02 and error.max() < 0.09


def test_oxford_cadence(oxford: Walks) -> None:
    """Measured: 1.6 steps a minute; the reference counts pauses in."""
    assert np.abs(detected(oxford)[0][:, 1] - oxford.truth("cadence")).mean() < 2.5


def test_voisard_stride_time_from_the_lower_back(voisard: Walks) -> None:
    """Measured: mean absolute error 24 ms, median 10 ms, over 160 bouts of about 9 s."""
    error = np.abs(detected(voisard)[0][:, 0] - voisard.truth("stride_time"))
    assert error.mean() < 0.035 and np.median(error) < 0.02


def test_voisard_people_and_bouts(voisard: Walks) -> None:
    assert (len(voisard.subjects), len(voisard.bouts), voisard.left_out) == (14, 160, 0)


def test_voisard_was_adapted_in_words(voisard: Walks) -> None:
    assert voisard.changes == ("left out gyr_x, gyr_y, gyr_z", "resampled from 100 to 50 Hz")


@pytest.mark.parametrize(("system", "bouts"), [("insoles", 11), ("motion capture", 11)])
def test_mobgap_has_two_references(shared_data: Path, system: str, bouts: int) -> None:
    found = walks(shared_data, f"mobgap laboratory, {system}")
    assert (len(found.bouts), found.targets) == (bouts, ("walking_speed", "stride_length", "cadence"))


def test_mobgap_speed_is_length_over_time(shared_data: Path) -> None:
    found = walks(shared_data, "mobgap laboratory, insoles")
    implied = found.truth("stride_length") * found.truth("cadence") / 120
    np.testing.assert_allclose(implied, found.truth("walking_speed"), rtol=0.15)
