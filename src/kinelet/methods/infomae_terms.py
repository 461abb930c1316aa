"""The terms of InfoMAE's loss, from what all processes' rows became; each is unweighted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from kinelet.functional.information import (
    critic_accuracy,
    density_ratio_bce,
    mean_valid,
    nce_information,
    only,
    smile_information,
)
from kinelet.functional.precision import full, full_precision
from kinelet.functional.sequences import instance_contrast, temporal_hinge
from kinelet.functional.shared_private import shared_distance
from kinelet.methods.infomae_codes import Codes
from kinelet.methods.infomae_plan import InfoMAEConfig
from kinelet.methods.infomae_ratios import Logits, Projected, Ratio

Gather = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Joined:
    """What the rows of all processes became, names and ratios in an order that does not depend on the run's.

    Attributes:
        codes: Of each modality; what critics look at stays with its process.
        sequence: Number of the sequence of each row ``(rows,)``.
        logits: Of critics, by key of the ratio.
        projected: Of matchers, by key of the ratio.
    """

    codes: Mapping[str, Codes]
    sequence: Tensor
    logits: Mapping[str, Logits]
    projected: Mapping[str, Projected]


def join(
    codes: Mapping[str, Codes],
    sequence: Tensor,
    logits: Mapping[str, Logits],
    projected: Mapping[str, Projected],
    gather: Gather,
) -> Joined:
    """Bring the rows of all processes together; alone there is nothing to bring."""
    mine: list[Tensor] = []
    for code in codes.values():
        mine += [code.present, code.u, code.v, *code.still]
        mine += [*(code.views or ()), *(() if code.errors is None else (code.errors,))]
    for found in (*logits.values(), *projected.values()):
        mine += found
    rows = iter(_gathered(mine, gather))
    everyone = {}
    for name, code in codes.items():
        present, u, v, still = next(rows), next(rows), next(rows), (next(rows), next(rows))
        views = None if code.views is None else (next(rows), next(rows))
        errors = None if code.errors is None else next(rows)
        everyone[name] = code._replace(present=present, u=u, v=v, still=still, views=views, errors=errors)
    return Joined(
        everyone,
        gather(sequence.double()[:, None])[:, 0].long(),
        {key: Logits(*(next(rows) for _ in found)) for key, found in logits.items()},
        {key: Projected(*(next(rows) for _ in found)) for key, found in projected.items()},
    )


def _gathered(mine: Sequence[Tensor], gather: Gather) -> list[Tensor]:
    """All tensors ``(batch, …)`` in one exchange, booleans as they were."""
    columns = [full(t).reshape(len(t), -1) for t in mine]
    joined = torch.split(gather(torch.cat(columns, dim=1)), [c.shape[1] for c in columns], dim=1)
    back = [part.reshape(-1, *t.shape[1:]) for part, t in zip(joined, mine, strict=True)]
    return [part > 0.5 if t.dtype == torch.bool else part for part, t in zip(back, mine, strict=True)]


def terms_of(
    joined: Joined, ratios: Sequence[Ratio], config: InfoMAEConfig, wanted: Mapping[str, float]
) -> dict[str, Tensor]:
    """Value of every term that is wanted, by name; see :func:`kinelet.methods.infomae_plan.coefficients`."""
    found: dict[str, Tensor] = {}
    codes = joined.codes.values()
    present = torch.stack([c.present for c in codes], dim=1)
    if "distance" in wanted:
        found["distance"] = _distance([c.u for c in codes], present, config.distance)
    for ratio in ratios:
        value = ratio.share * information(ratio, joined, config)
        found[ratio.term] = found[ratio.term] + value if ratio.term in found else value
    if "own" in wanted and config.own == "noise":
        # Of parts without noise: what is on them must not count as their own.
        found["own"] = _sum(channel_information(c.still[0], config.noise, c.present) for c in codes)
    if "rebuild" in wanted:
        found["rebuild"] = _sum(mean_valid(c.errors, c.present) for c in codes if c.errors is not None)
    if "contrast" in wanted:
        found["contrast"] = _sum(
            instance_contrast(*c.views, joined.sequence, config.tau, valid=c.present) for c in codes if c.views
        )
    if "temporal" in wanted:
        found["temporal"] = _sum(
            temporal_hinge(
                torch.cat([c.u.detach() if config.shared_apart else c.u, c.v], dim=1),
                joined.sequence,
                config.margin,
                valid=c.present,
            )
            for c in codes
        )
    return found


def _distance(u: list[Tensor], present: Tensor, kind: Literal["l2", "cosine", "standardised"]) -> Tensor:
    if kind != "standardised":
        return shared_distance(u, present, kind)
    return shared_distance([_standardised(z, there) for z, there in zip(u, present.T, strict=True)], present)


def _standardised(z: Tensor, valid: Tensor) -> Tensor:
    """Coordinates freed of mean and spread over the valid rows; the gradient sees both."""
    with full_precision(z):
        z = _centred(z, valid)
        variance = z.square().sum(dim=0) / valid.sum().clamp(min=1)
        return z / (variance + 1e-6).sqrt()


def _centred(z: Tensor, valid: Tensor) -> Tensor:
    """Rows without their mean; zeros in rows that are not valid."""
    z = only(z, valid)
    return torch.where(valid[:, None], z - z.sum(dim=0) / valid.sum().clamp(min=1), 0.0)


def information(ratio: Ratio, joined: Joined, config: InfoMAEConfig) -> Tensor:
    """Estimate in nats through which codes are trained, and no critic."""
    if ratio.matched:
        _, _, u, x, valid = joined.projected[ratio.key]
        return matched_information(u, x, valid, joined.sequence, config.score_tau)
    found = joined.logits[ratio.key]
    if ratio.term == "cross" and config.cross == "smile":
        return smile_information(found.estimate, found.apart, valid=found.valid)
    return mean_valid(found.estimate, found.valid)


def critics_loss(joined: Joined, ratios: Sequence[Ratio], config: InfoMAEConfig) -> Tensor:
    """Sum over critics of the loss that trains them, and them alone."""
    losses = []
    for ratio in ratios:
        if ratio.matched:
            u, x, _, _, valid = joined.projected[ratio.key]
            losses.append(-matched_information(u, x, valid, joined.sequence, config.score_tau))
        else:
            found = joined.logits[ratio.key]
            losses.append(density_ratio_bce(found.joint, found.product, valid=found.valid))
    return _sum(losses) if losses else torch.zeros((), device=joined.sequence.device)


def matched_information(u: Tensor, x: Tensor, valid: Tensor, sequence: Tensor, temperature: float) -> Tensor:
    """Mean over both directions of finding the other among rows of other sequences, in nats."""
    with full_precision(u):
        scores = u @ x.T / temperature
        apart = sequence[:, None] != sequence[None, :]
        both = [nce_information(s, valid=valid, beside=apart) for s in (scores, scores.T)]
        return torch.stack(both).mean()


def channel_information(u: Tensor, noise: float, valid: Tensor) -> Tensor:
    """Upper bound of what codes tell once Gaussian noise is on them: ``ln det(1 + cov / noise^2) / 2``, in nats.

    A Gaussian has the most entropy of all distributions with a given covariance, here that of the rows that count.

    Args:
        u: Codes without the noise ``(rows, dim)``.
        noise: Standard deviation of the noise.
        valid: Rows that count.

    Source: Cover and Thomas 2006, Elements of Information Theory, section 9.4 (parallel Gaussian channels).
    """
    with full_precision(u):
        z, count = _centred(u, valid), valid.sum().clamp(min=1)
        # The smaller of the two Gram matrices has the same determinant.
        gram = (z @ z.T if len(z) < z.shape[1] else z.T @ z) / (count * noise**2)
        root = torch.linalg.cholesky(gram + torch.eye(len(gram), device=u.device))
        total: Tensor = root.diagonal().log().sum()
        return total


@torch.no_grad()
def accuracies(joined: Joined, ratios: Sequence[Ratio]) -> dict[str, Tensor]:
    """How well each critic tells pairs from what was drawn apart, 0.5 being chance.

    For matchers: share of rows whose other side is the nearest of those of other sequences. 0.5 is put
    down where nothing can be told apart, all rows being of one sequence.
    """
    found = {}
    for ratio in ratios:
        if ratio.matched:
            u, x, _, _, valid = joined.projected[ratio.key]
            apart = (joined.sequence[:, None] != joined.sequence[None, :]) & valid[None, :]
            scores = u @ x.T
            best = scores.masked_fill(~apart, -torch.inf).max(dim=1).values
            counts = valid & apart.any(dim=1)
            found[ratio.key] = _or_chance(mean_valid((scores.diagonal() > best).float(), counts), counts)
        else:
            logits = joined.logits[ratio.key]
            right = critic_accuracy(logits.joint, logits.product, valid=logits.valid)
            found[ratio.key] = _or_chance(right, logits.valid)
    return {f"accuracy_{key}": value for key, value in found.items()}


def _or_chance(accuracy: Tensor, counts: Tensor) -> Tensor:
    return torch.where(counts.any(), accuracy, 0.5)


@torch.no_grad()
def watched(joined: Joined) -> dict[str, Tensor]:
    """Signs of collapse of both parts of each modality, without noise.

    ``rank_PART_NAME``: in how many directions rows differ, 1 where they do not; ``spread_PART_NAME``: by how much,
    standard deviation of a coordinate, at most about 1. Where the spread is not above the noise, nothing is told.
    """
    found = {}
    for name, code in joined.codes.items():
        for part, z in zip("uv", code.still, strict=True):
            found[f"rank_{part}_{name}"] = effective_rank(z, code.present)
            square = _centred(z, code.present).square().sum(dim=0) / code.present.sum().clamp(min=1)
            found[f"spread_{part}_{name}"] = square.mean().sqrt()
    return found


def effective_rank(z: Tensor, valid: Tensor) -> Tensor:
    """Exponential of the entropy of the shares of singular values of centred rows; 1 where they do not differ.

    Source: Roy and Vetterli 2007, The effective rank, EUSIPCO.
    """
    with full_precision(z):
        z = _centred(z, valid)
        # Of the Gram matrix, which is much faster than those of the rows.
        gram = z @ z.T if len(z) < z.shape[1] else z.T @ z
        singular = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
        share = singular / singular.sum().clamp(min=1e-12)
        return torch.exp(-torch.xlogy(share, share).sum())


def _sum(values: object) -> Tensor:
    return torch.stack(list(values)).sum()  # type: ignore[call-overload]
