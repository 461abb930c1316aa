"""Judge aligned encoders: each modality alone, all together, and one looked for among the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from kinelet.config import FrozenModel, Listed, Names
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.info import require_track
from kinelet.corpus.moments import Moments, moments
from kinelet.corpus.splits import Split, kfold, leave_one_subject_out
from kinelet.corpus.views import View
from kinelet.deploy.multimodal import Multimodal, load_multimodal
from kinelet.errors import BadOptionError
from kinelet.evaluate.honesty import CARD_KEY, SeenSubjectError
from kinelet.evaluate.judge import plain_name, save_results
from kinelet.evaluate.modality_probe import ModalityProbe
from kinelet.evaluate.moment_features import Features, columns, embed_moments, task_of
from kinelet.evaluate.result import Result
from kinelet.evaluate.run import pool
from kinelet.evaluate.task import Task
from kinelet.progress import Progress, silent

PARTS = {"u": ("u",), "v": ("v",), "uv": ("u", "v"), "backbone": ("backbone",)}
MOST_SUBSETS = 4


class ModalitiesConfig(FrozenModel):
    """How aligned encoders are judged.

    Attributes:
        track: Annotations to predict, labels or values.
        parts: Parts of each modality that are judged: ``u``, ``v``, ``uv``, ``backbone``.
        width: Width that each modality's vectors are reduced to; every part that is compared gets the same.
        labels: Shares of the training people's labels; the parts are compared at all of them.
        head: ``linear``, or ``knn``.
        window_s: Length of a moment; ``None`` for the encoders' own.
        hop_s: Hop; ``None`` for moments that do not overlap.
        placement, tolerance_s, clock: See :func:`kinelet.corpus.moments.moments`.
        purity: Share of a moment that its label must cover.
        classes: Labels that count; ``None`` for all of the track.
        split: ``kfold``, ``loso``, or ``unseen``: learn from the people who were pretrained on, be judged on the
            others. ``auto`` is ``unseen`` for encoders that know somebody of the corpus, else ``kfold``.
        folds: Folds of ``kfold``.
        seed: Of folds and labels.
    """

    track: str = "activity"
    parts: Names = Field(default=tuple(PARTS), min_length=1)
    width: int = Field(default=128, ge=1)
    labels: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Listed] = Field(default=(1.0,), min_length=1)
    head: Literal["linear", "knn"] = "linear"
    window_s: float | None = Field(default=None, gt=0)
    hop_s: float | None = Field(default=None, gt=0)
    placement: Literal["grid", "stretch"] = "grid"
    tolerance_s: float = Field(default=0.05, ge=0)
    clock: Literal["auto", "recording"] = "auto"
    purity: float = Field(default=0.5, gt=0, le=1)
    classes: Names | None = None
    split: Literal["auto", "kfold", "loso", "unseen"] = "auto"
    folds: int = Field(default=5, ge=2)
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class Judged:
    """One row of the table.

    Attributes:
        modalities: Which are used.
        part: Which part of each.
        labels: Share of the labels.
        width: The common width.
        result: At the common width.
        raw: With all columns.
    """

    modalities: tuple[str, ...]
    part: str
    labels: float
    width: int
    result: Result
    raw: Result


def judge_modalities(
    run: str | Path, corpus: Corpus, config: ModalitiesConfig, *, progress: Progress = silent
) -> list[Judged]:
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
    folder = Path(run)
    model = load_multimodal(folder)
    _require_parts(config)
    judged = cut(corpus, model, config)
    task, keep = task_of(judged, target="classes" if judged.classes else "values", name=corpus.path.name)
    splits = choose_splits(model, task, config)
    features = embed_moments(model, judged.select(keep))
    return judge_features(features, model, folder, task, splits, config, progress)


def rows_of(run: str | Path, config: ModalitiesConfig) -> int:
    """Rows that will be judged."""
    return len(subsets(load_multimodal(run).names)) * len(config.parts) * len(config.labels)


def judge_features(
    features: Features,
    model: Multimodal,
    folder: Path,
    task: Task,
    splits: Sequence[Split],
    config: ModalitiesConfig,
    progress: Progress = silent,
) -> list[Judged]:
    """Judge vectors of a model; see :func:`judge_modalities`."""
    wanted = [
        (names, part, share) for share in config.labels for names in subsets(model.names) for part in config.parts
    ]
    width = min(config.width, *(features[n][p].shape[1] for n in model.names for p in _used(config)))
    method = str(model.card.get("method", "encoders"))
    out = []
    for done, (names, part, share) in enumerate(wanted):
        x, groups = columns(features, names, PARTS[part])
        results = []
        for w in (width, None):
            probe = ModalityProbe(groups=groups, width=w, head=config.head, share=share, seed=config.seed)
            title = f"{method}: {' + '.join(names)}, {part}" + ("" if share == 1 else f", {share:.0%} of labels")
            results.append(_judge(probe, task.with_x(x), splits, title))
        out.append(Judged(names, part, share, width, *results))
        progress(done + 1)
    place = folder / "evaluation" / plain_name(f"{task.name}-{config.track}-modality_probe")
    save_results(place, [j.result for j in out])
    save_results(place / "raw-width", [j.raw for j in out])
    return out


def _used(config: ModalitiesConfig) -> set[str]:
    return {p for part in config.parts for p in PARTS[part]}


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Subsets of modalities that are judged: each alone first, all together last."""
    sizes = range(1, len(names) + 1) if len(names) <= MOST_SUBSETS else (1, len(names))
    return [chosen for size in sizes for chosen in combinations(names, size)]


def cut(corpus: Corpus, model: Multimodal, config: ModalitiesConfig) -> Moments:
    """Moments with the modalities of a model, as the options say."""
    require_track(corpus, config.track)
    told: dict[str, Any] = model.card.get("modalities", {})
    views = {name: View.parse(told[name]) for name in model.names}
    length = config.window_s or model.of(model.names[0]).spec.window_s or 5.0
    return moments(
        corpus,
        views,
        length,
        config.hop_s,
        tolerance_s=config.tolerance_s,
        placement=config.placement,
        clock=config.clock,
        track=config.track,
        purity=config.purity,
        classes=config.classes,
    )


def choose_splits(model: Multimodal, task: Task, config: ModalitiesConfig) -> tuple[Split, ...]:
    """Splits of the people who have moments with a target; nobody who was pretrained on is judged.

    Raises:
        SeenSubjectError: if a split would judge somebody who was.
    """
    card = set(model.card.get(CARD_KEY, ()))
    known_as = dict(zip(task.subjects, task.identities, strict=True))
    known = [s for s in task.people if card & known_as[s]]
    new = [s for s in task.people if s not in known]
    if config.split == "unseen" or (config.split == "auto" and known):
        if not new or not known:
            raise SeenSubjectError(
                f"the encoders were pretrained on {'all' if known else 'none'} of the {len(task.people)} people",
                where=f"task {task.name!r}",
                remedy="Keep people out with --hold-out" if known else "Use --split kfold or loso",
            )
        return (Split(tuple(known), tuple(new), name="unseen"),)
    if known:
        raise SeenSubjectError(
            f"the encoders were pretrained on {len(known)} of the people to be judged: {', '.join(known[:5])}",
            where=f"task {task.name!r}",
            remedy="Leave --split out to judge the others, or keep people out with --hold-out",
        )
    if config.split == "loso":
        return leave_one_subject_out(task.people)
    return kfold(task.people, min(config.folds, len(task.people)), config.seed)


def _judge(probe: ModalityProbe, task: Task, splits: Sequence[Split], name: str) -> Result:
    folds = []
    for split in splits:
        train, x = task.take(task.rows(split.train)), task.x[task.rows(split.test)]
        folds.append(probe.predict(train, x, None, lambda _note: None))
    return pool(probe, task, folds, splits, name)


def _require_parts(config: ModalitiesConfig) -> None:
    unknown = sorted(set(config.parts) - set(PARTS))
    if unknown:
        raise BadOptionError(f"no part {', '.join(unknown)}", where="parts", remedy=f"There are: {', '.join(PARTS)}")
