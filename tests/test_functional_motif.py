"""The motif distance of many pairs equals that of one pair at a time, written from the formulas."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
import torch
from torch import Tensor

from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.functional import motif_distance, motif_rebuild
from motif_formulas import distance, moving, network, rebuild, still, table, weights_of
from relcon_files import probe_windows

PUBLISHED = {
    "softmax": [
        [456.366, 467.013, 475.290, 498.679],
        [469.101, 446.018, 452.240, 519.326],
        [520.669, 461.383, 470.074, 491.030],
        [515.682, 462.104, 421.737, 478.156],
    ],
    "sparsemax": [
        [760.995, 703.357, 704.876, 853.745],
        [782.390, 652.926, 761.570, 910.382],
        [859.688, 765.676, 801.023, 851.382],
        [940.871, 768.587, 725.109, 905.066],
    ],
}
ORDERS = {"softmax": [0, 1, 2, 3], "sparsemax": [1, 2, 0, 3]}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
# In single precision a still window's distance to itself, some 1e-4, is no better known: it lies at 1 g.
ROUNDING = {torch.float32: 1e-7, torch.float64: 0}
OWN = {"offset": "remove", "amplitude": "own"}
SHARED = OWN | {"scale": "isotropic"}
every_attention = pytest.mark.parametrize("attention", ["softmax", "sparsemax"])
every_type = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def mixed(time: int) -> Tensor:
    """Moving windows, still ones, and one with a still axis."""
    half = moving(1, time, seed=5)
    half[:, 1] = 0.3
    return torch.cat([moving(2, time), still(1, time), half])


# --- the numbers


@every_type
@every_attention
def test_distances_equal_those_of_the_published_code(attention: str, dtype: torch.dtype) -> None:
    x = torch.tensor(probe_windows(), dtype=dtype)
    d = motif_distance(network(attention, dtype), x, x)
    np.testing.assert_allclose(d.numpy(), PUBLISHED[attention], rtol=1e-4)
    assert d[0].argsort().tolist() == ORDERS[attention]


@pytest.mark.parametrize("time", [64, 200, 256])
@every_type
@every_attention
def test_distances_equal_the_formulas(attention: str, dtype: torch.dtype, time: int) -> None:
    net, x = network(attention, dtype), mixed(time).to(dtype)
    d, wanted = motif_distance(net, x, x).double().numpy(), table(weights_of(net), x, x, attention)
    np.testing.assert_allclose(d, wanted, rtol=TOLERANCE[dtype], atol=ROUNDING[dtype])
    assert (d.argsort(axis=1) == wanted.argsort(axis=1)).all()


@every_attention
def test_a_window_shorter_than_the_kernel(attention: str) -> None:
    net, x = network(attention, torch.float64), moving(2, 11)
    np.testing.assert_allclose(motif_distance(net, x, x), table(weights_of(net), x, x, attention), rtol=1e-10)


def test_other_widths_kernels_and_numbers_of_blocks() -> None:
    net, x = network(dtype=torch.float64, width=16, kernel=5, blocks=3), moving(3, 40)
    np.testing.assert_allclose(motif_distance(net, x, x), table(weights_of(net), x, x), rtol=1e-10)


@every_attention
def test_thinned_keys_give_what_the_network_rebuilds(attention: str) -> None:
    net, x = network(attention, torch.float64, width=16, stride=10), moving(3, 64)
    d = motif_distance(net, x, x)
    assert d[1, 2].item() == pytest.approx(float((motif_rebuild(net, x[1:2], x[2:3]) - x[1]).square().sum().detach()))


def test_the_rebuild_equals_the_formulas() -> None:
    net, x = network(dtype=torch.float64), moving(2)
    y = motif_rebuild(net, x[:1], x[1:])[0].detach().numpy()
    np.testing.assert_allclose(y, rebuild(weights_of(net), x[0].numpy(), x[1].numpy()), rtol=1e-10, atol=1e-12)


# --- the order of work does not matter


@pytest.mark.parametrize("options", [{}, SHARED, {"symmetric": True}], ids=str)
@every_attention
@pytest.mark.parametrize("sizes", [{"chunk": 1}, {"chunk": 3}, {"chunk": 1000}, {"budget_mb": 0.5}], ids=str)
def test_sizes_do_not_matter(sizes: dict[str, float], attention: str, options: dict[str, str]) -> None:
    net, x = network(attention, width=16), torch.cat([moving(4, 64), still(2, 64)]).float()
    wanted = motif_distance(net, x, x, **options)
    torch.testing.assert_close(motif_distance(net, x, x, **sizes, **options), wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "options", [{}, SHARED, {"relative": True}, {"offset": "remove", "offset_weight": 1.0}], ids=str
)
def test_pairs_in_any_order_are_those_of_the_table(options: dict[str, str]) -> None:
    net, x = network(dtype=torch.float64, width=16), torch.cat([moving(4, 64), still(2, 64)])
    pairs = torch.tensor([[5, 0], [0, 5], [3, 3], [2, 4], [2, 1], [2, 4], [0, 0]])
    wanted = motif_distance(net, x, x, **options)[pairs[:, 0], pairs[:, 1]]
    torch.testing.assert_close(motif_distance(net, x, x, pairs, chunk=2, **options), wanted, rtol=1e-12, atol=0)


def test_more_anchors_than_are_numbered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = network(dtype=torch.float64, width=8), moving(5, 32)
    wanted = motif_distance(net, x, x)
    monkeypatch.setattr("kinelet.functional.motif.MOST_PAIRS", 11)
    torch.testing.assert_close(motif_distance(net, x, x), wanted, rtol=1e-12, atol=0)


def test_permuted_windows_give_permuted_distances() -> None:
    net, x = network(dtype=torch.float64), moving(4, 64)
    rows, columns = torch.tensor([2, 0, 3, 1]), torch.tensor([3, 1, 0, 2])
    wanted = motif_distance(net, x, x)[rows][:, columns]
    torch.testing.assert_close(motif_distance(net, x[rows], x[columns]), wanted, rtol=1e-12, atol=0)


def test_no_pairs_no_distances() -> None:
    net, x = network(width=8), moving(2, 32).float()
    assert motif_distance(net, x, x, torch.zeros(0, 2, dtype=torch.int64)).shape == (0,)
    assert motif_distance(net, x, x[:0]).shape == (2, 0)
    assert motif_distance(net, x[:0], x).shape == (0, 2)


# --- what the distance is


def test_it_is_not_symmetric() -> None:
    d = motif_distance(network(dtype=torch.float64), moving(2), moving(2))
    assert abs(d[0, 1] - d[1, 0]) > 0.01 * d[0, 1]


def test_symmetric_is_the_mean_of_both_directions() -> None:
    net, x = network(dtype=torch.float64), moving(3, 64)
    d = motif_distance(net, x, x)
    torch.testing.assert_close(motif_distance(net, x, x, symmetric=True), (d + d.T) / 2, rtol=1e-12, atol=0)


@every_attention
def test_scaling_both_windows_scales_by_the_square(attention: str) -> None:
    net, x = network(attention, torch.float64), moving(2)
    torch.testing.assert_close(motif_distance(net, 3 * x, 3 * x), 9 * motif_distance(net, x, x), rtol=5e-3, atol=0)


def test_adding_a_vector_to_both_windows_changes_nothing() -> None:
    net, x, v = network(dtype=torch.float64), moving(2), torch.tensor([0.4, -2.0, 1.0])[:, None]
    torch.testing.assert_close(motif_distance(net, x + v, x + v), motif_distance(net, x, x), rtol=1e-9, atol=0)


def test_scaling_the_anchor_alone_does_more_than_the_square() -> None:
    net, x = network(dtype=torch.float64), moving(2)
    ratio = motif_distance(net, 3 * x[:1], x[1:]) / motif_distance(net, x[:1], x[1:])
    assert abs(float(ratio) - 9) > 0.1


@every_type
@every_attention
def test_a_still_candidate_leaves_the_energy_around_its_mean(attention: str, dtype: torch.dtype) -> None:
    net, a, c = network(attention, dtype), moving(3).to(dtype), still(1).to(dtype)
    wanted = (a - c.mean(dim=2, keepdim=True)).square().sum(dim=(1, 2))
    torch.testing.assert_close(motif_distance(net, a, c)[:, 0], wanted, rtol=0.01, atol=0)


# --- options


def test_split_with_weight_one_is_the_plain_distance() -> None:
    net, x = network(dtype=torch.float64), moving(3)
    d = motif_distance(net, x, x, offset="split", offset_weight=1.0)
    torch.testing.assert_close(d, motif_distance(net, x, x), rtol=1e-12, atol=0)


def test_split_without_weight_and_the_offset_part_sum_to_the_plain_distance() -> None:
    net, x = network(dtype=torch.float64), moving(2)
    w, (a, c) = weights_of(net), x.numpy()
    e = rebuild(w, a, c) - a
    motion = motif_distance(net, x[:1], x[1:], offset="split", offset_weight=0.0).item()
    assert motion + e.shape[1] * (e.mean(axis=1) ** 2).sum() == pytest.approx(distance(w, a, c), rel=1e-12)


@pytest.mark.parametrize("which", ["anchor", "candidate"])
@every_type
def test_removed_offsets_do_not_matter(which: str, dtype: torch.dtype) -> None:
    net, a, c = network(dtype=dtype), moving(1).to(dtype), moving(1, seed=3).to(dtype)
    v = torch.tensor([0.4, -2.0, 1.0], dtype=dtype)[:, None]
    moved = motif_distance(net, a + v * (which == "anchor"), c + v * (which == "candidate"), offset_free=True)
    torch.testing.assert_close(moved, motif_distance(net, a, c, offset_free=True), rtol=1e-4, atol=0)


def test_removed_offsets_equal_the_formulas_of_centred_windows() -> None:
    net, x = network(dtype=torch.float64), moving(3)
    centred = x - x.mean(dim=2, keepdim=True)
    wanted = table(weights_of(net), centred, centred)
    np.testing.assert_allclose(motif_distance(net, x, x, offset_free=True), wanted, rtol=1e-10)


def test_the_posture_term_is_the_squared_gap_of_means() -> None:
    net, x = network(dtype=torch.float64), moving(3)
    added = motif_distance(net, x, x, offset="remove", offset_weight=0.3) - motif_distance(net, x, x, offset="remove")
    torch.testing.assert_close(added, 0.3 * 256 * torch.cdist(x.mean(2), x.mean(2)) ** 2, rtol=1e-8, atol=1e-9)


def test_the_posture_term_may_be_the_squared_angle() -> None:
    net, x = network(dtype=torch.float64), moving(3)
    with_angle = motif_distance(net, x, x, offset="remove", offset_weight=0.3, posture="angle")
    u = torch.nn.functional.normalize(x.mean(2), dim=1)
    angle = torch.arccos((u @ u.T).clamp(-1, 1))
    added = with_angle - motif_distance(net, x, x, offset="remove")
    torch.testing.assert_close(added, 0.3 * angle**2, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("scale", ["axis", "isotropic"])
@pytest.mark.parametrize("which", ["anchor", "candidate"])
@every_type
def test_own_amplitude_does_not_matter(which: str, scale: str, dtype: torch.dtype) -> None:
    net, a, c = network(dtype=dtype), moving(1).to(dtype), moving(1, seed=3).to(dtype)
    factors = (2.0, 1.0) if which == "anchor" else (1.0, 2.0)
    scaled = motif_distance(net, factors[0] * a, factors[1] * c, scale=scale, **OWN)
    torch.testing.assert_close(scaled, motif_distance(net, a, c, scale=scale, **OWN), rtol=1e-3, atol=0)


def test_own_amplitude_equals_the_formulas_of_scaled_windows() -> None:
    net, x = network(dtype=torch.float64), torch.cat([moving(2), still(1)])
    x = x - x.mean(dim=2, keepdim=True)
    scaled = x / x.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp(min=0.02)
    wanted = table(weights_of(net), scaled, scaled)
    np.testing.assert_allclose(motif_distance(net, x, x, **OWN), wanted, rtol=1e-10)


def test_the_amplitude_term_is_the_squared_logarithm_of_the_ratio() -> None:
    net, x = network(dtype=torch.float64), moving(3)
    added = motif_distance(net, x, x, amplitude_weight=0.7, **OWN) - motif_distance(net, x, x, **OWN)
    log = x.var(dim=2, correction=0).mean(dim=1).sqrt().log()
    torch.testing.assert_close(added, 0.7 * (log[:, None] - log) ** 2, rtol=1e-8, atol=1e-9)


@every_type
@every_attention
def test_queries_shared_by_all_pairs_equal_the_formulas(attention: str, dtype: torch.dtype) -> None:
    """Still windows under the floor keep statistics of their own, and are evaluated pair by pair."""
    net, x = network(attention, dtype), torch.cat([moving(3), still(1)]).to(dtype)
    centred = (x - x.mean(dim=2, keepdim=True)).double()
    scaled = (centred / centred.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp(min=0.02)).numpy()
    one = [np.full((3, 1), np.sqrt(c.var(axis=1).mean() + 1e-5)) for c in scaled]
    w = weights_of(net)
    wanted = [
        [((rebuild(w, a, c, attention, s) - a) ** 2).sum() for c, s in zip(scaled, one, strict=True)] for a in scaled
    ]
    d = motif_distance(net, x, x, **SHARED)
    np.testing.assert_allclose(d, wanted, rtol=TOLERANCE[dtype])


def test_isotropic_scale_equals_the_formulas() -> None:
    net, x = network(dtype=torch.float64), moving(2)
    a, c = x.numpy()
    sd = np.full((3, 1), np.sqrt(c.var(axis=1).mean() + 1e-5))
    wanted = ((rebuild(weights_of(net), a, c, sd=sd) - a) ** 2).sum()
    assert motif_distance(net, x[:1], x[1:], scale="isotropic").item() == pytest.approx(wanted, rel=1e-10)


def test_relative_divides_by_the_variation_of_the_anchor() -> None:
    net, x = network(dtype=torch.float64), moving(3)
    energy = (x - x.mean(dim=2, keepdim=True)).square().sum(dim=(1, 2)) + 1e-4 * 256 * 3
    wanted = motif_distance(net, x, x) / energy[:, None]
    torch.testing.assert_close(motif_distance(net, x, x, relative=True), wanted, rtol=1e-12, atol=0)


def test_relative_keeps_rankings_with_every_term() -> None:
    net, x = network(dtype=torch.float64), moving(6, 64)
    terms = OWN | {"offset_weight": 0.5, "amplitude_weight": 3.0}
    plain, relative = (motif_distance(net, x, x, relative=r, **terms) for r in (False, True))
    assert torch.equal(plain.argsort(dim=1), relative.argsort(dim=1))


def test_a_rebuild_that_is_the_anchors_mean_is_relatively_one() -> None:
    """A still candidate with the anchor's mean is rebuilt as that mean."""
    a = moving(1)
    c = a.mean(dim=2, keepdim=True) + 0 * a
    assert motif_distance(network(dtype=torch.float64), a, c, relative=True).item() == pytest.approx(1.0, rel=0.01)


def test_rotation_aligned_forgives_what_tilts_and_nothing_else_is_needed() -> None:
    """A turn about the anchor's own vertical is not forgiven, one that only tilts is, by the alignment of windows."""
    net, x = network(dtype=torch.float64), moving(2)
    u = torch.nn.functional.normalize(x.mean(2), dim=1)[1]
    axis = torch.linalg.cross(u, torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    k = torch.zeros(3, 3, dtype=torch.float64)
    axis = axis / axis.norm()
    k[0, 1], k[0, 2], k[1, 2] = -axis[2], axis[1], -axis[0]
    tilt = torch.matrix_exp(0.4 * (k - k.T))
    d = motif_distance(net, x[:1], torch.stack([x[1], tilt @ x[1]]), rotation_aligned=True)
    assert d[0, 0].item() == pytest.approx(d[0, 1].item(), rel=1e-8)


def test_procrustes_on_the_error_is_never_above_the_plain_one() -> None:
    net, x = network(dtype=torch.float64), moving(4, 64)
    assert (motif_distance(net, x, x, align="procrustes") <= motif_distance(net, x, x)).all()


def test_options_may_come_from_the_network() -> None:
    x = moving(3, 64)
    from_config = motif_distance(network(dtype=torch.float64, width=16, options=SHARED), x, x)
    assert torch.equal(from_config, motif_distance(network(dtype=torch.float64, width=16), x, x, **SHARED))


def test_short_names_undo_what_the_network_says() -> None:
    x = moving(2, 64)
    told = {"offset": "remove", "align": "gravity", "scale": "isotropic"}
    plain = motif_distance(network(width=16, options=told), x, x, offset_free=False, rotation_aligned=False)
    assert torch.equal(plain, motif_distance(network(width=16), x, x))


def test_attention_may_be_exchanged() -> None:
    x = moving(2, 64)
    exchanged = motif_distance(network("sparsemax", width=16), x, x, attention="softmax")
    assert torch.equal(exchanged, motif_distance(network("softmax", width=16), x, x))


# --- precision


@every_attention
def test_bfloat16_ranks_nearly_alike(attention: str) -> None:
    net, x = network(attention), moving(24, 64).float()
    exact, rough = motif_distance(net, x, x), motif_distance(net, x, x, precision="bf16")
    ranks = [np.argsort(np.argsort(d.numpy(), axis=1), axis=1).ravel() for d in (exact, rough)]
    assert rough.dtype == torch.float32 and np.corrcoef(*ranks)[0, 1] > 0.995
    assert 0 < float(((rough - exact) / exact).abs().max()) < 0.05


def test_autocast_outside_changes_nothing() -> None:
    net, x = network(width=16), moving(3, 64).float()
    wanted = motif_distance(net, x, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(motif_distance(net, x, x), wanted)


def test_windows_in_half_are_evaluated_in_full() -> None:
    net, x = network(width=16), moving(2, 64).half()
    assert torch.equal(motif_distance(net, x, x), motif_distance(net, x.float(), x.float()))


def test_a_network_in_single_takes_windows_in_double() -> None:
    single, x = network(width=16), moving(2, 64)
    assert torch.equal(motif_distance(single, x, x), motif_distance(copy.deepcopy(single).double(), x, x))
    assert single.out.weight.dtype == torch.float32


# --- no state


def test_the_mode_of_the_network_does_not_matter() -> None:
    net, x = network(width=16), moving(3, 64).float()
    wanted = motif_distance(net, x, x)
    assert torch.equal(motif_distance(net.train(), x, x), wanted) and net.training


def test_there_is_no_gradient() -> None:
    x = moving(2, 64).float().requires_grad_()
    assert not motif_distance(network(width=16), x, x).requires_grad


def test_windows_are_left_as_they_are() -> None:
    x = moving(2, 64)
    before = x.clone()
    motif_distance(network(width=16), x, x, rotation_aligned=True, **OWN)
    assert torch.equal(x, before)


def test_two_threads_share_one_network() -> None:
    net, x = network(width=16), moving(8, 64).float()
    wanted, found = motif_distance(net, x, x), {}
    options = [{}, {"offset_free": True}]
    both = [wanted, motif_distance(net, x, x, offset_free=True)]

    def work(i: int) -> None:
        found[i] = [motif_distance(net, x, x, chunk=5, **options[i]) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.allclose(d, both[i], rtol=1e-5) for i in range(2) for d in found[i])


# --- refusals


@pytest.mark.parametrize("shape", [(2, 64), (2, 2, 64), (2, 3, 1)])
def test_windows_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SpecMismatchError, match="shape"):
        motif_distance(network(width=8), torch.zeros(shape), torch.zeros(2, 3, 64))


def test_windows_of_two_lengths_are_refused() -> None:
    with pytest.raises(SpecMismatchError, match="64 samples, candidates 65"):
        motif_distance(network(width=8), torch.zeros(2, 3, 64), torch.zeros(2, 3, 65))


def test_a_rebuild_of_unequal_numbers_is_refused() -> None:
    with pytest.raises(SpecMismatchError, match="2 anchors"):
        motif_rebuild(network(width=8), torch.zeros(2, 3, 64), torch.zeros(3, 3, 64))


@pytest.mark.parametrize("pairs", [[[0, 2]], [[2, 0]], [[-1, 0]], [[0.0, 1.0]], [0, 1], [[0, 1, 1]]], ids=str)
def test_pairs_that_name_nothing_are_refused(pairs: list[object]) -> None:
    with pytest.raises(BadOptionError, match="pairs"):
        motif_distance(network(width=8), torch.zeros(2, 3, 32), torch.zeros(2, 3, 32), torch.tensor(pairs))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"offsett": "split"}, "offsett"),
        ({"offset": "gone"}, "offset"),
        ({"amplitude": "own"}, "remove"),
        ({"amplitude_weight": 1.0}, "own"),
        ({"offset_weight": 1.0}, "split"),
        ({"offset": "split", "offset_weight": -1.0}, "offset_weight"),
        ({"offset_free": True, "offset": "remove"}, "twice"),
        ({"precision": "fp8"}, "fp8"),
        ({"attention": "entmax"}, "entmax"),
        ({"chunk": 0}, "chunk"),
        ({"budget_mb": 0}, "budget"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, object], named: str) -> None:
    x = torch.zeros(1, 3, 32)
    with pytest.raises(BadOptionError, match=named):
        motif_distance(network(width=8), x, x, **options)  # type: ignore[arg-type]
