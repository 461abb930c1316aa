"""The motif network: its shapes and counts, its first layer, and that a forward pass leaves nothing behind."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kinelet.distances.align import gravity_rotation
from kinelet.distances.config import DistanceOptions, MotifConfig, override
from kinelet.distances.network import MotifNetwork, edge_ratio, statistics
from kinelet.errors import BadOptionError
from kinelet.signal.spec import imu_spec
from motif_formulas import moving, network, partial_conv, weights_of

every_attention = pytest.mark.parametrize("attention", ["softmax", "sparsemax"])


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# --- shapes and counts


def test_parameters_are_those_of_the_published_network() -> None:
    net = MotifNetwork(imu_spec(100.0))
    assert count(net) == 58_617
    assert [count(s) for s in (net.query, net.key, net.value)] == [19_472] * 3
    assert (count(net.out), count(net.norm)) == (195, 6)


def test_there_are_34_tensors_in_the_published_order() -> None:
    names = list(MotifNetwork(imu_spec(100.0)).state_dict())
    stack = [f"{layer}.{p}" for layer in ("stem.conv", "blocks.0.reduce", "blocks.0.conv") for p in ("weight", "bias")]
    stack += [s.replace("blocks.0", "blocks.1") for s in stack[2:]]
    wanted = [f"{part}.{s}" for part in ("query", "key", "value") for s in stack]
    assert names == ["norm.scale", "norm.shift", *wanted, "out.weight", "out.bias"]


@pytest.mark.parametrize(
    ("layer", "shape", "parameters"),
    [
        ("stem.conv", (64, 3, 15), 2_944),
        ("blocks.0.reduce", (8, 64, 1), 520),
        ("blocks.0.conv", (64, 8, 15), 7_744),
        ("blocks.1.reduce", (8, 64, 1), 520),
        ("blocks.1.conv", (64, 8, 15), 7_744),
    ],
)
def test_each_layer_has_its_published_shape(layer: str, shape: tuple[int, ...], parameters: int) -> None:
    module = MotifNetwork(imu_spec(100.0)).query.get_submodule(layer)
    assert isinstance(module, nn.Conv1d) and tuple(module.weight.shape) == shape and count(module) == parameters


def test_dilations_double_from_block_to_block() -> None:
    net = MotifNetwork(imu_spec(100.0), MotifConfig(blocks=5))
    assert [net.key.get_submodule(f"blocks.{b}.conv").dilation for b in range(5)] == [(1,), (2,), (4,), (8,), (16,)]


@pytest.mark.parametrize("blocks", [2, 5])
def test_the_receptive_field(blocks: int) -> None:
    """57 samples with two blocks, 449 with five; instance norms, which see all, are left out."""
    net = MotifNetwork(imu_spec(100.0), MotifConfig(blocks=blocks))
    convs = [m for m in net.key.modules() if isinstance(m, nn.Conv1d)]
    assert 1 + sum(c.dilation[0] * (c.kernel_size[0] - 1) for c in convs) == {2: 57, 5: 449}[blocks]


@pytest.mark.parametrize(("stride", "steps"), [(1, 256), (10, 26)])
def test_features_have_the_width_and_are_thinned_by_the_stride(stride: int, steps: int) -> None:
    net = MotifNetwork(imu_spec(100.0), MotifConfig(stride=stride))
    x = moving(2).float()
    assert net.key(x).shape == (2, 64, steps) and net.query(x).shape == (2, 64, 256)


def test_features_have_mean_0_and_variance_1_over_time() -> None:
    q = network(dtype=torch.float64).query(50 * moving(2))
    torch.testing.assert_close(q.mean(2), torch.zeros_like(q[:, :, 0]), rtol=0, atol=1e-10)
    torch.testing.assert_close(q.var(2, correction=0), torch.ones_like(q[:, :, 0]), rtol=0, atol=2e-3)


def test_six_channels_are_taken() -> None:
    net = MotifNetwork(imu_spec(50.0, gyro=True), MotifConfig(width=8))
    x = torch.randn(2, 6, 40)
    assert net(x, x).shape == x.shape


# --- the first layer


def test_the_edge_ratio() -> None:
    ratio = edge_ratio(256, 15, torch.zeros(1, dtype=torch.float64))
    assert ratio[:8].tolist() == pytest.approx([15 / n for n in range(8, 16)], abs=1e-12)
    assert ratio[:7].tolist() == pytest.approx([1.875, 1.6667, 1.5, 1.3636, 1.25, 1.1538, 1.0714], abs=5e-5)
    assert torch.equal(ratio, ratio.flip(0)) and (ratio[7:-7] == 1).all()


def test_the_edge_ratio_of_a_window_shorter_than_the_kernel() -> None:
    assert edge_ratio(3, 15, torch.zeros(1)).tolist() == [5.0, 5.0, 5.0]


@pytest.mark.parametrize("time", [9, 64, 256])
def test_the_first_layer_equals_a_masked_convolution(time: int) -> None:
    net, x = network(dtype=torch.float64), moving(2, time)
    w = weights_of(net)
    wanted = [partial_conv(row, w["query.stem.conv.weight"], w["query.stem.conv.bias"]) for row in x.numpy()]
    np.testing.assert_allclose(net.query.stem(x).detach(), wanted, rtol=1e-10, atol=1e-12)


@every_attention
def test_changing_the_anchor_leaves_keys_and_values_alone(attention: str) -> None:
    net, x, seen = network(attention), moving(3).float(), []
    for stack in (net.key, net.value):
        stack.blocks[-1].register_forward_hook(lambda _, __, out: seen.append(out.detach().clone()))
    net(x[:1], x[2:])
    net(x[1:2], x[2:])
    assert torch.equal(seen[0], seen[2]) and torch.equal(seen[1], seen[3])


# --- training and use


@every_attention
def test_training_and_evaluation_rebuild_alike_without_dropout(attention: str) -> None:
    net, x = network(attention, dropout=0.0), moving(2).float()
    assert torch.equal(net.train()(x, x.flip(0)), net.eval()(x, x.flip(0)))


def test_dropout_acts_in_training_alone() -> None:
    net, x = network(dropout=0.5), moving(2).float()
    assert not torch.equal(net.train()(x, x.flip(0)), net(x, x.flip(0)))
    assert torch.equal(net.eval()(x, x.flip(0)), net(x, x.flip(0)))


@every_attention
def test_every_parameter_gets_a_finite_gradient(attention: str) -> None:
    net, x = network(attention), moving(2).float()
    net(x, x.flip(0)).square().sum().backward()
    grads = [p.grad for p in net.parameters()]
    assert all(g is not None and bool(g.isfinite().all()) for g in grads)


@pytest.mark.parametrize("scale", ["axis", "isotropic"])
def test_statistics_have_no_gradient(scale: str) -> None:
    assert not any(s.requires_grad for s in statistics(moving(2).requires_grad_(), scale))


@pytest.mark.parametrize(("amplitude", "factor"), [("candidate", 1.0), ("own", 2.0)])
def test_rebuilds_come_at_the_place_and_in_the_units_of_their_anchors(amplitude: str, factor: float) -> None:
    net, x = network(dtype=torch.float64, options={"offset": "remove", "amplitude": amplitude}), moving(2)
    moved = net(factor * x[:1] + 1, x[1:])
    torch.testing.assert_close(moved, factor * net(x[:1], x[1:]) + 1, rtol=1e-9, atol=1e-9)


def test_rebuilds_come_in_the_frame_of_their_anchors() -> None:
    net, x = network(dtype=torch.float64, options={"align": "gravity", "scale": "isotropic"}), moving(2)
    upright = gravity_rotation(x[:1].mean(dim=2))
    torch.testing.assert_close(net(upright @ x[:1], x[1:]), upright @ net(x[:1], x[1:]), rtol=1e-9, atol=1e-9)


# --- nothing is left behind


def attributes(net: nn.Module) -> dict[str, dict[str, object]]:
    return {name: {k: copy.copy(v) for k, v in vars(m).items()} for name, m in net.named_modules()}


@every_attention
def test_a_forward_pass_changes_no_attribute(attention: str) -> None:
    net, x = network(attention), moving(2).float()
    before, weights = attributes(net), copy.deepcopy(net.state_dict())
    net(x, x.flip(0))
    assert attributes(net).keys() == before.keys()
    assert all(vars(m).keys() == before[name].keys() for name, m in net.named_modules())
    same = [vars(m)[k] is v or vars(m)[k] == v for name, m in net.named_modules() for k, v in before[name].items()]
    assert all(same) and all(torch.equal(v, weights[k]) for k, v in net.state_dict().items())


def test_two_threads_share_one_network() -> None:
    net, x, found = network(), moving(4).float(), {}
    with torch.no_grad():
        wanted = [net(x[:2], x[2:]), net(x[2:], x[:2])]

    def work(i: int) -> None:
        with torch.no_grad():
            found[i] = [net(*((x[:2], x[2:]), (x[2:], x[:2]))[i]) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(y, wanted[i]) for i in range(2) for y in found[i])


@every_attention
def test_a_compiler_traces_it_without_a_break(attention: str) -> None:
    net, x = network(attention, width=8), moving(2, 32).float()
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(x, x.flip(0)), net(x, x.flip(0)), rtol=1e-5, atol=1e-6)


@every_attention
def test_a_compiler_traces_training_without_a_break(attention: str) -> None:
    net, x = network(attention, width=8, dropout=0.0), moving(2, 32).float()
    compiled = torch.compile(net.train(), fullgraph=True, backend="aot_eager")
    gradients = []
    for run in (net, compiled):
        net.zero_grad()
        run(x, x.flip(0)).square().sum().backward()
        gradients.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


# --- configuration


@pytest.mark.parametrize("options", [{"scale": "isotropic"}, {"offset": "remove", "amplitude": "own"}], ids=str)
def test_one_scale_for_two_units_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(BadOptionError, match="g and rad/s"):
        MotifNetwork(imu_spec(50.0, gyro=True), MotifConfig(options=options))  # type: ignore[arg-type]


@pytest.mark.parametrize("align", ["gravity", "procrustes"])
def test_turning_other_than_three_axes_is_refused(align: str) -> None:
    two = imu_spec(50.0).replace(channels=("acc_x", "acc_y"), units=("g", "g"))
    with pytest.raises(BadOptionError, match="three axes"):
        MotifNetwork(two, MotifConfig(options={"align": align}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change", [{"kernel": 4}, {"width": 0}, {"attention": "entmax"}, {"dropout": 1.0}, {"wdith": 1}]
)
def test_shapes_that_make_no_sense_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        MotifConfig.model_validate(change)


@pytest.mark.parametrize(("width", "inner"), [(64, 8), (4, 1), (256, 32)])
def test_the_bottleneck_is_an_eighth_unless_told(width: int, inner: int) -> None:
    assert MotifConfig(width=width).inner == inner and MotifConfig(width=width, bottleneck=3).inner == 3


def test_short_names_stand_for_options() -> None:
    both = override(DistanceOptions(), {}, offset_free=True, rotation_aligned=True)
    assert both == DistanceOptions(offset="remove", align="gravity", scale="isotropic")
    assert override(both, {}, offset_free=False, rotation_aligned=False) == DistanceOptions()


def test_the_weight_of_the_offset_depends_on_the_option() -> None:
    weights = [DistanceOptions(offset=o).mean_weight for o in ("plain", "split", "remove")]  # type: ignore[arg-type]
    assert weights == [1.0, 1.0, 0.0] and DistanceOptions(offset="split", offset_weight=0.5).mean_weight == 0.5


def test_windows_of_any_length_go_through() -> None:
    net = network(width=8)
    assert [tuple(net(x, x).shape) for x in (Tensor(torch.randn(1, 3, n)) for n in (2, 11, 1000))] == [
        (1, 3, 2),
        (1, 3, 11),
        (1, 3, 1000),
    ]
