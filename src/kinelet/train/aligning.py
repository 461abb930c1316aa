"""One alignment: what it is trained on, what is refused before anything is written, the loop, and the card."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinelet.corpus.commit import CORPUS
from kinelet.corpus.loader import iterate_batches, load_batch
from kinelet.corpus.moment_sampler import MomentSampler
from kinelet.corpus.moments import Moments
from kinelet.deploy.multimodal import Multimodal, load_multimodal, save_multimodal
from kinelet.errors import BadOptionError
from kinelet.methods.base import Method
from kinelet.methods.multimodal import MultimodalMethod
from kinelet.progress import Progress
from kinelet.train import distributed
from kinelet.train.align_recipe import AlignConfig
from kinelet.train.best import Watch
from kinelet.train.checkpoint import read_state
from kinelet.train.distributed import World
from kinelet.train.loop import fit
from kinelet.train.run import HARMLESS, holds_run, require_free
from kinelet.train.stage1 import Source, corpus_of, view_texts
from kinelet.train.unimodal import Start, sources_told

PIECE = 256
#: Moments of each modality that a method is tried on.
TRIED = 4


@dataclass
class Alignment:
    """A run directory on its way from pairs to a model.

    Attributes:
        moments: Pairs.
        folder: Run directory.
        config: Resolved configuration.
        world: This process's place.
        kind: The method.
        unimodal: What encoders come from.
        given: Pairs were chosen by the caller: nobody knows what share of all they are.
        used: Pairs to train on.
        out: Pairs kept out, to watch; ``None`` where there are too few sequences to keep any out.
        sampler: Draws batches; of no use to methods in closed form.
    """

    moments: Moments
    folder: Path
    config: AlignConfig
    world: World
    kind: type[MultimodalMethod]
    unimodal: Mapping[str, Source]
    given: bool

    def __post_init__(self) -> None:
        pairs, train = self.config.pairs, self.config.train
        self.used, self.out = (self.moments, None) if pairs.keep_out == 0 else self._apart(pairs.keep_out)
        self.sampler: MomentSampler | None = None
        if self.kind.kind == "trained":
            self.sampler = MomentSampler(self.used, train.batch_size // pairs.length, pairs.length, train.seed)

    def _apart(self, share: float) -> tuple[Moments, Moments | None]:
        rest, out = self.moments.keep_out(share, self.config.train.seed, self.config.pairs.length)
        return (rest, out) if len(rest) and len(out) else (self.moments, None)

    @property
    def plan(self) -> str:
        """Hash of everything that decides the weights but those it begins with."""
        facts = self.config.model_dump(mode="json")
        for harmless in (*HARMLESS, "diagnose_every"):
            facts["train"].pop(harmless)
        chosen = self.moments.base(np.arange(len(self.moments))).tobytes()
        rules = repr(self.moments.layout.rules)
        facts["moments"] = [self.moments.corpus.hash, rules, hashlib.sha256(chosen).hexdigest()]
        facts["sources"] = sources_told(self.unimodal)
        return _hash(facts)

    def fingerprint(self, starts: Mapping[str, Start]) -> str:
        """Hash of everything that decides the weights; a checkpoint of anything else is refused."""
        return f"{self.plan}-{_hash({name: start.hash for name, start in starts.items()})}"

    def require_free(self, resume: bool) -> None:
        """Raise if the folder holds a run, or pretraining for one, unless it may be this very one.

        Raises:
            BadOptionError: if it does.
        """
        if (self.folder / CORPUS).is_file():
            raise BadOptionError("holds a corpus", where=str(self.folder), remedy="Choose another --out")
        state, plan = read_state(self.folder) or {}, self.plan
        told = str(state.get("config"))
        require_free(self.folder, told if told.startswith(f"{plan}-") else plan, resume)
        for name, source in self.unimodal.items():
            place = self.folder / "unimodal" / name
            if not resume and corpus_of(source) is not None and holds_run(place):
                require_free(place, "", resume)

    def method(self, starts: Mapping[str, Start], options: Any) -> MultimodalMethod:
        """The method, around what it begins with."""
        torch.manual_seed(self.config.train.seed)
        decoders = {name: start.decoder for name, start in starts.items() if start.decoder is not None}
        return self.kind({name: start.encoder for name, start in starts.items()}, options, decoders)

    def rehearse(self, starts: Mapping[str, Start], options: Any) -> None:
        """Let copies look at a few pairs, so that a method refuses what it does before anything is written."""
        method = self.method(copy.deepcopy(dict(starts)), options)
        columns = self.used.present.T
        index = np.unique(np.concatenate([np.flatnonzero(there)[:TRIED] for there in columns]))
        rows = {key: torch.as_tensor(value) for key, value in self.used.batch(index).items()}
        with torch.no_grad():
            if self.sampler is not None:
                method.train()({**rows, "generators": [torch.Generator().manual_seed(0)]})
            else:
                codes = {name: torch.randn(len(index), method.of(name).base.dim) for name in method.names}
                method.fit(codes, rows["present"])

    def run(self, method: MultimodalMethod, mark: str, progress: Progress) -> None:
        """Train by the loop, checkpoints marked with a fingerprint, or set the heads in closed form."""
        if self.sampler is not None:
            self._train(method, self.sampler, mark, progress)
        else:
            method.eval()
            method.fit(self._codes(method), torch.as_tensor(self.used.present))

    def _codes(self, method: MultimodalMethod) -> dict[str, torch.Tensor]:
        """Codes of all pairs."""
        parts: dict[str, list[torch.Tensor]] = {name: [] for name in method.names}
        for index in np.array_split(np.arange(len(self.used)), -(-len(self.used) // PIECE)):
            windows = self.used.gather(index)
            for name in method.names:
                with torch.no_grad():
                    parts[name].append(method.of(name).base(torch.as_tensor(windows[name])))
        return {name: torch.cat(found) for name, found in parts.items()}

    def _train(self, method: MultimodalMethod, sampler: MomentSampler, mark: str, progress: Progress) -> None:
        told = self.config.train

        def batches(first_step: int, steps: int) -> Iterator[Mapping[str, Any]]:
            place = {"rank": self.world.rank, "world": self.world.size, "workers": told.workers}
            for _step, batch in iterate_batches(sampler, first_step=first_step, steps=steps, **place):
                yield batch

        fit(
            method,
            batches,
            told,
            self.folder,
            world=self.world,
            state={"config": mark},
            watch=self._watch(),
            progress=progress,
        )

    def _watch(self) -> Watch | None:
        """Numbers on pairs kept out, always the same ones."""
        if self.out is None:
            return None
        sampler = MomentSampler(self.out, 64, self.config.pairs.length, 0)
        batch = {key: torch.as_tensor(value) for key, value in load_batch(sampler.draw(0)).items()}

        def look(method: Method) -> dict[str, float]:
            device = next(method.parameters()).device
            moved = {key: value.to(device) for key, value in batch.items()}
            generator = torch.Generator(device).manual_seed(self.config.train.seed)
            return {f"held_out_{key}": value for key, value in method.diagnose(moved, generator).items()}

        return Watch(look, self.config.train.diagnose_every)

    def save(self, method: MultimodalMethod, starts: Mapping[str, Start]) -> Multimodal:
        """Write the encoders with a card each, and return them."""
        model = Multimodal({name: method.of(name).cpu() for name in method.names}, self.card(method, starts)).eval()
        for name, start in starts.items():
            told = start.facts(dict(method.decoders.items()).get(name))
            model.of(name).card = {**model.card, "modality": name, "unimodal": told}
        if self.world.main:
            save_multimodal(model, self.folder / "model")
            method.keep(self.folder / "model")
        distributed.barrier(self.world)
        return load_multimodal(self.folder) if self.world.main else model

    def card(self, method: MultimodalMethod, starts: Mapping[str, Start]) -> dict[str, Any]:
        """Facts that travel with the weights."""
        mine, told = self.moments, self.config.train
        people = sorted({mine.subjects[i] for i in np.unique(mine.subject)})
        seen = mine.corpus.identities(people).union(*(start.seen for start in starts.values()))
        facts: dict[str, Any] = {
            "method": self.config.method,
            "features": list(method.features),
            "modalities": view_texts(mine),
            "pairs": len(self.used),
            "pairs_kept_out": 0 if self.out is None else len(self.out),
            "share_of_pairs": self.config.pairs.share,
            "pretrain_people": len(people),
            "pretrain_subjects": sorted(seen),
            "pretrain_corpora": [{"name": mine.corpus.path.name, "hash": mine.corpus.hash}],
            "steps": told.steps if self.sampler is not None else 0,
            "batch_size": told.batch_size,
            "seed": told.seed,
            "torch": torch.__version__,
            **method.facts(),
        }
        if self.given:
            del facts["share_of_pairs"]
        if self.sampler is not None:
            facts |= {"sequences": self.sampler.sequences, "neighbouring_sequences": self.sampler.neighbours}
        return facts


def _hash(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
