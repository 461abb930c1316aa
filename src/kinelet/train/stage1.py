"""What the pretraining before an alignment is told, so that both see the same windows and leave out the same people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kinelet.config import validate
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.moments import Moments
from kinelet.corpus.views import modality
from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.honesty import CARD_KEY
from kinelet.train.align_recipe import AlignConfig
from kinelet.train.recipe import PretrainConfig
from kinelet.train.recipes import recipe

Source = str | Path | Encoder | Corpus


def corpus_of(source: Source | None) -> Corpus | None:
    """The corpus that a source is, if it is one."""
    if isinstance(source, Corpus):
        return source
    if isinstance(source, str | Path) and (Path(source) / "corpus.json").is_file():
        return Corpus.open(source)
    return None


def steps_before(source: Source | None, config: AlignConfig) -> int:
    """Steps of pretraining that a source takes."""
    if corpus_of(source) is None:
        return 0
    return validate(PretrainConfig, _recipe(config), where="stage1").train.steps


def stage1_config(config: AlignConfig, name: str, corpus: Corpus, pairs: Moments) -> PretrainConfig:
    """What the pretraining of one modality on a corpus is told.

    Windows are those of the alignment. People whom the alignment holds out are held out here too, by whatever name
    this corpus has them; so are people of this corpus whom ``stage1.data.hold_out`` names.

    Raises:
        BadOptionError: if ``stage1.data`` asks for other windows than the alignment's, or an option makes no sense.
    """
    base = _recipe(config)
    given = validate(PretrainConfig, base, where="stage1").data.hold_out
    base["data"] |= _windows(config, name, corpus, pairs)
    known = _same_people(corpus, pairs, config.pairs.hold_out)
    base["data"]["hold_out"] = tuple(s for s in corpus.subjects if s in known or s in given)
    return validate(PretrainConfig, base, where="stage1")


def require_sources(unimodal: Mapping[str, Source], pairs: Moments, config: AlignConfig) -> None:
    """Raise unless sources are of modalities that there are, and ``stage1.data.hold_out`` names people of theirs.

    Raises:
        BadOptionError: naming what is not known.
    """
    if unknown := sorted(set(unimodal) - set(pairs.names)):
        raise BadOptionError(
            f"no modality {', '.join(unknown)} in the pairs",
            where="unimodal",
            remedy=f"There are: {', '.join(pairs.names)}",
        )
    corpora = [c for c in map(corpus_of, unimodal.values()) if c is not None]
    if not corpora:
        return
    people = {s for c in corpora for s in c.subjects}
    held = validate(PretrainConfig, _recipe(config), where="stage1").data.hold_out
    if absent := [s for s in held if s not in people]:
        raise BadOptionError(
            f"no corpus to pretrain on has {', '.join(absent)}",
            where="stage1.data.hold_out",
            remedy=f"People there: {', '.join(sorted(people)[:10])}",
        )


def require_unseen(card: Mapping[str, Any], name: str, pairs: Moments, hold_out: Sequence[str]) -> None:
    """Raise where an encoder was pretrained on people who are to be held out.

    Raises:
        BadOptionError: naming them.
    """
    seen = {str(entry) for entry in card.get(CARD_KEY, ())}
    known = [s for s in hold_out if seen & pairs.corpus.identities([s])]
    if known:
        raise BadOptionError(
            f"the encoder was pretrained on {', '.join(known)}, who are to be held out",
            where=f"unimodal {name}",
            remedy="Pretrain it without them (kinelet pretrain --hold-out), or hold out others",
        )


def view_texts(pairs: Moments) -> dict[str, str]:
    """The view of each modality as people write it."""
    return {m.name: str(m.view) for m in pairs.layout.modalities}


def _recipe(config: AlignConfig) -> dict[str, Any]:
    """The recipe of the method, and over it what the alignment tells."""
    base = recipe(None, method=config.stage1.get("method", "mae")).model_dump(mode="json")
    for key, value in config.stage1.items():
        base[key] = {**base[key], **value} if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return base


def _windows(config: AlignConfig, name: str, corpus: Corpus, pairs: Moments) -> dict[str, Any]:
    """Windows of a modality in the alignment, which whatever the user asked of pretraining must not contradict."""
    mine, rules = next(m for m in pairs.layout.modalities if m.name == name), pairs.layout.rules
    told = {
        "window_s": mine.view.window_s or rules.window_s,
        "modality": str(mine.view),
        "placement": rules.placement,
    }
    asked = dict(config.stage1.get("data", {}))
    if asked.get("modality") is not None:
        asked["modality"] = str(modality(corpus, asked["modality"]))
    for key, value in told.items():
        if asked.get(key, value) not in (value, None):
            raise BadOptionError(
                f"stage1.data.{key}={config.stage1['data'][key]}, but the alignment of {name} has {value}",
                where="stage1",
                remedy="Leave it out: pretraining sees the windows of the alignment",
            )
    return told


def _same_people(corpus: Corpus, pairs: Moments, people: Sequence[str]) -> set[str]:
    """Names that a corpus has for people of the pairs."""
    known = pairs.corpus.identities(people)
    return {s for s in corpus.subjects if known & corpus.identities([s])} if known else set()
