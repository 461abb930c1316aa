"""What every augmentation promises, and how a pipeline applies them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional import PRESETS, Compose, augmentations
from kinelet.functional.augment import (
    AnyAugmentation,
    CropResize,
    FrequencyMask,
    Jitter,
    MagnitudeWarp,
    Negate,
    Permute,
    PhaseShift,
    Reverse,
    Rotate,
    Scale,
    ShuffleAxes,
    TimeMask,
    TimeWarp,
)

ALL: list[AnyAugmentation] = [
    Jitter(),
    Jitter(sigma=(0.1, 0.5), relative=True),
    Scale(),
    Scale(mode="per_sensor"),
    Scale(mode="per_window"),
    Scale(mode="per_step"),
    Rotate(),
    Rotate(max_angle_deg=30),
    Rotate(max_angle_deg=180, axis="cube"),
    Negate(),
    Reverse(),
    Reverse(physical=True),
    Permute(),
    Permute(distinct=False),
    Permute(allow_identity=False),
    TimeWarp(),
    TimeWarp(per_channel=True),
    MagnitudeWarp(),
    ShuffleAxes(),
    ShuffleAxes(allow_identity=True),
    CropResize(),
    TimeMask(),
    TimeMask(fill="zero"),
    FrequencyMask(),
    PhaseShift(),
]
RANDOM = [a for a in ALL if not isinstance(a, Negate | Reverse)]


def named(steps: list[AnyAugmentation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("step", steps, ids=lambda s: f"{s.kind}-{'-'.join(sorted(s.model_fields_set))}")


every_augmentation, every_random = named(ALL), named(RANDOM)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def signal(batch: int = 8, channels: int = 6, time: int = 100) -> Tensor:
    return torch.randn(batch, channels, time, generator=seeded(99))


def test_every_kind_is_tested() -> None:
    kinds = {type(a) for preset in PRESETS.values() for a in preset}
    assert kinds <= {type(a) for a in ALL}


@every_augmentation
@pytest.mark.parametrize("batch", [1, 62, 63, 512])
def test_any_batch_keeps_its_shape(step: AnyAugmentation, batch: int) -> None:
    x = signal(batch)
    assert step.apply(x, seeded()).shape == x.shape


@every_augmentation
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_type_is_kept(step: AnyAugmentation, dtype: torch.dtype) -> None:
    y = step.apply(signal().to(dtype), seeded())
    assert y.dtype == dtype and bool(torch.isfinite(y).all())


@every_augmentation
def test_the_input_is_not_changed(step: AnyAugmentation) -> None:
    x = signal()
    before = x.clone()
    step.apply(x, seeded()).mul_(2)
    assert torch.equal(x, before)


@every_augmentation
def test_same_seed_same_output(step: AnyAugmentation) -> None:
    assert torch.equal(step.apply(signal(), seeded(1)), step.apply(signal(), seeded(1)))


@every_random
def test_another_seed_another_output(step: AnyAugmentation) -> None:
    assert not torch.equal(step.apply(signal(), seeded(1)), step.apply(signal(), seeded(2)))


@every_random
def test_rows_get_parameters_of_their_own(step: AnyAugmentation) -> None:
    y = step.apply(signal(1).expand(32, -1, -1), seeded())
    assert len({tuple(row.flatten().tolist()) for row in y}) > 1


@every_augmentation
def test_the_global_generator_is_left_alone(step: AnyAugmentation) -> None:
    state = torch.random.get_rng_state()
    step.apply(signal(), seeded())
    assert torch.equal(state, torch.random.get_rng_state())


@every_augmentation
def test_three_channels_work_where_one_sensor_is_enough(step: AnyAugmentation) -> None:
    if step in (Reverse(physical=True), Jitter(sigma=(0.1, 0.5), relative=True)):
        pytest.skip("needs a second sensor")
    assert step.apply(signal(channels=3), seeded()).shape == (8, 3, 100)


@every_augmentation
def test_gradients_pass_through(step: AnyAugmentation) -> None:
    x = signal().requires_grad_()
    step.apply(x, seeded()).sum().backward()
    assert x.grad is not None and bool(torch.isfinite(x.grad).all())


@pytest.mark.parametrize("step", [Rotate(), ShuffleAxes(), Scale(mode="per_sensor"), Reverse(physical=True)])
def test_axes_need_whole_sensors(step: AnyAugmentation) -> None:
    with pytest.raises(BadOptionError, match="4 channels are not sensors"):
        step.apply(signal(channels=4), seeded())


# --- the pipeline


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_a_share_p_of_rows_is_transformed(p: float) -> None:
    y = Compose([Negate(p=p)])(torch.ones(4000, 1, 1), seeded())
    assert float((y < 0).float().mean()) == pytest.approx(p, abs=0.03)


def test_rows_that_chance_skips_are_left_to_the_bit() -> None:
    x = signal(64)
    y = Compose([Jitter(p=0.5)])(x, seeded())
    untouched = (x == y).all(dim=2).all(dim=1)
    assert 0 < int(untouched.sum()) < 64 and not bool((x == y)[~untouched].all(dim=2).any())


def test_steps_are_applied_in_order() -> None:
    a, b = Scale(mode="per_window"), Permute()
    g, h = seeded(5), seeded(5)
    want = signal()
    for step in (a, b):
        torch.rand(8, generator=h)  # the draw that decides which rows take part
        want = step.apply(want, h)
    assert torch.equal(Compose([a, b])(signal(), g), want)


def test_a_batch_of_nothing_passes_every_preset() -> None:
    assert [Compose(p)(signal(0), seeded()).shape[0] for p in PRESETS.values()] == [0] * len(PRESETS)


def test_an_empty_pipeline_is_the_identity() -> None:
    x = signal()
    assert Compose([])(x, seeded()) is x


def test_choosing_applies_exactly_that_many_different_steps() -> None:
    # Each step multiplies by its own prime, so that the product tells which were applied.
    class Times(Negate):
        def apply(self, x: Tensor, generator: torch.Generator) -> Tensor:
            return x * self.p_prime

        p_prime: float = 2.0

    steps = [Times(p_prime=q) for q in (2.0, 3.0, 5.0, 7.0)]
    y = Compose(steps, choose=2)(torch.ones(4000, 1, 1), seeded()).flatten()
    values, counts = y.unique(return_counts=True)
    pairs = sorted(a * b for a, b in [(2, 3), (2, 5), (2, 7), (3, 5), (3, 7), (5, 7)])
    assert values.tolist() == pairs and float(counts.min()) > 4000 / 6 * 0.8


def test_choosing_puts_steps_in_random_order() -> None:
    class AddOne(Negate):
        def apply(self, x: Tensor, generator: torch.Generator) -> Tensor:
            return x + 1

    # 0 -> negate -> +1 gives 1; 0 -> +1 -> negate gives -1.
    y = Compose([Negate(), AddOne()], choose=2)(torch.zeros(1000, 1, 1), seeded())
    assert float(y.mean()) == pytest.approx(0.0, abs=0.1) and set(y.flatten().tolist()) == {1.0, -1.0}


@pytest.mark.parametrize("choose", [0, 3])
def test_choosing_more_than_there_are_is_refused(choose: int) -> None:
    with pytest.raises(BadOptionError, match="choose"):
        Compose([Negate(), Jitter()], choose=choose)


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("batch", [1, 62, 63, 512])
def test_presets_work_on_accelerometer_and_gyroscope(name: str, batch: int) -> None:
    y = Compose(augmentations(name))(signal(batch, 6, 250), seeded())
    assert y.shape == (batch, 6, 250) and bool(torch.isfinite(y).all())


def test_the_preset_for_any_signal_takes_any_number_of_channels() -> None:
    assert Compose(augmentations("any_signal"))(signal(channels=1), seeded()).shape == (8, 1, 100)


cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@cuda
@pytest.mark.parametrize("generator", ["cpu", "cuda"])
@every_augmentation
def test_on_the_device_everything_stays_there(step: AnyAugmentation, generator: str) -> None:
    y = step.apply(signal().cuda(), torch.Generator(generator).manual_seed(0))
    assert y.device.type == "cuda" and y.shape == (8, 6, 100)


@cuda
@pytest.mark.parametrize("generator", ["cpu", "cuda"])
def test_on_the_device_rows_that_chance_skips_are_left_alone(generator: str) -> None:
    x = signal(64).cuda()
    y = Compose([Jitter(p=0.5)])(x, torch.Generator(generator).manual_seed(0))
    assert 0 < int((x == y).flatten(1).all(dim=1).sum()) < 64


# --- configuration


def test_plain_data_becomes_augmentations_and_back() -> None:
    steps = augmentations([{"kind": "rotate", "max_angle_deg": 20, "p": 0.5}, {"kind": "jitter", "sigma": [0.1, 0.2]}])
    assert augmentations([s.model_dump(mode="json") for s in steps]) == steps


def test_an_unknown_preset_is_quoted() -> None:
    with pytest.raises(BadOptionError, match=r"'strong'.*standard"):
        augmentations("strong")


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ({"kind": "wobble"}, "wobble"),
        ({"sigma": 1}, "kind"),
        ({"kind": "jitter", "sgima": 1}, "sgima"),
        ({"kind": "jitter", "p": 1.5}, "p"),
        ({"kind": "jitter", "sigma": -1}, "sigma"),
        ({"kind": "time_warp", "knots": 3}, "knots"),
        ({"kind": "time_mask", "min_fraction": 0.5, "max_fraction": 0.4}, "above max_fraction"),
        ({"kind": "crop_resize", "min_fraction": 0.0}, "min_fraction"),
        ({"kind": "rotate", "max_angle_deg": 270}, "max_angle_deg"),
    ],
)
def test_bad_parameters_are_named(item: dict[str, object], named: str) -> None:
    with pytest.raises(BadOptionError, match=named):
        augmentations([item])


def test_configurations_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Jitter().sigma = 1.0  # type: ignore[misc]
