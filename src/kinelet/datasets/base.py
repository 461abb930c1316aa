"""What a public dataset is to kinelet: a card of facts, and a function from its published files to recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from kinelet.errors import BadFileError, BadOptionError
from kinelet.signal.recording import Recording

T = TypeVar("T")


class Download(NamedTuple):
    """A file on the publisher's server.

    Attributes:
        url: Address, https.
        sha256: Checksum of the file's bytes; ``None`` where none is known, and then it is not fetched unasked.
        filename: Name to store it under.
    """

    url: str
    sha256: str | None
    filename: str


@dataclass(frozen=True)
class DatasetCard:
    """Facts about a dataset that a user has to know before using it.

    Attributes:
        name: Name in the registry; also the prefix of its subjects and recordings.
        title: Full name.
        licence: Licence of the recordings, with a remark where it is unclear.
        citation: What to cite.
        url: The publisher's page.
        people: How many people were recorded, or how many of what ``who`` says.
        sites: Body sites.
        rates_hz: Nominal sampling rates.
        labels: Classes of the main annotation track; empty where the targets are values.
        traps: What has misled users of the set, and what the loader does about it.
        layout: The files the loader looks for, in one line.
        track: The main annotation track.
        who: What splits keep apart, where it is not people.
        download: Files to fetch, empty where the publisher asks for a form or a package is to be installed.
    """

    name: str
    title: str
    licence: str
    citation: str
    url: str
    people: int
    sites: tuple[str, ...]
    rates_hz: tuple[float, ...]
    labels: tuple[str, ...]
    traps: tuple[str, ...]
    layout: str
    track: str = "activity"
    who: str = "people"
    download: tuple[Download, ...] = ()


@dataclass(frozen=True)
class Dataset(Generic[T]):
    """A dataset's card and its loader, in two steps so that a build can work on parts in parallel.

    Attributes:
        card: Facts.
        find: Published folder -> parts by key, without reading samples; empty where nothing fits the layout.
        read: Key and part -> its recordings.
    """

    card: DatasetCard
    find: Callable[[Path], Mapping[str, T]]
    read: Callable[[str, T], Iterator[Recording]]

    def keys(self, raw: str | Path) -> tuple[str, ...]:
        """Names of the parts under ``raw`` that can be loaded one by one.

        Raises:
            BadFileError: ``raw`` does not hold the published layout.
        """
        return tuple(self._parts(Path(raw)))

    def load(self, raw: str | Path, key: str | None = None) -> Iterator[Recording]:
        """Yield the recordings under ``raw``, or only those of the part ``key``.

        Args:
            raw: Folder with the publisher's files as they come out of the archive.
            key: One of :meth:`keys`.

        Raises:
            BadFileError: ``raw`` does not hold the published layout, or a file in it cannot be read.
            BadOptionError: There is no part ``key``.
        """
        parts = self._parts(Path(raw))
        if key is not None and key not in parts:
            raise BadOptionError(f"no part {key!r}", where=self.card.name, remedy=f"Parts: {_some(tuple(parts))}")
        for name in parts if key is None else (key,):
            for rec in self.read(name, parts[name]):
                yield rec.replace(meta={"dataset": self.card.name, "licence": self.card.licence, **rec.meta})

    def _parts(self, raw: Path) -> Mapping[str, T]:
        parts = self.find(raw)
        if not parts:
            raise BadFileError(
                f"no recordings of {self.card.title} here",
                where=str(raw),
                remedy=f"Expected {self.card.layout} (from {self.card.url})",
            )
        return parts


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:12]) + (f" … ({len(names)})" if len(names) > 12 else "")
