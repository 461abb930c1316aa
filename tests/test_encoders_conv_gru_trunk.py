from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from kinelet.encoders.conv_gru_trunk import ConvGRUOptions, ConvGRUTrunk, SpectrumBlock


def images(batch: int = 3, planes: int = 2, intervals: int = 5, bins: int = 12, seed: int = 0) -> Tensor:
    return torch.randn(batch, planes, intervals, bins, generator=torch.Generator().manual_seed(seed))


def trunk(bins: int = 12, **options: int | str) -> ConvGRUTrunk:
    torch.manual_seed(0)
    given = {"width": 4, "convolutions": 2, "merged": 6, "hidden": 5, **options}
    return ConvGRUTrunk(2, bins, ConvGRUOptions.model_validate(given))


@pytest.mark.parametrize("stride", [1, 2, 3, 5, 12, 40])
@pytest.mark.parametrize("bins", [1, 7, 12, 80])
def test_every_bin_is_seen(stride: int, bins: int) -> None:
    net, x = trunk(bins, stride=stride).eval(), images(bins=bins).requires_grad_()
    net(x).square().sum().backward()
    assert x.grad is not None and bool((x.grad != 0).flatten(0, 2).any(dim=0).all())


@pytest.mark.parametrize("intervals", [1, 4, 30])
def test_any_number_of_intervals_gives_a_state_each(intervals: int) -> None:
    assert trunk()(images(intervals=intervals)).shape == (3, intervals, 10)


def test_convolutions_do_not_mix_intervals() -> None:
    net, x = trunk().eval(), images()
    changed = x.clone()
    changed[:, :, 2] += 1
    y, z = (net.norm(net.first(functional.pad(v, (1, 1)))) for v in (x, changed))
    for block in net.blocks:
        y, z = block(y), block(z)
    assert torch.nonzero((y != z).flatten(3).any(dim=3).any(dim=1).any(dim=0)).flatten().tolist() == [2]


def test_both_directions_tell_the_first_state_of_the_last_interval() -> None:
    net, x = trunk().eval(), images()
    changed = x.clone()
    changed[:, :, -1] += 1
    assert not torch.allclose(net(x)[:, 0], net(changed)[:, 0], atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_hidden_cells_leave_no_trace(training: bool) -> None:
    net, x = trunk().train(training), images()
    keep = torch.rand(3, 5, 12) < 0.3
    changed = torch.where(keep[:, None], x, torch.tensor(float("nan")))
    assert torch.equal(net(x, keep), net(changed, keep))


def test_a_hidden_cell_gets_the_learned_value_of_its_plane() -> None:
    net, x = trunk().eval(), images()
    net.hidden.data = torch.tensor([3.0, -2.0])
    nothing = torch.zeros(3, 5, 12, dtype=torch.bool)
    constant = net.hidden.data[:, None, None].expand(2, 5, 12)
    assert torch.equal(net(x, nothing), net(constant.expand(3, 2, 5, 12)))


def convolved(block: SpectrumBlock, x: Tensor) -> Tensor:
    """What a block's convolution gives, from loops."""
    want = torch.zeros_like(x)
    padded = functional.pad(x, (1, 1))
    for out in range(x.shape[1]):
        for i in range(x.shape[3]):
            taps = (padded[:, :, :, i : i + 3] * block.conv.weight[out, :, 0][None, :, None]).sum(dim=(1, 3))
            want[:, out, :, i] = taps + block.conv.bias[out]  # type: ignore[index]
    return want


def test_a_block_is_a_convolution_a_norm_over_channels_a_gelu_and_what_came_in() -> None:
    block, x = SpectrumBlock(3, 0.5).eval(), images(planes=3)
    y = convolved(block, x)
    centred = y - y.mean(dim=1, keepdim=True)
    want = x + functional.gelu(centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt())
    assert torch.allclose(block(x), want, atol=1e-5)


def test_with_a_batch_norm_it_is_what_was_published() -> None:
    block, x = SpectrumBlock(2, 0.5, "batch").eval(), images()
    # A fresh batch norm in evaluation divides by sqrt(1 + eps).
    want = x + functional.gelu(convolved(block, x) / (1 + 1e-5) ** 0.5)
    assert torch.allclose(block(x), want, atol=1e-6)


@pytest.mark.parametrize(("norm", "alike"), [("layer", True), ("batch", False)])
def test_what_was_hidden_in_training_does_not_scale_whole_windows_afterwards(norm: str, alike: bool) -> None:
    """Statistics of images that are mostly hidden are not those of whole ones."""
    net, x = trunk(norm=norm).train(), images(batch=32)
    for seed in range(20):
        net(x, torch.rand(32, 5, 12, generator=torch.Generator().manual_seed(seed)) < 0.25)
    learning, afterwards = net(x).detach(), net.eval()(x).detach()
    assert torch.equal(learning, afterwards) == alike


def test_a_cell_is_normed_without_the_others() -> None:
    net, x = trunk(convolutions=0), images()
    changed = x.clone()
    changed[:, :, 2, 7] += 1
    y, z = (net.norm(net.first(functional.pad(v, (1, 1)))) for v in (x, changed))
    assert (y != z).any(dim=1).any(dim=0).nonzero().tolist() == [[2, 6], [2, 7], [2, 8]]


def test_whole_channels_are_dropped_in_training() -> None:
    torch.manual_seed(0)
    block, x = SpectrumBlock(16, 0.5).train(), images(planes=16)
    stays = (block(x) == x).flatten(2)
    assert bool((stays.all(dim=2) | ~stays.any(dim=2)).all()) and 0.2 < stays.all(dim=2).float().mean() < 0.8
