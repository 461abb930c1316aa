"""What every method is: a module from a batch to a loss, ignorant of devices, loops and files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NotRequired, TypedDict

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from kinelet.encoders.base import Encoder


class MethodConfig(BaseModel):
    """Base of all method configurations: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Batch(TypedDict):
    """What a sampler hands to a method.

    Keys:
        x: Windows ``(batch, channel, time)``, float32, in the corpus's spec.
        subject, recording, part: Codes ``(batch,)``, int64; ``part`` is the data set, or part of a union.
        time_s: Start of each window in seconds on its recording's clock, ``(batch,)``, float64.
        candidates: ``(batch, K, channel, time)`` further windows of each anchor, if the sampler draws them.
        distance: ``(batch, N)`` distances of each row's candidates that were computed beforehand, float32.
        generators: One generator per shard of the batch (equal consecutive parts of its rows); a method draws the
            randomness of shard ``i`` from generator ``i`` alone, so that two processes with one shard each do what
            one process with two shards does.
    """

    x: Tensor
    subject: Tensor
    recording: Tensor
    part: Tensor
    time_s: Tensor
    generators: Sequence[torch.Generator]
    candidates: NotRequired[Tensor]
    distance: NotRequired[Tensor]


@dataclass(frozen=True)
class Modality:
    """Something paired with motion, as the vectors of a frozen tower.

    A batch of a run that has it holds ``vectors.NAME`` ``(batch, dim)`` float32 of length 1 (zero where a window has
    none), ``item.NAME`` int64 ``(batch,)``, the item that each row's vector stands for, -1 where there is none, and
    ``items.NAME`` int64 ``(batch, K)``, all items of the window, filled up with -1. Items are numbered over all corpora
    of the run. ``moment.recording`` int64 ``(batch,)`` numbers recordings over all corpora.

    Attributes:
        name: What the user calls it, such as ``text`` or ``video``.
        dim: Width of its vectors.
        space: Vectors of modalities that share it can be compared.
        pool: A window with several items gives one of them, ``draw``n anew each time, or their ``mean``.
        tower: What made the vectors.
        probe: Digest of what the tower makes of a few fixed items, where it can be asked.
    """

    name: str
    dim: int
    space: str
    pool: Literal["draw", "mean"] = "draw"
    tower: str = ""
    probe: str = ""


@dataclass(frozen=True)
class Feed:
    """How the batches of a method that compares windows of one person are drawn.

    Attributes:
        candidates: Windows of the anchor's own person that each anchor is compared with.
        within: They are of the anchor's ``hour``, of any time of the ``subject``, or of both (``mixed``).
        every: Every window is an anchor: rows are groups of ``candidates + 1`` windows of one person each. Otherwise
            rows are anchors and candidates come beside them.
        distinct: Spread anchors (or groups) over people.
        drop_short: Leave out windows with too few candidates instead of failing.
        cache: Batches that are gone through again and again, their distances computed once; 0 for new ones always.
    """

    candidates: int
    within: Literal["hour", "subject", "mixed"] = "hour"
    every: bool = False
    distinct: bool = True
    drop_short: bool = False
    cache: int = 0


@dataclass(frozen=True)
class Rate:
    """How some of a method's parameters are trained, where that is not as the others are.

    Attributes:
        scale: Their learning rate, as a multiple of the loop's.
        betas: Decay of the moments of Adam; ``None`` for the usual ones.
        weight_decay: ``None`` for the loop's.
        apart: Their gradients are clipped by their own norm, not together with the others.
    """

    scale: float = 1.0
    betas: tuple[float, float] | None = None
    weight_decay: float | None = None
    apart: bool = False


@dataclass(frozen=True)
class Validation:
    """How the best weights of a run are chosen: by a score on windows of people set aside.

    Attributes:
        people: Share of the people who are set aside, at least one.
        every: Steps between scores.
        windows: Their windows that are scored, spread evenly.
    """

    people: float = 0.2
    every: int = 50
    windows: int = 256


class Output(TypedDict):
    """What a method returns.

    Keys:
        loss: Scalar with gradient.
        parts: Named scalars for the log, detached.
        embeddings: ``(batch, dim)`` detached encoder outputs for collapse indicators, if at hand.
    """

    loss: Tensor
    parts: dict[str, Tensor]
    embeddings: NotRequired[Tensor]


class Method(nn.Module):
    """Base of all methods.

    ``gather`` maps ``(local batch, dim)`` to ``(global batch, dim)`` with gradients, rank after rank, and
    ``rank_offset`` is this process's first row in the gathered batch; the loop sets both under DDP, and alone they
    are the identity and 0.

    Attributes:
        encoder: The network that is kept.
        config: Typed configuration.
        uses_distance: Whether the constructor takes a distance between windows as third argument.
        uses_pairs: Whether it takes a tuple of :class:`Modality` as third argument, and batches hold their vectors.
    """

    uses_distance: ClassVar[bool] = False
    uses_pairs: ClassVar[bool] = False

    def __init__(self, encoder: Encoder, config: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = config
        self.gather: Callable[[Tensor], Tensor] = lambda z: z
        self.rank_offset: int = 0

    @classmethod
    def feed(cls, config: Any) -> Feed | None:
        """How batches are drawn; ``None``: any windows, each alike."""
        return None

    @classmethod
    def validation(cls, config: Any) -> Validation | None:
        """How the best weights are chosen; ``None``: the last are kept."""
        return None

    def facts(self) -> dict[str, Any]:
        """Facts for the card of what is kept, in plain data."""
        return {}

    def rates(self) -> Mapping[str, Rate]:
        """How parameters whose names begin with a prefix are trained; the first prefix that fits counts."""
        return {}

    def keep(self, folder: Path) -> None:
        """Write what is to be kept beside the encoder, into the folder that holds it."""

    def diagnose(self, batch: Any, generator: torch.Generator) -> dict[str, float]:
        """Numbers for the log, on a batch that is not trained on; in evaluation mode, without gradients."""
        return {}

    def validate(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Score a batch, the lower the better; all randomness is from ``generator``. In evaluation mode."""
        raise TypeError(f"{type(self).__name__} does not define validate")

    def forward(self, batch: Batch) -> Output:
        """Compute the loss of a batch."""
        raise TypeError(f"{type(self).__name__} does not define forward")


# Compilers cannot trace generators: random steps run as they are, and networks after them are compiled.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def sharded(
    function: Callable[[Tensor, torch.Generator], Tensor], x: Tensor, generators: Sequence[torch.Generator]
) -> Tensor:
    """Apply a random ``function`` to each shard of ``x`` with that shard's own generator."""
    shards = x.chunk(len(generators))
    return torch.cat([function(part, g) for part, g in zip(shards, generators, strict=True)])
