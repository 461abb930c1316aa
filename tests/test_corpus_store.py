"""Samples survive storage: the quantisation error, the file, the memory map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus_tools import corpus_of, recording, samples, with_gaps
from kinelet.corpus.quantise import estimate_step, quantise
from kinelet.corpus.store import open_samples, read_head, safe_name, write_recording
from kinelet.errors import BadFileError
from kinelet.signal.spec import imu_spec

STEPS = st.sampled_from([1 / 64, 1 / 256, 0.004, 1 / 2048, 0.0039, 9.81e-3 / 4, np.pi / 180 / 16.4])


def decode(q) -> np.ndarray:
    return q.samples.astype(np.float32) * np.asarray(q.scale, np.float32)


@settings(max_examples=60, deadline=None)
@given(
    step=STEPS,
    counts=st.integers(2, 30_000),
    on_grid=st.booleans(),
    offset=st.floats(-1, 1),
    seed=st.integers(0, 2**31),
)
def test_error_stays_below_a_quarter_of_the_device_step(step, counts, on_grid, offset, seed):
    x = np.random.default_rng(seed).uniform(-counts, counts, (200, 1))
    x = (np.round(x) * step + offset * step if on_grid else x * step).astype(np.float32)
    q = quantise(x, (step,), ("acc_x",))
    assert np.abs(decode(q).astype(np.float64) - x).max() < step / 4


@settings(max_examples=60, deadline=None)
@given(top=st.floats(1e-3, 1e6), seed=st.integers(0, 2**31))
def test_samples_without_a_grid_keep_float32_precision(top, seed):
    x = np.random.default_rng(seed).uniform(-top, top, (300, 1)).astype(np.float32)
    q = quantise(x, None, ("acc_x",))
    assert np.abs(decode(q).astype(np.float64) - x).max() <= np.spacing(np.float32(np.abs(x).max()))


@settings(max_examples=40, deadline=None)
@given(step=STEPS, offset=st.floats(-3, 3), spread=st.integers(20, 2000), seed=st.integers(0, 2**31))
def test_the_grid_of_samples_is_found(step, offset, spread, seed):
    counts = np.random.default_rng(seed).integers(-spread, spread, 5000)
    found = estimate_step((counts * step + offset * step).astype(np.float32))
    assert found == pytest.approx(step, rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(step=STEPS, spread=st.integers(20, 3000), seed=st.integers(0, 2**31))
@example(step=1 / 64, spread=2492, seed=624)
def test_the_grid_of_few_samples_far_apart_is_found(step, spread, seed):
    counts = np.random.default_rng(seed).integers(-spread, spread, 100)
    found = estimate_step((counts * step).astype(np.float32))
    # By chance all distances may be multiples of two steps or more; one step is then not to be seen.
    divisor = np.gcd.reduce(np.diff(np.unique(counts)))
    assert found == pytest.approx(step * divisor, rel=1e-3)


@given(st.integers(20, 5000), st.integers(0, 2**31))
def test_continuous_samples_have_no_grid(n, seed):
    x = np.random.default_rng(seed).normal(0, 1, n).astype(np.float32)
    assert estimate_step(x) is None


def test_two_values_are_no_grid():
    assert estimate_step(np.array([0, 1, 0, 1], np.float32)) is None


def test_ordinary_accelerations_are_int16():
    q = quantise(samples(1000), (1 / 256,) * 3, ("acc_x", "acc_y", "acc_z"))
    assert q.sample_type == "int16"


def test_samples_on_the_grid_come_back_to_the_bit():
    x = samples(1000)
    np.testing.assert_array_equal(decode(quantise(x, None, ("acc_x", "acc_y", "acc_z"))), x)


def test_full_scale_of_a_16_bit_device_still_fits_int16():
    x = (np.array([[-32767], [1], [32767]]) / 2048).astype(np.float32)
    assert quantise(x, (1 / 2048,), ("acc_x",)).sample_type == "int16"


def test_a_range_that_int16_cannot_hold_is_stored_as_int32_and_nothing_is_clipped():
    x = (np.array([[-40_000], [3], [70_000]]) / 256).astype(np.float32)
    q = quantise(x, (1 / 256,), ("acc_x",))
    assert q.sample_type == "int32" and np.array_equal(decode(q), x)


def test_a_constant_channel_comes_back():
    x = np.full((10, 1), 0.123, np.float32)
    np.testing.assert_allclose(decode(quantise(x, None, ("acc_x",))), x, rtol=1e-6)


def test_zeros_come_back():
    assert not decode(quantise(np.zeros((10, 1), np.float32), None, ("acc_x",))).any()


def test_where_the_step_came_from_is_recorded():
    x = np.column_stack([samples(500, 1)[:, 0], samples(500, 1)[:, 0], np.zeros(500), np.sin(np.arange(500.0))])
    q = quantise(x.astype(np.float32), (1 / 256, None, None, None), ("a", "b", "c", "d"))
    assert q.kind == ("device", "grid", "constant", "float")


def test_nan_is_refused_with_the_channel():
    x = samples(10)
    x[3, 1] = np.nan
    with pytest.raises(BadFileError, match="acc_y"):
        quantise(x, None, ("acc_x", "acc_y", "acc_z"))


def test_a_recording_comes_back_whole(tmp_path):
    rec = with_gaps([100, 200, 50], name="r", start_unix_s=1.7e9, gap_reasons=("idle_sleep",), warnings=("odd",))
    back = corpus_of(tmp_path, rec).recording("r")
    assert (back.segments, back.gaps, back.warnings) == (rec.segments, rec.gaps, rec.warnings)
    assert (back.start_unix_s, back.spec, back.subject) == (rec.start_unix_s, rec.spec, rec.subject)
    np.testing.assert_array_equal(back.data, rec.data)


def test_an_irregular_clock_is_refused(tmp_path):
    rec = recording(n=10, time_s=np.arange(10) ** 1.1)
    with pytest.raises(BadFileError, match="irregular"):
        write_recording(rec, tmp_path)


def test_the_file_describes_itself(tmp_path):
    row = write_recording(recording("r", n=10), tmp_path)
    assert read_head(tmp_path / row["file"])["row"]["subject"] == "P1"


def test_the_file_is_plain_arrow(tmp_path):
    row = write_recording(recording("r", n=10), tmp_path)
    with pa.ipc.open_file(tmp_path / row["file"]) as reader:
        assert str(reader.schema.field("samples").type).startswith("fixed_size_list<")


def test_samples_are_memory_mapped_and_read_only(tmp_path):
    row = write_recording(recording("r", n=10), tmp_path)
    found = open_samples(tmp_path / row["file"])
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1


def test_open_recordings_hold_no_file_descriptors(tmp_path):
    rows = [write_recording(recording(f"r{i}", n=10), tmp_path) for i in range(20)]
    before = len(list(Path("/proc/self/fd").iterdir()))
    kept = [open_samples(tmp_path / row["file"]) for row in rows]
    assert len(list(Path("/proc/self/fd").iterdir())) == before and len(kept) == 20


@pytest.mark.parametrize("content", [b"", b"ARROW1 but not really", b"\0" * 2000])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "broken.arrow"
    path.write_bytes(content)
    with pytest.raises(BadFileError, match=r"broken\.arrow"):
        open_samples(path)


def test_a_truncated_file_is_refused(tmp_path):
    row = write_recording(recording("r", n=5000), tmp_path)
    path = tmp_path / row["file"]
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(BadFileError):
        open_samples(path)


@given(st.text(max_size=80), st.text(max_size=80))
def test_file_names_are_safe_and_tell_ids_apart(a, b):
    name = safe_name(a)
    assert Path(name).name == name and not name.startswith(".") and (name == safe_name(b)) == (a == b)


def test_gyroscope_and_accelerometer_have_their_own_scales(tmp_path):
    spec = imu_spec(50.0, gyro=True)
    row = write_recording(recording("r", n=100, spec=spec, resolution=(1 / 256,) * 3 + (0.001,) * 3), tmp_path)
    assert row["scale"][0] != row["scale"][5]
