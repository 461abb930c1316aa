"""InfoMAE as a method: its terms are those of the formulas, critics and encoders are trained apart, nothing leaks."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from kinelet.config import validate
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError
from kinelet.functional import info_nce
from kinelet.functional.sequences import instance_contrast, temporal_hinge
from kinelet.functional.shared_private import shared_distance, shared_reduced, shared_three_variable
from kinelet.methods.critics import log_ratio
from kinelet.methods.infomae import InfoMAE, InfoMAEConfig
from kinelet.methods.infomae_plan import coefficients, settled
from kinelet.methods.infomae_terms import Joined, critics_loss, terms_of
from kinelet.methods.registry import get_method
from kinelet.methods.tf_decoder import decoder_for
from multimodal_toys import NAMES, generators, make_batch, make_encoder, make_encoders, reorder

THREE = ("acc", "bvp", "gyr")
SMALL: dict[str, Any] = {"critic": {"width": 16}, "decoder": {"width": 16, "depth": 1}}
ONLY = dict.fromkeys(("alpha", "shared", "gamma", "epsilon", "delta", "lam", "eta"), 0.0)
#: Terms by the option that weighs them.
TERMS = {
    "alpha": {"distance"},
    "shared": {"own", "cross"},
    "gamma": {"private"},
    "epsilon": {"overlap"},
    "delta": {"rebuild"},
    "lam": {"contrast"},
    "eta": {"temporal"},
}


def make(names: tuple[str, ...] = NAMES, decoders: Any = None, **options: Any) -> InfoMAE:
    torch.manual_seed(0)
    encoders = make_encoders(names, width=16, depth=1)
    return InfoMAE(encoders, validate(InfoMAEConfig, {**SMALL, **options}), decoders)


def term_names(parts: dict[str, Tensor]) -> set[str]:
    return {k for k in parts if not k.startswith(("rank_", "spread_", "accuracy_")) and k != "critic"}


def plain(method: InfoMAE, batch: dict[str, Any]) -> dict[str, dict[str, Tensor]]:
    return {n: method.of(n).outputs(batch[f"x.{n}"]) for n in method.names}


def standard(z: Tensor) -> Tensor:
    """What critics see: coordinates freed of the batch's mean and spread."""
    return (z - z.mean(0)) / z.std(0, unbiased=False)


def gradient(loss: Tensor, method: InfoMAE, prefix: str) -> dict[str, Tensor]:
    method.zero_grad()
    loss.backward()
    return {k: p.grad.clone() for k, p in method.named_parameters() if k.startswith(prefix) and p.grad is not None}


@pytest.mark.parametrize("names", [NAMES, THREE], ids=["two", "three"])
@pytest.mark.parametrize("form", ["reduced", "three_variable"])
@pytest.mark.parametrize("sign", ["corrected", "printed"])
def test_the_loss_is_the_weighted_sum_of_what_is_logged(names: tuple[str, ...], form: Any, sign: Any) -> None:
    method = make(names, form=form, shared_sign=sign, alpha=0.7, beta=0.3)
    out = method(make_batch(names=names, missing=0.2))
    told = sum(c * float(out["parts"][name]) for name, c in method.coefficients.items())
    assert float(out["loss"].detach()) == pytest.approx(told, rel=1e-4)


@pytest.mark.parametrize("option", TERMS)
def test_what_weighs_nothing_is_not_computed(option: str) -> None:
    method = make(**{**ONLY, option: 1.0})
    assert term_names(method(make_batch())["parts"]) == TERMS[option]


@pytest.mark.parametrize("option", TERMS)
def test_each_term_can_be_left_out(option: str) -> None:
    everything = {term for terms in TERMS.values() for term in terms}
    assert term_names(make(**{option: 0.0})(make_batch())["parts"]) == everything - TERMS[option]


def test_no_weight_has_no_critic() -> None:
    """Ten critics as published; eight in the reduced form, six with InfoNCE across modalities."""
    counts = [
        sum(not ratio.matched for ratio in make(**o).critics.ratios)
        for o in ({"form": "three_variable"}, {"cross": "logistic"}, {}, {"epsilon": 0.0})
    ]
    assert counts == [10, 8, 6, 4]


@pytest.mark.parametrize("sign", ["corrected", "printed"])
def test_weights_of_two_modalities_are_those_of_the_reduced_form(sign: Any) -> None:
    """Check 25: against the formula for one modality, summed over two."""
    own, cross = torch.tensor([1.3, 0.4]), torch.tensor([0.7, 0.2])
    told = coefficients(InfoMAEConfig(beta=0.3, shared_sign=sign), 2)
    formula = sum(shared_reduced(o, c, 0.3, sign) for o, c in zip(own, cross, strict=True))
    assert float(told["own"] * own.sum() + told["cross"] * cross.sum()) == pytest.approx(float(formula))


@pytest.mark.parametrize("sign", ["corrected", "printed"])
def test_weights_of_two_modalities_are_those_of_the_published_form(sign: Any) -> None:
    """Check 25."""
    log_r = torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0))
    told = coefficients(InfoMAEConfig(beta=0.3, form="three_variable", shared_sign=sign), 2)
    formula = sum(shared_three_variable(*log_r[:, i], 0.3, sign) for i in range(2))
    mean = dict(zip(("joint", "own", "cross"), log_r.mean(2).sum(1), strict=True))
    assert float(sum(told[k] * v for k, v in mean.items())) == pytest.approx(float(formula), rel=1e-5)


@pytest.mark.parametrize("form", ["reduced", "three_variable"])
def test_three_alike_modalities_weigh_as_two(form: Any) -> None:
    """A third modality changes no mean over pairs; unimodal terms of the published form are means over pairs too."""
    two, three = (coefficients(InfoMAEConfig(form=form, beta=0.3), m) for m in (2, 3))
    share = 2 / 3 if form == "three_variable" else 1
    assert three["own"] == pytest.approx(share * two["own"]) and three["cross"] == pytest.approx(share * two["cross"])


def test_distance_contrast_and_hinge_are_those_of_the_outputs() -> None:
    """Check 25: the general code, on two modalities without noise and augmentation, is the formula."""
    method = make(noise=0.0, augmentations="none", delta=0.0)
    batch = make_batch()
    z, parts, sequence = plain(method, batch), method(batch)["parts"], batch["sequence"]
    u, uv = [z[n]["u"] for n in NAMES], [z[n]["uv"] for n in NAMES]
    naive = {
        "distance": shared_distance(u),
        "contrast": sum(instance_contrast(h, h, sequence, 0.1) for h in uv),
        "temporal": sum(temporal_hinge(h, sequence, 1.0) for h in uv),
    }
    assert all(float(parts[k]) == pytest.approx(float(v.detach()), rel=1e-4) for k, v in naive.items())


@pytest.mark.parametrize("term,kind,share", [("own", "u", 1.0), ("private", "v", 1.0)])
def test_information_is_the_mean_logit_of_the_critics(term: str, kind: str, share: float) -> None:
    method = make(noise=0.0, augmentations="none", delta=0.0, gamma=1.0).eval()
    batch = make_batch()
    z = plain(method, batch)
    naive = sum(
        log_ratio(
            method.critics.nets[f"{term}-x_{n}-{kind}_{n}"],  # type: ignore[arg-type]
            standard(z[n]["backbone"]),
            standard(z[n][kind]),
        ).mean()
        for n in NAMES
    )
    assert float(method(batch)["parts"][term]) == pytest.approx(share * float(naive), rel=0.02)


def test_infonce_of_sequences_of_one_window_is_the_known_loss() -> None:
    method = make(noise=0.0, augmentations="none", delta=0.0).eval()
    batch = make_batch(length=1)
    z, naive = plain(method, batch), 0.0
    for i, j in (NAMES, NAMES[::-1]):
        x, u = method.critics.nets[f"cross-x_{j}-u_{i}"](standard(z[j]["backbone"]), standard(z[i]["u"]))
        naive += torch.log(torch.tensor(16.0)) - info_nce(u, x, 0.1, symmetric=True) / 2
    assert float(method(batch)["parts"]["cross"]) == pytest.approx(float(naive), rel=0.01)


@pytest.mark.parametrize("options", [{}, {"cross": "logistic"}, {"cross": "smile"}, {"form": "three_variable"}])
def test_critics_are_trained_by_their_own_loss_alone(options: dict[str, Any]) -> None:
    """Check 12: what reaches the critics does not depend on the weights of the encoders' terms."""
    one, other = make(**options), make(**{**options, "alpha": 5.0, "shared": 3.0, "gamma": 0.5, "epsilon": 0.7})
    grads = [gradient(m(make_batch())["loss"], m, "critics.") for m in (one, other)]
    assert grads[0] and all(torch.allclose(g, grads[1][k]) for k, g in grads[0].items())


def joined_of(method: InfoMAE) -> Joined:
    batch = make_batch(missing=0.2)
    return method._joined(batch, batch["generators"], 2, bool(method.adapters), True)


def reached(loss: Tensor, method: InfoMAE) -> set[str]:
    """Modules of the method in which any weight has a gradient that is not exactly 0."""
    return {key.split(".")[0] for key, g in gradient(loss, method, "").items() if bool(g.any())}


ESTIMATORS = [{}, {"cross": "logistic"}, {"cross": "smile"}, {"form": "three_variable"}]


@pytest.mark.parametrize("options", ESTIMATORS)
def test_the_loss_of_critics_leaves_the_encoders_alone(options: dict[str, Any]) -> None:
    """Check 12, step A: exactly nothing reaches encoders, heads, decoders and adapters."""
    method = make(**options)
    loss = critics_loss(joined_of(method), method.critics.ratios, method.config)
    assert reached(loss, method) == {"critics"}


@pytest.mark.parametrize("options", ESTIMATORS)
def test_the_terms_leave_the_critics_alone(options: dict[str, Any]) -> None:
    """Check 12, step B: exactly nothing reaches the critics."""
    method = make(**options)
    terms = terms_of(joined_of(method), method.critics.ratios, method.config, method.coefficients)
    assert reached(torch.stack(list(terms.values())).sum(), method) == {"encoder", "decoders", "adapters"}


def test_critics_learn_what_belongs_together() -> None:
    method = make(**{**ONLY, "shared": 1.0}, freeze_encoder=True, noise=0.0)
    optimizer = torch.optim.Adam(method.critics.parameters(), 5e-3)
    for step in range(30):
        batch = {**make_batch(48, length=1), "generators": generators(step)}
        parts = gradient_step(method, batch, optimizer)
    assert float(parts["accuracy_own-x_acc-u_acc"]) > 0.75 and float(parts["own"]) > 0.5


def gradient_step(method: InfoMAE, batch: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    out = method(batch)
    method.zero_grad()
    out["loss"].backward()
    optimizer.step()
    return out["parts"]


def test_logits_stay_within_their_bound_and_extreme_windows_are_finite() -> None:
    """Check 12."""
    method = make(logit_bound=2.0, gamma=1.0)
    batch = make_batch()
    for name in NAMES:
        batch[f"x.{name}"] = 1e6 * batch[f"x.{name}"]
    out = method(batch)
    assert bool(torch.isfinite(out["loss"])) and abs(float(out["parts"]["private"])) <= 4


def test_the_standardised_distance_knows_no_scale() -> None:
    """Shared parts cannot come closer by all being nearly alike."""
    from kinelet.methods.infomae_terms import _distance

    g = torch.Generator().manual_seed(0)
    u = [torch.randn(30, 4, generator=g) for _ in range(2)]
    rows = torch.ones(30, 2, dtype=torch.bool)
    shrunk = [0.01 * z + 5 for z in u]
    naive = (
        sum(2 - 2 * float(torch.corrcoef(torch.stack([a, b]))[0, 1]) for a, b in zip(*(z.T for z in u), strict=True))
        / 4
    )
    found = [float(_distance(z, rows, "standardised")) for z in (u, shrunk)]
    assert found[0] == pytest.approx(naive, rel=1e-3) and found[1] == pytest.approx(naive, rel=0.02)


@pytest.mark.parametrize("option", ["delta", "lam", "eta", "epsilon"])
def test_shared_parts_can_be_left_to_the_shared_terms(option: str) -> None:
    """Then no other term reaches their heads, and all of them reach the others'."""
    found = []
    for apart in (False, True):
        method = make(**{**ONLY, option: 1.0, "shared_apart": apart})
        grads = gradient(method(make_batch())["loss"], method, "encoder.acc.head_")
        found.append({part for part in "uv" if any(f"head_{part}" in k and bool(g.any()) for k, g in grads.items())})
    assert found == [{"u", "v"}, {"v"}]


def test_noise_is_added_in_training_only() -> None:
    method = make(delta=0.0, augmentations="none", lam=0.0)
    batches = [make_batch(seed=0), {**make_batch(seed=0), "generators": generators(5)}]
    train = [float(method.train()(dict(b))["parts"]["distance"]) for b in copy.deepcopy(batches)]
    rest = [float(method.eval()(dict(b))["parts"]["distance"]) for b in batches]
    assert train[0] != train[1] and rest[0] == rest[1]


def test_the_noise_channel_carries_what_a_gaussian_carries() -> None:
    from kinelet.methods.infomae_terms import channel_information

    u = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.5, 0.1])
    exact = 0.5 * torch.log1p(torch.tensor([1.0, 0.25, 0.01]) / 0.01).sum()
    everyone = torch.ones(4000, dtype=torch.bool)
    assert float(channel_information(u, 0.1, everyone)) == pytest.approx(float(exact), rel=0.02)


def test_a_constant_shared_part_tells_nothing_by_the_noise_channel() -> None:
    """Noise that is on it is not its own, or each coordinate would seem to tell half a bit."""
    method = make(**{**ONLY, "shared": 1.0}, own="noise")
    told = float(method(make_batch())["parts"]["own"])
    for name in NAMES:
        for p in method.of(name).head_u.parameters():
            torch.nn.init.zeros_(p)
    assert told > 0.1 and float(method(make_batch())["parts"]["own"]) == pytest.approx(0, abs=1e-4)


def test_the_noise_channel_trains_the_shared_part() -> None:
    method = make(**{**ONLY, "shared": 1.0}, own="noise")
    terms = terms_of(joined_of(method), (), method.config, {"own": 1.0})
    found = gradient(terms["own"], method, "encoder.acc.")
    assert {key.split(".")[2] for key, g in found.items() if bool(g.any())} >= {"base", "head_u"}


def test_the_noise_channel_needs_noise() -> None:
    with pytest.raises(BadOptionError, match="noise"):
        make(own="noise", noise=0.0)


def test_effective_rank_counts_directions() -> None:
    from kinelet.methods.infomae_terms import effective_rank

    z = torch.zeros(12, 8)
    z[:, :3] = torch.linalg.qr(torch.randn(12, 4, generator=torch.Generator().manual_seed(0)))[0][:, :3]
    rows = torch.ones(12, dtype=torch.bool)
    alike = torch.ones(12, 8)
    assert 2.5 < float(effective_rank(z, rows)) <= 3.01 and float(effective_rank(alike, rows)) == 1


def test_a_collapsed_part_shows_in_the_log() -> None:
    """Noise is no sign of life."""
    method = make(noise=0.5)
    torch.nn.init.zeros_(method.of("acc").head_v[-1].weight)  # type: ignore[index, arg-type]
    parts = method(make_batch())["parts"]
    assert float(parts["spread_v_acc"]) < 1e-5 < 1e-3 < float(parts["spread_u_acc"])
    assert float(parts["rank_v_acc"]) < 1.01 < float(parts["rank_u_acc"])


def test_a_name_that_is_not_in_the_batch_is_absent() -> None:
    """Check 24: every subset of modalities is a batch."""
    batch = make_batch(names=THREE)
    batch["present"][:, 2] = False
    one = float(make(THREE)(copy.deepcopy(batch))["loss"].detach())
    batch["present"][:, 2] = True
    del batch["x.gyr"]
    assert float(make(THREE)(batch)["loss"].detach()) == one


def test_frozen_encoders_stay_as_they_are() -> None:
    """Check 22: tensors identical, buffers too."""
    method = make(freeze_encoder=True)
    before = {k: v.clone() for k, v in method.encoder.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], 1e-2)
    for step in range(3):
        gradient_step(method, make_batch(seed=step), optimizer)
    after = method.encoder.state_dict()
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert changed and all(".head_" in k for k in changed) and not method.of("acc").base.training


def test_stage_one_is_taken_over_and_only_heads_critics_and_adapters_are_new() -> None:
    """Check 22."""
    torch.manual_seed(1)
    encoders = make_encoders(seed=3, depth=1)
    decoders = {n: decoder_for(encoders[n].base, width=16, depth=1) for n in NAMES}  # type: ignore[arg-type]
    given = {
        **{f"encoder.{n}.base.{k}": v.clone() for n in NAMES for k, v in encoders[n].base.state_dict().items()},
        **{f"decoders.{n}.{k}": v.clone() for n in NAMES for k, v in decoders[n].state_dict().items()},
    }
    state = InfoMAE(encoders, validate(InfoMAEConfig, SMALL), decoders).state_dict()
    new = {key.split(".")[0] if key not in given else "" for key in state if ".head_" not in key}
    assert all(torch.equal(state[k], v) for k, v in given.items()) and new == {"", "critics", "adapters"}


def test_an_adapter_leads_both_parts_to_the_decoder_of_stage_one() -> None:
    method = make()
    shapes = {tuple(method.adapters[n].weight.shape) for n in NAMES}  # type: ignore[arg-type]
    assert shapes == {(method.of("acc").base.dim, 32)}


def test_encoders_without_images_are_refused_unless_nothing_is_rebuilt() -> None:
    encoders = {n: make_encoder(n, "resnet1d_small", widths=(8, 16)) for n in NAMES}
    with pytest.raises(BadOptionError, match="delta=0"):
        InfoMAE(encoders, InfoMAEConfig())
    method = InfoMAE(encoders, validate(InfoMAEConfig, {**SMALL, "delta": 0.0, "critic_input": "windows"}))
    assert bool(torch.isfinite(method(make_batch())["loss"]))


@pytest.mark.parametrize(
    "options",
    [
        {"critic_input": "windows"},
        {"aligned_on": "view"},
        {"aligned_on": "view", "lam": 0.0},
        {"own": "noise"},
        {"cross": "smile"},
        {"distance": "cosine"},
        {"distance": "standardised"},
        {"form": "three_variable", "critic_input": "windows"},
        {"critic": {"width": 16, "spectral_norm": True, "dropout": 0.1}},
        {"masking": {"mode": "mixed", "target": "image"}},
    ],
)
@pytest.mark.parametrize("rows", [16, 3])
def test_every_option_trains(options: dict[str, Any], rows: int) -> None:
    """Check 19: also with a single sequence."""
    method = make(THREE, **options)
    grads = gradient(method(make_batch(rows, THREE, missing=0.3))["loss"], method, "")
    idle = [k for k, p in method.named_parameters() if p.requires_grad and k not in grads]
    assert idle == [] and all(bool(torch.isfinite(g).all()) for g in grads.values())


def test_published_size_adds_layers_that_nothing_goes_through() -> None:
    encoders = {n: SharedPrivate.around(make_encoder(n, code=128).base, width=256) for n in THREE}
    plain_method = InfoMAE(encoders, InfoMAEConfig())
    method = InfoMAE(encoders, InfoMAEConfig(published_size=True))
    extra = sum(p.numel() for p in method.parameters()) - sum(p.numel() for p in plain_method.parameters())
    assert extra == 986_112 and gradient(method(make_batch(names=THREE))["loss"], method, "extra.") == {}


def test_the_number_of_pairs_decides_what_is_left_open() -> None:
    told = [settled(InfoMAEConfig(), pairs) for pairs in (500, 1500, 5000)]
    assert [c.critic_input for c in told] == ["features", "features", "windows"]
    assert [c.encoder_rate for c in told] == [0.01, 0.1, 0.1] and [c.critic.dropout for c in told] == [0.1, 0.1, 0.0]


def test_what_is_said_goes_over_the_number_of_pairs() -> None:
    config = validate(InfoMAEConfig, {"critic_input": "windows", "encoder_rate": 0.5, "critic": {"dropout": 0.0}})
    told = InfoMAE.settle(config, 10)
    assert (told.critic_input, told.encoder_rate, told.critic.dropout) == ("windows", 0.5, 0.0)


@pytest.mark.parametrize("form,usual", [("reduced", "infonce"), ("three_variable", "logistic")])
def test_the_form_decides_how_the_cross_term_is_estimated(form: Any, usual: str) -> None:
    told = [make(form=form, **o).config.cross for o in ({}, {"cross": "smile"}, {"cross": "infonce"})]
    assert told == [usual, "smile", "infonce"]


@pytest.mark.parametrize("name", ["infomae", "infonce", "cmc", "gmc", "focal"])
@pytest.mark.parametrize("pairs,slow", [(500, 0.01), (5000, 0.1)])
def test_encoders_without_stage_one_are_not_held_back(name: str, pairs: int, slow: float) -> None:
    """They have nothing to forget, and would learn next to nothing."""
    kind, config = cast(Any, get_method(name))
    options = config(**({"delta": 0.0} if name == "infomae" else {}))
    method = kind(make_encoders(width=16, depth=1), kind.settle(options, pairs, fresh=frozenset({"bvp"})))
    scales = [method.rates()[f"encoder.{n}.base."].scale for n in ("acc", "bvp")]
    assert scales == [slow, 1.0]


@pytest.mark.parametrize("name", ["infomae", "cmc"])
def test_a_rate_that_is_told_holds_for_fresh_encoders_too(name: str) -> None:
    kind, config = cast(Any, get_method(name))
    told = kind.settle(config(encoder_rate=0.3), 500, fresh=frozenset(NAMES))
    assert (told.encoder_rate, told.fresh) == (0.3, ())


@pytest.mark.parametrize("name", ["infomae", "cmc"])
def test_what_is_settled_stays_so(name: str) -> None:
    """A run's own configuration, given again, is the same one."""
    kind, config = cast(Any, get_method(name))
    once = kind.settle(config(), 500, fresh=frozenset({"acc"}))
    assert kind.settle(once, 5000) == once


def test_what_cannot_be_told_apart_is_told_by_chance() -> None:
    """One sequence, and so nothing to draw apart: neither 1 nor 0, as if critics were perfect or always wrong."""
    parts = make()(make_batch(3))["parts"]
    assert {float(v) for k, v in parts.items() if k.startswith("accuracy_")} == {0.5}


def test_encoders_move_slowly_and_critics_on_their_own() -> None:
    rates = make().rates()
    assert rates["encoder.acc.base."].scale == 0.1
    assert rates["critics."].betas == (0.5, 0.9) and rates["critics."].apart


def test_what_is_held_out_is_looked_at_as_in_training() -> None:
    told = make().eval().diagnose(make_batch(missing=0.2), torch.Generator().manual_seed(0))
    wanted = {"accuracy_own-x_acc-u_acc", "accuracy_cross-x_bvp-u_acc", "cross", "own", "distance", "rank_v_bvp"}
    assert wanted <= told.keys() and 0 <= told["accuracy_own-x_acc-u_acc"] <= 1


def test_twenty_steps_are_the_same_again() -> None:
    """Check 29: same seed, same device."""
    batches = [make_batch(4, length=2, seed=step) for step in range(20)]

    def losses() -> list[float]:
        method = make()
        optimizer = torch.optim.AdamW(method.parameters(), 1e-3)
        found = []
        for step, batch in enumerate(batches):
            torch.manual_seed(step)
            out = method(copy.deepcopy(batch))
            method.zero_grad()
            out["loss"].backward()
            optimizer.step()
            found.append(float(out["loss"].detach()))
        return found

    assert losses() == losses()


def test_three_modalities_train_alike_in_any_order() -> None:
    """Check 25: after steps, not only at the start."""

    def trained(names: tuple[str, ...]) -> dict[str, Tensor]:
        method = make(names)
        optimizer = torch.optim.SGD(method.parameters(), 0.01)
        for step in range(3):
            batch = reorder(make_batch(names=THREE, missing=0.2, seed=step), THREE, names)
            gradient_step(method, batch, optimizer)
        return method.state_dict()

    one, other = trained(THREE), trained(("gyr", "acc", "bvp"))
    assert all(torch.allclose(v, other[k], atol=1e-4) for k, v in one.items())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_embeddings_agree_between_devices() -> None:
    """Check 29."""
    method, batch = make().eval(), make_batch()
    here = {n: method.of(n)(batch[f"x.{n}"]) for n in NAMES}
    there = {n: method.of(n).cuda()(batch[f"x.{n}"].cuda()).cpu() for n in NAMES}
    assert all(torch.allclose(here[n], there[n], atol=1e-4) for n in NAMES)


def test_two_processes_with_gathered_rows_equal_one() -> None:
    """Ranks hold whole sequences; all terms but those of critics are of all rows."""
    method = make(THREE).train()
    batch = make_batch(16, THREE, missing=0.2, shards=2)
    whole = copy.deepcopy(method)
    alone = float(whole(copy.deepcopy(batch))["loss"].detach())
    seen: list[list[Tensor]] = [[], []]
    halves = []
    for i in range(2):
        half = {k: v[8 * i : 8 * i + 8] for k, v in batch.items() if isinstance(v, Tensor)}
        halves.append({**half, "generators": [batch["generators"][i]]})
    for i, half in enumerate(copy.deepcopy(halves)):
        method.gather = lambda z, i=i: (seen[i].append(z), z)[1]  # type: ignore[misc]
        method(half)
    losses = []
    for half in halves:
        calls = iter(zip(*seen, strict=True))
        method.gather = lambda z, calls=calls: torch.cat(next(calls))  # type: ignore[misc]
        losses.append(float(method(half)["loss"].detach()))
    assert losses == [pytest.approx(alone, rel=1e-4)] * 2
