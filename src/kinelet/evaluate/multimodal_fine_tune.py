"""Fine-tuning of encoders of several modalities together, and the same network from fresh weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from kinelet.corpus.moments import Moments
from kinelet.deploy.multimodal import Multimodal
from kinelet.encoders.base import Encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError
from kinelet.evaluate.baselines import fresh_like
from kinelet.evaluate.fine_tune import FineTune, make_trainer
from kinelet.evaluate.folds import hold_out_people
from kinelet.evaluate.modality_probe import labelled_rows
from kinelet.evaluate.protocol import Predictions, Say, one_draw
from kinelet.evaluate.task import FloatArray, Task
from kinelet.signal.spec import SignalSpec


def untrained(model: Multimodal, seed: int = 0) -> Multimodal:
    """Encoders of the same shape with fresh weights; what was fitted to the input is taken over."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = {name: cast(SharedPrivate, fresh_like(model.of(name))(model.of(name).spec)) for name in model.names}
    return Multimodal(made).eval()


def pack(moments: Moments, names: tuple[str, ...]) -> FloatArray:
    """Windows of all modalities of each moment as one row, and at its end which are there, ``(moment, column)``."""
    windows = moments.gather(np.arange(len(moments)))
    there = moments.present[:, [moments.names.index(name) for name in names]]
    flat = [windows[name].reshape(len(moments), -1) for name in names]
    out: FloatArray = np.concatenate([*flat, there.astype(np.float32)], axis=1, dtype=np.float32)
    return out


class MomentEncoder(Encoder):
    """The encoders of a model as one network on rows of :func:`pack`: ``[U, V]`` of each modality, zero where absent.

    Args:
        model: The encoders.
        specs: Signals of the moments that were packed, by modality; windows are as long as these say, which need not
            be what the encoders were trained on.

    Attributes:
        model: The encoders themselves, not a copy.
    """

    def __init__(self, model: Multimodal, specs: Mapping[str, SignalSpec]) -> None:
        encoders = [model.of(name) for name in model.names]
        super().__init__(encoders[0].spec, sum(2 * e.width for e in encoders), {})
        self.model, self.specs = model, {name: specs[name] for name in model.names}
        self.channels = [len(spec.channels) for spec in self.specs.values()]
        self.samples = [int(spec.window_samples or 0) for spec in self.specs.values()]

    def forward(self, x: Tensor) -> Tensor:
        """Encode rows ``(moment, column)`` into ``(moment, dim)``."""
        sizes = [c * t for c, t in zip(self.channels, self.samples, strict=True)]
        *windows, present = torch.split(x, [*sizes, len(sizes)], dim=1)
        parts = []
        for i, name in enumerate(self.model.names):
            encoder = self.model.of(name)
            rows = (present[:, i] > 0).nonzero()[:, 0]
            out = x.new_zeros(len(x), 2 * encoder.width)
            if len(rows):
                there = windows[i][rows].reshape(-1, self.channels[i], self.samples[i])
                code = encoder.part(encoder.base(there), "uv")
                out = out.to(code.dtype).index_copy(0, rows, code)
            parts.append(out)
        return torch.cat(parts, dim=1)


class MultimodalFineTune(FineTune):
    """Train the encoders of all modalities and a linear head on their ``[U, V]`` side by side, on the labels.

    Stopped by training people held out for it; with labels of one person only, after all epochs. Each split trains a
    copy of the encoders.

    Attributes:
        scratch: Begin from fresh weights (the input's normalisation is kept): the supervised baseline.
        share: Share of the training moments of each class that is labelled.
    """

    name: ClassVar[str] = "modality_fine_tune"

    scratch: bool = False
    share: float = Field(default=1.0, gt=0, le=1)

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Train on rows ``(n, column)`` of :func:`pack`, predict ``(m, column)``; returns ``(1, m)``."""
        if not isinstance(encoder, MomentEncoder):
            raise BadOptionError("fine-tuning needs encoders of several modalities", where=self.name)
        start = MomentEncoder(untrained(encoder.model, self.seed), encoder.specs) if self.scratch else encoder
        few = train.take(labelled_rows(train, self.share, self.seed))
        lonely = len(np.unique(few.subject)) < 2
        fit, held_out = (few, None) if lonely else hold_out_people(few, self.held_out, self.seed)
        trainer = make_trainer(self, start, fit)
        trainer.run(fit, held_out, say)
        return one_draw(trainer.predict(x))

    def notes(self, train: Task) -> tuple[str, ...]:
        """A remark where nobody could be held out."""
        few = train.take(labelled_rows(train, self.share, self.seed))
        lonely = len(np.unique(few.subject)) < 2
        return ("labels of one person: fine-tuning was not stopped early",) if lonely else ()
