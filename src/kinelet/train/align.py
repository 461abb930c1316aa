"""From encoders of one modality each and a few pairs to encoders that are aligned: what ``kinelet align`` does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from kinelet.config import dump_yaml, validate
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.loader import iterate_batches
from kinelet.corpus.moment_sampler import MomentSampler
from kinelet.corpus.moments import Moments, moments
from kinelet.corpus.samplers import Draw
from kinelet.corpus.views import modality
from kinelet.deploy.multimodal import Multimodal, load_multimodal, require_names, save_multimodal
from kinelet.errors import BadOptionError
from kinelet.methods.base import Method
from kinelet.methods.multimodal import MultimodalMethod
from kinelet.methods.registry import get_method, method_info
from kinelet.progress import Progress, silent
from kinelet.train import distributed
from kinelet.train.align_recipe import AlignConfig
from kinelet.train.best import Watch
from kinelet.train.distributed import World
from kinelet.train.loop import fit
from kinelet.train.run import HARMLESS, require_free
from kinelet.train.unimodal import Source, Start, start_of, steps_before, view_texts

PIECE = 256


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
            that were chosen by the caller; ``config.pairs`` then says nothing of what they are.
        out: Run directory.
        config: What to do.
        unimodal: By name of modality, what its encoder is or is made from: the run directory of ``kinelet pretrain``,
            an encoder, or an (abundant) corpus to pretrain one on by ``mae``, in ``out/unimodal/NAME``. Modalities
            that are not named begin with fresh weights.
        resume: Go on from the checkpoint in ``out``.
        progress: Told after every step, of pretraining too.

    Returns:
        The encoders, in evaluation mode.

    Raises:
        BadOptionError: if ``out`` holds another run, there are no pairs, or sources do not fit them.
    """
    out, unimodal = Path(out), dict(unimodal or {})
    kind, options = _method_of(config.method)
    method_config = validate(options, config.method_options, where=f"method {config.method}")
    chosen = pairs if isinstance(pairs, Moments) else training_pairs(pairs, config)
    method_config = kind.settle(method_config, len(chosen))
    require_names(chosen.names, where="modalities")
    _require_known(unimodal, chosen.names)
    world = distributed.join(config.train.device)
    starts: dict[str, Start] = {}
    before = 0
    for name in chosen.names:
        source, told = unimodal.get(name), partial(_after, progress, before)
        starts[name] = start_of(name, source, chosen, config, fitted=kind.kind == "fitted", out=out, progress=told)
        before += steps_before(source, config)
    resolved = config.model_copy(update={"method_options": method_config.model_dump(mode="json")})
    run = _Run(chosen, out, resolved, world, starts)
    require_free(out, run.fingerprint, resume)
    torch.manual_seed(config.train.seed)
    method = cast(Any, kind)(
        {name: start.encoder for name, start in starts.items()},
        method_config,
        {name: start.decoder for name, start in starts.items() if start.decoder is not None},
    )
    distributed.barrier(world)
    out.mkdir(parents=True, exist_ok=True)
    if world.main:
        dump_yaml(resolved, out / "config.yaml")
    if kind.kind == "fitted":
        run.fit(method)
    else:
        run.train(method, partial(_after, progress, before))
    return run.save(method)


def training_pairs(corpus: Corpus, config: AlignConfig) -> Moments:
    """Pairs of everybody but those held out, and of them the share that is asked for.

    Raises:
        BadOptionError: if there are none.
    """
    told = config.pairs
    unknown = sorted(set(told.hold_out) - set(corpus.subjects))
    if unknown:
        raise BadOptionError(f"hold_out names {', '.join(unknown)}, who are not in the corpus", where=str(corpus.path))
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
            remedy="See what there is: kinelet corpus pairs, with the same --modality",
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


def _digest(chosen: Moments) -> str:
    return hashlib.sha256(chosen.base(np.arange(len(chosen))).tobytes()).hexdigest()


def _require_known(unimodal: Mapping[str, Source], names: Sequence[str]) -> None:
    unknown = sorted(set(unimodal) - set(names))
    if unknown:
        raise BadOptionError(
            f"no modality {', '.join(unknown)} in the pairs", where="unimodal", remedy=f"There are: {', '.join(names)}"
        )


@dataclass
class _Run:
    """One alignment: what it is trained on, and where it goes."""

    moments: Moments
    folder: Path
    config: AlignConfig
    world: World
    starts: Mapping[str, Start]

    def __post_init__(self) -> None:
        told = self.config
        kept = told.pairs.keep_out
        self.used, self.out = (self.moments, None) if kept == 0 else self._apart(kept)

    def _apart(self, share: float) -> tuple[Moments, Moments | None]:
        """Pairs to train on, and those kept out; none where there are too few sequences to keep any out."""
        length = self.config.pairs.length
        rest, out = self.moments.keep_out(share, self.config.train.seed, length)
        return (rest, out) if len(rest) and len(out) else (self.moments, None)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides the weights; a checkpoint of anything else is refused."""
        facts = self.config.model_dump(mode="json")
        for harmless in (*HARMLESS, "diagnose_every"):
            facts["train"].pop(harmless)
        facts["moments"] = [self.moments.corpus.hash, repr(self.moments.layout.rules), _digest(self.moments)]
        facts["starts"] = {name: start.hash for name, start in self.starts.items()}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def fit(self, method: MultimodalMethod) -> None:
        """Set the heads in closed form, from the codes of all pairs."""
        method.eval()
        parts: dict[str, list[torch.Tensor]] = {name: [] for name in method.names}
        for index in np.array_split(np.arange(len(self.used)), -(-len(self.used) // PIECE)):
            windows = self.used.gather(index)
            for name in method.names:
                with torch.no_grad():
                    parts[name].append(method.of(name).base(torch.as_tensor(windows[name])))
        codes = {name: torch.cat(found) for name, found in parts.items()}
        method.fit(codes, torch.as_tensor(self.used.present))

    def train(self, method: MultimodalMethod, progress: Progress) -> None:
        """Train by the loop."""
        told = self.config
        sequences = told.train.batch_size // told.pairs.length
        sampler = MomentSampler(self.used, sequences, told.pairs.length, told.train.seed)

        def batches(first_step: int, steps: int) -> Iterator[Mapping[str, Any]]:
            place = {"rank": self.world.rank, "world": self.world.size, "workers": told.train.workers}
            for _step, batch in iterate_batches(sampler, first_step=first_step, steps=steps, **place):
                yield batch

        fit(
            method,
            batches,
            told.train,
            self.folder,
            world=self.world,
            state={"config": self.fingerprint},
            watch=self._watch(),
            progress=progress,
        )

    def _watch(self) -> Watch | None:
        """Numbers on pairs kept out, always the same ones."""
        if self.out is None:
            return None
        length, seed = self.config.pairs.length, self.config.train.seed
        sampler = MomentSampler(self.out, 64, length, 0)
        draw: Draw = sampler.draw(0)
        rows = {**draw.windows.batch(draw.index), **draw.extra}
        batch = {key: torch.as_tensor(value) for key, value in rows.items()}

        def look(method: Method) -> dict[str, float]:
            device = next(method.parameters()).device
            moved = {key: value.to(device) for key, value in batch.items()}
            generator = torch.Generator(device).manual_seed(seed)
            return {f"held_out_{key}": value for key, value in method.diagnose(moved, generator).items()}

        return Watch(look, self.config.train.diagnose_every)

    def save(self, method: MultimodalMethod) -> Multimodal:
        """Write the encoders with a card each, and return them."""
        model = Multimodal({name: method.of(name).cpu() for name in method.names}, self.card(method)).eval()
        for name, start in self.starts.items():
            model.of(name).card = {**model.card, "modality": name, "unimodal": start.told}
        if self.world.main:
            save_multimodal(model, self.folder / "model")
            method.keep(self.folder / "model")
        distributed.barrier(self.world)
        return load_multimodal(self.folder) if self.world.main else model

    def card(self, method: MultimodalMethod) -> dict[str, Any]:
        """Facts that travel with the weights."""
        mine = self.moments
        people = sorted({mine.subjects[i] for i in np.unique(mine.subject)})
        seen = {*mine.corpus.identities(people)}
        for start in self.starts.values():
            seen |= set(start.seen)
        return {
            "method": self.config.method,
            "features": list(method.features),
            "modalities": view_texts(mine),
            "pairs": len(self.used),
            "pairs_kept_out": 0 if self.out is None else len(self.out),
            "share_of_pairs": self.config.pairs.share,
            "pretrain_people": len(people),
            "pretrain_subjects": sorted(seen),
            "pretrain_corpora": [{"name": mine.corpus.path.name, "hash": mine.corpus.hash}],
            "steps": self.config.train.steps if type(method).kind == "trained" else 0,
            "batch_size": self.config.train.batch_size,
            "seed": self.config.train.seed,
            "torch": torch.__version__,
            **method.facts(),
        }
