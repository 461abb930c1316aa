"""Modalities of a corpus: which channels, at which site, make one."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence

from pydantic import Field

from kinelet.config import FrozenModel, Names
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.manifest import RecordingInfo
from kinelet.errors import BadOptionError

GROUPS = {stem: tuple(f"{stem}_{axis}" for axis in "xyz") for stem in ("acc", "gyr", "mag")}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_AXIS = re.compile(r"_(x|y|z|\d+)$")


class View(FrozenModel):
    """One modality of a corpus.

    Attributes:
        channels: Channels, in this order; ``acc``, ``gyr`` and ``mag`` stand for their three axes, the name of a side
            stream or the stem of channels for all of it.
        site: Recordings of this body site only; ``None`` for all.
        rate_hz: Recordings of this rate only; ``None`` for all.
        window_s: Length of its windows in seconds; ``None`` for that of the moments.
    """

    channels: Names = Field(min_length=1)
    site: str | None = None
    rate_hz: float | None = Field(default=None, gt=0)
    window_s: float | None = Field(default=None, gt=0)

    @classmethod
    def parse(cls, text: str) -> View:
        """Read ``CHANNELS[@SITE]``.

        >>> View.parse("acc@wrist").channels
        ('acc_x', 'acc_y', 'acc_z')

        Raises:
            BadOptionError: if there is no channel in it.
        """
        names, at, site = text.partition("@")
        tokens = [t.strip() for t in names.split(",") if t.strip()]
        if not tokens or (at and not site.strip()):
            raise BadOptionError(
                f"{text!r} is no view", where="modality", remedy="Write CHANNELS or CHANNELS@SITE, such as acc@wrist"
            )
        channels = tuple(c for t in tokens for c in GROUPS.get(t, (t,)))
        return cls(channels=channels, site=site.strip() or None)

    @property
    def text(self) -> str:
        """What :meth:`parse` reads; it holds no rate and no window length."""
        text = ",".join(self.channels)
        for stem, axes in GROUPS.items():
            text = text.replace(",".join(axes), stem)
        return f"{text}@{self.site}" if self.site else text

    def __str__(self) -> str:
        return self.text

    def part(self, corpus: Corpus) -> tuple[Corpus, tuple[str, ...]]:
        """The recordings that have this modality, and its channels.

        Recordings proper go before side streams that have the same channels.

        Raises:
            BadOptionError: if no recording has it, naming what there is.
        """
        there = [r for r in corpus.recordings if self.site in (None, r.site) and self.rate_hz in (None, r.spec.rate_hz)]
        streams = [r for r in there if r.stream in self.channels]
        if len(self.channels) == 1 and streams and not any(self.channels[0] in r.spec.channels for r in there):
            return _ids(corpus, streams), streams[0].spec.channels
        channels = tuple(c for name in self.channels for c in _expanded(name, there))
        having = holders(there, channels)
        if not having:
            raise BadOptionError(
                f"no recording has {self}",
                where=str(corpus.path),
                remedy=f"Modalities here: {', '.join(f'{k}={v}' for k, v in views_of(corpus).items()) or 'none'}",
            )
        return _ids(corpus, having), channels


def holders(recordings: Sequence[RecordingInfo], channels: Collection[str]) -> list[RecordingInfo]:
    """Recordings proper with all these channels; where there are none, side streams with them."""
    having = [r for r in recordings if set(channels) <= set(r.spec.channels)]
    return [r for r in having if r.stream is None] or having


def modality(corpus: Corpus, text: str) -> View:
    """The view that a text means: a name that :func:`views_of` gives, else ``CHANNELS[@SITE]``."""
    return views_of(corpus).get(text) or View.parse(text)


def views_of(corpus: Corpus) -> dict[str, View]:
    """Modalities that a corpus has: sensors by the stem of their channels, side streams, sites apart if several.

    >>> # {"acc": View(acc), "bvp": View(bvp)} of a wristband, {"acc_wrist": …, "acc_chest": …} of two devices
    """
    found: dict[str, Counter[tuple[tuple[str, ...], str | None]]] = defaultdict(Counter)
    for r in corpus.recordings:
        for name, channels in _sensors(r):
            found[name][channels, r.site] += 1
    return dict(_views(found))


def _views(found: dict[str, Counter[tuple[tuple[str, ...], str | None]]]) -> Iterator[tuple[str, View]]:
    for name, kinds in found.items():
        sites = sorted({site for _, site in kinds if site is not None})
        if len(sites) < 2:
            yield name, View(channels=kinds.most_common(1)[0][0][0])
            continue
        for site in sites:
            channels = max((n, c) for (c, at), n in kinds.items() if at == site)[1]
            yield _plain(f"{name}_{site}"), View(channels=channels, site=site)


def _sensors(info: RecordingInfo) -> Iterator[tuple[str, tuple[str, ...]]]:
    if info.stream is not None:
        own = info.spec.channels if len(info.spec.channels) <= len("xyz") else (info.stream,)
        yield _plain(info.stream), own
        return
    stems: dict[str, list[str]] = defaultdict(list)
    for channel in info.spec.channels:
        stems[_AXIS.sub("", channel)].append(channel)
    for stem, channels in stems.items():
        yield _plain(stem), tuple(channels)


def _expanded(name: str, recordings: Sequence[RecordingInfo]) -> tuple[str, ...]:
    """A channel, or all channels of a stem in the recording that first has it."""
    if any(name in r.spec.channels for r in recordings):
        return (name,)
    families = (tuple(c for c in r.spec.channels if _AXIS.sub("", c) == name) for r in recordings)
    return next((f for f in families if f), (name,))


def _ids(corpus: Corpus, recordings: Sequence[RecordingInfo]) -> Corpus:
    return corpus.select(recordings=[r.id for r in recordings])


def _plain(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
    return plain if _NAME.fullmatch(plain) else f"m_{plain}"


def require_name(name: str) -> None:
    """Raise unless a modality may be called so: names become names of folders and of parameters.

    Raises:
        BadOptionError: if it may not.
    """
    if not _NAME.fullmatch(name):
        raise BadOptionError(
            f"{name!r} is no name for a modality", where="modality", remedy="Use letters, digits and _, a letter first"
        )
