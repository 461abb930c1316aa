"""Critics: what they learn of Gaussians, what trains them and what they train, and what is drawn apart."""

from __future__ import annotations

import logging
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from critic_toys import critic_loss, held_out_accuracy
from kinelet.errors import BadOptionError
from kinelet.methods import drawn_apart
from kinelet.methods.critics import (
    Critic,
    joint_and_apart,
    log_ratio,
    other_sequences,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def of_four(rows: int) -> Tensor:
    return torch.arange(rows) // 4


# --- check 10: what a critic learns


def bivariate(rho: float, rows: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    x, noise = torch.randn(2, rows, 1, generator=g)
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def exact_ratio(x: Tensor, y: Tensor, rho: float) -> Tensor:
    """Log ratio of a bivariate normal density and the product of its margins."""
    quadratic = (rho**2 * (x**2 + y**2) - 2 * rho * x * y) / (2 * (1 - rho**2))
    return (-0.5 * math.log(1 - rho**2) - quadratic).squeeze(1)


def learnt(rho: float, steps: int = 250, rows: int = 512) -> Critic:
    torch.manual_seed(0)
    g = generator(1)
    critic = Critic([1, 1], hidden=48)
    optimiser = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.9))
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = critic_loss(critic, bivariate(rho, rows, g), torch.arange(rows), g)
        assert loss is not None
        loss.backward()
        optimiser.step()
        decay.step()
    return critic


@pytest.fixture(scope="module")
def of_related() -> tuple[Tensor, Tensor]:
    """Logits of a critic trained at 0.8 and true log ratios, on 20,000 pairs it never saw."""
    x, y = bivariate(0.8, 20_000, generator(2))
    return log_ratio(learnt(0.8), x, y), exact_ratio(x, y, 0.8)


def test_check_10_the_mean_logit_of_pairs_is_their_information(of_related: tuple[Tensor, Tensor]) -> None:
    assert float(of_related[0].mean()) == pytest.approx(0.511, abs=0.05)


def test_check_10_the_logits_are_the_log_ratios(of_related: tuple[Tensor, Tensor]) -> None:
    assert float(torch.corrcoef(torch.stack(of_related))[0, 1]) > 0.95


def test_the_true_log_ratio_has_the_exact_mean(of_related: tuple[Tensor, Tensor]) -> None:
    assert float(of_related[1].mean()) == pytest.approx(-0.5 * math.log(1 - 0.64), abs=0.02)


def test_check_10_of_unrelated_variables_it_learns_nothing() -> None:
    assert abs(float(log_ratio(learnt(0.0), *bivariate(0.0, 20_000, generator(2))).mean())) < 0.05


# --- check 12: what trains what


def encoder_and_codes() -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    encoder = nn.Linear(6, 3)
    x = torch.randn(16, 6, generator=generator())
    return encoder, x, encoder(x)


def test_check_12_training_a_critic_leaves_the_gradients_of_the_encoder_empty() -> None:
    encoder, x, u = encoder_and_codes()
    loss = critic_loss(Critic([6, 3]), [x, u], of_four(16), generator())
    assert loss is not None
    loss.backward()
    assert all(p.grad is None for p in encoder.parameters())


def test_check_12_training_a_critic_reaches_all_of_it() -> None:
    _, x, u = encoder_and_codes()
    critic = Critic([6, 3])
    loss = critic_loss(critic, [x, u], of_four(16), generator())
    assert loss is not None
    loss.backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in critic.parameters())


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_check_12_training_the_encoder_leaves_the_critic_unchanged(spectral_norm: bool) -> None:
    encoder, x, u = encoder_and_codes()
    critic = Critic([6, 3], spectral_norm=spectral_norm, dropout=0.1)
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    optimiser = torch.optim.AdamW([*encoder.parameters(), *critic.parameters()], lr=0.1)
    log_ratio(critic, x, u).mean().backward()
    optimiser.step()
    assert all(torch.equal(value, before[name]) for name, value in critic.state_dict().items())


def test_check_12_training_the_encoder_reaches_it() -> None:
    encoder, x, u = encoder_and_codes()
    log_ratio(Critic([6, 3]), x, u).mean().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in encoder.parameters())


def test_one_backward_of_both_gives_each_its_own_gradient() -> None:
    """The critic's loss may be added to the encoder's: their graphs have nothing in common."""
    encoder, x, u = encoder_and_codes()
    critic = Critic([6, 3])
    trained = critic_loss(critic, [x, u], of_four(16), generator())
    assert trained is not None
    apart = torch.autograd.grad(trained, list(critic.parameters()), retain_graph=True)
    alone = torch.autograd.grad(log_ratio(critic, x, u).mean(), list(encoder.parameters()), retain_graph=True)
    (trained + log_ratio(critic, x, u).mean()).backward()
    together = [p.grad for p in (*critic.parameters(), *encoder.parameters())]
    assert all(torch.allclose(a, b) for a, b in zip(together, (*apart, *alone), strict=True) if a is not None)


def test_the_ratio_knows_no_dropout_and_leaves_the_mode_as_it_was() -> None:
    critic = Critic([6, 3], dropout=0.5)
    _, x, u = encoder_and_codes()
    assert torch.equal(log_ratio(critic, x, u), log_ratio(critic, x, u)) and critic.training


@pytest.mark.parametrize("size", [1e3, 1e8, 1e30])
def test_check_12_extreme_inputs_stay_finite_and_bounded(size: float) -> None:
    critic = Critic([6, 3], bound=7.0)
    x, u = size * torch.randn(8, 6, generator=generator()), (-size * torch.ones(8, 3)).requires_grad_()
    logits = log_ratio(critic, x, u)
    logits.sum().backward()
    assert float(logits.detach().abs().max()) <= 7.0 and u.grad is not None and bool(u.grad.isfinite().all())


# --- check 13: what is drawn apart


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=24), st.integers(1, 2), st.integers(0, 9999))
def test_check_13_nothing_is_drawn_from_its_own_sequence(numbers: list[int], count: int, seed: int) -> None:
    sequence = torch.tensor(numbers)
    drawn = other_sequences(sequence, generator(seed), count)
    if len(set(numbers)) < 2:
        assert drawn is None
    else:
        assert drawn is not None and all(bool((sequence[index] != sequence).all()) for index in drawn)


@pytest.mark.parametrize("length", [1, 4])
def test_check_13_two_draws_come_from_different_sequences(length: int) -> None:
    sequence = torch.arange(24) // length
    for seed in range(50):
        drawn = other_sequences(sequence, generator(seed), 2)
        assert drawn is not None and bool((sequence[drawn[0]] != sequence[drawn[1]]).all())


@pytest.mark.parametrize("count", [1, 2])
def test_a_draw_repeats_no_row(count: int) -> None:
    drawn = other_sequences(of_four(32), generator(), count)
    assert drawn is not None and all(len(index.unique()) == 32 for index in drawn)


def test_each_row_of_other_sequences_is_drawn_equally_often() -> None:
    g = generator()
    drawn = [other_sequences(of_four(16), g) for _ in range(3000)]
    partner = torch.stack([index[0][0] for index in drawn if index is not None])
    share = torch.bincount(partner, minlength=16) / len(partner)
    assert float((share[4:] - 1 / 12).abs().max()) < 0.03 and not share[:4].any()


def test_the_same_generator_draws_the_same() -> None:
    a, b = (other_sequences(of_four(16), generator(5)) for _ in range(2))
    assert a is not None and b is not None and torch.equal(a[0], b[0])


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_check_13_fewer_than_two_sequences_skip_the_critic(rows: int) -> None:
    x = torch.zeros(rows, 2)
    assert critic_loss(Critic([2, 2]), [x, x], torch.zeros(rows, dtype=torch.long), generator()) is None


def test_check_13_and_the_log_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    drawn_apart._warn.cache_clear()
    with caplog.at_level(logging.WARNING, logger="kinelet.methods.drawn_apart"):
        for rows in (0, 4, 4):
            other_sequences(torch.zeros(rows, dtype=torch.long), generator())
    assert [(r.levelname, "one sequence" in r.message) for r in caplog.records] == [("WARNING", True)]


def test_rows_that_do_not_count_are_no_partners() -> None:
    """Values of rows with something missing, even NaN, reach neither logits nor gradients."""
    critic, x = Critic([2, 2]), torch.randn(16, 2, generator=generator())
    valid = torch.ones(16, dtype=torch.bool)
    valid[[1, 7, 8]] = False
    x[~valid] = torch.nan
    logits = joint_and_apart(critic, [x, x], of_four(16), generator(), valid=valid)
    assert logits is not None and bool(torch.cat(logits).isfinite().all()) and len(logits[0]) == 13


def test_only_arguments_after_the_first_are_moved() -> None:
    """The critic sees each row's own first argument beside another row's second."""
    seen: list[tuple[Tensor, ...]] = []

    class Watching(Critic):
        def forward(self, *arguments: Tensor) -> Tensor:
            seen.append(arguments)
            return super().forward(*arguments)

    rows = torch.arange(16.0)[:, None]
    joint_and_apart(Watching([1, 1, 1]), [rows, rows, rows], of_four(16), generator())
    first, second, third = (x[16:, 0].long() for x in seen[0])
    sequence = of_four(16)
    apart = (sequence[second] != sequence) & (sequence[third] != sequence) & (sequence[second] != sequence[third])
    assert torch.equal(first, torch.arange(16)) and bool(apart.all())


def test_accuracy_of_a_critic_that_knows_is_high() -> None:
    x, y = bivariate(0.95, 4000, generator(3))
    assert (held_out_accuracy(learnt(0.95, 150, 256), [x, y], torch.arange(4000), generator()) or 0) > 0.75


def test_accuracy_of_a_critic_that_knows_nothing_is_chance() -> None:
    x, y = bivariate(0.0, 4000, generator(3))
    assert held_out_accuracy(Critic([1, 1]), [x, y], torch.arange(4000), generator()) == pytest.approx(0.5, abs=0.03)


# --- shapes


@pytest.mark.parametrize("shape", [(3, 9, 20), (3, 1, 1), (3, 40), (3, 7)])
def test_images_and_windows_of_any_size_are_brought_down(shape: tuple[int, ...]) -> None:
    critic = Critic([(3,), 5, 4], width=16)
    u, v = torch.randn(6, 5), torch.randn(6, 4)
    assert critic(torch.randn(6, *shape), u, v).shape == (6,)


def test_a_critic_of_images_knows_which_frequency_is_which() -> None:
    """The same picture a few bins higher is another vector, inside, where edges tell nothing."""
    torch.manual_seed(0)
    column = Critic([(1,), 4], width=32).columns[0]
    low, high = torch.zeros(2, 1, 1, 9, 32).unbind()
    low[..., 4:7], high[..., 20:23] = 1.0, 1.0
    a, b = column(low).detach(), column(high).detach()
    assert float((a - b).norm()) > 0.2 * float((a - column(0 * low).detach()).norm())


def test_five_linear_layers_are_the_default() -> None:
    assert sum(isinstance(m, nn.Linear) for m in Critic([4, 4]).modules()) == 5


def test_spectral_norm_bounds_how_steep_it_is() -> None:
    torch.manual_seed(0)
    critic = Critic([4, 4], spectral_norm=True)
    for _ in range(30):  # power iterations
        critic(torch.randn(4, 4), torch.randn(4, 4))
    a, b, u = torch.randn(3, 200, 4, generator=generator()).unbind()
    steep = (log_ratio(critic, a, u) - log_ratio(critic, b, u)).abs() / (a - b).norm(dim=1)
    assert float(steep.detach().max()) <= 1.01


def test_logits_are_full_precision_under_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Critic([4, 4])(torch.randn(3, 4), torch.randn(3, 4)).dtype == torch.float32


@pytest.mark.parametrize("options", [{"arguments": [4]}, {"arguments": [4, 4], "depth": 1}])
def test_what_is_no_critic_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadOptionError):
        Critic(**options)  # type: ignore[arg-type]
