"""The overview picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from kinelet.signal import Annotation, Recording, SignalSpec, imu_spec, plot_recording
from kinelet.signal.plot import _trace, envelope
from signal_helpers import cut, noise_recording, sine_recording


def colours(path: Path) -> np.ndarray:
    return (imread(path)[..., :3] * 255).round().astype(int)


def has_colour(path: Path, hexadecimal: str) -> bool:
    wanted = [int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(colours(path) - wanted).max(axis=2) <= 1).sum() > 500)


def test_writes_a_png(tmp_path: Path) -> None:
    plot_recording(sine_recording(50, 10), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_leaves_nothing_else_behind(tmp_path: Path) -> None:
    plot_recording(sine_recording(50, 10), tmp_path / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("seconds", [5, 500])
def test_gaps_are_shaded(tmp_path: Path, seconds: int) -> None:
    n = seconds * 50
    rec = sine_recording(50, 2 * seconds, segments=cut(50, [n, n], [seconds]))
    plot_recording(rec, tmp_path / "gap.png")
    plot_recording(rec.replace(segments=()), tmp_path / "none.png")
    assert (has_colour(tmp_path / "gap.png", "#dddddd"), has_colour(tmp_path / "none.png", "#dddddd")) == (True, False)


def test_labels_are_coloured(tmp_path: Path) -> None:
    marks = (Annotation(0, 5, "walk"), Annotation(5, 10, "sit"))
    plot_recording(sine_recording(50, 10, annotations=marks), tmp_path / "a.png")
    assert has_colour(tmp_path / "a.png", "#1f77b4") and has_colour(tmp_path / "a.png", "#aec7e8")


def test_each_sensor_and_track_has_a_panel(tmp_path: Path, rng: np.random.Generator) -> None:
    plot_recording(noise_recording(50, 10, rng), tmp_path / "one.png")
    data = rng.normal(size=(500, 6)).astype(np.float32)
    marks = (Annotation(0, 5, value=70.0, track="heart_rate"), Annotation(0, 5, "walk"))
    two = Recording(data, imu_spec(50.0, gyro=True), "P1", "two", annotations=marks)
    plot_recording(two, tmp_path / "two.png")
    assert colours(tmp_path / "two.png").shape[0] > 1.8 * colours(tmp_path / "one.png").shape[0]


def test_more_labels_than_the_legend_holds(tmp_path: Path) -> None:
    marks = tuple(Annotation(i, i + 1, f"activity {i}") for i in range(27))
    plot_recording(sine_recording(50, 30, annotations=marks), tmp_path / "many.png")
    assert (tmp_path / "many.png").stat().st_size > 0


def test_sentences_are_marks_without_a_legend(tmp_path: Path) -> None:
    few, many = (
        tuple(Annotation(i / 50, i / 50, label=f"sentence {i}", track="narration/a") for i in range(0, 500, step))
        for step in (250, 1)
    )
    plot_recording(sine_recording(50, 10, annotations=few), tmp_path / "few.png")
    plot_recording(sine_recording(50, 10, annotations=many), tmp_path / "many.png")
    pictures = [imread(tmp_path / name)[..., :3] for name in ("few.png", "many.png")]
    ink = [(p < 0.99).any(axis=2) for p in pictures]
    assert ink[1].sum() > ink[0].sum() + 10_000
    # A legend would stand to the right of the axes and make them narrower.
    assert np.flatnonzero(ink[0].any(axis=0))[-1] == pytest.approx(np.flatnonzero(ink[1].any(axis=0))[-1], abs=5)


def test_other_sensors_are_drawn(tmp_path: Path, rng: np.random.Generator) -> None:
    spec = SignalSpec(rate_hz=64.0, channels=("bvp",), units=("raw",))
    rec = Recording(rng.normal(size=(64, 1)).astype(np.float32), spec, "P1", "bvp")
    plot_recording(rec, tmp_path / "bvp.png")
    assert has_colour(tmp_path / "bvp.png", "#d1495b")


def test_the_envelope_keeps_every_peak(rng: np.random.Generator) -> None:
    x = rng.normal(size=100_003).astype(np.float32)
    x[77_777] = 9.0
    _, low, high = envelope(np.arange(len(x)) / 50, x, 1000)
    assert (len(high), high.max(), low.min()) == (1000, 9.0, x.min())


def test_lines_break_at_gaps() -> None:
    rec = sine_recording(50, 4, segments=cut(50, [100, 100], [5.0]))
    _, low, _ = _trace(rec, rec.times(), 0)
    assert np.flatnonzero(np.isnan(low)).tolist() == [100, 201]
