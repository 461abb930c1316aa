"""Alignment in closed form: against what is known of the draw, definitions, and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import cross_decomposition
from torch import Tensor

from kinelet.datasets.shared_private import World, shared_private_windows
from kinelet.errors import BadOptionError
from kinelet.functional.linear_alignment import (
    agreement,
    canonical,
    centred,
    principal,
    procrustes,
    residual,
    rotation,
)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def orthogonal(dim: int, seed: int = 0) -> Tensor:
    return torch.linalg.qr(draw(dim, dim, seed=seed)).Q


def all_there(rows: int, names: int = 2) -> Tensor:
    return torch.ones(rows, names, dtype=torch.bool)


def codes(rows: int = 400, names: int = 2, dim: int = 6, seed: int = 0) -> dict[str, Tensor]:
    """Vectors that share two sources, in directions of each modality's own."""
    shared = draw(rows, 2, seed=seed)
    return {
        chr(97 + i): shared @ draw(2, dim + i, seed=10 + i) + 0.7 * draw(rows, dim + i, seed=seed + 20 + i) + i
        for i in range(names)
    }


def correlation(a: Tensor, b: Tensor) -> float:
    return float(np.corrcoef(a.numpy(), b.numpy())[0, 1])


@pytest.fixture(scope="module")
def known() -> tuple[dict[str, Tensor], Tensor]:
    drawn = shared_private_windows(World(), 20_000, seed=3)
    return {n: x.flatten(1) for n, x in drawn.x.items()}, drawn.s


def test_canonical_pairs_of_the_generator_correlate_as_they_were_made_to(
    known: tuple[dict[str, Tensor], Tensor],
) -> None:
    """Check 27: 0.8 within 0.02 on both, and nothing beyond chance on the third."""
    _, r = canonical(known[0], all_there(20_000), 3)
    assert float((r[:2] - 0.8).abs().max()) < 0.02 and float(r[2]) < 0.15


def test_canonical_directions_found_on_pairs_hold_for_new_ones(known: tuple[dict[str, Tensor], Tensor]) -> None:
    maps, _ = canonical(known[0], all_there(20_000), 2)
    new = shared_private_windows(World(), 20_000, seed=4)
    u = {n: maps[n](x.flatten(1)) for n, x in new.x.items()}
    assert agreement(u, all_there(20_000)).tolist() == pytest.approx([0.8, 0.8], abs=0.02)


def test_canonical_directions_tell_the_shared_sources_and_not_the_private_ones() -> None:
    drawn = shared_private_windows(World(), 20_000, seed=5)
    maps, _ = canonical({n: x.flatten(1) for n, x in drawn.x.items()}, all_there(20_000), 2)
    u = maps["one"](drawn.x["one"].flatten(1))

    def told(of: Tensor) -> float:
        left = of.double() - u @ torch.linalg.lstsq(u, of.double()).solution
        return 1 - float(left.square().sum() / of.double().square().sum())

    # A source of variance 1 in noise of a quarter of that can be told by 1 / 1.25.
    assert told(drawn.s) == pytest.approx(0.8, abs=0.02) and told(drawn.w["one"]) < 0.01


def test_two_modalities_give_what_scikit_learn_gives() -> None:
    z = codes()
    maps, r = canonical(z, all_there(400), 2, ridge=0.0)
    a, b = cross_decomposition.CCA(2, scale=False, max_iter=5000, tol=1e-12).fit_transform(
        z["a"].numpy(), z["b"].numpy()
    )
    theirs = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(2)]
    assert r.tolist() == pytest.approx(theirs, abs=1e-6)
    mine = maps["a"](z["a"])
    assert [abs(correlation(mine[:, i], torch.as_tensor(a[:, i]))) for i in range(2)] == pytest.approx([1, 1], abs=1e-6)


def test_canonical_columns_are_uncorrelated_and_of_unit_variance() -> None:
    z = codes()
    maps, _ = canonical(z, all_there(400), 4, ridge=0.0)
    for name in z:
        u = maps[name](z[name])
        assert torch.allclose(u.T @ u / 400, torch.eye(4, dtype=torch.float64), atol=1e-9)


def test_three_modalities_find_what_all_share() -> None:
    z = codes(2000, names=3)
    _, r = canonical(z, all_there(2000, 3), 4)
    assert float(r[:2].min()) > 0.75 > 0.3 > float(r[2:].abs().max())


def test_linear_maps_of_the_codes_change_nothing_without_a_ridge() -> None:
    z = codes()
    turned = {"a": z["a"] @ draw(6, 6, seed=50) + 3, "b": z["b"] * 100}
    assert torch.allclose(canonical(z, all_there(400), 3, 0.0)[1], canonical(turned, all_there(400), 3, 0.0)[1])


def test_a_ridge_keeps_few_pairs_from_being_known_by_heart() -> None:
    few = {"a": draw(12, 10, seed=1), "b": draw(12, 10, seed=2)}
    new = {"a": draw(4000, 10, seed=3), "b": draw(4000, 10, seed=4)}
    shown = [float(canonical(few, all_there(12), 1, ridge)[1]) for ridge in (0.0, 1.0)]
    assert shown[0] > 0.99 > shown[1]
    maps, _ = canonical(few, all_there(12), 1, 1.0)
    assert abs(float(agreement({n: maps[n](z) for n, z in new.items()}, all_there(4000)))) < 0.1


@pytest.mark.parametrize("constant", ["column", "all"])
def test_directions_without_variance_stay_finite(constant: str) -> None:
    z = codes()
    z["a"][:, 0 if constant == "column" else slice(None)] = 5.0
    maps, r = canonical(z, all_there(400), 3, ridge=0.0)
    assert bool(torch.isfinite(r).all()) and bool(torch.isfinite(maps["a"].weight).all())


def test_more_components_than_dimensions_are_refused() -> None:
    with pytest.raises(BadOptionError, match="7 canonical components of vectors of 6"):
        canonical(codes(), all_there(400), 7)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadOptionError, match="present is"):
        canonical(codes(), all_there(399), 2)


@settings(max_examples=15, deadline=None)
@given(dim=st.integers(2, 24), seed=st.integers(0, 10_000))
def test_a_random_rotation_is_recovered(dim: int, seed: int) -> None:
    """Check 27, to 1e-5, from vectors in single precision."""
    turn, z = orthogonal(dim, seed), draw(200, dim, seed=seed + 1)
    found = rotation(z.float(), (z @ turn).float())
    assert float((found - turn).abs().max()) < 1e-5


def test_no_rotation_brings_vectors_closer() -> None:
    z1, z2 = draw(50, 4, seed=1), draw(50, 4, seed=2)
    best = float((z1 @ rotation(z1, z2) - z2).square().sum())
    assert best < min(float((z1 @ orthogonal(4, seed) - z2).square().sum()) for seed in range(200))


def test_procrustes_undoes_rotation_shift_and_scale() -> None:
    """Check 27, through the whole map."""
    z = draw(300, 8) * torch.arange(1, 9)
    maps = procrustes({"a": z, "b": 7 * z @ orthogonal(8) - 2}, all_there(300), 5)
    u = maps["a"](z), maps["b"](7 * z @ orthogonal(8) - 2)
    assert float((u[0] - u[1]).abs().max()) < 1e-5


def test_procrustes_of_unequal_widths_finds_the_smaller_space() -> None:
    z = draw(300, 5) * torch.arange(1, 6)
    wide = z @ orthogonal(9)[:5]
    maps = procrustes({"a": z, "b": wide}, all_there(300), 5)
    assert float((maps["a"](z) - maps["b"](wide)).abs().max()) < 1e-5


def test_procrustes_of_several_recovers_every_rotation() -> None:
    z = draw(300, 6) * torch.arange(1, 7)
    three = {n: z @ orthogonal(6, seed) for seed, n in enumerate("abc")}
    maps = procrustes(three, all_there(300, 3), 6)
    u = [maps[n](three[n]) for n in three]
    assert float((u[0] - u[1]).abs().max()) < 1e-5 and float((u[0] - u[2]).abs().max()) < 1e-5


def test_rotating_several_in_turn_brings_them_closer_than_rotating_each_onto_the_first() -> None:
    z = codes(200, names=3, dim=6)
    y = {n: c[:, :6] for n, c in z.items()}
    maps = procrustes(y, all_there(200, 3), 6)
    u = {n: maps[n](c) for n, c in y.items()}
    _, x = centred(y, all_there(200, 3))
    x = {n: c / c.square().sum().div(200).sqrt() for n, c in x.items()}
    onto = {"a": x["a"], **{n: x[n] @ rotation(x[n], x["a"]) for n in "bc"}}

    def apart(v: dict[str, Tensor]) -> float:
        return sum(float((v[i] - v[j]).square().sum()) for i, j in ("ab", "ac", "bc"))

    assert apart(u) <= apart(onto) + 1e-9


def test_columns_beyond_the_widest_are_zero() -> None:
    maps = procrustes(codes(), all_there(400), 10)
    assert maps["a"].weight.shape == (6, 10) and float(maps["a"].weight[:, 7:].abs().max()) == 0


def test_principal_directions_are_those_of_largest_variance() -> None:
    x = draw(500, 4) * torch.tensor([1.0, 5.0, 0.1, 2.0])
    x = x - x.mean(dim=0)
    found = principal(x, 2)
    _, _, vt = torch.linalg.svd(x, full_matrices=False)
    assert torch.allclose((found * vt[:2].T).sum(dim=0).abs(), torch.ones(2, dtype=torch.float64))


def test_the_same_rows_turned_round_give_the_same_principal_directions() -> None:
    x, _ = centred({"a": draw(50, 4), "b": draw(50, 4)}, all_there(50))[1].values()
    assert torch.allclose(principal(x, 3), principal(-x, 3))


def test_there_are_no_more_principal_directions_than_dimensions() -> None:
    low = draw(50, 2) @ draw(2, 5, seed=1)
    found = principal(low - low.mean(dim=0), 7)
    assert found.shape == (5, 7) and int((found.norm(dim=0) > 0.5).sum()) == 2


def test_what_is_left_is_uncorrelated_with_what_is_told_and_is_all_the_rest() -> None:
    z = codes()
    maps, _ = canonical(z, all_there(400), 2)
    x = centred(z, all_there(400))[1]["a"]
    u, v = x @ maps["a"].weight, x @ residual(x, maps["a"].weight, 4)
    assert float((u.T @ v).abs().max()) / 400 < 1e-9
    both = torch.cat([u, v], dim=1)
    assert torch.allclose(both @ torch.linalg.lstsq(both, x).solution, x)


def test_nothing_is_left_of_what_is_told_completely() -> None:
    x = draw(100, 4)
    assert float(residual(x, orthogonal(4), 4).abs().max()) == 0


def test_agreement_is_the_mean_correlation_over_pairs_of_modalities() -> None:
    z = {n: draw(60, 2, seed=i) for i, n in enumerate("abc")}
    there = torch.rand(60, 3, generator=torch.Generator().manual_seed(1)) < 0.7
    expected = []
    for column in range(2):
        found = []
        for i, j in ((0, 1), (0, 2), (1, 2)):
            both = there[:, i] & there[:, j]
            found.append(correlation(z["abc"[i]][both, column], z["abc"[j]][both, column]))
        expected.append(sum(found) / 3)
    assert agreement(z, there).tolist() == pytest.approx(expected)


def test_modalities_that_share_no_row_agree_by_nothing() -> None:
    there = torch.tensor([[True, False], [False, True]]).repeat(5, 1)
    assert agreement({"a": draw(10, 3), "b": draw(10, 3)}, there).tolist() == [0, 0, 0]


@pytest.mark.parametrize("way", ["canonical", "procrustes"])
def test_absent_rows_count_for_nothing(way: str) -> None:
    z = codes(300)
    there = torch.rand(300, 2, generator=torch.Generator().manual_seed(1)) < 0.8
    spoilt = {n: torch.where(there[:, i, None], c, torch.nan) for i, (n, c) in enumerate(z.items())}

    def weights(of: dict[str, Tensor]) -> list[Tensor]:
        maps = canonical(of, there, 2)[0] if way == "canonical" else procrustes(of, there, 4)
        return [m.weight for m in maps.values()]

    assert all(torch.equal(a, b) for a, b in zip(weights(z), weights(spoilt), strict=True))
