"""From corpora to a run directory: what ``kinelet pretrain`` does."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field

from kinelet.config import FrozenModel, dump_yaml, validate
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.loader import iterate_batches
from kinelet.corpus.samplers import BalancedSampler, MixSampler, RandomSampler, Sampler
from kinelet.corpus.windows import Windows
from kinelet.encoders.base import Encoder
from kinelet.encoders.io import save_encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError
from kinelet.methods.base import MethodConfig
from kinelet.methods.registry import get_method
from kinelet.progress import Progress, silent
from kinelet.signal.spec import SignalSpec
from kinelet.train import distributed
from kinelet.train.checkpoint import read_state
from kinelet.train.config import TrainConfig
from kinelet.train.loop import fit


class EncoderConfig(FrozenModel):
    """Which encoder, and its options."""

    name: str = "resnet1d_small"
    options: dict[str, Any] = Field(default_factory=dict)


class DataConfig(FrozenModel):
    """Which windows a run is trained on.

    Attributes:
        window_s: Window length in seconds.
        hop_s: Hop in seconds; ``None`` for windows that do not overlap.
        channels: Channels to use; ``None`` for all of the corpus.
        hold_out: People never shown to the encoder, by name; the rest are trained on.
        balance: ``part``: every batch takes as many windows from each data set (or part of a union); ``none``: windows
            count alike.
    """

    window_s: float = Field(default=5.0, gt=0)
    hop_s: float | None = Field(default=None, gt=0)
    channels: tuple[str, ...] | None = None
    hold_out: tuple[str, ...] = ()
    balance: Literal["none", "part"] = "none"


class PretrainConfig(FrozenModel):
    """A whole run: the resolved form is the run's ``config.yaml``."""

    method: str = "simclr"
    method_options: dict[str, Any] = Field(default_factory=dict)
    encoder: EncoderConfig = EncoderConfig()
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()


def pretrain(
    corpora: Sequence[Corpus] | Corpus,
    out: str | Path,
    config: PretrainConfig,
    *,
    resume: bool = False,
    progress: Progress = silent,
) -> Encoder:
    """Train an encoder on the windows of one or more corpora and write a run directory.

    Args:
        corpora: One corpus, or several with the same channels, units and rate (each batch comes from one of them,
            chosen with probability proportional to the square root of its number of windows).
        out: Run directory.
        config: What to do.
        resume: Go on from the checkpoint in ``out``; a finished run is returned as it is.
        progress: Told after every step.

    Returns:
        The trained encoder in evaluation mode.

    Raises:
        BadOptionError: if ``out`` holds another run, the corpora cannot be trained on, or a batch cannot be shared
            evenly among processes and micro-batches.
    """
    parts = [corpora] if isinstance(corpora, Corpus) else list(corpora)
    _require_known(config.data.hold_out, parts)
    views = [_windows(c, config.data) for c in parts]
    return pretrain_windows(views, out, config, resume=resume, progress=progress)


def pretrain_windows(
    views: Sequence[Windows],
    out: str | Path,
    config: PretrainConfig,
    *,
    resume: bool = False,
    progress: Progress = silent,
) -> Encoder:
    """Like :func:`pretrain`, on windows chosen by the caller; window lengths may differ between views."""
    folder = Path(out)
    world = distributed.join(config.train.device)
    _require_even(config.train, world.size)
    torch.manual_seed(config.train.seed)
    encoder = create_encoder(config.encoder.name, spec=_common_spec(views), **config.encoder.options)
    kind, options = get_method(config.method)
    method_config = validate(options, config.method_options, where=f"method {config.method}")
    method = kind(encoder, method_config)
    config = _resolved(config, encoder, method_config)
    sampler = _sampler(views, config)
    fingerprint = _fingerprint(views, config)
    _prepare(folder, fingerprint, resume)
    distributed.barrier(world)
    if world.main:
        dump_yaml(config, folder / "config.yaml")

    def batches(first_step: int, steps: int) -> Iterator[Mapping[str, Any]]:
        rows = iterate_batches(
            sampler,
            first_step=first_step,
            steps=steps,
            rank=world.rank,
            world=world.size,
            workers=config.train.workers,
        )
        for _step, batch in rows:
            yield batch

    fit(method, batches, config.train, folder, world=world, state={"config": fingerprint}, progress=progress)
    trained = method.encoder.cpu().eval()
    trained.card = _card(views, config)
    if world.main:
        save_encoder(trained, folder / "model")
    distributed.barrier(world)
    return trained


def _require_even(train: TrainConfig, processes: int) -> None:
    """Micro-batches of unequal length would shift which row is whose partner among the gathered ones."""
    parts = train.accumulate * processes
    if train.batch_size % parts:
        raise BadOptionError(
            f"train.batch_size {train.batch_size} cannot be cut into {train.accumulate} micro-batches "
            f"for {processes} processes",
            remedy=f"Use a multiple of {parts}",
        )


def _resolved(config: PretrainConfig, encoder: Encoder, method: MethodConfig) -> PretrainConfig:
    """The configuration with every default of encoder and method written out: a default may change one day."""
    named = config.encoder.model_copy(update={"options": dict(encoder.config)})
    return config.model_copy(update={"encoder": named, "method_options": method.model_dump(mode="json")})


def _require_known(hold_out: Sequence[str], corpora: Sequence[Corpus]) -> None:
    """A misspelt name would let a person through who must not be trained on."""
    people = sorted(set().union(*(c.subjects for c in corpora)))
    unknown = sorted(set(hold_out) - set(people))
    if unknown:
        shown = ", ".join(people[:10]) + (f" … ({len(people)} in all)" if len(people) > 10 else "")
        raise BadOptionError(
            f"hold_out names {', '.join(unknown)}, who {'is' if len(unknown) == 1 else 'are'} in no corpus",
            where=", ".join(str(c.path) for c in corpora),
            remedy=f"People here: {shown}",
        )


def _windows(corpus: Corpus, data: DataConfig) -> Windows:
    rest = [s for s in corpus.subjects if s not in data.hold_out]
    if not rest:
        raise BadOptionError(
            "nobody is left to train on", where=str(corpus.path), remedy="Hold out fewer people, or leave it out"
        )
    return corpus.windows(data.window_s, data.hop_s, channels=data.channels).of(rest)


def _common_spec(views: Sequence[Windows]) -> SignalSpec:
    first = views[0].spec
    for view in views[1:]:
        first.require(view.spec, where=str(view.corpus.path))
    return first


def _sampler(views: Sequence[Windows], config: PretrainConfig) -> Sampler:
    train = config.train
    kind = BalancedSampler if config.data.balance == "part" else RandomSampler
    samplers = [kind(view, train.batch_size, train.seed + i) for i, view in enumerate(views)]
    if len(samplers) == 1:
        return samplers[0]
    return MixSampler([(s, len(v) ** 0.5) for s, v in zip(samplers, views, strict=True)], train.seed)


def _fingerprint(views: Sequence[Windows], config: PretrainConfig) -> str:
    """Hash of everything that decides the weights; a checkpoint of anything else is refused."""
    facts = config.model_dump(mode="json")
    for harmless in ("workers", "log_every", "checkpoint_every", "threads", "device"):
        facts["train"].pop(harmless)
    facts["windows"] = [[v.corpus.hash, len(v), v.n_samples, v.hop, _people(v)] for v in views]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _prepare(folder: Path, fingerprint: str, resume: bool) -> None:
    state = read_state(folder)
    if state is None and not (folder / "model").exists():
        folder.mkdir(parents=True, exist_ok=True)
        return
    if not resume:
        raise BadOptionError("holds a run already", where=str(folder), remedy="Add --resume, or choose another --out")
    if state is None:
        raise BadOptionError(
            "holds a model but no checkpoint to go on from", where=str(folder), remedy="Choose another --out"
        )
    if state.get("config") != fingerprint:
        raise BadOptionError(
            "its checkpoint belongs to another configuration or corpus",
            where=str(folder),
            remedy="Repeat the options of the first start, or choose another --out",
        )


def _people(windows: Windows) -> list[str]:
    """Names of the people who have a window here."""
    return sorted(windows.subjects[i] for i in np.unique(windows.subject))


def _card(views: Sequence[Windows], config: PretrainConfig) -> dict[str, Any]:
    return {
        "method": config.method,
        "pretrain_people": sum(len(_people(v)) for v in views),
        "pretrain_subjects": sorted(set().union(*(v.corpus.identities(_people(v)) for v in views))),
        "pretrain_windows": sum(len(v) for v in views),
        "pretrain_corpora": [{"name": v.corpus.path.name, "hash": v.corpus.hash} for v in views],
        "steps": config.train.steps,
        "batch_size": config.train.batch_size,
        "seed": config.train.seed,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
