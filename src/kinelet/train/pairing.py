"""Windows paired with what was seen, said or worn at the same time: vectors of a corpus's modalities in each batch."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.links import assign
from kinelet.corpus.narrations import narrations
from kinelet.corpus.samplers import Draw, Sampler
from kinelet.corpus.windows import Windows
from kinelet.errors import BadOptionError
from kinelet.methods.base import Modality
from kinelet.towers.store import EmbeddingStore, list_stores, open_store, store_folder
from kinelet.train.items import Ints, Links, Table, overlapping


@dataclass(frozen=True)
class Paired:
    """A sampler's batches, with the vectors of their windows."""

    sampler: Sampler
    pairing: Pairing

    def draw(self, step: int) -> Draw:
        """Global batch of a step."""
        draw = self.sampler.draw(step)
        return replace(draw, extra={**draw.extra, **self.pairing.extra(cast(Windows, draw.windows), draw.index, step)})


class Pairing:
    """Modalities of the corpora that some views are cut from, linked to their windows.

    Attributes:
        modalities: What there is.
        rows: Windows that have each modality, by name.
        hash: Hash of everything that decides which vectors a batch gets, but for the seed.
    """

    def __init__(self, views: Sequence[Windows], names: Sequence[str] | None = None, *, seed: int = 0) -> None:
        """Open the stores beside the corpora of ``views``.

        Args:
            views: Windows.
            names: Modalities to use; ``None`` for all there are.
            seed: Decides which of several items a window gives.

        Raises:
            BadOptionError: if no corpus has a modality that is named, or stores of one name do not fit together.
        """
        self.views, self.seed = list(views), seed
        self._offset = np.cumsum([0, *(len(v.corpus.recordings) for v in self.views)])
        self._number = {id(view): i for i, view in enumerate(self.views)}
        parts = [_parts(view.corpus) for view in self.views]
        chosen = _chosen({path for part in parts for path in part}, names)
        self._tables: dict[str, Table] = {}
        self._links: dict[str, list[Links]] = {}
        found, hashes = [], []
        for name in chosen:
            table, links, modality, digests = _modality(name, self.views, parts)
            self._tables[name], self._links[name] = table, links
            found.append(modality)
            hashes.append([name, digests, [_digest(link) for link in links]])
        self.modalities = tuple(found)
        self.hash = hashlib.sha256(json.dumps(hashes).encode()).hexdigest()
        self.rows = {name: sum(int((np.diff(x.first) > 0).sum()) for x in v) for name, v in self._links.items()}
        self._width = {name: max(1, *(link.most for link in links)) for name, links in self._links.items()}

    def wrap(self, sampler: Sampler) -> Sampler:
        """The same batches, with vectors."""
        return Paired(sampler, self)

    def extra(self, view: Windows, index: Ints, step: int) -> Mapping[str, npt.NDArray[Any]]:
        """What a batch holds beside its windows; see :class:`kinelet.methods.base.Modality`."""
        number = self._number[id(view)]
        arrays: dict[str, npt.NDArray[Any]] = {
            "moment.recording": view.people_of(index)[1].astype(np.int64) + self._offset[number]
        }
        for i, modality in enumerate(self.modalities):
            name = modality.name
            table = self._tables[name]
            items = self._links[name][number].padded(index, self._width[name])
            item = items[:, 0]
            if modality.pool == "draw":
                share = np.random.default_rng([self.seed, step, i]).random(len(index))
                place = np.floor(share * (items >= 0).sum(axis=1)).astype(np.int64)
                item = items[np.arange(len(index)), place]
                vectors = table.gather(item)
            else:
                vectors = _mean(table, items)
            arrays |= {f"vectors.{name}": vectors, f"item.{name}": item, f"items.{name}": items}
        return arrays

    def items(self, name: str, view: Windows, index: Ints) -> Ints:
        """Items of a modality of some windows, filled up with -1, shape ``(len(index), K)``."""
        return self._links[name][self._number[id(view)]].padded(index, self._width[name])

    def timed(self, name: str, item: Ints) -> npt.NDArray[np.bool_]:
        """Which items have a place in a recording, rather than being a sentence, shape ``(len(item),)``."""
        return self._tables[name].timed(item)

    def vectors(self, name: str, item: Ints) -> npt.NDArray[np.float32]:
        """Vectors of items ``(len(item), dim)``."""
        return self._tables[name].gather(item)


def _mean(table: Table, items: Ints) -> npt.NDArray[np.float32]:
    vectors = table.gather(items.ravel()).reshape(*items.shape, -1).sum(axis=1)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, length, out=vectors, where=length > 0), dtype=np.float32)


Parts = dict[Path, dict[str, list[int]]]


def _parts(corpus: Corpus) -> Parts:
    """Folders that a corpus's recordings lie in, and the codes of the recordings of each, by their names there."""
    found: Parts = defaultdict(lambda: defaultdict(list))
    for code, r in enumerate(corpus.recordings):
        found[Path(r.row.get("part_path", corpus.path))][r.row.get("part_id", r.id)].append(code)
    return found


def _chosen(folders: set[Path], names: Sequence[str] | None) -> list[str]:
    there = sorted({name for folder in folders for name in list_stores(folder)})
    unknown = sorted(set(names or ()) - set(there))
    if unknown:
        raise BadOptionError(
            f"no corpus has the modality {', '.join(unknown)}",
            where="modalities",
            remedy=f"There is: {', '.join(there)}" if there else "Attach one with: kinelet corpus annotate",
        )
    return there if names is None else list(dict.fromkeys(names))


def _modality(
    name: str, views: Sequence[Windows], parts: Sequence[Parts]
) -> tuple[Table, list[Links], Modality, list[str]]:
    table = Table()
    folders = sorted({f for part in parts for f in part if (store_folder(f, name)).is_dir()})
    stores = {folder: open_store(store_folder(folder, name)) for folder in folders}
    _require_alike(name, stores)
    numbers = {folder: table.add(store) for folder, store in stores.items()}
    links = []
    for view, part in zip(views, parts, strict=True):
        windows, items = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
        if any(not stores[f].meta.timed for f in part if f in stores):
            window, item = _said(view, stores, numbers)
            windows.append(window)
            items.append(item)
        for folder in (f for f in part if f in stores and stores[f].meta.timed):
            window, row = overlapping(view, part[folder], stores[folder])
            windows.append(window)
            items.append(numbers[folder][row])
        links.append(Links.of(len(view), np.concatenate(windows), np.concatenate(items)))
    first = next(iter(stores.values())).meta
    modality = Modality(name, first.dim, first.space, first.pool, first.tower, first.probe)
    return table, links, modality, [store.hash for store in stores.values()]


def _said(view: Windows, stores: Mapping[Path, EmbeddingStore], numbers: Mapping[Path, Ints]) -> tuple[Ints, Ints]:
    """Windows and items of the sentences that describe them."""
    said = narrations(view.corpus)
    window, narration = assign(view, said)
    folders = [Path(r.row.get("part_path", view.corpus.path)) for r in view.corpus.recordings]
    item = np.full(len(said), -1, dtype=np.int64)
    for folder in (f for f in set(folders) if f in stores and not stores[f].meta.timed):
        mine = np.array([f == folder for f in folders])[said.recording]
        item[mine] = _numbered(said.sentences, said.item[mine], stores[folder], numbers[folder])
    keep = item[narration] >= 0
    return window[keep], item[narration[keep]]


def _numbered(sentences: Sequence[str], which: Ints, store: EmbeddingStore, numbers: Ints) -> Ints:
    """Item numbers of some sentences."""
    known = dict(zip(store.keys, numbers.tolist(), strict=True))
    by_sentence = np.array([known.get(s, -1) for s in sentences], dtype=np.int64)
    lacking = which[by_sentence[which] < 0]
    if len(lacking):
        raise BadOptionError(
            f"the sentence {sentences[int(lacking[0])]!r} has no vector",
            where=str(store.path),
            remedy="Embed the corpus's sentences again: kinelet corpus annotate",
        )
    return by_sentence[which]


def _require_alike(name: str, stores: Mapping[Path, EmbeddingStore]) -> None:
    kinds = {(s.meta.dim, s.meta.space, s.meta.pool, s.meta.tower, s.meta.probe): f for f, s in stores.items()}
    if len(kinds) > 1:
        told = "; ".join(f"{folder}: {kind[1]}, {kind[0]} wide, by {kind[3]}" for kind, folder in kinds.items())
        raise BadOptionError(
            f"the stores of {name!r} do not fit together: {told}",
            where="modalities",
            remedy="Attach them all with the same tower, or name the modalities apart",
        )


def _digest(links: Links) -> str:
    return hashlib.sha256(links.first.tobytes() + links.item.tobytes()).hexdigest()
