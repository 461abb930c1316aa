"""Columns, units and labels of the four sets of the published benchmarks, in files as their publishers write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import layouts
from kinelet.datasets import get_dataset
from kinelet.evaluate.benchmarks import BENCHMARKS
from kinelet.signal.recording import Recording
from kinelet.signal.resample import resample

G = 9.80665
REST = np.array([0.25, -0.5, 0.75])  # g


def load(name: str, raw: Path) -> dict[str, Recording]:
    return {r.name: r for r in get_dataset(name).load(raw)}


def labels(rec: Recording) -> list[tuple[float, float, str | None]]:
    return [(round(a.start_s, 3), round(a.stop_s, 3), a.label) for a in rec.annotations if a.track == "activity"]


def numbered(n: int, width: int) -> np.ndarray:
    """Rows whose every value says which column it is in: no two columns can be taken for each other."""
    return np.tile(np.arange(width) / 100.0 + 5.0, (n, 1))


def write(path: Path, rows: np.ndarray) -> None:
    layouts.lines(path, [line.replace("nan", "NaN") for line in layouts.csv(rows, " ")])


# --- one recording of each set, at rest


def pamap2(folder: Path) -> dict[str, Recording]:
    rows = numbered(400, 54)
    rows[:, 0], rows[:, 1] = np.arange(400) / 100, np.repeat([1, 24, 17, 0], 100)
    rows[:, 4:7] = rows[:, 38:41] = REST * G
    write(folder / "Protocol" / "subject105.dat", rows)
    return load("pamap2", folder)


def opportunity(folder: Path) -> dict[str, Recording]:
    rows = numbered(120, 250)
    rows[:, 0] = np.round(np.arange(120) * 1000 / 30)
    rows[:, 22:25] = REST * 1000
    rows[:, 243] = np.repeat([1, 2, 4, 5], 30)
    rows[:, 244:250] = 0
    write(folder / "dataset" / "S3-ADL2.dat", rows)
    return load("opportunity", folder)


def hhar(folder: Path) -> dict[str, Recording]:
    x, y, z = REST * G
    names = ("bike", "sit", "stand", "walk", "stairsup", "stairsdown", "null")
    clocks = [f"{1424696633908 + 10 * i},{1424696631913248572 + 10_000_000 * i}" for i in range(350)]
    rows = [f"{i},{clock},{x},{y},{z},c,gear,gear_2,{names[i // 50]}" for i, clock in enumerate(clocks)]
    head = "Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"
    layouts.lines(folder / "Watch_accelerometer.csv", rows, head)
    return load("hhar", folder)


def motionsense(folder: Path) -> dict[str, Recording]:
    sensors = ("attitude", "gravity", "rotationRate", "userAcceleration")
    names = [f"{s}.{a}" for s in sensors for a in (("roll", "pitch", "yaw") if s == "attitude" else "xyz")]
    gravity, rest = np.array([0.0, -0.6, 0.8]), REST - np.array([0.0, -0.6, 0.8])
    row = ",".join(map(str, [9, 9, 9, *gravity, 0.1, 0.2, 0.3, *rest]))
    for trial in ("dws_1", "ups_3", "wlk_7", "jog_9", "std_6", "sit_5"):
        rows = [f"{i},{row}" for i in range(100)]
        layouts.lines(folder / "A_DeviceMotion_data" / trial / "sub_7.csv", rows, "," + ",".join(names))
    return load("motionsense", folder)


CASES = {
    "pamap2 wrist": (pamap2, "pamap2_105_protocol_wrist", 100.0, "wrist"),
    "pamap2 leg": (pamap2, "pamap2_105_protocol_ankle", 100.0, "ankle"),
    "opportunity wrist": (opportunity, "opportunity_S3-ADL2_right_wrist_bluetooth", 30.0, "right_wrist_bluetooth"),
    "hhar watch": (hhar, "hhar_c_gear_2", 100.0, "wrist"),
    "motionsense": (motionsense, "motionsense_07_wlk_7", 50.0, "pocket"),
}


@pytest.fixture(params=CASES)
def rec(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Recording, float, str]:
    make, name, rate, site = CASES[request.param]
    return make(tmp_path)[name], rate, site


def test_the_published_columns_are_read_in_g(rec: tuple[Recording, float, str]) -> None:
    np.testing.assert_allclose(rec[0].data[:, :3], np.tile(REST, (len(rec[0].data), 1)), atol=1e-5)
    assert rec[0].spec.channels[:3] == ("acc_x", "acc_y", "acc_z") and set(rec[0].spec.units[:3]) == {"g"}


def test_rate_and_site_are_the_published_ones(rec: tuple[Recording, float, str]) -> None:
    assert (rec[0].spec.rate_hz, rec[0].spec.site) == rec[1:]


def test_a_constant_signal_stays_constant_after_resampling(rec: tuple[Recording, float, str]) -> None:
    at_100 = resample(rec[0], 100.0)
    assert at_100.spec.rate_hz == 100.0
    np.testing.assert_allclose(at_100.data[:, :3], np.tile(REST, (len(at_100.data), 1)), atol=2e-3)


# --- labels


def test_pamap2_numbers_are_named(tmp_path: Path) -> None:
    found = labels(pamap2(tmp_path)["pamap2_105_protocol_wrist"])
    assert found == [(0.0, 1.0, "lying"), (1.0, 2.0, "rope_jumping"), (2.0, 3.0, "ironing")]


def test_opportunity_numbers_are_named(tmp_path: Path) -> None:
    found = labels(opportunity(tmp_path)["opportunity_S3-ADL2_right_wrist_bluetooth"])
    assert found == [(0.0, 1.0, "stand"), (1.0, 2.0, "walk"), (2.0, 3.0, "sit"), (3.0, 4.0, "lie")]


def test_hhar_words_are_kept_and_null_is_none(tmp_path: Path) -> None:
    found = [label for *_, label in labels(hhar(tmp_path)["hhar_c_gear_2"])]
    assert found == ["bike", "sit", "stand", "walk", "stairsup", "stairsdown"]


def test_motionsense_folders_are_named(tmp_path: Path) -> None:
    found = {r.annotations[0].label for r in motionsense(tmp_path).values()}
    assert found == {"downstairs", "upstairs", "walking", "jogging", "standing", "sitting"}


@pytest.mark.parametrize(
    ("protocol", "dataset", "count"),
    [
        ("relcon-linear", "hhar", 6),
        ("relcon-linear", "motionsense", 6),
        ("relcon-linear", "pamap2", 12),
        ("relcon-mlp", "opportunity", 4),
        ("relcon-mlp", "pamap2", 8),
        ("relcon-finetune", "opportunity", 4),
        ("relcon-finetune", "pamap2", 8),
    ],
)
def test_classes_of_the_benchmarks_are_labels_of_the_sets(protocol: str, dataset: str, count: int) -> None:
    setting, card = BENCHMARKS[protocol][dataset], get_dataset(dataset).card
    assert len(set(setting.classes)) == len(setting.classes) == count
    assert set(setting.classes) <= set(card.labels) and setting.site in card.sites


def test_the_eight_classes_are_those_of_the_published_numbers() -> None:
    from kinelet.datasets.pamap2 import _ACTIVITIES

    assert BENCHMARKS["relcon-mlp"]["pamap2"].classes == tuple(_ACTIVITIES[i] for i in (1, 2, 3, 4, 12, 13, 16, 17))
