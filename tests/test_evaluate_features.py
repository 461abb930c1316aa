from __future__ import annotations

import time

import numpy as np
import pytest

from kinelet.evaluate.features import hand_crafted, triplets
from kinelet.signal.spec import SignalSpec, imu_spec

SPEC = imu_spec(50.0)
HZ = 2.5


def window(n: int = 3, samples: int = 250, seed: int = 0) -> np.ndarray:
    r = np.random.default_rng(seed)
    t = np.arange(samples) / 50.0
    x = np.sin(2 * np.pi * HZ * t + r.uniform(0, 6, (n, 3, 1))) * np.array([1.0, 0.5, 0.2])[:, None]
    return (x + np.array([0.1, 0.2, 0.9])[:, None] + 0.02 * r.normal(size=x.shape)).astype(np.float32)


def column(x: np.ndarray, name: str, spec: SignalSpec = SPEC, thirds: bool = False) -> np.ndarray:
    made = hand_crafted(x, spec, thirds=thirds)
    return made.values[:, made.names.index(name)]


NAIVE = {
    "acc_x.mean": lambda w: w[0].mean(),
    "acc_y.sd": lambda w: w[1].std(),
    "acc_z.min": lambda w: w[2].min(),
    "acc_z.max": lambda w: w[2].max(),
    "acc_x.q25": lambda w: np.sort(w[0])[round(0.25 * (len(w[0]) - 1))],
    "acc_x.energy": lambda w: (w[0] ** 2).mean(),
    "acc_norm.mean": lambda w: np.sqrt((w**2).sum(axis=0)).mean(),
    "acc_x.mean_crossings": lambda w: (np.diff(np.sign(w[0] - w[0].mean())) != 0).mean(),
    "acc_x.jerk_sd": lambda w: (np.diff(w[0]) * 50).std(),
    "acc_y.jerk_abs": lambda w: np.abs(np.diff(w[1]) * 50).mean(),
    "acc.corr_xy": lambda w: np.corrcoef(w[0], w[1])[0, 1],
    "acc.magnitude_area": lambda w: np.abs(w - w.mean(axis=1, keepdims=True)).mean(),
    "acc_x.skewness": lambda w: ((w[0] - w[0].mean()) ** 3).mean() / w[0].std() ** 3,
    "acc_x.kurtosis": lambda w: ((w[0] - w[0].mean()) ** 4).mean() / w[0].std() ** 4,
}


@pytest.mark.parametrize("name", NAIVE)
def test_a_feature_equals_its_definition(name: str) -> None:
    x = window()
    assert column(x, name) == pytest.approx([NAIVE[name](w.astype(float)) for w in x], rel=2e-3, abs=1e-5)


def test_the_autocorrelation_peak_equals_a_plain_loop() -> None:
    w = window(1)[0, 0].astype(float)
    d = w - w.mean()
    auto = [float((d[: len(d) - k] * d[k:]).sum() / (d * d).sum()) for k in range(len(d))]
    assert column(window(1), "acc_x.autocorr_peak")[0] == pytest.approx(max(auto[10:100]), abs=1e-3)


def test_the_autocorrelation_lag_is_the_period() -> None:
    assert column(window(), "acc_x.autocorr_lag_s") == pytest.approx(1 / HZ, abs=0.02)


def test_the_dominant_frequency_is_the_one_that_was_made() -> None:
    assert column(window(), "acc_x.dominant_hz") == pytest.approx(HZ, abs=0.2)


def test_energy_lies_in_the_band_of_that_frequency() -> None:
    assert (column(window(), "acc_x.share_2_3hz") > 0.9).all()


def test_a_band_equals_the_sum_of_the_periodogram() -> None:
    w = window(1)[0, 1].astype(float)
    taper = np.hanning(252)[1:-1]
    power = np.abs(np.fft.rfft((w - w.mean()) * taper)) ** 2 / ((taper**2).sum() * 250)
    hz = np.fft.rfftfreq(250, 0.02)
    want = np.log(power[(hz >= 2) & (hz < 3)].sum() + 1e-7)
    assert column(window(1), "acc_y.band_2_3hz")[0] == pytest.approx(want, rel=1e-3)


def test_noise_has_more_spectral_entropy_than_a_wave() -> None:
    noise = np.random.default_rng(0).normal(size=(3, 3, 250)).astype(np.float32)
    assert column(noise, "acc_x.spectral_entropy").min() > column(window(), "acc_x.spectral_entropy").max()


def test_the_centroid_of_one_tone_is_its_frequency() -> None:
    assert column(window(), "acc_x.spectral_centroid_hz") == pytest.approx(HZ, abs=0.5)


def test_the_norm_does_not_depend_on_how_the_sensor_is_turned() -> None:
    x, q = window(), np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0].astype(np.float32)
    turned = np.einsum("ij,njt->nit", q, x)
    norm = [i for i, name in enumerate(hand_crafted(x, SPEC).names) if name.startswith("acc_norm.autocorr_peak")]
    assert np.allclose(hand_crafted(turned, SPEC).values[:, norm], hand_crafted(x, SPEC).values[:, norm], atol=1e-3)


def test_thirds_tell_the_order_of_events() -> None:
    x = np.zeros((1, 3, 90), np.float32)
    x[:, 0, 60:] = 1
    means = [column(x, f"acc_x.third{i}_mean", thirds=True)[0] for i in (1, 2, 3)]
    assert means == [0, 0, 1]


def test_thirds_are_extra_columns() -> None:
    assert len(hand_crafted(window(), SPEC, thirds=True).names) - len(hand_crafted(window(), SPEC).names) == 4 * 6


def test_names_do_not_repeat() -> None:
    names = hand_crafted(window(), SPEC, thirds=True).names
    assert len(set(names)) == len(names)


def test_a_window_does_not_see_its_neighbours() -> None:
    x = window(2000)
    assert np.allclose(hand_crafted(x, SPEC).values[1500], hand_crafted(x[1500:1501], SPEC).values[0], atol=1e-4)


@pytest.mark.parametrize("samples", [2, 3, 20])
def test_short_and_still_windows_give_finite_numbers(samples: int) -> None:
    assert np.isfinite(hand_crafted(np.ones((2, 3, samples), np.float32), SPEC, thirds=True).values).all()


def test_a_single_channel_has_no_norm() -> None:
    spec = SignalSpec(rate_hz=64.0, channels=("bvp",), units=("au",))
    assert all(name.startswith("bvp.") for name in hand_crafted(window()[:, :1], spec).names)


def test_each_sensor_has_a_norm_of_its_own() -> None:
    assert triplets(imu_spec(50.0, gyro=True)) == {"acc": (0, 1, 2), "gyr": (3, 4, 5)}


def test_axes_are_found_in_any_order() -> None:
    spec = SignalSpec(rate_hz=50.0, channels=("acc_z", "t", "acc_x", "acc_y"), units=("g", "C", "g", "g"))
    assert triplets(spec) == {"acc": (2, 3, 0)}


def test_progress_counts_windows() -> None:
    told: list[int] = []
    hand_crafted(window(1500), SPEC, progress=lambda done, note="": told.append(done))
    assert told == [1024, 1500]


def test_no_windows_give_no_rows() -> None:
    assert hand_crafted(np.zeros((0, 3, 250), np.float32), SPEC).values.shape[0] == 0


def test_four_thousand_windows_take_about_a_second() -> None:
    x = window(4000)
    started = time.process_time()
    hand_crafted(x, SPEC)
    assert time.process_time() - started < 3
