"""From corpora to a run directory: what ``kinelet pretrain`` does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from kinelet.config import validate
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.streams import proper
from kinelet.corpus.views import modality
from kinelet.corpus.windows import Windows
from kinelet.encoders.base import Encoder
from kinelet.encoders.headed import HeadedEncoder
from kinelet.encoders.io import save_encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError
from kinelet.methods.base import Method, MethodConfig
from kinelet.methods.registry import get_method, method_info
from kinelet.progress import Progress, silent
from kinelet.train import distributed
from kinelet.train.judging import judge_on, set_aside
from kinelet.train.recipe import DataConfig, EncoderConfig, PretrainConfig
from kinelet.train.run import Run, common_spec, require_even

__all__ = [
    "DataConfig",
    "EncoderConfig",
    "PretrainConfig",
    "pretrain",
    "pretrain_windows",
    "steps_of",
    "training_views",
]

#: Windows that the normalisation of an encoder's input is fitted on, at most.
INPUT_WINDOWS = 4096


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
        progress: Told after every step, of a distance that is trained first too.

    Returns:
        The trained encoder in evaluation mode.

    Raises:
        BadOptionError: if ``out`` holds another run, the corpora cannot be trained on, or a batch cannot be shared
            evenly among processes and micro-batches.
    """
    return pretrain_windows(training_views(corpora, config.data), out, config, resume=resume, progress=progress)


def pretrain_windows(
    views: Sequence[Windows],
    out: str | Path,
    config: PretrainConfig,
    *,
    resume: bool = False,
    progress: Progress = silent,
    cache: Path | None = None,
) -> Encoder:
    """Like :func:`pretrain`, on windows chosen by the caller; window lengths may differ between views.

    Where the method is told to choose the best weights, people are set aside to choose them on; they count as seen.
    Distances computed beforehand stay in ``cache``, if it is given: runs that differ in the loss alone share them.
    """
    _require_encoder(config.method)
    world = distributed.join(config.train.device)
    require_even(config.train, world.size)
    kind, options = get_method(config.method)
    method_config = validate(options, config.method_options, where=f"method {config.method}")
    spec = common_spec(views)
    torch.manual_seed(config.train.seed)
    encoder = create_encoder(config.encoder.name, spec=spec, **config.encoder.options)
    _require_long_enough(views, encoder)
    run = Run(views, Path(out), _resolved(config, encoder, method_config), world, progress, cache)
    rule = kind.validation(method_config)
    fit, held = set_aside(views, rule, config.train, instead="method_options.validate_people=0")
    if kind.uses_pairs:
        from kinelet.train.pairing import Pairing

        run.pairing = Pairing([*fit, *held], config.modalities, seed=config.train.seed)
    fit_input(encoder, fit)
    judge = judge_on(held, rule, config.train.seed, run.pairing)
    run.plan(resume, kind.feed(method_config), fit)
    method, facts = _method(kind, encoder, method_config, run)
    run.begin()
    run.train(method, judge=judge, before=steps_before(run.config))
    trained = method.encoder.cpu().eval()
    trained.card = run.card() | facts | method.facts()
    trained.card["pretrain_subjects"] = sorted(
        {*trained.card["pretrain_subjects"], *facts.get("distance_subjects", [])}
    )
    if world.main:
        save_encoder(trained, run.folder / "model")
        method.keep(run.folder / "model")
    distributed.barrier(world)
    return trained


def training_views(corpora: Sequence[Corpus] | Corpus, data: DataConfig) -> list[Windows]:
    """Windows of everybody but those held out, a view a corpus.

    Raises:
        BadOptionError: if somebody held out is in no corpus, or nobody is left in one.
    """
    parts = [corpora] if isinstance(corpora, Corpus) else list(corpora)
    require_people(data.hold_out, parts)
    return [_windows(c, data) for c in parts]


def fit_input(encoder: Encoder, views: Sequence[Windows]) -> None:
    """Show an encoder that asks for it windows that it is trained on, spread evenly; the same ones every time."""
    if encoder.needs_fit:
        share = INPUT_WINDOWS // len(views)
        encoder.fit_input(torch.as_tensor(part) for view in views for part in _spread(view, share))


def _spread(view: Windows, most: int) -> Iterator[npt.NDArray[np.float32]]:
    chosen = np.unique(np.linspace(0, len(view) - 1, min(most, len(view))).round().astype(np.int64))
    for part in np.array_split(chosen, -(-len(chosen) // 256)):
        yield view.gather(part)


def steps_before(config: PretrainConfig) -> int:
    """Steps of the distance that a resolved run trains before its own."""
    return config.distance.train.steps if config.distance and config.distance.use is None else 0


def steps_of(config: PretrainConfig) -> int:
    """Steps that a run will tell its progress: those of a distance that it trains, batches it caches, its own."""
    kind, options = get_method(config.method)
    method_config: Any = validate(options, config.method_options, where=f"method {config.method}")
    feed = kind.feed(method_config)
    before = steps_before(_with_distance(config)) if kind.uses_distance else 0
    return before + (feed.cache if feed else 0) + config.train.steps


def _method(kind: type[Method], encoder: Encoder, config: MethodConfig, run: Run) -> tuple[Method, dict[str, Any]]:
    """The method, and what the card tells of its distance or its modalities."""
    if run.pairing is not None:
        method = cast(Any, kind)(encoder, config, run.pairing.modalities)
        return method, {"modalities": run.pairing.rows}
    if run.config.distance is None:
        return kind(encoder, config), {}
    from kinelet.train.distance import distance_of

    distance = distance_of(run, run.config.distance)
    # Whoever taught the distance has taught the encoder.
    seen = {*run.card()["pretrain_subjects"], *distance.subjects}
    facts = {"distance": distance.describe(), "pretrain_subjects": sorted(seen)}
    return cast(Any, kind)(encoder, config, distance), facts


def _resolved(config: PretrainConfig, encoder: Encoder, method: MethodConfig) -> PretrainConfig:
    """The configuration with every default of encoder and method written out: a default may change one day."""
    named = config.encoder.model_copy(update={"options": dict(encoder.config)})
    full = config.model_copy(update={"encoder": named, "method_options": method.model_dump(mode="json")})
    kind = get_method(config.method)[0]
    if not kind.uses_pairs:
        _require_no_heads(encoder, config.method)
    if kind.uses_distance:
        return _with_distance(full)
    if config.modalities is not None and not kind.uses_pairs:
        raise BadOptionError(
            f"method {config.method!r} uses no modalities", where="modalities", remedy="Leave them out, or use primus"
        )
    if config.distance is not None:
        raise BadOptionError(
            f"method {config.method!r} uses no distance", where="distance", remedy="Leave distance out, or use relcon"
        )
    return full


def _with_distance(config: PretrainConfig) -> PretrainConfig:
    from kinelet.train.distance import resolve_distance

    return config.model_copy(update={"distance": resolve_distance(config)})


def _require_encoder(method: str) -> None:
    keeps = method_info(method).keeps
    if keeps == "aligned":
        raise BadOptionError(
            f"method {method!r} aligns encoders of several modalities, on pairs",
            remedy=f"Use kinelet align {method} --pairs CORPUS; pretrain each modality by another method first",
        )
    if keeps != "encoder":
        raise BadOptionError(
            f"method {method!r} leaves no encoder",
            remedy="Use kinelet.train.distance.train_distance, or kinelet pretrain on the command line",
        )


def _require_long_enough(views: Sequence[Windows], encoder: Encoder) -> None:
    """Found out here, where nothing is written yet; the first step would only tell what shape it was given."""
    shortest = min(views, key=lambda v: v.n_samples)
    if shortest.n_samples < encoder.min_samples:
        least = math.ceil(100 * encoder.min_samples / shortest.spec.rate_hz) / 100
        raise BadOptionError(
            f"windows of {shortest.spec.window_s:g} s have {shortest.n_samples} samples, "
            f"encoder {encoder.name!r} needs {encoder.min_samples}",
            where="data.window_s",
            remedy=f"Use data.window_s={least:g} or longer, or another encoder.name",
        )


def _require_no_heads(encoder: Encoder, method: str) -> None:
    """Heads that nothing trains would be saved as outputs to choose, and several processes would wait for them."""
    if isinstance(encoder, HeadedEncoder) and len(encoder.heads):
        raise BadOptionError(
            f"method {method!r} trains no heads, and the encoder has {', '.join(encoder.heads)}",
            where="encoder headed",
            remedy=f"Name what is below them: encoder.name={encoder.base.name}; primus puts heads on it itself",
        )


def require_people(hold_out: Sequence[str], corpora: Sequence[Corpus]) -> None:
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
    part, channels = _part(corpus, data)
    rest = [s for s in part.subjects if s not in data.hold_out]
    if not rest:
        raise BadOptionError(
            "nobody is left to train on", where=str(corpus.path), remedy="Hold out fewer people, or leave it out"
        )
    return part.windows(data.window_s, data.hop_s, channels=channels, placement=data.placement).of(rest)


def _part(corpus: Corpus, data: DataConfig) -> tuple[Corpus, tuple[str, ...] | None]:
    """The recordings to train on, and their channels."""
    if data.modality is None:
        return proper(corpus, data.channels), data.channels
    part, channels = modality(corpus, data.modality).part(corpus)
    return part, data.channels or channels
