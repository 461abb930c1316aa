"""Each augmentation of time by the property that defines it, and loops written from the definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional import crop, crop_resize, frequency_mask, permute, reverse, time_mask, time_warp
from kinelet.functional.augment_time import warp_positions
from kinelet.functional.curves import spline_basis
from kinelet.functional.draws import interpolate_at, normal


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def signal(batch: int = 16, channels: int = 6, time: int = 80) -> Tensor:
    return torch.randn(batch, channels, time, generator=seeded(99), dtype=torch.float64)


def ramp(batch: int, time: int, channels: int = 3) -> Tensor:
    return torch.arange(time, dtype=torch.float64).expand(batch, channels, time)


# --- reverse


def test_reversing_twice_is_the_identity() -> None:
    x = signal()
    assert torch.equal(reverse(reverse(x, seeded()), seeded()), x)


def test_reversing_puts_the_last_sample_first() -> None:
    assert torch.equal(reverse(signal(), seeded())[:, :, 0], signal()[:, :, -1])


def test_physical_reversal_turns_the_gyroscope_around() -> None:
    x, y = signal(), reverse(signal(), seeded(), physical=True)
    assert torch.equal(y[:, :3], x[:, :3].flip(2)) and torch.equal(y[:, 3:], -x[:, 3:].flip(2))


def test_physical_reversal_needs_a_gyroscope() -> None:
    with pytest.raises(BadOptionError, match="gyroscope"):
        reverse(signal(channels=3), seeded(), physical=True)


# --- permute


@pytest.mark.parametrize("distinct", [True, False])
def test_permutation_keeps_the_multiset_of_time_samples(distinct: bool) -> None:
    y = permute(ramp(200, 50), seeded(), distinct=distinct)
    assert torch.equal(y.sort(dim=2).values, ramp(200, 50))


def test_permutation_moves_all_channels_together() -> None:
    y = permute(ramp(50, 60, channels=6), seeded())
    assert torch.equal(y, y[:, :1].expand_as(y))


def pieces(row: Tensor) -> list[list[int]]:
    """Runs of consecutive times."""
    runs: list[list[int]] = [[int(row[0])]]
    for t in row[1:].int().tolist():
        if t == runs[-1][-1] + 1:
            runs[-1].append(t)
        else:
            runs.append([t])
    return runs


@pytest.mark.parametrize("segments", [1, 2, 5])
def test_permutation_makes_at_most_the_stated_pieces(segments: int) -> None:
    y = permute(ramp(300, 40), seeded(), segments=segments)[:, 0]
    assert max(len(pieces(row)) for row in y) == segments


def test_one_piece_is_the_identity() -> None:
    assert torch.equal(permute(signal(), seeded(), segments=1), signal())


def test_as_many_pieces_as_samples_shuffles_single_samples() -> None:
    y = permute(ramp(200, 6), seeded(), segments=6)[:, 0]
    # Every order of two given samples is seen about equally often.
    assert float((y.argsort(dim=1)[:, 0] < y.argsort(dim=1)[:, 5]).double().mean()) == pytest.approx(0.5, abs=0.12)


def test_cuts_are_uniform_over_the_window() -> None:
    y = permute(ramp(20_000, 11), seeded(), segments=2)[:, 0]
    swapped = y[y[:, 0] > 0]
    counts = swapped[:, 0].int().bincount(minlength=11)[1:]
    assert float(counts.min() / counts.double().mean()) > 0.88


def test_half_of_two_piece_permutations_swap() -> None:
    y = permute(ramp(4000, 20), seeded(), segments=2)[:, 0]
    assert float((y[:, 0] > 0).double().mean()) == pytest.approx(0.5, abs=0.03)


def test_more_pieces_than_samples_are_refused() -> None:
    with pytest.raises(BadOptionError, match="5 segments of windows of 4"):
        permute(ramp(1, 4), seeded(), segments=5)


@pytest.mark.parametrize("batch", [62, 63, 512])
def test_rows_are_cut_at_times_of_their_own(batch: int) -> None:
    y = permute(ramp(batch, 250), seeded())[:, 0]
    starts = {tuple(sorted(piece[0] for piece in pieces(row))) for row in y}
    # Now and then two rows are not cut at all, or alike.
    assert len(starts) > 0.95 * batch


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 20), st.integers(1, 40), st.integers(1, 40), st.booleans(), st.integers(0, 1000))
def test_permutation_never_loses_a_sample(batch: int, time: int, segments: int, distinct: bool, seed: int) -> None:
    y = permute(ramp(batch, time), seeded(seed), segments=min(segments, time), distinct=distinct)
    assert torch.equal(y.sort(dim=2).values, ramp(batch, time))


# --- time warp


def naive_warp(x: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """One channel: running sum of speeds scaled to the window, then interpolation of (time, value) points."""
    clock = np.cumsum(np.maximum(speed, 0.05))
    clock = clock * (len(x) - 1) / clock[-1]
    return np.interp(np.arange(len(x)), clock, x)


@pytest.mark.parametrize("time", [2, 25, 80, 251])
def test_time_warp_equals_the_loops(time: int) -> None:
    x = signal(5, 3, time)
    speed = (1 + 0.4 * normal(x, seeded(3), 5, 6)) @ spline_basis(6, time, x)
    y = time_warp(x, seeded(3), sigma=0.4)
    for row, channel in np.ndindex(5, 3):
        want = naive_warp(x[row, channel].numpy(), speed[row].double().numpy())
        assert np.allclose(y[row, channel].numpy(), want, atol=1e-3)


@pytest.mark.parametrize("sigma", [0.2, 1.0, 5.0])
def test_warped_time_never_runs_backwards(sigma: float) -> None:
    positions = warp_positions(signal(200, 1, 100), seeded(), sigma=sigma, knots=6, min_speed=0.05)
    assert bool((positions.diff(dim=1) >= 0).all())


def test_warped_time_stays_in_the_window_and_reaches_its_end() -> None:
    positions = warp_positions(signal(200, 1, 100), seeded(), sigma=0.5, knots=6, min_speed=0.05)
    assert float(positions.min()) >= 0 and torch.allclose(positions[:, -1], torch.full((200,), 99.0), atol=1e-3)


def test_time_warp_is_shared_by_all_channels() -> None:
    y = time_warp(ramp(20, 100, channels=6), seeded())
    assert torch.equal(y, y[:, :1].expand_as(y))


def test_time_warp_keeps_a_ramp_rising() -> None:
    y = time_warp(ramp(100, 100), seeded(), sigma=0.5)
    assert bool((y.diff(dim=2) >= 0).all())


def test_steady_speed_changes_next_to_nothing() -> None:
    # The first sample happens one step after the start of the clock, so all are late by at most one sample.
    assert float((time_warp(ramp(3, 100), seeded(), sigma=0.0) - ramp(3, 100)).abs().max()) <= 1.0


def test_a_single_sample_survives_the_warp() -> None:
    assert torch.equal(time_warp(ramp(3, 1), seeded()), ramp(3, 1))


# --- crops


def test_a_resized_crop_of_a_ramp_is_a_ramp() -> None:
    y = crop_resize(ramp(100, 50), seeded(), min_fraction=0.3)
    slope = y.diff(dim=2)
    assert torch.allclose(slope, slope[:, :, :1].expand_as(slope), atol=1e-4)


def test_resized_crops_have_lengths_between_the_fractions() -> None:
    y = crop_resize(ramp(3000, 101), seeded(), min_fraction=0.3, max_fraction=0.7)[:, 0]
    span = (y[:, -1] - y[:, 0]) / 100
    assert (float(span.min()), float(span.max())) == pytest.approx((0.3, 0.7), abs=0.01)


def test_resized_crops_lie_anywhere_inside() -> None:
    y = crop_resize(ramp(3000, 101), seeded(), min_fraction=0.5, max_fraction=0.5)[:, 0]
    assert (float(y[:, 0].min()), float(y[:, 0].max())) == pytest.approx((0.0, 50.0), abs=0.5)


def test_the_whole_window_resized_is_the_window() -> None:
    assert torch.allclose(crop_resize(signal(), seeded(), min_fraction=1.0), signal(), atol=1e-3)


def test_a_plain_crop_copies_consecutive_samples() -> None:
    y = crop(ramp(100, 50), seeded(), samples=20)
    assert y.shape == (100, 3, 20) and bool((y.diff(dim=2) == 1).all())


def test_plain_crops_start_anywhere_they_fit() -> None:
    y = crop(ramp(2000, 50), seeded(), samples=20)
    assert set(y[:, 0, 0].int().tolist()) == set(range(31))


def test_crop_speeds_are_log_uniform_between_the_limits() -> None:
    step = crop(ramp(4000, 500), seeded(), samples=100, max_speed=2.0)[:, 0].diff(dim=1).mean(dim=1)
    assert torch.allclose(
        torch.quantile(step.log2(), torch.tensor([0.0, 0.5, 1.0]).double()),
        torch.tensor([-1.0, 0.0, 1.0]).double(),
        atol=0.05,
    )


def test_a_fast_crop_never_leaves_the_window() -> None:
    y = crop(ramp(500, 60), seeded(), samples=50, max_speed=3.0)
    assert float(y.min()) >= 0 and float(y.max()) <= 59


@pytest.mark.parametrize(("samples", "speed"), [(0, 1.0), (81, 1.0), (10, 0.5)])
def test_impossible_crops_are_refused(samples: int, speed: float) -> None:
    with pytest.raises(BadOptionError, match="crop"):
        crop(signal(), seeded(), samples=samples, max_speed=speed)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.lists(st.floats(-5, 40), min_size=1, max_size=10))
def test_interpolation_equals_numpy(time: int, where: list[float]) -> None:
    x = signal(1, 2, time)
    y = interpolate_at(x, torch.tensor([where], dtype=torch.float64))
    want = [np.interp(where, np.arange(time), channel) for channel in x[0].numpy()]
    assert np.allclose(y[0].numpy(), want, atol=1e-9)


# --- masks


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.2, 1.0])
def test_time_mask_flattens_exactly_the_stated_length(fraction: float) -> None:
    y = time_mask(signal() + 10, seeded(), min_fraction=fraction, max_fraction=fraction, fill="zero")
    assert bool(((y == 0).sum(dim=2) == round(fraction * 80)).all())


def test_time_masks_have_all_lengths_between_the_fractions() -> None:
    y = time_mask(signal(3000) + 10, seeded(), min_fraction=0.05, max_fraction=0.2, fill="zero")
    assert set((y[:, 0] == 0).sum(dim=1).tolist()) == set(range(4, 17))


def test_time_mask_is_one_run_shared_by_all_channels() -> None:
    hidden = time_mask(signal() + 10, seeded(), min_fraction=0.2, fill="zero") == 0
    starts = hidden.int().diff(dim=2, prepend=torch.zeros(16, 6, 1, dtype=torch.int)).eq(1).sum(dim=2)
    assert bool((starts == 1).all()) and torch.equal(hidden, hidden[:, :1].expand_as(hidden))


def test_time_mask_fills_with_the_mean_and_leaves_the_rest() -> None:
    x = signal()
    y = time_mask(x, seeded(), min_fraction=0.3, max_fraction=0.3)
    want = torch.where(y == x, x, x.mean(dim=2, keepdim=True).expand_as(x))
    assert torch.equal(y, want) and bool(((y != x).sum(dim=2) == 24).all())


@pytest.mark.parametrize("function", [time_mask, frequency_mask, crop_resize])
@pytest.mark.parametrize(("low", "high"), [(0.5, 0.4), (-0.1, 0.4), (0.5, 1.1)])
def test_fractions_out_of_order_are_refused(function: object, low: float, high: float) -> None:
    with pytest.raises(BadOptionError, match="fractions"):
        function(signal(), seeded(), min_fraction=low, max_fraction=high)  # type: ignore[operator]


def test_time_masks_reach_both_ends() -> None:
    hidden = time_mask(signal(500) + 10, seeded(), min_fraction=0.1, max_fraction=0.1, fill="zero")[:, 0] == 0
    assert bool(hidden[:, 0].any()) and bool(hidden[:, -1].any())


def spectra(x: Tensor) -> Tensor:
    return torch.fft.rfft(x).abs()


@pytest.mark.parametrize("time", [79, 80])
def test_frequency_mask_empties_one_band_and_leaves_the_rest(time: int) -> None:
    x = signal(time=time)
    before, after = spectra(x), spectra(frequency_mask(x, seeded(), min_fraction=0.2, max_fraction=0.2))
    gone = after < 1e-6
    width = round(0.2 * (time // 2))
    assert torch.allclose(after[~gone], before[~gone], atol=1e-6) and bool((gone.sum(dim=2) == width).all())


def test_the_empty_band_is_one_run_shared_by_all_channels() -> None:
    gone = spectra(frequency_mask(signal(), seeded(), min_fraction=0.2)) < 1e-6
    starts = gone.int().diff(dim=2).eq(1).sum(dim=2)
    assert bool((starts == 1).all()) and torch.equal(gone, gone[:, :1].expand_as(gone))


def test_frequency_mask_keeps_the_mean() -> None:
    x = signal() + 5
    y = frequency_mask(x, seeded(), min_fraction=1.0, max_fraction=1.0)
    assert torch.allclose(y, x.mean(dim=2, keepdim=True).expand_as(x), atol=1e-6)


def test_a_tone_outside_the_band_is_untouched() -> None:
    tone = torch.sin(2 * torch.pi * 10 * torch.arange(100) / 100).expand(64, 3, 100).double()
    y = frequency_mask(tone, seeded(), min_fraction=0.1, max_fraction=0.1)
    energy = y.square().mean(dim=(1, 2))
    # Either the tone's bin lies in the band and all is gone, or it does not and nothing is.
    assert bool(((energy < 1e-9) | (energy - 0.5).abs().lt(1e-6)).all()) and 0 < int((energy < 1e-9).sum()) < 64
