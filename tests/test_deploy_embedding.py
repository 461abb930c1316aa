from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluating import SPEC, Stats
from kinelet.deploy.embedding import embed, part_with, window_starts, write_embeddings
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.signal.recording import Recording, Segment
from kinelet.signal.spec import SignalSpec, imu_spec

ENCODER = Stats(SPEC.replace(window_s=2.0))
PULSE = SignalSpec(rate_hz=20.0, channels=("bvp",), units=("1",))
PULSED = Stats(PULSE.replace(window_s=2.0))


def made(lengths: tuple[int, ...] = (200,), gaps: tuple[float, ...] = (), spec: SignalSpec = SPEC) -> Recording:
    """Segments of these many samples with gaps of these many seconds between them."""
    data = np.random.default_rng(0).normal(size=(sum(lengths), len(spec.channels))).astype(np.float32)
    segments, start, at = [], 0, 0.0
    for n, gap in zip(lengths, (*gaps, 0.0), strict=True):
        segments.append(Segment(start, start + n, at))
        start, at = start + n, at + n / spec.rate_hz + gap
    return Recording(data, spec, subject="P", name="r", segments=tuple(segments))


def naive(rec: Recording, step_s: float) -> tuple[list[float], list[int]]:
    """Grid times and first samples, sample by sample: a window is valid if its samples follow each other in time."""
    times, rate = rec.times(), rec.spec.rate_hz
    end, out_t, out_i, k = rec.segment_stop_s(rec.segments[-1]), [], [], 0
    while k * step_s + 40 / rate <= end + 0.01 / rate:
        t = k * step_s
        i = int(np.argmin(np.abs(times - t)))
        near = abs(times[i] - t) <= 0.5 / rate + 1e-9
        whole = i + 40 <= len(times) and abs(times[min(i + 39, len(times) - 1)] - times[i] - 39 / rate) < 0.1 / rate
        out_t.append(t)
        out_i.append(i if near and whole else -1)
        k += 1
    return out_t, out_i


def pulse(n: int = 200, **fields: Any) -> Recording:
    """A side stream with one channel of its own."""
    return Recording(noise(n), PULSE, subject="P", name="bvp", **fields)


def noise(n: int) -> Any:
    return np.random.default_rng(1).normal(size=(n, 1)).astype(np.float32)


@pytest.mark.parametrize(
    ("clocks", "shift", "said"),
    [
        ((100.0, 102.5), 2.5, "starts +2.5 s from the recording"),
        ((100.0, None), 0.0, "times count from its own first sample"),
    ],
)
def test_the_side_stream_that_has_the_channels_is_embedded(
    clocks: tuple[float, float | None], shift: float, said: str
) -> None:
    stream = pulse(start_unix_s=clocks[1])
    found = embed(PULSED, made().replace(start_unix_s=clocks[0], streams={"bvp": stream}))
    alone = embed(PULSED, stream)
    assert np.array_equal(found.vectors, alone.vectors)
    assert np.allclose(found.time_s, alone.time_s + shift)
    assert said in found.changes[0]


def test_a_recording_that_has_the_channels_goes_before_its_streams() -> None:
    rec = made()
    assert part_with(rec.replace(streams={"other": made()}), SPEC.channels)[0].streams.keys() == {"other"}


def test_which_of_several_streams_is_asked() -> None:
    rec = made().replace(streams={"left": pulse(), "right": pulse()})
    with pytest.raises(SpecMismatchError, match="several side streams: left, right"):
        embed(PULSED, rec)


def test_vectors_equal_embedding_each_window_alone() -> None:
    rec = made()
    windows = np.stack([rec.data[i : i + 40].T for i in range(0, 161, 20)])
    assert np.array_equal(embed(ENCODER, rec).vectors, ENCODER.embed(windows))


@given(
    st.lists(st.integers(1, 120), min_size=1, max_size=5),
    st.lists(st.integers(1, 100), min_size=4, max_size=4),
    st.sampled_from([0.25, 1.0, 1.5]),
)
def test_places_of_windows_equal_a_plain_loop(lengths: list[int], gaps: list[int], step_s: float) -> None:
    rec = made(tuple(lengths), tuple(g / 20 + 0.013 for g in gaps[: len(lengths) - 1]))
    time_s, start = window_starts(rec, 40, step_s)
    want_t, want_i = naive(rec, step_s)
    assert np.allclose(time_s, want_t) and start.tolist() == want_i


def test_windows_that_would_cross_a_gap_are_invalid() -> None:
    found = embed(ENCODER, made((100, 100), (3.0,)))
    assert found.time_s[~found.valid].tolist() == [4.0, 5.0, 6.0, 7.0]


def test_invalid_vectors_are_nan_and_valid_ones_are_not() -> None:
    found = embed(ENCODER, made((100, 100), (3.0,)))
    assert np.array_equal(np.isfinite(found.vectors).all(axis=1), found.valid)


def test_times_are_a_regular_grid() -> None:
    found = embed(ENCODER, made((100, 77), (1.234,)), step_s=0.5)
    assert np.allclose(np.diff(found.time_s), 0.5)


def test_the_last_window_ends_with_the_recording() -> None:
    assert embed(ENCODER, made((100,))).time_s[-1] == 3.0


def test_a_sample_that_is_not_finite_spoils_its_windows_only() -> None:
    rec = made()
    rec.data[50] = np.nan
    found = embed(ENCODER, rec)
    assert found.time_s[~found.valid].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_the_batch_size_does_not_matter(batch_size: int) -> None:
    rec = made((100, 100), (3.0,))
    a, b = embed(ENCODER, rec), embed(ENCODER, rec, batch_size=batch_size)
    assert np.allclose(a.vectors, b.vectors, equal_nan=True, atol=1e-6)


def test_a_recording_shorter_than_a_window_has_none() -> None:
    assert len(embed(ENCODER, made((39,)))) == 0


def test_another_unit_is_adapted_and_told() -> None:
    rec = made(spec=SPEC.replace(units=("m/s^2",) * 3))
    assert any("m/s^2" in change for change in embed(ENCODER, rec).changes)


def test_another_rate_is_resampled() -> None:
    found = embed(ENCODER, made((400,), spec=imu_spec(40.0)))
    assert len(found) == 9


def test_missing_channels_are_refused() -> None:
    spec = SignalSpec(rate_hz=20.0, channels=("bvp",), units=("g",))
    with pytest.raises(SpecMismatchError, match="acc_x"):
        embed(ENCODER, made(spec=spec))


def test_a_window_length_must_be_known() -> None:
    with pytest.raises(BadOptionError, match="window_s"):
        embed(Stats(), made())


def test_a_window_length_can_be_given() -> None:
    assert embed(Stats(), made(), window_s=5.0).window_s == 5.0


@pytest.mark.parametrize("step_s", [0.0, -1.0, float("nan")])
def test_a_step_must_be_positive(step_s: float) -> None:
    with pytest.raises(BadOptionError, match="step_s"):
        embed(ENCODER, made(), step_s=step_s)


def test_progress_counts_windows() -> None:
    told: list[int] = []
    embed(ENCODER, made(), batch_size=4, progress=lambda done, note="": told.append(done))
    assert told == [4, 8, 9]


def test_npz_holds_the_arrays(tmp_path: Path) -> None:
    found = embed(ENCODER, made((100, 100), (3.0,)))
    write_embeddings(found, tmp_path / "z.npz")
    with np.load(tmp_path / "z.npz", allow_pickle=False) as back:
        assert np.array_equal(back["vectors"], found.vectors, equal_nan=True)


def test_parquet_holds_a_column_for_each_dimension(tmp_path: Path) -> None:
    from pyarrow import parquet

    found = embed(ENCODER, made())
    write_embeddings(found, tmp_path / "z.parquet")
    table = parquet.read_table(tmp_path / "z.parquet")
    assert np.array_equal(table["z2"].to_numpy(), found.vectors[:, 2])


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match="xlsx"):
        write_embeddings(embed(ENCODER, made()), tmp_path / "z.xlsx")


def test_a_long_recording_needs_little_memory_beside_itself() -> None:
    import tracemalloc

    rec = made((200_000,))
    tracemalloc.start()
    embed(ENCODER, rec, step_s=0.1, batch_size=64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All 99,981 windows at once would be 48 MB.
    assert peak < 12e6
