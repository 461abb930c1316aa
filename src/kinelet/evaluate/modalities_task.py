"""What aligned encoders are judged on: moments of a corpus, and people who are learned from or judged."""

from __future__ import annotations

from typing import Any

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.info import require_track
from kinelet.corpus.moments import Moments, moments
from kinelet.corpus.splits import Split, kfold, leave_one_subject_out
from kinelet.corpus.views import View
from kinelet.deploy.multimodal import Multimodal
from kinelet.evaluate.honesty import CARD_KEY, SeenSubjectError
from kinelet.evaluate.modalities_config import ModalitiesConfig
from kinelet.evaluate.task import Task


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
