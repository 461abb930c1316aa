"""Corpora of the InfoMAE benchmark: published files out of compact ones, streams on one clock."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kinelet.corpus import Corpus

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import infomae_corpora as bench  # noqa: E402

START = 1644226061.0


def table(path: Path, columns: dict[str, object], scales: dict[str, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns).replace_schema_metadata({"scales": json.dumps(scales)}), path)


def compact_stress(data: Path, who: tuple[str, ...] = ("S01", "S02")) -> None:
    """Two people, ten seconds each; the second is labelled from second 2 to second 8 and stressed from second 5."""
    held, rng = data / "stress_predict", np.random.default_rng(0)
    acc = rng.integers(-64, 64, (320 * len(who), 3)).astype(np.int16)
    acc_columns = {axis: acc[:, i] for i, axis in enumerate("xyz")} | {"subject": np.repeat(who, 320)}
    table(held / "acc.parquet", acc_columns, dict.fromkeys("xyz", 1 / 64))
    bvp = rng.integers(-5000, 5000, 640 * len(who)).astype(np.int16)
    table(held / "bvp.parquet", {"bvp": bvp, "subject": np.repeat(who, 640)}, {"bvp": 0.02})
    one = {"acc_rate_hz": 32.0, "bvp_rate_hz": 64.0, "tags_unix_s": [START + 3]}
    clock = {w: one | {"acc_start_unix_s": START, "bvp_start_unix_s": START + 0.03125} for w in who}
    (held / "clock.json").write_text(json.dumps(clock))
    seconds = np.arange(2, 8)
    labels = {"Participant": np.full(6, 2), "HR": 80.0 + seconds, "respr": np.full(6, 12.0)}
    labels |= {"Time(sec)": (START + seconds).astype(np.int64), "Label": (seconds >= 5).astype(np.int64)}
    table(held / "labels.parquet", labels, {})


@pytest.fixture(scope="module")
def stress(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Corpus]:
    data, work = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("work")
    compact_stress(data)
    return data, bench.stress_predict(data, work)


def test_pulse_is_a_stream_with_its_own_rate_and_start(stress: tuple[Path, Corpus]) -> None:
    rows = [(r.row["stream"], r.spec.rate_hz, r.start_unix_s) for r in stress[1].recordings if "S02" in r.subject]
    assert rows == [(None, 32.0, START), ("bvp", 64.0, START + 0.03125)]


def test_samples_survive_the_published_files(stress: tuple[Path, Corpus]) -> None:
    data, corpus = stress
    held = pq.read_table(data / "stress_predict" / "bvp.parquet")["bvp"].to_numpy()[640:] * 0.02
    np.testing.assert_allclose(corpus.recording("stress_predict_S02.bvp").data[:, 0], held, atol=1e-4)


def test_labels_lie_on_the_clock_of_the_accelerometer(stress: tuple[Path, Corpus]) -> None:
    rows = [a for a in stress[1].annotations.to_pylist() if a["track"] == "stress"]
    assert [(a["recording"], a["start_s"], a["stop_s"], a["label"]) for a in rows] == [
        ("stress_predict_S02", 2.0, 5.0, "baseline"),
        ("stress_predict_S02", 5.0, 8.0, "stress"),
    ]


def test_heart_rate_is_one_value_a_second(stress: tuple[Path, Corpus]) -> None:
    rows = [a for a in stress[1].annotations.to_pylist() if a["track"] == "heart_rate"]
    assert [(a["start_s"], a["value"]) for a in rows] == [(float(s), 80.0 + s) for s in range(2, 8)]


def test_a_person_in_two_places_of_the_table_is_refused(tmp_path: Path) -> None:
    table(tmp_path / "t.parquet", {"x": np.zeros(3, np.int16), "subject": ["A", "B", "A"]}, {})
    with pytest.raises(ValueError, match="not together"):
        bench.by_subject(tmp_path / "t.parquet", ["x"])


def test_skeletons_come_back_in_metres_beside_the_inertial_clip(tmp_path: Path) -> None:
    held = tmp_path / "data" / "utd_mhad"
    imu = {c: np.linspace(0, 1, 100) for c in ("ax", "ay", "az", "gx", "gy", "gz")}
    table(held / "imu.parquet", imu | {"activity": [3] * 100, "subject": [2] * 100, "trial": [1] * 100}, {})
    joints = np.random.default_rng(0).integers(-500, 3000, (60, 20, 3)).astype(np.int16)
    np.savez(held / "skeleton_mm_i16.npz", a3_s2_t1=joints)
    corpus = bench.utd_mhad(tmp_path / "data", tmp_path / "work")
    back = corpus.recording("utd_mhad_a3_s2_t1.skeleton").data
    np.testing.assert_allclose(back, joints.reshape(60, 60) / 1000, atol=2e-4)


def test_every_set_is_cut_somehow() -> None:
    assert set(bench.SETS) == {entry.name for entry in bench.CUT}


def test_pairs_are_told(stress: tuple[Path, Corpus], capsys: pytest.CaptureFixture[str]) -> None:
    bench.tell_pairs("stress_predict", stress[1])
    assert "pairs (two modalities or more): 2\n" in capsys.readouterr().out


def test_umafall_sites_of_a_trial_share_a_clock(shared_data: Path, tmp_path: Path) -> None:
    from kinelet.readers.table import read_table_all

    def first(site: str) -> dict[str, object]:
        cards = ROOT / "tests" / "cards" / f"umafall_{site}.yaml"
        meta = dict(next(read_table_all(shared_data / "umafall" / "umafall.parquet", cards)).meta)
        return {k: meta[k] for k in ("clock", "clock_start_s")}

    assert first("chest") == {"clock": "01-ADL_Aplausing-1", "clock_start_s": pytest.approx(0.123)}
