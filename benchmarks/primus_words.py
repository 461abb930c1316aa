"""What an encoder that was aligned with sentences does without labels: naming windows, and search both ways."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from har_sets import Opened
from kinelet.encoders.base import Encoder
from kinelet.evaluate.result import Result
from kinelet.evaluate.retrieval import RetrievalConfig, retrieval_results
from kinelet.evaluate.retrieval_result import RetrievalResult
from kinelet.evaluate.run import evaluate
from kinelet.evaluate.zero_shot import ZeroShot
from kinelet.towers.phrases import sentences

#: Public set whose sentences name a corpus's classes.
SENTENCES = {"umafall_wrist": "umafall", "geotec_watch": "geotec"}


def named(encoder: Encoder, opened: Opened, fold: int, title: str) -> Result:
    """Windows of a fold's people named by the class sentence that lies nearest."""
    protocol = ZeroShot(sentences=sentences(SENTENCES.get(opened.entry.name, opened.entry.name)))
    return evaluate(protocol, encoder, opened.task, [opened.splits[fold]], name=title)


def searched(encoder: Encoder, opened: Opened, fold: int, title: str) -> list[RetrievalResult]:
    """Search among windows of a fold's people, each direction of each modality."""
    e = opened.entry
    windows = opened.corpus.windows(e.window_s, e.hop_s, placement=e.placement)
    return retrieval_results(encoder, windows.of(opened.splits[fold].test), RetrievalConfig(), name=title)


def mean_over_folds(parts: list[RetrievalResult]) -> RetrievalResult:
    """Mean of a direction over folds, whose replicates are means of one replicate of each fold.

    Folds with as many people were resampled with the same weights, and any replicate of one fold may meet any of
    another: each fold's are put in an order of its own, so that its people are drawn apart from those of other folds.
    The order is the same for every encoder and metric, so encoders can still be subtracted.
    """
    names = parts[0].values
    orders = [np.random.default_rng([i, 1]).permutation(len(part.replicates["mrr"])) for i, part in enumerate(parts)]
    return replace(
        parts[0],
        people=tuple(sorted(p for part in parts for p in part.people)),
        test="|".join(part.test for part in parts),
        queries=sum(part.queries for part in parts),
        gallery=round(float(np.mean([part.gallery for part in parts]))),
        values={k: float(np.mean([part.values[k] for part in parts])) for k in names},
        random={k: float(np.mean([part.random[k] for part in parts])) for k in parts[0].random},
        replicates={
            k: np.mean([part.replicates[k][order] for part, order in zip(parts, orders, strict=True)], axis=0)
            for k in names
        },
    )
