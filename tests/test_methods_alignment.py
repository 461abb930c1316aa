"""Methods that align by contrast: each loss against loops over the formula, and what is special about each."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from kinelet.config import validate
from kinelet.errors import BadOptionError
from kinelet.methods.cross_modal import accuracy, across
from kinelet.methods.focal import Focal, parted
from kinelet.methods.gmc import JOINT
from kinelet.methods.moment_codes import Together
from kinelet.methods.registry import get_method
from multimodal_toys import make_batch, make_encoders

THREE = ("acc", "bvp", "gyr")
TAU = 0.3


def make(name: str, names: tuple[str, ...] = THREE, **options: Any) -> Any:
    kind, config = get_method(name)
    torch.manual_seed(0)
    encoders = make_encoders(names, "resnet1d_small", width=6, widths=(4, 8))
    plain = {"temperature": TAU, "augmentations": "none", **options}
    return cast(Any, kind)(encoders, validate(config, plain)).eval()


def parts_of(method: Any, batch: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    found = {n: method.of(n).outputs(batch[f"x.{n}"]) for n in method.names}
    return {n: f["u"].detach() for n, f in found.items()}, {n: f["v"].detach() for n, f in found.items()}


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


def score(a: Tensor, b: Tensor) -> float:
    return math.exp(cosine(a, b) / TAU)


def apart(batch: dict[str, Any], i: int, k: int) -> bool:
    return bool(batch["sequence"][i] != batch["sequence"][k])


def naive_across(a: Tensor, b: Tensor, batch: dict[str, Any], rows: list[int], everyone: bool = False) -> float:
    """Mean over both directions and rows of minus the log of the partner's share."""
    total = 0.0
    for q, k in ((a, b), (b, a)):
        for i in rows:
            others = [j for j in rows if j != i and (everyone or apart(batch, i, j))]
            total -= math.log(score(q[i], k[i]) / sum(score(q[i], k[j]) for j in [i, *others]))
    return total / (2 * len(rows))


def naive_views(h: Tensor, h2: Tensor, batch: dict[str, Any], rows: list[int]) -> float:
    """Mean over both orders of the views, and rows, with negatives of other sequences in both views."""
    total = 0.0
    for p, q in ((h, h2), (h2, h)):
        for i in rows:
            others = [j for j in rows if apart(batch, i, j)]
            beside = sum(score(p[i], p[j]) + score(p[i], q[j]) for j in others)
            total -= math.log(score(p[i], q[i]) / (score(p[i], q[i]) + beside))
    return total / (2 * len(rows))


def naive_hinge(h: Tensor, batch: dict[str, Any], rows: list[int]) -> float:
    groups: dict[int, list[int]] = {}
    for i in rows:
        groups.setdefault(int(batch["sequence"][i]), []).append(i)

    def mean(s: int, t: int) -> float:
        return sum(float((h[a] - h[b]).norm()) for a in groups[s] for b in groups[t]) / (
            len(groups[s]) * len(groups[t])
        )

    pairs = [(s, t) for s in groups for t in groups if s != t]
    return sum(max(mean(s, s) - mean(s, t) + 1, 0) for s, t in pairs) / len(pairs)


def rows_with(batch: dict[str, Any], *columns: int) -> list[int]:
    return [i for i in range(len(batch["present"])) if all(bool(batch["present"][i, c]) for c in columns)]


PAIRS = ((0, 1), (0, 2), (1, 2))


@pytest.mark.parametrize("name", ["infonce", "cmc"])
@pytest.mark.parametrize("negatives", ["other", "all"])
def test_cross_modal_contrast_is_the_mean_over_pairs_of_modalities(name: str, negatives: str) -> None:
    method, batch = make(name, negatives=negatives), make_batch(14, THREE, missing=0.3)
    u, _ = parts_of(method, batch)
    expected = [
        naive_across(u[THREE[a]], u[THREE[b]], batch, rows_with(batch, a, b), negatives == "all") for a, b in PAIRS
    ]
    assert float(method(batch)["loss"].detach()) == pytest.approx(sum(expected) / 3, rel=1e-4)


def test_gmc_contrasts_each_modality_with_a_code_of_all() -> None:
    method, batch = make("gmc"), make_batch(14, THREE, missing=0.4)
    u, _ = parts_of(method, batch)
    shown = [
        torch.where(batch["present"][:, i, None], method.of(n).base(batch[f"x.{n}"]), 0.0) for i, n in enumerate(THREE)
    ]
    joint = method.joint(torch.cat(shown, dim=1)).detach()
    two = [i for i in range(14) if int(batch["present"][i].sum()) > 1]
    expected = [
        naive_views(u[n], joint, batch, [i for i in two if bool(batch["present"][i, c])]) for c, n in enumerate(THREE)
    ]
    assert float(method(batch)["loss"].detach()) == pytest.approx(sum(expected) / 3, rel=1e-4)


def test_the_joint_code_has_a_name_that_no_modality_can_have() -> None:
    assert not JOINT.isidentifier()


@pytest.fixture(scope="module")
def focal() -> tuple[dict[str, float], dict[str, float], float]:
    """Terms as the method tells them, the same from loops, and the loss."""
    method, batch = make("focal"), make_batch(13, THREE, missing=0.3)
    out = method(batch)
    u, v = parts_of(method, batch)
    rows = {n: rows_with(batch, c) for c, n in enumerate(THREE)}
    both = {(a, b): rows_with(batch, a, b) for a, b in PAIRS}
    shared = sum(naive_across(u[THREE[a]], u[THREE[b]], batch, r) for (a, b), r in both.items())
    private = sum(naive_views(v[n], v[n], batch, rows[n]) for n in THREE)
    own = sum(sum(cosine(u[n][i], v[n][i]) ** 2 for i in rows[n]) / len(rows[n]) for n in THREE)
    two = sum(sum(cosine(v[THREE[a]][i], v[THREE[b]][i]) ** 2 for i in r) / len(r) for (a, b), r in both.items())
    temporal = sum(naive_hinge(torch.cat([u[n], v[n]], dim=1), batch, rows[n]) for n in THREE)
    # Without augmentation both views are the window.
    naive = {"shared": 2 * shared, "private": private, "orthogonal": 2 * (own + two), "temporal": 2 * temporal}
    return {k: float(p) for k, p in out["parts"].items()}, naive, float(out["loss"].detach())


@pytest.mark.parametrize("term", ["shared", "private", "orthogonal", "temporal"])
def test_terms_of_focal_are_sums_over_modalities_and_views(
    term: str, focal: tuple[dict[str, float], dict[str, float], float]
) -> None:
    assert focal[0][term] == pytest.approx(focal[1][term], rel=1e-4)


def test_focal_weighs_its_terms_as_published(focal: tuple[dict[str, float], dict[str, float], float]) -> None:
    naive = focal[1]
    expected = naive["shared"] + naive["private"] + 3 * naive["orthogonal"] + 5 * naive["temporal"]
    assert focal[2] == pytest.approx(expected, rel=1e-4)


def test_what_weighs_nothing_in_focal_is_not_computed() -> None:
    out = make("focal", private=0.0, temporal=0.0)(make_batch(names=THREE))
    assert {"shared", "orthogonal"} <= set(out["parts"]) and not {"private", "temporal"} & set(out["parts"])


def alone(z: dict[str, Tensor]) -> Together:
    rows = len(next(iter(z.values())))
    valid = {n: torch.ones(rows, dtype=torch.bool) for n in z}
    return Together(z, z, valid, torch.arange(rows), slice(0, rows))


@pytest.mark.parametrize(("v", "expected"), [([[6.0, 0.0]], 1.0), ([[-1.0, 0.0]], 1.0), ([[0.0, 5.0]], 0.0)])
def test_orthogonality_of_focal_charges_opposed_parts_as_parallel_ones(v: list[list[float]], expected: float) -> None:
    """Check 21: what is published lets opposed parts go."""
    u = torch.tensor([[3.0, 0.0]])
    assert float(parted(alone({"a": u}), alone({"a": torch.tensor(v)}))) == pytest.approx(expected)


def test_orthogonality_of_focal_charges_private_parts_that_agree_or_are_opposed() -> None:
    u = {"a": torch.tensor([[0.0, 1.0]]), "b": torch.tensor([[0.0, 1.0]])}
    v = {"a": torch.tensor([[2.0, 0.0]]), "b": torch.tensor([[-3.0, 0.0]])}
    assert float(parted(alone(u), alone(v))) == pytest.approx(1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_focal_itself_charges_heads_that_are_opposed(sign: float) -> None:
    """Check 21, through the whole method."""
    method = make("focal", names=("acc", "bvp"))
    with torch.no_grad():
        for n in method.names:
            for p, q in zip(method.of(n).head_u.parameters(), method.of(n).head_v.parameters(), strict=True):
                q.copy_(p)
            for q in method.of(n).head_v[-1].parameters():
                q.mul_(sign)
    batch = make_batch(8)
    u, _ = parts_of(method, batch)
    across_modalities = sum(cosine(u["acc"][i], u["bvp"][i]) ** 2 for i in range(8)) / 8
    found = float(method(batch)["parts"]["orthogonal"])
    assert found == pytest.approx(2 * (2 + across_modalities), rel=1e-4)


@pytest.mark.parametrize("name", ["infonce", "cmc", "gmc"])
def test_methods_without_a_private_part_leave_it_zero(name: str) -> None:
    method, batch = make(name), make_batch(names=THREE)
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], weight_decay=0.1)
    method.train()(batch)["loss"].backward()
    optimizer.step()
    assert all(float(z.abs().max()) == 0 for z in parts_of(method.eval(), batch)[1].values())


def test_accuracy_counts_rows_that_have_both() -> None:
    z = alone({"a": torch.eye(4), "b": torch.eye(4)[[0, 1, 3, 2]]})
    z.valid["a"][0] = False
    assert float(accuracy(z)) == pytest.approx(1 / 3)


def test_a_pair_of_modalities_without_rows_adds_nothing() -> None:
    z = alone({"a": torch.randn(4, 3), "b": torch.randn(4, 3), "c": torch.randn(4, 3)})
    z.valid["c"][:] = False
    two = Together({n: z.own[n] for n in "ab"}, {n: z.own[n] for n in "ab"}, z.valid, z.sequence, z.here)
    assert float(across(z, TAU, "other")) == pytest.approx(float(across(two, TAU, "other")) / 3)


def test_the_mean_over_two_processes_is_the_loss_of_the_whole() -> None:
    """Each process has whole sequences."""
    for name in ("infonce", "cmc", "gmc", "focal"):
        method, batch = make(name), make_batch(16, THREE, missing=0.3)
        whole = float(method(batch)["loss"].detach())
        assert halves(method, batch) == pytest.approx(whole, rel=1e-5), name


def halves(method: Any, batch: dict[str, Any]) -> float:
    """Mean loss of two imagined processes: the first pass records what each gathers, the second hands it out."""
    parts = [
        {k: v[rows] if isinstance(v, Tensor) else v for k, v in batch.items()} for rows in (slice(0, 8), slice(8, 16))
    ]
    seen: list[list[Tensor]] = [[], []]
    for i, part in enumerate(parts):
        method.gather, method.rank_offset = (lambda z, i=i: (seen[i].append(z), z)[1]), 0
        method(part)
    losses = []
    for i, part in enumerate(parts):
        calls = iter(list(zip(*seen, strict=True)))
        method.gather, method.rank_offset = (lambda z, calls=calls: torch.cat(next(calls))), 8 * i
        losses.append(float(method(part)["loss"].detach()))
    return sum(losses) / 2


def test_heads_of_unequal_widths_are_refused() -> None:
    encoders = make_encoders(("acc",), "resnet1d_small", width=6) | make_encoders(("bvp",), "resnet1d_small", width=7)
    kind, config = get_method("cmc")
    with pytest.raises(BadOptionError, match="'bvp': 7"):
        cast(Any, kind)(encoders, config())


def test_weights_of_focal_are_not_negative() -> None:
    with pytest.raises(BadOptionError, match="temporal"):
        make("focal", temporal=-1)


def test_focal_leaves_both_parts_for_a_probe() -> None:
    assert Focal.features == ("u", "v")
