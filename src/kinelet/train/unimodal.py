"""Where the encoder of each modality comes from: a run, a corpus to pretrain it on, or nowhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from zlib import crc32

import numpy as np
import torch

from kinelet.config import validate
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.moments import Moments
from kinelet.deploy.loading import load
from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import create_encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.methods.tf_decoder import PatchDecoder, load_decoder
from kinelet.progress import Progress, silent
from kinelet.train.align_recipe import AlignConfig
from kinelet.train.pretrain import fit_input, pretrain
from kinelet.train.recipe import PretrainConfig
from kinelet.train.recipes import recipe

Source = str | Path | Encoder | Corpus


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
        """Hash of the weights of the encoder below the heads."""
        digest = hashlib.sha256()
        for key, value in self.encoder.base.state_dict().items():
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def steps_before(source: Source | None, config: AlignConfig) -> int:
    """Steps of pretraining that a source takes."""
    corpus = corpus_of(source)
    return 0 if corpus is None else stage1_config(config, "", corpus).train.steps


def corpus_of(source: Source | None) -> Corpus | None:
    """The corpus that a source is, if it is one."""
    if isinstance(source, Corpus):
        return source
    if isinstance(source, str | Path) and (Path(source) / "corpus.json").is_file():
        return Corpus.open(source)
    return None


def stage1_config(config: AlignConfig, view: str, corpus: Corpus) -> PretrainConfig:
    """What the pretraining of one modality on a corpus is told; people held out are held out here too."""
    held = tuple(name for name in config.pairs.hold_out if name in corpus.subjects)
    base = recipe(None, method=config.stage1.get("method", "mae")).model_dump(mode="json")
    for key, value in config.stage1.items():
        base[key] = {**base[key], **value} if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    base["data"] |= {"window_s": config.pairs.window_s, "hold_out": held, "modality": view}
    base["data"] |= {"placement": config.pairs.placement}
    return validate(PretrainConfig, base, where="stage1")


def view_texts(pairs: Moments) -> dict[str, str]:
    """The view of each modality as people write it."""
    return {m.name: str(m.view) for m in pairs.layout.modalities}


def start_of(
    name: str,
    source: Source | None,
    pairs: Moments,
    config: AlignConfig,
    *,
    fitted: bool,
    out: Path,
    progress: Progress = silent,
) -> Start:
    """Encoder (and decoder) that a modality begins with.

    Args:
        name: The modality.
        source: What it comes from.
        pairs: What it is going to be trained on.
        config: The alignment.
        fitted: Heads are one linear map without normalisation, as methods in closed form set them.
        out: Run directory.
        progress: Told about pretraining.

    Raises:
        BadOptionError: if a source does not fit the pairs.
    """
    corpus = corpus_of(source)
    if corpus is not None:
        folder = out / "unimodal" / name
        told = stage1_config(config, view_texts(pairs)[name], corpus)
        base = pretrain(corpus, folder, told, resume=True, progress=progress)
        return _start(base, folder, pairs, name, config, fitted)
    if isinstance(source, Encoder):
        return _start(source, None, pairs, name, config, fitted)
    if source is None:
        return _start(_fresh(name, pairs, config), None, pairs, name, config, fitted)
    return _start(load(source), Path(source), pairs, name, config, fitted)


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
    base.spec.require(pairs.specs[name], where=f"unimodal {name}")
    width = base.dim if fitted else config.heads.width
    depth = 1 if fitted else config.heads.depth
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_seed(config, name))
        heads = SharedPrivate.around(base, width=width, depth=depth, norm="none" if fitted else "layer")
    card = encoder.card
    told = {key: card.get(key) for key in ("method", "steps", "pretrain_people", "pretrain_windows") if key in card}
    seen = tuple(card.get("pretrain_subjects", ()))
    return Start(heads, _decoder(folder), seen, told or {"method": "none: fresh weights"})


def _decoder(folder: Path | None) -> PatchDecoder | None:
    for place in () if folder is None else (folder / "model" / "decoder", folder / "decoder"):
        if place.is_dir():
            return cast(PatchDecoder, load_decoder(place).train())
    return None
