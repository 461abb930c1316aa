"""One spec for many recordings, or an error that says how they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from kinelet.corpus.manifest import RecordingInfo
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.signal.spec import SignalSpec


def common_spec(
    recordings: Sequence[RecordingInfo], *, channels: Sequence[str] | None = None, where: str = "corpus"
) -> SignalSpec:
    """The one spec of recordings, restricted to ``channels`` if given.

    Raises:
        BadOptionError: if there are no recordings.
        SpecMismatchError: if they differ, naming how and the remedy.
    """
    if not recordings:
        raise BadOptionError("the corpus holds no recordings", where=where, remedy="See failed.jsonl for the reasons")
    specs = Counter(_restricted(r, channels) for r in recordings)
    rates = Counter(s.rate_hz for s in specs.elements())
    if len(rates) > 1:
        listed = ", ".join(f"{rate:g} Hz ({n} recordings)" for rate, n in sorted(rates.items()))
        raise SpecMismatchError(
            f"recordings have different rates: {listed}",
            where=where,
            remedy="Build the corpus with one rate (--rate), or take a part with Corpus.select(rate_hz=…)",
        )
    first = next(iter(specs))
    for field in ("channels", "units", "gravity"):
        values = sorted({str(getattr(s, field)) for s in specs})
        if len(values) > 1:
            raise SpecMismatchError(
                f"recordings have different {field}: {' and '.join(values)}",
                where=where,
                remedy=_remedy(field, specs),
            )
    return first if len(specs) == 1 else first.replace(site=None)


def _remedy(field: str, specs: Iterable[SignalSpec]) -> str:
    """How to choose what all of them have, if there is anything."""
    first, *others = specs
    shared = ",".join(c for c in first.channels if all(c in s.channels for s in others))
    if field != "channels" or not shared:
        return "Build a corpus of those that are alike, or take a part with Corpus.select(…)"
    return (
        f"Name channels that all have: kinelet pretrain … data.channels={shared}, "
        f"or kinelet corpus build … --channels {shared}"
    )


def _restricted(info: RecordingInfo, channels: Sequence[str] | None) -> SignalSpec:
    if channels is None:
        return info.spec
    units = dict(zip(info.spec.channels, info.spec.units, strict=True))
    missing = [c for c in channels if c not in units]
    if missing:
        raise SpecMismatchError(
            f"has no channel {', '.join(missing)}; it has {', '.join(units)}",
            where=f"recording {info.id!r}",
            remedy="Choose channels that all recordings have, or take a part with Corpus.select(channels=…)",
        )
    return info.spec.replace(channels=tuple(channels), units=tuple(units[c] for c in channels))
