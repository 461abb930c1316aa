"""Signal processing on real recordings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from kinelet.signal import Recording, calibrate, imu_spec, quality_report, resample, split_at_gaps


def geotec(folder: Path, device: str) -> Iterator[Recording]:
    """Recordings of five people with the time stamps as the phone or watch wrote them."""
    columns = ["x_acc", "y_acc", "z_acc", "timestamp", "subject", "session", "device"]
    table = pq.read_table(folder / "geotec" / "geotec.parquet", columns=columns)
    scale = json.loads(table.schema.metadata[b"scales"])["x_acc"] / 9.80665
    frame = table.filter(pc.equal(table["device"].cast("string"), device)).to_pandas()
    for (subject, session), rows in list(frame.groupby(["subject", "session"], observed=True))[:25]:
        times = (rows["timestamp"].to_numpy() - rows["timestamp"].iloc[0]) / 1e3
        data = (rows[["x_acc", "y_acc", "z_acc"]].to_numpy() * scale).astype(np.float32)
        yield Recording(data, imu_spec(100.0), str(subject), f"{subject}-{session}", time_s=times)


def roughness(rec: Recording) -> float:
    """Part of the energy above 20 Hz, where people hardly move: what wrong times add."""
    power = np.abs(np.fft.rfft(rec.data - rec.data.mean(axis=0), axis=0)) ** 2
    hz = np.fft.rfftfreq(len(rec.data), 1 / rec.spec.rate_hz)
    return float(power[hz > 20].sum() / power[hz > 0.3].sum())


def test_times_of_a_phone_repeat_and_are_handled(shared_data: Path) -> None:
    for rec in geotec(shared_data, "sp"):
        out = resample(rec, 50.0)
        assert out.meta["resample"]["clock"] == "dejittered"
        assert out.duration_s == pytest.approx(rec.duration_s, abs=0.1)


def test_dejittering_takes_a_third_of_the_roughness_from_a_phone(shared_data: Path) -> None:
    pairs = [[roughness(resample(r, 100.0, clock=c)) for c in ("auto", "stamps")] for r in geotec(shared_data, "sp")]
    dejittered, stamped = np.mean(pairs, axis=0)
    assert dejittered < 0.67 * stamped


def test_dejittering_does_no_harm_to_a_watch(shared_data: Path) -> None:
    pairs = [[roughness(resample(r, 100.0, clock=c)) for c in ("auto", "stamps")] for r in geotec(shared_data, "sw")]
    dejittered, stamped = np.mean(pairs, axis=0)
    assert dejittered < stamped


def test_every_trial_of_umafall_is_handled(shared_data: Path) -> None:
    """Among 2,480 are trials written twice, at 8 to 60 samples a second, with up to five seconds missing."""
    table = pq.read_table(shared_data / "umafall" / "umafall.parquet")
    scale = json.loads(table.schema.metadata[b"scales"])["ax"]
    frame = table.select(["t_ms", "ax", "ay", "az", "subject", "activity", "trial", "pos"]).to_pandas()
    lost = []
    for key, rows in list(frame.groupby(["subject", "activity", "trial", "pos"], observed=True))[::8]:
        times = (rows["t_ms"].to_numpy() - rows["t_ms"].iloc[0]) / 1e3
        data = (rows[["ax", "ay", "az"]].to_numpy() * scale).astype(np.float32)
        segments = split_at_gaps(times, 20.0)
        rec = Recording(data, imu_spec(20.0), str(key[0]), "-".join(map(str, key)), time_s=times, segments=segments)
        out = resample(rec, 50.0)
        lost.append(1 - out.duration_s / rec.duration_s)
    assert abs(np.median(lost)) < 0.005 and max(lost) < 0.1


def test_an_hour_with_an_empatica_is_calibrated(shared_data: Path) -> None:
    from kinelet.readers.registry import read

    found = calibrate(read(shared_data / "devices" / "empatica_e4_S01"))[1]
    assert found.applied and found.error_after_mg is not None and found.error_after_mg < 3.0


@pytest.mark.parametrize(
    "name", ["ax3_sample.cwa", "ax6_sample.cwa", "geneactiv_sample.bin", "example_actigraph.gt3x", "empatica_e4_S01"]
)
def test_real_devices_read_one_g(shared_data: Path, name: str) -> None:
    from kinelet.readers.registry import read

    assert quality_report(read(shared_data / "devices" / name)).norm_plausible is True
