"""Phases turned after the transform."""

from __future__ import annotations

import math

import pytest
import torch

from kinelet.encoders.image import ImageEncoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError
from kinelet.functional import Compose, augmentations, phase_shift
from kinelet.functional.draws import uniform


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spectra(batch: int = 6, channels: int = 2) -> torch.Tensor:
    return torch.randn(batch, 2 * channels, 5, 8, generator=seeded(9))


def as_complex(image: torch.Tensor) -> torch.Tensor:
    return torch.complex(image[:, 0::2], image[:, 1::2])


def test_each_value_is_multiplied_by_a_unit_pointer_of_its_channel() -> None:
    image = spectra()
    angle = (2 * uniform(image, seeded(), 6, 2) - 1) * math.pi
    turned = as_complex(phase_shift(image, seeded()))
    for row in range(6):
        for channel in range(2):
            pointer = complex(math.cos(angle[row, channel]), math.sin(angle[row, channel]))
            want = as_complex(image)[row, channel, :, 1:] * pointer
            assert torch.allclose(turned[row, channel, :, 1:], want, atol=1e-5)


def test_magnitudes_stay() -> None:
    image = spectra()
    assert torch.allclose(as_complex(phase_shift(image, seeded())).abs(), as_complex(image).abs(), atol=1e-5)


@pytest.mark.parametrize(("nyquist", "kept"), [(False, [0]), (True, [0, 7])])
def test_real_bins_stay_as_they_are(nyquist: bool, kept: list[int]) -> None:
    image = spectra()
    same = (phase_shift(image, seeded(), nyquist=nyquist) == image).all(dim=2).all(dim=1).all(dim=0)
    assert same.nonzero()[:, 0].tolist() == kept


def test_rows_and_channels_are_turned_apart() -> None:
    image = spectra()[:1].expand(6, -1, -1, -1).clone()
    image[:, 2:] = image[:, :2]
    turned = as_complex(phase_shift(image, seeded()))[:, :, 0, 1].flatten()
    assert len(turned.angle().round(decimals=4).unique()) == 12


def test_angles_keep_within_the_bound() -> None:
    image = spectra(100)
    turn = as_complex(phase_shift(image, seeded(), max_angle_deg=10.0))[..., 1:] / as_complex(image)[..., 1:]
    assert 5 < float(turn.angle().abs().max().rad2deg()) <= 10.001


def test_windows_keep_the_magnitude_of_all_frequencies() -> None:
    x = torch.randn(4, 3, 50, generator=seeded())
    before, after = (torch.fft.rfft(w).abs() for w in (x, phase_shift(x, seeded())))
    assert torch.allclose(before, after, atol=1e-3)


@pytest.mark.parametrize("time", [50, 51])
def test_a_sine_in_a_window_is_moved_by_the_angle_of_its_row(time: int) -> None:
    angle = (2 * uniform(torch.empty(5), seeded(), 5, 1) - 1) * math.pi
    steps = 2 * math.pi * 4 / time * torch.arange(time)
    x = (1 + steps.cos()).expand(5, 1, -1)
    assert torch.allclose(phase_shift(x, seeded())[:, 0], 1 + (steps + angle).cos(), atol=1e-4)


def test_waves_at_the_centre_of_bins_are_turned_as_their_images_are() -> None:
    encoder = create_encoder("tf_vit", mode="reim")
    assert isinstance(encoder, ImageEncoder)
    steps = 2 * math.pi * 30 / 240 * torch.arange(240)
    x = torch.stack([steps.sin(), (2 * steps).cos(), steps.cos()])[None]
    first, second = encoder.image(phase_shift(x, seeded())), phase_shift(encoder.image(x), seeded())
    assert torch.allclose(first, second, atol=1e-5)


def test_configured_it_turns_a_share_of_the_rows() -> None:
    x = torch.randn(400, 3, 20, generator=seeded())
    pipeline = Compose(augmentations([{"kind": "phase_shift", "p": 0.5}]))
    changed = (pipeline(x, seeded()) != x).flatten(1).any(dim=1).float().mean()
    assert 0.4 < float(changed) < 0.6


def test_the_generator_decides() -> None:
    image = spectra()
    assert torch.equal(phase_shift(image, seeded(3)), phase_shift(image, seeded(3)))


def test_planes_that_are_no_pairs_are_refused_with_a_remedy() -> None:
    with pytest.raises(BadOptionError, match="mode=reim"):
        phase_shift(torch.randn(2, 3, 4, 5), seeded())


def test_planes_of_an_encoder_are_pairs_of_one_channel() -> None:
    encoder = create_encoder("tf_vit", mode="reim")
    assert isinstance(encoder, ImageEncoder)
    x = torch.zeros(1, 3, 48)
    x[:, 1] = torch.randn(48, generator=seeded())
    assert encoder.image(x).abs().sum(dim=(0, 2, 3)).gt(1e-6).tolist() == [False, False, True, True, False, False]
