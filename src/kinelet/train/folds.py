"""One encoder for each split, made from its training people alone: what an honest estimate for everybody needs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from kinelet.corpus.splits import Split
from kinelet.corpus.windows import Windows
from kinelet.encoders.base import Encoder
from kinelet.progress import Progress, silent
from kinelet.train.pretrain import PretrainConfig, pretrain_windows, steps_of


def fold_pretrainer(
    views: Sequence[Windows], out: str | Path, config: PretrainConfig, *, progress: Progress = silent
) -> Callable[[Split], Encoder]:
    """Return a function from a split to an encoder pretrained on its training people.

    Each split gets a run directory of its own under ``out``; one that is finished is loaded, one that was interrupted
    goes on.

    Args:
        views: Windows to train on. Of each, only the split's training people are used.
        out: Folder of the run directories.
        config: What to do, the same for every split.
        progress: Told after every step, counted over all splits.
    """
    started: list[str] = []

    def pretrain(split: Split) -> Encoder:
        name = _name(split)
        if name not in started:
            started.append(name)
        before = started.index(name) * steps_of(config)
        chosen = [view.of([s for s in view.subjects if s in split.train]) for view in views]
        return pretrain_windows(
            [view for view in chosen if len(view)],
            Path(out) / name,
            config,
            resume=True,
            progress=lambda done, note="": progress(before + done, note),
        )

    return pretrain


def _name(split: Split) -> str:
    digest = hashlib.sha256("\n".join(sorted(split.test)).encode()).hexdigest()[:10]
    return f"without-{digest}"
