"""Corpora of the PRIMUS benchmark: clips find their recordings, two sensors meet on one clock."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus_tools import corpus_of, recording
from kinelet.corpus import Corpus
from kinelet.signal.spec import imu_spec
from kinelet.towers.store import open_store, store_folder

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("primus_corpora", ROOT / "benchmarks" / "primus_corpora.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["primus_corpora"] = module
    spec.loader.exec_module(module)
    return module


def worn(name: str, n: int = 750, seed: int = 0, **fields: Any) -> Any:
    return recording(name, "P1", n, seed=seed, spec=imu_spec(50.0, gyro=True, site="wrist"), **fields)


def test_every_set_has_its_card_and_a_partner_of_the_same_people(bench: ModuleType) -> None:
    sets = {entry.name: entry for entry in bench.SETS}
    assert all((ROOT / "tests" / "cards" / f"{e.name}.yaml").is_file() for e in bench.SETS if e.table)
    assert all(sets[e.other].dataset == e.dataset and e.other != e.name for e in bench.SETS if e.other)


def test_clips_are_found_by_action_person_and_trial(bench: ModuleType, tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", worn("utd_mhad-10-1-4"), worn("utd_mhad-1-10-4"))
    assert bench.clip_ids(corpus, ["a1_s10_t4", "a10_s1_t4"]) == ["utd_mhad-1-10-4", "utd_mhad-10-1-4"]


@pytest.fixture
def pair(bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A watch whose trials begin 0.4 s after the phone's, and a trial that only the phone has."""
    watch = corpus_of(tmp_path / "watch", worn("geotec_watch-s01-1", start_unix_s=1000.4))
    phone = corpus_of(
        tmp_path / "phone",
        worn("geotec_phone-s01-1", seed=1, start_unix_s=1000.0),
        worn("geotec_phone-s01-2", seed=2, start_unix_s=2000.0),
    )
    monkeypatch.setattr(bench, "build_corpus", lambda entry, data, work: phone)
    entry = next(e for e in bench.SETS if e.name == "geotec_watch")
    bench.attach_other(watch, entry, tmp_path, tmp_path)
    return watch, phone, open_store(store_folder(watch.path, "body_site"))


def test_pieces_of_the_other_sensor_lie_on_this_ones_clock(pair: Any) -> None:
    _, _, store = pair
    np.testing.assert_allclose(store.start_s, [2.1, 4.6, 7.1, 9.6, 12.1], atol=1e-6)
    assert set(store.recording) == {"geotec_watch-s01-1"}
    assert (store.meta.pool, set(store.duration_s)) == ("mean", {2.5})


def test_pieces_are_vectors_of_the_other_sensor(pair: Any) -> None:
    from kinelet.towers.base import embed_items
    from kinelet.towers.motion import MotionTower

    _, phone, store = pair
    x = phone.recording("geotec_phone-s01-1").data[125:250].T
    np.testing.assert_allclose(store.vectors[0], embed_items(MotionTower(), [x], names=["x"])[0], atol=1e-5)


def test_umafall_sensors_meet_by_the_phones_stamps(bench: ModuleType, tmp_path: Path) -> None:
    rows = [("01", "ADL_Walking", 1, "WRIST", 130.0), ("01", "ADL_Walking", 1, "WRIST", 80.0)]
    rows.append(("01", "ADL_Walking", 1, "CHEST", 310.0))
    table = pa.table(dict(zip(("subject", "activity", "trial", "pos", "t_ms"), zip(*rows, strict=True), strict=True)))
    (tmp_path / "umafall").mkdir()
    pq.write_table(table, tmp_path / "umafall" / "umafall.parquet")
    corpus: Corpus = corpus_of(tmp_path / "c", worn("umafall_wrist-01-ADL_Walking-1"))
    entry = next(e for e in bench.SETS if e.name == "umafall_wrist")
    assert bench.starts(corpus, entry, tmp_path) == {"01-ADL_Walking-1": 0.08}
