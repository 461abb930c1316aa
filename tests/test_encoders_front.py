"""From windows to images: spectra and raw patches, and the scale that is fitted to them (check 3)."""

from __future__ import annotations

import cmath
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from kinelet.encoders import front_scale
from kinelet.encoders.front import Front, FrontConfig
from kinelet.encoders.front_scale import Quartiles
from kinelet.encoders.io import load_encoder, save_encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.signal.spec import SignalSpec, imu_spec


def signal(rate_hz: float, channels: int = 1) -> SignalSpec:
    names = tuple(f"c{i}" for i in range(channels))
    return SignalSpec(rate_hz=rate_hz, channels=names, units=("g",) * channels)


def noise(batch: int = 4, channels: int = 1, time: int = 200, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, channels, time, generator=torch.Generator().manual_seed(seed))


def sine(frequency_hz: float, rate_hz: float, time: int) -> torch.Tensor:
    return (2 * math.pi * frequency_hz / rate_hz * torch.arange(time)).sin()[None, None]


def naive(x: torch.Tensor, length: int, hop: int, bins: int, hann: bool) -> np.ndarray:
    """Sum over samples of window times signal times a turning pointer, over the sum of the window."""
    window = [0.5 - 0.5 * math.cos(2 * math.pi * t / length) if hann else 1.0 for t in range(length)]
    count = (len(x) - length) // hop + 1
    out = np.zeros((count, bins), complex)
    for i in range(count):
        for k in range(bins):
            terms = (
                window[t] * float(x[i * hop + t]) * cmath.exp(-2j * math.pi * k * t / length) for t in range(length)
            )
            out[i, k] = sum(terms) / sum(window)
    return out


@pytest.mark.parametrize(("overlap", "hop"), [("half", 8), ("none", 16)])
def test_spectra_are_those_of_the_formula(overlap: str, hop: int) -> None:
    front, x = Front(signal(32.0), FrontConfig(overlap=overlap, nyquist=True)), noise(1, time=64)
    parts = front.spectrum(x)[0, 0].double().numpy()
    assert np.allclose(parts[:, 0] + 1j * parts[:, 1], naive(x[0, 0], 16, hop, 9, overlap == "half"), atol=1e-6)


@pytest.mark.parametrize("overlap", ["half", "none"])
def test_products_with_a_matrix_and_fast_transforms_give_the_same_numbers(overlap: str) -> None:
    front, x = Front(signal(100.0, 3), FrontConfig(overlap=overlap)), noise(channels=3)
    by_matrix = front.spectrum(x)
    front.basis = None
    assert torch.allclose(front.spectrum(x), by_matrix, atol=1e-6)


@pytest.mark.parametrize("mode", ["logmag", "reim"])
@pytest.mark.parametrize("overlap", ["half", "none"])
@pytest.mark.parametrize(("rate_hz", "k"), [(32.0, 3), (64.0, 11), (100.0, 7), (8000.0, 55)])
def test_a_sine_at_the_centre_of_a_bin_peaks_there_check_3(rate_hz: float, k: int, overlap: str, mode: str) -> None:
    front = Front(signal(rate_hz), FrontConfig(overlap=overlap, mode=mode))
    image = front(sine(k * rate_hz / front.length, rate_hz, 4 * front.length))
    power = image.square().sum(dim=1) if mode == "reim" else image[:, 0]
    assert (power.argmax(dim=2) == k).all()


def test_a_sine_of_amplitude_one_has_magnitude_one_half() -> None:
    front = Front(signal(32.0), FrontConfig())
    parts = front.spectrum(sine(8.0, 32.0, 64))
    assert torch.allclose(parts.square().sum(dim=3).sqrt()[0, 0, :, 4], torch.tensor(0.5), atol=1e-6)


SECTION_9 = [
    (8000.0, 1, 2.0, 0.2, "none", (10, 800)),
    (100.0, 1, 2.0, 0.2, "none", (10, 10)),
    (1024.0, 3, 1.0, 0.25, "half", (7, 128)),
    (50.0, 3, 5.0, 1.0, "half", (9, 25)),
    (100.0, 3, 2.0, 0.4, "half", (9, 20)),
]


@pytest.mark.parametrize(("rate", "channels", "window_s", "interval_s", "overlap", "shape"), SECTION_9)
@pytest.mark.parametrize(("mode", "planes"), [("logmag", 1), ("reim", 2)])
def test_images_have_the_intervals_of_the_published_sets_and_half_their_bins_check_3(
    rate: float,
    channels: int,
    window_s: float,
    interval_s: float,
    overlap: str,
    shape: tuple[int, int],
    mode: str,
    planes: int,
) -> None:
    front = Front(signal(rate, channels), FrontConfig(interval_s=interval_s, overlap=overlap, mode=mode))
    assert front(noise(2, channels, round(window_s * rate))).shape == (2, planes * channels, *shape)


@pytest.mark.parametrize("nyquist", [False, True])
def test_no_bin_is_the_conjugate_of_another_check_3(nyquist: bool) -> None:
    parts = Front(signal(32.0), FrontConfig(nyquist=nyquist)).spectrum(noise())
    values = torch.complex(parts[..., 0, :], parts[..., 1, :]).flatten(0, 2)
    gaps = (values[:, :, None] - values[:, None].conj()).abs().mean(dim=0)
    assert gaps.fill_diagonal_(1.0).min() > 0.01


def test_gravity_is_kept_and_the_bin_of_half_the_rate_on_request() -> None:
    still = torch.ones(1, 1, 32)
    image = Front(signal(32.0), FrontConfig(nyquist=True))(still)
    assert image.shape[3] == 9 and torch.allclose(image[..., 0], torch.tensor(math.log(2.0)))


def test_on_request_gravity_keeps_its_sign_and_all_else_stays() -> None:
    plain, signed = (Front(signal(32.0), FrontConfig(signed=s)) for s in (False, True))
    x = noise(8, time=160) + torch.tensor([3.0, -3.0]).repeat(4)[:, None, None]
    for front in (plain, signed):
        front.fit([x])
        front.middle.zero_()
        front.spread.fill_(1.0)
    want = plain(x)
    want[1::2, ..., 0] *= -1
    assert torch.allclose(signed(x), want)


def test_the_last_sample_counts_where_it_fills_no_interval() -> None:
    front, x = Front(signal(50.0), FrontConfig()), noise(1, time=251)
    other = x.clone()
    other[..., -1] += 1
    assert front(x).shape[2] == 20 and not torch.equal(front(x), front(other))


@pytest.mark.parametrize("options", [{}, {"mode": "reim"}, {"signed": True}, {"front": "raw"}])
def test_fitted_images_have_median_nought_and_quartiles_one_apart(options: dict[str, str]) -> None:
    front, x = Front(signal(32.0, 2), FrontConfig.model_validate(options)), noise(64, 2, 160) - 0.5
    front.fit([x[:32], x[32:]])
    channels = front(x).unflatten(1, (2, -1)).movedim(1, 0).flatten(1)
    low, middle, high = channels.quantile(torch.tensor([0.25, 0.5, 0.75]), dim=1)
    assert torch.allclose(middle, torch.zeros(2), atol=1e-3) and torch.allclose(high - low, torch.ones(2), atol=1e-3)


@pytest.mark.parametrize("options", [{}, {"mode": "reim"}, {"front": "raw"}, {"overlap": "none"}, {"signed": True}])
def test_fitted_images_do_not_depend_on_the_gain_of_a_channel(options: dict[str, str]) -> None:
    x, images = noise(8, 2, 160), []
    for gain in (torch.tensor([1.0, 1.0]), torch.tensor([1000.0, 0.01])):
        front = Front(signal(32.0, 2), FrontConfig.model_validate(options))
        front.fit([x * gain[:, None]])
        images.append(front(x * gain[:, None]))
    assert torch.allclose(images[0], images[1], atol=1e-4)


def test_the_scale_resists_a_few_windows_gone_wild() -> None:
    calm, x = Front(signal(32.0), FrontConfig()), noise(100, time=160)
    wild = Front(signal(32.0), FrontConfig())
    calm.fit([x])
    wild.fit([torch.cat([x, 1e6 * noise(3, time=160)])])
    assert abs(float(wild.scale / calm.scale) - 1) < 0.1 and abs(float(wild.spread / calm.spread) - 1) < 0.1


@pytest.mark.parametrize("options", [{}, {"mode": "reim"}, {"front": "raw"}])
def test_channels_that_never_change_give_finite_images(options: dict[str, str]) -> None:
    front = Front(signal(32.0, 2), FrontConfig.model_validate(options))
    front.fit([torch.stack([torch.zeros(160), torch.full((160,), 3.0)])[None]])
    assert torch.isfinite(front(noise(2, 2, 160))).all()


def test_a_scale_cannot_be_fitted_to_nothing() -> None:
    with pytest.raises(BadOptionError, match="no windows to fit"):
        Front(signal(32.0), FrontConfig()).fit([])


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_scale_is_not_fitted_to_what_is_no_number(broken: float) -> None:
    x = noise()
    x[1, 0, 3] = broken
    with pytest.raises(BadOptionError, match="not finite"):
        Front(signal(32.0), FrontConfig()).fit([x])


def test_the_same_windows_in_other_batches_give_the_same_scale() -> None:
    x, states = noise(32, 3, 160), []
    for size in (32, 5):
        front = Front(signal(32.0, 3), FrontConfig())
        front.fit(x.split(size))
        states.append(front.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_quartiles_keep_images_spread_evenly_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_scale, "_MOST", 100)
    quartiles = Quartiles()
    for part in torch.arange(1000.0).split(70):
        quartiles.add(part[:, None, None, None])
    low, middle, high = (float(q) for q in quartiles.quartiles())
    assert abs(low - 250) < 20 and abs(middle - 500) < 20 and abs(high - 750) < 20


def test_images_are_in_full_precision_under_autocast() -> None:
    front, x = Front(signal(100.0, 3), FrontConfig()), noise(channels=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = front(x)
    assert torch.equal(low, front(x))


def test_the_gradient_is_finite_where_nothing_moves() -> None:
    x = torch.zeros(1, 1, 64, requires_grad=True)
    Front(signal(32.0), FrontConfig())(x).sum().backward()
    assert x.grad is not None and torch.isfinite(x.grad).all()


def test_raw_images_are_the_samples_row_by_row() -> None:
    x = noise(2, 3, 60)
    image = Front(signal(50.0, 3), FrontConfig(front="raw"))(x)
    assert torch.equal(image, x.unflatten(2, (6, 10)))


def test_raw_images_never_overlap() -> None:
    fronts = [Front(signal(50.0), FrontConfig(front=kind)) for kind in ("raw", "stft")]
    assert [front.overlaps for front in fronts] == [False, True]


@pytest.mark.parametrize(
    ("rate_hz", "length", "patch"),
    [(4.0, 8, 2), (30.0, 16, 2), (32.0, 16, 2), (50.0, 24, 3), (64.0, 32, 4), (100.0, 50, 5), (8000.0, 4000, 100)],
)
def test_intervals_and_patches_suit_the_rate(rate_hz: float, length: int, patch: int) -> None:
    front = Front(signal(rate_hz), FrontConfig())
    assert (front.length, front.patch) == (length, (1, patch))


def test_audio_as_published_has_patches_of_forty_bins() -> None:
    assert Front(signal(8000.0), FrontConfig(interval_s=0.2, overlap="none")).patch == (1, 40)


def test_patches_are_as_told() -> None:
    assert Front(signal(50.0), FrontConfig(patch=(2, 4))).patch == (2, 4)


def test_an_interval_of_too_few_samples_is_refused_naming_the_rate() -> None:
    with pytest.raises(BadOptionError, match=r"0\.0625 s has 2 samples at 32 Hz"):
        Front(signal(32.0), FrontConfig(interval_s=0.05))


def test_an_interval_of_endless_samples_is_refused_before_anything_is_made() -> None:
    with pytest.raises(BadOptionError, match="3600000 samples"):
        Front(signal(1000.0), FrontConfig(interval_s=3600.0))


def test_a_patch_of_no_bins_is_refused() -> None:
    with pytest.raises(BadOptionError, match="patch"):
        create_encoder("tf_vit", patch=(1, 0))


def test_a_window_shorter_than_an_interval_is_refused() -> None:
    with pytest.raises(SpecMismatchError, match="time >= 24"):
        create_encoder("tf_vit", spec=imu_spec(50.0)).image(noise(channels=3, time=23))


@pytest.mark.parametrize("options", [{}, {"mode": "reim"}, {"front": "raw"}])
def test_saved_and_loaded_the_fit_is_the_same(options: dict[str, str], tmp_path: Path) -> None:
    encoder = create_encoder("tf_vit", seed=0, **options)
    encoder.fit_input([3 + 2 * noise(channels=3)])
    x = noise(channels=3, seed=1)
    assert np.array_equal(load_encoder(save_encoder(encoder, tmp_path)).embed(x), encoder.embed(x))
