"""Judge aligned encoders: each modality alone, all together, and one looked for among the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kinelet.config import validate
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.moments import Moments
from kinelet.corpus.splits import Split
from kinelet.deploy.multimodal import Multimodal, load_multimodal
from kinelet.encoders.base import Encoder
from kinelet.evaluate.cross_modal import carry_over, look_up
from kinelet.evaluate.modalities_config import PARTS, ModalitiesConfig, Row, rows_of
from kinelet.evaluate.modalities_found import Found, Judged
from kinelet.evaluate.modalities_task import choose_splits, cut
from kinelet.evaluate.modality_probe import Group, ModalityProbe
from kinelet.evaluate.moment_features import Features, columns, embed_moments, task_of
from kinelet.evaluate.multimodal_fine_tune import MomentEncoder, MultimodalFineTune, pack, untrained
from kinelet.evaluate.protocol import Protocol
from kinelet.evaluate.result import Result
from kinelet.evaluate.retrieval_result import RetrievalResult
from kinelet.evaluate.run import pool
from kinelet.evaluate.task import FloatArray, Task
from kinelet.progress import Progress, silent


def judge_modalities(
    run: str | Path, corpus: Corpus, config: ModalitiesConfig, *, progress: Progress = silent
) -> Found:
    """Judge every subset of modalities (more than four: each alone and all), by each part; results are kept.

    Nobody is judged who was pretrained on or aligned with. Moments that lack a modality are judged too, its vectors
    filled with their training mean.

    Args:
        run: Run directory of ``kinelet align``.
        corpus: Corpus with labels or values.
        config: How.
        progress: Told how many rows are done.

    Raises:
        SeenSubjectError: if everybody was in pretraining, or a split would judge somebody who was.
        BadOptionError: if corpus, run and options do not fit together.
    """
    model = load_multimodal(run)
    _tuning(config, 1.0, False)  # a mistake in its options is told before anything is judged
    all_moments = cut(corpus, model, config)
    task, keep = task_of(all_moments, target="classes" if all_moments.classes else "values", name=corpus.path.name)
    splits = choose_splits(model, task, config)
    judge = _Judge(model, all_moments.select(keep), task, splits, config)
    rows = []
    for done, row in enumerate(rows_of(model.names, config)):
        progress(done, row.learner)
        rows.append(judge.row(row))
    searches, transfers = [], []
    if config.cross_modal and len(model.names) > 1:
        progress(len(rows), "across modalities")
        searches, transfers = _search(model, all_moments, splits, judge.name), judge.transfers()
    progress(len(rows))
    found = Found(rows, searches, transfers)
    found.save(Path(run))
    return found


def _search(model: Multimodal, given: Moments, splits: Sequence[Split], name: str) -> list[RetrievalResult]:
    """Look up complete moments of the people who are judged, with a target or without."""
    judged = given.complete().of([s for split in splits for s in split.test])
    if not len(judged):
        return []
    shared = {n: parts["u"] for n, parts in embed_moments(model, judged).items()}
    return look_up(shared, judged.subject.astype(np.int64), judged.subjects, name=name, task=given.corpus.path.name)


class _Judge:
    """Judges rows on one task; vectors are made once."""

    def __init__(
        self, model: Multimodal, judged: Moments, task: Task, splits: Sequence[Split], config: ModalitiesConfig
    ) -> None:
        self.model, self.moments, self.task, self.splits, self.config = model, judged, task, splits, config
        self.name = str(model.card.get("method", "encoders"))
        self.features: Features = embed_moments(model, judged)
        used = {p for part in config.parts for p in PARTS[part]}
        self.width = min(config.width, *(self.features[n][p].shape[1] for n in model.names for p in used))
        self._cache: dict[str, Any] = {}

    def row(self, row: Row) -> Judged:
        """Judge one row."""
        if row.learner in ("fine_tune", "scratch"):
            return self._trained(row)
        features = self.features if row.learner == "probe" else self._once("random", self._random)
        x, groups = columns(features, row.modalities, PARTS[row.part])
        task = self.task.with_x(x)
        equal, raw = (
            self._pooled(self.probe(groups, width, row.labels), task, None, row) for width in (self.width, None)
        )
        return Judged(row, self.width, equal, raw)

    def probe(self, groups: tuple[Group, ...], width: int | None, share: float) -> ModalityProbe:
        """The probe of this configuration."""
        return ModalityProbe(groups=groups, width=width, head=self.config.head, share=share, seed=self.config.seed)

    def transfers(self) -> list[Result]:
        """Probes carried across modalities, on all labels."""
        shared = {name: parts["u"] for name, parts in self.features.items()}
        columns = next(iter(shared.values())).shape[1]
        groups = (Group(name="u", columns=columns),)
        probe = self.probe(groups, min(self.config.width, columns), 1.0)
        return carry_over(shared, self.task, self.splits, probe, self.name)

    def _trained(self, row: Row) -> Judged:
        protocol = _tuning(self.config, row.labels, row.learner == "scratch")
        encoder = MomentEncoder(self.model, self.moments.specs)
        windows: FloatArray = self._once("windows", lambda: pack(self.moments, self.model.names))
        result = self._pooled(protocol, self.task.with_x(windows), encoder, row)
        return Judged(row, encoder.dim // len(self.model.names), result, None)

    def _random(self) -> Features:
        return embed_moments(untrained(self.model, self.config.seed), self.moments)

    def _once(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def _pooled(self, protocol: Protocol, task: Task, encoder: Encoder | None, row: Row) -> Result:
        folds = []
        for split in self.splits:
            train, x = task.take(task.rows(split.train)), task.x[task.rows(split.test)]
            folds.append(protocol.predict(train, x, encoder, lambda _note: None))
        result = pool(protocol, task, folds, self.splits, self._title(row))
        return replace(result, options={**result.options, **self._facts(row)})

    def _facts(self, row: Row) -> Mapping[str, Any]:
        """What reports of kept results go by."""
        told = {"learner": row.learner, "modalities": list(row.modalities), "part": row.part, "labels": row.labels}
        return {**told, "track": self.config.track}

    def _title(self, row: Row) -> str:
        who = {"probe": self.name, "random": "random", "fine_tune": f"{self.name}, fine-tuned", "scratch": "scratch"}
        share = "" if row.labels == 1 else f", {row.labels:.0%} of labels"
        return f"{who[row.learner]}: {' + '.join(row.modalities)}, {row.part}{share}"


def _tuning(config: ModalitiesConfig, share: float, scratch: bool) -> MultimodalFineTune:
    told = {"seed": config.seed, **config.fine_tuning, "share": share, "scratch": scratch}
    return validate(MultimodalFineTune, told, where="fine_tuning")
