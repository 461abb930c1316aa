"""PRIMUS: a window is matched with an augmented copy, with what was said or seen then, and with its neighbour's."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from kinelet.encoders.base import Encoder
from kinelet.encoders.headed import HeadedEncoder
from kinelet.encoders.stacked_rnn import warn_cancelled
from kinelet.functional.augment import Compose
from kinelet.methods.base import Batch, Method, Modality, Output, Validation, sharded
from kinelet.methods.primus_pairs import Rows, gather_rows
from kinelet.methods.primus_plan import Imu2ClipConfig, PrimusConfig, SlipConfig, make_plan
from kinelet.methods.primus_terms import MOTION, Encoded, Term, direct_terms, neighbour_terms
from kinelet.methods.queue import NeighbourQueue
from kinelet.methods.temperature import Temperature

__all__ = ["Imu2ClipConfig", "Primus", "PrimusConfig", "SlipConfig"]


class Primus(Method):
    """Contrast windows with augmented copies, with frozen embeddings of paired modalities, and with neighbours'.

    The encoder gets a head for the unimodal terms and one for each space of embeddings. A row takes part in the terms
    for which it has something. Neighbours are looked up among earlier windows before a batch joins them.

    Args:
        encoder: The backbone.
        config: Configuration.
        modalities: What batches are paired with.

    Raises:
        BadOptionError: if configuration and modalities do not fit together.

    Source: Das et al. 2025, arXiv 2411.15127 (PRIMUS); without neighbours SLIP, Mu et al. 2021, arXiv 2112.12750, on
    motion; alignment alone IMU2CLIP, Moon et al. 2022, arXiv 2210.14395.
    """

    uses_pairs: ClassVar[bool] = True
    config: PrimusConfig
    encoder: HeadedEncoder

    def __init__(self, encoder: Encoder, config: PrimusConfig, modalities: tuple[Modality, ...] = ()) -> None:
        backbone = encoder.base if isinstance(encoder, HeadedEncoder) else encoder
        plan = make_plan(config, modalities, backbone.dim)
        super().__init__(HeadedEncoder.around(encoder, plan.heads, plan.output), config)
        self.plan, self.names = plan, [m.name for m in plan.used]
        warn_cancelled(config.augmentations, backbone)
        self.augment = Compose(config.augmentations)
        kinds = sorted({_kind(head) for head in plan.heads})
        learn = config.learn_temperature
        self.temperatures = nn.ModuleDict({kind: Temperature(config.temperature, learn=learn) for kind in kinds})
        widths = {m.name: m.dim for m in plan.used} | ({MOTION: backbone.dim} if "ss" in plan.heads else {})
        self.queue = NeighbourQueue(config.queue, widths) if plan.search is not None else None

    def facts(self) -> dict[str, Any]:
        """Which head is aligned with what, and the temperatures."""
        heads = self.plan.head_of
        aligned = {
            m.name: {"head": heads[m.name], "space": m.space, "dim": m.dim, "tower": m.tower, "probe": m.probe}
            for m in self.plan.used
            if m.name in heads
        }
        return {"alignment": aligned, "temperatures": {k: float(t().detach()) for k, t in self.temperatures.items()}}

    @classmethod
    def validation(cls, config: PrimusConfig) -> Validation | None:
        """The best weights are those that match windows of other people best, if people are to be set aside."""
        if not config.validate_people:
            return None
        return Validation(config.validate_people, config.validate_every, config.validate_windows)

    @torch.no_grad()
    def validate(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Loss of a batch by its direct terms; in evaluation mode the queue stays as it is.

        Neighbours' terms count only where there are no others: they are 0 as long as the queue holds nobody's, and
        grow while it fills, so that early weights would always be the best.
        """
        parts = self.forward({**batch, "generators": [generator]})["parts"]
        direct = [t for t in self.plan.weights if not t.startswith("nn_")]
        return torch.stack([self.plan.weights[t] * parts[f"loss_{t}"] for t in direct or self.plan.weights]).sum()

    def forward(self, batch: Batch) -> Output:
        """Loss of a batch.

        Parts: ``loss_TERM``, its value before weighting; ``rows_TERM``, rows of all processes that take part;
        ``accuracy_TERM`` of direct terms, the share of rows whose most similar key is a positive; ``tau_mm`` and
        ``tau_ss``; ``queue``, how many windows it holds.
        """
        encoded = self._encode(batch)
        rows = gather_rows(batch, self.names, self.gather, self.rank_offset)
        length_s = batch["x"].shape[-1] / self.encoder.spec.rate_hz
        direct = direct_terms(self.config, self.plan, rows, encoded, length_s)
        terms = dict(direct)
        if self.queue is not None:
            slot = self.gather(self._search(self.queue, rows, encoded).double()[:, None])[:, 0].long()
            terms |= neighbour_terms(self.config, self.plan, rows, self.queue, slot, length_s)
        taus = {kind: temperature() for kind, temperature in self.temperatures.items()}
        losses = {name: term.loss(encoded, taus[_kind(term.head)], rows.here) for name, term in terms.items()}
        loss = torch.stack([self.plan.weights[name] * value for name, value in losses.items()]).sum()
        parts = _parts(terms, losses) | {f"tau_{kind}": tau.detach() for kind, tau in taus.items()}
        parts |= {f"accuracy_{name}": term.accuracy(encoded, rows.here) for name, term in direct.items()}
        if self.queue is not None:
            self._enqueue(self.queue, rows, encoded)
            parts["queue"] = self.queue.fill.float()
        return {"loss": loss, "parts": parts, "embeddings": encoded.backbone.detach()}

    def _encode(self, batch: Batch) -> Encoded:
        """One pass of the backbone over windows and, where they are needed, augmented copies."""
        x, heads = batch["x"], self.encoder.heads
        copied = "ss" in self.plan.weights
        h = self.encoder.base(torch.cat([x, sharded(self.augment, x, batch["generators"])]) if copied else x)
        windows = h[: len(x)]
        own = {name: heads[name](windows) for name in self.plan.heads}
        joint = {name: self.gather(z) for name, z in own.items()}
        if not copied:
            return Encoded(windows, own, joint)
        view = heads["ss"](h[len(x) :])
        return Encoded(windows, own, joint, view, self.gather(view))

    @torch.no_grad()
    def _search(self, queue: NeighbourQueue, rows: Rows, encoded: Encoded) -> Tensor:
        """Slot of the neighbour of each of this process's rows ``(batch,)``, -1 for none."""
        here, least = rows.here, self.config.min_fill
        moment = rows.recording[here], rows.start_s[here], self.config.exclude_s
        slot = torch.full_like(rows.recording[here], -1)
        left = torch.ones_like(slot, dtype=torch.bool)
        for name in self.plan.search or ():
            mine = left & rows.has(name)[here]
            if bool(mine.any()):
                found = queue.search(name, rows.vectors[name][here], *moment, min_fill=least)
                slot = torch.where(mine, found, slot)
            left = left & ~mine
        motion = MOTION in queue.names and (
            not self.plan.search or "nn_ss" in self.plan.weights or self.config.borrow_targets
        )
        if motion and bool(left.any()):
            slot = torch.where(left, queue.search(MOTION, encoded.own["ss"], *moment, min_fill=least), slot)
        return slot

    def _enqueue(self, queue: NeighbourQueue, rows: Rows, encoded: Encoded) -> None:
        """Put the rows of all processes in, in the order of ranks; nothing happens in evaluation mode."""
        vectors = dict(rows.vectors)
        if MOTION in queue.names:
            vectors[MOTION] = encoded.joint["ss"].detach()
        queue.enqueue(vectors, {name: rows.has(name) for name in self.names}, rows.recording, rows.start_s)


def _kind(head: str) -> str:
    """Temperature of a head: one for alignment, one for the unimodal terms."""
    return "ss" if head == "ss" else "mm"


def _parts(terms: dict[str, Term], losses: dict[str, Tensor]) -> dict[str, Tensor]:
    parts = {f"loss_{name}": value.detach() for name, value in losses.items()}
    return parts | {f"rows_{name}": term.valid.sum().float() for name, term in terms.items()}
