"""A learned temperature stays within its bounds and can leave them again."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinelet.errors import BadOptionError
from kinelet.methods.temperature import Temperature

#: 0.01 in single precision.
LOW = float(torch.tensor(0.01))


def test_it_starts_where_it_is_told_to() -> None:
    assert float(Temperature(0.07)().detach()) == pytest.approx(0.07, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=8), st.sampled_from([0.1, 10.0, 1e4]))
def test_it_stays_within_its_bounds_under_any_gradient(gradients: list[float], lr: float) -> None:
    temperature = Temperature()
    optimizer = torch.optim.SGD(temperature.parameters(), lr=lr)
    for gradient in gradients:
        temperature()
        temperature.log.grad = torch.tensor(gradient)
        optimizer.step()
        assert LOW <= float(temperature().detach()) <= 1.0


@pytest.mark.parametrize(("towards", "bound"), [(1.0, 0.01), (-1.0, 1.0)])
def test_it_leaves_a_bound_as_soon_as_the_gradient_points_inside(towards: float, bound: float) -> None:
    temperature = Temperature()
    optimizer = torch.optim.SGD(temperature.parameters(), lr=0.1)
    for _ in range(100):
        (towards * temperature()).backward()
        temperature.log.grad = torch.tensor(towards)
        optimizer.step()
    assert float(temperature().detach()) == pytest.approx(bound, rel=1e-6)
    temperature.log.grad = torch.tensor(-towards)
    optimizer.step()
    assert abs(math.log(float(temperature().detach()) / bound)) == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("start", [0.01, 0.1, 1.0])
def test_its_gradient_is_that_of_the_logarithm_even_at_the_bounds(start: float) -> None:
    temperature = Temperature(start)
    temperature().backward()
    assert temperature.log.grad is not None and float(temperature.log.grad) == pytest.approx(start, rel=1e-6)


def test_evaluation_reads_within_the_bounds_and_changes_nothing() -> None:
    temperature = Temperature().eval()
    with torch.no_grad():
        temperature.log.fill_(5.0)
    assert float(temperature().detach()) == 1.0 and float(temperature.log.detach()) == 5.0


def test_it_is_saved_and_restored() -> None:
    a, b = Temperature(0.3), Temperature()
    b.load_state_dict(a.state_dict())
    assert torch.equal(a(), b())


def test_it_need_not_be_learned() -> None:
    temperature = Temperature(learn=False)
    assert not temperature().requires_grad and "log" in temperature.state_dict()


@pytest.mark.parametrize(
    ("start", "low", "high"), [(0.1, 0.2, 1.0), (2.0, 0.1, 1.0), (0.1, 0.0, 1.0), (math.nan, 0.1, 1)]
)
def test_bounds_that_do_not_hold_the_start_are_refused(start: float, low: float, high: float) -> None:
    with pytest.raises(BadOptionError, match="temperature"):
        Temperature(start, low, high)
