"""Fitted methods: which heads they set, what they tell of it, and what is left to choose."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from kinelet.config import validate
from kinelet.datasets.shared_private import World, shared_private_windows
from kinelet.encoders.registry import create_encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError
from kinelet.functional.linear_alignment import agreement
from kinelet.methods.linear_alignment import RIDGES, best_ridge
from kinelet.methods.registry import get_method
from kinelet.signal.spec import SignalSpec

WIDTH, DIM = 6, 16
NAMES = ("one", "two")


def encoder(name: str, depth: int = 2, norm: str = "layer", width: int = WIDTH) -> SharedPrivate:
    spec = SignalSpec(rate_hz=16.0, channels=(name,), units=("1",), window_s=2.0)
    base = create_encoder("patch_transformer", spec=spec, width=DIM, depth=1, heads=2)
    return SharedPrivate.around(base, width=width, depth=depth, norm=norm, output="u")


def made(name: str, **options: Any) -> Any:
    kind, config = get_method(name)
    torch.manual_seed(0)
    return cast(Any, kind)({n: encoder(n) for n in NAMES}, validate(config, options))


def codes(rows: int = 500, seed: int = 0) -> tuple[dict[str, Tensor], Tensor]:
    """Vectors of a world with two shared sources, of the width of the encoders' codes."""
    drawn = shared_private_windows(World(rates={"one": 8.0, "two": 8.0}), rows, seed=seed)
    return {n: x.flatten(1) for n, x in drawn.x.items()}, drawn.present


def fitted(name: str, rows: int = 500, **options: Any) -> Any:
    method = made(name, **options)
    method.fit(*codes(rows))
    return method


def parts(method: Any, z: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {n: method.of(n).part(z[n], part) for n in NAMES}


def test_heads_become_linear_and_keep_encoder_and_output() -> None:
    method = made("cca")
    one = method.of("one")
    assert isinstance(one.head_u, nn.Linear) and one.norm == "none" and (one.width, one.output) == (WIDTH, "u")


def test_heads_that_are_linear_are_used_as_they_are() -> None:
    kind, config = get_method("cca")
    given = {n: encoder(n, 1, "none") for n in NAMES}
    assert cast(Any, kind)(given, config()).of("one") is given["one"]


def test_heads_of_unequal_widths_become_as_wide_as_the_widest() -> None:
    kind, config = get_method("procrustes")
    method = cast(Any, kind)({"one": encoder("one", width=5), "two": encoder("two", width=9)}, config())
    method.fit(*codes())
    assert {n: method.of(n).width for n in NAMES} == {"one": 9, "two": 9}


@pytest.mark.parametrize("components", [7, 20])
def test_components_beyond_heads_or_codes_are_refused(components: int) -> None:
    with pytest.raises(BadOptionError, match=str(components)):
        fitted("cca", components=components)


@pytest.mark.parametrize("name", ["none", "cca", "procrustes"])
def test_nothing_is_left_to_train(name: str) -> None:
    assert not any(p.requires_grad for p in made(name).parameters())


def test_cca_finds_what_is_shared_on_new_pairs() -> None:
    method = fitted("cca", 4000, components=2)
    z, present = codes(4000, seed=9)
    found = agreement(parts(method, z, "u"), present)
    assert found[:2].tolist() == pytest.approx([0.8, 0.8], abs=0.03) and found[2:].tolist() == [0, 0, 0, 0]


def test_cca_tells_components_ridge_and_correlations() -> None:
    told = fitted("cca", components=2, ridge=0.01).facts()
    assert (told["components"], told["ridge"], told["pairs_fitted"]) == (2, 0.01, 500)
    assert told["correlations"][:2] == pytest.approx([0.8, 0.8], abs=0.06) and len(told["correlations"]) == 2


def test_cca_takes_half_of_the_code_unless_the_heads_are_narrower() -> None:
    assert fitted("cca").facts()["components"] == min(WIDTH, DIM // 2)


def test_private_part_of_cca_is_uncorrelated_with_the_shared_one() -> None:
    method, (z, _) = fitted("cca"), codes()
    u, v = parts(method, z, "u")["one"], parts(method, z, "v")["one"]
    assert float((u.T @ v).abs().max()) / 500 < 1e-4 and float(v.std(dim=0).min()) > 0.1


def test_private_part_of_cca_tells_private_sources() -> None:
    drawn = shared_private_windows(World(rates={"one": 8.0, "two": 8.0}), 3000, seed=2)
    method = made("cca", components=2)
    method.fit({n: x.flatten(1) for n, x in drawn.x.items()}, drawn.present)
    v = method.of("one").part(drawn.x["one"].flatten(1), "v").double()
    w = drawn.w["one"].double()
    left = w - v @ torch.linalg.lstsq(v, w).solution
    assert 1 - float(left.square().sum() / w.square().sum()) == pytest.approx(0.8, abs=0.05)


def test_no_alignment_keeps_the_largest_variance_and_does_not_agree() -> None:
    method, (z, present) = fitted("none", 2000), codes(2000)
    u, v = parts(method, z, "u")["one"], parts(method, z, "v")["one"]
    assert float(u.std(dim=0).min()) >= float(v.std(dim=0).max()) - 1e-4
    assert bool((agreement(parts(method, z, "u"), present).abs() < 0.8).all())


def test_procrustes_agrees_on_codes_that_are_rotations_of_each_other() -> None:
    z = torch.randn(300, DIM) * torch.arange(1, DIM + 1)
    turned = z @ torch.linalg.qr(torch.randn(DIM, DIM)).Q
    method = made("procrustes")
    method.fit({"one": z, "two": turned}, torch.ones(300, 2, dtype=torch.bool))
    u = parts(method, {"one": z, "two": turned}, "u")
    assert torch.allclose(u["one"], u["two"], atol=1e-5)


def test_a_small_ridge_is_chosen_where_what_is_shared_varies_little() -> None:
    z, present = codes(3000, seed=1)
    # Directions of the covariance between the two are shrunk to a tenth.
    u, _, vt = torch.linalg.svd(z["one"].T @ z["two"])
    shrunk = {
        "one": z["one"] - 0.9 * z["one"] @ u[:, :2] @ u[:, :2].T,
        "two": z["two"] - 0.9 * z["two"] @ vt[:2].T @ vt[:2],
    }
    assert best_ridge(shrunk, present, 2) <= 1e-2


def test_a_large_ridge_is_chosen_where_pairs_are_few() -> None:
    assert best_ridge(*codes(30, seed=1), 2) >= 0.1


def test_a_ridge_for_too_few_pairs_to_leave_any_out() -> None:
    assert best_ridge(*codes(3), 2) in RIDGES


def test_a_fit_is_the_same_every_time() -> None:
    one, other = (fitted("cca").of("one").head_u.weight for _ in range(2))
    assert torch.equal(one, other)


def test_a_fitted_model_puts_out_its_parts_for_windows() -> None:
    method, x = fitted("cca").eval(), torch.randn(5, 1, 32)
    found = method.of("one").outputs(x)
    assert found["u"].shape == found["v"].shape == (5, WIDTH) and torch.equal(method.of("one")(x), found["u"])
