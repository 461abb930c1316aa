"""What methods share that compare an anchor with candidates whose distances are known."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from kinelet.encoders.base import Encoder
from kinelet.encoders.stacked_rnn import warn_cancelled
from kinelet.errors import BadOptionError
from kinelet.functional.augment import AnyAugmentation, Compose, augmentations
from kinelet.functional.precision import full_precision
from kinelet.functional.ranking import similarities
from kinelet.methods.base import Batch, Feed, Method, MethodConfig, sharded
from kinelet.methods.heads import HeadNorm, projector
from kinelet.methods.relcon_pairs import Between, Kind, Which, candidate_index, pair_rows

Width = Annotated[int, Field(ge=1, le=65536)]


class PairDistance(Protocol):
    """What methods use of a :class:`~kinelet.distances.base.Distance`."""

    def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
        """Distances ``(P,)`` between rows ``anchor`` and ``candidate`` ``(P,)`` of ``x`` ``(M, channel, time)``."""
        ...


class CandidateConfig(MethodConfig):
    """Options of :class:`CandidateMethod`.

    Attributes:
        temperature: Of the loss.
        anchors: ``batch``: anchors with candidates beside them, as published; ``every``: each encoded window is an
            anchor, compared with the others of its group and one window of each other group.
        candidates: Windows of the anchor's own person.
        within: They are of the anchor's ``hour``, of any time of the ``subject``, or of both (``mixed``).
        which: Candidates of the own person, of other people, or ``both``.
        between: Others are ``all`` people of the batch, or those of the same ``part`` of a union.
        distinct_subjects: Spread anchors (or groups) over people.
        drop_short: Leave out windows with too few candidates instead of failing.
        projector: Widths of a projection head that is thrown away; ``None`` for none, as published.
        projector_norm: Norm between its layers.
        augmentations: Preset name, or list of augmentations, of every window that is encoded. The distance sees
            windows as they are.
        two_pass: Encode anchors and candidates in two calls, so that batch statistics are those of each alone, as
            published; otherwise in one.
        cache: Batches that are gone through again and again with their distances computed once, beforehand; 0 draws
            new ones at every step.
    """

    temperature: float = Field(default=0.1, gt=0, le=10)
    anchors: Kind = "batch"
    candidates: int = Field(default=20, ge=1, le=100_000)
    within: Literal["hour", "subject", "mixed"] = "hour"
    which: Which = "both"
    between: Between = "all"
    distinct_subjects: bool = True
    drop_short: bool = False
    projector: tuple[Width, ...] | None = Field(default=None, min_length=1, max_length=8)
    projector_norm: HeadNorm = "batch"
    augmentations: tuple[AnyAugmentation, ...] = ()
    two_pass: bool = False
    cache: int = Field(default=0, ge=0)

    @field_validator("augmentations", mode="before")
    @classmethod
    def _preset(cls, value: Any) -> Any:
        return augmentations(value) if isinstance(value, str) else value


class Compared(NamedTuple):
    """Anchors beside their candidates, all ``(rows, N)``.

    Attributes:
        cosine: Similarities of embeddings, with gradient.
        distance: Of windows; the own view, if there is one, is last and at minus infinity.
        mask: Which candidates count.
        inside: How many of the first columns are windows of the anchor's own person.
        embeddings: What the encoder said of the anchors, ``(rows, dim)``, detached.
    """

    cosine: Tensor
    distance: Tensor
    mask: Tensor
    inside: int
    embeddings: Tensor


class CandidateMethod(Method):
    """Base of methods that learn from the distances between an anchor and its candidates.

    The distance is frozen: it gets no gradient, is given windows as they are, and is never in training mode.
    """

    uses_distance: ClassVar[bool] = True
    config: CandidateConfig
    own_view = False

    def __init__(self, encoder: Encoder, config: CandidateConfig, distance: PairDistance) -> None:
        super().__init__(encoder, config)
        self.distance = distance
        if isinstance(distance, nn.Module):
            distance.requires_grad_(False).eval()
        warn_cancelled(config.augmentations, encoder)
        self.augment = Compose(config.augmentations)
        self.projector = projector(encoder.dim, config.projector, config.projector_norm) if config.projector else None

    @classmethod
    def feed(cls, config: CandidateConfig) -> Feed:
        """Windows of one person come together; none of them beside the anchors, if only others are compared."""
        every = config.anchors == "every"
        return Feed(
            candidates=config.candidates if every or config.which != "between" else 0,
            within=config.within,
            every=every,
            distinct=config.distinct_subjects,
            drop_short=config.drop_short,
            cache=config.cache,
        )

    def train(self, mode: bool = True) -> CandidateMethod:
        """Set the mode of everything but the distance."""
        super().train(mode)
        if isinstance(self.distance, nn.Module):
            self.distance.eval()
        return self

    def compare(self, batch: Batch) -> Compared:
        """Similarities and distances of each anchor's candidates.

        Raises:
            BadOptionError: if the batch lacks candidates, is not made of whole groups, or comes with distances of
                another number of candidates.
        """
        index, mask = self._candidates(batch)
        distance = self._distances(batch, index, mask)
        anchor, pool, embeddings = self._encode(batch)
        inside = 0 if self.config.which == "between" else self._size(batch) - (self.config.anchors == "every")
        if self.own_view:
            own = torch.arange(len(pool) - len(anchor), len(pool), device=index.device)
            index = torch.cat([index, own[:, None]], dim=1)
            mask = torch.nn.functional.pad(mask, (0, 1), value=True)
            distance = torch.nn.functional.pad(distance, (0, 1), value=-torch.inf)
        return Compared(similarities(anchor, pool, index), distance, mask, inside, embeddings)

    def distances(self, batch: Batch) -> Tensor:
        """Distances ``(rows, N)``, float32, of a batch's candidates: what may come back as ``batch["distance"]``."""
        index, mask = self._candidates(batch)
        found: Tensor = self._distances(batch, index, mask)
        return found

    def _size(self, batch: Batch) -> int:
        """Windows in a group, or beside an anchor."""
        if self.config.anchors == "every":
            return self.config.candidates + 1
        if self.config.which == "between":
            return 0
        if "candidates" not in batch:
            raise BadOptionError(
                "the batch has no candidates",
                where=type(self).__name__,
                remedy="Feed it from a sampler that draws them, or set which=between",
            )
        return batch["candidates"].shape[1]

    def _candidates(self, batch: Batch) -> tuple[Tensor, Tensor]:
        config = self.config
        return candidate_index(
            config.anchors,
            len(batch["x"]),
            self._size(batch),
            self._everybody(batch["subject"]),
            self._everybody(batch["part"]) if config.between == "part" else None,
            config.which,
            config.between,
            first=self.rank_offset,
        )

    def _everybody(self, codes: Tensor) -> Tensor:
        """Codes of the rows of all processes; gathered as numbers that hold them exactly."""
        return self.gather(codes.double()).long()

    # Compilers would trace a loop over chunks again and again; the networks around it are compiled.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    @torch.no_grad()
    def _distances(self, batch: Batch, index: Tensor, mask: Tensor) -> Tensor:
        """Distances ``(rows, N)``, float32, infinite where masked: those of the batch, or computed here."""
        if "distance" in batch:
            if batch["distance"].shape != index.shape:
                raise BadOptionError(
                    f"the batch has distances {tuple(batch['distance'].shape)}, its candidates are "
                    f"{tuple(index.shape)}",
                    where=type(self).__name__,
                )
            return batch["distance"].float()
        x = batch["x"]
        windows = self.gather(x.flatten(1)).reshape(-1, *x.shape[1:])
        if self.config.anchors == "batch" and self._size(batch):
            windows = torch.cat([windows, batch["candidates"].flatten(0, 1)])
        anchor, candidate = pair_rows(index, self.rank_offset)
        wanted = mask.flatten().nonzero()[:, 0]
        distance = torch.full((index.numel(),), torch.inf, device=x.device)
        with full_precision(x):
            distance[wanted] = self.distance.pairs(windows, anchor[wanted], candidate[wanted]).float()
        return distance.reshape(index.shape)

    def _encode(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings of the anchors, of all windows in the order of the index, and the encoder's of the anchors."""
        rows, generators = len(batch["x"]), batch["generators"]
        windows = [sharded(self.augment, batch["x"], generators)]
        if self.config.anchors == "batch" and self._size(batch):
            windows.append(sharded(self._augment_beside, batch["candidates"], generators))
        if self.own_view:
            windows.append(sharded(self.augment, batch["x"], generators))
        if self.config.two_pass and len(windows) > 1:
            passes = [self._embed(windows[0]), self._embed(torch.cat(windows[1:]))]
            h, z = (torch.cat(both) for both in zip(*passes, strict=True))
        else:
            h, z = self._embed(torch.cat(windows))
        return z[:rows], torch.cat([self.gather(z[:rows]), z[rows:]]), h[:rows].detach()

    def _augment_beside(self, candidates: Tensor, generator: torch.Generator) -> Tensor:
        return self.augment(candidates.flatten(0, 1), generator)

    def _embed(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        h = self.encoder(windows)
        return h, h if self.projector is None else self.projector(h)
