"""From encoders of one modality each and a few pairs to encoders that are aligned: what ``kinelet align`` does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from kinelet.config import dump_yaml, validate
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.moments import Moments, moments
from kinelet.corpus.views import modality
from kinelet.deploy.multimodal import Multimodal, require_names
from kinelet.errors import BadOptionError
from kinelet.methods.multimodal import MultimodalMethod
from kinelet.methods.registry import get_method, method_info
from kinelet.progress import Progress, silent
from kinelet.train import distributed
from kinelet.train.align_recipe import AlignConfig
from kinelet.train.aligning import Alignment
from kinelet.train.pretrain import require_people
from kinelet.train.run import require_free
from kinelet.train.stage1 import Source, corpus_of, require_sources, steps_before
from kinelet.train.unimodal import Start, pretrained, start_of


def align(
    pairs: Corpus | Moments,
    out: str | Path,
    config: AlignConfig,
    *,
    unimodal: Mapping[str, Source] | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> Multimodal:
    """Align encoders on pairs and write a run directory.

    Args:
        pairs: Corpus in which several modalities were recorded at once; few such moments are enough. Or moments of it
            that were chosen by the caller; ``config.pairs`` then says nothing of what they are, but for whom is held
            out, of whom there may be none.
        out: Run directory.
        config: What to do.
        unimodal: By name of modality, what its encoder is or is made from: the run directory of ``kinelet pretrain``,
            an encoder (a copy of it is trained), or an (abundant) corpus to pretrain one on by ``mae``, in
            ``out/unimodal/NAME``. Modalities that are not named begin with fresh weights.
        resume: Go on from the checkpoint in ``out``.
        progress: Told after every step, of pretraining too.

    Returns:
        The encoders, in evaluation mode.

    Raises:
        BadOptionError: if ``out`` holds another run, there are no pairs, sources do not fit them or have seen people
            who are to be held out. Nothing is written then, and nothing pretrained.
    """
    out, unimodal = Path(out), dict(unimodal or {})
    kind, options = _method_of(config.method)
    method_config = validate(options, config.method_options, where=f"method {config.method}")
    given = isinstance(pairs, Moments)
    chosen = _without_held_out(pairs, config) if isinstance(pairs, Moments) else training_pairs(pairs, config)
    fresh = frozenset(name for name in chosen.names if unimodal.get(name) is None)
    method_config = kind.settle(method_config, len(chosen), fresh=fresh)
    require_names(chosen.names, where="modalities")
    require_sources(unimodal, chosen, config)
    world = distributed.join(config.train.device)
    resolved = config.model_copy(update={"method_options": method_config.model_dump(mode="json")})
    run = Alignment(chosen, out, resolved, world, kind, unimodal, given)
    run.require_free(resume)
    fitted = kind.kind == "fitted"
    starts = {name: start_of(name, unimodal.get(name), chosen, config, fitted=fitted) for name in chosen.names}
    run.rehearse(starts, method_config)
    distributed.barrier(world)  # nobody may find what another process has written already
    before = _pretrain(starts, run, config, progress)
    mark = run.fingerprint(starts)
    require_free(out, mark, resume)
    method = run.method(starts, method_config)
    distributed.barrier(world)
    out.mkdir(parents=True, exist_ok=True)
    if world.main:
        dump_yaml(resolved, out / "config.yaml")
    run.run(method, mark, partial(_after, progress, before))
    return run.save(method, starts)


def _pretrain(starts: dict[str, Start], run: Alignment, config: AlignConfig, progress: Progress) -> int:
    """Pretrain encoders that come as corpora, in place of those of their shape; returns the steps that it took."""
    before, fitted = 0, run.kind.kind == "fitted"
    for name in starts:
        source = run.unimodal.get(name)
        corpus = corpus_of(source)
        if corpus is not None:
            folder, told = run.folder / "unimodal" / name, partial(_after, progress, before)
            starts[name] = pretrained(name, corpus, run.moments, config, fitted=fitted, folder=folder, progress=told)
            before += steps_before(source, config)
    return before


def training_pairs(corpus: Corpus, config: AlignConfig) -> Moments:
    """Pairs of everybody but those held out, and of them the share that is asked for.

    Raises:
        BadOptionError: if there are none.
    """
    told = config.pairs
    require_people(told.hold_out, [corpus])
    views = None if config.modalities is None else {n: modality(corpus, text) for n, text in config.modalities.items()}
    found = moments(
        corpus,
        views,
        told.window_s,
        told.hop_s,
        tolerance_s=told.tolerance_s,
        placement=told.placement,
        clock=told.clock,
    )
    found = found.of([s for s in corpus.subjects if s not in told.hold_out]).pairs()
    if not len(found):
        raise BadOptionError(
            "no pairs: nobody left has two modalities at once",
            where=str(corpus.path),
            remedy="See kinelet corpus pairs with the same --modality; side streams need corpus add --streams, clips "
            "whose start is not known pairs.placement=stretch",
        )
    return found if told.share == 1 else found.share(told.share, config.train.seed, told.length)


def _after(progress: Progress, before: int, done: int, note: str = "") -> None:
    progress(before + done, note)


def steps_of(config: AlignConfig, unimodal: Mapping[str, Source]) -> int:
    """Steps that an alignment will tell its progress: those of pretraining, and its own."""
    own = config.train.steps if _method_of(config.method)[0].kind == "trained" else 0
    return max(1, own + sum(steps_before(source, config) for source in unimodal.values()))


def _method_of(name: str) -> tuple[type[MultimodalMethod], Any]:
    if method_info(name).keeps != "aligned":
        raise BadOptionError(f"method {name!r} aligns nothing", remedy="Use kinelet pretrain, or another method")
    return cast(Any, get_method(name))  # type: ignore[no-any-return]


def _without_held_out(pairs: Moments, config: AlignConfig) -> Moments:
    """Moments that the caller chose, as they are.

    Raises:
        BadOptionError: if some are of people who are to be held out.
    """
    held = config.pairs.hold_out
    require_people(held, [pairs.corpus])
    people = {pairs.subjects[i] for i in np.unique(pairs.subject)}
    if there := [s for s in held if s in people]:
        raise BadOptionError(
            f"moments of {', '.join(there)}, who are to be held out",
            where="pairs",
            remedy="Give moments without them: moments.of(…), or hold out others",
        )
    return pairs
