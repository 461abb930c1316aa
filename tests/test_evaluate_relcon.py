"""What the benchmark protocols do to windows before their learners see them, and kappa."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score

from evaluating import Stats, folds, silent, vectors, waves
from kinelet.errors import BadOptionError
from kinelet.evaluate.logistic import Scaler, fit_path
from kinelet.evaluate.metrics import confusion, kappa
from kinelet.evaluate.probe import LinearProbe
from kinelet.evaluate.protocol import Protocol
from kinelet.evaluate.registry import get_protocol
from kinelet.evaluate.relcon import AxisScaler, RelConFineTune, RelConLinear, RelConMLP, clip
from kinelet.evaluate.run import evaluate
from kinelet.signal.spec import imu_spec

T = waves()
MLP = RelConMLP(hidden=8, epochs=3, epoch_steps=3)
TUNE = RelConFineTune(epochs=2, epoch_steps=3, batch_size=32, head_hidden=8)


# --- windows


def test_axes_are_standardised_over_windows_and_time() -> None:
    x = AxisScaler.fit(T.x)(T.x)
    assert np.allclose(x.mean(axis=(0, 2)), 0, atol=1e-5) and np.allclose(x.std(axis=(0, 2)), 1, atol=1e-5)


def test_one_scale_serves_all_windows() -> None:
    """Windows keep their differences: nothing is standardised window by window."""
    scaler = AxisScaler.fit(T.x)
    by_hand = (T.x[3, 1] - T.x[:, 1].mean()) / T.x[:, 1].std()
    assert np.allclose(scaler(T.x[3:4])[0, 1], by_hand, atol=1e-5)


def test_an_axis_that_never_moves_becomes_zero() -> None:
    still = np.full((4, 3, 5), 0.7, dtype=np.float32)
    assert np.abs(AxisScaler.fit(still)(still)).max() < 1e-6


def test_linear_predictions_do_not_depend_on_the_unit() -> None:
    in_other_units = T.with_x(T.x * 8 + 4)
    first, second = (RelConLinear().predict(t, t.x, Stats(), silent) for t in (T, in_other_units))
    assert np.mean(first == second) > 0.98


def test_without_standardising_the_unit_matters_to_the_embedding() -> None:
    seen: list[float] = []

    class Noting(Stats):
        def embed(self, x: Any, batch_size: int = 512) -> np.ndarray:
            seen.append(float(np.std(x)))
            return super().embed(x, batch_size)

    RelConLinear(normalise="none").predict(T, T.x, Noting(), silent)
    assert seen[0] == pytest.approx(float(T.x.std()))


def test_accelerations_are_limited() -> None:
    x = np.array([[[5.0, -5.0, 1.0]] * 3], dtype=np.float32)
    assert clip(x, T, 3.0)[0, 0].tolist() == [3.0, -3.0, 1.0]


def test_no_limit_leaves_windows_as_they_are() -> None:
    assert clip(T.x, T, None) is T.x


def test_turning_is_not_limited() -> None:
    t = replace(T, x=np.tile(T.x, (1, 2, 1)) * 10, spec=imu_spec(20.0, gyro=True))
    clipped = clip(t.x, t, 3.0)
    assert np.abs(clipped[:, :3]).max() <= 3.0 and np.array_equal(clipped[:, 3:], t.x[:, 3:])


@pytest.mark.parametrize("protocol", [MLP, TUNE])
def test_what_lies_beyond_the_limit_does_not_matter(protocol: Protocol) -> None:
    loud = T.with_x(np.where(T.x > 1.5, 9.0, T.x).astype(np.float32))
    louder = T.with_x(np.where(T.x > 1.5, 90.0, T.x).astype(np.float32))
    first, second = (protocol.predict(t, t.x, Stats(), silent) for t in (loud, louder))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("protocol", [RelConLinear(), MLP, TUNE])
def test_they_need_an_encoder(protocol: Protocol) -> None:
    with pytest.raises(BadOptionError, match="needs an encoder"):
        protocol.predict(T, T.x, None, silent)


@pytest.mark.parametrize("protocol", [RelConLinear(), MLP, TUNE])
def test_they_run_as_any_protocol_does(protocol: Protocol) -> None:
    judged = evaluate(protocol, Stats(), T, folds(T, 2))
    assert judged.protocol == protocol.name and len(judged.row) == len(T)


# --- the published settings


def test_penalties_weaker_than_the_published_ones_are_tried_too() -> None:
    assert max(RelConLinear().strengths) > 0.1 > 1e-5 == min(RelConLinear().strengths)


def test_the_mlp_has_the_published_size() -> None:
    found = get_protocol("relcon-mlp").model_dump()
    assert {k: found[k] for k in ("hidden", "lr", "patience")} == {"hidden": 512, "lr": 1e-3, "patience": 5}


def test_fine_tuning_has_the_published_size_and_a_slower_encoder() -> None:
    found = get_protocol("relcon-finetune").model_dump()
    assert {k: found[k] for k in ("head_hidden", "batch_size", "epochs")} == {
        "head_hidden": 512,
        "batch_size": 16,
        "epochs": 10,
    }
    assert found["lr"] < found["head_lr"] == 1e-3


# --- the fit


def test_a_fit_that_is_cut_short_says_so() -> None:
    told: list[str] = []
    t = vectors(noise=3.0)
    LinearProbe(max_iter=1, strengths=(100.0,)).predict(t, t.x, None, told.append)
    assert told == ["not converged after 1 iterations at C = 100"]


def test_a_fit_that_came_to_its_end_says_nothing() -> None:
    told: list[str] = []
    t = vectors(noise=3.0)
    LinearProbe(max_iter=2000).predict(t, t.x, None, told.append)
    assert told == []


def test_weak_penalties_reach_the_solution_of_another_implementation() -> None:
    t = vectors(noise=3.0)
    x = Scaler.fit(t.x)(t.x)
    *_, mine = fit_path(x, t.y, 3, (0.1, 10.0), max_iter=2000, tolerance=1e-7)
    theirs = LogisticRegression(C=10.0, max_iter=5000, tol=1e-8).fit(x, t.y)
    assert np.mean(mine.predict(x) == theirs.predict(x)) > 0.995


# --- kappa


def kappa_of(truth: np.ndarray, predicted: np.ndarray, n: int) -> float:
    return float(kappa(confusion(truth, predicted, np.zeros_like(truth), 1, n))[0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@settings(deadline=None)
@given(
    arrays(np.int64, st.shared(st.integers(2, 40), key="n"), elements=st.integers(0, 3)),
    arrays(np.int64, st.shared(st.integers(2, 40), key="n"), elements=st.integers(0, 3)),
)
def test_kappa_equals_another_implementation(truth: np.ndarray, predicted: np.ndarray) -> None:
    with np.errstate(invalid="ignore"):
        theirs = cohen_kappa_score(truth, predicted, labels=[0, 1, 2, 3])
    assert kappa_of(truth, predicted, 4) == pytest.approx(theirs, nan_ok=True)


def test_kappa_of_a_worked_example() -> None:
    counts = np.array([[20.0, 5.0], [10.0, 15.0]])
    assert float(kappa(counts)) == pytest.approx((0.7 - 0.5) / 0.5)


def test_kappa_is_not_defined_where_there_is_one_class() -> None:
    assert np.isnan(kappa_of(np.zeros(5, int), np.zeros(5, int), 2))
