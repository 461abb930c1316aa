"""The log ratios of an InfoMAE run: which critic looks at what, and what becomes of their logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from kinelet.functional.precision import unit
from kinelet.methods.critics import Argument, Critic, joint_and_apart, log_ratio, other_sequences
from kinelet.methods.infomae_codes import Chance, Codes
from kinelet.methods.infomae_plan import InfoMAEConfig


@dataclass(frozen=True)
class Ratio:
    """One log ratio.

    Attributes:
        term: Term that it counts in.
        arguments: What is compared, as kind and modality: ``x`` for the window, ``u`` and ``v``.
        share: Its factor within the term.
        matched: It is estimated by finding the one among the others of a batch, not by a critic.
    """

    term: str
    arguments: tuple[tuple[str, str], ...]
    share: float
    matched: bool = False

    @property
    def key(self) -> str:
        """Name of its own, such as ``cross-x_bvp-u_acc``; names of modalities hold no ``-``."""
        return "-".join([self.term, *(f"{kind}_{name}" for kind, name in self.arguments)])

    @property
    def modalities(self) -> list[str]:
        """Modalities that a row needs for it."""
        return sorted({name for _, name in self.arguments})


class Logits(NamedTuple):
    """Log ratios of the rows of a batch by one critic; rows that lack an argument are 0.

    Attributes:
        joint: Of what belongs together, for the critic: nothing flows into its arguments ``(batch,)``.
        product: Of what was drawn apart ``(batch,)``.
        estimate: Of what belongs together, for the encoders: nothing flows into the critic ``(batch,)``.
        apart: Of what was drawn apart, likewise; 0 unless the estimate needs it ``(batch,)``.
        valid: Rows that count ``(batch,)`` bool.
    """

    joint: Tensor
    product: Tensor
    estimate: Tensor
    apart: Tensor
    valid: Tensor


class Projected(NamedTuple):
    """Both sides of a matched ratio ``(batch, width)``: for the matcher, then the codes' side for the encoders."""

    u: Tensor
    x: Tensor
    u_estimate: Tensor
    x_estimate: Tensor
    valid: Tensor


class Matcher(nn.Module):
    """Brings a shared part and another modality's code to where they can be compared by cosine."""

    def __init__(self, width: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.of_u, self.of_x = _projection(width, hidden), _projection(dim, hidden)

    def forward(self, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Directions ``(batch, hidden)`` of codes ``(batch, dim)`` and shared parts ``(batch, width)``."""
        return unit(self.of_x(x)), unit(self.of_u(u))


def ratios_of(names: Sequence[str], config: InfoMAEConfig, terms: Mapping[str, float]) -> list[Ratio]:
    """Ratios that the terms need, in an order that does not depend on that of the names."""
    names, count = sorted(names), len(names)
    found = []
    for i in names:
        if config.own == "logistic":
            found.append(Ratio("own", (("x", i), ("u", i)), 1.0))
        found.append(Ratio("private", (("x", i), ("v", i)), 1.0))
        found.append(Ratio("overlap", (("v", i), ("u", i)), 1.0))
        matched = config.cross == "infonce"
        for j in names:
            if j != i:
                found.append(Ratio("cross", (("x", j), ("u", i)), 1 / (count - 1), matched))
    for i, j in combinations(names, 2):
        share = 2 / (count * (count - 1))
        found += [Ratio("joint", (("x", i), ("x", j), ("u", k)), share) for k in (i, j)]
    return [ratio for ratio in found if ratio.term in terms]


class Critics(nn.Module):
    """All critics of a run.

    Args:
        ratios: What they estimate.
        shapes: Sizes of ``x``, ``u`` and ``v`` of each modality.
        config: Configuration, with nothing left open.
        features: Width of each modality's code.
    """

    def __init__(
        self,
        ratios: Sequence[Ratio],
        shapes: Mapping[tuple[str, str], Argument],
        config: InfoMAEConfig,
        features: Mapping[str, int],
    ) -> None:
        super().__init__()
        self.ratios, self.smile, self.apart = tuple(ratios), config.cross == "smile", config.shared_apart
        told = config.critic
        self.nets = nn.ModuleDict()
        for ratio in ratios:
            if ratio.matched:
                (_, other), (_, own) = ratio.arguments
                width = shapes["u", own]
                assert isinstance(width, int)
                self.nets[ratio.key] = Matcher(width, features[other], told.width)
            else:
                self.nets[ratio.key] = Critic(
                    [shapes[a] for a in ratio.arguments],
                    width=told.width,
                    hidden=told.width,
                    depth=told.depth,
                    dropout=told.dropout or 0.0,
                    spectral_norm=told.spectral_norm,
                    bound=config.logit_bound,
                )

    def forward(
        self, codes: Mapping[str, Codes], sequence: Tensor, seeds: Sequence[int]
    ) -> tuple[dict[str, Logits], dict[str, Projected]]:
        """Logits of critics and directions of matchers, by key of the ratio.

        Args:
            codes: Of each modality.
            sequence: Number of the sequence of each row ``(batch,)``.
            seeds: One number a shard of the batch.
        """
        logits, projected = {}, {}
        looked = {name: _looked(code, len(seeds)) for name, code in codes.items()}
        for ratio in self.ratios:
            valid = torch.stack([codes[name].present for name in ratio.modalities]).all(dim=0)
            net = self.nets[ratio.key]
            if ratio.matched:
                projected[ratio.key] = _project(net, ratio, looked, valid)
            else:
                assert isinstance(net, Critic)
                chance = Chance(seeds, ratio.key, sequence.device)
                wanted = self.smile and ratio.term == "cross"
                inputs = _arguments(ratio, looked, self.apart and ratio.term == "overlap")
                logits[ratio.key] = _logits(net, inputs, sequence, chance, valid, wanted)
        return logits, projected


def _looked(code: Codes, shards: int) -> Codes:
    """Codes on a scale that critics learn from at once: every coordinate freed of mean and spread.

    Codes of a network differ by little around what they have in common. A linear map that can be undone leaves
    densities' ratios as they are; nothing flows into its numbers.
    """

    def scaled(z: Tensor) -> Tensor:
        parts = zip(z.chunk(shards), code.present.chunk(shards), strict=True)
        return torch.cat([_standardised(part, there) for part, there in parts])

    features = scaled(code.features)
    seen = features if code.seen is code.features else code.seen
    return code._replace(u=scaled(code.u), v=scaled(code.v), features=features, seen=seen)


def _standardised(z: Tensor, valid: Tensor) -> Tensor:
    rows = z.detach()[valid]
    if not len(rows):
        return z
    spread = rows.var(dim=0, unbiased=False).sqrt()
    return torch.where(valid[:, None], (z - rows.mean(dim=0)) / (spread + 1e-3 * spread.mean() + 1e-6), 0.0)


def _arguments(ratio: Ratio, codes: Mapping[str, Codes], still: bool) -> list[Tensor]:
    """What a critic compares; ``still``: nothing flows into shared parts."""
    fields = {"x": "seen", "u": "u", "v": "v"}
    found = [getattr(codes[name], fields[kind]) for kind, name in ratio.arguments]
    kinds = [kind for kind, _ in ratio.arguments]
    return [z.detach() if still and kind == "u" else z for kind, z in zip(kinds, found, strict=True)]


def _project(net: nn.Module, ratio: Ratio, codes: Mapping[str, Codes], valid: Tensor) -> Projected:
    (_, other), (_, own) = ratio.arguments
    x, u = codes[other].features, codes[own].u
    still = {name: value.detach() for name, value in net.named_parameters()}
    found_x, found_u = net(x, u.detach())
    kept_x, kept_u = functional_call(net, still, (x, u))
    return Projected(found_u, found_x, kept_u, kept_x, valid)


def _logits(
    critic: Critic, arguments: list[Tensor], sequence: Tensor, chance: Chance, valid: Tensor, apart: bool
) -> Logits:
    """Logits of all shards; a shard whose valid rows are of one sequence counts nowhere."""
    found = []
    parts = [sequence, valid, *arguments]
    for shard in zip(*(p.chunk(len(chance.generators)) for p in parts), chance.generators, strict=True):
        order, there, *inputs, generator = shard
        found.append(_shard(critic, inputs, order, generator, there, apart))
    return Logits(*(torch.cat(column) for column in zip(*found, strict=True)))


def _shard(
    critic: Critic, inputs: list[Tensor], sequence: Tensor, generator: torch.Generator, valid: Tensor, apart: bool
) -> Logits:
    zero = torch.zeros(len(valid), device=valid.device)
    state = generator.get_state()
    pair = joint_and_apart(critic, inputs, sequence, generator, valid=valid)
    if pair is None:
        # The gradient reaches what it would have reached, as 0.
        nothing = 0 * sum(p.sum() for p in critic.parameters()) + 0 * sum(x.sum() for x in inputs)
        return Logits(zero + nothing, zero, zero, zero, torch.zeros_like(valid))
    rows = valid.nonzero()[:, 0]

    def put(values: Tensor) -> Tensor:
        return zero.index_copy(0, rows, values.to(zero.dtype))

    here = [x[rows] for x in inputs]
    drawn = zero
    if apart:
        # The same rows as the critic's.
        generator.set_state(state)
        index = other_sequences(sequence[rows], generator, len(here) - 1) or []
        drawn = put(log_ratio(critic, here[0], *(x[i] for x, i in zip(here[1:], index, strict=True))))
    return Logits(put(pair[0]), put(pair[1]), put(log_ratio(critic, *here)), drawn, valid)


def _projection(size: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.LayerNorm(size), nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, hidden))
