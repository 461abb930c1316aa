"""What every run does, whatever it keeps: fingerprint, folder, batches, loop, card."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kinelet.config import dump_yaml
from kinelet.corpus.loader import iterate_batches
from kinelet.corpus.samplers import Sampler
from kinelet.corpus.windows import Windows
from kinelet.distances.base import identity
from kinelet.errors import BadOptionError
from kinelet.methods.base import Feed, Method
from kinelet.progress import Progress
from kinelet.signal.spec import SignalSpec
from kinelet.train import distributed
from kinelet.train.best import Judge
from kinelet.train.checkpoint import read_state
from kinelet.train.config import TrainConfig
from kinelet.train.distributed import World
from kinelet.train.feeding import Cached, make_sampler, require_whole_groups
from kinelet.train.loop import fit
from kinelet.train.recipe import PretrainConfig

if TYPE_CHECKING:
    from kinelet.train.pairing import Pairing

HARMLESS = ("workers", "log_every", "checkpoint_every", "threads", "device")


@dataclass
class Run:
    """A run directory on its way from windows to a model.

    Attributes:
        views: Windows it is trained on.
        folder: Run directory.
        config: Resolved configuration.
        world: This process's place.
        progress: Told after every step.
        cache: Folder where distances computed beforehand stay, for runs that draw the same batches; ``None``: in the
            run's own folder, until it is done.
        pairing: What is paired with its windows.
        feed: How its batches are drawn.
        sampler: Draws them.
    """

    views: Sequence[Windows]
    folder: Path
    config: PretrainConfig
    world: World
    progress: Progress
    cache: Path | None = None
    pairing: Pairing | None = None
    feed: Feed | None = field(init=False)
    sampler: Sampler = field(init=False)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides the weights; a checkpoint of anything else is refused."""
        facts = self.config.model_dump(mode="json")
        for loop in [facts["train"], *([facts["distance"]["train"]] if facts["distance"] else [])]:
            for harmless in HARMLESS:
                loop.pop(harmless)
        if facts["distance"] and (used := facts["distance"]["use"]) is not None:
            facts["distance"]["use"] = identity(used)
        facts["windows"] = self._windows_facts()
        if self.pairing is not None:
            facts["pairs"] = self.pairing.hash
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def plan(self, resume: bool, feed: Feed | None, views: Sequence[Windows] | None = None) -> None:
        """Plan the batches, and make sure that the folder is free or may be gone on with; nothing is written.

        Args:
            resume: It may hold this very run.
            feed: How batches are drawn.
            views: Windows to draw them from, where they are not all of the run's.

        Raises:
            BadOptionError: if there are too few windows for the batches, or the folder holds another run.
        """
        require_whole_groups(feed, self.config, self.world.size)
        self.feed, self.sampler = feed, make_sampler(self.views if views is None else views, feed, self.config)
        if self.pairing is not None:
            self.sampler = self.pairing.wrap(self.sampler)
        require_free(self.folder, self.fingerprint, resume)

    def begin(self) -> None:
        """Make the folder, with the configuration in it: once everything that can be refused has been looked at."""
        distributed.barrier(self.world)
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.world.main:
            dump_yaml(self.config, self.folder / "config.yaml")

    def train(self, method: Method, *, judge: Judge | None = None, before: int = 0) -> None:
        """Train; afterwards the method's encoder holds the weights to keep.

        Args:
            method: What is trained.
            judge: Chooses the best weights.
            before: Steps told to ``progress`` before these.
        """
        cached = self._cache(method, before)
        before += self.feed.cache if self.feed is not None else 0
        fit(
            method,
            self._batches(cached or self.sampler),
            self.config.train,
            self.folder,
            world=self.world,
            state={"config": self.fingerprint},
            judge=judge,
            progress=lambda done, note="": self.progress(before + done, note),
        )
        distributed.barrier(self.world)
        if cached is not None and self.cache is None and self.world.main:
            cached.remove()

    def _cache(self, method: Any, before: int) -> Cached | None:
        if self.feed is None or not self.feed.cache:
            return None
        train = self.config.train
        rows = train.batch_size // train.accumulate // self.world.size
        if train.threads:
            torch.set_num_threads(train.threads)
        distributed.connect(method, rows, self.world)
        method.to(self.world.device)
        cached = Cached(
            self.sampler,
            self.feed.cache,
            method.distances,
            self._cache_folder(method),
            self.world,
            parts=train.accumulate,
            seed=train.seed,
        )
        finished = (read_state(self.folder) or {}).get("step", 0) >= train.steps
        if not finished:
            cached.fill(lambda done, note="": self.progress(before + done, note))
        return cached

    def _cache_folder(self, method: Any) -> Path:
        """Where distances computed beforehand lie: shared ones under a hash of everything that decides them."""
        if self.cache is None:
            return self.folder / f"distances-{self.fingerprint}"
        train, used = self.config.train, self.config.distance
        facts = {
            "distance": [identity(used.use), used.options] if used and used.use else self.fingerprint,
            "windows": self._windows_facts(),
            "feed": [repr(self.feed), method.config.which, method.config.between, self.config.data.balance],
            "rows": [train.batch_size, train.accumulate, train.seed],
        }
        return self.cache / hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def _windows_facts(self) -> list[Any]:
        return [[v.corpus.hash, len(v), v.n_samples, v.hop, people(v)] for v in self.views]

    def _batches(self, sampler: Sampler) -> Any:
        def batches(first_step: int, steps: int) -> Iterator[Mapping[str, Any]]:
            rows = iterate_batches(
                sampler,
                first_step=first_step,
                steps=steps,
                rank=self.world.rank,
                world=self.world.size,
                workers=self.config.train.workers,
            )
            for _step, batch in rows:
                yield batch

        return batches

    def card(self) -> dict[str, Any]:
        """Facts that travel with the weights."""
        config, views = self.config, self.views
        return {
            "method": config.method,
            "pretrain_people": sum(len(people(v)) for v in views),
            "pretrain_subjects": sorted(set().union(*(v.corpus.identities(people(v)) for v in views))),
            "pretrain_windows": sum(len(v) for v in views),
            "pretrain_corpora": [{"name": v.corpus.path.name, "hash": v.corpus.hash} for v in views],
            "steps": config.train.steps,
            "batch_size": config.train.batch_size,
            "seed": config.train.seed,
            "torch": torch.__version__,
            "python": platform.python_version(),
        }


def people(windows: Windows) -> list[str]:
    """Names of the people who have a window here."""
    return sorted(windows.subjects[i] for i in np.unique(windows.subject))


def common_spec(views: Sequence[Windows]) -> SignalSpec:
    """The signal that all views share.

    Raises:
        SpecMismatchError: if they do not.
    """
    first = views[0].spec
    for view in views[1:]:
        first.require(view.spec, where=str(view.corpus.path))
    return first


def require_even(train: TrainConfig, processes: int) -> None:
    """Raise unless batches can be shared: unequal micro-batches would shift which row is whose partner."""
    parts = train.accumulate * processes
    if train.batch_size % parts:
        raise BadOptionError(
            f"train.batch_size {train.batch_size} cannot be cut into {train.accumulate} micro-batches "
            f"for {processes} processes",
            remedy=f"Use a multiple of {parts}",
        )


def holds_run(folder: Path) -> bool:
    """Whether there is anything to go on from: a checkpoint, a model, or a distance that was to come first."""
    return (
        read_state(folder) is not None
        or (folder / "model").exists()
        or ((folder / "distance").is_dir() and holds_run(folder / "distance"))
    )


def require_free(folder: Path, fingerprint: str, resume: bool) -> None:
    """Raise if a folder holds a run, unless it is this very one and may be gone on with."""
    state = read_state(folder)
    if state is None and not (folder / "model").exists():
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
