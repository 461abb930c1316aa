"""Every method that aligns modalities keeps the same promises; a new one is tested by being registered."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from kinelet.config import validate
from kinelet.errors import BadOptionError
from kinelet.methods.base import Output
from kinelet.methods.multimodal import MultimodalMethod
from kinelet.methods.registry import default_config, get_method, list_methods, method_info
from multimodal_toys import NAMES, make_batch, make_encoders, reorder

ALIGNED = [name for name in list_methods() if method_info(name).keeps == "aligned"]
THREE = ("acc", "bvp", "gyr")


# Patches of images are hidden by some; the others take any encoder.
IMAGES = ("infomae", "joint_mae")


def kind_of(name: str) -> type[MultimodalMethod]:
    return cast(type[MultimodalMethod], get_method(name)[0])


TRAINED = [name for name in ALIGNED if kind_of(name).kind == "trained"]
FITTED = [name for name in ALIGNED if kind_of(name).kind == "fitted"]
every_method = pytest.mark.parametrize("name", ALIGNED)
every_trained = pytest.mark.parametrize("name", TRAINED)
every_fitted = pytest.mark.parametrize("name", FITTED)


def make(name: str, names: Sequence[str] = NAMES, **options: Any) -> MultimodalMethod:
    kind, config = get_method(name)
    torch.manual_seed(0)
    base: Any = {} if name in IMAGES else {"base": "resnet1d_small", "widths": (8, 16)}
    encoders = make_encoders(names, width=16, **base)
    return cast(MultimodalMethod, cast(Any, kind)(encoders, validate(config, options)))


def step(method: MultimodalMethod, batch: dict[str, Any]) -> Output:
    out: Output = method(batch)
    method.zero_grad()
    out["loss"].backward()
    return out


def fitted(method: MultimodalMethod, batch: dict[str, Any]) -> MultimodalMethod:
    """Fit on the codes of a batch, as an alignment does."""
    method.eval()
    with torch.no_grad():
        method.fit({n: method.of(n).base(batch[f"x.{n}"]) for n in method.names}, batch["present"])
    return method


def idle(method: MultimodalMethod) -> list[str]:
    return [k for k, p in method.named_parameters() if p.requires_grad and p.grad is None]


def grads(method: MultimodalMethod) -> dict[str, Tensor]:
    return {k: p.grad for k, p in method.named_parameters() if p.grad is not None}


def u_of(method: MultimodalMethod, batch: dict[str, Any]) -> dict[str, Tensor]:
    with torch.no_grad():
        return {n: method.of(n).outputs(batch[f"x.{n}"])["u"] for n in method.names}


@every_trained
@pytest.mark.parametrize("names", [NAMES, THREE], ids=["two", "three"])
@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_the_loss_is_finite_and_reaches_everything(name: str, names: tuple[str, ...], missing: float) -> None:
    method = make(name, names)
    out = step(method, make_batch(names=names, missing=missing))
    assert out["loss"].ndim == 0 and bool(torch.isfinite(out["loss"])) and idle(method) == []
    assert all(bool(torch.isfinite(g).all()) for g in grads(method).values())


@every_trained
def test_parts_are_finite_detached_scalars(name: str) -> None:
    parts = step(make(name), make_batch(missing=0.3))["parts"]
    assert parts and all(p.ndim == 0 and not p.requires_grad and bool(torch.isfinite(p)) for p in parts.values())


@every_trained
@pytest.mark.parametrize("rows", [1, 2, 4, 7])
def test_one_row_one_sequence_and_a_short_last_one_are_finite(name: str, rows: int) -> None:
    """Check 19."""
    method = make(name)
    out = step(method, make_batch(rows))
    assert bool(torch.isfinite(out["loss"])) and all(bool(torch.isfinite(g).all()) for g in grads(method).values())


@every_trained
def test_what_absent_rows_hold_changes_nothing(name: str) -> None:
    """Check 24: not even if it is not a number."""
    clean = make_batch(missing=0.5)
    dirty = copy.copy(clean)
    for i, n in enumerate(NAMES):
        dirty[f"x.{n}"] = torch.where(clean["present"][:, i, None, None], clean[f"x.{n}"], torch.nan)
    dirty["generators"] = [torch.Generator().manual_seed(0)]
    clean["generators"] = [torch.Generator().manual_seed(0)]
    one, other = make(name), make(name)
    a, b = step(one, clean)["loss"], step(other, dirty)["loss"]
    assert torch.equal(a, b) and all(torch.equal(g, grads(other)[k]) for k, g in grads(one).items())


@every_trained
def test_a_batch_without_any_pair_has_a_gradient(name: str) -> None:
    """Check 24."""
    batch, method = make_batch(), make(name)
    batch["present"] = torch.tensor([[True, False], [False, True]]).repeat(8, 1)
    assert bool(torch.isfinite(step(method, batch)["loss"])) and idle(method) == []


@every_trained
def test_a_modality_that_the_whole_batch_lacks_leaves_the_others(name: str) -> None:
    method, batch = make(name, THREE), make_batch(names=THREE)
    batch["present"] = batch["present"] & torch.tensor([True, True, False])
    assert bool(torch.isfinite(step(method, batch)["loss"])) and idle(method) == []


@every_trained
def test_the_order_of_names_does_not_matter(name: str) -> None:
    """Check 25."""
    order = ("gyr", "acc", "bvp")
    batch = make_batch(names=THREE, missing=0.3)
    one, other = make(name, THREE), make(name, order)
    # What begins at random may begin in the order of the names.
    other.load_state_dict(one.state_dict())
    loss = float(one(copy.deepcopy(batch))["loss"].detach())
    assert float(other(reorder(batch, THREE, order))["loss"].detach()) == pytest.approx(loss, rel=1e-4)


@every_trained
def test_generators_decide_everything(name: str) -> None:
    one, other = make(name), make(name)
    for method in (one, other):
        method.eval()
    first = one(make_batch(shards=2))["loss"]
    torch.manual_seed(99)
    assert torch.equal(first, other(make_batch(shards=2))["loss"])


@every_trained
def test_windows_that_are_not_numbers_are_refused(name: str) -> None:
    batch = make_batch()
    batch["x.acc"][3, 0, 5] = torch.inf
    with pytest.raises(BadOptionError, match="not finite"):
        make(name)(batch)


@every_trained
def test_going_on_from_saved_weights_gives_the_same_losses(name: str) -> None:
    """What a method holds is in its state: three steps are one step and, from its copy, two more."""
    whole = run(make(name), 0, 3)
    first = make(name)
    optimizer = torch.optim.SGD(first.parameters(), lr=0.01)
    losses = run(first, 0, 1, optimizer)
    second = make(name)
    second.load_state_dict(first.state_dict())
    assert losses + run(second, 1, 3) == whole


def run(method: MultimodalMethod, start: int, stop: int, optimizer: Any = None) -> list[float]:
    optimizer = optimizer or torch.optim.SGD(method.parameters(), lr=0.01)
    losses = []
    for i in range(start, stop):
        torch.manual_seed(i)
        losses.append(float(step(method, make_batch(seed=i))["loss"].detach()))
        optimizer.step()
    return losses


@every_trained
def test_a_few_steps_lower_the_loss(name: str) -> None:
    method, losses = make(name), []
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=3e-3)
    for _ in range(8):
        losses.append(float(step(method, make_batch(seed=0))["loss"].detach()))
        optimizer.step()
    assert losses[-1] < losses[0]


@every_trained
def test_bf16_autocast_gives_a_single_precision_loss(name: str) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = make(name)(make_batch())["loss"]
    assert loss.dtype == torch.float32 and bool(torch.isfinite(loss))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@every_trained
def test_a_cuda_device_gives_a_finite_loss_and_gradient(name: str) -> None:
    method, batch = make(name).cuda(), make_batch(missing=0.3)
    there: dict[str, Any] = {k: v.cuda() if isinstance(v, Tensor) else v for k, v in batch.items()}
    there["generators"] = [torch.Generator("cuda").manual_seed(0)]
    assert bool(torch.isfinite(step(method, there)["loss"])) and idle(method) == []


@every_trained
def test_a_look_at_pairs_kept_out_gives_plain_numbers_and_no_gradient(name: str) -> None:
    method = make(name).eval()
    told = method.diagnose(make_batch(missing=0.3), torch.Generator().manual_seed(0))
    assert all(type(v) is float and v == v for v in told.values()) and not grads(method)


@every_trained
def test_rates_name_parameters_that_are_there(name: str) -> None:
    method = make(name)
    known = [k for k, _ in method.named_parameters()]
    assert [prefix for prefix in method.rates() if not any(k.startswith(prefix) for k in known)] == []


@every_fitted
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_a_fit_sets_heads_that_are_finite_and_leaves_the_encoders(name: str, missing: float) -> None:
    method, batch = make(name, THREE), make_batch(40, THREE, missing=missing)
    before = {k: p.clone() for k, p in method.named_parameters() if ".base." in k}
    after = dict(fitted(method, batch).named_parameters())
    assert all(torch.equal(p, after[k]) for k, p in before.items())
    assert all(bool(torch.isfinite(p).all()) for p in after.values())


@every_fitted
def test_a_fit_does_not_look_at_absent_rows(name: str) -> None:
    """Check 24."""
    batch = make_batch(40, missing=0.4)
    one = u_of(fitted(make(name), batch), make_batch())
    for i, n in enumerate(NAMES):
        batch[f"x.{n}"][~batch["present"][:, i]] = torch.nan
    other = u_of(fitted(make(name), batch), make_batch())
    assert all(torch.allclose(one[n], other[n]) for n in NAMES)


@every_fitted
def test_a_fit_does_not_depend_on_the_order_of_names(name: str) -> None:
    """Check 25."""
    order, batch = ("gyr", "acc", "bvp"), make_batch(40, THREE, missing=0.2)
    one = u_of(fitted(make(name, THREE), batch), batch)
    other = u_of(fitted(make(name, order), reorder(batch, THREE, order)), batch)
    assert all(torch.allclose(one[n], other[n], atol=1e-4) for n in THREE)


@every_fitted
def test_a_fit_tells_how_many_pairs_it_saw(name: str) -> None:
    method = fitted(make(name), make_batch(40))
    assert method.facts()["pairs_fitted"] == 40


@every_fitted
def test_too_few_pairs_are_refused(name: str) -> None:
    with pytest.raises(BadOptionError, match="two or more"):
        fitted(make(name), make_batch(1))


@every_method
def test_one_modality_is_nothing_to_align(name: str) -> None:
    with pytest.raises(BadOptionError, match="two or more"):
        make(name, ("acc",))


@every_method
def test_features_for_a_probe_are_parts_of_an_encoder(name: str) -> None:
    method = make(name)
    assert kind_of(name).features and set(kind_of(name).features) <= set(method.of("acc").choices)


@every_method
def test_defaults_are_plain_data_that_validate_again(name: str) -> None:
    config = get_method(name)[1]
    assert validate(config, default_config(name)) == config()


@every_method
def test_an_unknown_option_is_named(name: str) -> None:
    with pytest.raises(BadOptionError, match="tempreature"):
        make(name, tempreature=1)


@every_method
def test_the_class_names_its_source(name: str) -> None:
    assert "Source:" in (get_method(name)[0].__doc__ or "") and method_info(name).paper


def test_the_promised_baselines_are_there() -> None:
    assert {"none", "infonce", "cmc", "cca", "procrustes"} <= set(ALIGNED)
