from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kinelet.encoders.blocks import ResidualBlock, SameConv1d, channels_last, make_norm, pool_time
from kinelet.encoders.registry import create_encoder
from kinelet.encoders.resnet import ResNet1d34, ResNet1dSmall
from kinelet.errors import BadOptionError


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def resnet34() -> ResNet1d34:
    encoder = create_encoder("resnet1d_34", seed=0)
    assert isinstance(encoder, ResNet1d34)
    return encoder


def test_resnet1d_34_has_the_published_parameters(resnet34: ResNet1d34) -> None:
    assert parameters(resnet34) == 3_635_840


def test_resnet1d_34_has_27_norms_and_29_convolutions(resnet34: ResNet1d34) -> None:
    found = [[isinstance(m, kind) for m in resnet34.modules()].count(True) for kind in (nn.BatchNorm1d, nn.Conv1d)]
    assert found == [27, 29]


def test_resnet1d_34_has_193_tensors_of_which_81_buffers(resnet34: ResNet1d34) -> None:
    assert (len(resnet34.state_dict()), len(list(resnet34.buffers()))) == (193, 81)


def test_resnet1d_34_parameters_layer_by_layer(resnet34: ResNet1d34) -> None:
    blocks = [24_960] * 3 + [107_264] + [131_840] * 3 + [427_520] + [525_824] * 5
    assert [parameters(resnet34.stem), *map(parameters, resnet34.blocks)] == [1_408 + 128, *blocks]


def test_resnet1d_34_all_convolutions_have_a_bias(resnet34: ResNet1d34) -> None:
    assert all(m.bias is not None for m in resnet34.modules() if isinstance(m, nn.Conv1d))


def shapes_of(encoder: ResNet1d34, time: int) -> list[tuple[int, ...]]:
    x = encoder.stem(torch.zeros(1, 3, time))
    shapes = [tuple(x.shape[1:])]
    x = nn.functional.max_pool1d(x, 3, stride=2)
    shapes.append(tuple(x.shape[1:]))
    for i, block in enumerate(encoder.blocks):
        x = block(x)
        if i in (2, 6, 12):
            shapes.append(tuple(x.shape[1:]))
    return shapes


def test_resnet1d_34_shapes_for_256_samples(resnet34: ResNet1d34) -> None:
    assert shapes_of(resnet34, 256) == [(64, 125), (64, 62), (64, 62), (128, 62), (256, 62)]


@pytest.mark.parametrize(("time", "steps"), [(11, 1), (200, 48), (256, 62), (1000, 248)])
def test_resnet1d_34_steps_by_window_length(resnet34: ResNet1d34, time: int, steps: int) -> None:
    assert resnet34.eval().features(torch.zeros(1, 3, time)).shape == (1, 256, steps)


@pytest.mark.parametrize("norm", ["batch", "group", "layer"])
def test_norms_have_equal_numbers_of_parameters(norm: str) -> None:
    assert parameters(create_encoder("resnet1d_34", norm=norm)) == 3_635_840


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_group_and_layer_norm_do_not_see_the_batch_even_in_training(norm: str) -> None:
    encoder = create_encoder("resnet1d_34", norm=norm, seed=0).train()
    x = torch.randn(3, 3, 100)
    assert torch.allclose(encoder(x)[:1], encoder(x[:1]), atol=1e-5)


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(BadOptionError, match="norm"):
        create_encoder("resnet1d_34", norm="instance")


def fill_from_formula(encoder: ResNet1d34) -> None:
    """Weights of a formula, tensor j in the order of the state dict, n the row-major index inside it."""
    for j, (key, tensor) in enumerate(encoder.state_dict().items()):
        n = np.arange(tensor.numel(), dtype=np.int64)
        u = 2.0 * ((7919 * (n + 1) * (n + 1 + j)) % 10007) / 10006 - 1.0
        if tensor.ndim >= 2:
            values = u * math.sqrt(3.0 / (tensor.numel() / tensor.shape[0]))
        elif key.endswith("num_batches_tracked"):
            values = np.full(1, 7.0)
        elif key.endswith("running_var"):
            values = 1 + 0.2 * u
        elif "norm" in key and key.endswith("weight"):
            values = 1 + 0.1 * u
        else:
            values = 0.1 * u
        tensor.copy_(torch.as_tensor(values).reshape(tensor.shape))


def formula_input(time: int) -> Tensor:
    b, c, t = np.meshgrid(np.arange(4), np.arange(3), np.arange(time), indexing="ij")
    x = np.sin(0.05 * (b + 1) * (c + 1) * t + 0.3 * c) + 0.2 * np.cos(0.31 * t * (1 + 0.1 * c)) + 0.1 * b * (c - 1)
    return torch.as_tensor(x)


# Values of the reference network with these weights (kinelet's RelCon specification, acceptance check 3).
PARITY = [
    (256, (0, 0), 1.44189),
    (256, (0, 1), -2.13959),
    (256, (0, 127), 1.09578),
    (256, (0, 255), 0.68533),
    (256, (3, 0), 0.28037),
    (256, (3, 1), -2.77513),
    (256, (3, 127), 2.85763),
    (256, (3, 255), 0.29460),
    (200, (0, 0), 1.41406),
    (200, (0, 1), -2.17408),
    (200, (0, 255), 0.69091),
    (1000, (0, 0), 1.45299),
    (1000, (0, 1), -2.32821),
    (1000, (0, 255), 0.63395),
]
NORMS = {256: [47.9765, 52.4056, 57.8660, 64.4046], 200: [45.5056, 51.6914], 1000: [49.2509, 54.3021]}


@pytest.fixture(scope="module", params=[torch.float64, torch.float32], ids=["float64", "float32"])
def parity_outputs(request: pytest.FixtureRequest) -> dict[int, Tensor]:
    encoder = create_encoder("resnet1d_34").eval().to(request.param)
    assert isinstance(encoder, ResNet1d34)
    with torch.no_grad():
        fill_from_formula(encoder)
        return {time: encoder(formula_input(time).to(request.param)) for time in NORMS}


@pytest.mark.parametrize(("time", "at", "value"), PARITY)
def test_resnet1d_34_equals_the_published_network(
    parity_outputs: dict[int, Tensor], time: int, at: tuple[int, int], value: float
) -> None:
    assert float(parity_outputs[time][at]) == pytest.approx(value, rel=1e-4, abs=2e-5)


@pytest.mark.parametrize("time", sorted(NORMS))
def test_resnet1d_34_equals_the_published_network_in_norm(parity_outputs: dict[int, Tensor], time: int) -> None:
    assert parity_outputs[time].norm(dim=1)[: len(NORMS[time])].tolist() == pytest.approx(NORMS[time], rel=1e-4)


def naive_same_convolution(x: np.ndarray, w: np.ndarray, b: np.ndarray, stride: int) -> np.ndarray:
    """Loops from the definition, zeros outside, one sample more on the right for an even kernel."""
    out_width, _, kernel = w.shape
    left = (kernel - 1) // 2
    out = np.zeros((out_width, -(-x.shape[1] // stride)))
    for o in range(out.shape[0]):
        for i in range(out.shape[1]):
            total = b[o]
            for k in range(kernel):
                t = i * stride + k - left
                if 0 <= t < x.shape[1]:
                    total += w[o, :, k] @ x[:, t]
            out[o, i] = total
    return out


@pytest.mark.parametrize("kernel", [3, 4, 5, 6])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("time", [9, 10])
def test_same_convolution_equals_the_loops(kernel: int, stride: int, time: int) -> None:
    torch.manual_seed(0)
    conv, x = SameConv1d(2, 3, kernel, stride).double(), torch.randn(1, 2, time, dtype=torch.float64)
    assert conv.bias is not None
    want = naive_same_convolution(x[0].numpy(), conv.weight.detach().numpy(), conv.bias.detach().numpy(), stride)
    assert np.allclose(conv(x)[0].detach().numpy(), want)


def test_a_block_with_dead_convolutions_is_its_shortcut() -> None:
    block, x = ResidualBlock(8, 8, 3, "batch"), torch.randn(2, 8, 10)
    nn.init.zeros_(block.conv2.weight)
    nn.init.zeros_(block.conv2.bias)  # type: ignore[arg-type]
    assert torch.equal(block(x), x)


def test_the_shortcut_is_a_convolution_only_where_the_shape_changes() -> None:
    blocks = [ResidualBlock(8, 8, 3, "batch"), ResidualBlock(8, 16, 3, "batch"), ResidualBlock(8, 8, 3, "batch", 2)]
    assert [b.skip is None for b in blocks] == [True, False, False]


def test_group_norm_takes_fewer_groups_where_eight_do_not_divide() -> None:
    norm = make_norm("group", 12)
    assert isinstance(norm, nn.GroupNorm) and norm.num_groups == 6


def test_pooling_equals_numpy() -> None:
    x = torch.randn(2, 3, 7)
    a = x.numpy()
    want = np.concatenate([a.mean(2), a.max(2), np.sqrt(a.var(2) + 1e-5)], axis=1)
    assert np.allclose(pool_time(x, "mean_max_std").numpy(), want, atol=1e-6)


def test_gradient_of_the_pooled_spread_is_finite_on_constant_channels() -> None:
    x = torch.zeros(1, 2, 5, requires_grad=True)
    pool_time(x, "mean_std").sum().backward()
    assert x.grad is not None and bool(torch.isfinite(x.grad).all())


@pytest.mark.parametrize("pool", ["mean", "max", "mean_max", "mean_std", "mean_max_std"])
@pytest.mark.parametrize(("stages", "width"), [("last", 32), ("all", 56)])
def test_small_width_follows_pooling_and_stages(pool: str, stages: str, width: int) -> None:
    encoder = create_encoder("resnet1d_small", widths=(8, 16, 32), pool=pool, stages=stages)
    assert encoder(torch.randn(2, 3, 64)).shape == (2, encoder.dim) == (2, width * len(pool.split("_")))


def test_small_stays_small() -> None:
    assert parameters(create_encoder("resnet1d_small", channels=6)) <= 500_000


def test_small_halves_time_at_the_stem_and_at_each_later_stage() -> None:
    encoder = create_encoder("resnet1d_small", stages="last")
    assert isinstance(encoder, ResNet1dSmall)
    assert encoder.features(torch.randn(2, 3, 128)).shape == (2, 128, 16)


def test_small_more_blocks_more_parameters() -> None:
    assert parameters(create_encoder("resnet1d_small", blocks=2)) > parameters(create_encoder("resnet1d_small"))


def test_small_last_stage_only_leaves_no_idle_norm() -> None:
    encoder = create_encoder("resnet1d_small", stages="last")
    encoder(torch.randn(2, 3, 64)).sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())


def test_small_refuses_an_even_kernel() -> None:
    with pytest.raises(BadOptionError, match="kernel"):
        create_encoder("resnet1d_small", kernel=4)


@pytest.mark.parametrize("kernel", [1, 3, 4, 5])
def test_the_mean_of_a_convolution_from_sums_is_the_mean_of_the_convolution(kernel: int) -> None:
    torch.manual_seed(0)
    conv, x = SameConv1d(2, 3, kernel).double(), torch.randn(2, 2, 9, dtype=torch.float64)
    assert torch.allclose(conv.mean(x), conv(x).mean(dim=2), atol=1e-12)


@pytest.mark.parametrize("time", [11, 64])
def test_resnet1d_34_is_the_mean_of_its_features(resnet34: ResNet1d34, time: int) -> None:
    x = torch.randn(3, 3, time)
    assert torch.allclose(resnet34.eval()(x), resnet34.features(x).mean(dim=2), atol=1e-5)


@pytest.mark.parametrize("norm", ["batch", "group", "layer"])
def test_blocks_give_the_same_with_channels_last(norm: Literal["batch", "group", "layer"]) -> None:
    torch.manual_seed(0)
    block, x = ResidualBlock(8, 16, 4, norm, 2).double(), torch.randn(3, 8, 10, dtype=torch.float64)
    assert torch.allclose(block(channels_last(x)).squeeze(2), block(x))


def test_batch_norm_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match="dimensions"):
        make_norm("batch", 4)(torch.zeros(2, 4))
