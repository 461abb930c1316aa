"""Where the encoder of each modality comes from: a run, a corpus to pretrain it on, or nowhere."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from zlib import crc32

import numpy as np
import torch
from torch import nn

from kinelet.config import validate
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.moments import Moments
from kinelet.deploy.loading import load
from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import create_encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.methods.registry import get_method
from kinelet.methods.tf_decoder import PatchDecoder, load_decoder
from kinelet.progress import Progress, silent
from kinelet.train.align_recipe import AlignConfig
from kinelet.train.pretrain import fit_input, pretrain, training_views
from kinelet.train.run import common_spec
from kinelet.train.stage1 import Source, corpus_of, require_unseen, stage1_config


@dataclass(frozen=True)
class Start:
    """What an alignment begins with, of one modality.

    Attributes:
        encoder: With heads that are new.
        decoder: The decoder of stage 1, if there is one.
        seen: Names of the people it was pretrained on; see :meth:`kinelet.corpus.corpus.Corpus.identities`.
        told: How it came to be, for the card.
    """

    encoder: SharedPrivate
    decoder: PatchDecoder | None
    seen: tuple[str, ...]
    told: dict[str, Any]

    @property
    def hash(self) -> str:
        """Hash of the weights that stage 1 left: of the encoder below the heads, and of the decoder."""
        digest = hashlib.sha256()
        for part, module in (("encoder", self.encoder.base), ("decoder", self.decoder)):
            for key, value in module.state_dict().items() if module is not None else ():
                digest.update(f"{part}.{key}".encode())
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def facts(self, decoder: nn.Module | None) -> dict[str, Any]:
        """How encoder and decoder came to be, for the card.

        Args:
            decoder: The one that the alignment began with; ``None`` where its method rebuilds nothing.
        """
        if decoder is None:
            return self.told
        return {**self.told, "decoder": "stage 1" if decoder is self.decoder else "fresh"}


def start_of(name: str, source: Source | None, pairs: Moments, config: AlignConfig, *, fitted: bool) -> Start:
    """Encoder (and decoder) that a modality begins with, a copy where the caller holds it; nothing is trained.

    Args:
        name: The modality.
        source: What it comes from. Of a corpus, on which the encoder has yet to be pretrained, one of its shape.
        pairs: What it is going to be trained on.
        config: The alignment.
        fitted: Heads are one linear map without normalisation, as methods in closed form set them.

    Raises:
        BadOptionError: if a source does not fit the pairs, or has seen people who are to be held out.
    """
    corpus = corpus_of(source)
    if corpus is not None:
        return _start(_outline(name, corpus, pairs, config), None, pairs, name, config, fitted)
    if isinstance(source, Encoder):
        return _start(copy.deepcopy(source), None, pairs, name, config, fitted)
    if source is None:
        return _start(_fresh(name, pairs, config), None, pairs, name, config, fitted)
    if not Path(cast(str | Path, source)).exists():
        raise BadOptionError(
            "neither a corpus nor a run: no such folder", where=str(source), remedy=f"Check --unimodal {name}=…"
        )
    return _start(load(cast(str | Path, source)), Path(cast(str | Path, source)), pairs, name, config, fitted)


def pretrained(
    name: str,
    corpus: Corpus,
    pairs: Moments,
    config: AlignConfig,
    *,
    fitted: bool,
    folder: Path,
    progress: Progress = silent,
) -> Start:
    """Pretrain the encoder of a modality on a corpus in a folder, or go on with that; see :func:`start_of`."""
    told = stage1_config(config, name, corpus, pairs)
    base = pretrain(corpus, folder, told, resume=True, progress=progress)
    return _start(base, folder, pairs, name, config, fitted)


def sources_told(unimodal: Mapping[str, Source]) -> dict[str, str]:
    """What each source is, in a word; the hash of a corpus, because what is made of it is not there yet."""
    found = {}
    for name, source in sorted(unimodal.items()):
        corpus = corpus_of(source)
        found[name] = corpus.hash if corpus else "encoder" if isinstance(source, Encoder) else "run"
    return found


def _outline(name: str, corpus: Corpus, pairs: Moments, config: AlignConfig) -> Encoder:
    """An encoder such as pretraining will leave, so that what cannot be aligned is told before it is pretrained."""
    told = stage1_config(config, name, corpus, pairs)
    validate(get_method(told.method)[1], told.method_options, where=f"stage1: method {told.method}")
    views = training_views(corpus, told.data)
    windows, batch = sum(len(v) for v in views), told.train.batch_size
    if batch > windows:
        raise BadOptionError(
            f"a batch of {batch} from {windows} windows of {name}",
            where="pretraining before alignment",
            remedy=f"Use stage1.train.batch_size={2 ** int(np.log2(max(windows, 2)))} or less",
        )
    spec = common_spec(views)
    return create_encoder(told.encoder.name, spec=spec, seed=_seed(config, name), **told.encoder.options)


def _fresh(name: str, pairs: Moments, config: AlignConfig) -> Encoder:
    spec, seed = pairs.specs[name], _seed(config, name)
    encoder = create_encoder(config.encoder.name, spec=spec, seed=seed, **config.encoder.options)
    fit_input(encoder, [pairs.modality(name)])
    return encoder


def _seed(config: AlignConfig, name: str) -> int:
    """A seed of a modality's own, whatever came before it and in whatever order."""
    return int(np.random.SeedSequence([config.train.seed, crc32(name.encode())]).generate_state(1)[0])


def _start(
    encoder: Encoder, folder: Path | None, pairs: Moments, name: str, config: AlignConfig, fitted: bool
) -> Start:
    base = encoder.base if isinstance(encoder, SharedPrivate) else encoder
    _require_same_signal(base, pairs, name)
    _require_long_enough(base, pairs, name)
    require_unseen(encoder.card, name, pairs, config.pairs.hold_out)
    base.requires_grad_(True)
    width = base.dim if fitted else config.heads.width
    depth = 1 if fitted else config.heads.depth
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_seed(config, name))
        heads = SharedPrivate.around(base, width=width, depth=depth, norm="none" if fitted else "layer")
    card = encoder.card
    kept = ("method", "steps", "pretrain_people", "pretrain_windows")
    told: dict[str, Any] = {key: card[key] for key in kept if key in card}
    seen = tuple(card.get("pretrain_subjects", ()))
    return Start(heads, _decoder(folder), seen, told or {"method": "none: fresh weights"})


def _require_same_signal(base: Encoder, pairs: Moments, name: str) -> None:
    """Raise unless an encoder takes windows such as the pairs have."""
    wanted, found, where = base.spec, pairs.specs[name], f"unimodal {name}"
    try:
        wanted.require(found, where=where)
    except SpecMismatchError as error:
        raise SpecMismatchError(
            f"the encoder takes {', '.join(wanted.channels[:6])} at {wanted.rate_hz:g} Hz, the pairs have "
            f"{', '.join(found.channels[:6])} at {found.rate_hz:g} Hz ({error.what})",
            where=where,
            remedy=f"Give the run of this modality, or --unimodal {name}=CORPUS to pretrain one",
        ) from None
    if None not in (wanted.window_s, found.window_s) and wanted.window_samples != found.window_samples:
        raise SpecMismatchError(
            f"the encoder was pretrained on windows of {wanted.window_s:g} s, the pairs are of {found.window_s:g} s",
            where=where,
            remedy=f"Use pairs.window_s={wanted.window_s:g}",
        )


def _require_long_enough(base: Encoder, pairs: Moments, name: str) -> None:
    samples = next(m.n_samples for m in pairs.layout.modalities if m.name == name)
    if samples < base.min_samples:
        raise BadOptionError(
            f"windows of {name} have {samples} samples, encoder {base.name!r} needs {base.min_samples}",
            where="pairs.window_s",
            remedy="Use longer windows, or another encoder",
        )


def _decoder(folder: Path | None) -> PatchDecoder | None:
    for place in () if folder is None else (folder / "model" / "decoder", folder / "decoder"):
        if place.is_dir():
            return load_decoder(place).train()
    return None
